import numpy as np
import pandas as pd
import pytest

from evaluation.statistics import risk_coverage


def table_of(dice, confidence, **columns):
    rows = {
        "test_set": "set", "checkpoint": "net", "case_id": [f"c{place}" for place in range(len(dice))],
        "class_name": "x", "status": "ok", "dice": dice, "confidence": confidence,
    }  # fmt: skip
    return pd.DataFrame(rows | columns)


def test_the_surest_cases_come_first():
    (found,) = risk_coverage(table_of([0.9, 0.5, 0.7], [0.8, 0.9, 0.1]))
    assert found.cases.tolist() == ["c1", "c0", "c2"]
    assert found.risk == pytest.approx([0.5, 0.3, 0.3])
    assert found.area == pytest.approx(1.1 / 3)
    # In the ideal order the losses are .1, .3, .5: risks .1, .2, .3.
    assert found.excess == pytest.approx(0.5 / 3)
    assert found.coverage == pytest.approx([1 / 3, 2 / 3, 1])


def test_the_ideal_order_has_no_excess_and_the_reverse_has_most():
    dice = np.random.default_rng(0).random(30)
    best, random, worst = (risk_coverage(table_of(dice, one))[0].excess for one in (dice, np.roll(dice, 7), -dice))
    assert best == pytest.approx(0)
    assert 0 < random < worst


def test_equally_sure_cases_count_as_in_any_order():
    for dice in ([0.2, 0.8], [0.8, 0.2]):
        (found,) = risk_coverage(table_of(dice, [0.5, 0.5]))
        assert found.risk == pytest.approx([0.5, 0.5])


def test_the_mean_over_the_classes_of_a_case_counts():
    (found,) = risk_coverage(table_of([0.4, 0.8], [0.5, 0.7], case_id="one", class_name=["x", "y"]))
    assert (found.risk.tolist(), found.confidence.tolist()) == ([pytest.approx(0.4)], [pytest.approx(0.6)])


def test_correctly_empty_predictions_have_no_loss_and_failed_cases_are_left_out():
    volumes = {"reference_volume": [0.0, 5, 5], "predicted_volume": [0.0, 5, np.nan]}
    table = table_of([np.nan, 0.5, np.nan], [0.9, 0.8, np.nan], status=["ok", "ok", "failed"], **volumes)
    (found,) = risk_coverage(table)
    assert (found.risk.tolist(), found.left_out) == ([0, 0.25], 1)


def test_checkpoints_without_a_confidence_have_no_curve():
    both = [table_of([0.5], [0.9]), table_of([0.5], [np.nan], checkpoint="folder")]
    assert [one.checkpoint for one in risk_coverage(pd.concat(both))] == ["net"]
