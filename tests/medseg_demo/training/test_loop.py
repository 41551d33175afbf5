import pytest
import torch

from medseg_demo.training.loop import _moving_average, _warmup_and_cosine


def averaged(kept, current, steps, *, decay=0.99):
    kept = torch.tensor([kept])
    _moving_average(decay)([kept], [torch.tensor([current])], steps)
    return kept.item()


def test_average_follows_quickly_then_slowly():
    assert averaged(0.0, 1.0, 0) == pytest.approx(0.9)
    assert averaged(0.0, 1.0, torch.tensor(10_000)) == pytest.approx(0.01)
    assert averaged(3, 4, 5) == 4, "a counter is copied"


def test_no_average_is_the_current_weights():
    assert averaged(0.0, 1.0, 50, decay=0.0) == 1


def test_schedule_rises_falls_and_ends_at_zero():
    factor = _warmup_and_cosine(4, 100)
    assert [factor(step) for step in range(4)] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert factor(4) == 1
    assert factor(52) == pytest.approx(0.5)
    assert factor(100) == pytest.approx(0)
    assert all(factor(step) >= factor(step + 1) for step in range(4, 100))
