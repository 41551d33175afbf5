"""The loss: a weighted sum of MONAI's and torch's own, from logits, and the weights of the classes in it."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from monai.losses import DiceLoss, FocalLoss, SoftclDiceLoss, TverskyLoss
from torch import nn
from torch.nn import functional

from medseg_demo.errors import TrainingError
from medseg_demo.training.config_parts import Loss

BACKGROUND = "background"

Term = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class WeightedLoss(nn.Module):
    """The sum of the parts whose weight is not 0.

    It takes logits (N, K, H, W) and labels (N, 1, H, W) of whole numbers, or volumes of them; K is 1 for one class
    (sigmoid) and classes + 1 for several (softmax, background first; the parts that compare regions leave it out).

    - Dice: 1 − (2 Σ p g + s) / (Σ p + Σ g + s) with s = 1e-5, so an image without foreground costs nearly 1 unless
      every probability is close to 0 (Milletari et al. 2016, V-Net, doi:10.1109/3DV.2016.79, with the plain
      denominator; its sum with cross-entropy: Isensee et al. 2021, nnU-Net, doi:10.1038/s41592-020-01008-z).
    - Tversky: 1 − (Σ p g + s) / (Σ p g + α Σ p (1 − g) + β Σ (1 − p) g + s) (Salehi et al. 2017, arXiv:1706.05721).
    - clDice: 1 minus the harmonic mean of the share of the prediction's soft skeleton in the reference and of the
      reference's in the prediction (Shit et al. 2021, doi:10.1109/CVPR46437.2021.01629).
    - Cross-entropy: the mean over pixels of −ln p of the pixel's own label.
    - Focal: that of −(1 − p)^γ ln p (Lin et al. 2017, doi:10.1109/ICCV.2017.324).

    With weights of classes the last two are Σ w l / Σ w over the pixels, where w is the weight of a pixel's label.

    Args:
        config: The weights of the parts.
        classes: Foreground classes.
        class_weights: Of each label, background first; None weighs all alike.
    """

    class_weights: torch.Tensor | None

    def __init__(self, config: Loss, *, classes: int, class_weights: Sequence[float] | None = None) -> None:
        super().__init__()
        several = classes > 1
        kind: dict[str, Any] = {
            "include_background": not several,
            "to_onehot_y": several,
            "sigmoid": not several,
            "softmax": several,
        }
        pooled = {"batch": config.whole_batch, **kind}
        focal = FocalLoss(gamma=config.gamma, to_onehot_y=several, use_softmax=several, reduction="none")
        parts: tuple[tuple[float, Term], ...] = (
            (config.dice, DiceLoss(**pooled)),
            (config.cross_entropy, self._cross_entropy),
            (config.focal, lambda logits, labels: self._mean(focal(logits, labels).sum(1, keepdim=True), labels)),
            (config.tversky, TverskyLoss(alpha=config.alpha, beta=config.beta, **pooled)),
            (config.cl_dice, SoftclDiceLoss(iter_=config.skeleton_steps, **kind)),
        )
        self.parts = tuple((weight, part) for weight, part in parts if weight > 0)
        weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
        self.register_buffer("class_weights", weights, persistent=False)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The loss of a batch, in float32 whatever precision the logits have."""
        logits, labels = logits.float(), labels.float()
        (weight, part), *others = self.parts
        total = weight * part(logits, labels)
        for weight, part in others:
            total = total + weight * part(logits, labels)
        return total

    def _cross_entropy(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if logits.shape[1] > 1:  # torch weighs classes the same way
            return functional.cross_entropy(logits, labels[:, 0].long(), weight=self.class_weights)
        if self.class_weights is None:
            return functional.binary_cross_entropy_with_logits(logits, labels)
        return self._mean(functional.binary_cross_entropy_with_logits(logits, labels, reduction="none"), labels)

    def _mean(self, losses: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if self.class_weights is None:
            return losses.mean()
        weights = self.class_weights[labels.long()]
        return (weights * losses).sum() / weights.sum()


def class_weights(config: Loss, class_names: Sequence[str], labels: Iterable[np.ndarray]) -> tuple[float, ...] | None:
    """The weight of each label, background first.

    "auto" gives 1 / ln(1.02 + f), where f is the label's share of all pixels of the training: between 1.4 and 50.5, so
    that a class of few pixels, or of none, does not drown the others.

    Args:
        config: ``class_weights`` is read; a label that it does not name weighs 1.
        class_names: Of label 1 and the following.
        labels: Label maps of the training cases.

    Returns:
        None where all weigh alike.

    Raises:
        TrainingError: A name is no class.

    Source: Paszke et al. 2016, ENet, arXiv:1606.02147, section 5.2.
    """
    if config.class_weights is None:
        return None
    names = (BACKGROUND, *class_names)
    if config.class_weights != "auto":
        for name in config.class_weights:
            if name not in names:
                raise TrainingError(f"loss.class_weights: {name!r} is no class; the names are {', '.join(names)}.")
        return tuple(config.class_weights.get(name, 1.0) for name in names)
    counts = sum(
        (np.bincount(one.ravel(), minlength=len(names))[: len(names)] for one in labels), np.zeros(len(names), int)
    )
    return tuple(round(1 / math.log(1.02 + count / counts.sum()), 4) for count in counts)
