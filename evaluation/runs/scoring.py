"""Scoring in processes of its own, beside the network: a pool of workers that survives the death of one.

Not ``concurrent.futures.ProcessPoolExecutor``: there a worker that is killed for want of memory fails the tasks of all
others, and nobody is told whose case it was; workers outlive a parent that is killed; and each imports the parent's
main module, which for the page takes as long as its start.
"""

import contextlib
import os
import pickle
import queue
import subprocess
import sys
from types import TracebackType
from typing import Self

from evaluation.errors import CaseError, PassingCaseError
from evaluation.runs.scoring_worker import NotScored, Reply, ScoringTask, score_task
from medseg_demo.settings import ROOT

WORKER = "evaluation.runs.scoring_worker"
MOST_WORKERS = 8
PATIENCE_S = 1.0


def default_workers() -> int:
    """Half of the processor's cores, since the network needs the others."""
    return max(1, min(MOST_WORKERS, (os.cpu_count() or 1) // 2))


class ScoringPool:
    """Scores cases; safe to use from several threads.

    Args:
        workers: How many processes; 0 scores in the caller's thread.
    """

    def __init__(self, workers: int) -> None:
        # The last one that was used comes first, so that no more processes start than are needed at once.
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._workers = [_Worker() for _ in range(workers)]
        for worker in self._workers:
            self._idle.put(worker)
        if self._workers:
            self._workers[-1].start()  # is ready by the time that the network gives its first prediction

    def score(self, task: ScoringTask) -> list[dict[str, object]]:
        """One row for each class.

        Raises:
            CaseError: The case cannot be scored.
            PassingCaseError: For a reason that is not in its files; another try may succeed.
        """
        reply = self._reply(task)
        if isinstance(reply, NotScored):
            raise (PassingCaseError if reply.passing else CaseError)(reply.reason)
        return reply

    def _reply(self, task: ScoringTask) -> Reply:
        if not self._workers:
            return score_task(task)
        worker = self._idle.get()
        try:
            return worker.ask(task)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """End the processes; none may be scoring any more."""
        for worker in self._workers:
            worker.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Worker:
    """One process, started with its first task at the latest, and again after it died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "subprocess.Popen[bytes]":
        self._process = self._process or _start()
        return self._process

    def ask(self, task: ScoringTask) -> Reply:
        process = self.start()
        try:
            pickle.dump(task, process.stdin, protocol=pickle.HIGHEST_PROTOCOL)  # type: ignore[arg-type]
            process.stdin.flush()  # type: ignore[union-attr]
            return pickle.load(process.stdout)  # type: ignore[arg-type]
        except (EOFError, OSError, MemoryError, ValueError, pickle.UnpicklingError):
            code = self.end()
            raise PassingCaseError(
                f"Case {task.case_id!r}: the process that scored it ended (exit code {code}), perhaps for want of "
                "memory. Free some, and go on with --resume."
            ) from None

    def end(self) -> int | None:
        """End the process, if there is one; its exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        with contextlib.suppress(OSError):  # what was meant for a dead process cannot be flushed
            process.stdin.close()  # type: ignore[union-attr]
        try:
            return process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
        finally:
            process.stdout.close()  # type: ignore[union-attr]


def _start() -> "subprocess.Popen[bytes]":
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-m", WORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        start_new_session=True,  # Ctrl-C is for the run, which then ends its workers
    )
