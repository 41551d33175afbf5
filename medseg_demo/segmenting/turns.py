"""Who computes next: jobs of several owners take turns at the networks, batch by batch.

A job belongs to a visitor (its owner), says how far it is, and ends early when it is cancelled: by Stop, by a closed
page, by a session that expired. After each batch the turn goes to the owner who had his last one longest ago. A small
image therefore waits for one batch of a running volume, and no visitor's many jobs keep another's waiting.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

POLL_S = 0.1  # how often a waiting job looks whether it was cancelled, and says where it stands
TELL_S = 0.2  # progress is told five times a second at most


class Cancelled(Exception):  # noqa: N818 (nothing went wrong)
    """A job was ended early."""


class Job:
    """One piece of work at the networks; made by ``Turns.job``.

    Attributes:
        owner: Whose it is, such as a session of the page.
        is_large: Whether it holds a volume in memory.
        done: Steps that are done.
        total: Steps in all; 0 while unknown.
        waited_s: Seconds that it waited for its turns, which are none of its network's.
    """

    def __init__(self, turns: "Turns", number: int, owner: str, *, is_large: bool) -> None:
        self.owner, self.is_large = owner, is_large
        self.done, self.total = 0, 0
        self.waited_s = 0.0
        self._turns, self._number = turns, number
        self._began: float | None = None
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """End it within a batch."""
        self._cancelled.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether it was told to end."""
        return self._cancelled.is_set()

    def check(self) -> None:
        """Go on, unless the job was cancelled.

        Raises:
            Cancelled: It was.
        """
        if self._cancelled.is_set():
            raise Cancelled

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Held while a batch is computed.

        Raises:
            Cancelled: The job was cancelled, here or while it waited.
        """
        self._turns._take(self)
        try:
            yield
        finally:
            self._turns._give(self)

    def step(self, done: int, total: int) -> None:
        """Note how far it is.

        Raises:
            Cancelled: The job was cancelled.
        """
        self._began = self._began or time.monotonic()
        self.done, self.total = done, total
        self.check()

    @property
    def seconds_left(self) -> float | None:
        """What is left of it if it goes on as it did; None before anything is known."""
        if self._began is None or not self.done:
            return None
        return (time.monotonic() - self._began) / self.done * (self.total - self.done)


# (jobs that are before this one, seconds until it begins, None where unknown)
Waiting = Callable[[int, float | None], None]


class Turns:
    """Lets jobs in, and gives each its turns. Safe to use from several threads.

    Args:
        slots: Batches that are computed at once.
        large: Large jobs that are let in at once, so that memory holds a few volumes only.
        small: The same of small jobs.
    """

    def __init__(self, *, slots: int = 1, large: int = 2, small: int = 16) -> None:
        self._condition = threading.Condition()
        self._numbers = itertools.count(1)
        self._slots, self._most = slots, {True: large, False: small}
        self._jobs: list[Job] = []  # all that are not finished, by their arrival
        self._inside: set[Job] = set()
        self._waiting: list[Job] = []  # for their next turn
        self._computing = 0
        self._last_turn: dict[str, int] = {}

    @contextmanager
    def job(self, owner: str, *, is_large: bool = False, waiting: Waiting | None = None) -> Iterator[Job]:
        """A job that was let in; it counts until the end of the block.

        Args:
            owner: Whose it is.
            is_large: Whether it holds a volume in memory.
            waiting: Told again and again while the job is not let in yet.

        Raises:
            Cancelled: The job was cancelled while it waited.
        """
        with self._condition:
            job = Job(self, next(self._numbers), owner, is_large=is_large)
            self._jobs.append(job)
        try:
            self._let_in(job, waiting)
            yield job
        finally:
            with self._condition:
                self._jobs.remove(job)
                self._inside.discard(job)
                if all(other.owner != owner for other in self._jobs):
                    self._last_turn.pop(owner, None)
                self._condition.notify_all()

    def cancel(self, owner: str) -> int:
        """Cancel all jobs of an owner; how many there were."""
        with self._condition:
            theirs = [job for job in self._jobs if job.owner == owner]
            for job in theirs:
                job.cancel()
            self._condition.notify_all()
        return len(theirs)

    def _let_in(self, job: Job, waiting: Waiting | None) -> None:
        told = 0.0
        while True:
            with self._condition:
                job.check()
                if self._may_enter(job):
                    self._inside.add(job)
                    return
                self._condition.wait(POLL_S)
            if waiting and time.monotonic() - told >= TELL_S:
                told = time.monotonic()
                waiting(*self._place(job))

    def _may_enter(self, job: Job) -> bool:
        kin = [other for other in self._jobs if other.is_large == job.is_large]
        inside = sum(other in self._inside for other in kin)
        outside = [other for other in kin if other not in self._inside]
        return inside < self._most[job.is_large] and min(outside, key=self._rank) is job

    def _rank(self, job: Job) -> tuple[int, int]:
        """Among those who wait to be let in: owners with fewer jobs inside come first, then who came first."""
        return sum(other.owner == job.owner for other in self._inside), job._number

    def _place(self, job: Job) -> tuple[int, float | None]:
        with self._condition:
            kin = [other for other in self._jobs if other.is_large == job.is_large and other is not job]
            ahead = [other for other in kin if other in self._inside or self._rank(other) < self._rank(job)]
        left = [other.seconds_left for other in ahead if other in self._inside]
        known = [seconds for seconds in left if seconds is not None]
        return len(ahead), sum(known) if known and len(known) == len(left) else None

    def _take(self, job: Job) -> None:
        came = time.monotonic()
        with self._condition:
            self._waiting.append(job)
            try:
                while self._computing >= self._slots or min(self._waiting, key=self._turn_rank) is not job:
                    job.check()
                    self._condition.wait(POLL_S)
                job.check()
                self._computing += 1
                self._last_turn[job.owner] = next(self._numbers)
            finally:
                job.waited_s += time.monotonic() - came
                self._waiting.remove(job)
                self._condition.notify_all()

    def _give(self, job: Job) -> None:
        with self._condition:
            self._computing -= 1
            self._condition.notify_all()

    def _turn_rank(self, job: Job) -> tuple[int, int]:
        return self._last_turn.get(job.owner, 0), job._number
