import pytest
import torch
from torch import nn

from medseg_demo.errors import TrainingError
from medseg_demo.models.card import ModelCard
from medseg_demo.training.config import TrainingConfig
from medseg_demo.training.network import build, nearest, parameter_groups, try_out

GREY = ModelCard(class_names=("disc",), in_channels=1, input_size=(64, 64))
BALLS = ModelCard(class_names=("ball",), in_channels=1, input_size=(16, 15, 16), inference="tile")


def network_of(card: ModelCard, **keys: object) -> nn.Module:
    return build(TrainingConfig(input_size=card.input_size, in_channels=card.in_channels, **keys), card)


def test_the_nearest_names_answer_an_unknown_one():
    assert nearest("lerning_rate", ["learning_rate", "loss"]) == "did you mean learning_rate?"
    assert nearest("x", ["b", "a"], listed=2) == "valid are a, b"
    assert nearest("x", ["b", "a"]) == "nothing is called so"


def test_a_network_that_was_tried_is_as_it_was():
    network = network_of(GREY, network={"encoder_name": "tu-test_resnet"})
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    try_out(network, GREY, batch=8)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert [one for one in network.parameters() if one.grad is not None] == []
    assert network.training


def test_the_encoder_learns_at_its_own_rate():
    network = network_of(GREY, network={"encoder_name": "tu-test_resnet"})
    config = TrainingConfig(encoder_rate=0.1, learning_rate=0.01, weight_decay=0.05)
    groups = parameter_groups(network, config)
    how = {one: (group["lr"], group["weight_decay"]) for group in groups for one in group["params"]}
    assert len(how) == sum(len(group["params"]) for group in groups) == len([*network.parameters()])
    encoder = set(network.encoder.parameters())
    for one, (rate, decay) in how.items():
        assert rate == pytest.approx(0.001 if one in encoder else 0.01)
        assert decay == (0.05 if one.ndim > 1 else 0)


@pytest.mark.parametrize(
    ("card", "keys", "batch", "said"),
    [
        (BALLS, {"architecture": "MonaiUNet", "network": {"channels": [4, 8], "strides": [2]}}, 2, "16, 15, 16"),
        (GREY, {"network": {"encoder_name": "tu-vit_tiny_patch16_224"}, "architecture": "DPT"}, 2, "64"),
        (GREY, {"architecture": "DeepLabV3Plus", "network": {"encoder_name": "resnet18"}}, 1, "batch_size over 1"),
    ],
)  # fmt: skip
def test_what_a_network_refuses_becomes_a_sentence(card, keys, batch, said):
    with pytest.raises(TrainingError, match=rf"does not take a batch of {batch} with 1 channel.*{said}"):
        try_out(network_of(card, **keys), card, batch=batch)


def test_a_network_that_gives_back_other_channels_is_refused():
    with pytest.raises(TrainingError, match=r"gives back \[3, 64, 64\] in place of \[1, 64, 64\]"):
        try_out(nn.Conv2d(1, 3, 1), GREY, batch=2)
