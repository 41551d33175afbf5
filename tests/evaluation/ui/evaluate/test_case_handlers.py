"""The drawer: the very case that was picked, and its neighbours."""

from dataclasses import replace

import numpy as np
import pytest

from evaluation.results.origins import CasePrediction
from evaluation.results.table import Results, Run, write_results
from evaluation.runs.predictions import keep_prediction
from evaluation.ui.corrections.work import Correcting
from evaluation.ui.evaluate import case_handlers as drawer
from evaluation.ui.evaluate import corrections, result_handlers
from evaluation.ui.evaluate.board import Asked, Board, CaseKey
from medseg_demo.image import LabelMap
from medseg_demo.rendering.packing import unpack

PICK = ["squares", "net", "case_02", "class_1"]


@pytest.fixture
def board(engine, first_paint) -> Board:
    return result_handlers.choose_runs(engine, first_paint["board"], ["earlier/squares-run"], Asked())["board"]


def test_the_picked_case_is_shown_with_reference_and_prediction(engine, board):
    found = drawer.open_picked(engine, board, PICK, None)
    assert found["drawer"]["visible"]
    assert "case_02" in found["case_head"]
    assert "3 of 4" not in found["case_head"]  # by score it is the second worst
    assert "2 of 4, the worst of net first" in found["case_head"]
    value = found["viewer"]["value"]
    assert (value["title"], value["mode"], value["layout"]) == ("case_02", "errors", "single")
    assert [one["name"] for one in value["predictions"]] == ["net"]
    assert unpack(value["slices"][0]["predictions"][0]["labels"]).sum() == 32 * 64
    assert unpack(value["slices"][0]["reference"]).sum() == 32 * 32
    assert value["regions"][0]["size"] == "2\u202f048 px"  # 16 rows too many, 16 rows of the square missed: they touch
    assert found["others"] == ""
    assert 'aria-current="true"' in found["cases"]
    assert "0.700" in found["case_scores"]


def test_neighbours_go_from_the_worst_on_and_round(engine, board):
    found = drawer.open_picked(engine, board, ["squares", "net", "case_01", ""], None)
    seen = []
    for _ in range(4):
        found = drawer.open_neighbour(engine, found["board"], 1, found["shown"])
        seen.append(found["board"].case.case_id)
    assert seen == ["case_02", "case_03", "case_00", "case_01"]
    assert drawer.open_neighbour(engine, found["board"], -1, found["shown"])["board"].case.case_id == "case_00"


def test_another_prediction_of_the_open_case_is_not_read_again(engine, board, squares_run):
    found = drawer.open_picked(engine, board, PICK, None)
    (squares_run.parent.parent / "sets" / "squares" / "images" / "case_02.png").unlink()
    assert drawer.open_picked(engine, found["board"], PICK, found["shown"])["shown"][1] is found["shown"][1]


def test_a_case_that_comes_late_does_not_bring_its_run_back(engine, board, monkeypatch):
    def slow(*found):
        result_handlers.choose_runs(engine, board, [], Asked())
        return {}

    monkeypatch.setattr(drawer, "_pictures", slow)
    assert drawer.open_picked(engine, board, PICK, None) == {}


def test_where_the_images_are_not_here_the_drawer_says_how_to_get_them(engine, first_paint):
    found = drawer.open_picked(engine, first_paint["board"], ["lungs", "one", "case_003", "class_1"], None)
    assert "Kermany" in found["case_note"]
    assert "lungs/images" in found["case_note"]
    assert found["viewer"]["value"] is None
    assert "unreadable" in found["case_scores"]  # the case failed, and says why
    assert "site" in found["case_scores"]


def test_closing_forgets_the_case(engine, board):
    found = drawer.close(drawer.open_picked(engine, board, PICK, None)["board"])
    assert (found["board"].case, found["shown"], found["drawer"]["visible"]) == (None, None, False)
    assert "aria-current" not in found["cases"]


def test_slices_are_sent_with_the_key_that_is_shown(engine, board):
    shown = drawer.open_picked(engine, board, PICK, None)["shown"]
    value = corrections.send_slices(Correcting(), shown, "axial", [0, 7], "abc")
    assert (value["key"], [one["index"] for one in value["slices"]]) == ("abc", [0])
    assert corrections.send_slices(Correcting(), None, "axial", [0], "abc") != value


def other_run(settings, table_of):
    """A run of another checkpoint on the same cases, whose kept predictions are empty."""
    folder = settings.results_dir / "other-run"
    table = table_of({"netB": [0.0, 0.1, 0.2, 0.3]}, test_set="squares")
    table["case_id"] = [f"case_{number:02}" for number in range(4)]
    for case_id in table["case_id"]:
        keep_prediction(LabelMap(np.zeros((64, 64), np.uint8), ("class_1",)), folder, "squares", "netB", case_id)
    write_results(Results(table, (Run("netB", "squares"),), (), ("dice",)), folder)
    return "earlier/other-run"


def names_in_viewer(found):
    return [one["name"] for one in found["viewer"]["value"]["predictions"]]


