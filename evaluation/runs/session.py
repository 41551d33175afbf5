"""One run while it lasts: its store, its log, its scoring processes and how far it is."""

import os
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from evaluation.errors import CaseError, PassingCaseError
from evaluation.metrics.calibration import CALIBRATION
from evaluation.runs.cases import CaseData, read_case
from evaluation.runs.log import RunLog
from evaluation.runs.loop import work_off
from evaluation.runs.predictions import copy_prediction, keep_prediction
from evaluation.runs.predictors import Predictor, Stopped
from evaluation.runs.preflight import ExaminedCase, ExaminedTestSet, examine
from evaluation.runs.request import Progress, RunOptions, RunProgress
from evaluation.runs.scoring import ScoringPool, default_workers
from evaluation.runs.scoring_worker import ScoringTask
from evaluation.runs.store import CaseScores, ScoreKey, ScoreStore
from evaluation.runs.table import Part
from medseg_demo.errors import MedsegError, OptionError, OutputError
from medseg_demo.image import LabelMap
from medseg_demo.settings import Settings
from medseg_demo.test_sets.test_set import TestSet

if TYPE_CHECKING:
    from medseg_demo.segmenting.engine import Engine

READERS = 2  # threads that read cases and predictions while others compute


@dataclass(frozen=True, eq=False)
class _Task:
    """One case of one part."""

    part: Part
    examined: ExaminedCase
    key: ScoreKey | None

    @property
    def names(self) -> tuple[str, str, str]:
        return self.part.test_set.name, self.part.predictor.name, self.examined.case.case_id


@dataclass(frozen=True)
class _Scored:
    """What came out of a task; ``lasting`` says whether another try would give the same."""

    scores: CaseScores
    lasting: bool = True
    trace: str = ""


