"""A result of the Segment tab that is corrected: what follows it, what is kept, what is refused."""

import json
import zipfile
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from medseg_demo.ui.correct import handlers as edits
from medseg_demo.ui.correct import texts
from medseg_demo.ui.segment import correct_handlers, export_handlers, handlers, run_handlers
from medseg_demo.ui.segment.state import Choices, Work

CHOICES = Choices("bright")


@pytest.fixture
def work(visitor) -> Work:
    return visitor.work(Work)


@pytest.fixture
def opened(engine, work, visitor, picture):
    """The page with the result of a picture whose left half is bright, and what else can happen to it."""
    work.folder = folder = visitor.session.folder

    def take(name: str) -> dict[str, object]:
        *_, last = handlers.take_files(engine, work, [picture(name)], CHOICES, folder)
        return last

    def segment() -> dict[str, object]:
        *_, last = visitor.run(partial(run_handlers.run, engine), CHOICES, tab="segment")
        return last

    take("scan")
    shown = segment()
    return SimpleNamespace(take=take, segment=segment, folder=folder, key=shown["viewer"]["key"], first=shown)


def paint(work: Work, key: object, number: int = 1, *runs: list[int]) -> object:
    step = {"number": number, "kind": "brush", "runs": list(runs) or [[40, 10, 0, 1]]}
    return edits.edit(work.corrections, SimpleNamespace(key=key, steps=[step]))


def test_measurements_and_files_follow_the_corrected_label_map(work, opened):
    before = np.asarray(Image.open(opened.first["label_map"])).copy()
    answer = paint(work, opened.key)
    assert (answer.revision, answer.changed_slices, answer.problem) == (1, [0], "")
    shown = correct_handlers.follow(work, opened.folder, opened.key)
    path = Path(shown["label_map"]["value"])
    assert path.name == "scan-corrected.png"
    after = np.asarray(Image.open(path))
    assert np.flatnonzero(before != after).tolist() == list(range(40, 50))
    (image,) = json.loads(Path(shown["measurements_json"]["value"]).read_text())["images"]
    assert image["classes"][0]["pixels"] == np.count_nonzero(after)
    assert any("Corrected by hand" in note for note in image["notes"])
    names = zipfile.ZipFile(shown["everything"]["value"]).namelist()
    assert "label_maps/scan-corrected.png" in names
    assert texts.CORRECTED_TITLE in shown["correction"]
    assert np.array_equal(work.run.shown.label_map.labels, before)  # the network's own stays


def test_a_threshold_does_not_move_what_was_corrected(work, opened):
    paint(work, opened.key)
    refused = run_handlers.decide(work, opened.folder, 0.9)
    assert "corrected by hand" in refused["status"]
    assert refused["threshold"] == 0.5
    assert work.run.shown.threshold == 0.5


def test_an_export_saves_it_and_bears_its_name(work, opened):
    paint(work, opened.key)
    (corrected,) = work.corrected.values()
    assert corrected.is_unsaved
    shown = export_handlers.write(work, "nifti", opened.folder)
    assert shown["export"]["value"].endswith("scan-corrected.nii.gz")
    assert shown["viewer"]["saved"] == 1
    assert not corrected.is_unsaved


def test_what_nobody_saved_is_kept_when_another_result_takes_the_page(work, opened):
    paint(work, opened.key)
    shown = opened.take("other")  # before the files were written
    assert shown["kept"]["visible"]
    (kept,) = shown["kept"]["value"]
    opened.segment()
    opened.segment()
    assert np.asarray(Image.open(kept)).ravel()[40:50].all()
    assert "kept" not in opened.take("third")


def test_what_was_saved_is_not_kept_a_second_time(work, opened):
    paint(work, opened.key)
    correct_handlers.follow(work, opened.folder, opened.key)
    correct_handlers.mark_saved(work)
    assert "kept" not in opened.take("other")


def test_a_result_that_was_replaced_takes_no_edits(work, opened):
    opened.segment()
    answer = paint(work, opened.key)
    assert (answer.is_gone, answer.problem) == (True, texts.REPLACED)


def test_the_same_result_shown_anew_goes_on_with_its_corrections(work, opened):
    paint(work, opened.key)
    shown = handlers.lay_over(None, work, None)["viewer"]
    assert shown["key"] != opened.key
    assert shown["editing"]["revision"] == 1
    assert paint(work, opened.key, 2, [0, 1, 1, 0]).is_gone
    assert paint(work, shown["key"], 2, [40, 1, 1, 0]).revision == 2


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"steps": "x"},
        {"steps": [{"number": 1, "kind": "brush", "runs": [[4090, 10, 0, 1]]}]},
        {"steps": [{"number": 1, "kind": "brush", "runs": [[40, 1, 0, 7]]}]},
        {"steps": [{"number": 2, "kind": "brush", "runs": [[40, 1, 0, 1]]}]},
        {"steps": [{"number": 1, "kind": "brush", "runs": [[0, 1, 0, 1]]}]},
    ],
    ids=["nothing", "no list", "outside", "no class", "a gap", "not what lies there"],
)
def test_what_a_browser_must_not_send_changes_nothing_and_is_said(work, opened, event):
    answer = edits.edit(work.corrections, SimpleNamespace(key=opened.key, **event))
    assert answer.problem
    assert (answer.reload, answer.revision) == (True, 0)
    for handler in (edits.between, edits.copy):
        refused = handler(work.corrections, SimpleNamespace(key=opened.key, asked=3, prediction=9, **event))
        assert (refused.asked, tuple(refused.runs)) == (3, ())
        assert refused.problem
    assert edits.edit(work.corrections, SimpleNamespace(key=[1], **event)).is_gone
