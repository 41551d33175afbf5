"""Every plot of the list can be drawn from an answer, or says why not."""

import pytest

from evaluation.results import figures
from evaluation.results.answers import Question, answer
from evaluation.results.figures import FIGURES, View, draw_figure, pair_of
from evaluation.results.table import Results, Run
from medseg_demo.errors import OptionError

OF_PROBABILITIES = ("reliability", "risk_coverage")


@pytest.fixture(scope="module")
def found(simulated):
    table = simulated(cases=24)
    runs = tuple(Run(name, "set") for name in dict.fromkeys(table["checkpoint"]))
    metrics = ("dice", "hd95", "reference_volume", "predicted_volume")
    return answer(Results(table, runs, ("site",), metrics), Question("set"))


@pytest.mark.parametrize("name", [one.name for one in FIGURES if one.name not in OF_PROBABILITIES and not one.columns])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_plot_is_drawn(found, name, theme):
    figure = draw_figure(name, found, View(theme=theme))
    assert len(figure.data) > 0
    assert figure.layout.title.text


def test_a_pair_is_the_two_best_where_none_is_named(found):
    best = [standing.checkpoint for standing in found.standings]
    assert pair_of(found, View()) == (best[0], best[1])
    assert pair_of(found, View(first=best[2], second=best[0])) == (best[2], best[0])
    assert pair_of(found, View(first=best[1], second=best[1])) == (best[1], best[0])


def test_an_unknown_plot_is_refused_with_those_there_are(found):
    with pytest.raises(OptionError, match="Choose one of: strip, pairs"):
        draw_figure("pie", found, View())


@pytest.mark.parametrize("name", ["pairs", "stability", "significance"])
def test_plots_that_compare_need_two_checkpoints(simulated, name):
    table = simulated(cases=8, checkpoints=1)
    found = answer(Results(table, (Run("net0", "set"),), (), ("dice",)), Question("set"))
    with pytest.raises(OptionError, match="at least two"):
        draw_figure(name, found, View())


def test_groups_need_a_column(simulated):
    table = simulated(cases=8).drop(columns="site")
    found = answer(Results(table, (Run("net0", "set"),), (), ("dice",)), Question("set"))
    with pytest.raises(OptionError, match="no column to group by"):
        draw_figure("groups", found, View())


def test_of_very_many_checkpoints_the_best_are_drawn(simulated, monkeypatch):
    monkeypatch.setattr(figures, "MOST_DRAWN", 3)
    table = with_probabilities(simulated(cases=12, checkpoints=5))
    runs = tuple(Run(f"net{place}", "set") for place in range(5))
    many = answer(Results(table, runs, ("site",), ("dice", "reference_volume", "predicted_volume")), Question("set"))
    best = [standing.checkpoint for standing in many.standings[:3]]
    for name in ("heat_map", "significance"):
        assert sorted(draw_figure(name, many, View()).data[0].x) == sorted(best)
    for figure in figures.figures_of(many.metadata):
        assert "the 3 best of 5" in draw_figure(figure.name, many, View()).layout.title.subtitle.text


LONG = ("nnUNetTrainer__nnUNetResEncUNetLPlans__3d_fullres", "nnUNetTrainer__nnUNetResEncUNetMPlans__3d_lowres")


def drawn_with(table_of, names, plot="strip"):
    table = table_of({name: [0.5, 0.6, 0.7] for name in names})
    runs = tuple(Run(name, "set") for name in names)
    return draw_figure(plot, answer(Results(table, runs, (), ("dice",)), Question("set")), View())


def test_long_names_lose_their_middle_in_legend_and_axes(table_of):
    assert {trace.name for trace in drawn_with(table_of, LONG).data} == {f"nnUNetTrai…{name[-18:]}" for name in LONG}
    assert "nnUNetTrai…" in str(drawn_with(table_of, LONG, "pairs").layout.xaxis.ticktext)


def test_many_names_leave_the_plot_its_room(table_of):
    few, many = (drawn_with(table_of, [f"net {place}" for place in range(amount)]) for amount in (2, 30))
    assert many.layout.height - few.layout.height >= 200


