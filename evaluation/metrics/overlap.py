"""Metrics of overlap: formulas of the confusion table of one class.

All take two boolean masks, (Y, X) or (Z, Y, X), of the same shape, and raise ValueError for anything else. A
formula that becomes 0/0 gives NaN.
"""

import numpy as np

from evaluation.metrics.pair import make_pair


def dice(reference: np.ndarray, prediction: np.ndarray) -> float:
    """Dice coefficient, 2 tp / (2 tp + fp + fn), in [0, 1].

    Empty masks: NaN when both are, 0 when one is.

    Source:
        Dice 1945, doi:10.2307/1932409.
    """
    return make_pair(reference, prediction).counts.dice


def iou(reference: np.ndarray, prediction: np.ndarray) -> float:
    """Intersection over union (Jaccard index), tp / (tp + fp + fn), in [0, 1].

    Empty masks: NaN when both are, 0 when one is.

    Source:
        Jaccard 1912, doi:10.1111/j.1469-8137.1912.tb05611.x.
    """
    return make_pair(reference, prediction).counts.iou


def precision(reference: np.ndarray, prediction: np.ndarray) -> float:
    """Precision (positive predictive value), tp / (tp + fp), in [0, 1].

    Empty masks: NaN when the prediction is, 0 when only the reference is.

    Source:
        Taha & Hanbury 2015, doi:10.1186/s12880-015-0068-x.
    """
    return make_pair(reference, prediction).counts.precision


def recall(reference: np.ndarray, prediction: np.ndarray) -> float:
    """Recall (sensitivity), tp / (tp + fn), in [0, 1].

    Empty masks: NaN when the reference is, 0 when only the prediction is.

    Source:
        Taha & Hanbury 2015, doi:10.1186/s12880-015-0068-x.
    """
    return make_pair(reference, prediction).counts.recall


def specificity(reference: np.ndarray, prediction: np.ndarray) -> float:
    """Specificity, tn / (tn + fp), in [0, 1].

    Empty masks follow the formula: 1 when both are. NaN when the reference fills the image.

    Source:
        Taha & Hanbury 2015, doi:10.1186/s12880-015-0068-x.
    """
    return make_pair(reference, prediction).counts.specificity


def accuracy(reference: np.ndarray, prediction: np.ndarray) -> float:
    """Share of pixels that agree, (tp + tn) / all, in [0, 1].

    Empty masks follow the formula: 1 when both are.

    Source:
        Taha & Hanbury 2015, doi:10.1186/s12880-015-0068-x.
    """
    return make_pair(reference, prediction).counts.accuracy


def f_beta(reference: np.ndarray, prediction: np.ndarray, *, beta: float = 2.0) -> float:
    """F-measure, (1 + β²) tp / ((1 + β²) tp + β² fn + fp), in [0, 1].

    Empty masks: NaN when both are, 0 when one is.

    Args:
        reference: Boolean mask.
        prediction: Boolean mask of the same shape.
        beta: How many times as much recall weighs as precision; 1 gives the Dice coefficient.

    Raises:
        ValueError: If beta is not positive, or the masks are unusable.

    Source:
        Maier-Hein et al. 2024, doi:10.1038/s41592-023-02151-z.
    """
    if not 0 < beta < float("inf"):
        raise ValueError(f"beta is {beta!r}. Give a positive number.")
    return make_pair(reference, prediction).counts.f_beta(beta)


def mcc(reference: np.ndarray, prediction: np.ndarray) -> float:
    """Matthews correlation coefficient, in [−1, 1].

    Empty masks: NaN when one or both are, and likewise when one fills the image.

    Source:
        Matthews 1975, doi:10.1016/0005-2795(75)90109-9.
    """
    return make_pair(reference, prediction).counts.mcc
