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
AT_ONCE = 1_000_000  # differences that are ranked together
LONG = 2_000  # rows of more values are ranked faster one by one


def signed_rank_p(differences: np.ndarray) -> float:
    """The two-sided p-value of Wilcoxon's signed-rank test.

    Args:
        differences: One a pair; may be infinite (the largest of all), not NaN.

    Returns:
        1 where no difference is other than zero.
    """
    return float(signed_rank_tests(np.atleast_2d(differences))[0][0])


def signed_rank_tests(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two-sided p-values of many tests, and which way each leans.

    Args:
        differences: (tests, pairs); may be infinite, NaN is left out.

    Returns:
        (p, the ranks of the positive differences less those of the negative ones), both (tests,).
    """
    ranks, positive = _ranked(differences)
    total, number = ranks.sum(axis=1), np.count_nonzero(ranks, axis=1)
    larger = np.maximum(positive, total - positive)
    deviation = np.sqrt((ranks**2).sum(axis=1)) / 2
    tails = ndtr(-(larger - total / 2 - 0.5) / np.where(number > 0, deviation, 1.0))
    for test in np.flatnonzero(number <= EXACT_UP_TO):
        tails[test] = _exact_tail(ranks[test], larger[test])
    return np.minimum(1.0, 2 * tails), 2 * positive - total


def _ranked(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ranks of the differences in each row, 0 for those that are zero or NaN; the sums of the positive ones."""
    differences = np.round(differences, DECIMALS)
    ranks = np.nan_to_num(mean_ranks(np.where(differences == 0, np.nan, np.abs(differences))))
    return ranks, np.where(differences > 0, ranks, 0.0).sum(axis=1)


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1 on along each row; equal values share their mean rank, NaN stays NaN. (rows, values)."""
    if values.shape[1] > LONG:
        return np.stack([_long_mean_ranks(row) for row in values])
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    changes = np.ones((len(values), values.shape[1] + 1), dtype=bool)  # before each value, and after the last
    changes[:, 1:-1] = ordered[:, 1:] != ordered[:, :-1]
    places = np.arange(values.shape[1])
    first = np.maximum.accumulate(np.where(changes[:, :-1], places, 0), axis=1)
    last = np.minimum.accumulate(np.where(changes[:, 1:], places, len(places))[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, np.where(np.isnan(ordered), np.nan, 1 + (first + last) / 2), axis=1)
    return ranks


def _long_mean_ranks(values: np.ndarray) -> np.ndarray:
    _, places, numbers = np.unique(values, return_inverse=True, return_counts=True, equal_nan=False)
    return np.where(np.isnan(values), np.nan, (np.cumsum(numbers) - (numbers - 1) / 2)[places])


def _exact_tail(ranks: np.ndarray, at_least: float) -> float:
    """The probability that the ranks with a positive sign sum up to at least this much."""
    doubled = np.sort(np.rint(2 * ranks[ranks > 0]).astype(np.int64))  # mean ranks are halves
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
        precision: Of the products with resamples.

    Source: van der Vaart, Asymptotic Statistics, 1998, section 12.1.
    """

    def __init__(self, differences: np.ndarray, precision: type[np.floating] = np.float64) -> None:
        units, pairs = differences.shape
        self._used, self._influence = np.zeros((units, pairs)), np.zeros((units, pairs))
        self._excess, self._squared_ranks = np.zeros(pairs), np.zeros(pairs)
        step = max(1, AT_ONCE // max(1, units))
        for here in (slice(start, start + step) for start in range(0, pairs, step)):
            rows = differences[:, here].T
            ranks, positive = _ranked(rows)
            self._used[:, here] = (ranks > 0).T
            self._influence[:, here] = np.stack([_influence(row) for row in np.round(rows, DECIMALS)], axis=1)
            self._excess[here], self._squared_ranks[here] = positive - ranks.sum(axis=1) / 2, (ranks**2).sum(axis=1)
        self._number = np.maximum(1.0, self._used.sum(axis=0))
        self._used, self._influence = self._used.astype(precision), self._influence.astype(precision)

    def __call__(self, drawn: np.ndarray) -> np.ndarray:
        """The standard normal scores, (resamples, pairs); ``drawn`` is (resamples, units), of the precision."""
        scale = (drawn @ self._used).astype(float) / self._number
        moved = (drawn @ self._influence).astype(float)
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
