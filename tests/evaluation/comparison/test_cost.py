"""What a checkpoint costs, against figures that are counted by hand."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from evaluation.comparison.cost import find_cost, peak_bytes
from medseg_demo.models.card import ModelCard
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.settings import Settings

CPU = torch.device("cpu")
SETTINGS = Settings(device="cpu", precision="float32")
PLANE = 64 * 64 * 4  # bytes of one channel of the input


class Widening(nn.Module):
    """Makes so many channels of the one, and one of them again."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.weight = nn.Parameter(torch.ones(10))

    def forward(self, images):
        return images.repeat(1, self.channels, 1, 1).sum(dim=1, keepdim=True)


def widening(channels):
    card = ModelCard(class_names=("one",), in_channels=1, input_size=(64, 64), threshold=0.5)
    return Checkpoint(f"net {channels}", card, Widening(channels).eval(), "0" * 64)


def in_turn():
    first = torch.zeros(1000)  # 4000 bytes, which live until the end
    second = first + 1  # 4000 more
    view = second[:10]
    del second, view
    return first.double().sum()  # 8000 more, once those 4000 are free


@pytest.mark.parametrize(
    ("work", "most"),
    [
        (lambda: torch.zeros(1000), 4000),
        (lambda: [torch.zeros(1000) for _ in range(3)], 12_000),
        (lambda: [torch.zeros(1000).sum() for _ in range(3)], 4000 + 2 * 4 + 4),
        (lambda: torch.zeros(1000).view(10, 100).t()[2], 4000),
        (lambda: torch.zeros(1000).add_(1).mul_(2), 4000),
        (lambda: torch.zeros(1000).max(dim=0), 4000 + 4 + 8),
        (lambda: torch.zeros(0), 0),
        (in_turn, 12_000 + 8),
    ],
)
def test_the_most_that_lives_at_once(work, most):
    assert peak_bytes(work, CPU) == most


def test_tensors_from_before_do_not_count():
    before = torch.zeros(1000)
    assert peak_bytes(lambda: before[:10].mul_(2), CPU) == 0
    assert peak_bytes(lambda: torch.cat([before, before[:10]]), CPU) == 4040


def test_cuda_is_asked_for_its_own_figure(monkeypatch):
    figures = {"memory_allocated": 300, "max_memory_allocated": 1000}
    told = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", told.append)
    for name, figure in figures.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, figure=figure: figure)
    device = torch.device("cuda", 0)
    assert peak_bytes(lambda: told.append("worked"), device) == 700
    assert told == [device, "worked"]


def test_the_same_network_costs_the_same_each_time():
    first, again = find_cost(widening(8), SETTINGS), find_cost(widening(8), SETTINGS)
    assert first == again
    assert first.parameters == 10


def test_more_channels_cost_what_they_hold():
    few, many = (find_cost(widening(channels), SETTINGS).network_bytes for channels in (8, 24))
    assert many - few == 16 * PLANE
    assert few >= 8 * PLANE


def test_it_is_measured_once_while_the_checkpoint_is_loaded(monkeypatch):
    checkpoint = widening(8)
    cost = find_cost(checkpoint, SETTINGS)
    monkeypatch.setattr("evaluation.comparison.cost.predict", lambda *arguments: 1 / 0)
    assert find_cost(checkpoint, SETTINGS) == cost
    with pytest.raises(ZeroDivisionError):
        find_cost(checkpoint, replace(SETTINGS, precision="bfloat16"))
