import json
import math

import numpy as np
import pytest

from evaluation import plots
from evaluation.plots.scores import FAILED_SYMBOL, MISS_SYMBOL, MOST_POINTS, MOST_SPECIAL
from evaluation.statistics import compare_pairs, rank_checkpoints, summarise_by
from medseg_demo.errors import OptionError

NA, MISS = math.nan, math.inf


@pytest.fixture
def distances(table_of):
    """Two checkpoints, two classes: a miss, a failed case (two rows) and a value that is not applicable."""
    return table_of(
        {"net": [(1.0, 2.0), (3.0, MISS), (5.0, NA)], "other": [(2.0, 1.0), ("failed", "failed"), (6.0, 4.0)]},
        metric="hd95",
    )


def points_of(figure):
    return [trace for trace in figure.data if trace.type.startswith("scatter") and trace.mode == "markers"]


def clicks_of(figure):
    """The rows (checkpoint, case, class) that can be clicked, of all traces of points."""
    found = []
    for trace in points_of(figure):
        assert len(trace.customdata) == len(trace.x) == len(trace.y)
        assert not np.isnan(np.asarray(trace.y, dtype=float)).any()
        found += [tuple(row) for row in np.asarray(trace.customdata)[:, 1:]]
    return sorted(found)


def expected_clicks(table, metric):
    rows = table[(table["status"] == "failed") | table[metric].notna()]
    return sorted(rows[["checkpoint", "case_id", "class_name"]].itertuples(index=False, name=None))


@pytest.mark.parametrize("draw", [plots.score_strip, plots.score_against_size])
def test_every_case_is_a_point_misses_and_failures_too(distances, draw):
    figure = draw(distances, "hd95")
    assert clicks_of(figure) == expected_clicks(distances, "hd95")
    assert len(clicks_of(figure)) == 11  # of 12 rows one is not applicable
    assert "1 misses (∞) · 2 failed · 1 not applicable" in figure.layout.title.subtitle.text


def test_misses_and_failures_stand_beyond_the_axis_with_a_name(distances):
    figure = plots.score_strip(distances, "hd95")
    names = {note.text: note.y for note in figure.layout.annotations if note.text and ":" in note.text}
    assert set(names) == {"miss (∞): 1", "failed: 2"}
    assert 6 < names["miss (∞): 1"] < names["failed: 2"] < figure.layout.yaxis.range[1]
    marked = [trace for trace in points_of(figure) if not trace.showlegend]
    assert sorted(symbol for trace in marked for symbol in [trace.marker.symbol] * len(trace.x)) == [
        "triangle-up-open",
        "x-thin-open",
        "x-thin-open",
    ]


def test_failures_of_a_score_stand_below_its_worst(table_of):
    figure = plots.score_strip(table_of({"a": [0.5, 0.9, "failed"]}), "dice")
    (note,) = [note for note in figure.layout.annotations if note.text == "failed: 1"]
    assert figure.layout.yaxis.range[0] < note.y < 0.5


def test_boxes_have_the_quartiles(table_of):
    values = np.array([0.1, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9])
    (box,) = [trace for trace in plots.score_strip(table_of({"a": values}), "dice").data if trace.type == "box"]
    assert (box.q1[0], box.median[0], box.q3[0]) == pytest.approx(tuple(np.quantile(values, [0.25, 0.5, 0.75])))
    assert (box.lowerfence[0], box.upperfence[0]) == (0.5, 0.9)  # .1 lies beyond 1.5 quartile distances


def test_empty_references_have_a_place_on_the_logarithmic_axis(table_of):
    table = table_of({"a": [0.5, 0.6, 0.0]})
    table.loc[2, "reference_volume"] = 0.0
    figure = plots.score_against_size(table, "dice")
    (trace,) = points_of(figure)
    assert 0 < trace.x[2] < 10
    assert "empty" in [note.text for note in figure.layout.annotations]
    assert figure.layout.xaxis.type == "log"


def test_checkpoints_differ_in_colour_and_symbol(simulated):
    figure = plots.score_strip(simulated(checkpoints=8), "dice")
    plain = [trace for trace in points_of(figure) if trace.showlegend]
    assert len({trace.marker.color for trace in plain}) == len({trace.marker.symbol for trace in plain}) == 8


