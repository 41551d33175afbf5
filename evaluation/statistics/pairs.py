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

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from evaluation.statistics.grouping import dense, too_few, unit_sums
from evaluation.statistics.matrix import ScoreMatrix, compared_matrix
from evaluation.statistics.policy import AS_MEASURED, Policy, better, goodness
from evaluation.statistics.resampling import (
    FEWEST_RESAMPLES,
    SEED,
    bca_intervals,
    jackknife_means,
    median_interval,
    resampled_means,
    resamples_for,
    row_quantiles,
)
from evaluation.statistics.signed_rank import DECIMALS, EXACT_UP_TO, holm, signed_rank_tests
from medseg_demo.errors import OptionError

ALPHA = 0.05
PAIRS_AT_ONCE = 256
AT_ONCE = 1_000_000  # pairs × cases
NOBODY = -1  # the place behind the last checkpoint
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


class _Pairs(NamedTuple):
    """Pairs of checkpoints, by their positions, and what the first gains in each case.

    ``gains`` is (pairs, cases); more is better, NaN is not compared.
    """

    first: np.ndarray
    second: np.ndarray
    gains: np.ndarray

    @classmethod
    def of(cls, good: np.ndarray, first: np.ndarray, second: np.ndarray) -> "_Pairs":
        couples = zip(first, second, strict=True)
        gains = [_case_means(difference_of(good[:, :, one], good[:, :, other])) for one, other in couples]
        return cls(first, second, np.round(gains, DECIMALS))


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
    against: str | None = None,
    policy: Policy = AS_MEASURED,
    resamples: int = 0,
    seed: int = SEED,
) -> tuple[PairComparison, ...]:
    """`compare_pairs` of a `compared_matrix` that is there already; ``against`` compares one with all others alone."""
    chosen = [_position(matrix, name) for name in (matrix.checkpoints if checkpoints is None else checkpoints)]
    one = None if against is None else _position(matrix, against)
    pairs = combinations(chosen, 2) if one is None else ((one, other) for other in chosen if other != one)
    first, second = np.array(list(pairs), dtype=int).reshape(-1, 2).T
    good = goodness(matrix.values, metric)
    number = resamples or resamples_for_pairs(len(matrix.cases), len(first))
    step = max(1, min(PAIRS_AT_ONCE, AT_ONCE // max(1, len(matrix.cases))))
    blocks = [
        _compare(matrix, metric, _Pairs.of(good, first[start : start + step], second[start : start + step]),
                 policy, number, seed)
        for start in range(0, len(first), step)
    ]  # fmt: skip
    if not blocks:
        return ()
    columns = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    columns |= _verdicts(columns, metric) | {"exact": columns["exact"] <= EXACT_UP_TO}
    names = np.array([*matrix.checkpoints, None], dtype=object)
    for name in ("first", "second", "test_favours", "interval_favours", "better"):
        columns[name] = names[columns[name]]
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return tuple(PairComparison(metric=metric, **dict(zip(columns, row, strict=True))) for row in rows)


def resamples_for_pairs(cases: int, pairs: int) -> int:
    """How many resamples are drawn: fewer where many pairs share them."""
    return int(min(resamples_for(cases), max(FEWEST_RESAMPLES, MOST_PRODUCTS // max(1, cases * pairs))))


def _position(matrix: ScoreMatrix, name: str) -> int:
    if name not in matrix.checkpoints:
        raise OptionError(f"The table has no checkpoint {name!r}. It has: {', '.join(matrix.checkpoints)}.")
    return matrix.checkpoints.index(name)


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


def _mean_bounds(matrix: ScoreMatrix, differences: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """The intervals of the mean differences, (pairs, 2), all from the same resamples of the units."""
    pairs, cases = differences.shape
    if not cases:
        return np.full((pairs, 2), np.nan)
    used, infinite = ~np.isnan(differences), np.isinf(differences)
    finite = np.where(used & ~infinite, differences, 0.0)
    units = dense(matrix.units)
    parts = (
        [finite, used] if not infinite.any() else [finite, np.where(infinite, np.sign(differences), 0.0), used, used]
    )
    summed = [unit_sums(one.T.astype(float), units)[:, :, np.newaxis] for one in parts]
    half = len(summed) // 2
    sums, counts = np.concatenate(summed[:half], axis=1), np.concatenate(summed[half:], axis=1)
    replicates = _in_the_limit(resampled_means(sums, counts, resamples=resamples, seed=seed), pairs)
    left_out = np.where(counts[:, :pairs, 0] > 0, _in_the_limit(jackknife_means(sums, counts), pairs), np.nan)
    return bca_intervals(np.ascontiguousarray(replicates.T), _means(differences), np.ascontiguousarray(left_out.T))


def _in_the_limit(means: np.ndarray, pairs: int) -> np.ndarray:
    """The means, (rows, pairs); infinite, with its sign, where the mean of the misses behind them is not zero."""
    if means.shape[1] == pairs:
        return means
    finite, missed = means[:, :pairs], means[:, pairs:]
    return np.where(np.abs(missed) > 1e-12, np.copysign(np.inf, missed), finite)


def _means(differences: np.ndarray) -> np.ndarray:
    """The mean of each row, NaN left out; infinite towards the side with more infinite values."""
    infinite, number = np.isinf(differences), (~np.isnan(differences)).sum(axis=1)
    balance = np.where(infinite, np.sign(differences), 0.0).sum(axis=1)
    sums = np.where(np.isfinite(differences), differences, 0.0).sum(axis=1)
    means = np.divide(sums, number, out=np.full(len(sums), np.nan), where=number > 0)
    return np.where(balance != 0, np.copysign(np.inf, balance), means)


def _compare(
    matrix: ScoreMatrix, metric: str, pairs: _Pairs, policy: Policy, resamples: int, seed: int
) -> dict[str, np.ndarray]:
    """The numbers of `PairComparison` without its verdicts, each as an array with a value a pair."""
    gains, used = pairs.gains, ~np.isnan(pairs.gains)
    differences = gains if better(metric) == "higher" else -gains
    tested = _unit_gains(gains, dense(matrix.units)) if matrix.clustered else gains
    number = np.count_nonzero(~np.isnan(tested), axis=1)
    few = np.array([too_few(int(one), clustered=matrix.clustered) for one in number], dtype=bool)
    medians = np.isinf(gains).any(axis=1) & (policy.miss == "median")
    bounds = _mean_bounds(matrix, differences, resamples, seed)
    for place in np.flatnonzero(medians & ~few):
        part = differences[place, used[place]], dense(matrix.units[used[place]])
        bounds[place] = median_interval([part], resamples=resamples, seed=seed)
    bounds[few] = np.nan
    p, lean = signed_rank_tests(tested)
    given: np.ndarray = np.any(matrix.present, axis=1)
    failed: np.ndarray = np.any(matrix.failed, axis=1)
    first, second = given[:, pairs.first], given[:, pairs.second]
    return {
        "first": pairs.first,
        "second": pairs.second,
        "pairs": used.sum(axis=1),
        "groups": number if matrix.clustered else np.full(len(number), None),
        "left_out": (first & second).sum(axis=0) - used.sum(axis=1),
        "unpaired": (first ^ second).sum(axis=0),
        "first_failed": (first & second & failed[:, pairs.first]).sum(axis=0),
        "second_failed": (first & second & failed[:, pairs.second]).sum(axis=0),
        "first_misses": np.isneginf(gains).sum(axis=1),
        "second_misses": np.isposinf(gains).sum(axis=1),
        "difference": _means(differences),
        "median_difference": row_quantiles(differences, np.full((len(gains), 1), 0.5))[:, 0],
        "low": bounds[:, 0],
        "high": bounds[:, 1],
        "interval_of": np.where(medians, "median", "mean"),
        "wins": (gains > 0).sum(axis=1),
        "ties": (gains == 0).sum(axis=1),
        "losses": (gains < 0).sum(axis=1),
        "p": np.where(few, np.nan, p),
        "exact": (np.nan_to_num(tested) != 0).sum(axis=1),
        "too_few": few,
        "test_favours": np.where(lean > 0, pairs.first, np.where(lean < 0, pairs.second, NOBODY)),
    }


def _unit_gains(gains: np.ndarray, units: np.ndarray) -> np.ndarray:
    """The mean of each group, (pairs, groups), NaN without a value; one with a miss on either side counts as tied."""
    used = ~np.isnan(gains)
    number = unit_sums(used.T.astype(float), units).T
    sums = unit_sums(np.where(used, gains, 0.0).T, units).T
    means = np.divide(sums, number, out=np.full(sums.shape, np.nan), where=number > 0)
    return np.where(np.isnan(means) & (number > 0), 0.0, means)


def _verdicts(columns: dict[str, np.ndarray], metric: str) -> dict[str, np.ndarray]:
    """The adjusted p-values, and whom the two witnesses find better."""
    adjusted = holm(columns["p"])
    tested = np.where(adjusted < ALPHA, columns["test_favours"], NOBODY)
    above, below = columns["low"] > 0, columns["high"] < 0
    first = above if better(metric) == "higher" else below
    side = np.where(above | below, np.where(first, columns["first"], columns["second"]), NOBODY)
    return {
        "p_adjusted": adjusted,
        "test_favours": tested,
        "interval_favours": side,
        "better": np.where(tested == side, tested, NOBODY),
    }


def _side(one: PairComparison, low: float, high: float) -> str | None:
    """The checkpoint on whose side of zero all of an interval of differences lies."""
    if not (low > 0 or high < 0):
        return None
    return one.first if (low > 0) == (better(one.metric) == "higher") else one.second
