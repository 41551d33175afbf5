import math

import numpy as np

from evaluation.results import words
from evaluation.statistics import Policy, compare_pairs, rank_checkpoints, summarise


def test_a_difference_that_is_real(table_of):
    (found,) = compare_pairs(table_of({"a": [0.9] * 10, "b": [0.8] * 10}), "dice")
    assert words.comparison_sentence(found) == (
        "a is better than b in Dice coefficient, and that is unlikely to be chance. "
        "Mean difference 0.100 (95 % interval 0.100 to 0.100); "
        "a is better in 10, equal in 0 and worse in 0 of 10 cases; "
        "p = 0.002, adjusted for the number of comparisons (Holm)."
    )


def test_a_difference_that_was_not_shown_and_what_was_left_out(table_of):
    table = table_of({"a": [0.5] * 6 + [math.nan, 0.5], "b": [0.6, 0.4] * 3 + [math.nan, "failed"]})
    (found,) = compare_pairs(table, "dice")
    text = words.comparison_sentence(found)
    assert text.startswith("No real difference between a and b was shown in Dice coefficient.")
    assert text.endswith("1 case left out as not applicable; 1 failed case of b counted as the worst value.")


def test_witnesses_that_differ_name_nobody(table_of):
    base = np.linspace(0.8, 0.9, 40)
    decided, unsure = base + 0.005, base + 0.005
    decided[:5] -= 0.6
    unsure[0] -= 0.1
    (found,) = compare_pairs(table_of({"a": decided, "b": base}), "dice")
    assert words.comparison_sentence(found).startswith(
        "No real difference between a and b was shown in Dice coefficient: a is better in most cases, b on average: "
        "a few cases decide. Mean difference −0.070"
    )
    (found,) = compare_pairs(table_of({"a": unsure, "b": base}), "dice")
    assert "a is better in most cases, but the mean difference may as well be zero." in words.comparison_sentence(found)
    one_case = np.repeat(0.5, 12)
    one_case[:4] += 0.3
    (found,) = compare_pairs(table_of({"a": one_case, "b": [0.5] * 12}), "dice")
    assert "a is better on average, but the test over all cases does not confirm it." in words.comparison_sentence(
        found
    )


def test_misses_stand_in_the_sentence(table_of):
    (found,) = compare_pairs(table_of({"a": [1.0] * 7, "b": [math.inf] * 6 + [2.0]}, metric="hd95"), "hd95")
    text = words.comparison_sentence(found, unit="mm")
    assert "Mean difference −∞ mm (95 % interval −∞ to −∞)" in text
    assert text.endswith("Misses (∞) of a alone: 0, of b alone: 6.")


def test_how_sure_the_first_place_is(table_of):
    scores = {"a": np.linspace(0.5, 0.9, 20), "b": np.linspace(0.5, 0.9, 20)[::-1] + 0.01}
    assert words.turning_sentence(rank_checkpoints(table_of(scores), "dice")).startswith(
        "Another draw of as many cases would turn the first two by mean round with a probability of 4"
    )
    assert words.turning_sentence(rank_checkpoints(table_of({"a": [0.5], "b": [0.6]}), "dice")) == ""


def test_what_a_miss_counts_is_printed():
    assert words.policy_caption(Policy(), "class", distances=True).endswith("outweighs every other difference.")
    assert words.policy_caption(Policy(miss="diagonal"), "class", distances=True).endswith("the diagonal of the image.")
    assert words.policy_caption(Policy(miss=50.0), "class", distances=True).endswith("a miss (∞) counts 50.")
    assert "miss" not in words.policy_caption(Policy(miss=50.0), "class")


def test_too_few_pairs_or_groups_make_no_claim(table_of):
    scores = {"a": [0.9] * 4, "b": [0.1] * 4}
    (pairs,) = compare_pairs(table_of(scores), "dice")
    assert words.comparison_sentence(pairs).startswith(
        "Too few to tell a and b apart: 4 pairs, and a claim needs at least 6 pairs."
    )
    (groups,) = compare_pairs(table_of(scores, groups=["x", "x", "y", "y"]), "dice")
    assert "2 groups of cases, and a claim needs at least 5 groups" in words.comparison_sentence(groups)
    for found in (pairs, groups):
        assert "p =" not in words.comparison_sentence(found)
        assert "better than" not in words.comparison_sentence(found)
        assert "Mean difference 0.800 (too few for an interval); " in words.comparison_sentence(found)


def test_a_difference_has_the_unit_of_its_metric(table_of):
    table = table_of({"a": [3.0] * 6, "b": [1.0] * 6}, metric="hd95")
    (found,) = compare_pairs(table, "hd95")
    assert "Mean difference 2.000 mm (95 % interval 2.000 to 2.000)" in words.comparison_sentence(found, unit="mm")


def test_no_common_case(table_of):
    table = table_of({"a": [0.5], "b": [0.5]})
    table["case_id"] = ["one", "other"]
    (found,) = compare_pairs(table, "dice")
    assert "no case in common" in words.comparison_sentence(found)


def test_captions_state_all_that_is_not_in_a_mean(table_of):
    values = {"a": [1.0, math.inf, "failed", math.nan]}
    (summary,) = summarise(table_of(values, metric="hd95"), "hd95")
    assert words.summary_caption(summary) == (
        "n = 2, 1 miss (∞), so no mean is shown, 1 failed, 1 n/a, too few for an interval or a claim"
    )
    (grouped,) = summarise(table_of({"a": [0.5] * 12}, groups=[f"p{place // 2}" for place in range(12)]), "dice")
    assert words.summary_caption(grouped) == "n = 12, in 6 groups"
    assert words.policy_caption(Policy(empty="one", failed="worst"), "case") == (
        "Mean over classes, then over cases; cases whose masks are both empty count 1; "
        "failed cases count the worst value."
    )


def test_ranking_caption(table_of):
    ranking = rank_checkpoints(table_of({"a": [0.8] * 3, "b": [0.7] * 3}), "dice")
    assert words.ranking_caption(ranking) == (
        "3 cases that every ranked checkpoint has, 1000 resamples, too few for a claim."
    )


def test_units_stand_in_titles():
    assert words.metric_title("hd95", unit="mm") == "Hausdorff distance, 95th percentile (mm)"
    assert words.metric_title("nsd", tolerance="2 mm") == "Normalised surface distance (surface Dice), tolerance 2 mm"
    assert words.metric_title("made_up") == "made_up"
