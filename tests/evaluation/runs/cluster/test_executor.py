"""What a run on Ray does when things end: without Ray by a stand-in, and on a small cluster (slow)."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest

from evaluation.errors import ClusterError
from evaluation.runs.classes import ClassMatch
from evaluation.runs.cluster.crew import Worker
from evaluation.runs.cluster.executor import MOST_TRIES, RayExecutor
from evaluation.runs.cluster.worker import Reply
from evaluation.runs.log import RunLog
from evaluation.runs.predictors import CheckpointPredictor
from evaluation.runs.preflight import ExaminedCase
from evaluation.runs.request import RunOptions
from evaluation.runs.runner import run
from evaluation.runs.store import CaseScores, ScoreStore
from evaluation.runs.work import CaseTask, Scored
from evaluation.ui.api import evaluate_test_set
from medseg_demo.errors import OptionError, OutputError
from medseg_demo.models.catalog import load_checkpoint
from medseg_demo.models.compute import choose_compute
from medseg_demo.segmenting.engine import Engine
from medseg_demo.settings import ROOT, Settings
from medseg_demo.test_sets.case import Case
from medseg_demo.test_sets.labels import Labels
from medseg_demo.test_sets.test_set import read_test_set

ray = pytest.importorskip("ray", reason="the extra ray is not installed")

SETTINGS = Settings(device="cpu", precision="float32", threads=1)
GOOD = Reply(Scored(CaseScores("ok", "", ({"class_name": "bright"},))), ".png", b"png", 100)
TRIES = 4
SHORT = Reply(Scored(CaseScores("failed", "memory does not suffice", ()), lasting=False))


class FakeRay:
    """Gives each submitted case what is next in a list, by its id; a class of error is raised."""

    exceptions = ray.exceptions

    def __init__(self, replies):
        self.replies, self.given, self.most = replies, [], 0

    def predict(self, node):
        def remote(work):
            self.given.append((node, work.examined.case.case_id, work.checkpoint))
            return (work.examined.case.case_id, len(self.given))

        return SimpleNamespace(remote=remote)

    def wait(self, references, **options):
        self.most = max(self.most, len(references))
        return references[:1], references[1:]

    def get(self, reference):
        found = self.replies.get(reference[0], deque([GOOD]))
        reply = found[0] if len(found) == 1 else found.popleft()
        if isinstance(reply, Exception):
            raise reply
        return reply


@pytest.fixture
def work(tmp_path, brightness):
    """Works off cases on two stand-ins for workers; gives what came out, the log, and the stand-in for Ray."""

    def go(replies, cases=3, names=("bright",), window=2, store=1e9, stop_after=0):
        stop = threading.Event()
        fake = FakeRay({name: deque(found) for name, found in replies.items()})
        executor = RayExecutor([], SETTINGS)
        actors = {
            node: SimpleNamespace(predict=fake.predict(node), open=SimpleNamespace(remote=lambda: None))
            for node in ("one", "two")
        }
        workers = [Worker(node, actor, None, window, store, ready=True) for node, actor in actors.items()]
        crew = SimpleNamespace(
            ready=workers, refused={}, renew=lambda upcoming: None, doubt=lambda worker: doubted.append(worker.node)
        )
        doubted = []
        executor._ray, executor._crew, executor._score = fake, crew, SimpleNamespace(remote=lambda made: made)
        match, compute = ClassMatch(Labels.numbered(["bright"]), (0, 1)), choose_compute(SETTINGS)
        predictors = [CheckpointPredictor(brightness, match, engine=Engine(SETTINGS), compute=compute) for _ in names]
        for predictor, name in zip(predictors, names, strict=True):
            predictor.name = name
        examined = [
            ExaminedCase(Case(f"case_{n}", (tmp_path / "i",), tmp_path / "m"), (), (), None) for n in range(cases)
        ]
        parts = [
            SimpleNamespace(test_set=SimpleNamespace(name="set"), predictor=predictor, options=RunOptions())
            for predictor in predictors
        ]
        tasks = [CaseTask(part, case, None) for case in examined for part in parts]
        with RunLog(tmp_path) as log:
            done = []
            for pair in executor.work_off(tasks, output=tmp_path, log=log, stop=stop):
                done.append(pair)
                if len(done) == stop_after:
                    stop.set()
        lines = [line.split("\t")[1:] for line in (tmp_path / "run.log").read_text().splitlines()]
        return {task.names[1:]: scored for task, scored in done}, lines, fake, doubted

    return go


def test_a_case_whose_worker_ends_is_repeated_and_named(work, tmp_path):
    done, lines, _, doubted = work({"case_1": [ray.exceptions.ActorDiedError(), GOOD]})
    assert [scored.scores.status for scored in done.values()] == ["ok"] * 3
    assert ["repeated", "set", "bright", "case_1", "its worker ended"] in lines
    assert lines[-1] == ["cluster", "3 cases", "1 lost", "1 repeated"]
    assert len(doubted) == 1
    assert len(list((tmp_path / "predictions").rglob("*.png"))) == 3


def test_a_case_that_is_lost_again_and_again_is_a_failed_row(work):
    done, _, fake, _ = work({"case_1": [ray.exceptions.OutOfMemoryError("memory")]})
    scored = done["bright", "case_1"]
    assert (scored.scores.status, scored.lasting) == ("failed", False)
    assert f"given up after {MOST_TRIES} tries: memory did not suffice on its node" in scored.scores.error
    assert len([case for _, case, _ in fake.given if case == "case_1"]) == MOST_TRIES


def test_an_exhausted_object_store_a_full_disk_and_want_of_memory_are_tried_again(work):
    full = ray.exceptions.ObjectStoreFullError("full")
    disk = ray.exceptions.RayTaskError("score", "", OutputError("no space left"))
    done, lines, _, _ = work({"case_0": [full, GOOD], "case_1": [disk, GOOD], "case_2": [SHORT, GOOD]})
    assert {scored.scores.status for scored in done.values()} == {"ok"}
    assert sorted(line[-1] for line in lines if line[0] == "repeated") == [
        "its node cannot write to its temporary folder",
        "memory does not suffice",
        "the object store of its node is full",
    ]


def test_stop_gives_up_what_is_in_work(work):
    done, lines, fake, _ = work({}, cases=20, stop_after=3)
    assert len(done) == 3
    assert 3 < len(fake.given) < 20
    assert lines[-1][0] == "cluster"


def test_no_more_cases_are_in_work_than_the_object_store_holds(work):
    _, _, fake, _ = work({}, cases=20, window=6)
    assert fake.most == 12
    _, _, fake, _ = work({}, cases=20, window=6, store=0)
    assert fake.most <= 12
    assert len(fake.given) == 20


def test_the_checkpoints_of_a_case_go_to_one_worker(work):
    _, _, fake, _ = work({}, cases=4, names=("first", "second"))
    nodes = {case: {node for node, other, _ in fake.given if other == case} for _, case, _ in fake.given}
    assert {len(found) for found in nodes.values()} == {1}


def test_shares_of_a_gpu_are_checked():
    with pytest.raises(OptionError, match="--gpu-share is 2"):
        RayExecutor([], SETTINGS, gpu_share=2)


@pytest.fixture(scope="module")
def cluster():
    """A head without processors, and two nodes of one each."""
    from ray.cluster_utils import Cluster

    soon = {"health_check_period_ms": 1000, "health_check_failure_threshold": 5}
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}  # others at work must not stop it
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": soon}
    running = Cluster(initialize_head=True, head_node_args=head)
    yield running, [add_node(running), add_node(running)]
    running.shutdown()


def add_node(running):
    """Ray gives a node half a minute to start, in which a busy machine may not start it."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(Exception):
            return running.add_node(num_cpus=1)
    return running.add_node(num_cpus=1)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_visitors_evaluations_go_to_the_servers_cluster_one_after_the_other(
    cluster, make_test_set, checkpoints, tmp_path
):
    make_test_set("squares", cases=4)
    settings = replace(SETTINGS, checkpoints_dir=checkpoints, test_sets_dir=tmp_path)
    here, _ = evaluate_test_set(Engine(settings), "small", test_set="squares", workers=0)
    engine = Engine(replace(settings, ray_address=cluster[0].address))
    with ThreadPoolExecutor() as visitors:
        there = [visitors.submit(evaluate_test_set, engine, "small", test_set="squares") for _ in range(2)]
    for document, _ in (visit.result() for visit in there):
        assert not document["failures"]
        assert document["rows"] == here["rows"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_driver_and_a_killed_node_lose_nothing(cluster, make_test_set, checkpoints, tmp_path, monkeypatch):
    running, nodes = cluster
    folder, checkpoint = make_test_set(cases=24), load_checkpoint("small", checkpoints)
    (folder / "images" / "case_03.png").write_bytes(b"damaged")
    test_set, options = read_test_set(folder), RunOptions(workers=0)
    run([test_set], [checkpoint], tmp_path / "local", options=options, settings=SETTINGS)
    expected = (tmp_path / "local" / "scores.csv").read_bytes()

    kill_driver(running.address, folder, checkpoints, tmp_path / "killed")
    resumed = RunOptions(workers=0, resume=True)
    run([test_set], [checkpoint], tmp_path / "killed", options=resumed, settings=SETTINGS)
    assert (tmp_path / "killed" / "scores.csv").read_bytes() == expected
    assert "\tkept\t" in (tmp_path / "killed" / "run.log").read_text()

    def kill_node(progress):
        if (progress.stage, progress.done) == ("score", 3):
            running.remove_node(nodes.pop(), allow_graceful=False)

    executor = RayExecutor([(checkpoint, checkpoints / "small")], SETTINGS, address=running.address)
    with executor:
        run([test_set], [checkpoint], tmp_path / "ray", settings=SETTINGS, progress=kill_node, executor=executor)
    assert (tmp_path / "ray" / "scores.csv").read_bytes() == expected
    assert "\tcluster\t24 cases" in (tmp_path / "ray" / "run.log").read_text()  # whatever its node held just then


def kill_driver(address, folder, checkpoints, output):
    """Run on the cluster as a user does, and kill the program once a few cases are in the store."""
    environment = {**os.environ, "MEDSEG_DEVICE": "cpu", "MEDSEG_PRECISION": "float32", "MEDSEG_THREADS": "1"}
    environment["MEDSEG_CHECKPOINTS_DIR"] = str(checkpoints)
    command = [sys.executable, "-m", "evaluation", "run", "--engine", "ray", "--address", address]
    command += ["--test-set", str(folder), "--checkpoint", "small", "--output", str(output)]
    program = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    while program.poll() is None and "\tscored\t" not in (
        (output / "run.log").read_text() if (output / "run.log").exists() else ""
    ):
        time.sleep(0.05)
    program.send_signal(signal.SIGKILL)
    program.wait()
    with ScoreStore.open(output, resume=True) as store:
        assert len(store) > 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_answers_and_is_no_cluster_is_refused_in_time(monkeypatch):
    monkeypatch.setenv("RAY_gcs_server_port_wait_time_s", "1")
    with socket.create_server(("127.0.0.1", 0)) as other:
        executor = RayExecutor([], SETTINGS, address=f"127.0.0.1:{other.getsockname()[1]}")
        with pytest.raises(ClusterError, match="cannot be used"):
            executor.__enter__()
