"""Corrections in the drawer, as plain functions: of a prediction and of the reference, saved in both ways."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.ui.corrections import texts as said
from evaluation.ui.corrections.work import Correcting
from evaluation.ui.evaluate import case_handlers, corrections, result_handlers
from evaluation.ui.evaluate.board import Asked
from evaluation.ui.evaluate.case_handlers import OF_REFERENCE
from medseg_demo.correcting.edits import Step
from medseg_demo.errors import OutputError
from medseg_demo.rendering.packing import unpack

PICK = ["squares", "net", "case_02", "class_1"]
TOP = 16 * 64  # the first rows, which the prediction marks and the reference does not


class Page:
    """One visitor with the drawer open."""

    def __init__(self, engine, board):
        self.engine, self.board, self.work, self.says = engine, board, Correcting(), {}
        self.open(board, PICK)

    def open(self, board, pick):
        self.says = case_handlers.open_picked(self.engine, board, pick, None)
        self.board, self.shown = self.says["board"], self.says["shown"]
        return self.says

    def choose(self, name):
        return corrections.choose(self.work, self.shown, name, may_replace=True)

    def paint(self, *runs):
        correction = self.work.current.correction
        correction.apply([Step(correction.revision + 1, "brush", runs)])
        return corrections.describe(self.work, self.shown)

    def ask(self, *, is_owner=True, settings=None):
        return corrections.ask(settings or self.engine.settings, self.board, self.work, self.shown, is_owner=is_owner)

    def replace(self, *, is_owner=True, settings=None):
        settings = settings or self.engine.settings
        return corrections.replace(settings, self.board, self.work, self.shown, self.open, is_owner=is_owner)

    @property
    def mask(self):
        return self.engine.settings.test_sets_dir / "squares" / "masks" / "case_02.png"


@pytest.fixture
def page(engine, first_paint):
    chosen = partial(result_handlers.choose_runs, engine)
    return Page(engine, chosen(first_paint["board"], ["earlier/squares-run"], Asked())["board"])


def test_predictions_and_the_reference_are_offered_and_nothing_is_chosen(page):
    assert page.says["correct"]["choices"] == [("nothing", ""), ("net", "net"), ("the reference", OF_REFERENCE)]
    assert page.says["correct"]["value"] == ""
    assert page.says["viewer"]["value"]["editing"] is None
    for name in ("no such", "", None):
        assert page.choose(name)["viewer"]["editing"] is None
        assert page.work.current is None


def test_a_prediction_is_corrected_and_its_dice_told_before_and_after(page):
    chosen = page.choose("net")
    editing = chosen["viewer"]["editing"]
    assert (editing["prediction"], editing["classes"], editing["revision"]) == (0, [1], 0)
    assert said.READY.format(name="net") in chosen["corrected"]
    assert chosen["correct_format"]["choices"][0] == ("PNG", "auto")
    after = page.paint((0, TOP, 1, 0))["corrected"]
    assert "0.333" in after  # 2 × 512 / (2048 + 1024)
    assert "0.500" in after  # 2 × 512 / (1024 + 1024)
    sent = corrections.send_slices(page.work, page.shown, "axial", [0], page.work.key)
    assert unpack(sent["slices"][0]["predictions"][0]["labels"]).sum() == 1024
    assert sent["editing"]["revision"] == 1
    other = corrections.send_slices(page.work, page.shown, "axial", [0], "another value")
    assert unpack(other["slices"][0]["predictions"][0]["labels"]).sum() == 2048


def test_the_corrected_label_map_is_written_for_download(page, tmp_path):
    page.choose("net")
    assert said.UNCHANGED in corrections.write(page.work, page.shown, "auto", tmp_path)["corrected"]
    page.paint((0, TOP, 1, 0))
    found = corrections.write(page.work, page.shown, "auto", tmp_path)
    assert Path(found["correct_file"]["value"]).name == "case_02-corrected.png"
    assert np.asarray(Image.open(found["correct_file"]["value"])).sum() == 1024
    assert (found["viewer"]["saved"], found["viewer"]["key"]) == (1, page.work.key)


def test_a_corrected_prediction_becomes_the_reference_and_the_old_one_is_kept(page):
    old = page.mask.read_bytes()
    page.choose("net")
    page.paint((0, TOP, 1, 0))
    asked = page.ask()
    assert asked["reference_confirm"]["visible"]
    assert "The reference of case case_02 in squares becomes net" in asked["reference_question"]
    assert page.mask.read_bytes() == old  # it was only asked
    found = page.replace()
    assert "masks/replaced_references/case_02." in found["corrected"]
    assert "evaluate" in found["corrected"].lower()
    assert not found["reference_confirm"]["visible"]
    assert np.unique(np.asarray(Image.open(page.mask))).tolist() == [0, 255]  # as it was stored
    (kept,) = (page.mask.parent / "replaced_references").iterdir()
    assert kept.read_bytes() == old
    assert page.shown[1].reference.labels.sum() == 1024  # the drawer shows the new one
    assert page.work.current is None


def test_the_reference_itself_is_corrected_beside_the_predictions(page):
    chosen = page.choose(OF_REFERENCE)
    assert [one["name"] for one in chosen["viewer"]["predictions"]] == ["the reference", "net"]
    assert chosen["viewer"]["editing"]["copies"] == [1]
    assert "net" in page.paint((0, 64, 0, 1))["corrected"]
    page.replace()
    assert (np.asarray(Image.open(page.mask))[0] == 255).all()


@pytest.mark.parametrize("who", ["visitor", "public"])
def test_only_the_owner_replaces_references(page, who):
    before = page.mask.read_bytes()
    page.choose("net")
    page.paint((0, TOP, 1, 0))
    settings = replace(page.engine.settings, public=who == "public")
    arguments = {"is_owner": who == "public", "settings": settings}
    for handler in (page.ask, page.replace):
        assert "only by who started this page" in handler(**arguments)["corrected"]
    assert page.mask.read_bytes() == before
    assert not (page.mask.parent / "replaced_references").exists()
    assert page.work.current.correction.is_changed  # nothing is lost


def test_a_reference_that_another_tab_replaced_is_left_alone(engine, page):
    other = Page(engine, page.board)
    for one in (page, other):
        one.choose("net")
    page.paint((0, TOP, 1, 0))
    other.paint((64, 64, 1, 0))
    page.replace()
    now = page.mask.read_bytes()
    assert "was replaced since the case was opened" in other.replace()["corrected"]
    assert page.mask.read_bytes() == now
    other.open(other.board, PICK)
    assert (
        "0.681" in other.choose("net")["corrected"]
    )  # 2 × 1024 / (1984 + 1024): its own corrections are still there, against the new one


def test_without_room_the_old_reference_stays_and_nothing_is_lost(page, monkeypatch):
    before = page.mask.read_bytes()
    page.choose("net")
    page.paint((0, TOP, 1, 0))

    def full(*_, **__):
        raise OutputError("case_02.png cannot be written (No space left on device).")

    monkeypatch.setattr(corrections, "replace_reference", full)
    assert "No space left on device" in page.replace()["corrected"]
    assert page.mask.read_bytes() == before
    assert page.work.current.correction.is_changed


def test_a_test_set_that_was_brought_is_none_of_the_servers(page, tmp_path):
    (tmp_path / "own" / "squares").mkdir(parents=True)
    page.board = replace(page.board, own_test_sets=tmp_path / "own")
    page.choose("net")
    page.paint((0, TOP, 1, 0))
    assert "goes with it" in page.ask()["corrected"]


def test_corrections_are_there_again_after_another_case_was_looked_at(page):
    page.choose("net")
    page.paint((0, TOP, 1, 0))
    page.open(page.board, ["squares", "net", "case_03", ""])
    page.choose("net")
    page.open(page.board, PICK)
    again = page.choose("net")
    assert again["viewer"]["editing"]["revision"] == 1
    assert "0.500" in again["corrected"]