def test_paired_lines_by_outcome(table_of):
    table = table_of({"a": [1.0, 4.0, 2.0, MISS, 3.0], "b": [2.0, 3.0, 2.0, 5.0, "failed"]}, metric="hd95")
    figure = plots.paired_lines(table, "hd95", "a", "b")
    lines = {trace.name: trace for trace in figure.data if trace.mode == "lines"}
    assert set(lines) == {"b better: 2", "b equal: 1", "b worse: 2"}
    assert len({trace.line.dash for trace in lines.values()}) == 3
    ends = np.asarray(lines["b better: 2"].y).reshape(2, 3)[:, :2]
    assert sorted(ends[:, 1]) == [3, 5]  # from 4, and from the miss
    assert (ends[:, 0] > ends[:, 1]).all()
    assert clicks_of(figure) == expected_clicks(table, "hd95")


def test_a_checkpoint_keeps_its_colour_beside_fewer_others(simulated):
    table = simulated(checkpoints=4)
    alone = plots.paired_lines(table, "dice", "net2", "net3")
    among = plots.score_strip(table, "dice")
    looks = [
        {(trace.name, trace.marker.color) for trace in points_of(figure) if trace.name in ("net2", "net3")}
        for figure in (alone, among)
    ]
    assert looks[0] == looks[1]


def test_heat_map_shows_the_worst_cases_first_and_names_what_has_no_colour(table_of):
    table = table_of({"a": [1.0, 9.0, NA, 2.0], "b": [2.0, MISS, 3.0, "failed"]}, metric="hd95")
    figure = plots.case_heat_map(table, "hd95")
    cells = figure.data[0]
    assert list(figure.layout.yaxis.ticktext) == ["case_001", "case_003", "case_002", "case_000"]
    assert [list(row) for row in cells.text] == [["9.000", "∞"], ["2.000", "✕"], ["n/a", "3.000"], ["1.000", "2.000"]]
    assert cells.customdata[1][0].tolist() == ["set", "a", "case_003", ""]
    assert list(figure.data[1].text) == [text for row in cells.text for text in row]
    shortened = plots.case_heat_map(table, "hd95", most_cases=2)
    assert "2 of 4 cases" in shortened.layout.title.subtitle.text


def test_bland_altman_limits_by_hand(table_of):
    table = table_of({"a": [0.9, 0.8, 0.7, "failed"]})
    table["reference_volume"], table["predicted_volume"] = [10.0, 20, 30, NA], [11.0, 23, 32, NA]
    figure = plots.volume_agreement(table)
    assert "bias 2.000, limits 0.040 to 3.960" in figure.data[2].name  # differences 1 3 2: mean 2, deviation 1
    assert sorted(trace.y[0] for trace in figure.data if trace.mode != "markers") == pytest.approx([0.04, 2, 3.96])
    assert clicks_of(figure) == expected_clicks(table, "dice")
    with pytest.raises(OptionError, match="sizes"):
        plots.volume_agreement(table.drop(columns=["predicted_volume"]))


def test_distribution_counts_every_case(simulated):
    table = simulated(cases=200, misses=0.05, failures=0.05)
    figure = plots.score_distribution(table, "hd95")
    counted = {bar.name: int(np.sum(bar.y)) for bar in figure.data}
    rows = table[(table["status"] == "failed") | table["hd95"].notna()]
    assert counted == rows["checkpoint"].value_counts().to_dict()
    by_text = {
        text: amount for bar in figure.data for text, amount in zip(bar.text, bar.y, strict=True) if bar.name == "net0"
    }
    first = table[table["checkpoint"] == "net0"]
    assert by_text["miss (∞)"] == np.isinf(first["hd95"]).sum()
    assert by_text["failed"] == (first["status"] == "failed").sum()
    assert all(len(bar.customdata) == len(bar.x) for bar in figure.data)


def test_significance_map_has_a_verdict_in_words(table_of):
    table = table_of(
        {"low": np.linspace(0.1, 0.3, 12), "high": np.linspace(0.7, 0.9, 12), "same": np.linspace(0.7, 0.9, 12)}
    )
    (cells,) = plots.significance_map(compare_pairs(table, "dice")).data
    assert list(cells.x) == ["low", "high", "same"]
    words = [[text.split("<br>")[0] for text in row] for row in cells.text]
    assert words == [["", "▼ worse", "▼ worse"], ["▲ better", "", "○ not shown"], ["▲ better", "○ not shown", ""]]
    (few,) = plots.significance_map(compare_pairs(table_of({"a": [0.1], "b": [0.9]}), "dice")).data
    assert few.text[0][1] == "too few"
    assert "(too few for an interval)" in few.hovertext[0][1]


