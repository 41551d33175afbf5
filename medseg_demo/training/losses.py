"""Dice and cross-entropy, added: MONAI's own, from logits."""

from typing import cast

import torch
from monai.losses import DiceCELoss
from torch import nn

from medseg_demo.training.config_parts import Loss


def build_loss(config: Loss, *, classes: int) -> nn.Module:
    """The loss of a training.

    It takes logits (N, K, H, W) and labels (N, 1, H, W) of whole numbers, or volumes of them; K is 1 for one class
    (sigmoid) and classes + 1 for several (softmax, background first; Dice leaves the background out).

    Dice is 1 − (2 Σ p g + s) / (Σ p + Σ g + s) with s = 1e-5, so an image without foreground costs nearly 1 unless
    every probability is close to 0. Cross-entropy is the mean over pixels.

    Args:
        config: The weights of the two parts.
        classes: Foreground classes.

    Source: Milletari et al. 2016, V-Net, doi:10.1109/3DV.2016.79 (with the plain denominator); Isensee et al. 2021,
    nnU-Net, doi:10.1038/s41592-020-01008-z (the sum of both).
    """
    several = classes > 1
    return DiceCELoss(
        include_background=not several,
        to_onehot_y=several,
        sigmoid=not several,
        softmax=several,
        batch=config.whole_batch,
        lambda_dice=config.dice,
        lambda_ce=config.cross_entropy,
    )


def compute_loss(loss: nn.Module, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The loss of a batch, in float32 whatever precision the logits have."""
    return cast(torch.Tensor, loss(logits.float(), labels.float()))
