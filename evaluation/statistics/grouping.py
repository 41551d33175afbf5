"""The table's rows as groups of coded arrays: what summaries, intervals and comparisons work on."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from evaluation.statistics.policy import Policy, failed_rows, metric_values

Order = Literal["class", "case", "pooled"]

# Drawn from fewer, a bootstrap interval holds the true value far less often than 95 % promise.
FEWEST_CASES = 6
FEWEST_GROUPS = 5


class Rows(NamedTuple):
    """The rows of one group, coded: units (for resampling), cases and classes from 0 on."""

    key: tuple[str, ...]
    values: np.ndarray
    failed: np.ndarray
    units: np.ndarray
    cases: np.ndarray
    classes: np.ndarray

    @property
    def clustered(self) -> bool:
        """Whether a unit stands for several cases."""
        return bool(self.units.max() < self.cases.max())


class Totals(NamedTuple):
    """Each unit's sums and numbers of values, (units, classes)."""

    sums: np.ndarray
    counts: np.ndarray


def unit_codes(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The cases of the rows, and what is resampled as one.

    Returns:
        (case codes, unit codes): integers from 0 on, (rows,). Units are the values of ``group`` within a test set; a
        case without one is a unit of its own. A case belongs to the group that any of its rows names: results that
        were scored elsewhere often do not know it.
    """
    cases = codes_of(table, ["test_set", "case_id"])
    if "group" not in table or table.empty:
        return cases, cases
    named = np.flatnonzero((table["group"] != "").to_numpy(dtype=bool))[::-1]  # the first row that names one counts
    groups = codes_of(table, ["test_set", "group"])
    of_case = groups.max() + 1 + np.arange(cases.max() + 1)
    of_case[cases[named]] = groups[named]
    return cases, dense(of_case)[cases]


def codes_of(table: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """A whole number for each combination of values of some columns, in order of appearance."""
    codes = np.zeros(len(table), dtype=int)
    for column in columns:
        inner, values = pd.factorize(table[column])
        codes = codes * len(values) + inner
    return pd.factorize(codes)[0]


def dense(codes: np.ndarray) -> np.ndarray:
    """The same codes counted from 0 on without gaps."""
    return (np.cumsum(np.bincount(codes) > 0) - 1)[codes]


def unit_sums(values: np.ndarray, units: np.ndarray) -> np.ndarray:
    """The sums over the cases of each unit, (units, columns).

    Args:
        values: (cases, columns).
        units: Of each case; whole numbers from 0 on without gaps.
    """
    if len(np.bincount(units)) == len(units):
        return values[np.argsort(units, kind="stable")]
    with np.errstate(invalid="ignore"):
        return np.stack([np.bincount(units, column) for column in values.T], axis=1)


def number_of(codes: np.ndarray) -> int:
    """How many different codes there are."""
    return int(np.count_nonzero(np.bincount(codes)))


def too_few(units: int, *, clustered: bool) -> bool:
    """Whether there are too few cases, or groups of cases, for an interval or a claim."""
    return units < (FEWEST_GROUPS if clustered else FEWEST_CASES)


def split(table: pd.DataFrame, metric: str, by: Sequence[str], policy: Policy) -> list[Rows]:
    """The rows of each combination of values of the grouping columns, in order of appearance."""
    return next(split_by_policy(table, metric, by, [policy]))


def split_by_policy(
    table: pd.DataFrame, metric: str, by: Sequence[str], policies: Sequence[Policy]
) -> Iterator[list[Rows]]:
    """`split` under one policy after the other; the rows are coded once."""
    values, failed = metric_values(table, metric, policies[0]), failed_rows(table)
    if table.empty:
        yield from ([] for _ in policies)
        return
    cases, units = unit_codes(table)
    classes = codes_of(table, ["class_name"])
    keys = codes_of(table, list(by))
    order = np.argsort(keys, kind="stable")
    firsts = np.unique(keys, return_index=True)[1]
    labels = table[list(by)].iloc[firsts].astype(str).to_numpy()
    groups = []
    for label, rows in zip(labels, np.split(order, np.cumsum(np.bincount(keys))[:-1]), strict=True):
        inner = (dense(codes[rows]) for codes in (units, cases, classes))
        groups.append((rows, Rows(tuple(label), values[rows], failed[rows], *inner)))
    yield [group for _, group in groups]
    for policy in policies[1:]:
        values = metric_values(table, metric, policy)
        yield [group._replace(values=values[rows]) for rows, group in groups]


def total_of(rows: Rows, order: Order) -> Totals:
    """Sums and counts by unit and class, arranged so that `means` of their totals is the mean in this order."""
    usable = ~np.isnan(rows.values)
    values, units, classes = rows.values[usable], rows.units[usable], rows.classes[usable]
    if order == "case":
        cases = rows.cases[usable]
        number = np.bincount(cases, minlength=rows.cases.max() + 1)
        values = values / number[cases]
        weights = 1 / number[cases]
    else:
        weights = np.ones(len(values))
    if order != "class":
        classes = np.zeros_like(classes)
    width = classes.max(initial=0) + 1
    shape = (rows.units.max() + 1, width)
    cell = units * width + classes
    sums = np.bincount(cell, values, minlength=shape[0] * width).reshape(shape)
    return Totals(sums, np.bincount(cell, weights, minlength=shape[0] * width).reshape(shape))


def parts(rows: Rows, order: Order) -> list[tuple[np.ndarray, np.ndarray]]:
    """The values, with their units, of which medians are taken; the median is the mean of the parts' medians."""
    usable = ~np.isnan(rows.values)
    values, units = rows.values[usable], rows.units[usable]
    if order == "pooled" or not len(values):
        return [(values, units)]
    if order == "class":
        classes = rows.classes[usable]
        return [(values[classes == one], units[classes == one]) for one in np.unique(classes)]
    _, firsts, codes = np.unique(rows.cases[usable], return_index=True, return_inverse=True)
    return [(np.bincount(codes, values) / np.bincount(codes), units[firsts])]