def test_another_run_never_stands_over_the_predictions_of_the_one_before(engine, board, settings, table_of):
    key = other_run(settings, table_of)
    found = drawer.open_picked(engine, board, PICK, None)
    chosen = result_handlers.choose_runs(engine, found["board"], [key], Asked())
    assert (chosen["shown"], chosen["drawer"]["visible"], chosen["board"].case) == (None, False, None)
    again = drawer.open_picked(engine, chosen["board"], ["squares", "netB", "case_02", ""], found["shown"])
    assert "netB" in again["case_head"]
    assert names_in_viewer(again) == ["netB"]


def test_a_checkpoint_that_is_chosen_later_is_brought_in(engine, board, settings, table_of):
    keys = ["earlier/squares-run", other_run(settings, table_of)]
    board = result_handlers.choose_runs(engine, board, keys, Asked(checkpoints=("net",)))["board"]
    found = drawer.open_picked(engine, board, PICK, None)
    assert names_in_viewer(found) == ["net"]
    asked = result_handlers.ask(found["board"], Asked())
    assert asked["board"].case == CaseKey(*PICK)  # the case is still there
    assert "drawer" not in asked
    found = drawer.open_picked(engine, asked["board"], ["squares", "netB", "case_02", ""], found["shown"])
    assert names_in_viewer(found) == ["netB", "net"]
    asked = result_handlers.ask(found["board"], Asked(checkpoints=("net",)))
    assert (asked["board"].case, asked["shown"], asked["drawer"]["visible"]) == (None, None, False)


def test_four_predictions_are_linked_and_the_others_wait(engine, board, monkeypatch):
    def prediction(name):
        return CasePrediction(name, None if name == "lost" else case.reference, "not kept" if name == "lost" else "")

    case = drawer.open_picked(engine, board, PICK, None)["shown"][1]
    case = replace(case, predictions=tuple(map(prediction, ["a", "b", "lost", "c", "d", "net"])))
    monkeypatch.setattr(drawer, "open_case", lambda *_, **__: case)
    found = drawer.open_picked(engine, board, PICK, None)
    value = found["viewer"]["value"]
    assert [one["name"] for one in value["predictions"]] == ["net", "a", "b", "c"]
    assert value["layout"] == "side"
    assert found["others"].count("<button") == 1
    assert "d: " in found["others"]
    assert "lost: not kept" in found["case_note"]
    sent = corrections.send_slices(Correcting(), found["shown"], "axial", [0], value["key"])
    assert [one["name"] for one in sent["predictions"]] == ["net", "a", "b", "c"]


def test_a_volume_opens_in_three_planes_and_sends_slices_of_each(engine, first_paint, volumes_run):
    keys = ["earlier/volumes-run"]
    board = result_handlers.choose_runs(engine, first_paint["board"], keys, Asked())["board"]
    found = drawer.open_picked(engine, board, ["volumes", "far", "volume_1", ""], None)
    value = found["viewer"]["value"]
    assert [one["name"] for one in value["predictions"]] == ["far", "near"]
    assert value["predictions"][0]["totals"] == [{"predicted": 2100, "reference": 2100, "both": 5 * 20 * (21 - 6)}]
    assert {one["plane"] for one in value["slices"]} == {"axial", "coronal", "sagittal"}
    sent = corrections.send_slices(Correcting(), found["shown"], "sagittal", [3, 47, 48], value["key"])
    assert [(one["plane"], one["index"]) for one in sent["slices"]] == [("sagittal", 3), ("sagittal", 47)]
    assert {one["size"] for one in value["regions"]} == {"1.200 ml"}  # 6 of 48 columns at either side, 2 mm³ a voxel


def test_a_pick_of_something_else_changes_nothing(engine, board):
    assert drawer.open_picked(engine, board, ["A", "B"], None) == {}
    assert drawer.open_neighbour(engine, board, 1, None) == {}


def test_a_bundled_checkpoint_makes_its_prediction_again(engine, board, squares_run):
    for path in squares_run.glob("predictions/*/*/*"):
        path.unlink()
    case = drawer._open(engine, board, CaseKey(*PICK))
    assert case.predictions[0].label_map is None  # "net" is not among the checkpoints
    assert "does not exist" in case.predictions[0].note
    board.opened.origins["squares", "net"] = (
        type(board.opened.results.runs[0])("small", "squares", checkpoint_hash="other"),
        None,
    )
    made = drawer._open(engine, board, CaseKey(*PICK)).predictions[0]
    assert made.label_map.labels.dtype == np.uint8
    assert "another version" in made.note


def test_a_channel_is_sent_when_it_is_asked_for(engine, board, monkeypatch):
    monkeypatch.setattr("medseg_demo.rendering.shown.MOST_TOGETHER", 0)
    key, case = drawer.open_picked(engine, board, PICK, None)["shown"]
    pixels = np.repeat(case.image.pixels[..., np.newaxis], 4, axis=-1)
    names = ("a", "b", "c", "d")
    shown = key, replace(case, image=replace(case.image, pixels=pixels, axes="YXC", channel_names=names))
    for asked, sent in (([2], 2), ([7], 0), (None, 0)):
        (part,) = corrections.send_slices(Correcting(), shown, "axial", [0], "abc", asked)["slices"]
        assert [place for place, packed in enumerate(part["images"]) if packed] == [sent]
