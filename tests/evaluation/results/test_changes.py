"""The error of changes between visits, by hand and on the page's ways out."""

import math

import numpy as np
import pytest

from evaluation.results.answers import Question, answer
from evaluation.results.changes import Agreement, changes, changes_table, has_visits
from evaluation.results.figures import View, draw_figure, figures_of
from evaluation.results.summary import as_text
from evaluation.results.table import Results, Run
from medseg_demo.errors import OptionError

GROUPS = ["p1", "p1", "p1", "p2", "p2", "p3"]


@pytest.fixture
def table(table_of):
    table = table_of({"net": [0.9] * 6}, groups=GROUPS, visit=["10", "2", "3", "2", "1", "1"])
    table["reference_volume"] = [30.0, 10.0, 20.0, 8.0, 4.0, 5.0]  # of p1 in order 10, 20, 30
    table["predicted_volume"] = [36.0, 12.0, 22.0, 8.0, 5.0, 5.0]  # 12, 22, 36; of p2 5, 8
    return table


def answered(table):
    metrics = ("dice", "reference_volume", "predicted_volume")
    return answer(Results(table, (Run("net", "set"),), ("group", "visit"), metrics), Question("set"))


def test_changes_run_from_each_visit_to_the_next_in_the_order_of_numbers(table):
    found = changes(table)
    rows = found[["group", "visit", "reference_volume", "predicted_volume"]].sort_values(["group", "visit"])
    assert rows.to_numpy().tolist() == [["p1", "10", 10, 14], ["p1", "3", 10, 10], ["p2", "2", 4, 3]]
    ratio = found.set_index("visit")["ratio"]
    assert ratio["10"] == pytest.approx(math.log(36 / 22 / (30 / 20)))


def test_dates_are_in_order_too(table):
    table["visit"] = ["2024-01-10", "2023-12-01", "2023-12-31", "2024-03-01", "2024-02-01", "2020-01-01"]
    assert changes(table)["reference_volume"].sort_values().tolist() == [4, 10, 10]


def test_sizes_and_changes_stand_side_by_side(table):
    shown = changes_table(answered(table))
    ((name, class_name, sizes, bias, limits, count, bias_of_changes, limits_of_changes, deviation),) = shown.rows
    errors, of_changes = np.array([6, 2, 2, 0, 1, 0.0]), np.array([0, 4, -1.0])
    assert (name, class_name, sizes, count) == ("net", "class_1", "6", "3")
    value, change = Agreement.of(errors), Agreement.of(of_changes)
    assert value.bias == pytest.approx(11 / 6)
    assert change.spread == pytest.approx(1.96 * of_changes.std(ddof=1))
    assert (bias, bias_of_changes) == ("1.833 ml", "1.000 ml")
    assert limits.endswith(" ml")
    assert limits_of_changes == f"{'−'}{abs(change.limits[0]):.3f} to {change.limits[1]:.3f} ml"
    ratios = np.log([22 / 12 / 2, 36 / 22 / 1.5, 8 / 5 / 2])
    assert deviation.startswith(f"{100 * ratios.std(ddof=1) / math.sqrt(2):.1f}")


def test_a_failed_visit_takes_its_changes_with_it_and_says_so(table):
    table.loc[2, ["status", "predicted_volume"]] = ["failed", np.nan]
    shown = changes_table(answered(table))
    assert shown.rows[0][5] == "1"
    assert "2 changes have a failed visit" in shown.notes[-1]


def test_an_absent_class_has_a_change_and_no_ratio(table):
    table.loc[1, "reference_volume"] = 0.0
    found = changes(table).set_index("visit")
    assert found["reference_volume"]["3"] == 20
    assert math.isnan(found["ratio"]["3"])


def test_only_where_visits_are(table):
    without = answered(table.assign(visit="", group=GROUPS))
    assert "changes" in {figure.name for figure in figures_of(("group", "visit"))}
    assert "changes" not in {figure.name for figure in figures_of(("group",))}
    assert not has_visits(without)
    assert changes_table(without) is None
    assert not has_visits(answered(table.assign(group=["a", "b", "c", "d", "e", "f"])))
    with pytest.raises(OptionError, match=r"visit to cases\.csv"):
        draw_figure("changes", without, View())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_plot_and_the_summary_say_it(table, theme):
    found = answered(table)
    figure = draw_figure("changes", found, View(theme=theme))
    assert "changes between visits" in figure.layout.title.text
    points = [trace for trace in figure.data if trace.mode == "markers"]
    assert sorted(points[0].y) == [-1, 0, 4]
    assert {one[2] for one in points[0].customdata} == {"case_000", "case_002", "case_003"}  # a click opens the later
    assert "bias 1.000" in next(trace.name for trace in figure.data if trace.name and "bias" in trace.name)
    assert "Changes between visits" in as_text(found, ("dice",))
