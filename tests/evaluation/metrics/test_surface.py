import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evaluation.metrics import (
    average_symmetric_surface_distance,
    boundary_iou,
    hausdorff_distance,
    mean_average_surface_distance,
    surface_dice,
)

METRICS = (hausdorff_distance, average_symmetric_surface_distance, mean_average_surface_distance, surface_dice)


def square_and_speck():
    reference, prediction = np.zeros((2, 100, 100), bool)
    reference[20:40, 20:40] = prediction[20:40, 20:40] = prediction[80:83, 80:83] = True
    return reference, prediction, None


def shortened_square():
    reference, prediction = np.zeros((2, 100, 100), bool)
    reference[20:60, 20:60] = prediction[22:60, 20:60] = True
    return reference, prediction, (2, 0.5)


def two_balls():
    z, y, x = np.indices((60, 60, 60))
    masks = [(z - middle) ** 2 + (y - 30) ** 2 + (x - 30) ** 2 <= 400 for middle in (30, 32)]
    return *masks, None


@pytest.mark.parametrize(
    ("masks", "hd95", "assd", "nsd"),
    [
        (square_and_speck, 59.3059, 2.9702, 0.9500),
        (shortened_square, 4.0, 0.9351, 0.7532),
        (two_balls, 2.0, 1.0177, 0.5792),
    ],
)
def test_cross_checks_by_independent_tools(masks, hd95, assd, nsd):
    reference, prediction, spacing = masks()
    assert hausdorff_distance(reference, prediction, spacing=spacing) == pytest.approx(hd95, abs=5e-5)
    assert average_symmetric_surface_distance(reference, prediction, spacing=spacing) == pytest.approx(assd, abs=5e-5)
    assert surface_dice(reference, prediction, spacing=spacing, tolerance=1) == pytest.approx(nsd, abs=5e-5)


def test_cross_check_of_the_hausdorff_distance_itself():
    reference, prediction, _ = square_and_speck()
    assert hausdorff_distance(reference, prediction, percentile=100) == pytest.approx(60.8112, abs=5e-5)


@pytest.fixture
def bars():
    """A bar of four pixels and one of two that lies a row below its left end: distances 1, 1, √2, √5 and 1, 1."""
    reference, prediction = np.zeros((2, 4, 6), bool)
    reference[1, 1:5] = prediction[2, 1:3] = True
    return reference, prediction


def test_by_hand(bars):
    first, second = [1, 1, math.sqrt(2), math.sqrt(5)], [1, 1]
    assert hausdorff_distance(*bars, percentile=100) == math.sqrt(5)
    # The 95th percentile of four values lies at rank 2.85 (of 0 to 3).
    assert hausdorff_distance(*bars) == pytest.approx(0.15 * math.sqrt(2) + 0.85 * math.sqrt(5))
    assert hausdorff_distance(*bars, percentile=50) == pytest.approx((1 + math.sqrt(2)) / 2)
    assert average_symmetric_surface_distance(*bars) == pytest.approx(sum(first + second) / 6)
    assert mean_average_surface_distance(*bars) == pytest.approx((sum(first) / 4 + 1) / 2)
    assert surface_dice(*bars) == 4 / 6
    assert surface_dice(*bars, tolerance=0.5) == 0
    assert surface_dice(*bars, tolerance=1.5) == 5 / 6


def test_by_hand_with_spacing(bars):
    distances = [2, 2, math.hypot(2, 0.5), math.hypot(2, 1), 2, 2]
    assert hausdorff_distance(*bars, spacing=(2, 0.5), percentile=100) == math.hypot(2, 1)
    assert average_symmetric_surface_distance(*bars, spacing=(2, 0.5)) == pytest.approx(sum(distances) / 6)
    assert surface_dice(*bars, spacing=(2, 0.5), tolerance=2) == 4 / 6


def test_tolerance_includes_itself_whatever_the_rounding():
    reference, prediction = np.zeros((2, 9, 9), bool)
    reference[2, 4] = prediction[5, 4] = True
    assert 3 * 0.1 > 0.3
    assert surface_dice(reference, prediction, spacing=(0.1, 0.1), tolerance=0.3) == 1
    assert surface_dice(reference, prediction, spacing=(0.1, 0.1), tolerance=0.2999) == 0


