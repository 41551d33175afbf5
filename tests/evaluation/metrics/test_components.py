import math

import numpy as np

from evaluation.metrics.components import LesionCounts, count_lesions


def test_pixels_that_touch_at_a_corner_are_one_lesion(draw):
    diagonal = draw("""
        #..
        .#.
        ..#""")
    assert count_lesions(diagonal, np.zeros_like(diagonal)) == LesionCounts(reference=1, found=0, predicted=0, true=0)


def test_voxels_of_adjacent_slices_that_touch_at_a_corner_are_one_lesion(draw):
    mask = draw("""
        #..
        ...

        ...
        .#.

        ..#
        ...""")
    assert count_lesions(mask, mask) == LesionCounts(reference=1, found=1, predicted=1, true=1)


def test_one_large_prediction_finds_several_lesions(draw):
    reference = draw("""
        #..#..#
        .......""")
    prediction = draw("""
        #####..
        .......""")
    assert count_lesions(reference, prediction) == LesionCounts(reference=3, found=2, predicted=1, true=1)


def test_formulas():
    counts = LesionCounts(reference=4, found=3, predicted=5, true=2)
    assert (counts.precision, counts.recall) == (0.4, 0.75)
    assert math.isclose(counts.f1, 2 * 0.4 * 0.75 / 1.15)
