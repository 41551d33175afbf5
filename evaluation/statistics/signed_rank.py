"""Wilcoxon's signed-rank test with ties, and Holm's adjustment.

Zero differences are set aside before ranking (Wilcoxon's own rule). Equal absolute differences share their mean rank.
Up to EXACT_UP_TO non-zero differences the p-value is exact: the distribution of the rank sum over all changes of sign,
given the ranks as they are, ties included. Beyond it is the normal approximation with continuity correction.
Differences are rounded to twelve decimals first, so that 0.9 − 0.8 and 0.3 − 0.2 tie.

Source: Wilcoxon, Biometrics Bulletin 1(6), 1945, doi:10.2307/3001968; Holm, Scandinavian Journal of Statistics 6(2),
1979.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.special import ndtr
from scipy.stats import rankdata

EXACT_UP_TO = 50
DECIMALS = 12

Alternative = Literal["two-sided", "greater"]


def signed_rank_p(differences: np.ndarray, *, alternative: Alternative = "two-sided") -> float:
    """The p-value of Wilcoxon's signed-rank test.

    Args:
        differences: One a pair; may be infinite (the largest of all), not NaN.
        alternative: "greater" tests whether the differences lie above zero.

    Returns:
        1 where no difference is other than zero.
    """
    differences = np.round(differences, DECIMALS)
    differences = differences[differences != 0]
    if not len(differences):
        return 1.0
    ranks = rankdata(np.abs(differences))
    positive = float(ranks[differences > 0].sum())
    tail = _exact_tail if len(differences) <= EXACT_UP_TO else _normal_tail
    if alternative == "greater":
        return tail(ranks, positive)
    return min(1.0, 2 * tail(ranks, max(positive, ranks.sum() - positive)))


def _exact_tail(ranks: np.ndarray, at_least: float) -> float:
    """The probability that the ranks with a positive sign sum up to at least this much."""
    doubled = np.rint(2 * ranks).astype(int)  # mean ranks are halves
    ways = np.zeros(doubled.sum() + 1)
    ways[0] = 1.0
    for rank in doubled:
        shifted = np.zeros_like(ways)
        shifted[rank:] = ways[:-rank]
        ways = (ways + shifted) / 2
    return float(ways[round(2 * at_least) :].sum())


def _normal_tail(ranks: np.ndarray, at_least: float) -> float:
    deviation = np.sqrt((ranks**2).sum()) / 2
    return float(ndtr(-(at_least - ranks.sum() / 2 - 0.5) / deviation))


def resampled_wins(differences: np.ndarray, drawn: np.ndarray, *, alpha: float) -> np.ndarray:
    """In which resamples the differences lie significantly above zero (one-sided, normal approximation).

    Args:
        differences: One a unit, (units,).
        drawn: How often each unit was drawn, (resamples, units).
        alpha: Level of the test.

    Returns:
        Boolean (resamples,).
    """
    differences = np.round(differences, DECIMALS)
    used = np.flatnonzero(differences)
    if not len(used):
        return np.zeros(len(drawn), dtype=bool)
    order = used[np.argsort(np.abs(differences[used]), kind="stable")]
    sizes = np.abs(differences[order])
    starts = np.flatnonzero(np.append(True, sizes[1:] != sizes[:-1]))
    counts = drawn[:, order]
    tied = np.add.reduceat(counts, starts, axis=1)
    ranks = np.cumsum(tied, axis=1) - (tied - 1) / 2
    positive = np.add.reduceat(counts * (differences[order] > 0), starts, axis=1)
    excess = (positive * ranks).sum(axis=1) - (tied * ranks).sum(axis=1) / 2 - 0.5
    deviation = np.sqrt((tied * ranks**2).sum(axis=1)) / 2
    return (deviation > 0) & (ndtr(-excess / np.maximum(deviation, 1e-300)) < alpha)


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values, in the order given. NaN (no test was made) stays NaN and does not count."""
    given = np.asarray(p_values, dtype=float)
    adjusted = np.full(given.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(given))
    order = tested[np.argsort(given[tested], kind="stable")]
    stepped = given[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(stepped)) if len(order) else []
    return adjusted
