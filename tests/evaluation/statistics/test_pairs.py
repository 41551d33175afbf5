import math

import numpy as np
import pytest
from scipy import stats

from evaluation.statistics import Policy, compare_pairs, holm, score_matrix
from medseg_demo.errors import OptionError

NA, MISS = math.nan, math.inf
FIRST = [0.90, 0.80, 0.85, 0.70, 0.95, 0.88, 0.60, 0.77]
SECOND = [0.85, 0.80, 0.80, 0.72, 0.90, 0.80, 0.50, 0.70]


def test_pair_by_hand_and_by_scipy(table_of):
    (found,) = compare_pairs(table_of({"a": FIRST, "b": SECOND}), "dice")
    differences = np.round(np.array(FIRST) - SECOND, 12)
    assert (found.first, found.second, found.pairs) == ("a", "b", 8)
    assert (found.wins, found.ties, found.losses) == (6, 1, 1)
    assert found.difference == pytest.approx(differences.mean())
    assert found.low < found.difference < found.high
    oracle = stats.bootstrap((differences,), np.mean, n_resamples=9999, rng=np.random.default_rng(0))
    assert (found.low, found.high) == pytest.approx(tuple(oracle.confidence_interval), abs=0.005)
    # Non-zero differences .05 .05 −.02 .05 .08 .10 .07: only the smallest is negative → P(rank sum ≤ 1) = 2 / 2⁷
    assert found.p == found.p_adjusted == pytest.approx(2 * 2 / 2**7)
    assert found.exact
    assert found.better == "a"


def test_lower_is_better_for_distances(table_of):
    better, worse = [1.0, 2, 3, 4, 5, 6], [2.0, 4, 6, 8, 10, 12]
    (found,) = compare_pairs(table_of({"far": worse, "near": better}, metric="hd95"), "hd95")
    assert (found.difference, found.losses, found.better) == (pytest.approx(3.5), 6, "near")


def test_errors_are_compared_by_their_distance_from_zero(table_of):
    table = table_of({"a": [-0.5] * 6, "b": [0.1] * 6}, metric="volume_error")
    (found,) = compare_pairs(table, "volume_error")
    assert (found.difference, found.better) == (pytest.approx(0.4), "b")


def test_holm_goes_over_all_pairs(simulated):
    found = compare_pairs(simulated(checkpoints=4), "dice")
    assert len(found) == 6
    np.testing.assert_allclose([one.p_adjusted for one in found], holm([one.p for one in found]))


@pytest.mark.parametrize(("pairs", "too_few"), [(5, True), (6, False)])
def test_fewer_than_six_pairs_allow_no_claim(table_of, pairs, too_few):
    (found,) = compare_pairs(table_of({"a": [0.9] * pairs, "b": np.linspace(0.1, 0.5, pairs)}), "dice")
    assert found.too_few is too_few
    assert math.isnan(found.p) is too_few
    assert (found.better is None) is too_few
    assert math.isnan(found.low) is math.isnan(found.high) is too_few


def test_fewer_than_five_groups_allow_no_claim(table_of):
    scores = {"a": [0.9] * 12, "b": np.linspace(0.1, 0.5, 12)}
    (four,) = compare_pairs(table_of(scores, groups=[f"p{place // 3}" for place in range(12)]), "dice")
    (six,) = compare_pairs(table_of(scores, groups=[f"p{place // 2}" for place in range(12)]), "dice")
    assert (four.groups, four.too_few, four.better) == (4, True, None)
    assert (math.isnan(four.low), math.isnan(six.low)) == (True, False)
    assert (six.groups, six.too_few, six.better) == (6, False, "a")
    assert six.p == pytest.approx(2 / 2**6)  # of six group means, not of twelve cases


def test_a_failed_case_is_a_loss_and_never_dropped(table_of):
    (found,) = compare_pairs(table_of({"a": [0.5] * 7, "b": [0.5] * 6 + ["failed"]}), "dice")
    assert (found.pairs, found.wins, found.ties, found.second_failed) == (7, 1, 6, 1)
    assert found.difference == pytest.approx(0.5 / 7)


def test_a_miss_is_a_loss_and_two_are_a_tie(table_of):
    table = table_of({"a": [1.0, 2, 3, 4, 5, MISS, MISS], "b": [2.0, 3, 4, 5, 6, 7, MISS]}, metric="hd95")
    (found,) = compare_pairs(table, "hd95")
    assert (found.wins, found.ties, found.losses) == (5, 1, 1)
    assert math.isnan(found.difference)
    assert (found.median_difference, found.interval_of) == (-1, "median")
    assert found.low <= -1 <= found.high


def test_few_pairs_with_a_miss_have_no_interval_of_the_median(table_of):
    (found,) = compare_pairs(table_of({"a": [1.0, 2, MISS], "b": [2.0, 3, 4]}, metric="hd95"), "hd95")
    assert (found.median_difference, found.interval_of, math.isnan(found.low)) == (-1, "median", True)


def test_cases_that_are_not_applicable_are_left_out_and_counted(table_of):
    table = table_of({"a": [*FIRST, NA], "b": [*SECOND, 0.0]})
    (skipped,) = compare_pairs(table, "dice")
    (counted,) = compare_pairs(table, "dice", policy=Policy(empty="one"))
    assert (skipped.pairs, skipped.left_out, skipped.wins) == (8, 1, 6)
    assert (counted.pairs, counted.left_out, counted.wins) == (9, 0, 7)


def test_cases_of_only_one_checkpoint_are_counted(table_of):
    table = table_of({"a": FIRST, "b": SECOND})
    (found,) = compare_pairs(table[:-2], "dice")
    assert (found.pairs, found.unpaired) == (6, 2)


def test_several_classes_are_averaged_within_the_case(table_of):
    table = table_of({"a": [(0.9, 0.5)] * 6, "b": [(0.7, 0.6)] * 6})
    (found,) = compare_pairs(table, "dice")
    assert (found.pairs, found.wins) == (6, 6)
    assert found.difference == pytest.approx(0.05)


def test_chosen_checkpoints_set_the_order(simulated):
    (found,) = compare_pairs(simulated(), "dice", checkpoints=["net2", "net0"])
    assert (found.first, found.second) == ("net2", "net0")
    with pytest.raises(OptionError, match="net0, net1, net2"):
        compare_pairs(simulated(), "dice", checkpoints=["net0", "other"])


def test_swapping_the_two_turns_the_signs(simulated):
    (one,) = compare_pairs(simulated(), "dice", checkpoints=["net0", "net1"])
    (other,) = compare_pairs(simulated(), "dice", checkpoints=["net1", "net0"])
    assert (one.wins, one.losses, one.p) == (other.losses, other.wins, pytest.approx(other.p))
    assert one.difference == pytest.approx(-other.difference)


def test_the_same_run_chosen_twice_is_refused(table_of):
    import pandas as pd

    table = table_of({"a": FIRST})
    with pytest.raises(OptionError, match="only once"):
        score_matrix(pd.concat([table, table]), "dice")
