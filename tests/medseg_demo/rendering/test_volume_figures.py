import numpy as np
import pytest

from medseg_demo.image import LabelMap
from medseg_demo.rendering.volume_figures import class_totals, threshold_histogram

RNG = np.random.default_rng(3)
PROBABILITIES = RNG.random((5, 6, 7)).astype(np.float16)
REFERENCE = RNG.random((5, 6, 7)) > 0.6


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.5, 0.735, 1.0])
def test_sums_from_a_threshold_upwards_are_the_counts_of_the_mask(threshold):
    counts = threshold_histogram(PROBABILITIES, REFERENCE)
    mask = threshold < PROBABILITIES
    first = round(threshold * 200) + 1
    assert sum(counts["inside"][first:]) == (mask & REFERENCE).sum()
    assert sum(counts["outside"][first:]) == (mask & ~REFERENCE).sum()


def test_without_a_reference_all_is_outside():
    counts = threshold_histogram(PROBABILITIES, None)
    assert (sum(counts["inside"]), sum(counts["outside"])) == (0, PROBABILITIES.size)
    assert len(counts["inside"]) == len(counts["outside"]) == 201


def test_totals_of_each_class():
    labels = LabelMap(np.array([[[0, 1, 2]], [[2, 2, 0]]], np.uint8), ("a", "b"))
    reference = LabelMap(np.array([[[1, 1, 0]], [[2, 0, 0]]], np.uint8), ("a", "b"))
    assert class_totals(labels, reference) == [
        {"predicted": 1, "reference": 2, "both": 1},
        {"predicted": 3, "reference": 1, "both": 1},
    ]
    assert class_totals(labels, None)[0] == {"predicted": 1, "reference": None, "both": None}
