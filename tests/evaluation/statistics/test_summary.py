import math

import numpy as np
import pytest
from scipy import stats

from evaluation.statistics import Policy, policy_effects, summarise

NA, MISS = math.nan, math.inf
BY_CHECKPOINT = ("checkpoint",)
CONVENTIONS = {"a": [(0.9, 0.6), (0.3, NA), (0.9, 0.2)]}


@pytest.mark.parametrize(("order", "mean"), [("class", 0.55), ("case", 1.6 / 3), ("pooled", 0.58)])
def test_mean_of_what(table_of, order, mean):
    (summary,) = summarise(table_of(CONVENTIONS), "dice", by=BY_CHECKPOINT, order=order)
    assert summary.mean == pytest.approx(mean, abs=1e-12)
    assert (summary.cases, summary.n, summary.not_applicable) == (3, 3, 1)


def test_numbers_of_one_class(table_of):
    (summary,) = summarise(table_of({"a": [0.1, 0.2, 0.3, 0.4, 0.5, 0.9, NA, "failed"]}), "dice")
    assert summary.group == ("set", "a", "class_1")
    assert (summary.cases, summary.n, summary.failed, summary.not_applicable, summary.misses) == (8, 6, 1, 1, 0)
    assert (summary.mean, summary.median) == pytest.approx((0.4, 0.35))
    assert (summary.lower_quartile, summary.upper_quartile) == pytest.approx((0.225, 0.475))
    assert summary.low < 0.4 < summary.high
    assert not summary.small


def test_interval_is_that_of_scipy(table_of):
    values = np.random.default_rng(0).beta(5, 2, 40)
    (summary,) = summarise(table_of({"a": values}), "dice", resamples=9999)
    oracle = stats.bootstrap((values,), np.mean, n_resamples=9999, rng=np.random.default_rng(1)).confidence_interval
    assert (summary.low, summary.high) == pytest.approx(tuple(oracle), abs=0.004)


def test_no_mean_is_shown_from_which_misses_vanished(table_of):
    (summary,) = summarise(table_of({"a": [1.0, 2, 3, 4, 5, 6, MISS]}, metric="hd95"), "hd95")
    assert math.isnan(summary.mean)
    assert (summary.n, summary.misses, summary.median, summary.interval_of) == (7, 1, 4, "median")
    assert summary.low < 4 < summary.high


def test_failed_cases_are_counted_beside_or_as_the_worst(table_of):
    table = table_of({"a": [0.8, 0.6, "failed", "failed"]})
    (apart,) = summarise(table, "dice")
    (worst,) = summarise(table, "dice", policy=Policy(failed="worst"))
    assert (apart.mean, apart.n, apart.failed) == (pytest.approx(0.7), 2, 2)
    assert (worst.mean, worst.n, worst.failed) == (pytest.approx(0.35), 4, 2)


def test_repeated_groups_are_resampled_as_a_whole(table_of):
    values = [0.9, 0.91, 0.92, 0.3, 0.31, 0.32, 0.6, 0.61, 0.62, 0.75, 0.76, 0.77, 0.5, 0.51, 0.52]
    groups = [f"patient_{place // 3}" for place in range(15)]
    (single,) = summarise(table_of({"a": values}), "dice")
    (grouped,) = summarise(table_of({"a": values}, groups=groups), "dice")
    assert (grouped.clustered, grouped.units, single.clustered, single.units) == (True, 5, False, 15)
    assert grouped.high - grouped.low > 1.3 * (single.high - single.low)
    assert grouped.mean == pytest.approx(single.mean)


def test_groups_that_do_not_repeat_change_nothing(table_of):
    values = list(np.random.default_rng(0).random(12))
    (single,) = summarise(table_of({"a": values}), "dice")
    (grouped,) = summarise(table_of({"a": values}, groups=[f"p{place}" for place in range(12)]), "dice")
    assert (grouped.low, grouped.high, grouped.clustered) == (single.low, single.high, False)


@pytest.mark.parametrize(("cases", "small"), [(5, True), (6, False)])
def test_fewer_than_six_cases_have_no_interval(table_of, cases, small):
    (summary,) = summarise(table_of({"a": np.linspace(0.2, 0.8, cases)}), "dice")
    assert summary.small is math.isnan(summary.low) is math.isnan(summary.high) is small
    assert summary.mean == pytest.approx(0.5)


@pytest.mark.parametrize(("cases", "small"), [(5, True), (6, False)])
def test_fewer_than_six_cases_have_no_interval_of_the_median_either(table_of, cases, small):
    (summary,) = summarise(table_of({"a": [*range(1, cases), MISS]}, metric="hd95"), "hd95")
    assert (summary.interval_of, math.isnan(summary.low)) == ("median", small)


def test_fewer_than_five_groups_have_no_interval(table_of):
    values = np.linspace(0.2, 0.8, 12)
    (four,) = summarise(table_of({"a": values}, groups=[f"p{place // 3}" for place in range(12)]), "dice")
    (six,) = summarise(table_of({"a": values}, groups=[f"p{place // 2}" for place in range(12)]), "dice")
    assert (four.small, six.small) == (True, False)
    assert (math.isnan(four.low), math.isnan(six.low)) == (True, False)


def test_a_group_without_values_has_none(table_of):
    (summary,) = summarise(table_of({"a": ["failed", NA]}), "dice")
    assert (summary.n, summary.failed, summary.not_applicable) == (0, 1, 1)
    assert all(math.isnan(value) for value in (summary.mean, summary.median, summary.low, summary.high))


def test_an_empty_selection_has_no_summaries(table_of):
    assert summarise(table_of({"a": [0.5]}).iloc[:0], "dice") == ()


def test_misses_in_one_of_several_classes(table_of):
    table = table_of({"a": [(1.0, 10.0), (2.0, MISS), (3.0, 30.0)] * 3}, metric="hd95")
    (summary,) = summarise(table, "hd95", by=BY_CHECKPOINT)
    assert (summary.misses, summary.median) == (3, (2 + 30) / 2)
    assert summary.low <= 16 <= summary.high


def test_the_same_numbers_come_out_again(simulated):
    assert summarise(simulated(), "dice") == summarise(simulated(), "dice")


def test_policies_show_what_they_move(table_of):
    skip, one, zero = policy_effects(table_of({"a": [0.8, 0.6, NA, NA]}), "dice")
    assert [effect.policy for effect in (skip, one, zero)] == ["skip", "one", "zero"]
    assert [effect.mean for effect in (skip, one, zero)] == pytest.approx([0.7, 0.85, 0.35])
    assert [effect.shift for effect in (skip, one, zero)] == pytest.approx([0, 0.15, -0.35])
    assert [effect.n for effect in (skip, one, zero)] == [2, 4, 4]
