"""Where two checkpoints differ most: the cases that one of them gets right and the other does not."""

from dataclasses import dataclass

import numpy as np

from evaluation.results.answers import Answer
from evaluation.statistics import ScoreMatrix, goodness

MOST = 5


@dataclass(frozen=True)
class Gap:
    """A case in which one of two is better.

    Attributes:
        case_id: The case.
        first: The first one's value, the mean over its classes; infinite for a miss.
        second: The second one's.
        by: How much better the first one is; negative where the second one is.
    """

    case_id: str
    first: float
    second: float
    by: float


def largest_gaps(found: Answer, first: str, second: str, *, most: int = MOST) -> tuple[list[Gap], list[Gap]]:
    """The cases in which the first beats the second most, and those in which it loses most.

    Values are as they count in the answer's comparisons: a correctly empty prediction is a perfect score as soon as
    one of the compared checkpoints has a value, and a failed case the worst.

    Args:
        found: The answer whose rows are looked at.
        first: A checkpoint.
        second: Another one.
        most: At most so many each way.

    Returns:
        Both lists, the largest difference first; empty where nothing can be compared.
    """
    matrix = found.matrix
    if matrix is None or {first, second} - set(matrix.checkpoints):
        return [], []
    places = [matrix.checkpoints.index(name) for name in (first, second)]
    values = matrix.values[:, :, places]
    both = ~np.isnan(values).any(axis=2, keepdims=True)
    counted = np.where(both, values, 0.0).sum(axis=1) / np.maximum(both.sum(axis=1), 1)  # (cases, 2)
    good = goodness(counted, found.question.metric)
    with np.errstate(invalid="ignore"):  # two misses are equal
        by = np.nan_to_num(good[:, 0] - good[:, 1], nan=0.0, posinf=np.inf, neginf=-np.inf)
    order = np.argsort(-by, kind="stable")
    ahead, behind = order[:most], order[::-1][:most]
    return (
        [_gap(matrix, case, counted, by) for case in ahead if by[case] > 0],
        [_gap(matrix, case, counted, by) for case in behind if by[case] < 0],
    )


def _gap(matrix: ScoreMatrix, case: int, values: np.ndarray, by: np.ndarray) -> Gap:
    return Gap(matrix.cases[case][1], float(values[case, 0]), float(values[case, 1]), float(by[case]))
