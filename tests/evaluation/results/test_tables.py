"""Answers as tables of words."""

import math

import pytest

from evaluation.results import tables
from evaluation.results.answers import Question, answer
from evaluation.results.table import Results, Run
from medseg_demo.numbers import THOUSANDS


@pytest.fixture
def found(table_of):
    def make(scores, metric="dice", tolerances=(), **columns):
        table = table_of(scores, metric=metric, **columns)
        settings = [{"nsd_tolerance": one} for one in tolerances] or [{}] * len(scores)
        runs = tuple(Run(name, "set", settings=own) for name, own in zip(scores, settings, strict=True))
        return answer(Results(table, runs, (), (metric,)), Question("set", metric=metric))

    return make


def test_a_miss_takes_the_place_of_the_mean_and_is_counted(found):
    table = tables.leaderboard(found({"a": [1.0, 1.0, 2.0, 2.0, 3.0, math.inf]}, "hd95"))
    row = dict(zip(table.header, table.rows[0], strict=True))
    assert (row["Mean"], row["Median"], row["Misses"], row["n"]) == ("n/a", "2.000", "1", "6")
    assert "(median)" in row["95 % interval"]
    assert any("no mean is shown" in note for note in table.notes)
    assert "(mm)" in table.notes[0]


def test_of_few_cases_or_groups_there_is_no_interval_and_a_note_says_why(found):
    def shown(answered):
        table = tables.leaderboard(answered)
        return dict(zip(table.header, table.rows[0], strict=True))["95 % interval"], " ".join(table.notes)

    values = [0.788, 0.833, 0.8, 0.82]
    assert shown(found({"a": values}))[0] == "n/a (4 cases)"
    interval, notes = shown(found({"a": values}, groups=["p1", "p1", "p2", "p2"]))
    assert interval == "n/a (2 groups)"
    assert "2 groups: too few for an interval; it needs at least 6 cases, or 5 groups of cases." in notes
    interval, notes = shown(found({"a": values * 2}))
    assert "–" in interval
    assert "too few" not in notes


def test_numbers_have_their_unit_or_their_tolerance(found):
    nsd = found({"a": [0.5], "b": [0.6]}, "nsd", tolerances=[2.0, 2.0])
    assert "(surface Dice), tolerance 2 mm. " in tables.leaderboard(nsd).notes[0]
    mixed = found({"a": [0.5], "b": [0.6]}, "nsd", tolerances=[2.0, 0.5])
    assert "tolerance 0.5, 2 mm" in tables.leaderboard(mixed).notes[0]
    assert "tolerance not known" in tables.leaderboard(found({"a": [0.5]}, "nsd")).notes[0]
    nsd.table["hd95"] = 3.0
    assert tables.every_metric(nsd, ("hd95", "nsd", "reference_volume")).header[1:] == (
        "Hausdorff distance, 95th percentile (mm)",
        "Normalised surface distance (surface Dice), tolerance 2 mm",
        "Size of the reference (ml)",
    )


def test_failed_cases_are_counted_beside(found):
    row = tables.leaderboard(found({"a": [0.5, "failed"]})).rows[0]
    assert dict(zip(tables.COLUMNS, row, strict=False))["Failed"] == "1"


def test_ranks_stand_beside_their_stability(found):
    table = tables.leaderboard(found({"a": [0.9] * 8, "b": [0.1] * 8}))
    assert table.rows[0][-3:] == (f"1 (100{THOUSANDS}%)",) * 3
    few = tables.leaderboard(found({"a": [0.9] * 3, "b": [0.1] * 3}))
    assert few.rows[0][-3:] == ("1",) * 3


def test_policies_say_when_they_move_nothing(found):
    assert tables.policies(found({"a": [0.5, 0.7]})).notes == (tables.NOTHING_MOVES,)
    moved = tables.policies(found({"a": [0.5, math.nan]}))
    assert moved.rows == (("a", "0.500, n = 1", "0.750 (+0.250), n = 2", "0.250 (−0.250), n = 2"),)
    assert tables.policies(found({"a": [3.0]}, "hd95")) is None


def test_the_choices_of_a_metric_stand_beside_its_numbers(found):
    rule = "shared pixel is a match"
    assert any(rule in note for note in tables.leaderboard(found({"a": [0.5]}, "lesion_f1")).notes)
    printed = {row[1]: row[2] for row in tables.conventions(("lesion_recall", "cldice", "hd95")).rows}
    assert rule in printed["lesion_recall"]
    assert "edges and corners" in printed["lesion_recall"]
    assert "Zhang and Suen" in printed["cldice"]
    assert "95th percentiles" in printed["hd95"]


def test_conventions_name_the_empty_mask_rule_and_the_source():
    table = tables.conventions(("dice", "unknown"))
    assert len(table.rows) == 1
    assert "Both empty: NaN" in " ".join(table.rows[0])


def test_a_tolerance_may_differ_by_class(found):
    own = {"class_1": 2.0, "": 0.5}
    both = found({"a": [0.5], "b": [0.6]}, "nsd", tolerances=[own, own])
    assert "tolerance class_1 2 mm, other classes 0.5 mm. " in tables.leaderboard(both).notes[0]
    one = answer(both.results, Question("set", class_name="class_1", metric="nsd"))
    assert "tolerance 2 mm. " in tables.leaderboard(one).notes[0]
