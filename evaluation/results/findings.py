"""Findings of whole images in results: the columns that a run leaves, and how well they tell the cases apart."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from evaluation.results.words import number
from evaluation.statistics.diagnostic import Confusion, Estimate, area, confusion

if TYPE_CHECKING:
    from evaluation.results.answers import Answer
    from medseg_demo.models.finding import Finding

PREFIX = "finding_"  # of the columns, which stand after all others: the probability, its threshold, what is true
THRESHOLD, REFERENCE = "_threshold", "_reference"
PRESENT, ABSENT = "present", "absent"
COLUMNS = (
    "Checkpoint", "Finding", "AUC", "Sensitivity", "Specificity", "Threshold", "Present: found", "Present: missed",
    "Absent: called present", "Absent: called absent",
)  # fmt: skip
TITLE = "Findings of the whole image"
NOTE = (
    "AUC: the chance that a case with the finding has the higher probability than one without, with DeLong's 95 % "
    "interval (Obuchowski's where cases are of groups). Sensitivity and specificity are at the threshold of the model "
    "card, with Wilson's 95 % intervals, which take each case for itself."
)
ONE_KIND = "{checkpoint}, {finding}: all {cases} cases whose reference is known are {kind}, so there is no AUC."
UNKNOWN = "{checkpoint}, {finding}: {cases} cases say nothing of it in cases.csv and are left out."


@dataclass(frozen=True)
class FoundFinding:
    """How well one checkpoint tells the cases of a test set apart by one finding.

    Attributes:
        checkpoint: Its name.
        finding: The finding's.
        auc: The area under the curve; n/a where the known cases are of one kind.
        cells: At the threshold of each case's model card.
        thresholds: All different ones.
        unknown: Cases with a probability whose reference is not known.
    """

    checkpoint: str
    finding: str
    auc: Estimate
    cells: Confusion
    thresholds: tuple[float, ...]
    unknown: int

    @property
    def cases(self) -> int:
        """How many count."""
        return self.cells.tp + self.cells.fn + self.cells.fp + self.cells.tn

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know, in plain sentences."""
        own, notes = {"checkpoint": self.checkpoint, "finding": self.finding}, []
        if self.cases and math.isnan(self.auc.value):
            kind = PRESENT if self.cells.tp + self.cells.fn else ABSENT
            notes.append(ONE_KIND.format(**own, cases=self.cases, kind=kind))
        if self.unknown:
            notes.append(UNKNOWN.format(**own, cases=self.unknown))
        return tuple(notes)

    @property
    def record(self) -> dict[str, object]:
        """Plain values for JSON."""
        figures = {"auc": self.auc, "sensitivity": self.cells.sensitivity, "specificity": self.cells.specificity}
        return {
            "name": self.checkpoint,
            "finding": self.finding,
            **{key: _plain(one) for key, one in figures.items()},
            "thresholds": list(self.thresholds),
            "tp": self.cells.tp,
            "fn": self.cells.fn,
            "fp": self.cells.fp,
            "tn": self.cells.tn,
            "unknown": self.unknown,
        }


def columns_of(findings: "Sequence[Finding]", found: Mapping[str, float], said: Mapping[str, str]) -> dict[str, str]:
    """What a row of results says of a case: text, the same for each of its classes.

    Args:
        findings: Of the model card.
        found: Name → probability.
        said: The case's metadata; a cell that the card does not know says nothing.
    """
    columns = {}
    for finding in findings:
        if finding.name in found:
            columns[f"{PREFIX}{finding.name}"] = f"{found[finding.name]:.6f}"
            columns[f"{PREFIX}{finding.name}{THRESHOLD}"] = f"{finding.threshold:g}"
            columns[f"{PREFIX}{finding.name}{REFERENCE}"] = _reference(finding, said.get(finding.source, ""))
    return columns


def _reference(finding: "Finding", cell: str) -> str:
    try:
        is_present = finding.is_present(cell)
    except ValueError:
        return ""
    return "" if is_present is None else PRESENT if is_present else ABSENT


def finding_columns(names: Iterable[str]) -> list[str]:
    """The columns of findings among others."""
    return [name for name in names if name.startswith(PREFIX)]


def findings_in(answer: "Answer") -> tuple[FoundFinding, ...]:
    """Of each finding and checkpoint that the answer is about, in the order of the leaderboard."""
    table = answer.table
    names = [one for one in finding_columns(table) if f"{one}{REFERENCE}" in table and f"{one}{THRESHOLD}" in table]
    cluster = answer.question.cluster if answer.question.cluster in table else ""
    found = []
    for column in names:
        for standing in answer.standings:
            rows = table[(table["checkpoint"] == standing.checkpoint) & (table[column].fillna("") != "")]
            if len(rows):
                found.append(_measured(rows.drop_duplicates("case_id"), standing.checkpoint, column, cluster))
    return tuple(found)


def _measured(rows: pd.DataFrame, checkpoint: str, column: str, cluster: str) -> FoundFinding:
    known = rows[rows[f"{column}{REFERENCE}"].isin([PRESENT, ABSENT])]
    probabilities, thresholds = (known[one].astype(float).to_numpy() for one in (column, f"{column}{THRESHOLD}"))
    present = (known[f"{column}{REFERENCE}"] == PRESENT).to_numpy()
    groups = known[cluster].where(known[cluster] != "", known["case_id"]).to_numpy(str) if cluster else None
    return FoundFinding(
        checkpoint,
        column.removeprefix(PREFIX),
        area(probabilities, present, groups),
        confusion(probabilities, present, thresholds),
        tuple(np.unique(thresholds).tolist()),
        len(rows) - len(known),
    )


def as_rows(found: Sequence[FoundFinding]) -> list[tuple[str, ...]]:
    """The cells of the table, in the order of COLUMNS."""
    return [
        (
            one.checkpoint, one.finding, _words(one.auc), _words(one.cells.sensitivity), _words(one.cells.specificity),
            ", ".join(f"{threshold:g}" for threshold in one.thresholds),
            str(one.cells.tp), str(one.cells.fn), str(one.cells.fp), str(one.cells.tn),
        )
        for one in found
    ]  # fmt: skip


def _words(one: Estimate) -> str:
    return "n/a" if math.isnan(one.value) else f"{number(one.value)} ({number(one.low)} – {number(one.high)})"


def _plain(one: Estimate) -> dict[str, float | None]:
    return {key: None if math.isnan(value) else value for key, value in vars(one).items()}
