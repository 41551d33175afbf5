"""Results as HTML."""

import math

from evaluation.results.answers import Question, answer
from evaluation.results.table import Results, Run
from evaluation.ui.evaluate import fragments
from evaluation.ui.evaluate.run_folders import Opened


def found_of(table, name="set"):
    runs = tuple(Run(checkpoint, name) for checkpoint in dict.fromkeys(table["checkpoint"]))
    return answer(Results(table, runs, (), ("dice",)), Question(name))


def test_failures_stand_out_in_weight_and_names_are_escaped(table_of):
    html = fragments.leaderboard(found_of(table_of({"<a>": [0.5, "failed", 0.7]})))
    assert '<strong class="ev-alarm">1</strong>' in html
    assert "<a>" not in html
    assert "Mean over cases, then over classes" in html


def test_a_mean_with_a_miss_has_no_number(table_of):
    table = table_of({"a": [1.0, math.inf]}, metric="hd95")
    results = Results(table, (Run("a", "set"),), (), ("hd95",))
    html = fragments.leaderboard(answer(results, Question("set", metric="hd95")))
    assert "<td>n/a</td>" in html


def test_too_few_cases_are_said_to_be_too_few(table_of):
    found = found_of(table_of({"a": [0.5, 0.6], "b": [0.7, 0.8]}))
    assert "Too few to tell" in fragments.difference(found, found.comparison("a", "b"))
    alone = found_of(table_of({"a": [0.5]}))
    assert "Only one checkpoint" in fragments.difference(alone, None)


def test_few_cases_have_neither_an_interval_nor_its_picture(table_of):
    few = fragments.leaderboard(found_of(table_of({"a": [0.788, 0.833, 0.8, 0.82]}, groups=["p", "p", "q", "q"])))
    enough = fragments.leaderboard(found_of(table_of({"a": [0.788, 0.833, 0.8, 0.82, 0.81, 0.79]})))
    assert ("ev-bar" in few, "ev-bar" in enough) == (False, True)
    assert "<td>n/a (2 groups)</td>" in few
    assert "2 groups: too few for an interval" in few.partition("</table>")[2]  # not only in a tooltip


def test_simulated_and_partial_results_are_marked(table_of):
    run = Run("a", "simulated nuclei", partial=True)
    results = Results(table_of({"a": [0.5]}), (run,), (), ("dice",))
    html = fragments.marks(Opened((), results, {("simulated nuclei", "a"): (run, None)}), Question("simulated nuclei"))
    assert "not photographed" in html
    assert "a: stopped before the last case" in html


def test_runs_that_were_not_measured_alike_are_marked(table_of):
    runs = {("set", name): (Run(name, "set", settings={"nsd_tolerance": tolerance}), None) for name, tolerance in
            (("a", 1.0), ("b", 2.0))}  # fmt: skip
    results = Results(table_of({"a": [0.5], "b": [0.5]}), tuple(run for run, _ in runs.values()), (), ("dice",))
    assert "a with 1 mm, b with 2 mm" in fragments.marks(Opened((), results, runs), Question("set"))


def test_progress_is_known_to_screen_readers():
    html = fragments.progress("Scored 2 of 4", 2, 4, "about 3 s left", "set · net · case")
    assert '<progress max="4" value="2" aria-label="Scored 2 of 4">' in html
    assert 'role="status"' in html


def test_every_metric_and_every_class_stand_beside_each_other(table_of):
    table = table_of({"a": [(0.5, 0.9), (0.7, 0.9)]}).assign(iou=[0.4, 0.8, 0.6, 0.8])
    found = answer(Results(table, (Run("a", "set"),), (), ("dice", "iou")), Question("set"))
    html = fragments.every(found)
    assert "<td>0.750</td>" in html
    assert "<td>0.650</td>" in html
    assert "in each class" in html
    assert "in each class" not in fragments.every(found_of(table_of({"a": [0.5, 0.7]})))


def test_other_metrics_stand_beside_the_one_that_ranks(table_of):
    table = table_of({"a": [0.5, 0.7], "b": [0.1, 0.2]}).assign(iou=[0.4, 0.6, 0.1, 0.3])
    runs = tuple(Run(name, "set") for name in "ab")
    found = answer(Results(table, runs, (), ("dice", "iou")), Question("set"))
    html = fragments.leaderboard(found, ("iou", "dice"))
    assert html.count("<th ") == fragments.leaderboard(found).count("<th ") + 1
    assert html.index("<td>0.500</td>") < html.index("<td>0.200</td>")
