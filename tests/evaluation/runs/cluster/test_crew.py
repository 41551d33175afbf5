import re
import threading
from collections import deque
from types import SimpleNamespace

import pytest

from evaluation.errors import ClusterError
from evaluation.runs.cluster.crew import MOST_STARTS, Crew
from evaluation.runs.cluster.worker import Ready, versions
from medseg_demo.models.compute import choose_compute
from medseg_demo.settings import Settings

ray = pytest.importorskip("ray", reason="the extra ray is not installed")

FLOAT32 = choose_compute(Settings(device="cpu", precision="float32"))


class FakeRay:
    """Nodes and actors that answer what they are told to."""

    exceptions = ray.exceptions

    def __init__(self, nodes, answer):
        self.alive, self.answer, self.killed = nodes, answer, []

    def put(self, value):
        return value

    def nodes(self):
        return self.alive

    def wait(self, references, **options):
        return references, []

    def get(self, reference):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def kill(self, actor):
        self.killed.append(actor)

    def remote(self, actor):
        self.options = []

        def start(*arguments):
            return SimpleNamespace(open=SimpleNamespace(remote=lambda: None))

        def options(**given):
            self.options.append(given)
            return SimpleNamespace(remote=start)

        return SimpleNamespace(options=options)


NODE = {
    "NodeID": "ab" * 28,
    "NodeManagerAddress": "10.0.0.2",
    "Alive": True,
    "Resources": {"CPU": 4.0, "GPU": 1.0, "object_store_memory": 400.0},
}


def crew_of(answer, *nodes, gpu_share=1.0, device="cpu"):
    found = Crew(FakeRay(list(nodes), answer), [], Settings(device=device), gpu_share)
    found._ray.remote(None)
    return found


@pytest.fixture
def no_waiting(monkeypatch):
    monkeypatch.setattr("evaluation.runs.cluster.crew.RENEWAL_S", 0)
    monkeypatch.setattr("evaluation.runs.cluster.crew.WAIT_S", 0)


def test_workers_that_compute_otherwise_than_the_first_are_refused(no_waiting):
    first, other = (choose_compute(Settings(device="cpu", precision=name)) for name in ("float32", "bfloat16"))
    crew = crew_of(Ready(versions(), {"small": first}), NODE)
    crew.open(threading.Event())
    crew._ray.alive.append({**NODE, "NodeID": "cd" * 28})
    crew._ray.answer = Ready(versions(), {"small": other})
    crew.renew(deque())
    crew.renew(deque())
    ((_, fault),) = crew.refused.items()
    assert "bfloat16" in fault
    assert "float32" in fault
    assert len(crew.ready) == 1


def test_workers_share_processors_and_gpus_of_a_node():
    crew = crew_of(Ready(versions(), {"small": FLOAT32}), NODE)
    crew.open(threading.Event())
    (one,), (options,) = crew.ready, crew._ray.options
    assert (options["num_cpus"], options["num_gpus"], one.store_bytes) == (
        2.04,
        0,
        400.0,
    )  # of two runs only one has room
    crew = crew_of(Ready(versions(), {"small": FLOAT32}), NODE, gpu_share=0.25, device="auto")
    crew.open(threading.Event())
    (options,) = crew._ray.options
    assert [worker.store_bytes for worker in crew.ready] == [100.0] * 4
    assert (options["num_cpus"], options["num_gpus"]) == (0.51, 0.25)


def test_other_versions_refuse_the_run_and_unloadable_checkpoints_name_the_node(no_waiting):
    both = rf"10\.0\.0\.2 \(ababab\): torch is 1\.0 there and {re.escape(versions()['torch'])} here\. Install"
    with pytest.raises(ClusterError, match=both):
        crew_of(Ready({**versions(), "torch": "1.0"}, {}), NODE).open(threading.Event())
    with pytest.raises(ClusterError, match=r"10\.0\.0\.2 \(ababab\): it is damaged"):
        crew_of(Ready(versions(), {}, "it is damaged"), NODE).open(threading.Event())


def test_a_node_whose_workers_end_as_they_start_is_not_tried_for_ever(no_waiting):
    crew = crew_of(ray.exceptions.ActorDiedError(), NODE)
    with pytest.raises(ClusterError, match="end as they start"):
        crew.open(threading.Event())
    assert len(crew._ray.killed) == MOST_STARTS


def test_a_worker_that_ends_is_replaced_and_what_it_had_left_goes_to_others(no_waiting):
    crew = crew_of(Ready(versions(), {"small": FLOAT32}), NODE)
    crew.open(threading.Event())
    (worker,), upcoming = crew.ready, deque()
    worker.rest.append("case")
    crew.doubt(worker)
    good, crew._ray.answer = crew._ray.answer, ray.exceptions.ActorDiedError()
    crew.renew(upcoming)
    assert list(upcoming) == [deque(["case"])]
    crew._ray.answer = good
    crew.renew(upcoming)
    (other,) = crew.ready
    assert other is not worker
