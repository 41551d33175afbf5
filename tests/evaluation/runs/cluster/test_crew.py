import socket
import sys

import pytest

from evaluation.errors import ClusterError
from evaluation.runs.cluster.crew import Crew, connect
from evaluation.runs.cluster.worker import Ready, versions
from medseg_demo.models.compute import choose_compute
from medseg_demo.settings import Settings

FLOAT32 = choose_compute(Settings(device="cpu", precision="float32"))


class FakeRay:
    def put(self, value):
        return value


@pytest.fixture
def crew():
    return Crew(FakeRay(), [], Settings(), 1.0)


def test_without_ray_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match="pip install"):
        connect(None)


@pytest.mark.parametrize("address", ["head", "ray://head:10001", "head:port"])
def test_addresses_of_other_forms_are_refused(address):
    with pytest.raises(ClusterError, match="not understood"):
        connect(address)


def test_an_address_that_does_not_answer_is_refused():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(ClusterError, match="No cluster answers"):
            connect(f"127.0.0.1:{unused.getsockname()[1]}")


def test_other_versions_are_refused_and_both_are_said(crew):
    here = versions()
    assert crew._difference(Ready(here, {"small": FLOAT32})) == ""
    found = crew._difference(Ready({**here, "torch": "1.0"}, {}))
    assert found == f"torch is 1.0 there and {here['torch']} here. Install the same versions"


def test_workers_that_compute_otherwise_than_the_first_are_refused(crew):
    half = choose_compute(Settings(device="cpu", precision="bfloat16"))
    crew._first = Ready(versions(), {"small": FLOAT32})
    found = crew._difference(Ready(versions(), {"small": half}))
    assert "bfloat16" in found
    assert "float32" in found


def test_workers_share_processors_and_gpus_of_a_node(crew, monkeypatch):
    pytest.importorskip("ray", reason="the extra ray is not installed")
    from types import SimpleNamespace

    options = []

    class Remote:
        def options(self, **given):
            options.append(given)
            return self

        def remote(self, *arguments):
            return SimpleNamespace(open=SimpleNamespace(remote=lambda: None))

    crew._ray.remote = lambda actor: Remote()
    crew._gpu_share = 0.25
    node = {"NodeID": "ab" * 28, "Resources": {"CPU": 4.0, "GPU": 1.0, "object_store_memory": 400.0}}
    (one,) = crew._start(node, "node", has_gpus=False)
    assert (options[-1]["num_cpus"], options[-1]["num_gpus"], one.store_bytes) == (2.0, 0, 400.0)
    shares = crew._start(node, "node", has_gpus=True)
    assert [worker.store_bytes for worker in shares] == [100.0] * 4
    assert (options[-1]["num_cpus"], options[-1]["num_gpus"]) == (0.5, 0.25)
    assert crew._start({**node, "Resources": {"CPU": 4.0}}, "node", has_gpus=True) == []
