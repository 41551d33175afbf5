import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays

from evaluation.metrics import dice, hausdorff_distance, surface_dice
from evaluation.metrics.pair import bounding_box, make_pair

MASK = np.eye(4, dtype=bool)


def test_different_shapes_are_both_named():
    with pytest.raises(ValueError, match=r"\(4, 4\).*\(4, 5\)"):
        dice(MASK, np.zeros((4, 5), bool))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_only_boolean_masks(dtype):
    with pytest.raises(ValueError, match=f"prediction has dtype {np.dtype(dtype)}"):
        dice(MASK, MASK.astype(dtype))
    with pytest.raises(ValueError, match="reference has dtype"):
        dice(MASK.astype(dtype), MASK)


@pytest.mark.parametrize("shape", [(), (9,), (2, 2, 2, 2)])
def test_only_images_and_volumes(shape):
    with pytest.raises(ValueError, match="Give an array"):
        dice(np.zeros(shape, bool), np.zeros(shape, bool))


@pytest.mark.parametrize("spacing", [1.0, (1.0,), (1, 1, 1), (1, 0), (1, -1), (1, np.nan), (1, np.inf), "ab", {}])
def test_unusable_spacing(spacing):
    with pytest.raises(ValueError, match="Give 2 positive numbers"):
        hausdorff_distance(MASK, MASK, spacing=spacing)


@pytest.mark.parametrize("tolerance", [-0.1, np.nan, np.inf])
def test_unusable_tolerance(tolerance):
    with pytest.raises(ValueError, match="tolerance"):
        surface_dice(MASK, MASK, tolerance=tolerance)


def test_spacing_may_be_an_array():
    assert hausdorff_distance(MASK, MASK[::-1], spacing=np.array([2.0, 2.0])) > 0


def test_masks_are_cut_to_what_they_hold_together():
    reference, prediction = np.zeros((2, 10, 12), bool)
    reference[2, 3] = prediction[5, 8] = True
    pair = make_pair(reference, prediction)
    assert pair.reference.shape == pair.prediction.shape == (4, 6)
    assert (pair.shape, pair.counts.tn) == ((10, 12), 118)


@settings(deadline=None)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=5)))
def test_the_box_is_the_least_that_holds_all(mask):
    box = bounding_box(mask)
    assert mask[box].sum() == mask.sum()
    places = np.argwhere(mask)
    least = places.max(0) - places.min(0) + 1 if places.size else (0,) * mask.ndim
    assert mask[box].shape == tuple(least)


def test_what_is_shared_is_computed_once():
    pair = make_pair(MASK, MASK[::-1])
    assert pair.counts is pair.counts
    assert pair.distances is pair.distances
    assert pair.lesions is pair.lesions


def test_nothing_is_written_into_the_masks():
    reference, prediction = MASK.copy(), MASK[::-1].copy()
    reference.flags.writeable = prediction.flags.writeable = False
    assert make_pair(reference, prediction).distances.reference.size == 4
