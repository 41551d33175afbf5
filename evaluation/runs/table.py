"""The parts of a run, and the table that is put together from them."""

import hashlib
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from statistics import median

from evaluation.errors import ResultsError
from evaluation.metrics.components import ANY_OVERLAP
from evaluation.metrics.score import choose_metrics
from evaluation.results.table import CaseResult, Results, Run, collect, merge, read_results
from evaluation.runs.predictors import Predictor
from evaluation.runs.preflight import ExaminedCase, ExaminedTestSet
from evaluation.runs.request import RunOptions
from evaluation.runs.store import CaseScores, ScoreKey
from medseg_demo.errors import MedsegError
from medseg_demo.test_sets.test_set import TestSet, data_hash

RunName = tuple[str, str]  # test set and checkpoint

KEPT = (
    "The table still holds the earlier scores of {checkpoint} on {test_set}: this run was stopped before it had "
    "scored all of those cases again. Continue it to replace them."
)
CHANGED_BY = ("torchio", "imagecodecs")  # what images under stress are made with
PACKAGES = {"run": ("torch", "numpy", "scipy"), "score": ("numpy", "scipy")}


@dataclass(frozen=True, eq=False)
class Part:
    """One checkpoint, or one folder of predictions, on one test set.

    Attributes:
        examined: The test set as the pre-flight found it.
        predictor: What gives the predictions.
        options: How they are scored.
        about: What ``run.json`` says of the test set beside, which moves no score of a case.
    """

    examined: ExaminedTestSet
    predictor: Predictor
    options: RunOptions
    about: Mapping[str, object] = field(default_factory=dict)

    @property
    def test_set(self) -> TestSet:
        """The test set."""
        return self.examined.test_set

    @property
    def name(self) -> RunName:
        """Test set and checkpoint."""
        return self.test_set.name, self.predictor.name

    @cached_property
    def settings(self) -> dict[str, object]:
        """Everything that moves a score beside checkpoint and case, as plain values."""
        return {
            **self.predictor.settings,
            "metrics": [metric.name for metric in choose_metrics(self.options.metrics)],
            "nsd_tolerance": self.options.tolerance,
            **({} if self.options.matching == ANY_OVERLAP else {"lesions": asdict(self.options.matching)}),
        }

    @cached_property
    def settings_hash(self) -> str:
        """SHA-256 of the settings, hexadecimal."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()

    def key(self, examined: ExaminedCase) -> ScoreKey | None:
        """Under what a case is stored; None where a file of it cannot be opened, or is not there."""
        try:
            digest = self.predictor.digest(examined.case)
        except MedsegError:
            return None
        return ScoreKey(digest, examined.digest, self.settings_hash) if digest and examined.digest else None


ScoresOf = Callable[[Part, ExaminedCase], CaseScores | None]


@dataclass(frozen=True, eq=False)
class RunTable:
    """What a run leaves in its output folder.

    Attributes:
        results: The table, with the runs that it holds.
        stopped: Whether a case of the run was not scored.
        notes: Which earlier scores still stand in the table, in plain sentences.
    """

    results: Results
    stopped: bool
    notes: tuple[str, ...]


def put_together(parts: Sequence[Part], scores_of: ScoresOf, output: Path) -> RunTable:
    """The table of a run: rows in the order of the parts and of their cases.

    Runs that lie in the output folder already, and are none of the parts, come first and stay as they are. So does an
    earlier run of a part that was stopped before it had scored all cases of that run again: no row is lost by a stop.

    Args:
        parts: Of the run.
        scores_of: Gives the scores of a case; None where it was not scored.
        output: The output folder.
    """
    earlier, own = _read_earlier(output), {part.name for part in parts}
    cases, runs, notes, stopped = list[CaseResult](), list[Run](), list[str](), False
    for part in parts:
        scored = [(case, scores) for case in part.examined.cases if (scores := scores_of(part, case)) is not None]
        partial = len(scored) < len(part.test_set.cases)
        stopped = stopped or partial
        if partial and _cases_of(earlier, part.name) - {case.case.case_id for case, _ in scored}:
            own.remove(part.name)
            notes.append(KEPT.format(test_set=part.name[0], checkpoint=part.name[1]))
        else:
            cases += [_result(part, case, scores) for case, scores in scored]
            runs.append(_run(part, [scores for _, scores in scored], partial=partial))
    present = [collect(cases, runs)] if runs else []
    tables = [*_without(earlier, own), *present]
    return RunTable(tables[0] if len(tables) == 1 else merge(tables, by_name=True), stopped, tuple(notes))


def _result(part: Part, examined: ExaminedCase, scores: CaseScores) -> CaseResult:
    case = examined.case
    return CaseResult(part.test_set.name, part.predictor.name, case.case_id, scores, case.columns)


def _run(part: Part, scored: Sequence[CaseScores], *, partial: bool) -> Run:
    cases = part.test_set.cases
    try:
        checkpoint_hash, test_set_hash = (
            part.predictor.run_digest(cases),
            data_hash(part.test_set, {case.case.case_id: case.digests for case in part.examined.cases if case.digests}),
        )
    except (OSError, MedsegError):  # a file that cannot be opened is a failed row; the whole has no hash then
        checkpoint_hash = test_set_hash = ""
    seconds = [scores.seconds for scores in scored if scores.seconds is not None]
    return Run(
        checkpoint=part.predictor.name,
        test_set=part.test_set.name,
        checkpoint_hash=checkpoint_hash,
        test_set_hash=test_set_hash,
        source=part.predictor.source,
        moment=datetime.now(UTC).isoformat(timespec="seconds"),
        settings={**part.settings, **part.about},
        versions={
            "python": platform.python_version(),
            **{name: version(name) for name in (*PACKAGES[part.predictor.source], *(CHANGED_BY if part.about else ()))},
        },
        partial=partial,
        parameters=part.predictor.parameters,
        seconds=median(seconds) if seconds else None,
    )


def _read_earlier(output: Path) -> Results | None:
    """What lies in the output folder; None where there is nothing, or nothing that can be read."""
    try:
        return read_results(output)
    except ResultsError:  # none yet, or damaged: the store is what counts
        return None


def _cases_of(results: Results | None, name: RunName) -> set[str]:
    """The cases that a run has in a table."""
    if results is None:
        return set()
    table = results.table
    return set(table["case_id"][(table["test_set"] == name[0]) & (table["checkpoint"] == name[1])])


def _without(results: Results | None, names: AbstractSet[RunName]) -> list[Results]:
    """The runs that do not bear these names, with their rows; nothing where there are none."""
    if results is None:
        return []
    runs = tuple(run for run in results.runs if (run.test_set, run.checkpoint) not in names)
    pairs = zip(results.table["test_set"], results.table["checkpoint"], strict=True)
    rows = [pair not in names for pair in pairs]
    return [replace(results, table=results.table[rows].reset_index(drop=True), runs=runs)] if runs else []
