"""Files of what is on the page."""

import json
import math
from dataclasses import replace

import pandas as pd
import pytest
import yaml

from evaluation.results.answers import Question, answer
from evaluation.results.table import Results, Run, write_results
from evaluation.ui.evaluate import exports
from evaluation.ui.evaluate.run_folders import Opened, RunFolder, open_runs
from medseg_demo.errors import OptionError
from medseg_demo.segmenting.engine import Engine
from medseg_demo.settings import Settings


@pytest.fixture
def write(table_of, tmp_path):
    def make(kind):
        table = table_of({"a": [0.5, math.nan, "failed"], "b": [0.6, 0.7, 0.8]}, split=["test"] * 3)
        table["hd95"] = [1.0, math.inf, math.nan, 1.0, 2.0, 3.0]
        table["nsd"] = [0.5, 0.5, math.nan, 1.0, 1.0, 1.0]
        runs = tuple(Run(name, "set", settings={"nsd_tolerance": 2.0}) for name in "ab")
        results = Results(table, runs, ("split",), ("dice", "hd95", "nsd", "reference_volume"))
        opened = Opened((), results, {(run.test_set, run.checkpoint): (run, None) for run in results.runs})
        engine = Engine(Settings(test_sets_dir=tmp_path))
        return exports.write(
            kind, opened, answer(results, Question("set")), tmp_path, engine=engine, settings=engine.settings
        )[0]

    return make


def test_csv_keeps_infinite_and_missing_values(write):
    lines = write("csv").read_text().splitlines()
    assert len(lines) == 7
    assert lines[2].endswith(",inf,0.5")


def test_json_states_its_convention_and_holds_no_bare_infinity(write):
    document = json.loads(write("json").read_text(), parse_constant=pytest.fail)
    assert "left out" in document["convention"]
    assert document["rows"][1]["hd95"] == "inf"
    assert [one["group"] for one in document["summaries"]]


def test_the_model_index_says_what_each_number_is_of(write):
    index = yaml.safe_load(write("yaml").read_text())["model-index"]
    first = next(model for model in index if model["name"] == "a")["results"][0]
    assert first["task"] == {"type": "image-segmentation"}
    assert first["dataset"] == {"name": "set", "type": "set", "split": "test"}
    metrics = {metric["type"]: metric for metric in first["metrics"]}
    assert metrics["dice"] == {"type": "dice", "value": 0.5, "name": "Dice coefficient, mean over 1 cases, 1 failed"}
    assert "hd95" not in metrics  # its median is a miss
    assert "reference_volume" not in metrics
    assert metrics["nsd"]["name"].startswith("Normalised surface distance (surface Dice), tolerance 2 mm, mean over 2")


def test_distances_of_the_model_index_have_their_unit(write):
    index = yaml.safe_load(write("yaml").read_text())["model-index"]
    (second,) = (model["results"][0]["metrics"] for model in index if model["name"] == "b")
    assert {
        "type": "hd95",
        "value": 2.0,
        "name": "Hausdorff distance, 95th percentile (mm), mean over 3 cases",
    } in second


def test_parquet_holds_the_rows_of_the_csv_with_numbers_as_numbers(write):
    rows, lines = pd.read_parquet(write("parquet")), pd.read_csv(write("csv"), keep_default_na=False)
    assert rows["hd95"].tolist()[:2] == [1.0, math.inf]
    assert math.isnan(rows["dice"][1])
    for name in ("checkpoint", "case_id", "class_name", "status", "error", "split"):
        assert rows[name].tolist() == lines[name].tolist()


@pytest.mark.parametrize(("kind", "read"), [("csv", pd.read_csv), ("parquet", pd.read_parquet)])
def test_rows_keep_their_group_whatever_cases_are_taken_by(kind, read, table_of, tmp_path):
    table = table_of({"a": [0.5, 0.6]}, groups=["p1", "p2"], site=["north", "south"])
    results = Results(table, (Run("a", "set"),), ("group", "site"), ("dice",))
    opened = Opened((), results, {("set", "a"): (results.runs[0], None)})
    engine = Engine(Settings(test_sets_dir=tmp_path))
    found = answer(results, Question("set", cluster="site"))
    (path,) = exports.write(kind, opened, found, tmp_path, engine=engine, settings=engine.settings)
    assert read(path)["group"].tolist() == ["p1", "p2"]


def test_the_report_makes_predictions_again_that_were_not_kept(known_engine, make_test_set, table_of, tmp_path):
    make_test_set("sets/squares")
    engine = Engine(replace(known_engine.settings, test_sets_dir=tmp_path / "sets"))
    table = table_of({"half": [0.9, 0.2]}, test_set="squares")
    table["case_id"] = ["case_00", "case_01"]
    folder = RunFolder(tmp_path / "results" / "run", "earlier")
    write_results(Results(table, (Run("half", "squares"),), (), ("dice",)), folder.path)
    opened = open_runs((folder,))
    found = answer(opened.results, Question("squares"))
    (page,) = exports.write("report", opened, found, tmp_path, engine=engine, settings=engine.settings)
    text = page.read_text(encoding="utf-8")
    assert text.count("outcomes against the reference") == 2
    assert "was not kept" not in text


def test_an_unknown_format_is_refused(write):
    with pytest.raises(OptionError, match="Choose one of"):
        write("XLSX")
