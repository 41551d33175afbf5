"""Cases worked on beside each other: each by one thread from its files to its scores, a few at once.

While some are in the network, others read the next cases, write predictions and wait for scores, so that the network
is never idle. Only the cases in work are in memory.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")

STOP_CHECK_S = 0.2


def work_off(
    tasks: Iterable[Task],
    work: Callable[[Task], Outcome],
    *,
    at_once: int,
    stop: threading.Event,
    initializer: Callable[[], object] | None = None,
) -> Iterator[tuple[Task, Outcome]]:
    """Work on tasks, at most ``at_once`` beside each other.

    Args:
        tasks: Taken one by one, in order.
        work: Called in a thread. What it raises is raised here, after the other tasks in work have ended.
        at_once: How many.
        stop: When it is set, by anybody, no further task is begun. It is set here when a task raises.
        initializer: Called by each thread when it begins.

    Yields:
        Each task with its outcome, in the order in which they end.
    """
    upcoming = iter(tasks)
    with ThreadPoolExecutor(at_once, "case", initializer) as pool:
        running: dict[Future[Outcome], Task] = {}
        try:
            while True:
                while len(running) < at_once and not stop.is_set():
                    task = next(upcoming, None)
                    if task is None:
                        break
                    running[pool.submit(work, task)] = task
                if not running:
                    return
                for future in wait(running, timeout=STOP_CHECK_S, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        except BaseException:
            stop.set()
            raise
