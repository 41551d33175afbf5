"""The web API is sent anything: each value of each argument gives a result, or words that fit into a message."""

from pathlib import Path

import pytest

from evaluation.ui.api import evaluate_test_set
from evaluation.ui.compare.api import compare_on_file
from evaluation.ui.follow.api import follow_files
from medseg_demo.errors import MedsegError
from medseg_demo.ui.api import explain_file, segment_file
from medseg_demo.ui.faults import LONGEST, explain

SENT = {
    "number": 5, "huge": 1e30, "huge whole": 10**400, "nan": float("nan"), "negative": -1, "yes": True,
    "record": {"a": [1]}, "list": [[]], "list of nothing": [None], "box": [1e308] * 6,
    "long": "x" * 300_000, "zero byte": "\0", "path": "../..",
}  # fmt: skip
OPTIONS = ("threshold", "flips", "denoise", "smallest_component", "fill_holes", "crop", "volume", "channels")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    (tmp_path / "gradio").mkdir()


def answer(call, *arguments, **sent) -> None:
    told = ""
    try:
        call(*arguments, **sent)
    except MedsegError as error:
        told = explain(error)
    assert len(told) <= LONGEST + 3


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT)
def test_segment(engine, picture, sent):
    path = str(picture())
    for name in OPTIONS:
        answer(segment_file, engine, path, "small", **dict.fromkeys(OPTIONS) | {name: sent})
    answer(segment_file, engine, path, sent)
    answer(explain_file, engine, path, "small", sent)


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT)
def test_compare(engine, picture, sent):
    path = str(picture())
    answer(compare_on_file, engine, path, sent)
    for name in ("reference", "label_maps", "consensus", "volume", "channels", "classes"):
        answer(compare_on_file, engine, path, ["small"], **{name: sent})


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT)
def test_follow(engine, picture, sent):
    path = str(picture())
    answer(follow_files, engine, sent, "small")
    answer(follow_files, engine, [path, path], sent, dates=["0", "9"])
    for name in ("dates", "repeats", "deviation", "register"):
        answer(follow_files, engine, [path, path], "small", **{"dates": ["0", "9"], "repeats": 0} | {name: sent})


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT)
def test_evaluate(engine, sent):
    answer(evaluate_test_set, engine, sent, test_set="squares", split="none of them")
    for name in ("test_set", "split"):
        answer(evaluate_test_set, engine, "small", **{"test_set": "squares", name: sent})
