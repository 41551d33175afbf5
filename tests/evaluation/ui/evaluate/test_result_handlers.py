"""Opening, asking and listing results."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from evaluation.results.table import Results, Run, write_results
from evaluation.runs.predictions import keep_prediction
from evaluation.ui.evaluate import result_handlers as handlers
from evaluation.ui.evaluate.board import Asked, Board
from evaluation.ui.evaluate.case_handlers import open_picked
from evaluation.ui.evaluate.places import open_tab
from medseg_demo.image import LabelMap
from medseg_demo.ui.session import Running


def names(update) -> list[str]:
    return [value for _, value in update["choices"]]


def test_the_tab_opens_on_the_reference_runs(first_paint):
    assert first_paint["runs"]["value"] == ["reference/lungs"]
    assert names(first_paint["runs"]) == ["earlier/squares-run", "reference/lungs"]
    assert "one" in first_paint["leaderboard"]
    assert json.loads(first_paint["figure"])["data"]
    assert first_paint["test_set"]["value"] == "lungs"
    assert names(first_paint["checkpoints"]) == ["small"]
    assert "squares" in names(first_paint["test_sets"])


def test_without_any_result_the_tab_says_what_to_do(engine, tmp_path, monkeypatch):
    monkeypatch.setattr("evaluation.ui.evaluate.run_folders.REFERENCE_RUNS", tmp_path / "none")
    first_paint = open_tab(engine, "", "dark")
    assert "No results yet" in first_paint["status"]
    assert first_paint["board"].latest.theme == "dark"


def test_another_run_is_opened_beside(engine, first_paint):
    found = handlers.choose_runs(engine, first_paint["board"], ["reference/lungs", "earlier/squares-run"], Asked())
    assert names(found["test_set"]) == ["lungs", "squares"]
    nothing = handlers.choose_runs(engine, first_paint["board"], [], Asked())
    assert nothing["board"].answer is None
    assert not nothing["drawer"]["visible"]


def test_a_path_is_no_run(engine, first_paint, tmp_path):
    found = handlers.choose_runs(
        engine, first_paint["board"], [str(tmp_path), "mine/../../reference_runs/lungs"], Asked()
    )
    assert found["board"].opened is None


def test_a_damaged_run_is_named_and_the_page_stays(engine, first_paint, squares_run):
    (squares_run / "scores.csv").write_text("case_id\n")
    found = handlers.choose_runs(engine, first_paint["board"], ["earlier/squares-run"], Asked())
    assert "is damaged" in found["status"]
    assert not {"leaderboard", "drawer"} & found.keys()


def test_a_question_that_does_not_fit_is_settled(first_paint):
    found = handlers.ask(first_paint["board"], Asked(test_set="other", class_name="other", metric="other", first="one"))
    assert (found["test_set"]["value"], found["metric"]["value"]) == ("lungs", "dice")
    assert (found["first"]["value"], found["second"]["value"]) == ("one", "two")


def test_the_pair_is_compared_in_the_order_that_was_asked(first_paint):
    asked = Asked(first="two", second="one")
    assert "two is better in" in handlers.compare(first_paint["board"], asked)["difference"]
    assert "figure" in handlers.compare(first_paint["board"], replace(asked, plot="pairs"))
    assert "figure" not in handlers.compare(first_paint["board"], asked)


def test_a_plot_that_cannot_be_drawn_says_why(first_paint):
    one = handlers.ask(first_paint["board"], Asked(checkpoints=("one",)))["board"]
    found = handlers.draw(one, Asked(plot="pairs"))
    assert found["figure"] is None
    assert "at least two" in found["no_figure"]
    assert handlers.draw(first_paint["board"], Asked(plot="groups"))["column"]["visible"]


def test_a_dark_page_gets_dark_plots(first_paint):
    light = json.loads(first_paint["figure"])["layout"]["font"]["color"]
    turned = handlers.turn(first_paint["board"], "dark", Asked())
    assert first_paint["board"].latest.theme == "dark"
    assert json.loads(turned["figure"])["layout"]["font"]["color"] != light


def test_sorting_goes_up_then_down_then_back_to_the_worst(first_paint):
    board: Board = first_paint["board"]
    first = []
    for _ in range(3):
        board = handlers.sort_table(board, "dice")["board"]
        first.append((board.table.sort, board.table.descending))
    assert first == [("dice", False), ("dice", True), ("", False)]


def test_the_filter_keeps_what_it_names(first_paint):
    found = handlers.filter_table(first_paint["board"], "FAILED")
    assert "1 of 12 rows" in found["cases"]
    assert "No row fits" in handlers.filter_table(first_paint["board"], "nothing like it")["cases"]


def test_pictures_are_added_where_the_images_are_here(engine, first_paint):
    assert "data:image" not in handlers.add_pictures(engine, first_paint["board"])["gallery"]
    board = handlers.choose_runs(engine, first_paint["board"], ["earlier/squares-run"], Asked())["board"]
    assert handlers.add_pictures(engine, board)["gallery"].count("outcomes against the reference") == 4


def test_pictures_that_come_late_do_not_take_the_place_of_others(engine, first_paint):
    late = first_paint["board"]
    handlers.choose_runs(engine, late, ["earlier/squares-run"], Asked())
    assert handlers.add_pictures(engine, late) == {}


def test_tiles_whose_prediction_was_not_kept_do_not_claim_outcomes(engine, first_paint, squares_run):
    for path in squares_run.glob("predictions/*/*/*"):
        path.unlink()
    board = handlers.choose_runs(engine, first_paint["board"], ["earlier/squares-run"], Asked())["board"]
    gallery = handlers.add_pictures(engine, board)["gallery"]
    assert gallery.count("the image without a prediction") == gallery.count("data:image") == 4
    assert "A click opens the case" in gallery
    assert not re.search("True positive|outcomes against", gallery)


def test_splits_are_those_that_all_test_sets_have(engine, settings):
    (settings.test_sets_dir / "squares" / "cases.csv").write_text("case_id,split\ncase_00,test\ncase_01,train\n")
    found = handlers.choose_test_sets(engine, Board(), ["squares"])["split"]
    assert (names(found), found["value"]) == (["", "test", "train"], "test")
    assert "error" in handlers.choose_test_sets(engine, Board(), ["none"])["status"]


@pytest.mark.parametrize("kind", ["csv", "json", "yaml", "parquet", "report"])
def test_what_is_on_the_page_can_be_exported(engine, first_paint, tmp_path, kind):
    found = handlers.export(engine, Running("case", ""), first_paint["board"], kind, tmp_path / "exports")
    assert found["export_note"] == ""
    assert found["files"]["visible"]


def test_an_export_of_nothing_is_refused(engine, tmp_path):
    found = handlers.export(engine, Running("case", ""), Board(), "CSV", tmp_path)
    assert "No results yet" in found["export_note"]


@pytest.fixture
def seeds(engine, settings, first_paint, table_of):
    """The page on two seeds of one network, whose predictions are kept, and on one that stands alone."""
    folder = settings.results_dir / "seeds"
    table = table_of({"net_seed_0": [0.9, 0.2], "net_seed_1": [0.7, 0.4], "other": [0.5, 0.5]}, test_set="squares")
    table["case_id"] = table["case_id"].map({"case_000": "case_00", "case_001": "case_01"})
    runs = tuple(Run(name, "squares") for name in ("net_seed_0", "net_seed_1", "other"))
    write_results(Results(table, runs, (), ("dice", "reference_volume", "predicted_volume")), folder)
    keep_prediction(LabelMap(np.ones((64, 64), np.uint8), ("class_1",)), folder, "squares", "net_seed_0", "case_00")
    return handlers.choose_runs(engine, first_paint["board"], ["earlier/seeds"], Asked())


def test_seeds_are_one_method_where_that_is_asked_for_and_apart_again(seeds):
    assert seeds["methods"]["visible"]
    together = handlers.ask(seeds["board"], Asked(methods=True))
    assert [one.checkpoint for one in together["board"].answer.standings] == ["net", "other"]
    assert together["board"].answer.table["dice"].tolist() == pytest.approx([0.8, 0.3, 0.5, 0.5])
    assert "net: 2 seeds, averaged per case" in together["marks"]
    apart = handlers.ask(together["board"], Asked())
    assert len(apart["board"].answer.standings) == 3
    assert "seeds" not in apart["marks"]


def test_a_case_of_a_method_shows_the_prediction_of_a_run_that_has_it(engine, seeds):
    board = handlers.ask(seeds["board"], Asked(methods=True))["board"]
    found = open_picked(engine, board, ["squares", "net", "case_00", ""], None)
    assert found["shown"][1].predictions[0].label_map is not None


def test_runs_that_stand_alone_offer_no_methods(first_paint):
    assert not first_paint["methods"]["visible"]


def test_misses_count_what_is_asked_for(engine, first_paint, settings, table_of):
    table = table_of({"a": [0.9, 0.0], "b": [0.5, 0.5]}, test_set="squares")
    table["hd95"], table["image_diagonal"] = [2.0, np.inf, 4.0, 6.0], 50.0
    results = Results(table, (Run("a", "squares"), Run("b", "squares")), (), ("dice", "hd95", "image_diagonal"))
    write_results(results, settings.results_dir / "missed")
    board = handlers.choose_runs(engine, first_paint["board"], ["earlier/missed"], Asked())["board"]
    found = handlers.ask(board, Asked(metric="hd95", miss="diagonal"))
    assert {one.checkpoint: one.summary.mean for one in found["board"].answer.standings} == {"a": 26.0, "b": 5.0}
    assert "diagonal" in found["policy"] + found["leaderboard"]


def test_cases_that_belong_together_are_chosen(first_paint):
    assert names(first_paint["cluster"]) == ["", "site"]
    apart = handlers.ask(first_paint["board"], Asked())["board"].answer.standings[0].summary
    together = handlers.ask(first_paint["board"], Asked(cluster="site"))
    assert (apart.units, together["board"].answer.standings[0].summary.units) == (5, 2)
    assert "2 groups: too few" in together["leaderboard"]


def test_a_column_that_is_the_same_for_all_cases_says_so(engine, settings, first_paint, table_of):
    table = table_of({"a": [0.9, 0.5], "b": [0.5, 0.5]}, test_set="squares", site="AA")
    results = Results(table, (Run("a", "squares"), Run("b", "squares")), ("site",), ("dice",))
    write_results(results, settings.results_dir / "one-site")
    board = handlers.choose_runs(engine, first_paint["board"], ["earlier/one-site"], Asked())["board"]
    words = "there are no groups to compare"
    assert words in handlers.ask(board, Asked(cluster="site"))["leaderboard"]
    assert words in handlers.draw(board, Asked(plot="groups", column="site"))["no_figure"]
