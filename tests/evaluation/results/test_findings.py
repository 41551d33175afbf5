"""From a run's rows to the figures of its findings."""

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from evaluation.__main__ import main
from evaluation.results import tables
from evaluation.results.answers import Question, answer
from evaluation.results.findings import columns_of, findings_in
from evaluation.results.table import CaseResult, Run, collect, merge, read_results, write_results
from evaluation.runs.store import CaseScores
from medseg_demo.models.finding import Finding

FINDING = Finding(name="pneumonia", threshold=0.5, column="kind", present=("ill",), absent=("well",))
CELLS = ("ill", "ill", "ill", "well", "well", "well", "", "unclear")
PROBABILITIES = (0.9, 0.8, 0.4, 0.45, 0.1, 0.2, 0.7, 0.3)
GROUPS = ("a", "a", "b", "c", "d", "e", "f", "g")


def results(cells=CELLS, probabilities=PROBABILITIES, *, name="net", findings=(FINDING,)):
    cases = []
    for place, (cell, probability) in enumerate(zip(cells, probabilities, strict=True)):
        found = columns_of(findings, {one.name: probability for one in findings}, {"kind": cell})
        rows = [
            {"class_name": one, "dice": 0.5 + place / 20, "distance_unit": "px", "size_unit": "px", **found}
            for one in ("left", "right")
        ]
        metadata = {"kind": cell, "group": GROUPS[place]}
        cases.append(CaseResult("set", name, f"c{place}", CaseScores("ok", "", tuple(rows)), metadata))
    return collect(cases, [Run(name, "set")])


def found_in(table):
    return findings_in(answer(table, Question("set")))


def test_the_columns_stand_after_all_others():
    columns = list(results().table)
    assert columns[-3:] == ["finding_pneumonia", "finding_pneumonia_threshold", "finding_pneumonia_reference"]
    assert "finding_pneumonia" not in results().metrics


def test_they_are_read_back(tmp_path):
    write_results(results(), tmp_path)
    assert read_results(tmp_path).table.equals(results().table)


def test_figures_are_those_of_the_known_cases_each_counted_once():
    (found,) = found_in(results())
    assert found.auc.value == pytest.approx(roc_auc_score([1, 1, 1, 0, 0, 0], PROBABILITIES[:6]))
    assert (found.cells.tp, found.cells.fn, found.cells.fp, found.cells.tn) == (2, 1, 0, 3)
    assert (found.unknown, found.thresholds) == (2, (0.5,))
    assert "2 cases say nothing" in found.notes[0]


def test_cases_of_one_patient_belong_together():
    alone = findings_in(answer(results(), Question("set", cluster="")))[0]
    assert found_in(results())[0].auc.low != pytest.approx(alone.auc.low)


def test_one_kind_alone_has_no_area_and_it_is_said():
    (found,) = found_in(results(["ill"] * 8))
    assert np.isnan(found.auc.value)
    assert found.record["auc"] == {"value": None, "low": None, "high": None}
    assert "all 8 cases whose reference is known are present" in found.notes[0]
    assert tables.findings(answer(results(["ill"] * 8), Question("set"))).rows[0][2] == "n/a"


def test_a_checkpoint_without_findings_has_no_line():
    both = merge([results(), results(name="plain", findings=())])
    assert [one.checkpoint for one in found_in(both)] == ["net"]
    assert tables.findings(answer(results(findings=()), Question("set"))) is None


def test_a_users_own_column_of_that_name_is_no_finding():
    cases = [
        CaseResult("set", "net", "c", CaseScores("ok", "", ({"class_name": "a", "dice": 1.0},)), {"finding_x": "1"})
    ]
    assert "case_finding_x" in collect(cases, [Run("net", "set")]).metadata


def test_the_summary_tells_them(tmp_path, capsys):
    write_results(results(), tmp_path)
    assert main(["summary", str(tmp_path), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    assert (found["name"], found["finding"], found["tp"], found["unknown"]) == ("net", "pneumonia", 2, 2)
    assert found["sensitivity"]["value"] == pytest.approx(2 / 3)
    assert main(["summary", str(tmp_path)]) == 0
    assert "pneumonia" in capsys.readouterr().out
