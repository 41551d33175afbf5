"""A metric as an array, cases × classes × methods, and how healthy cases count where methods are compared."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from evaluation.metrics.table import BOTH_NAN_ONE_INFINITE, BOTH_NAN_ONE_ZERO, METRICS
from evaluation.statistics.grouping import codes_of, firsts, number_of, unit_codes
from evaluation.statistics.policy import AS_MEASURED, Policy, best, both_empty, failed_rows, metric_values, worst
from medseg_demo.errors import OptionError


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


class _Places(NamedTuple):
    """Where each row of the table stands in the array, ``at`` as in a flat one."""

    shape: tuple[int, int, int]
    at: np.ndarray
    checkpoints: tuple[str, ...]
    cases: tuple[tuple[str, str], ...]
    units: np.ndarray

    def spread(self, rows: np.ndarray, empty: float | bool) -> np.ndarray:
        """One value a row as an array, ``empty`` where the table has no row."""
        array = np.full(self.shape, empty, dtype=rows.dtype)
        array.reshape(-1)[self.at] = rows
        return array


def score_matrix(table: pd.DataFrame, metric: str, *, policy: Policy = AS_MEASURED) -> ScoreMatrix:
    """Arrange a metric of the table by case, class and checkpoint, as measured.

    Raises:
        OptionError: The table has no such metric, or two rows for one case, class and checkpoint.
    """
    return _matrix(table, metric, policy, _places(table))


def _matrix(table: pd.DataFrame, metric: str, policy: Policy, places: _Places) -> ScoreMatrix:
    return ScoreMatrix(
        places.checkpoints,
        places.cases,
        places.spread(metric_values(table, metric, policy), np.nan),
        places.spread(np.ones(len(table), dtype=bool), False),
        places.spread(failed_rows(table), False),
        places.units,
    )


def compared_matrix(table: pd.DataFrame, metric: str, *, policy: Policy = AS_MEASURED) -> ScoreMatrix:
    """The same, as it counts where checkpoints are compared or ranked.

    Failed cases count the worst value. As soon as one checkpoint has a value in a case and class, a correctly empty
    prediction of another is a perfect score there; where all are empty the policy decides. A table without volumes
    does not say which predictions are empty: a value that is not applicable is then taken for a correctly empty one
    where everybody who has a value has the worst one, for that is what a false alarm gives.

    Raises:
        OptionError: As `score_matrix`; or the metric has no better direction.
    """
    places = _places(table)
    matrix = _matrix(table, metric, replace(policy, empty="skip", failed="worst"), places)
    missing = matrix.present & np.isnan(matrix.values)
    valued = (~np.isnan(matrix.values)).any(axis=2, keepdims=True)
    empty = places.spread(both_empty(table), False) | (_taken_for_empty(table, metric, places) & missing)
    values = np.where(missing & empty & valued, best(metric), matrix.values)
    if policy.empty != "skip":
        chosen = places.spread(metric_values(table, metric, replace(policy, failed="worst")), np.nan)
        values = np.where(np.isnan(values), chosen, values)
    return matrix._replace(values=values)


def _taken_for_empty(table: pd.DataFrame, metric: str, places: _Places) -> np.ndarray:
    """Cells of rows without volumes in whose case and class every value is the worst there is."""
    if METRICS[metric].empty_rule not in (BOTH_NAN_ONE_ZERO, BOTH_NAN_ONE_INFINITE):
        return np.zeros(places.shape, dtype=bool)
    known = np.zeros(len(table), dtype=bool)
    if {"reference_volume", "predicted_volume"} <= set(table):
        known = (table["reference_volume"].notna() & table["predicted_volume"].notna()).to_numpy(dtype=bool)
    measured = places.spread(metric_values(table, metric), np.nan)
    only_worst = (np.isnan(measured) | (measured == worst(metric))).all(axis=2, keepdims=True)
    return only_worst & (~np.isnan(measured)).any(axis=2, keepdims=True) & ~places.spread(known, True)


def _places(table: pd.DataFrame) -> _Places:
    checkpoint, checkpoints = pd.factorize(table["checkpoint"])
    case, unit = unit_codes(table)
    label = codes_of(table, ["class_name"])
    first = firsts(case)
    shape = (len(first), label.max(initial=-1) + 1, len(checkpoints))
    at = (case * shape[1] + label) * shape[2] + checkpoint
    if np.bincount(at).max(initial=0) > 1:
        raise OptionError("The table has two rows for one case, class and checkpoint. Choose each run only once.")
    names = (table[name].iloc[first].to_numpy(dtype=object) for name in ("test_set", "case_id"))
    return _Places(shape, at, tuple(map(str, checkpoints)), tuple(zip(*names, strict=True)), unit[first])
