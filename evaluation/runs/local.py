"""The cases of a run in this process: threads that read and predict, and processes beside them that score."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from evaluation.runs.cases import CaseData, Reading, read_case
from evaluation.runs.classes import ClassMatch
from evaluation.runs.inputs import fetched
from evaluation.runs.log import RunLog
from evaluation.runs.loop import work_off
from evaluation.runs.predictions import keep_prediction
from evaluation.runs.predictors import CheckpointPredictor, Predictor
from evaluation.runs.preflight import ExaminedCase, examine_cases
from evaluation.runs.request import RunOptions
from evaluation.runs.scoring import ScoringPool, default_workers
from evaluation.runs.work import CaseTask, Scored, failed_by, make_prediction
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import Case

if TYPE_CHECKING:
    from medseg_demo.models.checkpoint import Checkpoint
    from medseg_demo.segmenting.engine import Engine

READERS = 2  # threads that read cases and predictions while others compute


class LocalExecutor:
    """Works on cases in this process; see ``work.Executor``.

    Args:
        options: How to score.
        settings: The limits of the readers.
        engine: Runs the checkpoints; None where there are only predictions.
        owner: Whose run it is, as for ``Engine.job``.
    """

    def __init__(
        self, options: RunOptions, settings: Settings, *, engine: "Engine | None" = None, owner: str = ""
    ) -> None:
        self._options, self._settings, self._engine, self._owner = options, settings, engine, owner
        self._workers = default_workers() if options.workers is None else options.workers
        self._readings: dict[ExaminedCase, _Shared] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._pool = self._stack.enter_context(ScoringPool(self._workers))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def predictor(self, checkpoint: "Checkpoint", match: ClassMatch) -> Predictor:
        """See Executor."""
        assert self._engine is not None, "a checkpoint needs an engine"
        return CheckpointPredictor(checkpoint, match, engine=self._engine, owner=self._owner)

    def examine(self, cases: Sequence[Case], *, pixels: bool) -> Iterator[ExaminedCase]:
        """See Executor."""
        return examine_cases(cases, self._settings, pixels=pixels)

    def work_off(
        self, tasks: Sequence[CaseTask], *, output: Path, log: RunLog, stop: threading.Event
    ) -> Iterator[tuple[CaseTask, Scored]]:
        """See Executor."""
        self._readings = {case: _Shared(users) for case, users in Counter(task.examined for task in tasks).items()}
        # Cases in the network, a few that are read or written meanwhile, and those that are scored.
        at_once = (self._engine.slots if self._engine else READERS) + READERS + max(1, self._workers)
        work = partial(self._work, output, stop)
        for task, scored in work_off(tasks, work, at_once=at_once, stop=stop, initializer=self._initializer()):
            if scored is not None:
                yield task, scored

    def _initializer(self) -> Callable[[], object] | None:
        """A case is prepared by one thread: several would take each other's processors, and the network's."""
        if self._engine is None:
            return None
        from medseg_demo.models.compute import ThreadLimit

        return ThreadLimit(1).apply

    def _work(self, output: Path, stop: threading.Event, task: CaseTask) -> Scored | None:
        """Everything that is done for a case, in a thread; None where it was given up for Stop."""
        predictor = task.part.predictor
        try:
            made = make_prediction(task.examined, predictor, self._options, partial(self._read, task), stop)
            keep_prediction(made.prediction, output, *task.names)
            return Scored(made.scores(self._pool.score(made.scoring)))
        except Exception as error:
            return failed_by(error, task.names[2], predictor.class_names)
        finally:
            self._readings[task.examined].release()

    def _read(self, task: CaseTask) -> CaseData:
        case, predictor, known = task.examined.case, task.part.predictor, task.examined.data
        pixels, names = predictor.source == "run", None if task.examined.case.labels else predictor.labels.piece_names
        if known is not None and not pixels:
            return known
        reference = known.reference if known else None

        def read() -> CaseData:
            with fetched(case, self._settings) as own:
                return read_case(own, class_names=names, settings=self._settings, pixels=pixels, reference=reference)

        return self._readings[task.examined].get((pixels, None if known else names), read)


class _Shared(Reading):
    """A reading that is let go when all that predict the case have."""

    def __init__(self, users: int) -> None:
        super().__init__()
        self._left = users

    def release(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._data.clear()
