import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from evaluation.errors import CaseError, PassingCaseError
from evaluation.runs import scoring_worker
from evaluation.runs.scoring import ScoringPool, default_workers
from evaluation.runs.scoring_worker import ScoringTask, score_task

PARENT = """
import sys, time
import numpy as np
from evaluation.runs.scoring import ScoringPool
from evaluation.runs.scoring_worker import ScoringTask
pool = ScoringPool(1)
mask = np.ones((4, 4), np.uint8)
pool.score(ScoringTask("case", mask, mask, {1: "thing"}, None, None, 1.0))
print(pool._workers[0]._process.pid, flush=True)
time.sleep(60)
"""


def make_task(number=0, width=12):
    reference, prediction = np.zeros((12, 12), np.uint8), np.zeros((12, width), np.uint8)
    reference[2:8, 2:8] = 1
    prediction[2:8, number : number + 6] = 1
    return ScoringTask(f"case_{number}", reference, prediction, {1: "thing"}, None, None, 1.0)


@pytest.mark.parametrize("workers", [0, 2])
def test_replies_belong_to_their_tasks(workers):
    tasks = [make_task(number % 6) for number in range(24)]
    with ScoringPool(workers) as pool, ThreadPoolExecutor(4) as threads:
        assert list(threads.map(pool.score, tasks)) == [score_task(task) for task in tasks]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_case_that_cannot_be_scored_leaves_the_pool_usable(workers):
    with ScoringPool(workers) as pool:
        with pytest.raises(CaseError, match="'case_1' cannot be scored"):
            pool.score(make_task(1, width=13))
        assert pool.score(make_task(2))[0]["dice"] == 1


def test_want_of_memory_may_pass_and_odd_label_maps_do_not(monkeypatch):
    with ScoringPool(0) as pool:
        with pytest.raises(CaseError) as lasting:
            pool.score(make_task(1, width=13))
        assert not isinstance(lasting.value, PassingCaseError)

        def fail(*arguments, **options):
            raise MemoryError

        monkeypatch.setattr(scoring_worker, "score_case", fail)
        with pytest.raises(PassingCaseError, match="memory does not suffice"):
            pool.score(make_task(1))


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space of a process")
def test_a_worker_without_memory_says_so_and_goes_on():
    import resource

    with ScoringPool(1) as pool:
        pool.score(make_task())
        process, task = pool._workers[0]._process.pid, make_task(1)
        shape = (4000, 4000)
        reference = np.zeros(shape, np.uint8)
        reference[::2] = 1
        large = replace(task, reference=reference, prediction=reference)
        with open(f"/proc/{process}/statm") as file:  # noqa: PTH123
            used = int(file.read().split()[0]) * resource.getpagesize()
        resource.prlimit(process, resource.RLIMIT_AS, (used + 4 * reference.nbytes, resource.RLIM_INFINITY))
        with pytest.raises(PassingCaseError):
            pool.score(large)
        resource.prlimit(process, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert pool.score(make_task(2))[0]["dice"] == 1


def test_no_more_processes_start_than_are_needed():
    with ScoringPool(4) as pool:
        for number in range(3):
            pool.score(make_task(number))
        assert sum(worker._process is not None for worker in pool._workers) == 1


def test_the_death_of_a_worker_is_said_and_another_one_takes_over():
    with ScoringPool(1) as pool:
        pool.score(make_task())
        process = pool._workers[0]._process
        process.kill()
        process.wait()
        with pytest.raises(PassingCaseError, match=r"'case_1': the process that scored it ended \(exit code -9\)"):
            pool.score(make_task(1))
        assert pool.score(make_task(2))[0]["dice"] == 1
        last = pool._workers[0]._process
    assert last.returncode in (0, -9)  # it ends by itself, unless the machine is too busy for that


def test_workers_end_when_their_parent_is_killed():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        os.kill(worker, 0)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            os.kill(worker, 0)
            with open(f"/proc/{worker}/stat") as file:  # noqa: PTH123
                if file.read().rpartition(")")[2].split()[0] == "Z":  # dead, and nobody there to fetch it
                    return
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.05)
    pytest.fail("the worker outlives its parent")


def test_the_network_keeps_half_of_the_cores():
    assert 1 <= default_workers() <= max(1, (os.cpu_count() or 1) // 2)
