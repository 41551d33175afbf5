"""The command ``summary``: its document for programs, and the same as text."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from evaluation.__main__ import main
from evaluation.results.table import Results, Run, write_results

NA = math.nan
BASE = np.linspace(0.6, 0.85, 12)
LINE = {"name", "mean", "low", "high", "median", "n", "misses", "failed", "not_applicable"}
RANKS = {"rank_of_means", "mean_rank", "rank_by_tests"}
COST = {"parameters", "seconds"}
PAIR = {
    "first", "second", "difference", "low", "high", "p", "p_adjusted", "wins", "ties", "losses", "cases", "groups",
    "better", "sentence",
}  # fmt: skip


@pytest.fixture
def summary(table_of, tmp_path, capsys):
    """Writes each checkpoint of some scores to a folder of its own, and summarises the folders."""

    def make(scores, *options, code=0, metric="dice", test_set="set", **columns):
        folders = []
        for name in scores:
            table = table_of({name: scores[name]}, metric=metric, test_set=test_set, **columns)
            metadata = tuple(one for one in ("group", *columns) if one in table and one != "groups")
            folders.append(tmp_path / name)
            write_results(Results(table, (Run(name, test_set),), metadata, (metric, "reference_volume",
                          "predicted_volume")), folders[-1])  # fmt: skip
        capsys.readouterr()
        assert main(["summary", *map(str, folders), *options]) == code
        return capsys.readouterr()

    return make


def document(printed):
    return json.loads(printed.out, parse_constant=pytest.fail)


def test_the_contract(summary):
    found = document(summary({"low": BASE, "high": BASE + 0.05}, "--json"))
    assert {"metric", "leaderboard", "classes", "pairs"} <= set(found)
    assert [set(one) for one in found["leaderboard"]] == [LINE | RANKS | COST] * 2
    assert all(LINE | {"class_name", "metrics"} == set(one) for one in found["classes"])
    assert [set(one) for one in found["pairs"]] == [PAIR]
    best, other = found["leaderboard"]
    assert (best["name"], best["mean"], best["n"]) == ("high", pytest.approx(BASE.mean() + 0.05), 12)
    assert [best[rank] for rank in sorted(RANKS)] == [1, 1, 1]
    assert [other[rank] for rank in sorted(RANKS)] == [2, 2, 2]
    (pair,) = found["pairs"]
    assert (pair["first"], pair["second"], pair["better"]) == ("low", "high", "high")
    assert (pair["difference"], pair["p"]) == (pytest.approx(-0.05), pytest.approx(2 / 2**12))
    assert pair["sentence"].startswith("high is better than low in Dice coefficient")
    assert found["classes"][0]["metrics"]["reference_volume"]["n"] == 12


def test_false_alarms_in_healthy_cases_cost_the_first_place(summary):
    found = document(summary({"alarms": [*BASE, *[0.0] * 8], "right": [*(BASE - 0.01), *[NA] * 8]}, "--json"))
    assert [one["name"] for one in found["leaderboard"]] == ["right", "alarms"]
    assert found["leaderboard"][0]["not_applicable"] == 8
    assert found["pairs"][0]["cases"] == 20


def test_runs_of_one_method_are_taken_together_and_may_stay_apart(summary):
    scores = {"A_fold_0": BASE, "A_fold_1": BASE, "B": BASE - 0.1}
    found = document(summary(scores, "--json"))
    assert [one["name"] for one in found["leaderboard"]] == ["A", "B"]
    assert found["notes"][0].startswith("A: 2 seeds, averaged per case")  # the same cases in both: no folds at all
    apart = document(summary(scores, "--json", "--no-methods"))
    assert len(apart["leaderboard"]) == 3
    named = document(summary(scores, "--json", "--method", "X=A_fold_0,B", "Y=A_fold_1"))
    assert {one["name"] for one in named["leaderboard"]} == {"X", "Y"}


def test_a_failed_case_is_named_with_its_reason(summary):
    printed = summary({"a": [*BASE, "failed"]}, "--json", code=1)
    assert "error: a, case 'case_012': unreadable" in printed.err
    assert document(printed)["leaderboard"][0]["failed"] == 1


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--metric", "other"], "no metric 'other'. They have: dice"),
        (["--test-set", "other"], "no test set 'other'. They have: set"),
        (["--method", "A=none"], "There is no run 'none'"),
        (["--miss", "lots"], "--miss lots is not understood"),
        (["--group", "age"], "The cases have no column 'age'. Their columns: none"),
    ],
)
def test_what_cannot_be_used_is_refused(summary, options, problem):
    assert problem in summary({"a": BASE}, *options, code=2).err


def test_a_penalty_for_misses_gives_a_mean(summary):
    scores = {"a": [1.0, 2, 3, 4, 5, math.inf], "b": [1.0, 2, 3, 4, 5, 6]}
    kept = document(summary(scores, "--json", metric="hd95"))
    assert [one["mean"] for one in kept["leaderboard"] if one["name"] == "a"] == [None]
    assert (kept["pairs"][0]["difference"], kept["pairs"][0]["high"]) == ("inf", "inf")
    given = document(summary(scores, "--json", "--miss", "20", metric="hd95"))
    assert [one["mean"] for one in given["leaderboard"] if one["name"] == "a"] == [pytest.approx(35 / 6)]
    assert given["convention"].endswith("a miss (∞) counts 20.")


def test_groups_of_cases_are_tested_where_a_column_is_named(summary):
    site = ["N"] * 6 + ["S"] * 6
    (gap,) = document(summary({"a": BASE}, "--json", "--group", "site", site=site))["gaps"]
    assert (gap["lowest"], gap["highest"], gap["column"]) == ("N", "S", "site")
    assert "Kruskal–Wallis" in gap["sentence"]
    same = document(summary({"a": BASE}, "--json", "--group", "site", site=["N"] * 12))
    assert (same["gaps"], same["notes"]) == ([], ["All cases have 'N' as site: there are no groups to compare."])


def test_the_text_says_the_same_sentences(summary):
    scores = {"low": BASE, "high": BASE + 0.05}
    told, text = document(summary(scores, "--json"))["pairs"][0]["sentence"], summary(scores).out
    assert f"- {told}" in text
    assert text.startswith("Leaderboard: set\nCheckpoint")


def test_results_of_several_test_sets_are_not_mixed(summary, table_of, tmp_path, capsys):
    summary({"a": BASE})
    other = Results(table_of({"b": BASE}, test_set="elsewhere"), (Run("b", "elsewhere"),), (), ("dice",))
    write_results(other, tmp_path / "b")
    assert main(["summary", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    assert "Name one with --test-set: set, elsewhere" in capsys.readouterr().err


def test_test_sets_of_one_name_and_other_files_are_kept_apart(table_of, tmp_path, capsys):
    for name, digest, scores in (("a", "1" * 64, BASE), ("b", "2" * 64, BASE), ("c", "1" * 64, BASE - 0.1)):
        results = Results(table_of({name: scores}), (Run(name, "set", test_set_hash=digest),), (), ("dice",))
        write_results(results, tmp_path / name)
    folders = [str(tmp_path / name) for name in "abc"]
    assert main(["summary", *folders]) == 2
    assert "Name one with --test-set: set, set (2)" in capsys.readouterr().err
    assert main(["summary", *folders, "--test-set", "set", "--json"]) == 0
    found = document(capsys.readouterr())
    assert [one["name"] for one in found["leaderboard"]] == ["a", "c"]
    assert found["notes"][0].startswith("'set (2)' is a test set of the same name as 'set' with other files")
    assert main(["report", *folders, "--output", str(tmp_path / "report.html")]) == 0
    text = (tmp_path / "report.html").read_text()
    assert "<h2>set (2)</h2>" in text
    assert "is a test set of the same name" in text


def test_a_group_that_one_folder_knows_holds_for_the_other(summary, table_of, tmp_path, capsys):
    summary({"a": BASE}, groups=[f"p{place // 2}" for place in range(12)])
    unnamed = Results(table_of({"b": BASE - 0.1}), (Run("b", "set"),), (), ("dice",))
    write_results(unnamed, tmp_path / "b")
    for folders in (["a", "b"], ["b", "a"]):
        assert main(["summary", *(str(tmp_path / one) for one in folders), "--json"]) == 0
        (pair,) = document(capsys.readouterr())["pairs"]
        assert (pair["groups"], pair["p"]) == (6, pytest.approx(2 / 2**6))


def test_a_published_ranking(capsys):
    assert main(["summary", "--published", "A:0.91±0.05/50", "B:0.90±0.06/50", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["turned"] == pytest.approx(0.105, abs=0.001)
    assert main(["summary"]) == 2


def test_a_run_is_named_by_its_folder(summary, tmp_path):
    scores = {"s0": BASE, "s1": BASE + 0.02, "B": BASE}
    found = document(summary(scores, "--json", "--method", f"A={tmp_path / 's0'},{tmp_path / 's1'}"))
    assert {one["name"] for one in found["leaderboard"]} == {"A", "B"}
    assert pd.notna(found["pairs"][0]["p"])


def test_weights_and_times_are_told_where_they_are_known(table_of, tmp_path, capsys):
    ran = Run("a", "set", parameters=31_040_000, seconds=0.25, settings={"backend": "openvino", "device": "cpu"})
    table = table_of({"a": BASE, "b": BASE - 0.1})
    write_results(Results(table, (ran, Run("b", "set")), (), ("dice",)), tmp_path / "runs")
    assert main(["summary", str(tmp_path / "runs"), "--json"]) == 0
    board = document(capsys.readouterr())["leaderboard"]
    assert [(one["parameters"], one["seconds"]) for one in board] == [(31_040_000, 0.25), (None, None)]
    assert main(["summary", str(tmp_path / "runs")]) == 0
    text = capsys.readouterr().out
    assert "31.04 M           250 ms" in text
    assert "without the first one (by openvino on cpu)" in text
