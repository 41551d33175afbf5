"""One run while it lasts: its store, its log and how far it is. It alone writes what the run's executor yields."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Self

from evaluation.runs.log import RunLog
from evaluation.runs.predictions import copy_prediction
from evaluation.runs.predictors import Predictor
from evaluation.runs.preflight import ExaminedCase, ExaminedTestSet, examine
from evaluation.runs.request import Progress, RunOptions, RunProgress
from evaluation.runs.store import CaseScores, ScoreKey, ScoreStore
from evaluation.runs.table import Part
from evaluation.runs.work import CaseTask, Executor, Scored
from medseg_demo.errors import OptionError
from medseg_demo.test_sets.test_set import TestSet


class RunSession:
    """Opens the output folder and works on cases; a context manager.

    Args:
        output: The output folder; this process is the only one that writes there until the end.
        options: How to score.
        progress: Called after each case.
        stop: Ends the work when it is set.

    Attributes:
        options: As given.
        log: Of the output folder.
        failures: Why a case could not be scored, by test set, checkpoint and case.

    Raises:
        OptionError: The output holds a run and ``resume`` was not asked, or is the folder to reuse.
        ResultsError: A store is damaged or in use.
        OutputError: The folder cannot be written.
    """

    def __init__(self, output: Path, *, options: RunOptions, progress: Progress | None, stop: threading.Event) -> None:
        self.options, self.failures = options, dict[tuple[str, str, str], str]()
        self._output, self._stop = output, stop
        self._progress = progress or (lambda progress: None)
        self._keys: dict[tuple[str, str, str], ScoreKey | None] = {}
        self._passing: dict[tuple[str, str, str], CaseScores] = {}
        self._warm: set[Predictor] = set()
        self._reuse = options.reuse or output
        self._reused: ScoreStore | None = None
        if options.reuse and options.reuse.resolve() == output.resolve():
            raise OptionError("--reuse names the output folder itself. Continue what lies there with --resume.")
        with ExitStack() as stack:
            if options.reuse:
                self._reused = stack.enter_context(ScoreStore.open_finished(options.reuse))
            self._store = stack.enter_context(ScoreStore.open(output, resume=options.resume))
            self.log = stack.enter_context(RunLog(output))
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def examine(self, test_set: TestSet, executor: Executor, *, pixels: bool) -> ExaminedTestSet:
        """The pre-flight of a test set; ``pixels`` as for ``preflight.examine_cases``."""

        def tell(done: int, total: int) -> None:
            self._progress(RunProgress("examine", done, total, subject=test_set.name))

        return examine(test_set, executor.examine(test_set.cases, pixels=pixels), progress=tell, stop=self._stop)

    def work_off(self, parts: list[Part], executor: Executor) -> None:
        """Score every case that is not in the store yet."""
        tasks = [CaseTask(part, case, part.key(case)) for part, case in _case_by_case(parts)]
        self._keys = {task.names: task.key for task in tasks}
        self.log.write("started", f"{len(tasks)} cases", f"process {os.getpid()}")
        left = [task for task in tasks if not self._is_done(task)]
        pace = _Pace(len(tasks), len(left))
        self._progress(pace.after(0, len(self.failures), ""))
        done = executor.work_off(left, output=self._output, log=self.log, stop=self._stop)
        for number, (task, scored) in enumerate(done, 1):
            self._accept(task, scored)
            self._progress(pace.after(number, len(self.failures), " · ".join(task.names)))

    def scores_of(self, part: Part, examined: ExaminedCase) -> CaseScores | None:
        """The scores of a case; None where it was not scored."""
        names = part.test_set.name, part.predictor.name, examined.case.case_id
        key = self._keys.get(names)
        return self._passing.get(names) or (self._store.get(key) if key else None)

    def _is_done(self, task: CaseTask) -> bool:
        """Whether the case was scored before, here or in the folder to reuse; what failed is tried again."""
        if task.key is None:
            return False
        found = self._store.get(task.key)
        if found is not None and found.status == "ok":
            self.log.write("kept", *task.names, found.status)
            return True
        if self._reused is not None and (found := self._reused.get(task.key)) is not None and found.status == "ok":
            copy_prediction(self._reuse, self._output, *task.names)
            self._store.put(task.key, found)
            self.log.write("reused", *task.names, found.status)
            return True
        return False

    def _accept(self, task: CaseTask, scored: Scored) -> None:
        """Store first, then log: a case that the log says was scored is durable."""
        scores = scored.scores
        if scores.seconds is not None and task.part.predictor not in self._warm:
            self._warm.add(task.part.predictor)  # the first case says little of a network's speed
            scores = replace(scores, seconds=None)
        if scored.lasting and task.key is not None:
            self._store.put(task.key, scores)
        else:
            self._passing[task.names] = scores
        if scores.status == "failed":
            self.failures[task.names] = scores.error
        self.log.write("scored" if scores.status == "ok" else "failed", *task.names, scores.error)
        if scored.trace:
            self.log.write("unexpected", *task.names, scored.trace)


def _case_by_case(parts: list[Part]) -> Iterator[tuple[Part, ExaminedCase]]:
    """A case for all that predict it before the next one, so that what is stopped half way can be compared."""
    for _, together in groupby(parts, lambda part: id(part.examined)):
        on_one_test_set = list(together)
        for case in on_one_test_set[0].examined.cases:
            yield from ((part, case) for part in on_one_test_set)


class _Pace:
    """How far the run is, and how long it will take at the pace of what was scored since it began."""

    def __init__(self, total: int, left: int) -> None:
        self._start, self._total, self._left = time.monotonic(), total, left

    def after(self, scored: int, failed: int, subject: str) -> RunProgress:
        left = self._left - scored
        seconds = (time.monotonic() - self._start) * left / scored if scored else None
        return RunProgress("score", self._total - left, self._total, failed, seconds, subject)
