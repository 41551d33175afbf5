"""What results under stress say: the score against the degree, what is lost, from which degree on, and where most."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evaluation.metrics.metric import SHARE
from evaluation.metrics.table import METRICS
from evaluation.results.answers import GROUP, Answer, worst_cases
from evaluation.results.tables import Table, interval
from evaluation.results.words import metric_title, number
from evaluation.statistics import (
    PairComparison,
    ScoreMatrix,
    Summary,
    banded,
    compare_matrix,
    compared_matrix,
    goodness,
    stratum_columns,
    summarise,
)
from evaluation.statistics.pairs import difference_of
from evaluation.stress.cases import CORRUPTION, DEGREE
from evaluation.stress.corruptions import BY_NAME, NONE
from medseg_demo.errors import OptionError

COLUMNS = (CORRUPTION, DEGREE)
LOSS = 0.05
MOST_WORST = 3
HEADER = (
    "Checkpoint",
    "Corruption",
    "As it is",
    "Degree {most}",
    "Lost by then",
    "0.05 lost from degree",
    "Worst group",
)
NOTES = (
    "Lost: the mean over the cases of the score as it is minus that of the same case made worse, with its 95 % "
    "interval; a failed case counts the worst value, and a correctly empty prediction counts as perfect where another "
    "degree has a value.",
    "0.05 lost from degree: the first degree whose mean loss is 0.05 or more, with that loss and its interval.",
    "A click on a point of the plot opens its worst case; in the table of cases the filter corruption = noise; "
    "degree = 3 finds all that are behind it.",
)
GROUP_NOTE = "Worst group: the value of {column} whose cases lose most at the highest degree, with their mean loss."
UNSTRESSED = "These results hold no images that were made worse. Evaluate checkpoints with stress."
NOT_WHOLE = "The results hold no case as it is, against which a loss could be told."


@dataclass(frozen=True)
class Point:
    """A checkpoint under one corruption of one degree.

    Attributes:
        degree: 0 is as it is.
        summary: Of the metric over the cases.
        worst: The cases behind it by their ids, the worst first, a few of them.
    """

    degree: int
    summary: Summary
    worst: tuple[str, ...]


@dataclass(frozen=True)
class Curve:
    """A checkpoint under one corruption.

    Attributes:
        checkpoint: Its name.
        corruption: Its name.
        points: By degree, from 0 on.
        losses: By degree from 1 on: the cases as they are (first) against those made worse (second).
        worst_group: The stratum that loses most at the highest degree; empty where there are no strata.
        worst_group_loss: Its mean loss; NaN likewise.
    """

    checkpoint: str
    corruption: str
    points: tuple[Point, ...]
    losses: tuple[PairComparison, ...]
    worst_group: str = ""
    worst_group_loss: float = math.nan

    @property
    def title(self) -> str:
        """The corruption, for people."""
        return title_of_corruption(self.corruption)

    @property
    def loses_from(self) -> int | None:
        """The first degree at which the mean loss is LOSS or more; None where there is none, or no share is lost."""
        lost = (point.degree for point, loss in zip(self.points[1:], self.losses, strict=True) if is_lost(loss))
        return next(lost, None)


def is_lost(loss: PairComparison) -> bool:
    """Whether LOSS or more is lost of a metric that is a share."""
    record = METRICS.get(loss.metric)
    return record is not None and record.range == SHARE and record.better == "higher" and loss.difference >= LOSS - 1e-9


def title_of_corruption(name: str) -> str:
    """A corruption's name for people; of one that this program does not know its key."""
    return BY_NAME[name].title if name in BY_NAME else name


def is_stressed(columns: Sequence[str]) -> bool:
    """Whether results with these metadata columns hold images that were made worse."""
    return set(COLUMNS) <= set(columns)


def stress_curves(found: Answer, column: str = "") -> tuple[Curve, ...]:
    """The curves of each corruption, in the order of the list, and in it of each checkpoint, the best first.

    Args:
        found: The answer.
        column: The metadata column whose groups are told apart; empty takes the first that divides the cases.

    Raises:
        OptionError: The results hold no images that were made worse, or none as they are, or the metric has no better
            direction.
    """
    if not is_stressed(found.metadata):
        raise OptionError(UNSTRESSED)
    table = found.table
    stressed = table[CORRUPTION].isin([name for name in table[CORRUPTION].unique() if name not in (NONE, "")])
    if not stressed.any():
        raise OptionError(UNSTRESSED)
    if not (table[CORRUPTION] == NONE).any():
        raise OptionError(NOT_WHOLE)
    strata = group_column(found, column)
    curves = [curve for standing in found.standings for curve in _curves_of(found, standing.checkpoint, strata)]
    order = [*BY_NAME, *sorted({curve.corruption for curve in curves} - BY_NAME.keys())]
    return tuple(sorted(curves, key=lambda curve: order.index(curve.corruption)))


