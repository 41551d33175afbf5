import math

import pytest

from evaluation.results.answers import Question, answer
from evaluation.results.gaps import largest_gaps
from evaluation.results.table import Results, Run


@pytest.fixture
def gaps(table_of):
    def find(scores, metric="dice", **options):
        table = table_of(scores, metric=metric)
        results = Results(table, tuple(Run(name, "set") for name in scores), (), (metric,))
        ahead, behind = largest_gaps(answer(results, Question("set", metric=metric)), "a", "b", **options)
        return [(one.case_id[-1], round(one.by, 6)) for one in ahead], [one.case_id[-1] for one in behind]

    return find


def test_the_largest_difference_comes_first_each_way(gaps):
    scores = {"a": [0.9, 0.5, 0.8, 0.7], "b": [0.8, 0.9, 0.8, 0.2]}
    assert gaps(scores) == ([("3", 0.5), ("0", 0.1)], ["1"])
    assert gaps(scores, most=1) == ([("3", 0.5)], ["1"])


def test_a_distance_is_better_when_it_is_small_and_a_miss_is_the_worst(gaps):
    assert gaps({"a": [1.0, 4.0, math.inf], "b": [math.inf, 2.0, math.inf]}, "hd95") == ([("0", math.inf)], ["1"])


def test_classes_of_a_case_are_averaged_and_false_alarms_and_failures_count(gaps):
    scores = {"a": [(0.9, 0.5), math.nan, 0.3], "b": [(0.9, 0.7), 0.0, "failed"]}
    ahead, behind = gaps(scores)
    assert ahead == [("1", 1.0), ("2", 0.3)]
    assert behind == ["0"]