def monai_values(reference, prediction, spacing, tolerance):
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice

    masks = [torch.from_numpy(mask)[None, None].float() for mask in (prediction, reference)]
    options = {"include_background": True, "spacing": spacing}
    return {
        "hd": compute_hausdorff_distance(*masks, **options).item(),
        "hd95": compute_hausdorff_distance(*masks, percentile=95, **options).item(),
        "assd": compute_average_surface_distance(*masks, symmetric=True, **options).item(),
        "nsd": compute_surface_dice(*masks, class_thresholds=[tolerance], **options).item(),
    }


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("shape", "spacing"),
    [
        ((60, 50), None),
        ((60, 50), (2.0, 0.5)),
        ((60, 50), (0.7, 0.7)),
        ((20, 24, 22), None),
        ((20, 24, 22), (5.0, 0.8, 0.9)),
    ],
)
def test_agreement_with_monai_on_blobs_that_touch_the_edge(blob_pair, shape, spacing, seed):
    reference, prediction = blob_pair(shape, seed)
    assert any(reference[edge].any() for edge in (0, -1))
    oracle = monai_values(reference, prediction, spacing, tolerance=1.6)
    ours = {
        "hd": hausdorff_distance(reference, prediction, spacing=spacing, percentile=100),
        "hd95": hausdorff_distance(reference, prediction, spacing=spacing),
        "assd": average_symmetric_surface_distance(reference, prediction, spacing=spacing),
        "nsd": surface_dice(reference, prediction, spacing=spacing, tolerance=1.6),
    }
    assert ours == pytest.approx(oracle, rel=1e-6)


@settings(deadline=None, max_examples=40)
@given(arrays(bool, (4, 5, 3)), arrays(bool, (4, 5, 3)), st.permutations(range(3)), st.integers(0, 2))
def test_flips_and_transpositions_change_nothing(reference, prediction, order, axis):
    spacing = (3.0, 0.5, 1.25)
    turned = [np.flip(mask, axis).transpose(order) for mask in (reference, prediction)]
    permuted = [spacing[i] for i in order]
    for metric in (*METRICS, boundary_iou):
        expected = metric(reference, prediction, spacing=spacing)
        assert metric(*turned, spacing=permuted) == pytest.approx(expected, nan_ok=True)


@settings(deadline=None, max_examples=40)
@given(arrays(bool, (5, 6)), arrays(bool, (5, 6)), st.sampled_from([0.1, 2.0, 7.0]))
def test_distances_grow_with_the_spacing_and_are_symmetric(reference, prediction, scale):
    for metric in METRICS[:3]:
        here = metric(reference, prediction)
        assert metric(prediction, reference) == pytest.approx(here, nan_ok=True)
        assert metric(reference, prediction, spacing=(scale, scale)) == pytest.approx(scale * here, nan_ok=True)


@settings(deadline=None)
@given(arrays(bool, (5, 6)).filter(np.any))
def test_a_mask_has_no_distance_to_itself(mask):
    assert [metric(mask, mask) for metric in METRICS] == [0, 0, 0, 1]
    assert boundary_iou(mask, mask) == 1


def test_boundary_iou_by_hand(draw):
    """Two 5 × 5 squares, one shifted by a pixel: rings of 16 that share 8 pixels at width 1."""
    reference, prediction = np.zeros((2, 9, 9), bool)
    reference[2:7, 2:7] = prediction[2:7, 3:8] = True
    assert boundary_iou(reference, prediction, width=1) == pytest.approx(8 / 24)
    # At width 2 only the centres are left out: 24 each, 20 common pixels less the two centres.
    assert boundary_iou(reference, prediction, width=2) == pytest.approx(18 / 30)
    assert boundary_iou(reference, prediction, width=9) == pytest.approx(20 / 30)


def test_boundary_iou_is_by_default_two_percent_of_the_diagonal_wide():
    reference, prediction = np.zeros((2, 120, 160), bool)
    reference[20:80, 20:80] = prediction[21:80, 20:80] = True
    for spacing, width in [(None, 4), ((0.5, 0.5), 2)]:
        default = boundary_iou(reference, prediction, spacing=spacing)
        assert default == boundary_iou(reference, prediction, spacing=spacing, width=width)
        assert default != boundary_iou(reference, prediction, spacing=spacing, width=0.9 * width)


def test_boundary_iou_counts_the_image_edge_as_outside():
    reference = np.ones((5, 5), bool)
    prediction = reference.copy()
    prediction[2, 2] = False
    # The ring of the reference has 16 pixels; the prediction's also the 4 neighbours of its hole.
    assert boundary_iou(reference, prediction, width=1) == pytest.approx(16 / 20)


@pytest.mark.parametrize("percentile", [-1, 101, math.nan])
def test_unusable_percentile(bars, percentile):
    with pytest.raises(ValueError, match="percentile"):
        hausdorff_distance(*bars, percentile=percentile)


@pytest.mark.parametrize("width", [0, -1, math.nan])
def test_unusable_width(bars, width):
    with pytest.raises(ValueError, match="width"):
        boundary_iou(*bars, width=width)