def group_column(found: Answer, wanted: str = "") -> str:
    """The column whose groups are told apart: the one that is wanted, or the first that divides the cases, or none."""
    names = [name for name in found.metadata if name not in (*COLUMNS, GROUP)]
    dividing = stratum_columns(found.table[found.table[CORRUPTION] == NONE].reset_index(drop=True), names)
    return wanted if wanted in dividing else next(iter(dividing), "")


def _curves_of(found: Answer, checkpoint: str, strata: str) -> list[Curve]:
    question = found.question
    table = found.table[found.table["checkpoint"] == checkpoint].reset_index(drop=True)
    table = table.assign(origin=_origins(table))
    by = (CORRUPTION, DEGREE)
    summaries = {
        one.group: one for one in summarise(table, question.metric, by=by, order=question.order, policy=question.policy)
    }
    names = table[CORRUPTION].astype(str) + " " + table[DEGREE].astype(str)
    paired = table.assign(checkpoint=names, case_id=table["origin"])
    matrix = compared_matrix(paired, question.metric, policy=question.policy)
    as_it_is = f"{NONE} 0"
    if as_it_is not in matrix.checkpoints:
        return []
    compared = compare_matrix(matrix, question.metric, against=as_it_is, policy=question.policy)
    losses = {one.second: one for one in compared}
    curves = []
    for corruption in dict.fromkeys(table[CORRUPTION].astype(str)):
        degrees = sorted({degree for name, degree in summaries if name == corruption and corruption != NONE}, key=int)
        if not degrees:
            continue
        keys = [(NONE, "0"), *((corruption, degree) for degree in degrees)]
        points = [Point(int(key[1]), summaries[key], _worst(found, table, key)) for key in keys]
        worst = _worst_group(table, matrix, f"{corruption} {degrees[-1]}", question.metric, strata)
        own = tuple(losses[f"{corruption} {degree}"] for degree in degrees)
        curves.append(Curve(checkpoint, corruption, tuple(points), own, *worst))
    return curves


def _origins(table: pd.DataFrame) -> np.ndarray:
    """The case that each row's comes from, (rows,)."""
    rows = zip(table["case_id"].astype(str), table[CORRUPTION].astype(str), table[DEGREE].astype(str), strict=True)
    return np.array([case.removesuffix(f"@{corruption}-{degree}") for case, corruption, degree in rows], dtype=object)


def _worst(found: Answer, table: pd.DataFrame, key: tuple[str, str]) -> tuple[str, ...]:
    rows = table[(table[CORRUPTION] == key[0]) & (table[DEGREE] == key[1])].reset_index(drop=True)
    question = found.question
    return tuple(case for case, _ in worst_cases(rows, question.metric, policy=question.policy, most=MOST_WORST))


def _worst_group(table: pd.DataFrame, matrix: ScoreMatrix, worse: str, metric: str, strata: str) -> tuple[str, float]:
    """The stratum whose cases lose most on average, and how much."""
    if not strata:
        return "", math.nan
    good = goodness(matrix.values, metric)
    first, second = (matrix.checkpoints.index(name) for name in (f"{NONE} 0", worse))
    lost = pd.DataFrame(difference_of(good[:, :, first], good[:, :, second])).mean(axis=1).to_numpy()
    origins = table[table[CORRUPTION] == NONE].drop_duplicates("origin")
    named = dict(zip(origins["origin"], banded(origins[strata]), strict=True))
    groups = pd.Series(lost).groupby([named.get(case, "") for _, case in matrix.cases]).mean()
    groups = groups[groups.index != ""].dropna()
    return (str(groups.idxmax()), float(groups.max())) if len(groups) else ("", math.nan)


def stress_table(found: Answer, curves: Sequence[Curve], column: str = "") -> Table:
    """One row a corruption and checkpoint: how much is lost, from which degree on, and in which group most."""
    most = max(curve.points[-1].degree for curve in curves)
    strata = group_column(found, column)
    notes = (*NOTES, *([GROUP_NOTE.format(column=strata)] if strata else []))
    header = tuple(name.format(most=most) for name in HEADER if strata or name != HEADER[-1])
    rows = tuple(_row(curve)[: len(header)] for curve in curves)
    return Table(f"{metric_title(found.question.metric)} under stress", header, rows, notes)


def _row(curve: Curve) -> tuple[str, ...]:
    first, last, lost = curve.points[0].summary, curve.points[-1].summary, curve.losses[-1]
    place = curve.loses_from
    broken = next(
        (loss for point, loss in zip(curve.points[1:], curve.losses, strict=True) if point.degree == place), None
    )
    group = f"{curve.worst_group} ({number(curve.worst_group_loss)})" if curve.worst_group else ""
    return (
        curve.checkpoint, curve.title, number(_centre(first)), f"{number(_centre(last))} ({interval(last) or 'n/a'})",
        _loss(lost), "none" if broken is None else f"{place}: {_loss(broken)}", group,
    )  # fmt: skip


def _loss(loss: PairComparison) -> str:
    within = "too few cases" if math.isnan(loss.low) else f"{number(loss.low)} – {number(loss.high)}"
    return f"{number(loss.centre)} ({within})"


def _centre(summary: Summary) -> float:
    return summary.mean if summary.interval_of == "mean" else summary.median
