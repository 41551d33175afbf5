import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.metrics.counts import Counts, count, ratio

# tp 6, fp 2, fn 4, tn 8: 20 pixels.
COUNTS = Counts(tp=6, fp=2, fn=4, tn=8)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dice", 12 / 18),
        ("iou", 6 / 12),
        ("precision", 6 / 8),
        ("recall", 6 / 10),
        ("specificity", 8 / 10),
        ("accuracy", 14 / 20),
        ("mcc", (6 * 8 - 2 * 4) / math.sqrt(8 * 10 * 10 * 12)),
        ("reference", 10),
        ("prediction", 8),
    ],
)
def test_formulas_by_hand(name, value):
    assert getattr(COUNTS, name) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(("beta", "value"), [(1, 12 / 18), (2, 30 / (30 + 16 + 2)), (0.5, 7.5 / (7.5 + 1 + 2))])
def test_f_beta_by_hand(beta, value):
    assert COUNTS.f_beta(beta) == pytest.approx(value, rel=1e-15)


def test_count_takes_the_pixels_outside_the_box_as_true_negatives():
    reference = np.array([[True, True, False]])
    prediction = np.array([[False, True, True]])
    assert count(reference, prediction, pixels=100) == Counts(tp=1, fp=1, fn=1, tn=97)


def test_ratio_of_nothing():
    assert math.isnan(ratio(0, 0))
    assert ratio(2, 0) == math.inf
    assert ratio(0, 3) == 0


def test_mcc_of_a_large_volume_does_not_overflow():
    counts = Counts(tp=10**9, fp=10**9, fn=10**9, tn=10**9)
    assert counts.mcc == 0
    assert Counts(tp=10**10, fp=0, fn=0, tn=10**10).mcc == 1


@settings(deadline=None)
@given(*[st.integers(1, 1000)] * 4)
def test_mcc_is_the_correlation_of_the_two_masks(tp, fp, fn, tn):
    reference = np.repeat([1, 0, 1, 0], [tp, fp, fn, tn])
    prediction = np.repeat([1, 1, 0, 0], [tp, fp, fn, tn])
    expected = np.corrcoef(reference, prediction)[0, 1]
    assert Counts(tp=tp, fp=fp, fn=fn, tn=tn).mcc == pytest.approx(expected, abs=1e-12)