class _Reading:
    """A case that is decoded once for all that predict it, and let go when they have."""

    def __init__(self, users: int) -> None:
        self._left, self._lock, self._data = users, threading.Lock(), dict[object, CaseData]()

    def get(self, key: object, read: Callable[[], CaseData]) -> CaseData:
        with self._lock:
            if key not in self._data:
                self._data[key] = read()
            return self._data[key]

    def release(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._data.clear()


class RunSession:
    """Opens the output folder and works on cases; a context manager.

    Args:
        output: The output folder; this process is the only one that writes there until the end.
        options: How to score.
        settings: The limits of the readers count.
        progress: Called after each case.
        stop: Ends the work when it is set.
        engine: Runs the checkpoints; None where there are only predictions.

    Attributes:
        options: As given.
        settings: As given.
        engine: As given.
        log: Of the output folder.
        failures: Why a case could not be scored, by test set, checkpoint and case.

    Raises:
        OptionError: The output holds a run and ``resume`` was not asked, or is the folder to reuse.
        ResultsError: A store is damaged or in use.
        OutputError: The folder cannot be written.
    """

    def __init__(
        self,
        output: Path,
        *,
        options: RunOptions,
        settings: Settings,
        progress: Progress | None,
        stop: threading.Event,
        engine: "Engine | None" = None,
    ) -> None:
        self.options, self.failures = options, dict[tuple[str, str, str], str]()
        self.settings, self.engine, self._output, self._stop = settings, engine, output, stop
        self._progress = progress or (lambda progress: None)
        self._keys: dict[tuple[str, str, str], ScoreKey | None] = {}
        self._passing: dict[tuple[str, str, str], CaseScores] = {}
        self._warm: set[Predictor] = set()
        self._readings: dict[ExaminedCase, _Reading] = {}
        self._reuse = options.reuse or output
        self._reused: ScoreStore | None = None
        if options.reuse and options.reuse.resolve() == output.resolve():
            raise OptionError("--reuse names the output folder itself. Continue what lies there with --resume.")
        with ExitStack() as stack:
            if options.reuse:
                self._reused = stack.enter_context(ScoreStore.open_finished(options.reuse))
            self._store = stack.enter_context(ScoreStore.open(output, resume=options.resume))
            self.log = stack.enter_context(RunLog(output))
            self._workers = default_workers() if options.workers is None else options.workers
            self._pool = stack.enter_context(ScoringPool(self._workers))
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def examine(self, test_set: TestSet) -> ExaminedTestSet:
        """The pre-flight of a test set."""

        def tell(done: int, total: int) -> None:
            self._progress(RunProgress("examine", done, total, subject=test_set.name))

        return examine(test_set, settings=self.settings, progress=tell, stop=self._stop, pixels=self.engine is not None)

    def work_off(self, parts: list[Part]) -> None:
        """Score every case that is not in the store yet."""
        tasks = [_Task(part, case, part.key(case)) for part, case in _case_by_case(parts)]
        self._keys = {task.names: task.key for task in tasks}
        self.log.write("started", f"{len(tasks)} cases", f"process {os.getpid()}")
        left = [task for task in tasks if not self._is_done(task)]
        self._readings = {case: _Reading(users) for case, users in Counter(task.examined for task in left).items()}
        pace = _Pace(len(tasks), len(left))
        self._progress(pace.after(0, len(self.failures), ""))
        done = work_off(left, self._work, at_once=self._at_once, stop=self._stop, initializer=self._initializer())
        for number, (task, scored) in enumerate(done, 1):
            if scored is not None:
                self._accept(task, scored)
                self._progress(pace.after(number, len(self.failures), " · ".join(task.names)))

    @property
    def _at_once(self) -> int:
        """Cases in the network, a few that are read or written meanwhile, and those that are scored."""
        return (self.engine.slots if self.engine else READERS) + READERS + max(1, self._workers)

    def _initializer(self) -> Callable[[], object] | None:
        """A case is prepared by one thread: several would take each other's processors, and the network's."""
        if self.engine is None:
            return None
        from medseg_demo.models.compute import ThreadLimit

        return ThreadLimit(1).apply

    def scores_of(self, part: Part, examined: ExaminedCase) -> CaseScores | None:
        """The scores of a case; None where it was not scored."""
        names = part.test_set.name, part.predictor.name, examined.case.case_id
        key = self._keys.get(names)
        return self._passing.get(names) or (self._store.get(key) if key else None)

    def _is_done(self, task: _Task) -> bool:
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

    def _accept(self, task: _Task, scored: _Scored) -> None:
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

    def _work(self, task: _Task) -> _Scored | None:
        """Everything that is done for a case, in a thread; None where it was given up for Stop."""
        class_names = task.part.predictor.class_names
        try:
            return _Scored(self._score(task))
        except Stopped:
            return None
        except OutputError:
            raise
        except MedsegError as error:
            lasting = isinstance(error, CaseError) and not isinstance(error, PassingCaseError)
            return _Scored(CaseScores.failed(str(error), class_names), lasting)
        except Exception as error:
            reason = f"Case {task.names[2]!r}: unexpected {type(error).__name__}; run.log beside the scores has more."
            return _Scored(CaseScores.failed(reason, class_names), False, traceback.format_exc())
        finally:
            self._readings[task.examined].release()

    def _read(self, task: _Task) -> CaseData:
        case, predictor, known = task.examined.case, task.part.predictor, task.examined.data
        pixels, names = predictor.source == "run", None if task.examined.case.labels else predictor.labels.piece_names
        if known is not None and not pixels:
            return known
        read = partial(
            read_case, case, class_names=names, settings=self.settings, pixels=pixels,
            reference=known.reference if known else None,
        )  # fmt: skip
        return self._readings[task.examined].get((pixels, None if known else names), read)

    def _score(self, task: _Task) -> CaseScores:
        case, predictor = task.examined.case, task.part.predictor
        fault = task.examined.fault_for(predictor.labels.piece_names)
        if fault:
            raise CaseError(fault)
        data = self._read(task)
        found, reference = predictor.predict(case, data, self._stop), data.reference
        predicted, calibrations = found.labels, found.calibrations
        labels = predicted if reference.instances is None else (predicted > 0).astype(np.uint8)
        prediction = LabelMap(labels, predictor.labels.piece_names, data.image.geometry)
        keep_prediction(prediction, self._output, *task.names)
        rows = self._pool.score(
            ScoringTask(
                case_id=case.case_id,
                reference=reference.labels,
                prediction=labels,
                labels=predictor.labels.scored,
                ignored=reference.ignored,
                instances=(reference.instances, _numbered(predicted))
                if reference.instances is not None
                else (None, None),
                spacing=data.spacing_mm,
                metrics=self.options.metrics,
                tolerance=self.options.tolerance,
                matching=self.options.matching,
                calibrations=dict(calibrations),
            )
        )
        for row in rows:
            if row["class_name"] in calibrations:
                row[CALIBRATION] = calibrations[str(row["class_name"])].text
            row.update(found.findings)
        return CaseScores("ok", "", tuple(rows), found.seconds)


def _case_by_case(parts: list[Part]) -> Iterator[tuple[Part, ExaminedCase]]:
    """A case for all that predict it before the next one, so that what is stopped half way can be compared."""
    for _, together in groupby(parts, lambda part: id(part.examined)):
        on_one_test_set = list(together)
        for case in on_one_test_set[0].examined.cases:
            yield from ((part, case) for part in on_one_test_set)


def _numbered(predicted: np.ndarray) -> np.ndarray | None:
    """The numbers of predicted objects; None where they are all 1, as in a mask, whose components are the objects."""
    return predicted if predicted.max(initial=0) > 1 else None


class _Pace:
    """How far the run is, and how long it will take at the pace of what was scored since it began."""

    def __init__(self, total: int, left: int) -> None:
        self._start, self._total, self._left = time.monotonic(), total, left

    def after(self, scored: int, failed: int, subject: str) -> RunProgress:
        left = self._left - scored
        seconds = (time.monotonic() - self._start) * left / scored if scored else None
        return RunProgress("score", self._total - left, self._total, failed, seconds, subject)
