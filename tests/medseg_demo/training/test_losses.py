import math

import numpy as np
import pytest
import torch
from monai.losses import DiceCELoss
from pydantic import ValidationError

from medseg_demo.errors import TrainingError
from medseg_demo.training.config_parts import Loss
from medseg_demo.training.losses import WeightedLoss, class_weights

NONE = {"dice": 0, "cross_entropy": 0}


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


# One row of four pixels with probabilities .8 .6 .3 .1 and labels 1 1 0 0: of the foreground 1.4 of 2 is found, and .4
# is found beside it.
PROBABILITIES = (0.8, 0.6, 0.3, 0.1)
LABELS = (1, 1, 0, 0)
LOGITS = torch.tensor([logit(p) for p in PROBABILITIES]).view(1, 1, 1, 4)
ROW = torch.tensor(LABELS).view(1, 1, 1, 4)
DICE = 1 - 2.8 / 3.8
OWN = (0.8, 0.6, 0.7, 0.9)  # the probability of each pixel's own label
ENTROPIES = [-math.log(p) for p in OWN]
CROSS_ENTROPY = sum(ENTROPIES) / 4
FOCAL = sum((1 - p) ** 2 * entropy for p, entropy in zip(OWN, ENTROPIES, strict=True)) / 4


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (Loss(dice=1, cross_entropy=0), DICE),
        (Loss(dice=0, cross_entropy=1), CROSS_ENTROPY),
        (Loss(dice=2, cross_entropy=0.5), 2 * DICE + 0.5 * CROSS_ENTROPY),
        (Loss(**NONE, focal=1), FOCAL),
        (Loss(**NONE, focal=1, gamma=0), CROSS_ENTROPY),
        (Loss(**NONE, tversky=1), 1 - 1.4 / (1.4 + 0.3 * 0.4 + 0.7 * 0.6)),
        (Loss(**NONE, tversky=1, alpha=0.5, beta=0.5), DICE),
        (
            Loss(dice=1, cross_entropy=2, focal=3, tversky=4, alpha=0.5, beta=0.5),
            5 * DICE + 2 * CROSS_ENTROPY + 3 * FOCAL,
        ),
    ],
)
def test_one_class(config, expected):
    assert float(WeightedLoss(config, classes=1)(LOGITS, ROW)) == pytest.approx(expected, abs=1e-4)


def test_weights_of_pixels_are_those_of_their_labels():
    by_label = [w * entropy for w, entropy in zip((3, 3, 1, 1), ENTROPIES, strict=True)]
    loss = WeightedLoss(Loss(dice=0), classes=1, class_weights=(1, 3))
    assert float(loss(LOGITS, ROW)) == pytest.approx(sum(by_label) / 8, abs=1e-4)
    focal = [w * (1 - p) ** 2 * e for w, p, e in zip((3, 3, 1, 1), OWN, ENTROPIES, strict=True)]
    loss = WeightedLoss(Loss(**NONE, focal=1), classes=1, class_weights=(1, 3))
    assert float(loss(LOGITS, ROW)) == pytest.approx(sum(focal) / 8, abs=1e-4)


def test_centre_lines():
    # A line of five pixels, of which three are found: all that is found is right, (3 + 1) / (5 + 1) of it is found.
    labels = torch.zeros(1, 1, 5, 5)
    labels[..., 2, :] = 1
    found = torch.full((1, 1, 5, 5), -30.0)
    found[..., 2, :3] = 30
    loss = WeightedLoss(Loss(**NONE, cl_dice=1), classes=1)
    assert float(loss(found, labels)) == pytest.approx(1 - 2 * (2 / 3) / (1 + 2 / 3), abs=1e-3)
    # A thick line costs nothing where its centre line is that of the reference; Dice would count the rest.
    thick = torch.full((1, 1, 5, 5), -30.0)
    thick[..., 1:4, :] = 30
    assert float(loss(thick, labels)) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("loss", ["dice", "tversky"])
def test_whole_batch_pools_images(loss):
    # Image 1 as above; image 2 without foreground, probabilities .1 everywhere.
    logits = torch.cat([LOGITS, torch.full((1, 1, 1, 4), logit(0.1))])
    labels = torch.cat([ROW, torch.zeros_like(ROW)])
    config = {**NONE, loss: 1, "alpha": 0.5, "beta": 0.5}
    pooled = WeightedLoss(Loss(**config, whole_batch=True), classes=1)(logits, labels)
    each = WeightedLoss(Loss(**config), classes=1)(logits, labels)
    assert float(pooled) == pytest.approx(1 - 2.8 / (1.8 + 0.4 + 2), abs=1e-4)
    assert float(each) == pytest.approx((DICE + 1) / 2, abs=1e-4)


