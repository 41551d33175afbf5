import pytest
import torch

from medseg_demo.training.loop import _moving_average, _warmup_and_cosine


def test_average_follows_quickly_then_slowly():
    average = _moving_average(0.99)
    kept, current = torch.zeros(2), torch.ones(2)
    assert average(kept, current, 0)[0] == pytest.approx(0.9)
    assert average(kept, current, torch.tensor(10_000))[0] == pytest.approx(0.01)
    assert average(torch.tensor(3), torch.tensor(4), 5) == 4


def test_no_average_is_the_current_weights():
    assert _moving_average(0.0)(torch.zeros(1), torch.ones(1), 50)[0] == 1


def test_schedule_rises_falls_and_ends_at_zero():
    factor = _warmup_and_cosine(4, 100)
    assert [factor(step) for step in range(4)] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert factor(4) == 1
    assert factor(52) == pytest.approx(0.5)
    assert factor(100) == pytest.approx(0)
    assert all(factor(step) >= factor(step + 1) for step in range(4, 100))
