"""The cases of a run on a Ray cluster: workers predict, tasks beside them score, and this process keeps what came out.

It hands out few cases at a time, so that memory stays bounded. A case whose worker, node or memory fails is handed out
again, to whichever worker is free; Ray itself repeats nothing, so that the log names what was repeated.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from evaluation.runs.classes import ClassMatch
from evaluation.runs.cluster.connection import connect, leave
from evaluation.runs.cluster.crew import SHARE, WAIT_S, Crew, Upcoming, Worker, pack
from evaluation.runs.cluster.worker import Reply, Work, examine, score
from evaluation.runs.log import RunLog
from evaluation.runs.predictions import keep_file
from evaluation.runs.predictors import CheckpointPredictor, Predictor
from evaluation.runs.preflight import ExaminedCase
from evaluation.runs.store import CaseScores
from evaluation.runs.work import CaseTask, Scored
from medseg_demo.errors import OptionError
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import Case

if TYPE_CHECKING:
    from medseg_demo.models.checkpoint import Checkpoint
    from medseg_demo.segmenting.engine import Engine

MOST_TRIES = 4  # of a case, before it is a failed row
STORE_SHARE = 0.5  # of a node's object store, that its cases in work may fill
REASONS = {
    "OutOfMemoryError": "memory did not suffice on its node",
    "ObjectStoreFullError": "the object store of its node is full",
    "OutOfDiskError": "the disk of its node is full",
    "NodeDiedError": "its node ended",
    "ActorDiedError": "its worker ended",
    "ActorUnavailableError": "its worker ended",
    "WorkerCrashedError": "its worker ended",
    "ObjectLostError": "its node ended",
    "OwnerDiedError": "its worker ended",
    "LocalRayletDiedError": "its node ended",
    "OutputError": "its node cannot write to its temporary folder",
}


class RayExecutor:
    """Works on cases on a Ray cluster; see ``work.Executor``.

    Args:
        checkpoints: Loaded here, with their folders, which are sent to the workers.
        settings: As for a run here; paths of caches are each machine's own.
        address: Of the cluster, ``host:port``; None starts one on this machine, which ends with the run.
        gpu_share: Of a GPU, that a worker takes where there are any.
        stop: Ends the wait for workers when it is set.
    """

    def __init__(
        self,
        checkpoints: "Sequence[tuple[Checkpoint, Path]]",
        settings: Settings,
        *,
        address: str | None = None,
        gpu_share: float = 1.0,
        stop: threading.Event | None = None,
    ) -> None:
        if not 0 < gpu_share <= 1:
            raise OptionError(f"--gpu-share is {gpu_share:g}. Give more than 0, and at most 1.")
        self._given, self._settings, self._address, self._gpu_share = checkpoints, settings, address, gpu_share
        self._stop = stop or threading.Event()
        self._done, self._lost, self._repeated = Counter[str](), 0, 0
        self._largest = 1

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._ray = connect(self._address)
            stack.callback(leave, self._ray)
            sent = [pack(checkpoint, folder) for checkpoint, folder in self._given]
            self._crew = Crew(self._ray, sent, self._settings, self._gpu_share)
            stack.callback(self._crew.end)
            self._score = self._ray.remote(num_cpus=SHARE, max_retries=0)(score)
            self._examine = self._ray.remote(num_cpus=SHARE, max_retries=MOST_TRIES - 1)(examine)
            self._crew.open(self._stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def predictor(self, checkpoint: "Checkpoint", match: ClassMatch) -> Predictor:
        """See Executor."""
        compute = self._crew.first.computes[checkpoint.name]
        return CheckpointPredictor(checkpoint, match, engine=self._engine, compute=compute)

    @property
    def _engine(self) -> "Engine":
        from medseg_demo.segmenting.engine import Engine

        return Engine(self._settings)

    def examine(self, cases: Sequence[Case], *, pixels: bool) -> Iterator[ExaminedCase]:
        """See Executor."""
        at_once = 4 * max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        waiting: deque[tuple[Case, Any]] = deque()
        for case in cases:
            waiting.append((case, self._examine.remote(_elsewhere(case), self._crew.settings, pixels)))
            if len(waiting) > at_once:
                yield self._examined(*waiting.popleft())
        while waiting:
            yield self._examined(*waiting.popleft())

    def _examined(self, case: Case, reference: Any) -> ExaminedCase:
        try:
            return replace(self._ray.get(reference), case=case)
        except self._ray.exceptions.RayError:  # the case's own turn decides
            return ExaminedCase(case, (), (), None)

    def work_off(
        self, tasks: Sequence[CaseTask], *, output: Path, log: RunLog, stop: threading.Event
    ) -> Iterator[tuple[CaseTask, Scored]]:
        """See Executor."""
        # A case's checkpoints go to one worker, which decodes it once.
        upcoming: Upcoming = deque(deque(group) for _, group in groupby(tasks, lambda task: id(task.examined)))
        running: dict[Any, tuple[CaseTask, Worker]] = {}
        tries, began = Counter[CaseTask](), time.monotonic()
        while not stop.is_set():
            self._crew.renew(upcoming)
            for worker in self._crew.ready:
                while worker.running < self._window(worker) and (task := _next(worker, upcoming)):
                    running[self._submit(task, worker)] = task, worker
            if not running:
                if not upcoming:
                    break
                time.sleep(WAIT_S)
                continue
            for reference in self._ray.wait(list(running), timeout=WAIT_S)[0]:
                task, worker = running.pop(reference)
                scored, reason = self._reply(reference, task, worker, output)
                tries[task] += 1
                if reason and tries[task] < MOST_TRIES:
                    self._repeated += 1
                    upcoming.appendleft(deque([task]))
                    log.write("repeated", *task.names, reason)
                    continue
                yield task, scored
        self._report(log, time.monotonic() - began)

    def _reply(self, reference: Any, task: CaseTask, worker: Worker, output: Path) -> tuple[Scored, str]:
        """What came out of a case, and why it is worth another try; empty where it is not."""
        worker.running -= 1
        try:
            reply: Reply = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._lost += 1
            self._crew.doubt(worker)
            kind = type(getattr(error, "cause", None) or error).__name__
            reason = REASONS.get(kind, kind)
            fault = f"Case {task.names[2]!r} was given up after {MOST_TRIES} tries: {reason}. Go on with --resume."
            return Scored(CaseScores.failed(fault, task.part.predictor.class_names), lasting=False), reason
        self._largest = max(self._largest, reply.size)
        self._done[worker.node] += 1
        if reply.suffix:
            keep_file(reply.prediction, reply.suffix, output, *task.names)
        passing = not reply.scored.lasting and not reply.scored.trace
        return reply.scored, reply.scored.scores.error if passing else ""

    def _submit(self, task: CaseTask, worker: Worker) -> Any:
        predictor = task.part.predictor
        assert isinstance(predictor, CheckpointPredictor), "predictions are scored in one process"
        examined = replace(task.examined, case=_elsewhere(task.examined.case), data=None)
        work = Work(examined, predictor.name, predictor.match, task.part.options)
        worker.running += 1
        return self._score.remote(worker.actor.predict.remote(work))

    def _window(self, worker: Worker) -> int:
        """Cases that a worker may have in work, so that what they hold fits in its node's object store."""
        return max(1, min(worker.window, int(STORE_SHARE * worker.store_bytes / self._largest)))

    def _report(self, log: RunLog, seconds: float) -> None:
        for node, why in self._crew.refused.items():
            log.write("node", node, f"not used: {why}")
        for node, count in sorted(self._done.items()):
            log.write("node", node, f"{count} cases", f"{60 * count / max(seconds, 1e-3):.1f} cases a minute")
        log.write("cluster", f"{self._done.total()} cases", f"{self._lost} lost", f"{self._repeated} repeated")


def _elsewhere(case: Case) -> Case:
    """A case as other processes find it: its paths start from an address, or are whole."""
    if case.address:
        return case
    images = tuple(path.absolute() for path in case.image_paths)
    return replace(case, image_paths=images, mask_path=case.mask_path.absolute())


def _next(worker: Worker, upcoming: Upcoming) -> CaseTask | None:
    if not worker.rest and upcoming:
        worker.rest = upcoming.popleft()
    return worker.rest.popleft() if worker.rest else None