def test_group_intervals_state_n_and_flag_small_groups(table_of):
    table = table_of({"a": np.linspace(0.5, 0.9, 10)}, site=["N"] * 7 + ["S"] * 3)
    figure = plots.group_intervals(summarise_by(table, "dice", "site"), "dice", "site")
    intervals, sizes = figure.data
    assert list(sizes.text) == ["  n = 7", "  n = 3, few"]
    assert list(intervals.marker.symbol) == ["circle", "circle-open"]
    for ends in (intervals.error_x.array, intervals.error_x.arrayminus):  # the small group has no interval
        assert ends[0] > 0
        assert math.isnan(ends[1])
    named = plots.group_intervals(summarise_by(table, "dice", "site"), "hd95", "site", unit="mm")
    assert named.layout.xaxis.title.text == "Hausdorff distance, 95th percentile (mm)"


def test_the_stability_of_few_cases_has_no_interval_of_ranks(simulated):
    few, enough = (
        plots.ranking_stability(rank_checkpoints(simulated(cases=cases, failures=0, empty=0), "dice"))
        for cases in (4, 40)
    )
    assert not [trace for trace in few.data if trace.mode == "lines"]
    assert [trace for trace in enough.data if trace.mode == "lines"]


def test_ranking_stability_draws_the_shares_of_the_ranks(simulated):
    ranking = rank_checkpoints(simulated(checkpoints=3), "dice")
    figure = plots.ranking_stability(ranking)
    discs = [trace for trace in figure.data if trace.name and trace.mode == "markers"]
    assert len(discs) == 9
    np.testing.assert_allclose([np.sum(trace.customdata) for trace in discs], 100)
    assert f"{ranking.cases} cases" in figure.layout.title.subtitle.text


def test_very_many_rows_stay_a_small_figure_that_keeps_misses_failures_and_the_worst(simulated):
    table = simulated(cases=5000, checkpoints=5, classes=2, misses=0.01, failures=0.01)
    figure = plots.score_strip(table, "hd95")
    clicks = clicks_of(figure)
    assert len(clicks) <= MOST_POINTS
    assert len(clicks) == len(set(clicks))
    special = table[(table["status"] == "failed") | np.isinf(table["hd95"])]
    finite = table[np.isfinite(table["hd95"])]
    worst = finite.nlargest(50, "hd95")
    keys = ["checkpoint", "case_id", "class_name"]
    for needed in (special, worst):
        assert set(needed[keys].itertuples(index=False, name=None)) <= set(clicks)
    assert {trace.type for trace in figure.data} == {"scattergl", "box"}
    assert f"{len(clicks):,} drawn" in figure.layout.title.subtitle.text
    assert len(plots.as_json(figure)) < 1_500_000


def test_of_thousands_of_misses_a_sample_is_drawn_and_no_more_is_promised(simulated):
    figure = plots.score_strip(simulated(cases=5000, checkpoints=2, classes=1, misses=0.6), "hd95")
    special = [trace for trace in points_of(figure) if trace.marker.symbol in (MISS_SYMBOL, FAILED_SYMBOL)]
    assert sum(len(trace.x) for trace in special) == MOST_SPECIAL
    assert len(clicks_of(figure)) == MOST_POINTS
    assert "drawn: the worst, and a sample" in figure.layout.title.subtitle.text


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_figure_is_made_in_both_themes_and_can_be_sent(simulated, theme):
    table = simulated()
    figures = [
        plots.score_strip(table, "dice", theme=theme),
        plots.score_against_size(table, "hd95", theme=theme),
        plots.case_heat_map(table, "dice", theme=theme),
        plots.paired_lines(table, "dice", "net0", "net1", theme=theme),
        plots.significance_map(compare_pairs(table, "dice"), theme=theme),
        plots.volume_agreement(table, theme=theme),
        plots.score_distribution(table, "hd95", theme=theme),
        plots.group_intervals(summarise_by(table, "dice", "site"), "dice", "site", theme=theme),
        plots.ranking_stability(rank_checkpoints(table, "dice"), theme=theme),
    ]
    ink = {"light": "#1F2933", "dark": "#E8ECEF"}[theme]
    for figure in figures:
        sent = json.loads(plots.as_json(figure), parse_constant=pytest.fail)
        assert sent["layout"]["font"]["color"] == ink
        assert sent["layout"]["title"]["text"]
        assert "n =" in str(sent) or "cases" in str(sent) or "pairs" in str(sent)


@pytest.mark.parametrize("draw", [plots.score_strip, plots.score_against_size, plots.score_distribution])
def test_nothing_but_failed_cases_can_still_be_drawn(table_of, draw):
    figure = draw(table_of({"a": ["failed", "failed"]}), "dice")
    assert "2 failed" in figure.layout.title.subtitle.text
