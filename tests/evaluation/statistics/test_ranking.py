import math

import numpy as np
import pytest
from scipy import stats

from evaluation.statistics import Policy, compare_pairs, holm, rank_checkpoints
from evaluation.statistics.ranking import _holm_significant
from medseg_demo.errors import OptionError

NA, MISS = math.nan, math.inf


def ranks_of(ranking):
    return {scheme.scheme: scheme.ranks.tolist() for scheme in ranking.schemes}


def test_schemes_by_hand(table_of):
    # a has the higher mean thanks to one case; b wins all others.
    table = table_of({"a": [0.9, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], "b": [0.1, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6]})
    ranking = rank_checkpoints(table, "dice")
    aggregate, ranked, tested = ranking.schemes
    assert aggregate.ranks.tolist() == [1, 2]
    np.testing.assert_allclose(aggregate.scores, [3.9 / 7, 3.7 / 7])
    assert ranked.ranks.tolist() == [2, 1]
    np.testing.assert_allclose(ranked.scores, [(1 + 2 * 6) / 7, (2 + 1 * 6) / 7])
    # One-sided exact p for b: six ranks of 3.5 against one of 7; 23 of 128 changes of sign reach 21, so p = .18.
    assert tested.ranks.tolist() == [1, 1]
    assert tested.scores.tolist() == [0, 0]