def test_long_names_that_differ_in_their_middle_are_told_apart_by_their_place(table_of):
    alike = tuple(f"nnUNetTrainer__{part}__nnUNetPlans__3d_fullres" for part in "ab")
    short = ["1 · nnUNetTrai…tPlans__3d_fullres", "2 · nnUNetTrai…tPlans__3d_fullres"]
    assert sorted({trace.name for trace in drawn_with(table_of, alike).data}) == short


def test_titles_have_short_names(table_of):
    assert LONG[0] not in drawn_with(table_of, LONG, "pairs").layout.title.text


def test_sizes_that_are_not_known_are_not_drawn(table_of):
    table = table_of({"a": [0.5, 0.6]}).drop(columns="reference_volume")
    with pytest.raises(OptionError, match="no sizes"):
        draw_figure("sizes", answer(Results(table, (Run("a", "set"),), (), ("dice",)), Question("set")), View())


@pytest.mark.parametrize("plot", ["heat_map", "stability", "significance"])
def test_many_names_beside_each_other_are_places(table_of, plot):
    names = [f"nnUNetTrainer__nnUNetResEncUNetLPlans__3d_fullres_of_trial_{place:02d}" for place in range(20)]
    table = table_of({name: [0.5 + place / 100 + 0.001 * case for case in range(8)]
                      for place, name in enumerate(names)})  # fmt: skip
    runs = tuple(Run(name, "set") for name in names)
    drawn = draw_figure(plot, answer(Results(table, runs, (), ("dice",)), Question("set")), View())
    axis = drawn.layout.xaxis
    shown = axis.ticktext or [axis.labelalias[name] for name in names]
    assert sorted(shown, key=int) == [str(place) for place in range(1, 21)]
    assert "place on the leaderboard" in drawn.layout.title.subtitle.text
    assert drawn.layout.height >= 16 * len(names)
    assert not any(trace.type == "scatter" and trace.mode == "text" for trace in drawn.data)  # no room for values


def with_probabilities(table):
    """As if a checkpoint had run: its one pixel of .75 in three is of the class, its one of .25 is not."""
    texts = ["14:3:1:2.25 4:1:0:.25"] * len(table)
    return table.assign(calibration=texts, ece=0.375, confidence=table["dice"].fillna(1) / 2)


def test_probabilities_are_drawn_with_their_error_for_each_checkpoint_and_class(simulated):
    table = with_probabilities(simulated(cases=24))
    found = answer(Results(table, (Run("net0", "set"),), ("site",), ("dice", "ece")), Question("set"))
    drawn = draw_figure("reliability", found, View())
    curves = table[["checkpoint", "class_name"]].drop_duplicates()
    assert len(drawn.data) == len(curves)
    assert drawn.data[0].x.tolist() == [0.25, 0.75]
    assert drawn.data[0].y.tolist() == pytest.approx([0, 1 / 3])
    assert "ECE 0.375 (0.375 to 0.375)" in drawn.data[0].name


def test_risk_falls_where_unsure_cases_are_the_bad_ones_and_a_point_opens_its_case(simulated):
    table = with_probabilities(simulated(cases=24))
    found = answer(Results(table, (Run("net0", "set"),), ("site",), ("dice", "confidence")), Question("set"))
    (curve, *_) = draw_figure("risk_coverage", found, View()).data
    assert sorted(curve.y) == list(curve.y)
    assert "excess 0" in curve.name
    test_set, checkpoint, case_id, class_name = curve.customdata[0]  # the parts of a click
    scored = table[(table["status"] == "ok") & (table["checkpoint"] == checkpoint)]
    assert (test_set, class_name) == ("set", "")
    assert case_id in set(scored["case_id"])
    assert len(curve.x) == scored["case_id"].nunique()


@pytest.mark.parametrize("name", OF_PROBABILITIES)
def test_plots_of_probabilities_say_where_there_are_none(found, name):
    with pytest.raises(OptionError, match="came with probabilities"):
        draw_figure(name, found, View())
