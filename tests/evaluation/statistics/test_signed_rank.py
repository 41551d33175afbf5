from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evaluation.statistics.signed_rank import (
    LONG,
    LinearLeans,
    holm,
    mean_ranks,
    resampled_leans,
    signed_rank_p,
    signed_rank_tests,
)


def by_all_signs(differences):
    """Two-sided p-value by trying all changes of sign."""
    differences = np.array([one for one in differences if one != 0])
    ranks = stats.rankdata(np.abs(differences))
    positive = ranks[differences > 0].sum()
    sums = np.array([(np.array(signs) * ranks).sum() for signs in product((0, 1), repeat=len(ranks))])
    return min(1.0, 2 * min((sums >= positive).mean(), (sums <= positive).mean()))


@pytest.mark.parametrize("number", [6, 10, 25, 50])
def test_exact_p_value_is_scipys_without_ties(number):
    differences = np.random.default_rng(number).normal(0.3, 1, number)
    expected = stats.wilcoxon(differences, method="exact").pvalue
    assert signed_rank_p(differences) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("number", [70, 200])
def test_large_samples_take_the_normal_approximation(number):
    differences = np.round(np.random.default_rng(number).normal(0.2, 1, number), 1)
    expected = stats.wilcoxon(differences, method="approx", correction=True, zero_method="wilcox").pvalue
    assert signed_rank_p(differences) == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=10).filter(any))
def test_exact_p_value_counts_sign_changes_also_with_ties(differences):
    assert signed_rank_p(np.array(differences, dtype=float)) == pytest.approx(by_all_signs(differences), abs=1e-12)


def test_six_wins_are_the_first_that_can_be_significant():
    assert signed_rank_p(np.array([1.0, 2, 3, 4, 5, 6])) == pytest.approx(2 / 64)
    assert signed_rank_p(np.array([1.0, 2, 3, 4, 5])) == pytest.approx(2 / 32)


def test_zeros_are_set_aside():
    assert signed_rank_p(np.array([0.0, 0, 0, 1, 2, 3, 4, 5, 6])) == pytest.approx(2 / 64)
    assert signed_rank_p(np.zeros(8)) == 1.0


def test_rounding_noise_makes_no_difference_of_ties():
    noisy = np.array([0.9 - 0.8, 0.3 - 0.2, -(0.7 - 0.6), 0.1, 0.1, 0.1])
    assert signed_rank_p(noisy) == pytest.approx(by_all_signs([1, 1, -1, 1, 1, 1]))


def test_infinite_differences_are_the_largest_and_tie_with_each_other():
    assert signed_rank_p(np.array([1.0, 2, -3, np.inf, np.inf, 4])) == pytest.approx(by_all_signs([1, 2, -3, 9, 9, 4]))


def test_the_test_leans_to_the_side_of_the_larger_ranks():
    differences = np.array([3.0, 2, 1, 4, -0.5, 6])
    (p, _), (lean, turned) = signed_rank_tests(np.stack([differences, -differences]))
    assert (p, lean, turned) == (pytest.approx(4 / 64), 19, -19)


def test_tests_of_several_rows_leave_out_what_is_missing():
    one, other = [1.0, -2, 3, 4, 5, 6, 7], [2.0, 2, -2, 0, 5]
    rows = np.array([one, [*other[:2], np.nan, *other[2:], np.nan]])
    np.testing.assert_allclose(signed_rank_tests(rows)[0], [signed_rank_p(np.array(row)) for row in (one, other)])


def test_holm_by_hand():
    # Sorted .01 .03 .04 → ×3, ×2, ×1 = .03 .06 .04, made monotone: .03 .06 .06
    np.testing.assert_allclose(holm([0.04, 0.01, 0.03]), [0.06, 0.03, 0.06])
    np.testing.assert_allclose(holm([0.5, 0.9]), [1.0, 1.0])


def test_holm_does_not_count_tests_that_were_not_made():
    np.testing.assert_allclose(holm([0.04, np.nan, 0.01]), [0.04, np.nan, 0.02])
    assert len(holm([])) == 0


def test_lean_of_resamples_is_the_test_of_the_repeated_differences():
    differences = np.random.default_rng(1).normal(0.2, 1, 30).round(1)
    drawn = np.random.default_rng(2).multinomial(30, np.full(30, 1 / 30), size=5)
    for counts, found in zip(drawn, resampled_leans(differences, drawn.astype(float)), strict=True):
        repeated = np.repeat(differences, counts)
        oracle = stats.wilcoxon(repeated, method="approx", correction=True, zero_method="wilcox")
        assert 2 * stats.norm.sf(abs(found)) == pytest.approx(oracle.pvalue, rel=1e-9)


def test_linear_lean_agrees_with_ranking_again():
    differences = np.random.default_rng(3).normal(0.05, 1, 800)
    differences[:40] = 0
    drawn = np.random.default_rng(4).multinomial(800, np.full(800, 1 / 800), size=200).astype(float)
    exact, linear = resampled_leans(differences, drawn), LinearLeans(differences[:, np.newaxis])(drawn)[:, 0]
    assert np.abs(exact - linear).max() < 0.15
    assert np.corrcoef(exact, linear)[0, 1] > 0.998


@pytest.mark.parametrize("number", [LONG, LONG + 1])
def test_ranks_of_short_and_long_rows_are_scipys_and_leave_out_what_is_missing(number):
    rows = np.random.default_rng(6).integers(0, 500, (2, number)).astype(float)
    rows[1, ::7] = np.nan
    np.testing.assert_array_equal(mean_ranks(rows), stats.rankdata(rows, axis=1, nan_policy="omit"))
