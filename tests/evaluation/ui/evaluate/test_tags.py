"""A visitor's own words on cases."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from evaluation.results.answers import Question, answer
from evaluation.results.filters import matching_rows
from evaluation.results.table import Results, Run
from evaluation.results.tags import tags_of, with_tags, words_in
from evaluation.ui.evaluate import result_handlers
from evaluation.ui.evaluate.board import Asked
from evaluation.ui.evaluate.case_handlers import open_picked
from evaluation.ui.evaluate.places import open_tab
from evaluation.ui.evaluate.tags import tag
from medseg_demo.ui.session import Running

VISITOR = "0123456789abcdef" * 2
PICK = ["lungs", "one", "case_001", "class_1"]


@pytest.fixture
def tagged(engine, first_paint):
    """The reference run with a case tagged as "hard" and "left lung"."""
    board = open_picked(engine, first_paint["board"], PICK, None)["board"]
    return tag(board, ["hard", " left  lung, hard"])


def test_words_are_separated_by_commas_and_stand_once():
    assert words_in(["hard, left  lung", "hard", " , "]) == ("hard", "left lung")


def test_a_tagged_case_is_found_by_any_of_its_words(tagged):
    for text in ("tag = hard", "tags = Left Lung", "left lung"):
        found = result_handlers.filter_table(tagged["board"], text)
        assert "2 of 12 rows" in found["cases"], text  # of both checkpoints
    assert "10 of 12 rows" in result_handlers.filter_table(tagged["board"], "tag != hard")["cases"]
    assert "hard, left lung" in tagged["cases"]


def test_the_words_that_the_case_has_change_nothing(tagged):
    assert tag(tagged["board"], ["hard", "left lung"]) == {}


def test_the_drawer_offers_the_words_of_other_cases(engine, tagged):
    assert tagged["tags"]["value"] == ["hard", "left lung"]
    other = open_picked(engine, tagged["board"], ["lungs", "two", "case_002", ""], None)["tags"]
    assert (other["choices"], other["value"]) == (["hard", "left lung"], [])


def test_tags_outlive_another_question_and_can_be_taken_away(tagged):
    board = result_handlers.ask(tagged["board"], Asked(metric="reference_volume"))["board"]
    assert tags_of(board.answer) == {("lungs", "case_001"): ("hard", "left lung")}
    assert tags_of(tag(board, [])["board"].answer) == {}


def test_tags_are_exported_and_in_the_report(engine, tagged, tmp_path):
    for kind in ("csv", "report"):
        found = result_handlers.export(engine, Running("case", ""), tagged["board"], kind, tmp_path / "out")
        text = Path(found["files"]["value"][0]).read_text(encoding="utf-8")
        assert "hard, left lung" in text, kind


def test_tags_of_an_own_run_stay_in_its_folder(engine, settings, reference_runs, squares_run):
    folder = settings.results_dir / "visitors" / VISITOR / "evaluation"
    shutil.copytree(squares_run, folder)
    board = open_tab(engine, VISITOR, "light")["board"]
    pick = ["squares", "net", "case_01", ""]
    tag(open_picked(engine, board, pick, None)["board"], ["blurred"])
    again = open_tab(engine, VISITOR, "light")["board"]
    assert tags_of(again.answer) == {("squares", "case_01"): ("blurred",)}
    (folder / "tags.json").write_text("[1, 2")
    assert tags_of(open_tab(engine, VISITOR, "light")["board"].answer) == {}


def test_nothing_is_written_into_runs_of_others(engine, squares_run, first_paint):
    board = result_handlers.choose_runs(engine, first_paint["board"], ["earlier/squares-run"], Asked())["board"]
    tag(open_picked(engine, board, ["squares", "net", "case_01", ""], None)["board"], ["x"])
    assert not (squares_run / "tags.json").exists()


def test_a_column_of_the_test_set_stays_where_nobody_said_otherwise(table_of):
    table = table_of({"a": [0.5, 0.7]}).assign(tags=["old", "worn"])
    found = answer(Results(table, (Run("a", "set"),), ("tags",), ("dice",)), Question("set"))
    mine = with_tags(found, {("set", "case_000"): ("new",)})
    assert mine.table["tags"].tolist() == ["new", "worn"]
    assert mine.metadata == ("tags",)


def test_without_an_open_case_nothing_is_tagged(first_paint):
    assert tag(first_paint["board"], ["x"]) == {}


def test_a_filter_asks_for_one_of_several_words():
    table = pd.DataFrame({"case_id": ["a", "b"], "tags": ["x, y", ""]})
    assert matching_rows(table, "tag = y", ["case_id"]).tolist() == [0]
