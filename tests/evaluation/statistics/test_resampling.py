import numpy as np
import pytest
from scipy import stats

from evaluation.statistics.resampling import (
    ResampledMedians,
    bca_intervals,
    draw_counts,
    jackknife_means,
    means,
    median_interval,
    quantile,
    resampled_means,
    resamples_for,
)

VALUES = np.array([0.91, 0.42, 0.88, 0.95, 0.13, 0.77, 0.86, 0.93, 0.69, 0.90])


def bca_interval(replicates, estimate, jackknife):
    return tuple(bca_intervals(replicates[np.newaxis], np.array([estimate]), jackknife[np.newaxis])[0])


def left_out(statistic, values):
    return np.array([statistic(np.delete(values, place)) for place in range(len(values))])


@pytest.mark.parametrize("statistic", [np.mean, np.std])
def test_bca_interval_is_scipys_on_the_same_resamples(statistic):
    oracle = stats.bootstrap((VALUES,), statistic, n_resamples=999, method="BCa", rng=np.random.default_rng(1))
    found = bca_interval(oracle.bootstrap_distribution, statistic(VALUES), left_out(statistic, VALUES))
    np.testing.assert_allclose(found, tuple(oracle.confidence_interval), rtol=1e-12)


def test_mean_interval_agrees_with_scipys_own_resamples():
    oracle = stats.bootstrap((VALUES,), np.mean, n_resamples=20000, method="BCa", rng=np.random.default_rng(2))
    sums, counts = VALUES.reshape(-1, 1, 1), np.ones((len(VALUES), 1, 1))
    replicates = resampled_means(sums, counts, resamples=20000)[:, 0]
    found = bca_interval(replicates, VALUES.mean(), jackknife_means(sums, counts)[:, 0])
    np.testing.assert_allclose(found, tuple(oracle.confidence_interval), atol=0.01)


def test_medians_of_single_units_have_the_distribution_of_real_resamples():
    generator = np.random.default_rng(3)
    real = np.median(VALUES[generator.integers(0, len(VALUES), (20000, len(VALUES)))], axis=1)
    drawn = np.concatenate(list(draw_counts(len(VALUES), 20000, seed=4)))
    found = ResampledMedians(VALUES, np.arange(len(VALUES)), len(VALUES))(drawn)
    for share in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert abs((found <= np.quantile(real, share)).mean() - (real <= np.quantile(real, share)).mean()) < 0.015


@pytest.mark.parametrize(("number", "rank"), [(6, 1), (8, 1), (9, 2), (20, 6), (25, 8), (100, 40)])
def test_the_interval_of_a_median_lies_between_the_order_statistics_of_the_sign_test(number, rank):
    """The ranks of Conover 1999, table A3's rule: the largest with P(at most rank − 1 below) ≤ 2.5 %."""
    assert stats.binom.cdf(rank - 1, number, 0.5) <= 0.025 < stats.binom.cdf(rank, number, 0.5)
    values = np.arange(1.0, number + 1)
    assert median_interval([(values, np.arange(number))]) == (rank, number + 1 - rank)


def test_five_values_hold_no_interval_of_their_median():
    assert np.isnan(median_interval([(np.arange(5.0), np.arange(5))])).all()


def test_weighted_medians_by_hand():
    counts = np.array([[1, 1, 1], [0, 3, 1], [2, 0, 2], [0, 0, 0]], dtype=np.uint8)
    # 1 5 9 → 5; 5 5 5 9 → 5; 1 1 9 9 → 5; nothing → NaN
    medians = ResampledMedians(np.array([9.0, 5.0, 1.0]), np.arange(3), 3)
    np.testing.assert_array_equal(medians(counts), [5, 5, 5, np.nan])


@pytest.mark.parametrize("clusters", [1000, 12])  # of few clusters the medians often lie far from the sample's
def test_weighted_medians_of_many_values_are_those_of_the_repeated_values(clusters):
    generator = np.random.default_rng(7)
    units = np.arange(1000) % clusters
    values = np.round(generator.normal(units % 5, 0.1), 2)
    values[::40] = np.inf
    drawn = np.concatenate(list(draw_counts(clusters, 60, seed=8)))
    oracle = [np.median(np.repeat(values, counts[units])) for counts in drawn]
    np.testing.assert_array_equal(ResampledMedians(values, units, clusters)(drawn), oracle)


def test_means_go_over_classes_and_leave_out_classes_without_a_value():
    sums, counts = np.array([[2.0, 0.0], [2.0, 3.0], [0.0, 0.0]]), np.array([[4.0, 0.0], [4.0, 3.0], [0.0, 0.0]])
    np.testing.assert_array_equal(means(sums, counts), [0.5, 0.75, np.nan])


def test_resamples_draw_as_many_as_there_are_units_and_repeat_themselves():
    first, again = (np.concatenate(list(draw_counts(7, 50, seed=5))) for _ in range(2))
    assert first.shape == (50, 7)
    assert (first.sum(axis=1) == 7).all()
    np.testing.assert_array_equal(first, again)
    assert (first != np.concatenate(list(draw_counts(7, 50, seed=6)))).any()


def test_equal_values_have_an_interval_of_no_width():
    assert bca_interval(np.full(10, 0.5), 0.5, np.full(4, 0.5)) == (0.5, 0.5)


def test_one_unit_has_no_interval():
    assert np.isnan(bca_interval(np.full(10, 0.5), 0.5, np.full(1, 0.5))).all()


def test_median_interval_stays_right_with_misses():
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, np.inf, np.inf])
    assert median_interval([(values, np.arange(9))]) == (2.0, np.inf)
    low, high = median_interval([(values, np.arange(9)), (values, np.arange(9))])
    assert 1 <= low < 5 < high


def test_quantile_is_numpys_and_knows_infinity():
    shares = np.array([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])
    np.testing.assert_allclose(quantile(VALUES, shares), np.quantile(VALUES, shares))
    np.testing.assert_array_equal(quantile([1, 2, np.inf], np.array([0.5, 0.75, 1.0])), [2, np.inf, np.inf])
    assert quantile([-np.inf, 1, 2], 0.25) == -np.inf
    assert np.isnan(quantile([], 0.5))


def test_very_many_units_get_fewer_resamples():
    assert resamples_for(100) == 2000
    assert 200 <= resamples_for(50_000) < 2000
    assert resamples_for(10**9) == 200
