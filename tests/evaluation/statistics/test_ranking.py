import math

import numpy as np
import pytest

from evaluation.statistics import Policy, rank_checkpoints
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
    table = table_of({"a": [0.5] * 6 + [NA], "b": [0.6] * 7})
    assert (rank_checkpoints(table, "dice").cases, rank_checkpoints(table, "dice").left_out) == (6, 1)
    assert rank_checkpoints(table, "dice", policy=Policy(empty="one")).cases == 7


def test_too_few_cases_or_groups_are_flagged(table_of):
    scores = {"a": np.linspace(0.1, 0.9, 8), "b": np.linspace(0.2, 0.8, 8)}
    assert not rank_checkpoints(table_of(scores), "dice").too_few
    assert rank_checkpoints(table_of({name: values[:5] for name, values in scores.items()}), "dice").too_few
    grouped = rank_checkpoints(table_of(scores, groups=[f"p{place // 2}" for place in range(8)]), "dice")
    assert (grouped.groups, grouped.too_few) == (4, True)


def test_nothing_in_common_is_an_error(table_of):
    table = table_of({"a": [0.5, NA], "b": [NA, 0.5]})
    with pytest.raises(OptionError, match="dice"):
        rank_checkpoints(table, "dice")


def test_many_cases_give_the_ranking_of_the_few(simulated):
    """Beyond 500 cases the resampled tests are not ranked again; the stability has to stay the same."""
    import evaluation.statistics.ranking as module

    table = simulated(cases=600, checkpoints=3, classes=1, seed=2)
    linear = rank_checkpoints(table, "dice").schemes[2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "RANKED_AGAIN_UP_TO", 10_000)
        again = rank_checkpoints(table, "dice").schemes[2]
    np.testing.assert_allclose(linear.frequencies, again.frequencies, atol=0.03)
