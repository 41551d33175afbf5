"""Two checkpoints on the same cases: is one better, and is that more than chance?

The unit is the case: a case's difference is the mean over its classes of the classes' differences. What counts as a
value is `compared_matrix`'s matter: healthy cases count, failed ones are the worst. A case of which one checkpoint
has no applicable value is left out and counted. Where ``group`` repeats, whole groups are resampled, and the test
ranks the groups' mean differences.

A checkpoint is called better only where two witnesses say so: the adjusted test, and the interval of the mean
difference. The test asks whether more cases, by ranks, favour the one; the interval whether the mean does. A miss
outweighs every finite difference: the mean difference is then infinite, towards the one with fewer misses, and its
interval holds infinite ends; it is what a penalty for misses gives in the limit of a large penalty.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from evaluation.statistics.grouping import dense, too_few
from evaluation.statistics.matrix import ScoreMatrix, compared_matrix
from evaluation.statistics.policy import AS_MEASURED, Policy, better, goodness
from evaluation.statistics.resampling import (
    FEWEST_RESAMPLES,
    SEED,
    bca_interval,
    jackknife_means,
    median_interval,
    quantile,
    resampled_means,
    resamples_for,
)
from evaluation.statistics.signed_rank import DECIMALS, EXACT_UP_TO, holm, signed_rank_test
from medseg_demo.errors import OptionError

ALPHA = 0.05
PAIRS_AT_ONCE = 256
MOST_PRODUCTS = 2_000_000_000


@dataclass(frozen=True)
class PairComparison:
    """The first checkpoint against the second, on the cases that both were given.

    Attributes:
        metric: The metric.
        first: The first checkpoint.
        second: The second checkpoint.
        pairs: Cases that were compared.
        groups: Groups of cases, where ``group`` repeats; None otherwise.
        left_out: Cases of both for which a value is not applicable.
        unpaired: Cases that only one of the two was given.
        first_failed: Cases that failed for the first; they count the worst value.
        second_failed: Likewise for the second.
        first_misses: Compared cases in which the first has an infinite value and the second none.
        second_misses: Likewise for the second.
        difference: Mean of first − second; of the distances from zero for metrics that are best at zero. Infinite
            where one has more misses; see the module.
        median_difference: Its median.
        low: Lower end of the 95 % interval; NaN where ``too_few``.
        high: Upper end.
        interval_of: What the interval is of: the mean difference, or the median one where the policy asks for medians
            and there are misses.
        wins: Cases in which the first is better.
        ties: Cases in which both are equal.
        losses: Cases in which the second is better.
        p: Of the two-sided signed-rank test; NaN with too few pairs.
        p_adjusted: After Holm, over all pairs of checkpoints that were asked for together.
        exact: Whether the p-value is exact.
        too_few: Whether there are too few pairs, or groups, for an interval or a claim.
        test_favours: The checkpoint that the adjusted test finds better, or None.
        interval_favours: The checkpoint on whose side of zero the whole interval lies, or None.
        better: The checkpoint that both find better, or None.
    """

    metric: str
    first: str
    second: str
    pairs: int
    groups: int | None
    left_out: int
    unpaired: int
    first_failed: int
    second_failed: int
    first_misses: int
    second_misses: int
    difference: float
    median_difference: float
    low: float
    high: float
    interval_of: Literal["mean", "median"]
    wins: int
    ties: int
    losses: int
    p: float
    p_adjusted: float
    exact: bool
    too_few: bool
    test_favours: str | None
    interval_favours: str | None
    better: str | None

    @property
    def centre(self) -> float:
        """What the interval is of."""
        return self.difference if self.interval_of == "mean" else self.median_difference

    @property
    def mean_favours(self) -> str | None:
        """The checkpoint on whose side of zero the difference itself lies, or None."""
        return _side(self, self.centre, self.centre)


class _Cases(NamedTuple):
    """Which checkpoint was given which case, and for which it failed; boolean (cases, checkpoints)."""

    given: np.ndarray
    failed: np.ndarray


class _Pair(NamedTuple):
    """The differences of two checkpoints, one a compared case, as measured and turned so that more is better."""

    columns: tuple[int, int]
    used: np.ndarray
    differences: np.ndarray
    gains: np.ndarray


def compare_pairs(
    table: pd.DataFrame,
    metric: str,
    *,
    checkpoints: Sequence[str] | None = None,
    policy: Policy = AS_MEASURED,
    resamples: int = 0,
    seed: int = SEED,
) -> tuple[PairComparison, ...]:
    """Compare every two checkpoints of a table, with Holm's adjustment over all of them.

    Args:
        table: The tidy table, or a selection: one test set and one class make the clearest question.
        metric: A metric with a better direction.
        checkpoints: Which ones, and in which order; None takes all.
        policy: Of empty masks and misses. Failed cases always count the worst value.
        resamples: 0 takes 2000, and fewer for many thousand units or pairs.
        seed: Of the resampling.

    Raises:
        OptionError: The metric has no better direction, or a checkpoint is not in the table.
    """
    return compare_matrix(
        compared_matrix(table, metric, policy=policy), metric,
        checkpoints=checkpoints, policy=policy, resamples=resamples, seed=seed,
    )  # fmt: skip


def compare_matrix(
    matrix: ScoreMatrix,
    metric: str,
    *,
    checkpoints: Sequence[str] | None = None,
    policy: Policy = AS_MEASURED,
    resamples: int = 0,
    seed: int = SEED,
) -> tuple[PairComparison, ...]:
    """`compare_pairs` of a `compared_matrix` that is there already."""
    chosen = [_position(matrix, name) for name in (matrix.checkpoints if checkpoints is None else checkpoints)]
    couples = list(combinations(chosen, 2))
    good = goodness(matrix.values, metric)
    sign = 1 if better(metric) == "higher" else -1
    number = resamples or resamples_for_pairs(len(matrix.cases), len(couples))
    cases = _Cases(np.asarray(matrix.present.any(axis=1)), np.asarray(matrix.failed.any(axis=1)))
    compared: list[PairComparison] = []
    for start in range(0, len(couples), PAIRS_AT_ONCE):
        found = [_pair(good, sign, *couple) for couple in couples[start : start + PAIRS_AT_ONCE]]
        bounds = _mean_bounds(matrix, found, number, seed)
        compared += (
            _compare(matrix, cases, metric, pair, bound, policy, number, seed)
            for pair, bound in zip(found, bounds, strict=True)
        )
    adjusted = holm([comparison.p for comparison in compared])
    return tuple(_judge(one, float(p)) for one, p in zip(compared, adjusted, strict=True))


def resamples_for_pairs(cases: int, pairs: int) -> int:
    """How many resamples are drawn: fewer where many pairs share them."""
    return int(min(resamples_for(cases), max(FEWEST_RESAMPLES, MOST_PRODUCTS // max(1, cases * pairs))))


def _position(matrix: ScoreMatrix, name: str) -> int:
    if name not in matrix.checkpoints:
        raise OptionError(f"The table has no checkpoint {name!r}. It has: {', '.join(matrix.checkpoints)}.")
    return matrix.checkpoints.index(name)


def _pair(good: np.ndarray, sign: int, first: int, second: int) -> _Pair:
    gains = _case_means(difference_of(good[:, :, first], good[:, :, second]))
    used = np.flatnonzero(~np.isnan(gains))
    gains = np.round(gains[used], DECIMALS)
    return _Pair((first, second), used, sign * gains, gains)


def difference_of(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The difference, where two misses are equal."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(one) & (one == other), 0.0, one - other)


def _case_means(differences: np.ndarray) -> np.ndarray:
    """Mean over classes, (cases,). A case that each of the two missed once, in different classes, is a tie."""
    if differences.shape[1] == 1:
        return differences[:, 0]
    number = (~np.isnan(differences)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        sums = np.nansum(differences, axis=1)
        return np.where(number > 0, np.where(np.isnan(sums), 0.0, sums / number), np.nan)


def _mean_bounds(matrix: ScoreMatrix, found: list[_Pair], resamples: int, seed: int) -> Iterator[tuple[float, float]]:
    """The intervals of the mean differences, all from the same resamples of the units."""
    units = dense(matrix.units) if len(matrix.units) else matrix.units
    shape = (units.max(initial=-1) + 1, len(found), 1)
    sums, counts, misses = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for column, pair in enumerate(found):
        here = units[pair.used]
        infinite = np.isinf(pair.differences)
        sums[:, column, 0] = np.bincount(here, np.where(infinite, 0.0, pair.differences), minlength=shape[0])
        counts[:, column, 0] = np.bincount(here, minlength=shape[0])
        misses[:, column, 0] = np.bincount(here, infinite * np.sign(pair.differences), minlength=shape[0])
    if not shape[0]:
        yield from [(np.nan, np.nan)] * len(found)
        return
    both = np.concatenate([sums, misses], axis=1) if misses.any() else sums
    twice = np.concatenate([counts, counts], axis=1) if misses.any() else counts
    replicates = _in_the_limit(resampled_means(both, twice, resamples=resamples, seed=seed), len(found))
    left_out = _in_the_limit(jackknife_means(both, twice), len(found))
    informed = counts[:, :, 0] > 0
    for column, pair in enumerate(found):
        yield bca_interval(replicates[:, column], _mean(pair.differences), left_out[informed[:, column], column])


def _in_the_limit(means: np.ndarray, pairs: int) -> np.ndarray:
    """The means, (rows, pairs); infinite, with its sign, where the mean of the misses behind them is not zero."""
    if means.shape[1] == pairs:
        return means
    finite, missed = means[:, :pairs], means[:, pairs:]
    return np.where(np.abs(missed) > 1e-12, np.copysign(np.inf, missed), finite)


def _mean(values: np.ndarray) -> float:
    """The mean; infinite towards the side with more infinite values."""
    if not len(values):
        return np.nan
    infinite = np.isinf(values)
    balance = np.sign(values[infinite]).sum()
    return float(np.copysign(np.inf, balance)) if balance else float(np.where(infinite, 0.0, values).mean())


def _compare(
    matrix: ScoreMatrix,
    cases: _Cases,
    metric: str,
    pair: _Pair,
    bound: tuple[float, float],
    policy: Policy,
    resamples: int,
    seed: int,
) -> PairComparison:
    first, second = pair.columns
    units = matrix.units[pair.used]
    medians = policy.miss == "median" and bool(np.isinf(pair.differences).any())
    tested = _unit_gains(pair.gains, units) if matrix.clustered else pair.gains
    few = too_few(len(tested), clustered=matrix.clustered)
    if few:
        bound = np.nan, np.nan
    elif medians:
        bound = median_interval([(pair.differences, dense(units))], resamples=resamples, seed=seed)
    given_first, given_second = cases.given[:, first], cases.given[:, second]
    both = given_first & given_second
    p, lean = signed_rank_test(tested)
    return PairComparison(
        metric=metric,
        first=matrix.checkpoints[first],
        second=matrix.checkpoints[second],
        pairs=len(pair.used),
        groups=len(tested) if matrix.clustered else None,
        left_out=int(both.sum()) - len(pair.used),
        unpaired=int(np.count_nonzero(given_first ^ given_second)),
        first_failed=int(np.count_nonzero(both & cases.failed[:, first])),
        second_failed=int(np.count_nonzero(both & cases.failed[:, second])),
        first_misses=int(np.isneginf(pair.gains).sum()),
        second_misses=int(np.isposinf(pair.gains).sum()),
        difference=_mean(pair.differences),
        median_difference=float(quantile(pair.differences, 0.5)),
        low=bound[0],
        high=bound[1],
        interval_of="median" if medians else "mean",
        wins=int((pair.gains > 0).sum()),
        ties=int((pair.gains == 0).sum()),
        losses=int((pair.gains < 0).sum()),
        p=np.nan if few else p,
        p_adjusted=np.nan,
        exact=int(np.count_nonzero(tested)) <= EXACT_UP_TO,
        too_few=few,
        test_favours=matrix.checkpoints[first if lean > 0 else second] if lean else None,
        interval_favours=None,
        better=None,
    )


def _unit_gains(gains: np.ndarray, units: np.ndarray) -> np.ndarray:
    """The mean of each group; a group with a miss on either side counts as tied."""
    if not len(gains):
        return gains
    codes = dense(units)
    with np.errstate(invalid="ignore"):
        group_means = np.bincount(codes, gains) / np.bincount(codes)
    return np.where(np.isnan(group_means), 0.0, group_means)


def _judge(one: PairComparison, adjusted: float) -> PairComparison:
    """Add the adjusted p-value and hear the two witnesses."""
    tested = one.test_favours if adjusted < ALPHA else None
    side = _side(one, one.low, one.high)
    agreed = tested if tested == side else None
    return replace(one, p_adjusted=adjusted, test_favours=tested, interval_favours=side, better=agreed)


def _side(one: PairComparison, low: float, high: float) -> str | None:
    """The checkpoint on whose side of zero all of an interval of differences lies."""
    if not (low > 0 or high < 0):
        return None
    return one.first if (low > 0) == (better(one.metric) == "higher") else one.second
