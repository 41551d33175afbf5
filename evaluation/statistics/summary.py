"""Summaries of one metric over any grouping of the table's rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from evaluation.statistics.grouping import Groups, Order, Rows, Totals, group_rows, number_of, parts, too_few, total_of
from evaluation.statistics.policy import AS_MEASURED, EmptyPolicy, Policy
from evaluation.statistics.resampling import (
    SEED,
    bca_intervals,
    jackknife_means,
    means,
    median_interval,
    quantile,
    resampled_means,
    resamples_for,
)

DEFAULT_GROUPING = ("test_set", "checkpoint", "class_name")


@dataclass(frozen=True)
class Summary:
    """One metric over one group of rows.

    Attributes:
        group: The values of the grouping columns.
        cases: How many cases the group has.
        n: How many of them have a value (a miss is one).
        failed: How many could not be scored.
        not_applicable: How many values are not applicable under the policy.
        misses: How many values are infinite.
        mean: In the chosen order; NaN where a miss stands, since no mean would be honest.
        lower_quartile: Of the values; likewise ``median`` and ``upper_quartile``. Misses count as largest.
        low: Lower end of the 95 % BCa interval; NaN where ``small``.
        high: Upper end.
        interval_of: What the interval is of: the mean, or the median where there are misses.
        clustered: Whether groups of cases were resampled, because ``group`` repeats, instead of cases.
        units: How many cases, or groups, with a value.
        small: Whether there are too few units for an interval or a claim.
    """

    group: tuple[str, ...]
    cases: int
    n: int
    failed: int
    not_applicable: int
    misses: int
    mean: float
    lower_quartile: float
    median: float
    upper_quartile: float
    low: float
    high: float
    interval_of: Literal["mean", "median"]
    clustered: bool
    units: int
    small: bool


@dataclass(frozen=True)
class PolicyEffect:
    """What one empty-mask policy makes of a group's mean.

    Attributes:
        group: The values of the grouping columns.
        policy: The policy.
        n: How many cases have a value under it.
        mean: The mean under it; NaN where a miss stands.
        shift: How far that is from the mean under "skip".
    """

    group: tuple[str, ...]
    policy: EmptyPolicy
    n: int
    mean: float
    shift: float


def summarise(
    table: pd.DataFrame | Groups,
    metric: str,
    *,
    by: Sequence[str] = DEFAULT_GROUPING,
    order: Order = "class",
    policy: Policy = AS_MEASURED,
    intervals: bool = True,
    resamples: int = 0,
    seed: int = SEED,
) -> tuple[Summary, ...]:
    """Summarise a metric for each combination of the values of some columns, in order of appearance.

    Args:
        table: The tidy table, any selection of its rows, or its rows as `group_rows` has grouped them.
        metric: The metric's column.
        by: The grouping columns of a table: test set, checkpoint, class, or any metadata column.
        order: For groups of several classes: "class" averages over cases, then over classes; "case" over classes,
            then over cases; "pooled" over all values at once. Medians and quartiles go the same way.
        policy: What stands in for empty masks, misses and failed cases.
        intervals: Whether intervals are computed.
        resamples: 0 takes 2000, and fewer for many thousand units.
        seed: Of the resampling.

    Raises:
        OptionError: The table has no such metric, or the policy cannot be applied to it.
    """
    groups = (table if isinstance(table, Groups) else group_rows(table, by)).rows(metric, policy)
    totals = [total_of(rows, order) for rows in groups]
    bounds = _mean_intervals(totals, resamples, seed) if intervals else [(np.nan, np.nan)] * len(groups)
    return tuple(
        _summary(rows, total, order, bound, intervals, resamples, seed)
        for rows, total, bound in zip(groups, totals, bounds, strict=True)
    )


def policy_effects(
    table: pd.DataFrame | Groups,
    metric: str,
    *,
    by: Sequence[str] = ("test_set", "checkpoint"),
    order: Order = "class",
    policy: Policy = AS_MEASURED,
) -> tuple[PolicyEffect, ...]:
    """How far each empty-mask policy moves each group's mean; arguments as in `summarise`."""
    choices: tuple[EmptyPolicy, ...] = ("skip", "one", "zero")
    groups = table if isinstance(table, Groups) else group_rows(table, by)
    found = {empty: groups.rows(metric, replace(policy, empty=empty)) for empty in choices}
    effects = []
    for place, skipped in enumerate(found["skip"]):
        plain = _mean_of(skipped, order)
        for empty in choices:
            rows = found[empty][place]
            mean = _mean_of(rows, order)
            effects.append(
                PolicyEffect(rows.key, empty, number_of(rows.cases[~np.isnan(rows.values)]), mean, mean - plain)
            )
    return tuple(effects)


def _mean_of(rows: Rows, order: Order) -> float:
    """NaN where a miss stands."""
    if np.isinf(rows.values).any():
        return np.nan
    total = total_of(rows, order)
    return float(means(total.sums.sum(axis=0), total.counts.sum(axis=0)))


def _mean_intervals(totals: list[Totals], resamples: int, seed: int) -> list[tuple[float, float]]:
    """The intervals of the means. Groups of equal shape go through the resampling together."""
    bounds = [(np.nan, np.nan)] * len(totals)
    alike: dict[tuple[int, ...], list[int]] = {}
    for position, total in enumerate(totals):
        if np.isfinite(total.sums).all():
            alike.setdefault(total.sums.shape, []).append(position)
    # One budget of draws for the whole table, so that many strata cost no more than one.
    number = resamples or resamples_for(sum(shape[0] for shape in alike))
    for positions in alike.values():
        sums = np.stack([totals[position].sums for position in positions], axis=1)
        counts = np.stack([totals[position].counts for position in positions], axis=1)
        replicates = resampled_means(sums, counts, resamples=number, seed=seed)
        left_out = np.where(counts.any(axis=2), jackknife_means(sums, counts), np.nan)
        estimates = means(sums.sum(axis=0), counts.sum(axis=0))
        found = bca_intervals(np.ascontiguousarray(replicates.T), estimates, np.ascontiguousarray(left_out.T))
        for position, (low, high) in zip(positions, found.tolist(), strict=True):
            bounds[position] = low, high
    return bounds


def _summary(
    rows: Rows,
    total: Totals,
    order: Order,
    bound: tuple[float, float],
    intervals: bool,
    resamples: int,
    seed: int,
) -> Summary:
    usable = ~np.isnan(rows.values)
    misses = int(np.isinf(rows.values).sum())
    groups = parts(rows, order)
    quartiles = np.mean([quantile(values, np.array([0.25, 0.5, 0.75])) for values, _ in groups], axis=0)
    units = number_of(rows.units[usable])
    small = too_few(units, clustered=rows.clustered)
    if small:
        bound = np.nan, np.nan
    elif misses and intervals:
        bound = median_interval(groups, resamples=resamples, seed=seed)
    return Summary(
        group=rows.key,
        cases=number_of(rows.cases),
        n=number_of(rows.cases[usable]),
        failed=number_of(rows.cases[rows.failed]),
        not_applicable=int((~usable & ~rows.failed).sum()),
        misses=misses,
        mean=np.nan if misses else float(means(total.sums.sum(axis=0), total.counts.sum(axis=0))),
        lower_quartile=float(quartiles[0]),
        median=float(quartiles[1]),
        upper_quartile=float(quartiles[2]),
        low=bound[0],
        high=bound[1],
        interval_of="median" if misses else "mean",
        clustered=rows.clustered,
        units=units,
        small=small,
    )
