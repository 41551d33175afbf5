"""The runs that go on, by whom: how many one visitor may have at once, and whose files are needed."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import gradio as gr

from medseg_demo.ui.public import texts


@dataclass(frozen=True, eq=False)
class _Begun:
    owner: str
    client: str
    moment: float


class Runs:
    """The runs of all sessions that go on. Safe to use from several threads.

    Args:
        most: Of one visitor at once.
        clock: Seconds.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._begun: list[_Begun] = []
        self._usual_s = 1.0
        self._lock = threading.Lock()

    @contextmanager
    def counted(self, owner: str, client: str) -> Iterator[None]:
        """Count a run as long as it goes on.

        Args:
            owner: The session's hash.
            client: By whom it is counted.

        Raises:
            gr.Error: It is one too many.
        """
        begun = _Begun(owner, client, self._clock())
        with self._lock:
            own = [one.moment for one in self._begun if one.client == client]
            if len(own) >= self._most:
                seconds = math.ceil(max(1.0, min(own) + self._usual_s - begun.moment))
                words = texts.TOO_MANY_RUNS.format(count=len(own), seconds=seconds)
                raise gr.Error(words, print_exception=False)
            self._begun.append(begun)
        try:
            yield
        finally:
            with self._lock:
                self._begun.remove(begun)
                self._usual_s += (self._clock() - begun.moment - self._usual_s) / 4

    @property
    def busy(self) -> set[str]:
        """The sessions that have one."""
        with self._lock:
            return {one.owner for one in self._begun}
