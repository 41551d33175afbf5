"""Wilcoxon's signed-rank test with ties, and Holm's adjustment.

Zero differences are set aside before ranking (Wilcoxon's own rule). Equal absolute differences share their mean rank.
Up to EXACT_UP_TO non-zero differences the p-value is exact: the distribution of the rank sum over all changes of sign,
given the ranks as they are, ties included. Beyond it is the normal approximation with continuity correction.
Differences are rounded to twelve decimals first, so that 0.9 − 0.8 and 0.3 − 0.2 tie.

Source: Wilcoxon, Biometrics Bulletin 1(6), 1945, doi:10.2307/3001968; Holm, Scandinavian Journal of Statistics 6(2),
1979.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

EXACT_UP_TO = 50
DECIMALS = 12


def signed_rank_p(differences: np.ndarray) -> float:
    """The two-sided p-value of Wilcoxon's signed-rank test.

    Args:
        differences: One a pair; may be infinite (the largest of all), not NaN.

    Returns:
        1 where no difference is other than zero.
    """
    return min(1.0, 2 * min(signed_rank_tails(differences)))


def signed_rank_tails(differences: np.ndarray) -> tuple[float, float]:
    """The one-sided p-values: that the differences lie above zero, and that they lie below."""
    ranks, positive = _ranked(differences)
    if not len(ranks):
        return 1.0, 1.0
    tail = _exact_tail if len(ranks) <= EXACT_UP_TO else _normal_tail
    return tail(ranks, positive), tail(ranks, float(ranks.sum()) - positive)


def signed_rank_lean(differences: np.ndarray) -> float:
    """The ranks of the positive differences less those of the negative ones: which way the test leans."""
    ranks, positive = _ranked(differences)
    return float(2 * positive - ranks.sum())


def _ranked(differences: np.ndarray) -> tuple[np.ndarray, float]:
    """The ranks of the differences other than zero, and the sum of those of the positive ones."""
    from scipy.stats import rankdata  # takes half a second, and a run without a comparison has no use for it

    differences = np.round(differences, DECIMALS)
    differences = differences[differences != 0]
    ranks = rankdata(np.abs(differences))
    return ranks, float(ranks[differences > 0].sum())


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


def resampled_leans(differences: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """The test's standard normal score in each resample (normal approximation with continuity correction).

    Args:
        differences: One a unit, (units,).
        drawn: How often each unit was drawn, (resamples, units).

    Returns:
        (resamples,); positive where the differences lie above zero, 0 where none is other than zero.
    """
    differences = np.round(differences, DECIMALS)
    used = np.flatnonzero(differences)
    if not len(used):
        return np.zeros(len(drawn))
    order = used[np.argsort(np.abs(differences[used]), kind="stable")]
    sizes = np.abs(differences[order])
    starts = np.flatnonzero(np.append(True, sizes[1:] != sizes[:-1]))
    counts = drawn[:, order]
    tied = np.add.reduceat(counts, starts, axis=1)
    ranks = np.cumsum(tied, axis=1) - (tied - 1) / 2
    leaning = np.add.reduceat(counts * np.sign(differences[order]), starts, axis=1)
    return _score((leaning * ranks).sum(axis=1) / 2, (tied * ranks**2).sum(axis=1))


class LinearLean:
    """`resampled_leans` for many units, to first order: no resample is ranked again.

    The rank sum counts the pairs of differences with a positive sum; a resample moves that count by how much each
    drawn unit takes part in it (Hájek's projection). The error is of the order of one over the number of units.

    Source: van der Vaart, Asymptotic Statistics, 1998, section 12.1.
    """

    def __init__(self, differences: np.ndarray) -> None:
        differences = np.round(differences, DECIMALS)
        self._used = (differences != 0).astype(float)
        self._number = max(1.0, self._used.sum())
        ranks, positive = _ranked(differences)
        self._excess, self._squared_ranks = positive - ranks.sum() / 2, (ranks**2).sum()
        order = np.argsort(differences)
        ordered = differences[order][differences[order] != 0]
        not_above = np.searchsorted(ordered, -ordered[::-1], "left") + np.searchsorted(ordered, -ordered[::-1], "right")
        above = self._number - not_above[::-1] / 2
        self._influence = np.zeros(len(differences))
        self._influence[order[differences[order] != 0]] = above - above.mean() if len(above) else above

    def __call__(self, drawn: np.ndarray) -> np.ndarray:
        """The standard normal score in each resample; ``drawn`` is float64 (resamples, units)."""
        scale = drawn @ self._used / self._number
        moved = drawn @ self._influence
        return _score(self._excess * scale**2 + moved * scale, self._squared_ranks * scale**3)


def _score(excess: np.ndarray, squared_ranks: np.ndarray) -> np.ndarray:
    """Excess of the positive rank sum over its expectation, half a rank nearer to zero, in standard deviations."""
    corrected = np.sign(excess) * np.maximum(np.abs(excess) - 0.5, 0)
    return corrected / np.maximum(np.sqrt(squared_ranks) / 2, 1e-300)


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values, in the order given. NaN (no test was made) stays NaN and does not count."""
    given = np.asarray(p_values, dtype=float)
    adjusted = np.full(given.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(given))
    order = tested[np.argsort(given[tested], kind="stable")]
    stepped = given[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(stepped)) if len(order) else []
    return adjusted
