import numpy as np
import pytest

from medseg_demo.image import LabelMap
from medseg_demo.rendering.predictions import (
    ClassTotals,
    class_totals,
    relabelled,
    reordered,
    shared_names,
    threshold_histogram,
)

RNG = np.random.default_rng(3)
PROBABILITIES = RNG.random((5, 6, 7)).astype(np.float16)
REFERENCE = RNG.random((5, 6, 7)) > 0.6

FIRST = LabelMap(np.array([[0, 1, 2]], np.uint8), ("nerve", "vessel"))
SECOND = LabelMap(np.array([[1, 2, 0]], np.uint8), ("vessel", "bone"))


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.5, 0.735, 1.0])
def test_sums_from_a_threshold_upwards_are_the_counts_of_the_mask(threshold):
    counts = threshold_histogram(PROBABILITIES, REFERENCE)
    mask = threshold < PROBABILITIES
    first = round(threshold * 200) + 1
    assert sum(counts.inside[first:]) == (mask & REFERENCE).sum()
    assert sum(counts.outside[first:]) == (mask & ~REFERENCE).sum()


def test_without_a_reference_all_is_outside():
    counts = threshold_histogram(PROBABILITIES, None)
    assert (sum(counts.inside), sum(counts.outside)) == (0, PROBABILITIES.size)
    assert len(counts.inside) == len(counts.outside) == 201


def test_totals_of_each_class():
    labels = LabelMap(np.array([[[0, 1, 2]], [[2, 2, 0]]], np.uint8), ("a", "b"))
    reference = LabelMap(np.array([[[1, 1, 0]], [[2, 0, 0]]], np.uint8), ("a", "b"))
    assert class_totals(labels, reference) == [ClassTotals(1, 2, 1), ClassTotals(3, 1, 1)]
    assert class_totals(labels, None)[0] == ClassTotals(1, None, None)


def test_classes_of_one_name_are_one_class():
    names = shared_names([FIRST, None, SECOND])
    assert names == ("nerve", "vessel", "bone")
    assert relabelled(FIRST, names).labels is FIRST.labels
    assert relabelled(SECOND, names).labels.tolist() == [[2, 3, 0]]
    assert relabelled(SECOND, names).class_names == names


def test_probabilities_follow_their_classes():
    maps = np.array([[[0.1]], [[0.2]]])
    assert reordered(maps, ("vessel", "bone"), ("nerve", "vessel", "bone")).ravel().tolist() == [0, 0.1, 0.2]
