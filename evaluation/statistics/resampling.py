"""Bootstrap over cases, or over groups of cases, and the BCa interval.

A resample is a row of counts: how often each unit (a case, or a group of cases that belong together) was drawn. With
counts, the means of many checkpoints, classes and pairs come out of one matrix product, so that everything that was
measured on the same units shares the same resamples.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 10, 11 and 14. Agrees with
`scipy.stats.bootstrap` on the same resamples.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import isqrt

import numpy as np
from scipy.special import bdtr, ndtr, ndtri

RESAMPLES = 2000
FEWEST_RESAMPLES = 200
MOST_DRAWS = 4_000_000
MOST_SORTED = 1_000_000
SEED = 20210127
CHUNK = 500_000  # draws at once
BLOCK = 2_000_000  # counts at once
SINGLE_FROM = 5_000
EXACT_IN_SINGLE = 2**22  # sums of draws stay whole numbers in single precision
NEAR = 5  # eight and more standard deviations of a median of single units, in square roots of their number


def resamples_for(units: int, *, wanted: int = RESAMPLES, most: int = MOST_DRAWS) -> int:
    """How many resamples are drawn: 2000, or fewer for many thousand units, whose intervals are narrow anyway."""
    return int(min(wanted, max(FEWEST_RESAMPLES, most // max(units, 1))))


def draw_counts(units: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield blocks of resamples, each uint8 (some, units): how often each unit was drawn.

    The same arguments give the same resamples.
    """
    block = max(1, BLOCK // units)
    drawn = _drawn(units, resamples, seed)
    return (drawn[start : start + block] for start in range(0, resamples, block))


@lru_cache(maxsize=4)  # a changed selection mostly keeps the number of cases
def _drawn(units: int, resamples: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng([seed, units])
    counts = np.empty((resamples, units), dtype=np.uint8)
    block = max(1, CHUNK // units)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = generator.integers(0, units, size=(rows, units), dtype=np.int32)
        drawn += np.arange(rows, dtype=np.int32)[:, np.newaxis] * np.int32(units)
        counts[start : start + rows] = np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units)
    return counts


def precision_for(units: int) -> type[np.floating]:
    """Of the products with resamples: single where there are so many units that their noise is far above its error."""
    return np.float32 if units > SINGLE_FROM else np.float64


def means(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean over classes of the classes' means, leaving out classes without a value.

    Args:
        sums: (..., classes), the sums of the values.
        counts: (..., classes), their numbers.

    Returns:
        (...,); NaN where there is no value at all.
    """
    present = counts > 0
    class_means = np.divide(sums, counts, out=np.zeros(np.shape(sums)), where=present)
    classes = present.sum(axis=-1)
    return np.divide(class_means.sum(axis=-1), classes, out=np.full(classes.shape, np.nan), where=classes > 0)


def resampled_means(sums: np.ndarray, counts: np.ndarray, *, resamples: int = 0, seed: int = SEED) -> np.ndarray:
    """The `means` of each resample.

    Args:
        sums: (units, columns, classes), each unit's sum of values.
        counts: (units, columns, classes), its number of values.
        resamples: 0 takes `resamples_for`.
        seed: Of the draws.

    Returns:
        (resamples, columns).
    """
    units, columns, classes = sums.shape
    flat_sums, flat_counts = sums.reshape(units, -1), counts.reshape(units, -1)
    complete = bool((flat_counts == flat_counts[:, :1]).all())
    if complete:
        flat_counts = flat_counts[:, :1]
    precision = precision_for(units)
    flat_sums, flat_counts = flat_sums.astype(precision), flat_counts.astype(precision)
    blocks = []
    for counted in draw_counts(units, resamples or resamples_for(units), seed):
        drawn = counted.astype(precision)
        totals = np.broadcast_to(drawn @ flat_counts, (len(drawn), columns * classes))
        shape = (len(drawn), columns, classes)
        blocks.append(means((drawn @ flat_sums).reshape(shape), totals.reshape(shape)))
    return np.concatenate(blocks)


def jackknife_means(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The `means` with each unit left out in turn, (units, columns); arguments as in `resampled_means`."""
    return means(sums.sum(axis=0) - sums, counts.sum(axis=0) - counts)


class ResampledMedians:
    """The medians of resamples in which all values of a unit are drawn together.

    The values are sorted once. A resample's median lies near that of the sample, so that it is looked for among the
    values there; of those below only the number counts, which is a matrix product.

    Args:
        values: (values,).
        units: The unit of each value, (values,).
        number: How many units there are.
    """

    def __init__(self, values: np.ndarray, units: np.ndarray, number: int) -> None:
        order = np.argsort(values, kind="stable")
        self._ordered, self._units = np.append(values[order], np.nan), units[order]
        half = NEAR * isqrt(len(values))
        self._near = max(0, len(values) // 2 - half), min(len(values), len(values) // 2 + half)
        below = np.bincount(self._units[: self._near[0]], minlength=number)
        exact = np.float32 if len(values) < EXACT_IN_SINGLE else np.float64
        self._below_and_all = np.stack([below, np.bincount(units, minlength=number)], axis=1).astype(exact)

    def __call__(self, drawn: np.ndarray) -> np.ndarray:
        """The medians, (resamples,), NaN where no value was drawn; ``drawn`` says how often each unit was.

        ``drawn`` is (resamples, units).
        """
        drawn = drawn.astype(self._below_and_all.dtype, copy=False)
        below, total = (drawn @ self._below_and_all).T
        found, inside = self._search(drawn, below, total, *self._near)
        if not inside.all():
            found[~inside], _ = self._search(drawn[~inside], 0 * below[~inside], total[~inside], 0, len(self._units))
        return found

    def _search(
        self, drawn: np.ndarray, below: np.ndarray, total: np.ndarray, start: int, stop: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The medians among the sorted values from ``start`` to ``stop``, and whether they lie there."""
        reached = np.cumsum(drawn[:, self._units[start:stop]], axis=1)
        middles = [(target - below)[:, np.newaxis] for target in ((total + 1) // 2, total // 2 + 1)]
        lower, upper = (start + np.count_nonzero(reached < middle, axis=1) for middle in middles)
        medians = np.where(total > 0, (self._ordered[lower] + self._ordered[upper]) / 2, np.nan)
        return medians, (middles[0][:, 0] > 0) & (upper < stop)


def median_interval(
    parts: Sequence[tuple[np.ndarray, np.ndarray]], *, resamples: int = 0, seed: int = SEED
) -> tuple[float, float]:
    """The 95 % interval of the median, or of the mean of several parts' medians.

    Of independent values it is the one between two of them that the sign test gives, which holds its 95 % whatever
    their distribution is; of groups of values, and of several parts, the percentiles of the resampled medians. BCa
    intervals of medians, which version 0.1 gave, fall short of 95 % (docs/evaluation.md has the figures).

    Args:
        parts: Values and the units they belong to (from 0 on) of each part; every part sees the same resamples.
        resamples: 0 takes `resamples_for`.
        seed: Of the draws.

    Source: Conover, Practical Nonparametric Statistics, 1999, section 3.2.
    """
    units = 1 + max(codes.max(initial=-1) for _, codes in parts)
    values, codes = parts[0]
    if len(parts) == 1 and len(np.unique(codes)) == len(values):
        return _order_interval(values)
    number = resamples or resamples_for(max(len(part) for part, _ in parts), most=MOST_SORTED)
    medians = [ResampledMedians(*part, units) for part in parts]
    replicates = np.mean(
        [np.concatenate([one(drawn) for drawn in draw_counts(units, number, seed)]) for one in medians], axis=0
    )
    low, high = quantile(replicates[~np.isnan(replicates)], np.array([0.025, 0.975]))
    return float(low), float(high)


def _order_interval(values: np.ndarray) -> tuple[float, float]:
    """The narrowest symmetrical pair of order statistics with the median between them in at least 95 % of samples."""
    ordered, n = np.sort(values), len(values)
    outside = bdtr(np.arange(n // 2), n, 0.5)  # the chance that at most k of n values lie below the median
    rank = int(np.count_nonzero(outside <= 0.025))
    return (float(ordered[rank - 1]), float(ordered[n - rank])) if rank else (np.nan, np.nan)


def bca_intervals(
    replicates: np.ndarray, estimates: np.ndarray, jackknife: np.ndarray, *, level: float = 0.95
) -> np.ndarray:
    """The bias-corrected and accelerated bootstrap intervals of many statistics.

    Args:
        replicates: The statistics of each resample, (statistics, resamples); NaN (an empty resample) is left out.
        estimates: Those of the sample, (statistics,).
        jackknife: Those with each unit left out, (statistics, units); NaN where a unit tells a statistic nothing.
            Where one is infinite the acceleration is taken as 0.
        level: The intervals' coverage.

    Returns:
        (statistics, 2); NaN where there are fewer than two units or no replicate.
    """
    number = np.count_nonzero(~np.isnan(replicates), axis=1)
    usable = (np.count_nonzero(~np.isnan(jackknife), axis=1) >= 2) & (number > 0) & ~np.isnan(estimates)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = [test(replicates, estimates[:, np.newaxis]).sum(axis=1) / number for test in (np.less, np.less_equal)]
        bias = ndtri(np.clip(sum(shares) / 2, 0.5 / number, 1 - 0.5 / number))[:, np.newaxis]
    tails = bias + ndtri([(1 - level) / 2, (1 + level) / 2])
    reached = ndtr(bias + tails / (1 - _accelerations(jackknife)[:, np.newaxis] * tails))
    return np.where(usable[:, np.newaxis], row_quantiles(replicates, reached), np.nan)


def _accelerations(jackknife: np.ndarray) -> np.ndarray:
    known = ~np.isnan(jackknife)
    finite = ~np.isinf(jackknife).any(axis=1)
    values = np.where(known & finite[:, np.newaxis], jackknife, 0.0)
    means = values.sum(axis=1) / np.maximum(1, known.sum(axis=1))
    deviations = np.where(known, means[:, np.newaxis] - values, 0.0)
    spread = (deviations**2).sum(axis=1)
    return np.divide(
        (deviations * deviations**2).sum(axis=1), 6 * spread**1.5, out=np.zeros(len(spread)), where=spread > 0
    )


def quantile(values: np.ndarray, shares: float | np.ndarray) -> np.ndarray:
    """Quantiles by linear interpolation, as NumPy's, but right where values are infinite; NaN without values."""
    wanted = np.asarray(shares, dtype=float)
    return row_quantiles(np.asarray(values, dtype=float)[np.newaxis], wanted.reshape(1, -1))[0].reshape(wanted.shape)


def row_quantiles(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """`quantile` of each row of values, NaN left out, at the row's own shares; (rows, shares)."""
    if not values.shape[1]:
        return np.full((len(values), shares.shape[1]), np.nan)
    ordered = np.sort(values, axis=1)  # NaN last
    last = np.maximum(0, np.count_nonzero(~np.isnan(values), axis=1) - 1)[:, np.newaxis]
    position = np.where(np.isnan(shares), 0, shares) * last
    below = np.floor(position).astype(int)
    lower, upper = (np.take_along_axis(ordered, place, axis=1) for place in (below, np.minimum(below + 1, last)))
    with np.errstate(invalid="ignore"):
        between = lower + (position - below) * (upper - lower)
    return np.where((lower == upper) | (position == below) | np.isneginf(lower), lower, between)