# Two pixels, three classes; softmax of these logits is exactly the probabilities.
THREE = torch.tensor([[0.2, 0.7, 0.1], [0.1, 0.3, 0.6]]).log().T.reshape(1, 3, 1, 2)
TWO = torch.tensor([1, 2]).view(1, 1, 1, 2)
FIRST, SECOND = -math.log(0.7), -math.log(0.6)


@pytest.mark.parametrize(
    ("config", "weights", "expected"),
    [
        (Loss(cross_entropy=0), None, (1 - 2 * 0.7 / (1.0 + 1) + 1 - 2 * 0.6 / (0.7 + 1)) / 2),
        (Loss(**NONE, tversky=1), None, (1 - 0.7 / (0.7 + 0.09 + 0.21) + 1 - 0.6 / (0.6 + 0.03 + 0.28)) / 2),
        (Loss(dice=0), None, (FIRST + SECOND) / 2),
        (Loss(dice=0), (1, 2, 4), (2 * FIRST + 4 * SECOND) / 6),
        (Loss(**NONE, focal=1), None, (0.09 * FIRST + 0.16 * SECOND) / 2),
        (Loss(**NONE, focal=1), (1, 2, 4), (2 * 0.09 * FIRST + 4 * 0.16 * SECOND) / 6),
    ],
)
def test_several_classes_leave_the_background_out_of_regions(config, weights, expected):
    loss = WeightedLoss(config, classes=2, class_weights=weights)
    assert float(loss(THREE, TWO)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("classes", [1, 2])
def test_dice_and_cross_entropy_are_bit_for_bit_those_of_monai(classes):
    logits, labels = torch.randn(2, classes + (classes > 1), 8, 8), torch.randint(0, classes + 1, (2, 1, 8, 8))
    several = classes > 1
    monai = DiceCELoss(include_background=not several, to_onehot_y=several, sigmoid=not several, softmax=several)
    assert torch.equal(WeightedLoss(Loss(), classes=classes)(logits, labels), monai(logits, labels.float()))


def test_reduced_precision_is_widened_first():
    logits, labels = torch.randn(1, 1, 8, 8).bfloat16(), torch.ones(1, 1, 8, 8)
    assert WeightedLoss(Loss(), classes=1)(logits, labels).dtype == torch.float32


def test_a_gradient_of_every_part_reaches_the_logits():
    logits = THREE.repeat(1, 1, 8, 4).requires_grad_()
    loss = WeightedLoss(Loss(focal=1, tversky=1, cl_dice=1), classes=2, class_weights=(1, 2, 3))
    loss(logits, TWO.repeat(1, 1, 8, 4)).backward()
    assert bool(logits.grad.isfinite().all())
    assert float(logits.grad.abs().sum()) > 0


def test_weights_from_the_training_labels():
    maps = [np.array([[0, 0, 1, 0]], np.uint8), np.array([[0, 0, 1, 0]], np.uint8)]
    expected = (1 / math.log(1.02 + 0.75), 1 / math.log(1.02 + 0.25), 1 / math.log(1.02))
    assert class_weights(Loss(class_weights="auto"), ("a", "b"), maps) == pytest.approx(expected, abs=1e-4)
    assert class_weights(Loss(), ("a", "b"), maps) is None


def test_weights_by_name():
    assert class_weights(Loss(class_weights={"b": 5, "background": 0.5}), ("a", "b"), []) == (0.5, 1, 5)
    with pytest.raises(TrainingError, match=r"class_weights: 'c' is no class; the names are background, a, b"):
        class_weights(Loss(class_weights={"c": 5}), ("a", "b"), [])


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        (NONE, "all 0"),
        ({"cross_entropy": 0, "class_weights": "auto"}, "both 0"),
        ({"class_weights": "automatic"}, "class_weights"),
        ({"class_weights": {"a": 0}}, "greater than 0"),
        ({"gamma": -1}, "gamma"),
        ({"skeleton_steps": 0}, "skeleton_steps"),
    ],
)
def test_faulty_parts(config, fault):
    with pytest.raises(ValidationError, match=fault):
        Loss(**config)
