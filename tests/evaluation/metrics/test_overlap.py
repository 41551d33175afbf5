import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evaluation.metrics import accuracy, dice, f_beta, iou, mcc, precision, recall, specificity

MASKS = arrays(bool, (4, 5))


@pytest.fixture
def pair(draw):
    """Two common pixels, one only predicted, three missed, eighteen of neither: 24 in all."""
    reference = draw("""
        ......
        .###..
        .##...
        ......""")
    prediction = draw("""
        ......
        ..###.
        ......
        ......""")
    return reference, prediction


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (dice, 4 / 8),
        (iou, 2 / 6),
        (precision, 2 / 3),
        (recall, 2 / 5),
        (specificity, 18 / 19),
        (accuracy, 20 / 24),
        (mcc, (2 * 18 - 1 * 3) / math.sqrt(3 * 5 * 19 * 21)),
        (f_beta, 10 / (10 + 4 * 3 + 1)),
    ],
)
def test_by_hand(pair, metric, value):
    assert metric(*pair) == pytest.approx(value, rel=1e-15)


def test_cross_check_of_dice_and_iou():
    reference, prediction = np.zeros((2, 100, 100), bool)
    reference[20:40, 20:40] = prediction[20:40, 20:40] = prediction[80:83, 80:83] = True
    assert dice(reference, prediction) == pytest.approx(0.9889, abs=5e-5)
    assert iou(reference, prediction) == pytest.approx(0.9780, abs=5e-5)


@settings(deadline=None)
@given(MASKS, MASKS)
def test_symmetries(reference, prediction):
    for metric in (dice, iou, accuracy, mcc):
        assert metric(reference, prediction) == pytest.approx(metric(prediction, reference), nan_ok=True)
    assert precision(reference, prediction) == pytest.approx(recall(prediction, reference), nan_ok=True)
    assert specificity(~reference, ~prediction) == pytest.approx(recall(reference, prediction), nan_ok=True)


@settings(deadline=None)
@given(MASKS, MASKS)
def test_dice_and_iou_follow_from_each_other(reference, prediction):
    overlap = iou(reference, prediction)
    assert dice(reference, prediction) == pytest.approx(2 * overlap / (1 + overlap), nan_ok=True)


@settings(deadline=None)
@given(MASKS, MASKS, st.floats(0.1, 10))
def test_f_beta_of_one_is_dice_and_lies_between_precision_and_recall(reference, prediction, beta):
    assert f_beta(reference, prediction, beta=1) == pytest.approx(dice(reference, prediction), nan_ok=True)
    if reference.any() and prediction.any():
        bounds = sorted([precision(reference, prediction), recall(reference, prediction)])
        assert bounds[0] - 1e-12 <= f_beta(reference, prediction, beta=beta) <= bounds[1] + 1e-12


@pytest.mark.parametrize("beta", [0, -1, math.inf, math.nan])
def test_f_beta_refuses_an_unusable_beta(pair, beta):
    with pytest.raises(ValueError, match="beta"):
        f_beta(*pair, beta=beta)


def test_agreement_with_monai():
    import torch
    from monai.metrics import compute_confusion_matrix_metric, compute_dice, compute_iou, get_confusion_matrix

    reference, prediction = np.random.default_rng(0).random((2, 6, 7, 8)) < 0.4
    masks = [torch.from_numpy(mask)[None, None].float() for mask in (prediction, reference)]
    table = get_confusion_matrix(*masks)
    assert dice(reference, prediction) == pytest.approx(float(compute_dice(*masks)), rel=1e-6)
    assert iou(reference, prediction) == pytest.approx(float(compute_iou(*masks)), rel=1e-6)
    for metric in (precision, recall, specificity, accuracy):
        oracle = float(compute_confusion_matrix_metric(metric.__name__, table))
        assert metric(reference, prediction) == pytest.approx(oracle, rel=1e-6)
