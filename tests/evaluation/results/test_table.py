import errno
import gzip
import json
import math
import os

import numpy as np
import pandas as pd
import pytest

from evaluation.errors import DamagedResultsError, ResultsError
from evaluation.results.imports import import_results
from evaluation.results.table import (
    IDENTITY,
    UNITS,
    CaseResult,
    Results,
    Run,
    collect,
    json_ready,
    merge,
    read_results,
    write_results,
)
from evaluation.runs.store import CaseScores
from medseg_demo.errors import OutputError

UNIT_CELLS = {"distance_unit": "mm", "size_unit": "ml"}


def scored(case_id, *rows, checkpoint="net", test_set="set", **metadata):
    names = ("nerve", "vessel")
    full = tuple({"class_name": name, **row, **UNIT_CELLS} for name, row in zip(names, rows, strict=False))
    return CaseResult(test_set, checkpoint, case_id, CaseScores("ok", "", full), metadata)


def example():
    cases = [
        scored("007", {"dice": 0.1 + 0.2, "hd95": math.inf}, {"dice": math.nan, "hd95": 1 / 3}, site="NA", group="p1"),
        CaseResult("set", "net", "008", CaseScores.failed("Cannot be read.", ("nerve", "vessel")), {"site": "Köln"}),
    ]
    return collect(cases, [Run("net", "set", settings={"tolerance": 1.0, "limit": math.inf})])


def test_one_row_for_each_case_and_class_with_the_columns_in_order():
    results = example()
    assert list(results.table) == [*IDENTITY, "site", "group", "dice", "hd95", *UNITS]
    assert (results.metadata, results.metrics) == (("site", "group"), ("dice", "hd95"))
    assert results.table[["case_id", "class_name", "status"]].to_numpy().tolist() == [
        ["007", "nerve", "ok"],
        ["007", "vessel", "ok"],
        ["008", "nerve", "failed"],
        ["008", "vessel", "failed"],
    ]
    assert results.table["error"].tolist() == ["", "", "Cannot be read.", "Cannot be read."]


def test_scores_csv_to_the_letter(tmp_path):
    write_results(example(), tmp_path)
    assert (tmp_path / "scores.csv").read_bytes().decode() == (
        "test_set,checkpoint,case_id,class_name,status,error,site,group,dice,hd95,distance_unit,size_unit\n"
        "set,net,007,nerve,ok,,NA,p1,0.30000000000000004,inf,mm,ml\n"
        "set,net,007,vessel,ok,,NA,p1,,0.3333333333333333,mm,ml\n"
        "set,net,008,nerve,failed,Cannot be read.,Köln,,,,,\n"
        "set,net,008,vessel,failed,Cannot be read.,Köln,,,,,\n"
    )


