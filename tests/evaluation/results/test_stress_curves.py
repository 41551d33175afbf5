"""Curves under stress of tables whose losses are known."""

import math
from dataclasses import replace

import pytest

from evaluation.results.answers import Question, answer
from evaluation.results.figures import View, draw_figure, figures_of, stress_lines
from evaluation.results.stress import stress_curves, stress_table
from evaluation.results.summary import TOGETHER, as_text, document
from evaluation.results.table import Results, Run
from medseg_demo.errors import OptionError

METADATA = ("corruption", "degree", "site", "group")
CASES = 8


def dice(checkpoint, corruption, degree, site):
    """What is lost grows with the degree: of noise .03 a degree (.06 at site B) for "weak", of blur nothing."""
    lost = 0.03 * degree * (1 + (site == "B")) if corruption == "noise" and checkpoint == "weak" else 0.0
    return 0.9 - lost


@pytest.fixture(scope="module")
def table(table_of):
    """Two checkpoints on eight cases of two sites as they are, and under noise and blur in degrees 1, 2 and 4."""
    shown = [("none", 0), *((name, degree) for name in ("noise", "blur") for degree in (1, 2, 4))]
    rows = [(corruption, degree, case) for case in range(CASES) for corruption, degree in shown]
    sites = ["A" if case < CASES // 2 else "B" for *_, case in rows]
    scores = {
        name: [
            dice(name, one, degree, site) + 0.001 * case for (one, degree, case), site in zip(rows, sites, strict=True)
        ]
        for name in ("strong", "weak")
    }
    found = table_of(
        scores, test_set="set-stress", groups=[f"case {case}" for *_, case in rows], site=sites,
        corruption=[one for one, *_ in rows], degree=[str(degree) for _, degree, _ in rows],
    )  # fmt: skip
    names = [f"case {case}" + (f"@{one}-{degree}" if degree else "") for one, degree, case in rows]
    return found.assign(case_id=names * 2)


def asked(table, metric="dice", metadata=METADATA, **question):
    runs = tuple(Run(name, "set-stress") for name in dict.fromkeys(table["checkpoint"]))
    results = Results(table, runs, metadata, ("dice", "reference_volume", "predicted_volume"))
    return answer(results, Question("set-stress", metric=metric, **question))


def test_the_loss_of_each_degree_is_that_of_the_same_cases_with_its_interval(table):
    curves = {(one.corruption, one.checkpoint): one for one in stress_curves(asked(table))}
    assert list(curves) == [("noise", "strong"), ("noise", "weak"), ("blur", "strong"), ("blur", "weak")]
    weak = curves["noise", "weak"]
    assert [point.degree for point in weak.points] == [0, 1, 2, 4]
    assert [loss.difference for loss in weak.losses] == pytest.approx([0.045, 0.09, 0.18])
    assert weak.losses[1].low == pytest.approx(0.075, abs=0.01)
    assert weak.losses[1].pairs == CASES
    assert weak.points[2].summary.mean == pytest.approx(0.9035 - 0.09)
    assert weak.loses_from == 2
    assert (weak.worst_group, weak.worst_group_loss) == ("B", pytest.approx(0.24))
    assert curves["blur", "weak"].loses_from is None
    assert weak.points[3].worst[0] == "case 4@noise-4"


def test_a_case_that_fails_counts_the_worst_value_where_losses_are_told(table):
    lost = (table["case_id"] == "case 0@blur-4") & (table["checkpoint"] == "strong")
    failed = table.assign(
        status=table["status"].mask(lost, "failed"), dice=table["dice"].mask(lost), error=table["error"].mask(lost, "x")
    )
    strong = next(one for one in stress_curves(asked(failed)) if (one.corruption, one.checkpoint) == ("blur", "strong"))
    assert strong.losses[-1].difference == pytest.approx(0.9 / CASES)
    assert strong.loses_from == 4
    assert strong.points[-1].summary.failed == 1
    assert strong.points[-1].worst[0] == "case 0@blur-4"


def test_a_false_alarm_under_stress_is_a_loss_of_a_healthy_case(table):
    rows = table["case_id"].str.startswith("case 0")
    alarm = rows & (table["corruption"] == "noise") & (table["degree"] == "4")
    healthy = table.assign(
        dice=table["dice"].mask(rows, math.nan).mask(alarm, 0.0),
        reference_volume=table["reference_volume"].mask(rows, 0.0),
        predicted_volume=table["predicted_volume"].mask(rows, 0.0).mask(alarm, 5.0),
    )
    strong = next(
        one for one in stress_curves(asked(healthy)) if (one.corruption, one.checkpoint) == ("noise", "strong")
    )
    assert [loss.difference for loss in strong.losses] == pytest.approx([0, 0, 1 / CASES])


def test_the_table_says_from_which_degree_on_005_are_lost_and_where_most(table):
    found = asked(table)
    shown = stress_table(found, stress_curves(found))
    rows = {row[:2]: row[2:] for row in shown.rows}
    assert shown.header[3:] == ("Degree 4", "Lost by then", "0.05 lost from degree", "Worst group")
    assert rows["weak", "Noise"][3].startswith("2: 0.090 (0.0")
    assert rows["weak", "Noise"][4] == "B (0.240)"
    assert rows["strong", "Blur"][1:4] == ("0.904 (0.902 – 0.905)", "0.000 (0.000 – 0.000)", "none")
    assert "site" in shown.notes[-1]


def test_few_cases_have_no_interval_and_it_is_said(table):
    few = table[table["group"].isin(["case 0", "case 1", "case 4"])].reset_index(drop=True)
    rows = stress_lines(asked(few)).rows
    assert all("too few cases" in row[4] for row in rows)


def test_the_plot_has_a_panel_a_corruption_and_its_points_open_their_worst_case(table):
    figure = draw_figure("stress", asked(table), View())
    assert [one.text for one in figure.layout.annotations] == ["Noise", "Blur"]
    weak = next(one for one in figure.data if one.name == "weak")
    assert list(weak.customdata[2]) == ["set-stress", "weak", "case 4@noise-2", ""]
    assert [mark.endswith("-open") for mark in weak.marker.symbol] == [False, False, True, True]
    assert list(weak.y) == pytest.approx([0.9035, 0.8585, 0.8135, 0.7235])
    assert sum(one.showlegend for one in figure.data) == 2


def test_it_is_offered_only_where_results_have_its_columns(table):
    assert figures_of(METADATA)[0].name == "stress"
    assert "stress" not in {figure.name for figure in figures_of(("site", "degree"))}
    assert stress_lines(asked(table, metadata=("site",))) is None


@pytest.mark.parametrize("kept", ["none", "noise"])
def test_results_without_one_side_are_told_so(table, kept):
    found = asked(table[table["corruption"] == kept].reset_index(drop=True))
    with pytest.raises(OptionError, match="made worse" if kept == "none" else "no case as it is"):
        stress_curves(found)


def test_a_metric_that_is_no_share_has_curves_and_no_breaking_point(table):
    results = replace(asked(table).results, metrics=("hd95",))
    distances = table.assign(hd95=10 - 10 * table["dice"])
    found = answer(replace(results, table=distances), Question("set-stress", metric="hd95"))
    weak = next(one for one in stress_curves(found) if (one.corruption, one.checkpoint) == ("noise", "weak"))
    assert weak.loses_from is None
    assert weak.losses[-1].difference == pytest.approx(-1.8)
    assert weak.worst_group == "B"


def test_the_summary_tells_what_is_lost(table):
    found = asked(table)
    records = {(one["corruption"], one["name"]): one for one in document(found, ["dice"])["stress"]}
    weak = records["noise", "weak"]
    assert [one["degree"] for one in weak["degrees"]] == [0, 1, 2, 4]
    assert [one["lost"] for one in weak["degrees"]] == pytest.approx([0, 0.045, 0.09, 0.18])
    assert weak["degrees"][3]["worst"][0] == "case 4@noise-4"
    assert (weak["loses_from"], weak["worst_group"]) == (2, "B")
    text = as_text(found, ["dice"])
    assert "Dice coefficient under stress" in text
    assert TOGETHER in text
    assert TOGETHER not in as_text(asked(table, metadata=("site",)), ["dice"])
    assert document(asked(table, metadata=("site",)), ["dice"])["stress"] == []
