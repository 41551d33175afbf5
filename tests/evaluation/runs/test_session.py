import threading

import pytest

import evaluation.runs.local
from evaluation.runs import scoring_worker
from evaluation.runs.request import RunOptions
from evaluation.runs.runner import run
from evaluation.runs.scoring import ScoringPool
from evaluation.runs.session import RunSession
from evaluation.runs.store import ScoreStore
from medseg_demo.errors import OptionError, OutputError
from medseg_demo.settings import Settings
from medseg_demo.test_sets.test_set import read_test_set

SETTINGS = Settings(device="cpu", precision="float32", threads=1)


def open_session(output, **options):
    chosen = RunOptions(**{"workers": 0, **options})
    return RunSession(output, options=chosen, progress=None, stop=threading.Event())


def test_the_output_is_free_again_after_a_session_and_after_a_refused_one(tmp_path):
    with open_session(tmp_path):
        pass
    with pytest.raises(OptionError, match="--reuse names the output folder itself"):
        open_session(tmp_path, resume=True, reuse=tmp_path)
    (tmp_path / "run.log").unlink()
    (tmp_path / "run.log").mkdir()
    with pytest.raises(OutputError, match=r"run\.log"):
        open_session(tmp_path, resume=True)
    ScoreStore.open(tmp_path, resume=True).close()


def test_the_death_of_a_scoring_process_fails_its_case_alone(make_test_set, brightness, tmp_path, monkeypatch):
    pools = []

    class Watched(ScoringPool):
        def __init__(self, workers):
            super().__init__(workers)
            pools.append(self)

    def kill_after_the_third(progress):
        if progress.stage == "score" and progress.done == 3:
            pools[0]._workers[0]._process.kill()

    monkeypatch.setattr(evaluation.runs.local, "ScoringPool", Watched)
    test_set, options = read_test_set(make_test_set(cases=20)), RunOptions(workers=1)
    arguments = {"options": options, "settings": SETTINGS}
    outcome = run([test_set], [brightness], tmp_path / "out", progress=kill_after_the_third, **arguments)
    table = outcome.results.table
    assert len(table) == 20
    assert 1 <= (table["status"] == "failed").sum() <= 2  # one in the process, and perhaps one on its way to it
    assert "the process that scored it ended" in outcome.failures[0]

    arguments["options"] = RunOptions(workers=1, resume=True)
    table = run([test_set], [brightness], tmp_path / "out", **arguments).results.table
    assert set(table["status"]) == {"ok"}


def test_want_of_memory_while_scoring_is_tried_again_by_the_next_resume(
    make_test_set, brightness, tmp_path, monkeypatch
):
    score_case, calls = scoring_worker.score_case, []

    def fail_once(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise MemoryError
        return score_case(*arguments, **options)

    monkeypatch.setattr(scoring_worker, "score_case", fail_once)
    test_set, arguments = read_test_set(make_test_set(cases=3)), {"settings": SETTINGS}
    outcome = run([test_set], [brightness], tmp_path / "out", options=RunOptions(workers=0), **arguments)
    assert len(outcome.failures) == 1
    assert "memory does not suffice" in outcome.failures[0]
    again = run([test_set], [brightness], tmp_path / "out", options=RunOptions(workers=0, resume=True), **arguments)
    assert set(again.results.table["status"]) == {"ok"}
    assert len(calls) == 4
