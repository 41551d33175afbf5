from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evaluation.statistics import banded, group_gaps, strata_apart, stratum_columns, summarise_by
from evaluation.statistics.strata import kruskal_wallis


def test_names_stay_and_empty_cells_are_named():
    assert list(banded(pd.Series(["A", "", "B"]))) == ["A", "(no value)", "B"]


def test_few_numbers_stay_and_many_are_cut_at_the_quartiles():
    assert set(banded(pd.Series(["1", "2", "1"]))) == {"1", "2"}
    found = banded(pd.Series([str(number) for number in range(1, 21)] + [""]))
    assert list(found.unique()) == ["1 to 5.75", "5.75 to 10.5", "10.5 to 15.25", "15.25 to 20", "(no value)"]
    assert found.value_counts()["1 to 5.75"] == 5


def test_summaries_by_a_column(table_of):
    table = table_of({"a": [0.9] * 6 + [0.5] * 2, "b": [0.8] * 8}, site=["north"] * 6 + ["east"] * 2)
    found = {summary.group: summary for summary in summarise_by(table, "dice", "site")}
    assert list(found) == [("east", "a"), ("east", "b"), ("north", "a"), ("north", "b")]
    assert (found["north", "a"].mean, found["north", "a"].n, found["north", "a"].small) == (
        pytest.approx(0.9),
        6,
        False,
    )
    assert (found["east", "a"].mean, found["east", "a"].n, found["east", "a"].small) == (pytest.approx(0.5), 2, True)


def test_bands_come_in_the_order_of_their_numbers(table_of):
    ages = [str(age) for age in range(2, 34)]
    found = summarise_by(table_of({"a": [0.5] * 32}, age=ages), "dice", "age")
    assert [summary.group[0].split(" to ")[0] for summary in found] == ["2", "9.75", "17.5", "25.25"]


def test_columns_that_divide_nothing_are_not_offered(table_of):
    table = table_of(
        {"a": [0.5] * 30}, site=["A", "B"] * 15, same=["x"] * 30, code=[f"c{place}" for place in range(30)]
    )
    assert stratum_columns(table, ["site", "same", "code"]) == ("site",)


def gaps_of(table, column="site", **options):
    return group_gaps(table, "dice", column, **options)


def test_kruskal_wallis_of_few_values_is_that_of_all_their_orders():
    samples = [np.array([1.0, 2.0, 4.0]), np.array([3.0, 4.0, 6.0, 7.0])]
    values, sizes = np.concatenate(samples), (3, 4)
    statistics = [stats.kruskal(order[:3], order[3:]).statistic for order in map(list, permutations(values))]
    expected = np.mean(np.array(statistics) >= stats.kruskal(*samples).statistic - 1e-9)
    p, permuted = kruskal_wallis(samples)
    assert (sizes, permuted) == ((3, 4), True)
    assert p == pytest.approx(expected, abs=0.015)


def test_kruskal_wallis_of_many_values_is_scipys():
    generator = np.random.default_rng(1)
    samples = [np.round(generator.normal(shift, 1, 120), 1) for shift in (0, 0.1, 0.3)]
    assert kruskal_wallis(samples) == (pytest.approx(stats.kruskal(*samples).pvalue, rel=1e-9), False)


def test_a_gap_between_groups_is_named_and_tested(table_of):
    low, high = list(np.linspace(0.5, 0.6, 8)), list(np.linspace(0.7, 0.8, 8))
    table = table_of({"apart": low + high, "even": (low + high)[::2] * 2}, site=["N"] * 8 + ["S"] * 8)
    apart, even = gaps_of(table)
    assert (apart.checkpoint, apart.highest, apart.lowest, apart.tested) == ("apart", "S", "N", 2)
    assert apart.gap == pytest.approx(0.2)
    assert apart.p < 0.001
    assert apart.p_adjusted == pytest.approx(2 * apart.p)
    assert even.p > 0.5


def test_strata_with_few_cases_are_not_tested(table_of):
    (gap,) = gaps_of(table_of({"a": np.linspace(0.5, 0.9, 12)}, site=["N"] * 7 + ["S"] * 5))
    assert (gap.tested, np.isnan(gap.p), gap.highest) == (1, True, "S")


def test_groups_of_cases_are_tested_by_their_means(table_of):
    patients = [f"p{place // 4}" for place in range(48)]
    values = np.repeat(np.linspace(0.5, 0.9, 12), 4)
    (gap,) = gaps_of(table_of({"a": values}, groups=patients, site=["N"] * 24 + ["S"] * 24))
    assert gap.p == pytest.approx(2 / 924, abs=0.002)  # all six patients of S above all of N: 2 of 12 over 6 orders


def test_of_many_groups_the_lowest_and_the_highest_are_chosen(table_of):
    table = table_of({"a": np.linspace(0.1, 0.9, 50)}, site=[f"s{place:02d}" for place in range(50)])
    assert strata_apart(table, "dice", "site", most=4) == (("s00", "s01", "s48", "s49"), 50)
    found = summarise_by(table, "dice", "site", strata=("s01", "s48"))
    assert [one.group[0] for one in found] == ["s01", "s48"]
