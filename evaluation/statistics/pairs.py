"""Two checkpoints on the same cases: is one better, and is that more than chance?

The unit is the case: a case's difference is the mean over its classes of the classes' differences. A failed case
counts the metric's worst value. A case of which one checkpoint has no applicable value is left out and counted.
Where ``group`` repeats, whole groups are resampled, and the test ranks the groups' mean differences.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from evaluation.statistics.grouping import codes_of, dense, number_of, too_few, unit_codes
from evaluation.statistics.policy import AS_MEASURED, Policy, better, failed_rows, goodness, metric_values
from evaluation.statistics.resampling import (
    SEED,
    bca_interval,
    jackknife_means,
    median_interval,
    quantile,
    resampled_means,
)
from evaluation.statistics.signed_rank import DECIMALS, EXACT_UP_TO, holm, signed_rank_lean, signed_rank_p
from medseg_demo.errors import OptionError

ALPHA = 0.05


class ScoreMatrix(NamedTuple):
    """A metric as an array, cases × classes × checkpoints.

    Attributes:
        checkpoints: In order of appearance.
        cases: (test set, case id), in order of appearance.
        values: float64; NaN where not applicable, or where ``present`` is false.
        present: Whether the table has the row.
        failed: Whether the case failed.
        units: What is resampled as one, a whole number for each case.
    """

    checkpoints: tuple[str, ...]
    cases: tuple[tuple[str, str], ...]
    values: np.ndarray
    present: np.ndarray
    failed: np.ndarray
    units: np.ndarray

    @property
    def clustered(self) -> bool:
        """Whether a unit stands for several cases."""
        return number_of(self.units) < len(self.units)


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
        difference: Mean of first − second; of the distances from zero for metrics that are best at zero. NaN where
            a difference is infinite (a miss of one of them).
        median_difference: Its median.
        low: Lower end of the 95 % BCa interval; NaN where ``too_few``.
        high: Upper end.
        interval_of: What the interval is of: the mean difference, or the median one where there are misses.
        wins: Cases in which the first is better.
        ties: Cases in which both are equal.
        losses: Cases in which the second is better.
        p: Of the two-sided signed-rank test; NaN with too few pairs.
        p_adjusted: After Holm, over all pairs of checkpoints that were asked for together.
        exact: Whether the p-value is exact.
        too_few: Whether there are too few pairs, or groups, for an interval or a claim.
        better: The checkpoint that is significantly better, or None.
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
    better: str | None


class _Pair(NamedTuple):
    """The differences of two checkpoints, one a compared case, as measured and turned so that more is better."""

    columns: tuple[int, int]
    used: np.ndarray
    differences: np.ndarray
    gains: np.ndarray


def score_matrix(table: pd.DataFrame, metric: str, *, policy: Policy = AS_MEASURED) -> ScoreMatrix:
    """Arrange a metric of the table by case, class and checkpoint.

    Raises:
        OptionError: The table has no such metric, or two rows for one case, class and checkpoint.
    """
    checkpoint, checkpoints = pd.factorize(table["checkpoint"])
    case, unit = unit_codes(table)
    label = codes_of(table, ["class_name"])
    firsts = np.unique(case, return_index=True)[1]
    shape = (len(firsts), label.max(initial=-1) + 1, len(checkpoints))
    present = np.zeros(shape, dtype=bool)
    present[case, label, checkpoint] = True
    if present.sum() < len(table):
        raise OptionError("The table has two rows for one case, class and checkpoint. Choose each run only once.")
    values, failed = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    values[case, label, checkpoint] = metric_values(table, metric, policy)
    failed[case, label, checkpoint] = failed_rows(table)
    names = table[["test_set", "case_id"]].iloc[firsts].itertuples(index=False, name=None)
    return ScoreMatrix(tuple(map(str, checkpoints)), tuple(names), values, present, failed, unit[firsts])


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
        resamples: 0 takes 2000, and fewer for many thousand units.
        seed: Of the resampling.

    Raises:
        OptionError: The metric has no better direction, or a checkpoint is not in the table.
    """
    matrix = score_matrix(table, metric, policy=replace(policy, failed="worst"))
    chosen = [_position(matrix, name) for name in (matrix.checkpoints if checkpoints is None else checkpoints)]
    found = [_pair(matrix, metric, first, second) for first, second in combinations(chosen, 2)]
    bounds = _mean_bounds(matrix, found, resamples, seed)
    compared = [
        _compare(matrix, metric, pair, bound, resamples, seed) for pair, bound in zip(found, bounds, strict=True)
    ]
    adjusted = holm([comparison.p for comparison in compared])
    return tuple(_judge(one, float(p)) for one, p in zip(compared, adjusted, strict=True))


