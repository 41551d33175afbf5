import math

import numpy as np
import pytest
import torch

from medseg_demo.training.loop import _moving_average, _warmup_and_cosine, case_dice, mean_dice


def test_dice_of_hand_drawn_labels():
    reference = np.array([[[1, 1, 2, 0]]])
    prediction = np.array([[[1, 0, 2, 2]]])
    assert case_dice(reference, prediction, classes=2) == pytest.approx((2 / 3, 2 / 3))


def test_dice_of_absent_classes():
    reference, prediction = np.array([[[0, 1, 2]]]), np.array([[[0, 1, 3]]])
    scores = case_dice(reference, prediction, classes=4)
    assert scores[:3] == (1, 0, 0)
    assert math.isnan(scores[3])


def test_mean_is_over_cases_first_then_over_classes():
    # The rows of METRICS.md's example: class means .7 and .4.
    scores = {"a": (0.9, 0.6), "b": (0.3, math.nan), "c": (0.9, 0.2)}
    assert mean_dice(scores) == pytest.approx(0.55)
    assert mean_dice({"a": (math.nan,)}) == 0


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
