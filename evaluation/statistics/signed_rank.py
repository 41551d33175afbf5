"""Wilcoxon's signed-rank test with ties, and Holm's adjustment.

Zero differences are set aside before ranking (Wilcoxon's own rule). Equal absolute differences share their mean rank.
Up to EXACT_UP_TO non-zero differences the p-value is exact: the distribution of the rank sum over all changes of sign,
given the ranks as they are, ties included. Beyond it is the normal approximation with continuity correction.
Differences are rounded to twelve decimals first, so that 0.9 − 0.8 and 0.3 − 0.2 tie.

Source: Wilcoxon, Biometrics Bulletin 1(6), 1945, doi:10.2307/3001968; Holm, Scandinavian Journal of Statistics 6(2),
1979.
"""

from collections.abc import Sequence
from functools import lru_cache

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
    return signed_rank_test(differences)[0]


def signed_rank_test(differences: np.ndarray) -> tuple[float, float]:
    """The two-sided p-value, and which way the test leans.

    Args:
        differences: As in `signed_rank_p`.

    Returns:
        (p, the ranks of the positive differences less those of the negative ones).
    """
    ranks, positive = _ranked(differences)
    if not len(ranks):
        return 1.0, 0.0
    tail = _exact_tail if len(ranks) <= EXACT_UP_TO else _normal_tail
    total = float(ranks.sum())
    return min(1.0, 2 * tail(ranks, max(positive, total - positive))), 2 * positive - total


def _ranked(differences: np.ndarray) -> tuple[np.ndarray, float]:
    """The ranks of the differences other than zero, and the sum of those of the positive ones."""
    differences = np.round(differences, DECIMALS)
    differences = differences[differences != 0]
    ranks = mean_ranks(np.abs(differences))
    return ranks, float(ranks[differences > 0].sum())


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1 on, (values,); equal values share their mean rank."""
    _, places, numbers = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(numbers) - (numbers - 1) / 2)[places]


def _exact_tail(ranks: np.ndarray, at_least: float) -> float:
    """The probability that the ranks with a positive sign sum up to at least this much."""
    doubled = np.sort(np.rint(2 * ranks).astype(np.int64))  # mean ranks are halves
    return float(_upper_tails(doubled.tobytes())[round(2 * at_least)])


@lru_cache(maxsize=256)  # without ties all pairs of a table have the same ranks
def _upper_tails(doubled: bytes) -> np.ndarray:
    """For each number up to the sum of these (doubled) ranks, the probability that the positive ones reach it."""
    ranks = np.frombuffer(doubled, dtype=np.int64)
    ways = np.zeros(ranks.sum() + 1)
    ways[0] = 1.0
    for rank in ranks:
        shifted = np.zeros_like(ways)
        shifted[rank:] = ways[:-rank]
        ways = (ways + shifted) / 2
    return np.cumsum(ways[::-1])[::-1]


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


class LinearLeans:
    """`resampled_leans` of many units or many pairs, to first order: no resample is ranked again.

    The rank sum counts the pairs of differences with a positive sum; a resample moves that count by how much each
    drawn unit takes part in it (Hájek's projection). The error is of the order of one over the number of units.

    Args:
        differences: (units, pairs).

    Source: van der Vaart, Asymptotic Statistics, 1998, section 12.1.
    """

    def __init__(self, differences: np.ndarray) -> None:
        differences = np.round(differences, DECIMALS)
        self._used = (differences != 0).astype(float)
        self._number = np.maximum(1.0, self._used.sum(axis=0))
        pairs = differences.shape[1]
        self._excess, self._squared_ranks = np.zeros(pairs), np.zeros(pairs)
        self._influence = np.zeros(differences.shape)
        for pair, column in enumerate(differences.T):
            ranks, positive = _ranked(column)
            self._excess[pair], self._squared_ranks[pair] = positive - ranks.sum() / 2, (ranks**2).sum()
            self._influence[:, pair] = _influence(column)

    def __call__(self, drawn: np.ndarray) -> np.ndarray:
        """The standard normal scores, (resamples, pairs); ``drawn`` is floating (resamples, units)."""
        scale = (drawn @ self._used.astype(drawn.dtype)).astype(float) / self._number
        moved = (drawn @ self._influence.astype(drawn.dtype)).astype(float)
        return _score(self._excess * scale**2 + moved * scale, self._squared_ranks * scale**3)


def _influence(differences: np.ndarray) -> np.ndarray:
    """How much each unit's being drawn once more moves the rank sum, (units,)."""
    order = np.argsort(differences)
    order = order[differences[order] != 0]
    ordered = differences[order]
    not_above = np.searchsorted(ordered, -ordered[::-1], "left") + np.searchsorted(ordered, -ordered[::-1], "right")
    above = len(ordered) - not_above[::-1] / 2
    influence = np.zeros(len(differences))
    influence[order] = above - above.mean() if len(above) else above
    return influence


def _score(excess: np.ndarray, squared_ranks: np.ndarray) -> np.ndarray:
    """Excess of the positive rank sum over its expectation, half a rank nearer to zero, in standard deviations."""
    corrected = np.sign(excess) * np.maximum(np.abs(excess) - 0.5, 0)
    return corrected / np.maximum(np.sqrt(np.maximum(squared_ranks, 0)) / 2, 1e-300)


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values, in the order given. NaN (no test was made) stays NaN and does not count."""
    given = np.asarray(p_values, dtype=float)
    adjusted = np.full(given.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(given))
    order = tested[np.argsort(given[tested], kind="stable")]
    stepped = given[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(stepped)) if len(order) else []
    return adjusted
