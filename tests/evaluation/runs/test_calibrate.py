"""The threshold under which a result may have failed: what it doubts of val, and what of test."""

import json

import pytest

from evaluation.__main__ import main
from evaluation.runs.calibrate import Outcome, calibrated, rates
from medseg_demo.errors import TestSetError
from medseg_demo.models.checkpoint import load_folder

GOOD = [Outcome(0.95, 0.5 + place / 100) for place in range(40)]
BAD = [Outcome(0.3, 0.1 + place / 100) for place in range(10)]


def test_at_most_a_tenth_of_the_good_results_is_doubted():
    found = calibrated([*GOOD, *BAD], "a" * 64)
    assert found.threshold == pytest.approx(0.54)
    assert (found.cases, found.failures, found.hits, found.false_alarms) == (50, 10, 1.0, 0.1)
    assert (found.level, found.checkpoint_sha256, found.tells) == (0.8, "a" * 64, True)


def test_where_few_are_bad_the_worst_tenth_counts_as_failed():
    found = calibrated([Outcome(0.9 + place / 1000, 0.5) for place in range(50)], "a" * 64)
    assert found.level == pytest.approx(0.9049)
    assert found.failures == 5
    assert (found.hits, found.tells) == (0, False)


def test_a_stated_level_holds():
    assert calibrated([*GOOD, *BAD], "a" * 64, level=0.2).failures == 0


def test_without_failures_there_is_no_rate_of_hits():
    found = rates(GOOD, 0.8, 0.6)
    assert (found.hits, found.false_alarms) == (None, 0.25)


def test_too_few_cases_or_none_that_is_good_are_refused():
    with pytest.raises(TestSetError, match="19 case"):
        calibrated(GOOD[:19], "a" * 64)
    with pytest.raises(TestSetError, match=r"Choose a lower --level"):
        calibrated([*BAD, *BAD], "a" * 64)


def test_the_command_writes_what_it_measured_beside_the_card(make_test_set, checkpoints, monkeypatch, capsys):
    folder = make_test_set(cases=23)
    rows = ["case_id,split", *(f"case_{number:02},{'val' if number < 21 else 'test'}" for number in range(23))]
    (folder / "cases.csv").write_text("\n".join(rows), encoding="utf-8")
    (folder / "dataset.json").write_text('{"labels": {"background": 0, "bright": 255}}', encoding="utf-8")
    before = load_folder(checkpoints / "small").digest
    monkeypatch.setenv("MEDSEG_CHECKPOINTS_DIR", str(checkpoints))
    monkeypatch.setenv("MEDSEG_BACKEND", "torch")
    assert main(["calibrate", "small", "--test-set", str(folder), "--level", "0.01", "--test"]) == 0
    assert "val: 21 cases" in capsys.readouterr().out
    stored = json.loads((checkpoints / "small" / "failure.json").read_text())
    assert (stored["cases"], stored["test"]["cases"], stored["level"]) == (21, 2, 0.01)
    checkpoint = load_folder(checkpoints / "small")
    assert checkpoint.digest == before == checkpoint.card.failure.checkpoint_sha256
