import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from evaluation.metrics import lesion_f1, lesion_precision, lesion_recall


@pytest.fixture
def pair(draw):
    """Five reference lesions, of which two are touched; three predicted ones, of which two are true."""
    reference = draw("""
        ##......#
        ##......#
        .........
        ....##...
        .........
        #.......#""")
    prediction = draw("""
        .........
        .##......
        .........
        .....###.
        .........
        ...#.....""")
    return reference, prediction


def test_by_hand(pair):
    assert lesion_recall(*pair) == 2 / 5
    assert lesion_precision(*pair) == 2 / 3
    assert lesion_f1(*pair) == pytest.approx(2 * (2 / 5) * (2 / 3) / (2 / 5 + 2 / 3))


def test_size_does_not_matter(pair):
    reference, prediction = (np.kron(mask, np.ones((3, 3), bool)) for mask in pair)
    assert lesion_recall(reference, prediction) == 2 / 5
    assert lesion_precision(reference, prediction) == 2 / 3


def test_in_three_dimensions(draw):
    reference = draw("""
        #....
        .....

        #...#
        .....""")
    prediction = draw("""
        ..#..
        .....

        #.#..
        .....""")
    assert lesion_recall(reference, prediction) == 1 / 2
    assert lesion_precision(reference, prediction) == 1 / 2


def test_no_match_is_zero(draw):
    first, second = draw("#...#"), draw("..#..")
    assert [metric(first, second) for metric in (lesion_precision, lesion_recall, lesion_f1)] == [0, 0, 0]


@settings(deadline=None)
@given(arrays(bool, (5, 6)), arrays(bool, (5, 6)))
def test_exchange_of_the_masks_exchanges_precision_and_recall(reference, prediction):
    expected = lesion_recall(prediction, reference)
    assert lesion_precision(reference, prediction) == pytest.approx(expected, nan_ok=True)
    expected = lesion_f1(prediction, reference)
    assert lesion_f1(reference, prediction) == pytest.approx(expected, nan_ok=True)
