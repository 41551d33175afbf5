"""What is answered to a question about the results."""

import math

import numpy as np
import pytest

from evaluation.results.answers import Question, answer, badness, metric_choices, select, worst_cases
from evaluation.results.figures import View, draw_figure
from evaluation.results.table import Results, Run
from evaluation.results.tables import leaderboard
from evaluation.results.words import comparison_sentence
from evaluation.statistics import Policy
from medseg_demo.errors import OptionError

GOOD, FAIR = [0.9, 0.8, 0.9, 0.95, 0.9, 0.85, 0.9], [0.7, 0.6, 0.75, 0.7, 0.6, 0.65, 0.72]


def results_of(table, metrics=("dice", "reference_volume", "predicted_volume")) -> Results:
    runs = tuple(Run(name, "set") for name in dict.fromkeys(table["checkpoint"]))
    return Results(table, runs, (), metrics)


def test_the_better_checkpoint_leads_and_its_mean_is_that_of_the_cases(table_of):
    found = answer(results_of(table_of({"fair": FAIR, "good": GOOD})), Question("set"))
    assert [standing.checkpoint for standing in found.standings] == ["good", "fair"]
    assert [standing.summary.mean for standing in found.standings] == pytest.approx([np.mean(GOOD), np.mean(FAIR)])
    assert found.standings[0].ranks == (1, 1, 1)


def test_a_comparison_can_be_read_from_either_side(table_of):
    found = answer(results_of(table_of({"fair": FAIR, "good": GOOD})), Question("set"))
    one, other = found.comparison("good", "fair"), found.comparison("fair", "good")
    assert (one.wins, one.losses, one.difference) == (7, 0, pytest.approx(np.mean(GOOD) - np.mean(FAIR)))
    assert (other.wins, other.losses, other.difference) == (0, 7, pytest.approx(-one.difference))
    assert (other.low, other.high) == (-one.high, -one.low)
    assert one.better == other.better == "good"
    assert found.comparison("good", "other") is None


def test_one_checkpoint_has_no_ranking_and_no_comparison(table_of):
    found = answer(results_of(table_of({"good": GOOD})), Question("set"))
    assert (found.ranking, found.comparisons, found.problem) == (None, (), "")
    assert found.standings[0].ranks == ()


def test_a_metric_without_direction_is_summarised_but_not_ranked(table_of):
    table = table_of({"fair": FAIR, "good": GOOD})
    found = answer(results_of(table), Question("set", metric="reference_volume"))
    assert len(found.standings) == 2
    assert "no better direction" in found.problem


def test_a_choice_without_rows_is_refused(table_of):
    with pytest.raises(OptionError, match="No row of the results fits"):
        answer(results_of(table_of({"good": GOOD})), Question("other"))


def test_selection_by_checkpoint_and_class(table_of):
    table = table_of({"a": [(0.1, 0.2)], "b": [(0.3, 0.4)]})
    rows = select(table, Question("set", ("b",), "class_2"))
    assert rows["dice"].tolist() == [0.4]
    assert rows.index.tolist() == [0]


def test_the_empty_mask_policy_moves_the_mean(table_of):
    table = table_of({"a": [0.5, math.nan]})
    found = answer(results_of(table), Question("set", policy=Policy(empty="one")))
    assert found.standings[0].summary.mean == pytest.approx(0.75)
    assert {effect.policy: effect.mean for effect in found.effects} == pytest.approx(
        {"skip": 0.5, "one": 0.75, "zero": 0.25}
    )


def test_failed_cases_are_the_worst_and_values_that_are_not_applicable_the_last(table_of):
    table = table_of({"a": [0.9, math.nan, "failed", 0.1]})
    assert [case for case, _ in worst_cases(table, "dice")] == ["case_002", "case_003", "case_000", "case_001"]
    assert badness(table, "dice")[2] == math.inf


def test_misses_are_worse_than_any_distance(table_of):
    table = table_of({"a": [3.0, math.inf, 9.0]}, metric="hd95")
    assert [case for case, _ in worst_cases(table, "hd95", most=2)] == ["case_001", "case_002"]


def test_of_several_checkpoints_the_worst_counts_for_a_case(table_of):
    table = table_of({"a": [0.9, 0.5], "b": [0.2, 0.6]})
    assert worst_cases(table, "dice") == [("case_000", "b"), ("case_001", "a")]
    assert worst_cases(table, "dice", checkpoint="a") == [("case_001", "a"), ("case_000", "a")]


def test_metrics_with_a_direction_come_first(table_of):
    results = results_of(table_of({"a": GOOD}), ("reference_volume", "hd95_pooled", "dice"))
    assert metric_choices(results) == ("dice", "reference_volume", "hd95_pooled")


def test_pairs_are_compared_where_no_case_has_a_value_for_every_checkpoint(table_of):
    table = table_of({"good": GOOD, "fair": FAIR, "elsewhere": GOOD})
    away = table["checkpoint"] == "elsewhere"
    table.loc[away, "case_id"] = "other_" + table.loc[away, "case_id"]
    found = answer(results_of(table), Question("set"))
    assert found.ranking is None
    assert found.problem.startswith("There is no ranking: No case has a value of 'dice' for every checkpoint")
    assert (found.comparison("good", "fair").pairs, found.comparison("good", "fair").better) == (7, "good")
    assert (found.comparison("good", "elsewhere").pairs, found.comparison("good", "elsewhere").better) == (0, None)
    assert found.problem in leaderboard(found).notes
    assert "have no case in common" in comparison_sentence(found.comparison("fair", "elsewhere"))
    assert draw_figure("significance", found, View()).data
