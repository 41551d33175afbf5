import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from evaluation.errors import ClusterError
from evaluation.runs.predictors import Stopped
from evaluation.ui.cluster import NOT_NOW, cluster_of
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.turns import Cancelled

ADDRESS = "10.0.0.1:6379"


@pytest.fixture
def opened(monkeypatch):
    """What was asked of clusters, and what they answer to that."""
    found = SimpleNamespace(given=[], answer=None)

    class FakeExecutor:
        def __init__(self, pairs, settings, **options):
            found.given.append(([(checkpoint.name, folder.name) for checkpoint, folder in pairs], options["address"]))

        def __enter__(self):
            if found.answer:
                raise found.answer
            return self

        def __exit__(self, *error):
            pass

    monkeypatch.setattr("evaluation.runs.cluster.executor.RayExecutor", FakeExecutor)
    return found


@pytest.fixture
def work(settings, opened):
    def go(*, private=False, names=("small",), **changes):
        engine = Engine(replace(settings, **changes))
        checkpoints = [replace(engine.loaded(name), private=private) for name in names]
        with cluster_of(engine, checkpoints, threading.Event()) as executor:
            return executor

    return go


def test_only_a_server_with_an_address_asks_a_cluster(work, opened):
    assert work() is None
    assert work(ray_address=ADDRESS, names=()) is None  # label maps
    assert not opened.given
    assert work(ray_address=ADDRESS) is not None
    assert opened.given == [([("small", "small")], ADDRESS)]


def test_a_visitors_own_checkpoint_stays_here(work, opened):
    assert work(ray_address=ADDRESS, private=True) is None


def test_strangers_hear_nothing_of_the_machines(work, opened):
    opened.answer = ClusterError("Node 10.0.0.7: torch is 1 there and 2 here.")
    with pytest.raises(ClusterError, match=r"10\.0\.0\.7"):
        work(ray_address=ADDRESS)
    with pytest.raises(ClusterError) as told:
        work(ray_address=ADDRESS, public=True)
    assert str(told.value) == NOT_NOW


def test_stop_ends_the_wait_for_a_machine(work, opened):
    opened.answer = Stopped()
    with pytest.raises(Cancelled):
        work(ray_address=ADDRESS)
