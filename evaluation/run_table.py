"""The parts of a run, and the table that is put together from them."""

import hashlib
import json
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from evaluation.errors import ResultsError
from evaluation.metrics.score import choose_metrics
from evaluation.predictors import Predictor
from evaluation.preflight import ExaminedCase, ExaminedTestSet
from evaluation.results import CaseResult, Results, Run, collect, merge, read_results
from evaluation.run_request import RunOptions
from evaluation.store import CaseScores, ScoreKey
from medseg_demo.errors import MedsegError
from medseg_demo.test_set import TestSet, data_hash

PACKAGES = {"run": ("torch", "numpy", "scipy"), "score": ("numpy", "scipy")}


@dataclass(frozen=True, eq=False)
class Part:
    """One checkpoint, or one folder of predictions, on one test set.

    Attributes:
        examined: The test set as the pre-flight found it.
        predictor: What gives the predictions.
        options: How they are scored.
    """

    examined: ExaminedTestSet
    predictor: Predictor
    options: RunOptions

    @property
    def test_set(self) -> TestSet:
        """The test set."""
        return self.examined.test_set

    @cached_property
    def settings(self) -> dict[str, object]:
        """Everything that moves a score beside checkpoint and case, as plain values."""
        return {
            **self.predictor.settings,
            "metrics": [metric.name for metric in choose_metrics(self.options.metrics)],
            "nsd_tolerance": self.options.tolerance,
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


def put_together(parts: Sequence[Part], scores_of: ScoresOf, output: Path) -> Results:
    """The table of a run: rows in the order of the parts and of their cases.

    Runs that lie in the output folder already, and are none of the parts, come first and stay as they are.

    Args:
        parts: Of the run.
        scores_of: Gives the scores of a case; None where it was not scored.
        output: The output folder.
    """
    finished: dict[int, int] = {}

    def results() -> Iterator[CaseResult]:
        for index, part in enumerate(parts):
            for examined in part.examined.cases:
                scores = scores_of(part, examined)
                if scores is not None:
                    finished[index] = finished.get(index, 0) + 1
                    yield _result(part, examined, scores)

    collected = collect(results(), ())
    partial = [finished.get(index, 0) < len(part.test_set.cases) for index, part in enumerate(parts)]
    runs = tuple(_run(part, partial=is_partial) for part, is_partial in zip(parts, partial, strict=True))
    earlier = _earlier(output, runs)
    present = replace(collected, runs=runs)
    return merge([earlier, present]) if earlier is not None else present


def _result(part: Part, examined: ExaminedCase, scores: CaseScores) -> CaseResult:
    case = examined.case
    own = {"split": case.split or "", "group": "" if case.group == case.case_id else case.group}
    metadata = {**{key: value for key, value in own.items() if value}, **case.metadata}
    return CaseResult(part.test_set.name, part.predictor.name, case.case_id, scores, metadata)


def _run(part: Part, *, partial: bool) -> Run:
    cases = part.test_set.cases
    try:
        checkpoint_hash, test_set_hash = part.predictor.run_digest(cases), data_hash(part.test_set)
    except (OSError, MedsegError):  # a file that cannot be opened is a failed row; the whole has no hash then
        checkpoint_hash = test_set_hash = ""
    return Run(
        checkpoint=part.predictor.name,
        test_set=part.test_set.name,
        checkpoint_hash=checkpoint_hash,
        test_set_hash=test_set_hash,
        source=part.predictor.source,
        moment=datetime.now(UTC).isoformat(timespec="seconds"),
        settings=part.settings,
        versions={
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES[part.predictor.source]},
        },
        partial=partial,
    )


def _earlier(output: Path, runs: Sequence[Run]) -> Results | None:
    """What lies in the output folder of other runs; None where there is nothing, or nothing that can be read."""
    try:
        results = read_results(output)
    except ResultsError:  # none yet, or damaged: the store is what counts
        return None
    ours = {(run.test_set, run.checkpoint) for run in runs}
    others = tuple(run for run in results.runs if (run.test_set, run.checkpoint) not in ours)
    if not others:
        return None
    names = {(run.test_set, run.checkpoint) for run in others}
    kept = [pair in names for pair in zip(results.table["test_set"], results.table["checkpoint"], strict=True)]
    return replace(results, table=results.table[kept].reset_index(drop=True), runs=others)
