"""Files of what is on the page."""

import importlib.util
import json
import math

import pandas as pd
import pytest
import yaml

from evaluation.answers import Question, answer
from evaluation.results import Results, Run
from evaluation.ui import exports, texts
from evaluation.ui.run_folders import Opened
from medseg_demo.errors import OptionError
from medseg_demo.settings import Settings


@pytest.fixture
def write(table_of, tmp_path):
    def make(kind):
        table = table_of({"a": [0.5, math.nan, "failed"], "b": [0.6, 0.7, 0.8]}, split=["test"] * 3)
        table["hd95"] = [1.0, math.inf, math.nan, 1.0, 2.0, 3.0]
        results = Results(table, (Run("a", "set"), Run("b", "set")), ("split",), ("dice", "hd95", "reference_volume"))
        opened = Opened((), results, {(run.test_set, run.checkpoint): (run, None) for run in results.runs})
        return exports.write(kind, opened, answer(results, Question("set")), tmp_path, settings=Settings())[0]

    return make


def test_csv_keeps_infinite_and_missing_values(write):
    lines = write(texts.CSV).read_text().splitlines()
    assert len(lines) == 7
    assert lines[2].endswith(",inf")


def test_json_states_its_convention_and_holds_no_bare_infinity(write):
    document = json.loads(write(texts.JSON).read_text(), parse_constant=pytest.fail)
    assert "left out" in document["convention"]
    assert document["rows"][1]["hd95"] == "inf"
    assert [one["group"] for one in document["summaries"]]


def test_the_model_index_says_what_each_number_is_of(write):
    index = yaml.safe_load(write(texts.YAML).read_text())["model-index"]
    first = next(model for model in index if model["name"] == "a")["results"][0]
    assert first["task"] == {"type": "image-segmentation"}
    assert first["dataset"] == {"name": "set", "type": "set", "split": "test"}
    metrics = {metric["type"]: metric for metric in first["metrics"]}
    assert metrics["dice"] == {"type": "dice", "value": 0.5, "name": "Dice coefficient, mean over 1 cases, 1 failed"}
    assert "hd95" not in metrics  # its median is a miss
    assert "reference_volume" not in metrics


def test_parquet_needs_its_library(write):
    if importlib.util.find_spec("pyarrow"):
        assert len(pd.read_parquet(write(texts.PARQUET))) == 6
    else:
        with pytest.raises(OptionError, match="pip install pyarrow"):
            write(texts.PARQUET)


def test_an_unknown_format_is_refused(write):
    with pytest.raises(OptionError, match="Choose one of"):
        write("XLSX")