def _position(matrix: ScoreMatrix, name: str) -> int:
    if name not in matrix.checkpoints:
        raise OptionError(f"The table has no checkpoint {name!r}. It has: {', '.join(matrix.checkpoints)}.")
    return matrix.checkpoints.index(name)


def _pair(matrix: ScoreMatrix, metric: str, first: int, second: int) -> _Pair:
    one, other = matrix.values[:, :, first], matrix.values[:, :, second]
    gains = _case_means(_minus(goodness(one, metric), goodness(other, metric)))
    used = np.flatnonzero(~np.isnan(gains))
    gains = np.round(gains[used], DECIMALS)
    return _Pair((first, second), used, gains if better(metric) == "higher" else -gains, gains)


def _minus(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The difference, where two misses are equal."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(one) & (one == other), 0.0, one - other)


def _case_means(differences: np.ndarray) -> np.ndarray:
    """Mean over classes, (cases,). A case that each of the two missed once, in different classes, is a tie."""
    number = (~np.isnan(differences)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        sums = np.nansum(differences, axis=1)
        return np.where(number > 0, np.where(np.isnan(sums), 0.0, sums / number), np.nan)


def _mean_bounds(matrix: ScoreMatrix, found: list[_Pair], resamples: int, seed: int) -> list[tuple[float, float]]:
    """The intervals of the mean differences, all from the same resamples of the units."""
    units = dense(matrix.units)
    width = units.max(initial=-1) + 1
    if not width or not found:
        return [(np.nan, np.nan)] * len(found)
    sums, counts = np.zeros((width, len(found), 1)), np.zeros((width, len(found), 1))
    for column, pair in enumerate(found):
        finite = np.where(np.isfinite(pair.differences), pair.differences, 0.0)
        sums[:, column, 0] = np.bincount(units[pair.used], finite, minlength=width)
        counts[:, column, 0] = np.bincount(units[pair.used], minlength=width)
    replicates = resampled_means(sums, counts, resamples=resamples, seed=seed)
    left_out = jackknife_means(sums, counts)
    informed = counts[:, :, 0] > 0
    return [
        bca_interval(replicates[:, column], _mean(pair.differences), left_out[informed[:, column], column])
        for column, pair in enumerate(found)
    ]


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) and np.isfinite(values).all() else np.nan


def _compare(
    matrix: ScoreMatrix, metric: str, pair: _Pair, bound: tuple[float, float], resamples: int, seed: int
) -> PairComparison:
    first, second = pair.columns
    units = matrix.units[pair.used]
    median = float(quantile(pair.differences, 0.5))
    misses = bool(np.isinf(pair.differences).any())
    tested = _unit_gains(pair.gains, units) if matrix.clustered else pair.gains
    few = too_few(len(tested), clustered=matrix.clustered)
    if few:
        bound = np.nan, np.nan
    elif misses:
        bound = median_interval([(pair.differences, dense(units))], resamples=resamples, seed=seed)
    given: np.ndarray = np.any(matrix.present, axis=1)
    both = given[:, first] & given[:, second]
    failed: np.ndarray = np.any(matrix.failed, axis=1) & both[:, np.newaxis]
    return PairComparison(
        metric=metric,
        first=matrix.checkpoints[first],
        second=matrix.checkpoints[second],
        pairs=len(pair.used),
        groups=len(tested) if matrix.clustered else None,
        left_out=int(both.sum()) - len(pair.used),
        unpaired=int((given[:, first] ^ given[:, second]).sum()),
        first_failed=int(failed[:, first].sum()),
        second_failed=int(failed[:, second].sum()),
        difference=_mean(pair.differences),
        median_difference=median,
        low=bound[0],
        high=bound[1],
        interval_of="median" if misses else "mean",
        wins=int((pair.gains > 0).sum()),
        ties=int((pair.gains == 0).sum()),
        losses=int((pair.gains < 0).sum()),
        p=np.nan if few else signed_rank_p(tested),
        p_adjusted=np.nan,
        exact=int(np.count_nonzero(tested)) <= EXACT_UP_TO,
        too_few=few,
        better=matrix.checkpoints[first if signed_rank_lean(tested) > 0 else second],
    )


def _unit_gains(gains: np.ndarray, units: np.ndarray) -> np.ndarray:
    """The mean of each group; a group with a miss on either side counts as tied."""
    codes = dense(units)
    with np.errstate(invalid="ignore"):
        group_means = np.bincount(codes, gains) / np.bincount(codes)
    return np.where(np.isnan(group_means), 0.0, group_means)


def _judge(comparison: PairComparison, adjusted: float) -> PairComparison:
    """Add the adjusted p-value, and keep the better one only where that is significant."""
    significant = not comparison.too_few and adjusted < ALPHA
    return replace(comparison, p_adjusted=adjusted, better=comparison.better if significant else None)
