import threading
import time

import pytest

from evaluation.runs.loop import work_off


def test_every_task_is_done_once_and_few_at_a_time():
    lock, working, most = threading.Lock(), 0, 0

    def work(task):
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        time.sleep(0.001)
        with lock:
            working -= 1
        return task * task

    done = list(work_off(range(50), work, at_once=3, stop=threading.Event()))
    assert sorted(done) == [(task, task * task) for task in range(50)]
    assert most == 3


def test_tasks_are_taken_no_earlier_than_they_can_begin():
    taken = []

    def tasks():
        for task in range(20):
            taken.append(task)
            yield task

    results = work_off(tasks(), lambda task: task, at_once=2, stop=threading.Event())
    next(results)
    assert len(taken) == 2
    assert len(list(results)) == 19


def test_stop_ends_what_is_in_work_and_begins_nothing():
    stop, begun = threading.Event(), []

    def work(task):
        begun.append(task)
        return task

    done = []
    for task, _ in work_off(range(100), work, at_once=2, stop=stop):
        done.append(task)
        if len(done) == 3:
            stop.set()
    assert sorted(done) == sorted(begun)
    assert len(done) <= 5


def test_an_error_ends_the_others_and_is_raised():
    stop = threading.Event()

    def work(task):
        if task == 2:
            raise ValueError("two")
        return task

    with pytest.raises(ValueError, match="two"):
        list(work_off(range(1000), work, at_once=2, stop=stop))
    assert stop.is_set()
