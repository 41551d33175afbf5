"""The table's rows as groups of coded arrays: what summaries, intervals and comparisons work on."""

from collections.abc import Sequence
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


class Groups(NamedTuple):
    """A table's rows by group, coded once for all that is asked of them: their places, and `Rows` without values."""

    table: pd.DataFrame
    groups: tuple[tuple[np.ndarray, Rows], ...]

    def rows(self, metric: str, policy: Policy) -> list[Rows]:
        """The groups with their values of a metric."""
        values = metric_values(self.table, metric, policy)
        return [group._replace(values=values[places]) for places, group in self.groups]


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


def firsts(codes: np.ndarray) -> np.ndarray:
    """The first row of each code; codes are in order of appearance."""
    return np.flatnonzero(np.diff(np.maximum.accumulate(codes), prepend=-1))


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


def group_rows(table: pd.DataFrame, by: Sequence[str]) -> Groups:
    """The rows of each combination of values of the grouping columns, in order of appearance."""
    if table.empty:
        return Groups(table, ())
    cases, units = unit_codes(table)
    classes, keys, failed = codes_of(table, ["class_name"]), codes_of(table, list(by)), failed_rows(table)
    labels = table[list(by)].iloc[firsts(keys)].astype(str).to_numpy()
    groups = []
    places = np.split(np.argsort(keys, kind="stable"), np.cumsum(np.bincount(keys))[:-1])
    for label, rows in zip(labels, places, strict=True):
        inner = (dense(codes[rows]) for codes in (units, cases, classes))
        groups.append((rows, Rows(tuple(label), np.empty(0), failed[rows], *inner)))
    return Groups(table, tuple(groups))


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
