import math

import numpy as np
import pytest

from evaluation.metrics.components import LesionMatching, check_matching, count_lesions


def figures(*masks, **options):
    """Lesions of the reference, found ones, lesions of the prediction, true ones."""
    counts = count_lesions(*masks, **options)
    return counts.reference, counts.found, counts.predicted, counts.true


def test_pixels_that_touch_at_a_corner_are_one_lesion(draw):
    diagonal = draw("""
        #..
        .#.
        ..#""")
    assert figures(diagonal, np.zeros_like(diagonal)) == (1, 0, 0, 0)


def test_voxels_of_adjacent_slices_that_touch_at_a_corner_are_one_lesion(draw):
    mask = draw("""
        #..
        ...

        ...
        .#.

        ..#
        ...""")
    assert figures(mask, mask) == (1, 1, 1, 1)


def test_one_large_prediction_finds_several_lesions(draw):
    reference = draw("""
        #..#..#
        .......""")
    prediction = draw("""
        #####..
        .......""")
    assert figures(reference, prediction) == (3, 2, 1, 1)


def test_formulas(draw):
    counts = count_lesions(draw("#.#.#.##"), draw("#......#"))
    assert (counts.precision, counts.recall) == (1, 0.5)
    assert math.isclose(counts.f1, 2 * 1 * 0.5 / 1.5)
    # Dice of the lesions: 1, 0, 0 and 2/3, over four lesions and no false positive.
    assert math.isclose(counts.lesion_dice, (1 + 2 / 3) / 4)


def test_above_a_threshold_lesions_are_paired_one_to_one(draw):
    reference, prediction = draw("###.####"), draw("#######.")
    assert figures(reference, prediction) == (2, 2, 1, 1)
    # The IoU are 3/7 and 3/8.
    assert figures(reference, prediction, matching=LesionMatching(0.2)) == (2, 1, 1, 1)
    assert figures(reference, prediction, matching=LesionMatching(0.5)) == (2, 0, 1, 0)


def test_panoptic_quality_is_the_iou_of_pairs_over_all_lesions(draw):
    counts = count_lesions(draw("####.##.#"), draw("###..##.."))
    assert math.isclose(counts.panoptic_quality, (3 / 4 + 1) / (2 + 1 / 2))


def test_small_lesions_are_neither_missed_nor_false(draw):
    reference, prediction = draw("###.#.#.."), draw("###.#...#")
    matching = LesionMatching(smallest=2.0)
    assert figures(reference, prediction) == (3, 2, 3, 2)
    assert figures(reference, prediction, matching=matching) == (1, 1, 1, 1)
    assert figures(reference, prediction, matching=matching, pixel_size=2.0) == (3, 2, 3, 2)


def test_recall_of_sizes(draw):
    counts = count_lesions(draw("#.##.####"), draw("..##....."), matching=LesionMatching(sizes=(2.0, 4.0)))
    assert [counts.recall_of_size(place) for place in range(3)] == [0, 1, 0]


def test_the_objects_of_an_instance_map_count_even_where_they_touch():
    numbers = np.array([[7, 7, 9, 9]])
    assert figures(numbers > 0, numbers > 0) == (1, 1, 1, 1)
    assert figures(numbers > 0, numbers > 0, instances=(numbers, numbers)) == (2, 2, 2, 2)
    assert figures(numbers > 0, numbers > 0, instances=(numbers, None)) == (2, 2, 1, 1)


@pytest.mark.parametrize(
    "given", [{"overlap": 1.0}, {"overlap": -0.1}, {"smallest": -1.0}, {"smallest": math.nan}, {"sizes": (5.0, 5.0)}]
)
def test_unusable_rules_are_refused(given):
    with pytest.raises(ValueError, match="Give"):
        check_matching(LesionMatching(**given))
