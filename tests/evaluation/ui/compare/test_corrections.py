"""Corrections on the Compare tab, as plain functions."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.ui.compare import corrections
from evaluation.ui.compare import run as compare_run
from evaluation.ui.compare.handlers import take_files
from evaluation.ui.compare.state import Request, Work
from evaluation.ui.corrections import texts as said
from medseg_demo.correcting.edits import Step
from medseg_demo.rendering.packing import unpack

ADDRESS = "http://127.0.0.1:7860/"


@pytest.fixture
def work(known_engine, visitor, picture, run, mask):
    """A finished comparison of two checkpoints and a reference, which is the left half."""
    found = visitor.work(Work)
    take_files(known_engine, found, [picture()], visitor.session.folder)
    run(Request(("half", "strict"), references=(mask(),), method="majority"))
    return found


def paint(work, *runs):
    correction = work.correcting.current.correction
    correction.apply([Step(correction.revision + 1, "brush", runs)])
    return corrections.describe(work)


def right_half(labels):
    """Runs that take the right half away, where it is marked."""
    rows = [y for y in range(64) if labels[y, 32:].any()]
    places = [np.flatnonzero(labels[y, 32:]) + 32 for y in rows]
    return [(y * 64 + int(x[0]), len(x), 1, 0) for y, x in zip(rows, places, strict=True)]


def test_a_prediction_is_chosen_corrected_and_compared_with_the_others(work, tmp_path):
    chosen = corrections.choose(work, "half")
    assert chosen["viewer"]["editing"]["prediction"] == 0
    assert chosen["viewer"]["predictions"][0]["threshold"] is None
    assert chosen["correct_add"]["visible"]
    before = work.result.comparison.members[0].label_map.labels
    told = paint(work, *right_half(before))["corrected"]
    assert "1.000" in told  # the left half is all that the reference marks
    sent = compare_run.send_slices(work, "axial", [0], work.correcting.key)
    assert unpack(sent["slices"][0]["predictions"][0]["labels"]).sum() == 64 * 32
    added = corrections.add(work, tmp_path, ADDRESS)
    comparison = work.result.comparison
    assert [one.name for one in comparison.members] == ["half", "strict", "half-corrected", "reference"]
    assert comparison.members[0].label_map.labels is before  # as it was
    assert comparison.method == "majority"
    assert {(one.name, one.dice) for one in comparison.scores} >= {("half-corrected", 1.0)}
    assert "half-corrected is compared with the others now" in added["corrected"]
    assert "Made of half by hand. Corrected." in added["tables"]
    stored = np.asarray(Image.open(added["label_map_2"]["value"]))
    assert (stored == comparison.members[2].label_map.labels).all()
    assert "half-corrected" in json.dumps(json.loads(Path(added["document"]).read_text()))
    assert added["viewer"]["editing"] is None
    assert corrections.add(work, tmp_path, ADDRESS) == {"corrected": corrections.corrections.unchanged()}


def test_a_corrected_label_map_can_be_corrected_on(work, tmp_path):
    for name in ("half", "half-corrected"):
        corrections.choose(work, name)
        paint(work, (0, 1, 1, 0)) if name == "half" else paint(work, (1, 1, 1, 0))
        corrections.add(work, tmp_path, ADDRESS)
    names = [one.name for one in work.result.comparison.members]
    assert names == ["half", "strict", "half-corrected", "half-corrected-corrected", "reference"]


def test_the_reference_and_the_consensus_are_not_corrected(work):
    for name in ("reference", "majority", "", None):
        assert corrections.choose(work, name)["viewer"]["editing"] is None
    assert work.correcting.current is None


def test_a_run_in_between_replaces_what_was_corrected(work, run, mask):
    corrections.choose(work, "half")
    key = work.correcting.key
    paint(work, (0, 1, 1, 0))
    last = run(Request(("half", "strict")))[-1]
    assert last["correct"]["value"] == ""
    assert last["viewer"]["key"] != key
    again = corrections.choose(work, "half")  # the same image and result: the corrections are still there
    assert again["viewer"]["editing"]["revision"] == 1
    assert work.correcting.corrections.find(key) is None


def test_what_is_not_changed_is_neither_added_nor_written(work, tmp_path):
    corrections.choose(work, "half")
    assert said.UNCHANGED in corrections.add(work, tmp_path, ADDRESS)["corrected"]
    assert said.UNCHANGED in corrections.write(work, "auto", tmp_path)["corrected"]


def test_without_room_the_comparison_stays_as_it_was(work, tmp_path, monkeypatch):
    corrections.choose(work, "half")
    paint(work, (0, 1, 1, 0))
    before = work.result

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    assert "No space left on device" in corrections.add(work, tmp_path, ADDRESS)["corrected"]
    assert "No space left on device" in corrections.write(work, "auto", tmp_path)["corrected"]
    assert work.result is before
    assert work.correcting.current.correction.is_changed
