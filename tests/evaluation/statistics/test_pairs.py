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
    assert (found.first_misses, found.second_misses) == (1, 0)
    assert (found.difference, found.median_difference) == (MISS, -1)  # the mean under a penalty without end
    assert found.low == pytest.approx(-1, abs=0.5)
    assert found.high == MISS


def test_where_medians_are_asked_for_a_miss_does_not_decide(table_of):
    table = table_of({"a": [1.0, 2, 3, 4, 5, MISS, MISS], "b": [2.0, 3, 4, 5, 6, 7, MISS]}, metric="hd95")
    (found,) = compare_pairs(table, "hd95", policy=Policy(miss="median"))
    assert (found.centre, found.interval_of) == (-1, "median")
    assert (found.low, found.high) == (-1, MISS)
    (few,) = compare_pairs(table[table["case_id"] > "case_003"], "hd95", policy=Policy(miss="median"))
    assert math.isnan(few.low)


def test_a_penalty_makes_a_miss_a_number(table_of):
    table = table_of({"a": [1.0, 2, 3, 4, 5, MISS], "b": [2.0, 3, 4, 5, 6, 7]}, metric="hd95")
    (found,) = compare_pairs(table, "hd95", policy=Policy(miss=20))
    assert found.difference == pytest.approx((-5 + 13) / 6)


def test_misses_on_both_sides_leave_the_mean_of_the_others(table_of):
    table = table_of({"a": [MISS, 2.0, 3, 4, 5, 6], "b": [1.0, MISS, 4, 5, 6, 8]}, metric="hd95")
    (found,) = compare_pairs(table, "hd95")
    assert found.difference == pytest.approx(-5 / 6)
    assert (found.low, found.high, found.better) == (-MISS, MISS, None)


def test_healthy_cases_count_as_soon_as_one_has_a_value(table_of):
    """Ten alike cases, eight healthy: a is right to find nothing there, b raises false alarms."""
    alike = list(np.linspace(0.6, 0.8, 10))
    table = table_of({"a": alike + [NA] * 8, "b": alike + [0.0] * 8})
    table.loc[table["case_id"] > "case_009", "reference_volume"] = 0.0
    for policy in (Policy(), Policy(empty="one"), Policy(empty="zero")):
        (found,) = compare_pairs(table, "dice", policy=policy)
        assert (found.pairs, found.wins, found.losses, found.better) == (18, 8, 0, "a")
        assert found.difference == pytest.approx(8 / 18)


def test_without_volumes_a_value_that_is_not_applicable_beside_false_alarms_is_a_healthy_case(table_of):
    scores = {"a": [0.7] * 8 + [NA, NA, NA], "b": [0.7] * 8 + [0.0, 0.5, NA]}
    table = table_of(scores).drop(columns=["reference_volume", "predicted_volume"])
    (found,) = compare_pairs(table, "dice")
    # Where b has 0.5 the reference is not empty, so nobody knows what a's cell means; the last one is n/a for both.
    assert (found.pairs, found.wins, found.left_out) == (9, 1, 2)


def test_a_miss_in_a_healthy_case_is_a_false_alarm(table_of):
    near = list(np.linspace(1, 2, 6))
    table = table_of({"a": near + [NA] * 6, "b": near + [MISS] * 6}, metric="hd95")
    (found,) = compare_pairs(table, "hd95")
    assert (found.difference, found.low, found.high, found.better) == (-MISS, -MISS, -MISS, "a")


def test_a_case_without_a_value_for_anybody_drops_out(table_of):
    (found,) = compare_pairs(table_of({"a": [*FIRST, NA], "b": [*SECOND, NA]}), "dice")
    assert (found.pairs, found.left_out) == (8, 1)
    (counted,) = compare_pairs(table_of({"a": [*FIRST, NA], "b": [*SECOND, NA]}), "dice", policy=Policy(empty="one"))
    assert (counted.pairs, counted.ties) == (9, 2)


def test_a_case_that_drops_out_moves_no_interval_beside_misses(table_of):
    scores = {"a": [1.0, 2, 3, 4, 5, 6, 7, MISS], "b": [2.0, 3, 4, 5, 6, 7, 8, 9]}
    (found,) = compare_pairs(table_of(scores, metric="hd95"), "hd95")
    (more,) = compare_pairs(table_of({name: [*ones, NA] for name, ones in scores.items()}, metric="hd95"), "hd95")
    assert found.high == more.high == MISS
    assert (more.pairs, more.left_out, more.difference) == (found.pairs, 1, found.difference)


def test_a_winner_needs_two_witnesses(table_of):
    """Better in 35 of 40 cases by a little, worse in five by much: the test says a, the mean says b."""
    base = np.linspace(0.8, 0.9, 40)
    scores = base + 0.005
    scores[:5] -= 0.6
    (found,) = compare_pairs(table_of({"a": scores, "b": base}), "dice")
    assert (found.test_favours, found.mean_favours, found.better) == ("a", "b", None)
    assert found.p_adjusted < 0.001
    few = base + 0.005
    few[0] -= 0.1
    (undecided,) = compare_pairs(table_of({"a": few, "b": base}), "dice")
    assert (undecided.test_favours, undecided.interval_favours, undecided.better) == ("a", None, None)


def test_a_group_that_only_one_table_names_holds_in_any_order(table_of):
    """The same scores, once from a folder that knows the patients and once from one that does not."""
    scores = {"a": np.linspace(0.9, 0.7, 12), "b": np.linspace(0.1, 0.5, 12)}
    table = table_of(scores, groups=[f"p{place // 2}" for place in range(12)])
    for unnamed in "ab":
        partly = table.assign(group=table["group"].where(table["checkpoint"] != unnamed, ""))
        for rows in (partly, partly[::-1]):
            (found,) = compare_pairs(rows.reset_index(drop=True), "dice", checkpoints=["a", "b"])
            assert (found.groups, found.p) == (6, pytest.approx(2 / 2**6))


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
