import io
import pickle
import subprocess
import sys

import numpy as np
import pytest

from evaluation.metrics import score_case
from evaluation.runs import scoring_worker
from evaluation.runs.scoring_worker import NotScored, ScoringTask, score_task, serve


def make_task(shape=(8, 8), case_id="case"):
    reference, prediction = np.zeros((8, 8), np.uint8), np.zeros(shape, np.uint8)
    reference[2:6, 2:6] = 1
    prediction[2:6, 2:7] = 1
    return ScoringTask(case_id, reference, prediction, {1: "thing"}, None, None, 1.0)


def test_a_reply_is_what_score_case_gives():
    task = make_task()
    expected = score_case(task.reference, task.prediction, labels={1: "thing"})
    assert score_task(task) == [{**row, "image_diagonal": pytest.approx(7 * 2**0.5)} for row in expected]
    assert expected[0]["dice"] == 2 * 16 / (16 + 20)


def test_what_cannot_be_scored_is_a_reply_as_well():
    reply = score_task(make_task(shape=(8, 9), case_id="odd"))
    assert reply.reason.startswith("Case 'odd' cannot be scored: ")
    assert not reply.passing


@pytest.mark.parametrize(("error", "words"), [(MemoryError(), "memory"), (RuntimeError("odd"), "RuntimeError (odd)")])
def test_what_does_not_lie_in_the_case_may_pass(monkeypatch, error, words):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(scoring_worker, "score_case", fail)
    reply = score_task(make_task(case_id="large"))
    assert reply.passing
    assert reply.reason.startswith("Case 'large': ")
    assert words in reply.reason
    assert "--resume" in reply.reason


def test_tasks_are_answered_in_turn_until_there_are_no_more():
    tasks, replies = io.BytesIO(), io.BytesIO()
    for task in (make_task(), make_task(shape=(8, 9)), make_task()):
        pickle.dump(task, tasks)
    tasks.seek(0)
    serve(tasks, replies)
    replies.seek(0)
    kinds = [type(pickle.load(replies)) for _ in range(3)]
    assert kinds == [list, NotScored, list]


def test_a_worker_knows_no_torch():
    code = "import sys, evaluation.runs.scoring_worker; print('torch' in sys.modules, 'medseg_demo' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "False False\n"
