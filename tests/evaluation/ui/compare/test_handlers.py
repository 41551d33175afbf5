"""The Compare tab before a run, as plain functions."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from evaluation.ui.compare import handlers, texts
from evaluation.ui.compare.example import ComparisonExample, peers
from evaluation.ui.compare.results import stale_mark
from evaluation.ui.compare.state import Given, Request, Work
from medseg_demo.samples import SAMPLES
from medseg_demo.ui.segment.example import Example

ADDRESS = "http://127.0.0.1:7860/"


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def sample(picture):
    """A sample whose file is a small picture."""
    path = picture()

    class Here(type(SAMPLES[0])):
        @property
        def path(self):
            return path

    return Here(
        **{name: getattr(SAMPLES[0], name) for name in SAMPLES[0].__dataclass_fields__} | {"checkpoint": "half"}
    )


@pytest.fixture
def example(known_engine, sample, monkeypatch):
    for module in ("medseg_demo.ui.segment.example", "medseg_demo.ui.code"):
        monkeypatch.setattr(f"{module}.list_samples", lambda: (sample,))
    return ComparisonExample(Example(known_engine))


def test_the_tab_opens_on_a_finished_comparison(known_engine, example, work):
    updates = handlers.open_tab(known_engine, work, example.get(), ADDRESS)
    assert updates["checkpoints"]["value"] == ["half", "strict"]
    assert [one["name"] for one in updates["viewer"]["predictions"]] == ["half", "strict"]
    assert "256 px" in updates["where"]
    assert updates["downloads"]["visible"]
    assert "sample=chest-xray&amp;compare=half,strict" in updates["code_link"]
    assert handlers.open_tab(known_engine, work, example.get(), ADDRESS) == {}


def test_the_example_is_computed_once(known_engine, example, monkeypatch):
    assert example.get() is example.get()
    assert [cost.passes for cost in example.get().figures[0].costs.values()] == [3, 3]


def test_without_an_example_the_tab_says_what_to_do(known_engine):
    updates = handlers.open_tab(known_engine, Work(), None, ADDRESS)
    assert texts.EMPTY_TITLE in updates["status"]
    assert texts.NO_CHECKPOINT in updates["status"]
    assert "viewer" not in updates


def test_peers_find_the_same_classes(known_engine):
    assert peers(known_engine, "half") == ["half", "strict"]
    assert peers(known_engine, "strict") == ["strict", "half"]
    assert peers(known_engine, "other") == ["other"]
    assert peers(known_engine, "nothing")[0] in ("half", "other", "strict")


def entry_of(name, *, dice=None, is_3d=False, task="things"):
    scores = {} if dice is None else {"test": {"dice_mean": dice}}
    return SimpleNamespace(
        name=name, card=SimpleNamespace(class_names=("thing",), task=task, is_3d=is_3d, scores=scores)
    )


def test_a_2d_checkpoint_goes_beside_a_3d_one_but_not_the_reverse():
    engine = SimpleNamespace(usable=lambda: [entry_of("flat"), entry_of("solid", is_3d=True)])
    assert peers(engine, "solid") == ["solid", "flat"]
    assert peers(engine, "flat") == ["flat"]


def test_the_best_of_the_task_goes_beside_a_checkpoint():
    entries = [entry_of("a", dice=0.7), entry_of("b"), entry_of("c", dice=0.8), entry_of("d", dice=0.9, task="else")]
    engine = SimpleNamespace(usable=lambda: entries)
    assert peers(engine, "a", most=4) == ["a", "c", "b", "d"]


def test_a_sample_comes_with_its_checkpoints(known_engine, sample, work):
    updates = handlers.choose_sample(known_engine, work, sample)
    assert updates["checkpoints"]["value"] == ["half", "strict"]
    assert work.given.image.name == "scan"
    assert (updates["references"], updates["label_maps"], updates["classes"], updates["upload"]) == (
        None,
        None,
        "",
        None,
    )
    named = handlers.choose_sample(known_engine, work, sample, ("strict", "half"))
    assert named["checkpoints"]["value"] == ["strict", "half"]


def test_an_upload_is_described(known_engine, picture, tmp_path):
    updates = handlers.take_files(known_engine, Work(), [picture()], tmp_path)
    assert "64 × 64 px" in updates["preflight"]
    assert not updates["study"]["visible"]


def test_one_of_several_is_chosen(known_engine, picture, tmp_path, work):
    updates = handlers.take_files(known_engine, work, [picture("a.png"), picture("b.png")], tmp_path)
    assert [name for name, _ in updates["study"]["choices"]] == ["a.png", "b.png", "All 2, one after the other"]
    assert len(work.given.studies) == 2
    assert "2 files" in updates["preflight"]
    handlers.choose_study(known_engine, work, "1")
    assert work.given.image.name == "b"
    for odd in ("2", "x", None, "-1"):
        assert handlers.choose_study(known_engine, work, odd) == {}


def test_an_unreadable_upload_is_explained(known_engine, tmp_path, work):
    (tmp_path / "notes.png").write_text("no picture")
    updates = handlers.take_files(known_engine, work, [tmp_path / "notes.png"], tmp_path)
    assert 'role="alert"' in updates["preflight"]
    assert "notes.png" in updates["preflight"]
    assert str(tmp_path) not in updates["preflight"]
    assert work.given.image is None


def test_no_files_empty_the_card(known_engine, tmp_path, work):
    work.given = Given(image=np.zeros(1))
    updates = handlers.take_files(known_engine, work, [], tmp_path)
    assert updates["preflight"] == ""
    assert work.given.image is None


def test_changed_controls_are_marked(known_engine, example, work):
    handlers.open_tab(known_engine, work, example.get(), ADDRESS)
    same = Request(("half", "strict"))
    assert stale_mark(work.given, work.result, same) == ""
    assert stale_mark(work.given, work.result, replace(same, method="staple")) == ""
    assert texts.STALE_TITLE in stale_mark(work.given, work.result, Request(("half",)))
    assert stale_mark(Given(), None, same) == ""


def test_controls_become_a_request():
    assert Request.of(["a", "b", "a"], None, None, None, "") == Request(("a", "b"))
    assert Request.of(None, ["r.png"], ["m.png"], " x = y ", "staple") == Request(
        (), ("r.png",), ("m.png",), "x = y", "staple"
    )
    assert Request.of([], [], [], "", "anything").method is None


def test_a_cleared_upload_does_not_bring_the_example_back(known_engine, example, picture, tmp_path, work):
    handlers.open_tab(known_engine, work, example.get(), ADDRESS)
    handlers.take_files(known_engine, work, [], tmp_path)
    assert handlers.open_tab(known_engine, work, example.get(), ADDRESS) == {}


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (2.3, "ml", "2.30 ml"),
        (0.218, "ml", "0.218 ml"),
        (99.99, "ml", "100 ml"),
        (0, "ml", "0 ml"),
        (12, "px", "12 px"),
    ],
)
def test_sizes_in_a_column_have_the_same_digits(value, unit, words):
    assert texts.size(value, unit) == words
