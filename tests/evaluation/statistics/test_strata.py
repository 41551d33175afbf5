import pandas as pd
import pytest

from evaluation.statistics import banded, stratum_columns, summarise_by


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
