"""How well changes are measured: prediction against reference between the visits of one patient.

A test set says so by two columns of ``cases.csv``: ``group``, the patient, and ``visit``, a date or a number. Each
visit is compared with the one before. What a method gets wrong at every visit alike cancels in a change, and what
varies from visit to visit counts twice, so that the error of a change is not that of a size.

Source: Bland and Altman 1999, doi:10.1177/096228029900800204.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evaluation.results.answers import GROUP, Answer
from evaluation.results.tables import Table
from evaluation.results.words import number
from evaluation.statistics import failed_rows
from medseg_demo.numbers import percent

VISIT = "visit"
SIZES = ("reference_volume", "predicted_volume")
LIMITS = 1.96
TITLE = "Changes between visits"
COLUMNS = (
    "Checkpoint", "Class", "Sizes", "Bias of sizes", "Limits of sizes", "Changes", "Bias of changes",
    "Limits of changes", "Deviation",
)  # fmt: skip
NOTE = (
    "Prediction − reference, with Bland and Altman's limits of agreement (bias ± 1.96 deviations): of each size, and "
    "of each change from one visit of a patient to the next. Deviation: of one measured size within a patient, "
    "relative, by the ratios of changes; `follow --deviation` takes it. Several changes of one patient are not "
    "independent, so the limits of few patients are rough."
)
FAILED = "{count} changes have a failed visit and are left out."


@dataclass(frozen=True)
class Agreement:
    """Differences of prediction and reference.

    Attributes:
        n: How many there are.
        bias: Their mean; NaN of none.
        spread: 1.96 standard deviations; NaN of fewer than two.
    """

    n: int
    bias: float
    spread: float

    @classmethod
    def of(cls, differences: np.ndarray) -> "Agreement":
        """Of differences (N,), of which those that are not finite are left out."""
        known = differences[np.isfinite(differences)]
        bias = float(known.mean()) if len(known) else np.nan
        return cls(len(known), bias, LIMITS * float(known.std(ddof=1)) if len(known) > 1 else np.nan)

    @property
    def limits(self) -> tuple[float, float]:
        """Bias ± spread."""
        return self.bias - self.spread, self.bias + self.spread


def has_visits(found: Answer) -> bool:
    """Whether some patient of the answer's cases has several visits, and sizes are known."""
    table = found.table
    return {VISIT, *SIZES} <= set(table) and VISIT in found.metadata and len(changes(table)) > 0


def changes(table: pd.DataFrame) -> pd.DataFrame:
    """The change since the visit before, in the columns of a size: a row a patient's later visit.

    Args:
        table: The tidy table, with ``group`` and ``visit``. Rows without either are left out.

    Returns:
        The rows of later visits, numbered anew, where ``reference_volume`` and ``predicted_volume`` are changes, and
        ``ratio`` is the logarithm of predicted over reference growth (NaN where a size is 0). A change with a failed
        visit is a failed row.
    """
    known = (table[VISIT].astype(str) != "") & (table[GROUP].astype(str) != "")
    rows = table[known].copy()
    rows["order"] = _order(rows[VISIT].astype(str))
    rows = rows.sort_values("order", kind="stable")
    keys = [rows[name] for name in ("test_set", "checkpoint", GROUP, "class_name")]
    lost = failed_rows(rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        rows["ratio"] = np.log(rows["predicted_volume"].astype(float)) - np.log(rows["reference_volume"].astype(float))
    rows["ratio"] = rows["ratio"].where(np.isfinite(rows["ratio"]))
    differences = {name: rows[name].astype(float).groupby(keys).diff() for name in (*SIZES, "ratio")}
    before_lost = pd.Series(lost, rows.index).groupby(keys).shift(fill_value=False)
    later = rows["order"].groupby(keys).cumcount() > 0
    rows = rows.assign(**differences)
    rows.loc[before_lost.astype(bool), "status"] = "failed"
    return rows[later].drop(columns="order").reset_index(drop=True)


def _order(visits: pd.Series) -> pd.Series:
    """Visits as places in time: numbers by their value, anything else (dates as 2024-03-01) by the alphabet."""
    numbers = pd.to_numeric(visits, errors="coerce")
    return numbers if numbers.notna().all() else visits.rank(method="dense")


def changes_table(found: Answer) -> Table | None:
    """The error of sizes beside that of changes; None where the cases have no visits."""
    if not has_visits(found):
        return None
    between = changes(found.table)
    rows, failed = [], 0
    for standing in found.standings:
        own = found.table[found.table["checkpoint"] == standing.checkpoint]
        later = between[between["checkpoint"] == standing.checkpoint]
        classes = [name for name in dict.fromkeys(own["class_name"]) if name]
        rows += [(standing.checkpoint, *_row(own, later, name)) for name in classes]
        failed += int(failed_rows(later).sum())
    notes = (NOTE, *([FAILED.format(count=failed)] if failed else []))
    return Table(TITLE, COLUMNS, tuple(rows), notes)


def _row(sizes: pd.DataFrame, between: pd.DataFrame, class_name: str) -> Sequence[str]:
    of_class, later = (rows[rows["class_name"] == class_name] for rows in (sizes, between))
    later = later[~failed_rows(later)]
    unit = ", ".join(one for one in of_class["size_unit"].unique() if one) if "size_unit" in of_class else ""
    value, change = Agreement.of(_differences(of_class)), Agreement.of(_differences(later))
    ratios = later["ratio"].to_numpy(float)
    ratios = ratios[np.isfinite(ratios)]
    # Two errors of one spread make that of their difference.
    deviation = percent(float(ratios.std(ddof=1)) / np.sqrt(2)) if len(ratios) > 1 else ""
    return (class_name, *_cells(value, unit), *_cells(change, unit), deviation)


def _differences(rows: pd.DataFrame) -> np.ndarray:
    return (rows["predicted_volume"].astype(float) - rows["reference_volume"].astype(float)).to_numpy()


def _cells(one: Agreement, unit: str) -> tuple[str, str, str]:
    low, high = one.limits
    limits = f"{number(low)} to {number(high)} {unit}".rstrip() if np.isfinite(one.spread) else ""
    return f"{one.n:,}", f"{number(one.bias)} {unit}".rstrip() if one.n else "", limits
