import math

import pytest
import torch

from medseg_demo.training.config_parts import Loss
from medseg_demo.training.losses import build_loss, compute_loss


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


# One row of four pixels with probabilities .8 .6 .3 .1 and labels 1 1 0 0:
# Dice 1 - 2 (.8 + .6) / ((.8 + .6 + .3 + .1) + 2) = 1 - 2.8 / 3.8
# cross-entropy -(ln .8 + ln .6 + ln .7 + ln .9) / 4
PROBABILITIES = (0.8, 0.6, 0.3, 0.1)
LABELS = (1, 1, 0, 0)
DICE = 1 - 2.8 / 3.8
CROSS_ENTROPY = -(math.log(0.8) + math.log(0.6) + math.log(0.7) + math.log(0.9)) / 4


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (Loss(dice=1, cross_entropy=0), DICE),
        (Loss(dice=0, cross_entropy=1), CROSS_ENTROPY),
        (Loss(dice=2, cross_entropy=0.5), 2 * DICE + 0.5 * CROSS_ENTROPY),
    ],
)
def test_one_class(config, expected):
    logits = torch.tensor([logit(p) for p in PROBABILITIES]).view(1, 1, 1, 4)
    labels = torch.tensor(LABELS).view(1, 1, 1, 4)
    assert float(compute_loss(build_loss(config, classes=1), logits, labels)) == pytest.approx(expected, abs=1e-4)


def test_whole_batch_pools_images():
    # Image 1 as above; image 2 without foreground, probabilities .1 everywhere.
    logits = torch.tensor([[logit(p) for p in PROBABILITIES], [logit(0.1)] * 4]).view(2, 1, 1, 4)
    labels = torch.tensor([LABELS, (0, 0, 0, 0)]).view(2, 1, 1, 4)
    pooled = compute_loss(build_loss(Loss(cross_entropy=0, whole_batch=True), classes=1), logits, labels)
    each = compute_loss(build_loss(Loss(cross_entropy=0), classes=1), logits, labels)
    assert float(pooled) == pytest.approx(1 - 2.8 / (1.8 + 0.4 + 2), abs=1e-4)
    assert float(each) == pytest.approx((DICE + 1) / 2, abs=1e-4)


def test_several_classes_leave_the_background_out_of_dice():
    # Two pixels, three classes; softmax of these logits is exactly the probabilities.
    probabilities = torch.tensor([[0.2, 0.7, 0.1], [0.1, 0.3, 0.6]])
    logits = probabilities.log().T.reshape(1, 3, 1, 2)
    labels = torch.tensor([1, 2]).view(1, 1, 1, 2)
    first, second = 1 - 2 * 0.7 / (1.0 + 1), 1 - 2 * 0.6 / (0.7 + 1)
    dice = compute_loss(build_loss(Loss(cross_entropy=0), classes=2), logits, labels)
    assert float(dice) == pytest.approx((first + second) / 2, abs=1e-4)
    both = compute_loss(build_loss(Loss(), classes=2), logits, labels)
    assert float(both) == pytest.approx((first + second) / 2 - (math.log(0.7) + math.log(0.6)) / 2, abs=1e-4)


def test_reduced_precision_is_widened_first():
    loss = build_loss(Loss(), classes=1)
    logits, labels = torch.randn(1, 1, 8, 8).bfloat16(), torch.ones(1, 1, 8, 8)
    assert compute_loss(loss, logits, labels).dtype == torch.float32
