from dataclasses import replace

import numpy as np
import pytest

from evaluation.runs.classes import match_classes
from evaluation.runs.cluster.crew import pack
from evaluation.runs.cluster.worker import Networks, Work, examine, score, versions
from evaluation.runs.request import RunOptions
from evaluation.runs.runner import run
from medseg_demo.models.catalog import load_checkpoint
from medseg_demo.settings import Settings
from medseg_demo.test_sets.test_set import read_test_set

SETTINGS = Settings(device="cpu", precision="float32", threads=1)


@pytest.fixture
def small(checkpoints):
    checkpoint = load_checkpoint("small", checkpoints)
    return checkpoint, pack(checkpoint, checkpoints / "small")


@pytest.fixture
def networks(small):
    return Networks(SETTINGS, [small[1]], 1, 2)


def work_of(case, checkpoint):
    match = match_classes("squares", None, checkpoint.name, checkpoint.card.class_names)
    return Work(examine(case, SETTINGS, True), checkpoint.name, match, RunOptions())


def test_a_sent_checkpoint_gives_what_a_run_here_gives(make_test_set, small, networks, tmp_path):
    test_set = read_test_set(make_test_set(cases=1))
    here = run([test_set], [small[0]], tmp_path / "out", options=RunOptions(workers=0), settings=SETTINGS)
    ready = networks.open()
    assert (ready.fault, ready.versions) == ("", versions())
    made = networks.predict(work_of(test_set.cases[0], small[0]))
    for array in (made.scoring.reference, made.scoring.prediction, made.prediction.labels):
        array.setflags(write=False)  # as an object store gives them
    reply = score(made)
    (row,) = reply.scored.scores.rows
    assert row["dice"] == here.results.table["dice"][0]
    (kept,) = (tmp_path / "out" / "predictions").rglob("case_00.png")
    assert (reply.suffix, reply.prediction) == (".png", kept.read_bytes())
    assert reply.size >= 2 * 64 * 64


def test_a_missing_image_is_a_failed_case_in_the_words_of_a_run_here(make_test_set, small, networks):
    folder = make_test_set(cases=1)
    (case,) = read_test_set(folder).cases
    work = work_of(case, small[0])
    (folder / "images" / "case_00.png").unlink()
    reply = score(networks.predict(work))
    assert reply.scored.scores.status == "failed"
    assert reply.scored.scores.error.startswith("Case 'case_00', image: case_00.png")
    assert (reply.scored.lasting, reply.suffix) == (True, "")


def test_a_case_is_decoded_once_for_several_checkpoints(make_test_set, small, networks, monkeypatch):
    (case,) = read_test_set(make_test_set(cases=1)).cases
    work, reads = work_of(case, small[0]), []
    from evaluation.runs.cluster import worker

    read = worker._read
    monkeypatch.setattr(worker, "_read", lambda *arguments: reads.append(1) or read(*arguments))
    for _ in range(3):
        networks.predict(work)
    assert len(reads) == 1


def test_want_of_memory_while_scoring_is_worth_another_try(make_test_set, small, networks, monkeypatch):
    (case,) = read_test_set(make_test_set(cases=1)).cases
    made = networks.predict(work_of(case, small[0]))
    odd = made._replace(scoring=replace(made.scoring, prediction=np.zeros((3, 3), np.uint8)))
    assert score(odd).scored.lasting

    def fail(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr("evaluation.runs.scoring_worker.score_case", fail)
    assert not score(made).scored.lasting


def test_a_checkpoint_that_cannot_be_loaded_is_a_fault_of_the_worker(small):
    damaged = small[1]._replace(files={**small[1].files, "small/model.safetensors": b"damaged"})
    assert "model.safetensors" in Networks(SETTINGS, [damaged], 1, 2).open().fault
