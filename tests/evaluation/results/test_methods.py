"""Folds are pooled, seeds are averaged case by case, and what is odd about them is said."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evaluation.results.answers import Question, answer
from evaluation.results.methods import as_methods, guess_methods, method_notes, parse_methods, run_of
from evaluation.results.table import Results, Run, merge
from medseg_demo.errors import OptionError

NA, MISS = math.nan, math.inf


def results_of(table, metrics=("dice",), metadata=()):
    runs = tuple(Run(name, "set", settings={"nsd_tolerance": 1.0}) for name in dict.fromkeys(table["checkpoint"]))
    return Results(table, runs, metadata, metrics)


def folds_of(table_of, name, values, folds=2):
    """Runs ``<name>_fold_<k>``, each with every so many-th case."""
    table = table_of({f"{name}_fold_{fold}": values for fold in range(folds)})
    fold = table["checkpoint"].str[-1].astype(int)
    return table[table["case_id"].str[-3:].astype(int) % folds == fold].reset_index(drop=True)


def test_folds_are_guessed_by_their_names_and_pooled(table_of):
    values = np.linspace(0.5, 0.9, 10)
    results = results_of(pd.concat([folds_of(table_of, "A", values), table_of({"B": values})], ignore_index=True))
    methods = guess_methods(results)
    assert methods == {"A": ("A_fold_0", "A_fold_1")}
    pooled, made = as_methods(results, methods)
    assert dict(pooled.table["checkpoint"].value_counts()) == {"A": 10, "B": 10}
    assert [run.checkpoint for run in pooled.runs] == ["A", "B"]
    assert method_notes(results, made, "dice") == ["A: 2 folds, pooled."]
    assert run_of(results, made, "set", "A", "case_003") == "A_fold_1"
    assert run_of(results, made, "set", "B", "case_003") == "B"


@pytest.mark.parametrize("names", [("fold_0", "fold_1"), ("net/fold_0", "net/fold_1"), ("Net-Fold0", "Net-Fold1")])
def test_names_of_folds(table_of, names):
    assert list(guess_methods(results_of(table_of({name: [0.5] for name in names}))).values()) == [names]


def test_runs_of_one_name_with_different_cases_are_folds(table_of):
    one, other = table_of({"net": [0.5, 0.6]}), table_of({"net": [0.7, 0.8]})
    other["case_id"] = ["x", "y"]
    merged = merge([results_of(one), results_of(other)])
    assert guess_methods(merged) == {"net": ("net", "net (2)")}
    assert len(as_methods(merged, guess_methods(merged))[0].table) == 4
    again = merge([results_of(one), results_of(table_of({"net": [0.7, 0.8]}))])
    assert guess_methods(again) == {}  # the same cases scored twice: nobody knows which counts


def test_a_column_names_the_methods(table_of):
    table = table_of({"r1": [0.5], "r2": [0.6], "r3": [0.7]})
    table["method"] = ["A", "A", "B"]
    assert guess_methods(results_of(table, metadata=("method",))) == {"A": ("r1", "r2")}


def test_seeds_are_averaged_before_the_test(table_of):
    """Two methods with three seeds over 25 cases: the number of cases stays 25."""
    generator = np.random.default_rng(3)
    base = generator.uniform(0.6, 0.9, 25)
    better = base + 0.006 + generator.normal(0, 0.02, 25)
    seeds = {f"{name}-s{seed}": scores + generator.normal(0, 0.004, 25)
             for name, scores in (("A", better), ("B", base)) for seed in range(3)}  # fmt: skip
    results = results_of(table_of(seeds))
    methods = parse_methods(["A=A-s0,A-s1,A-s2", "B=B-s*"], results, {})
    averaged, made = as_methods(results, methods)
    (found,) = answer(averaged, Question("set")).comparisons
    differences = sum(seeds[f"A-s{seed}"] - seeds[f"B-s{seed}"] for seed in range(3)) / 3
    assert (found.pairs, found.p) == (25, pytest.approx(stats.wilcoxon(differences).pvalue))
    assert method_notes(results, made, "dice")[0].startswith("A: 3 seeds, averaged per case; means of the seeds 0.7")


def test_bins_of_probabilities_of_seeds_are_added(table_of):
    table = table_of({"A-s0": [0.5, 0.6], "A-s1": [0.7, 0.8]}).assign(
        calibration=["0:3:1:.1", "1:1:1:.9", "0:1:0:0", ""]
    )
    together, _ = as_methods(results_of(table), {"A": ("A-s0", "A-s1")})
    assert together.table["calibration"].tolist() == ["0:3:1:.1 0:1:0:0", "1:1:1:.9 "]


def test_seeds_of_folds(table_of):
    values = np.linspace(0.5, 0.9, 10)
    both = [folds_of(table_of, f"A_seed{seed}", values + seed / 100) for seed in range(3)]
    results = results_of(pd.concat(both, ignore_index=True))
    averaged, (made,) = as_methods(results, guess_methods(results))
    assert made.words == "A: 3 seeds of 2 folds each, averaged per case"
    np.testing.assert_allclose(averaged.table.sort_values("case_id")["dice"], values + 0.01)


def test_two_folds_that_share_a_case_are_named_with_it(table_of):
    table = folds_of(table_of, "A", [0.5, 0.6, 0.7, 0.8])
    table.loc[0, "case_id"] = "case_001"
    _, (made,) = as_methods(results_of(table), {"A": ("A_fold_0", "A_fold_1")})
    assert made.notes == ("A: the folds A_fold_0 and A_fold_1 share 1 case (case_001); the mean of both counts",)


def test_a_seed_that_lacks_a_case_is_named_with_it(table_of):
    table = table_of({"s0": [0.5] * 4, "s1": [0.7] * 4})[:-1]
    averaged, (made,) = as_methods(results_of(table), {"A": ("s0", "s1")})
    assert averaged.table["dice"].tolist() == pytest.approx([0.6, 0.6, 0.6, 0.5])
    assert made.notes == ("A: the seed s1 lacks 1 case (case_003); the mean of the others counts",)


def test_healthy_cases_misses_and_failures_of_one_seed(table_of):
    table = table_of({"s0": [NA, NA, 0.8, "failed"], "s1": [0.0, NA, "failed", "failed"]})
    table.loc[table["case_id"] == "case_000", "reference_volume"] = 0.0
    averaged, _ = as_methods(results_of(table), {"A": ("s0", "s1")})
    np.testing.assert_allclose(averaged.table["dice"], [0.5, NA, 0.4, NA])
    assert averaged.table["status"].tolist() == ["ok", "ok", "ok", "failed"]
    far, _ = as_methods(
        results_of(table_of({"s0": [2.0], "s1": [MISS]}, metric="hd95"), ("hd95",)), {"A": ("s0", "s1")}
    )
    assert far.table["hd95"].tolist() == [MISS]


def test_what_runs_share_is_kept_and_nothing_else(table_of):
    runs = (
        Run("s0", "set", "abc", settings={"a": 1, "b": 2}),
        Run("s1", "set", "abc", settings={"a": 1, "b": 3}, partial=True),
    )
    averaged, _ = as_methods(Results(table_of({"s0": [0.5], "s1": [0.5]}), runs, (), ("dice",)), {"A": ("s0", "s1")})
    assert averaged.runs == (Run("A", "set", "abc", settings={"a": 1}, partial=True),)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (["A"], "not understood"),
        (["A=other"], "There is no run 'other'. There are: s0, s1"),
        (["A=s0", "B=s0,s1"], "Two methods claim the run s0"),
        (["A=s0", "A=s1"], "Give each method once"),
    ],
)
def test_methods_that_cannot_be_used_are_refused(table_of, given, problem):
    with pytest.raises(OptionError, match=problem):
        parse_methods(given, results_of(table_of({"s0": [0.5], "s1": [0.5]})), {})


def test_a_method_cannot_take_the_name_of_another_run(table_of):
    with pytest.raises(OptionError, match="'B' already"):
        as_methods(results_of(table_of({"s0": [0.5], "B": [0.5]})), {"B": ("s0",)})


def test_a_run_can_be_named_by_its_folder(table_of):
    results = results_of(table_of({"s0": [0.5], "s1": [0.5]}))
    assert parse_methods(["A=out/one,s1"], results, {"out/one": ["s0"]}) == {"A": ("s0", "s1")}


def test_a_folds_folder_lacks_the_cases_of_the_others(make_test_set, tmp_path, capsys, monkeypatch):
    """Each fold's predictions scored on the whole test set, as a cross-validation leaves them."""
    import json
    import shutil

    from evaluation.__main__ import main

    monkeypatch.setenv("MEDSEG_TEST_SETS_DIR", str(tmp_path))
    folder = make_test_set(cases=5)
    for fold in range(2):
        predictions = tmp_path / f"net_fold_{fold}"
        predictions.mkdir()
        for case in range(fold, 4, 2):  # the last case has no prediction at all
            shutil.copy(folder / "masks" / f"case_{case:02}.png", predictions)
        score = ["score", "--test-set", str(folder), "--predictions", str(predictions), "--workers", "0"]
        assert main([*score, "--output", str(tmp_path / f"out{fold}")]) == 1
    capsys.readouterr()
    assert main(["summary", str(tmp_path / "out0"), str(tmp_path / "out1"), "--json"]) == 1
    printed = capsys.readouterr()
    (line,) = json.loads(printed.out)["leaderboard"]
    assert (line["name"], line["n"], line["failed"], line["mean"]) == ("net", 4, 1, 1.0)
    assert printed.err.count("error:") == 1
