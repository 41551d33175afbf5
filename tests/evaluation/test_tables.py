"""Answers as tables of words."""

import math

import pytest

from evaluation import tables
from evaluation.answers import Question, answer
from evaluation.results import Results, Run


@pytest.fixture
def found(table_of):
    def make(scores, metric="dice"):
        table = table_of(scores, metric=metric)
        runs = tuple(Run(name, "set") for name in scores)
        return answer(Results(table, runs, (), (metric,)), Question("set", metric=metric))

    return make


def test_a_miss_takes_the_place_of_the_mean_and_is_counted(found):
    table = tables.leaderboard(found({"a": [1.0, 2.0, math.inf]}, "hd95"))
    row = dict(zip(table.header, table.rows[0], strict=True))
    assert (row["Mean"], row["Median"], row["Misses"], row["n"]) == ("n/a", "2.000", "1", "3")
    assert "(median)" in row["95 % interval"]
    assert any("no mean is shown" in note for note in table.notes)
    assert "(mm)" in table.notes[0]


def test_failed_cases_are_counted_beside(found):
    row = tables.leaderboard(found({"a": [0.5, "failed"]})).rows[0]
    assert dict(zip(tables.COLUMNS, row, strict=False))["Failed"] == "1"


def test_ranks_stand_beside_their_stability(found):
    table = tables.leaderboard(found({"a": [0.9] * 8, "b": [0.1] * 8}))
    assert table.rows[0][-3:] == ("1 (100%)",) * 3


def test_policies_say_when_they_move_nothing(found):
    assert tables.policies(found({"a": [0.5, 0.7]})).notes == (tables.NOTHING_MOVES,)
    moved = tables.policies(found({"a": [0.5, math.nan]}))
    assert moved.rows == (("a", "0.500, n = 1", "0.750 (+0.250), n = 2", "0.250 (−0.250), n = 2"),)
    assert tables.policies(found({"a": [3.0]}, "hd95")) is None


def test_conventions_name_the_empty_mask_rule_and_the_source():
    table = tables.conventions(("dice", "unknown"))
    assert len(table.rows) == 1
    assert "Both empty: NaN" in " ".join(table.rows[0])