def test_a_clear_order_is_found_by_all_and_stable(table_of):
    generator = np.random.default_rng(0)
    table = table_of({name: np.clip(centre + generator.normal(0, 0.02, 30), 0, 1) for name, centre in
                      (("low", 0.3), ("high", 0.9), ("middle", 0.6))})  # fmt: skip
    ranking = rank_checkpoints(table, "dice")
    assert ranking.checkpoints == ("low", "high", "middle")
    for scheme in ranking.schemes:
        assert scheme.ranks.tolist() == [3, 1, 2]
        assert scheme.kendall_tau == pytest.approx(1)
        np.testing.assert_array_equal(scheme.frequencies, [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
        assert (scheme.low.tolist(), scheme.high.tolist()) == ([3, 1, 2], [3, 1, 2])
    assert ranking.schemes[2].scores.tolist() == [0, 2, 1]


def test_near_equal_checkpoints_change_places(simulated):
    table = simulated(cases=20, checkpoints=2, failures=0)
    table["dice"] = np.random.default_rng(0).random(len(table))
    for scheme in rank_checkpoints(table, "dice").schemes[:2]:
        assert ((scheme.frequencies > 0.02) & (scheme.frequencies < 0.98)).all()
        np.testing.assert_allclose(scheme.frequencies.sum(axis=1), 1)


def test_direction_of_the_metric_is_respected(table_of):
    ranking = rank_checkpoints(table_of({"far": [9.0] * 8, "near": [1.0] * 8}, metric="hd95"), "hd95")
    assert set(map(tuple, ranks_of(ranking).values())) == {(2, 1)}
    np.testing.assert_allclose(ranking.schemes[0].scores, [9, 1])


def test_failed_cases_count_as_the_worst(table_of):
    ranking = rank_checkpoints(table_of({"a": [0.5] * 8, "b": [0.6] * 4 + ["failed"] * 4}), "dice")
    assert ranking.cases == 8
    np.testing.assert_allclose(ranking.schemes[0].scores, [0.5, 0.3])
    assert ranking.schemes[0].ranks.tolist() == [1, 2]


def test_misses_turn_the_mean_into_the_median(table_of):
    table = table_of({"a": [1.0, 2, 3, 4, 5, MISS], "b": [2.0, 3, 4, 5, 6, 7]}, metric="hd95")
    ranking = rank_checkpoints(table, "hd95")
    assert ranking.aggregate == "median"
    np.testing.assert_allclose(ranking.schemes[0].scores, [3.5, 4.5])
    assert ranking.schemes[0].ranks.tolist() == [1, 2]


def test_cases_without_a_value_for_all_are_left_out_and_counted(table_of):
    table = table_of({"a": [0.5] * 6 + [NA], "b": [0.6] * 6 + [NA]})
    assert (rank_checkpoints(table, "dice").cases, rank_checkpoints(table, "dice").left_out) == (6, 1)
    assert rank_checkpoints(table, "dice", policy=Policy(empty="one")).cases == 7


def test_a_method_with_few_cases_does_not_shrink_the_ranking_of_the_others(table_of):
    table = table_of({"a": [0.5] * 20, "few": [0.9] * 20, "b": [0.6] * 19 + ["failed"]})
    table = table[(table["checkpoint"] != "few") | (table["case_id"] < "case_010")].reset_index(drop=True)
    ranking = rank_checkpoints(table, "dice")
    assert (ranking.checkpoints, ranking.not_ranked, ranking.cases) == (("a", "b"), ("few",), 20)
    alone = rank_checkpoints(table[table["checkpoint"] != "b"], "dice")  # of two methods both are ranked
    assert (alone.checkpoints, alone.not_ranked, alone.cases) == (("a", "few"), (), 10)


def test_ranks_by_tests_are_the_sentences(simulated):
    """Each checkpoint's advantages are the pairs in which it is called better, not unadjusted one-sided tests."""
    table = simulated(cases=14, checkpoints=5, failures=0, empty=0)
    comparisons = compare_pairs(table, "dice")
    tested = rank_checkpoints(table, "dice").schemes[2]
    assert tested.scores.tolist() == [sum(one.better == f"net{place}" for one in comparisons) for place in range(5)]
    assert any(one.better is None for one in comparisons)
    assert any(one.better for one in comparisons)


def test_false_alarms_in_healthy_cases_cost_the_rank(table_of):
    table = table_of({"alarms": [0.8] * 10 + [0.0] * 10, "right": [0.79] * 10 + [NA] * 10})
    aggregate, ranked, _ = rank_checkpoints(table, "dice").schemes
    assert (aggregate.ranks.tolist(), ranked.ranks.tolist()) == ([2, 1], [1, 1])
    np.testing.assert_allclose(aggregate.scores, [0.4, (0.79 + 1) / 2])


def test_how_often_another_draw_turns_the_first_two_round(table_of):
    generator = np.random.default_rng(5)
    base = generator.uniform(0.6, 0.9, 40)
    differences = generator.normal(0.01, 0.05, 40)
    ranking = rank_checkpoints(table_of({"a": base + differences, "b": base}), "dice")
    expected = stats.norm.sf(abs(differences.mean()) / (differences.std() / 40**0.5))
    assert ranking.turned == pytest.approx(expected, abs=0.03)
    assert math.isnan(rank_checkpoints(table_of({"a": base[:4], "b": base[:4]}), "dice").turned)


def test_too_few_cases_or_groups_are_flagged(table_of):
    scores = {"a": np.linspace(0.1, 0.9, 8), "b": np.linspace(0.2, 0.8, 8)}
    assert not rank_checkpoints(table_of(scores), "dice").too_few
    assert rank_checkpoints(table_of({name: values[:5] for name, values in scores.items()}), "dice").too_few
    grouped = rank_checkpoints(table_of(scores, groups=[f"p{place // 2}" for place in range(8)]), "dice")
    assert (grouped.groups, grouped.too_few) == (4, True)


def test_nothing_in_common_is_an_error(table_of):
    table = table_of({"a": [0.5], "b": [0.6]})
    table["case_id"] = ["one", "other"]
    with pytest.raises(OptionError, match="dice"):
        rank_checkpoints(table, "dice")


def test_many_cases_give_the_ranking_of_the_few(simulated):
    """Where there is much work the resampled tests are not ranked again; the stability has to stay the same."""
    import evaluation.statistics.ranking as module

    table = simulated(cases=600, checkpoints=3, classes=1, seed=2)
    again = rank_checkpoints(table, "dice").schemes[2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "RANKED_AGAIN_UP_TO", 0)
        linear = rank_checkpoints(table, "dice").schemes[2]
    np.testing.assert_allclose(linear.frequencies, again.frequencies, atol=0.03)


def test_many_methods_are_ranked(simulated):
    ranking = rank_checkpoints(simulated(cases=30, checkpoints=60, classes=1, failures=0), "dice")
    assert len(ranking.checkpoints) == 60
    assert ranking.schemes[2].scores.max() > 20


def test_significance_in_resamples_is_holms():
    scores = np.abs(np.random.default_rng(5).normal(0, 2.5, (200, 10)))
    adjusted = np.array([holm(2 * stats.norm.sf(row)) for row in scores])
    np.testing.assert_array_equal(_holm_significant(scores), adjusted < 0.05)
