import math

import numpy as np
import pytest

from evaluation.statistics import Policy, better, goodness, metric_values
from medseg_demo.errors import OptionError

NA = math.nan


def test_empty_policy_moves_only_cases_with_both_masks_empty(table_of):
    table = table_of({"a": [0.8, NA, NA]})
    table.loc[2, "predicted_volume"] = 3.0  # not both empty: stays not applicable
    np.testing.assert_array_equal(metric_values(table, "dice"), [0.8, NA, NA])
    np.testing.assert_array_equal(metric_values(table, "dice", Policy(empty="one")), [0.8, 1, NA])
    np.testing.assert_array_equal(metric_values(table, "dice", Policy(empty="zero")), [0.8, 0, NA])


def test_empty_policy_leaves_distances_alone(table_of):
    table = table_of({"a": [3.0, NA]}, metric="hd95")
    np.testing.assert_array_equal(metric_values(table, "hd95", Policy(empty="one")), [3, NA])


def test_without_volumes_nothing_is_taken_for_an_empty_mask(table_of):
    table = table_of({"a": [0.8, NA]}).drop(columns=["reference_volume"])
    np.testing.assert_array_equal(metric_values(table, "dice", Policy(empty="one")), [0.8, NA])


@pytest.mark.parametrize("policy", [Policy(), Policy(empty="one"), Policy(empty="zero"), Policy(failed="worst")])
def test_misses_stay_under_every_policy(table_of, policy):
    table = table_of({"a": [3.0, math.inf]}, metric="hd95")
    np.testing.assert_array_equal(metric_values(table, "hd95", policy), [3, math.inf])


@pytest.mark.parametrize(("metric", "worst"), [("dice", 0.0), ("mcc", -1.0), ("hd95", math.inf)])
def test_failed_cases_can_count_the_worst_value(table_of, metric, worst):
    table = table_of({"a": [0.5, "failed"]}, metric=metric)
    np.testing.assert_array_equal(metric_values(table, metric), [0.5, NA])
    np.testing.assert_array_equal(metric_values(table, metric, Policy(failed="worst")), [0.5, worst])


def test_more_is_better_in_every_direction():
    np.testing.assert_array_equal(goodness(np.array([0.2, 0.9]), "dice"), [0.2, 0.9])
    np.testing.assert_array_equal(goodness(np.array([2.0, 9.0]), "hd95"), [-2, -9])
    np.testing.assert_array_equal(goodness(np.array([-0.3, 0.1]), "volume_error"), [-0.3, -0.1])


@pytest.mark.parametrize("metric", ["reference_volume", "made_up"])
def test_metrics_without_a_direction_cannot_be_compared(metric):
    with pytest.raises(OptionError, match=metric):
        better(metric)


def test_unknown_metric_is_named(table_of):
    with pytest.raises(OptionError, match="assd"):
        metric_values(table_of({"a": [0.5]}), "assd")


def test_a_miss_can_count_the_diagonal_of_its_image_or_a_number(table_of):
    table = table_of(
        {"a": [3.0, math.inf, "failed"], "b": [2.0, 4.0, 5.0]}, metric="hd95", image_diagonal=[10.0, 20.0, 30.0]
    )
    table.loc[table["status"] == "failed", "image_diagonal"] = NA  # of a failed case another row knows it
    worst = Policy(failed="worst", miss="diagonal")
    np.testing.assert_array_equal(metric_values(table, "hd95", worst), [3, 20, 30, 2, 4, 5])
    np.testing.assert_array_equal(metric_values(table, "hd95", Policy(miss=50.0)), [3, 50, NA, 2, 4, 5])
    np.testing.assert_array_equal(metric_values(table, "hd95", Policy(miss="median")), [3, math.inf, NA, 2, 4, 5])
    with pytest.raises(OptionError, match="no image diagonals"):
        metric_values(table.drop(columns=["image_diagonal"]), "hd95", worst)


def test_only_distances_are_penalised(table_of):
    table = table_of({"a": [0.1, math.inf]}, metric="volume_error")
    np.testing.assert_array_equal(metric_values(table, "volume_error", Policy(miss=50.0)), [0.1, math.inf])