def test_reading_back_gives_the_same_table_and_writing_it_the_same_bytes(tmp_path):
    values = np.concatenate([np.random.default_rng(0).random(200) * 10.0 ** np.arange(-100, 100), [math.inf, math.nan]])
    cases = [scored(f"{number:03d}", {"dice": value}, age="07") for number, value in enumerate(values)]
    written = collect(cases, [Run("net", "set")])
    write_results(written, tmp_path / "first")
    read = read_results(tmp_path / "first")
    pd.testing.assert_frame_equal(read.table, written.table, check_exact=True)
    write_results(read, tmp_path / "second")
    for name in ("scores.csv", "run.json"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_nothing_in_scores_csv_is_a_formula(tmp_path):
    texts = ["=1+1", "'=2", "-3", "@a"]
    write_results(collect([scored(text, {"dice": 0.5}, site=text) for text in texts], [Run("net", "set")]), tmp_path)
    cells = [line.split(",") for line in (tmp_path / "scores.csv").read_text().splitlines()[1:]]
    assert [(row[2], row[6]) for row in cells] == [(text, text) for text in ("'=1+1", "''=2", "-3", "'@a")]
    for back in (read_results(tmp_path).table, import_results(tmp_path / "scores.csv", "wide").table):
        assert (back["case_id"].tolist(), back["site"].tolist()) == (texts, texts)


def test_run_json_lists_the_runs_and_writes_infinity_as_text(tmp_path):
    write_results(example(), tmp_path)
    description = json.loads((tmp_path / "run.json").read_text(), parse_constant=pytest.fail)
    (run,) = description["runs"]
    assert run["settings"] == {"tolerance": 1.0, "limit": "inf"}
    assert (run["checkpoint"], run["test_set"], run["cases"], run["failed_cases"]) == ("net", "set", 2, 1)
    assert json_ready({"a": [math.nan, -math.inf, np.float64(1.5)]}) == {"a": ["nan", "-inf", 1.5]}


def test_metadata_called_like_a_column_is_renamed():
    results = collect([scored("1", {"dice": 0.5}, dice="yes", status="new")], [Run("net", "set")])
    assert results.metadata == ("case_dice", "case_status")
    assert results.table.loc[0, ["dice", "case_dice", "status", "case_status"]].tolist() == [0.5, "yes", "ok", "new"]


def test_several_folders_become_one_table():
    first = collect([scored("1", {"dice": 0.5}, site="A")], [Run("net", "set")])
    second = collect([scored("1", {"dice": 0.6, "iou": 0.4}, checkpoint="other", age="3")], [Run("other", "set")])
    both = merge([first, second])
    assert (both.metadata, both.metrics) == (("site", "age"), ("dice", "iou"))
    assert both.table["checkpoint"].tolist() == ["net", "other"]
    assert both.table["site"].tolist() == ["A", "A"]  # the case's, whoever knows it
    assert math.isnan(both.table["iou"][0])
    assert [run.checkpoint for run in both.runs] == ["net", "other"]


def test_the_same_run_counts_once_and_another_of_its_name_is_renamed():
    one = collect([scored("1", {"dice": 0.5})], [Run("net", "set")])
    again = collect([scored("1", {"dice": 0.5})], [Run("net", "set", moment="later")])
    other = collect([scored("1", {"dice": 0.7})], [Run("net", "set")])
    both = merge([one, again, other])
    assert both.table[["checkpoint", "dice"]].to_numpy().tolist() == [["net", 0.5], ["net (2)", 0.7]]
    assert [run.checkpoint for run in both.runs] == ["net", "net (2)"]


def test_nothing_to_merge_is_an_error():
    with pytest.raises(ResultsError, match=r"run\.json"):
        merge([])


@pytest.mark.parametrize("name", ["run.json", "scores.csv"])
def test_a_missing_file_is_named(tmp_path, name):
    write_results(example(), tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ResultsError, match=name):
        read_results(tmp_path)


@pytest.mark.parametrize("name", ["run.json", "scores.csv"])
@pytest.mark.parametrize("kept", [0, 40])
def test_a_truncated_file_is_named(tmp_path, name, kept):
    write_results(example(), tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DamagedResultsError, match=name):
        read_results(tmp_path)


def test_a_table_cut_between_two_rows_is_noticed(tmp_path):
    write_results(example(), tmp_path)
    path = tmp_path / "scores.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-2]))
    with pytest.raises(DamagedResultsError, match="2 cases"):
        read_results(tmp_path)


def test_a_metric_that_is_no_number_is_named(tmp_path):
    write_results(example(), tmp_path)
    path = tmp_path / "scores.csv"
    path.write_text(path.read_text().replace("0.30000000000000004", "good"))
    with pytest.raises(DamagedResultsError, match="number"):
        read_results(tmp_path)


def test_a_full_disk_leaves_the_old_table_whole(tmp_path, monkeypatch):
    write_results(example(), tmp_path)
    before = (tmp_path / "scores.csv").read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_results(collect([scored("1", {"dice": 0.1})], [Run("net", "set")]), tmp_path)
    assert (tmp_path / "scores.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.json", "scores.csv"]


def test_statistics_and_plots_never_import_torch():
    import subprocess
    import sys

    code = "import evaluation.results.table, evaluation.statistics, evaluation.plots, evaluation.results.imports, sys\n"
    code += "print('torch' in sys.modules or 'gradio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def named(table, digest, checkpoint):
    rows = table.assign(checkpoint=checkpoint)
    return Results(rows, (Run(checkpoint, "set", test_set_hash=digest),), (), ("dice", "reference_volume"))


def test_parts_of_one_test_set_stay_together_though_their_hashes_differ(table_of):
    whole = table_of({"a": [0.5, 0.6, 0.7, 0.8]})
    other = whole.assign(reference_volume=whole["reference_volume"] + 1)
    for rows, names in (
        (whole[:2], ["set", "set"]),  # such as a split
        (other[:2], ["set", "set (2)"]),
        (other, ["set", "set (2)"]),
        (whole, ["set", "set (2)"]),  # the same cases, and yet other files
    ):
        merged = merge([named(whole, "1", "a"), named(rows, "2", "b"), named(rows, "2", "c"), named(whole, "", "d")])
        assert [run.test_set for run in merged.runs] == [*names, names[1], "set"]
    folds = merge([named(whole[:2], "1", "a"), named(whole[2:], "2", "b")])
    assert set(folds.table["test_set"]) == {"set"}


def test_a_packed_table_is_read_alike(tmp_path):
    write_results(example(), tmp_path)
    plain = read_results(tmp_path)
    content = (tmp_path / "scores.csv").read_bytes()
    (tmp_path / "scores.csv").unlink()
    with pytest.raises(ResultsError, match=r"has no scores.csv"):
        read_results(tmp_path)
    packed = tmp_path / "scores.csv.gz"
    packed.write_bytes(gzip.compress(content))
    assert read_results(tmp_path).table.equals(plain.table)
    for damaged in (gzip.compress(content)[:-20], b"no gzip", gzip.compress(content)[:40] + b"\0" * 60):
        packed.write_bytes(damaged)
        with pytest.raises(DamagedResultsError, match=r"scores.csv.gz"):
            read_results(tmp_path)
