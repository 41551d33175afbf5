"""Opening, asking and listing results."""

import json
from dataclasses import replace

import pytest

from evaluation.ui import result_handlers as handlers
from evaluation.ui.board import Asked, Board


def names(update) -> list[str]:
    return [value for _, value in update["choices"]]


def test_the_tab_opens_on_the_reference_runs(page):
    assert page["runs"]["value"] == ["reference/lungs"]
    assert names(page["runs"]) == ["reference/lungs", "earlier/squares-run"]
    assert "one" in page["leaderboard"]
    assert json.loads(page["figure"])["data"]
    assert page["test_set"]["value"] == "lungs"
    assert names(page["checkpoints"]) == ["small"]
    assert "squares" in names(page["test_sets"])


def test_without_any_result_the_tab_says_what_to_do(engine, tmp_path, monkeypatch):
    monkeypatch.setattr("evaluation.ui.run_folders.REFERENCE_RUNS", tmp_path / "none")
    page = handlers.open_tab(engine, "", "dark")
    assert "No results yet" in page["status"]
    assert page["board"].theme == "dark"


def test_another_run_is_opened_beside(engine, page):
    found = handlers.choose_runs(engine, page["board"], ["reference/lungs", "earlier/squares-run"], Asked())
    assert names(found["test_set"]) == ["lungs", "squares"]
    nothing = handlers.choose_runs(engine, page["board"], [], Asked())
    assert nothing["board"].answer is None


def test_a_path_is_no_run(engine, page, tmp_path):
    found = handlers.choose_runs(engine, page["board"], [str(tmp_path), "mine/../../reference_runs/lungs"], Asked())
    assert found["board"].opened is None


def test_a_damaged_run_is_named_and_the_page_stays(engine, page, squares_run):
    (squares_run / "scores.csv").write_text("case_id\n")
    found = handlers.choose_runs(engine, page["board"], ["earlier/squares-run"], Asked())
    assert "is damaged" in found["status"]
    assert "leaderboard" not in found


def test_a_question_that_does_not_fit_is_settled(page):
    found = handlers.ask(page["board"], Asked(test_set="other", class_name="other", metric="other", first="one"))
    assert (found["test_set"]["value"], found["metric"]["value"]) == ("lungs", "dice")
    assert (found["first"]["value"], found["second"]["value"]) == ("one", "two")


def test_the_pair_is_compared_in_the_order_that_was_asked(page):
    asked = Asked(first="two", second="one")
    assert "two is better in" in handlers.compare(page["board"], asked)["difference"]
    assert "figure" in handlers.compare(page["board"], replace(asked, plot="pairs"))
    assert "figure" not in handlers.compare(page["board"], asked)


def test_a_plot_that_cannot_be_drawn_says_why(page):
    one = handlers.ask(page["board"], Asked(checkpoints=("one",)))["board"]
    found = handlers.draw(one, Asked(plot="pairs"))
    assert found["figure"] is None
    assert "at least two" in found["no_figure"]
    assert handlers.draw(page["board"], Asked(plot="groups"))["column"]["visible"]


def test_a_dark_page_gets_dark_plots(page):
    light = json.loads(page["figure"])["layout"]["font"]["color"]
    turned = handlers.turn(page["board"], "dark", Asked())
    assert turned["board"].theme == "dark"
    assert json.loads(turned["figure"])["layout"]["font"]["color"] != light


def test_sorting_goes_up_then_down_then_back_to_the_worst(page):
    board: Board = page["board"]
    first = []
    for _ in range(3):
        board = handlers.sort_table(board, "dice")["board"]
        first.append((board.table.sort, board.table.descending))
    assert first == [("dice", False), ("dice", True), ("", False)]


def test_the_filter_keeps_what_it_names(page):
    found = handlers.filter_table(page["board"], "FAILED")
    assert "1 of 12 rows" in found["cases"]
    assert "No row fits" in handlers.filter_table(page["board"], "nothing like it")["cases"]


def test_pictures_are_added_where_the_images_are_here(engine, page):
    assert "data:image" not in handlers.add_pictures(engine, page["board"])["gallery"]
    board = handlers.choose_runs(engine, page["board"], ["earlier/squares-run"], Asked())["board"]
    assert handlers.add_pictures(engine, board)["gallery"].count("outcomes against the reference") == 4


def test_splits_are_those_that_all_test_sets_have(engine, settings):
    (settings.test_sets_dir / "squares" / "cases.csv").write_text("case_id,split\ncase_00,test\ncase_01,train\n")
    found = handlers.choose_test_sets(engine, ["squares"])["split"]
    assert (names(found), found["value"]) == (["", "test", "train"], "test")
    assert "error" in handlers.choose_test_sets(engine, ["none"])["status"]


@pytest.mark.parametrize("kind", ["CSV", "JSON", "Model index (YAML)", "Report (HTML)"])
def test_what_is_on_the_page_can_be_exported(engine, page, tmp_path, kind):
    found = handlers.export(engine, page["board"], kind, tmp_path / "exports")
    assert found["export_note"] == ""
    assert found["files"]["visible"]


def test_an_export_of_nothing_is_refused(engine, tmp_path):
    found = handlers.export(engine, Board(), "CSV", tmp_path)
    assert "No results yet" in found["export_note"]
