"""The four counts of a confusion table, and the metrics that are formulas of them."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Counts:
    """How many pixels of an image fall into each cell of the confusion table.

    A metric whose formula is 0/0 is NaN.

    Attributes:
        tp: In the reference and in the prediction.
        fp: In the prediction only.
        fn: In the reference only.
        tn: In neither.
    """

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def reference(self) -> int:
        """Pixels of the reference."""
        return self.tp + self.fn

    @property
    def prediction(self) -> int:
        """Pixels of the prediction."""
        return self.tp + self.fp

    @property
    def dice(self) -> float:
        """2 tp / (2 tp + fp + fn)."""
        return ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def iou(self) -> float:
        """The share tp / (tp + fp + fn)."""
        return ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def precision(self) -> float:
        """The share tp / (tp + fp)."""
        return ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """The share tp / (tp + fn)."""
        return ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> float:
        """The share tn / (tn + fp)."""
        return ratio(self.tn, self.tn + self.fp)

    @property
    def accuracy(self) -> float:
        """(tp + tn) / all pixels."""
        return ratio(self.tp + self.tn, self.tp + self.fp + self.fn + self.tn)

    @property
    def mcc(self) -> float:
        """(tp tn − fp fn) / √((tp + fp)(tp + fn)(tn + fp)(tn + fn))."""
        margins = (self.tp + self.fp) * (self.tp + self.fn) * (self.tn + self.fp) * (self.tn + self.fn)
        return ratio(self.tp * self.tn - self.fp * self.fn, math.sqrt(margins))

    def f_beta(self, beta: float) -> float:
        """(1 + β²) tp / ((1 + β²) tp + β² fn + fp)."""
        weighted = (1 + beta**2) * self.tp
        return ratio(weighted, weighted + beta**2 * self.fn + self.fp)


def ratio(numerator: float, denominator: float) -> float:
    """The quotient, with 0/0 as NaN and any other division by 0 as infinity."""
    if denominator:
        return float(numerator / denominator)
    return math.inf if numerator else math.nan


def count(reference: np.ndarray, prediction: np.ndarray, *, pixels: int) -> Counts:
    """Count the cells of the confusion table.

    Args:
        reference: Boolean mask.
        prediction: Boolean mask of the same shape.
        pixels: Size of the whole image, of which the masks may be a part with all the foreground in it.
    """
    tp = int(np.count_nonzero(reference & prediction))
    fn = int(np.count_nonzero(reference)) - tp
    fp = int(np.count_nonzero(prediction)) - tp
    return Counts(tp=tp, fp=fp, fn=fn, tn=pixels - tp - fp - fn)
