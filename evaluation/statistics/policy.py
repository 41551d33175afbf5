"""What stands in for a value that is not a plain number: both masks empty, a miss, a failed case."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from evaluation.metrics.table import METRICS
from medseg_demo.errors import OptionError

Better = Literal["higher", "lower", "zero"]
EmptyPolicy = Literal["skip", "one", "zero"]
FailedPolicy = Literal["apart", "worst"]
MissPolicy = Literal["apart", "median", "diagonal"] | float

DIAGONAL = "image_diagonal"  # the column of the image's diagonals, in the unit of the distances


@dataclass(frozen=True)
class Policy:
    """The viewer's choice, printed beside every mean.

    Attributes:
        empty: What a case counts whose reference and prediction are both empty: "skip" leaves it out, "one" and
            "zero" count it as that. Applies to metrics whose best value is 1; others stay not applicable.
        failed: "apart" counts failed cases beside the summary; "worst" gives them the metric's worst value.
        miss: What an infinite distance counts in a mean. "apart": it stays infinite, so that no mean is shown, and
            outweighs everything else in a comparison. "median": it stays infinite, and medians are compared.
            "diagonal": the image's diagonal. A number: that, in the distances' unit.
    """

    empty: EmptyPolicy = "skip"
    failed: FailedPolicy = "apart"
    miss: MissPolicy = "apart"


AS_MEASURED = Policy()


def better(metric: str) -> Better:
    """Which values of a metric are better: higher, lower, or those nearer to zero.

    Raises:
        OptionError: The metric is not known, or has no better direction (such as a volume).
    """
    record = METRICS.get(metric)
    if record is None or record.better is None:
        raise OptionError(
            f"Metric {metric!r} has no better direction, so checkpoints cannot be compared by it. Choose another, "
            "such as dice."
        )
    return record.better


def goodness(values: np.ndarray, metric: str) -> np.ndarray:
    """The values turned so that more is better: as they are, negated, or minus the distance from zero."""
    match better(metric):
        case "higher":
            return values
        case "lower":
            return -values
        case _:
            return -np.abs(values)


def metric_values(table: pd.DataFrame, metric: str, policy: Policy = AS_MEASURED) -> np.ndarray:
    """A metric's column with the policy applied.

    Returns:
        float64 (rows,). NaN is a failed case or a value that is not applicable, infinity a miss.

    Raises:
        OptionError: The table has no such metric, or not the diagonals that the policy asks for.
    """
    if metric not in table or not pd.api.types.is_float_dtype(table[metric]):
        raise OptionError(f"The table has no metric {metric!r}. Choose one that was scored.")
    values = table[metric].to_numpy(dtype=float, copy=True)
    record = METRICS.get(metric)
    if policy.empty != "skip" and record is not None and (record.range[1], record.better) == (1, "higher"):
        values[both_empty(table) & np.isnan(values)] = float(policy.empty == "one")
    if policy.failed == "worst":
        values[failed_rows(table)] = worst(metric)
    if record is not None and record.unit == "distance" and policy.miss not in ("apart", "median"):
        missed = np.isposinf(values)
        values[missed] = _penalty(table, policy.miss)[missed]
    return values


def _penalty(table: pd.DataFrame, miss: MissPolicy) -> np.ndarray:
    """What an infinite distance counts in each row, (rows,)."""
    if miss != "diagonal":
        return np.full(len(table), float(miss))
    if DIAGONAL not in table:
        raise OptionError("The results hold no image diagonals. Score again, or give the penalty as a number.")
    # A failed row has none; another method's row of the same case has it.
    by_case = table.groupby(["test_set", "case_id"], sort=False, observed=True)[DIAGONAL]
    return table[DIAGONAL].fillna(by_case.transform("max")).fillna(np.inf).to_numpy(dtype=float)


def worst(metric: str) -> float:
    """The value that a failed case counts: the lower end of the range, or the upper one where less is better."""
    return float(METRICS[metric].range[better(metric) != "higher"])


def best(metric: str) -> float:
    """The value that a correctly empty prediction counts where methods are compared.

    NaN of a metric of probabilities, which has its value there too: one without did not come with any.
    """
    if METRICS[metric].of_probabilities:
        return np.nan
    return float(METRICS[metric].range[1]) if better(metric) == "higher" else 0.0


def both_empty(table: pd.DataFrame) -> np.ndarray:
    """The rows whose reference and prediction are both empty, boolean (rows,).

    Known from the volumes; where the table does not have them, no row is taken to be one.
    """
    if not {"reference_volume", "predicted_volume"} <= set(table):
        return np.zeros(len(table), dtype=bool)
    return ((table["reference_volume"] == 0) & (table["predicted_volume"] == 0)).to_numpy(dtype=bool)


def failed_rows(table: pd.DataFrame) -> np.ndarray:
    """The rows of cases that could not be scored, boolean (rows,)."""
    return (table["status"] == "failed").to_numpy(dtype=bool)
