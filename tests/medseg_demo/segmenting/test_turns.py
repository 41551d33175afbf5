import threading
import time

import pytest

from medseg_demo.segmenting.turns import Cancelled, Turns

PATIENCE_S = 60


def until(condition) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


class Worker:
    """A thread that takes so many turns for an owner and writes each into a shared log; ``gate`` lets it begin."""

    def __init__(self, turns: Turns, log: list[str], owner: str, steps: int, *, is_large: bool = False) -> None:
        self.cancelled, self.told = False, []
        self.inside, self.gate = threading.Event(), threading.Event()

        def work() -> None:
            try:
                told = lambda place, seconds: self.told.append((place, seconds))  # noqa: E731
                with turns.job(owner, is_large=is_large, waiting=told) as job:
                    self.job = job
                    self.inside.set()
                    self.gate.wait(PATIENCE_S)
                    for step in range(steps):
                        with job.turn():
                            log.append(owner)
                            time.sleep(0.001)
                        job.step(step + 1, steps)
            except Cancelled:
                self.cancelled = True

        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()

    def join(self) -> None:
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()


def test_a_small_job_waits_for_one_batch_of_a_large_one():
    turns, log = Turns(), []
    with turns.job("a", is_large=True) as large:
        with large.turn():
            small = Worker(turns, log, "b", 1)
            small.gate.set()
            until(lambda: turns._waiting)
        with large.turn():
            log.append("a")
    small.join()
    assert log == ["b", "a"]


def test_owners_take_turns_however_many_jobs_one_has():
    turns, log = Turns(), []

    def take(owner: str) -> None:
        with turns.job(owner) as job:
            for _ in range(20):
                with job.turn():
                    log.append(owner)
                    until(lambda: len(turns._waiting) == len(turns._jobs) - 1)  # all the others ask for the next one

    threads = [threading.Thread(target=take, args=owner) for owner in "aaab"]
    with turns.job("c") as first, first.turn():
        for thread in threads:
            thread.start()
        until(lambda: len(turns._waiting) == 4)
    for thread in threads:
        thread.join(PATIENCE_S)
    assert log.count("a") == 60
    assert "aaa" not in "".join(log)[: "".join(log).rindex("b")]  # every other turn was b's, while b had any


def test_one_batch_at_a_time_or_as_many_as_there_are_slots():
    for slots in (1, 2):
        turns, at_once, most = Turns(slots=slots), [0], [0]

        def compute(turns=turns, at_once=at_once, most=most) -> None:
            with turns.job(str(threading.get_ident())) as job:
                for _ in range(10):
                    with job.turn():
                        at_once[0] += 1
                        most[0] = max(most[0], at_once[0])
                        time.sleep(0.001)
                        at_once[0] -= 1

        threads = [threading.Thread(target=compute) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        assert most[0] == slots


def test_few_large_jobs_are_let_in_and_the_others_are_told_their_place():
    turns, log = Turns(large=1), []
    first = Worker(turns, log, "a", 3, is_large=True)
    first.inside.wait(PATIENCE_S)
    waiting = [Worker(turns, log, owner, 1, is_large=True) for owner in "bc"]
    small = Worker(turns, log, "d", 1)
    assert small.inside.wait(PATIENCE_S)
    until(lambda: all(worker.told for worker in waiting))
    assert sorted(worker.told[-1][0] for worker in waiting) == [1, 2]
    for worker in (first, small, *waiting):
        worker.gate.set()
    for worker in (first, small, *waiting):
        worker.join()
    assert log.count("b") == log.count("c") == 1


def test_a_waiting_job_is_cancelled_at_once_and_frees_its_place():
    turns, log = Turns(large=1), []
    first = Worker(turns, log, "a", 1, is_large=True)
    first.inside.wait(PATIENCE_S)
    second, third = (Worker(turns, log, owner, 1, is_large=True) for owner in "bc")
    until(lambda: second.told and third.told)
    assert turns.cancel("b") == 1
    second.join()
    assert second.cancelled
    assert turns.cancel("b") == 0
    for worker in (first, third):
        worker.gate.set()
        worker.join()
    assert log == ["a", "c"]


def test_what_is_left_is_judged_by_what_is_done():
    with Turns().job("a") as job:
        assert job.seconds_left is None
        job.step(0, 4)
        time.sleep(0.01)
        job.step(1, 4)
        assert job.seconds_left >= 0.03
        job.cancel()
        job.cancel()
        with pytest.raises(Cancelled):
            job.step(2, 4)


def test_what_fails_in_a_turn_gives_the_turn_back():
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns.job("a") as job, job.turn():
        _ = 1 / 0
    with turns.job("a") as job, job.turn():
        assert not job.is_cancelled
