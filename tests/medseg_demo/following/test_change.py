"""Changes, their intervals and trends, against figures worked out by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from medseg_demo.following.change import Measured, Series, make_series
from medseg_demo.following.repeats import COUNTING, counting_variance
from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.segmenting.measure import measure


def series(values, deviations=None, *, days=None, measure="size", factor=2.0):
    days = tuple(range(0, 365 * len(values), 365)) if days is None else days
    deviations = tuple(deviations or [None] * len(values))
    return Series("lesion", 1, measure, None, "ml", days, tuple(values), deviations, factor)


def measured(sizes, repeats=(), counting=0.0):
    """A visit with a class of so many pixels, measured again with these."""

    def rows(pixels):
        labels = np.zeros((1, 64), np.uint8)
        labels[0, :pixels] = 1
        image = MedicalImage(np.arange(64, dtype=np.int16).reshape(1, 64), "YX", Geometry(), "x", "PNG", 8, (0.0, 64.0))
        return measure(LabelMap(labels, ("lesion",)), None, image)

    return Measured(rows(sizes), tuple(rows(one) for one in repeats), (counting,))


def test_a_change_has_the_deviations_of_both_visits():
    change = series((10.0, 15.0), (0.3, 0.4)).change(0, 1)
    assert change.difference == 5
    assert change.margin == pytest.approx(2 * 0.5)
    assert change.percent == pytest.approx(50)
    spread = 2 * math.hypot(0.03, 0.4 / 15)
    assert (change.percent_low, change.percent_high) == pytest.approx(
        (150 * math.exp(-spread) - 100, 150 * math.exp(spread) - 100)
    )
    assert change.verdict == "larger"


def test_verdicts():
    assert series((10.0, 10.9), (0.3, 0.4)).change(0, 1).verdict == "not told apart"
    assert series((10.0, 8.9), (0.3, 0.4)).change(0, 1).verdict == "smaller"
    assert series((10.0, 99.0)).change(0, 1).verdict == "unknown"


def test_nothing_is_no_percentage_and_gone_is_all():
    new = series((0.0, 5.0), (0.1, 0.1)).change(0, 1)
    assert (new.difference, new.percent, new.verdict) == (5, None, "larger")
    gone = series((5.0, 0.0), (0.1, 0.0)).change(0, 1)
    assert (gone.percent, gone.percent_low, gone.verdict) == (-100, None, "smaller")
    assert series((None, 5.0)).change(0, 1) is None
    assert series((-10.0, 5.0), (1.0, 1.0), measure="intensity").change(0, 1).percent is None


def test_changes_since_the_first_and_the_previous():
    one = series((10.0, 12.0, 9.0))
    assert [change.difference for change in one.since_first] == [2, -1]
    assert [change.difference for change in one.since_previous] == [2, -3]


def test_the_trend_is_the_weighted_line():
    days = (0, 200, 400, 900)
    years = np.array(days) / 365.25
    values = 10 + 3 * years + np.array([0.1, -0.2, 0.1, 0.0])
    deviations = np.array([0.1, 0.4, 0.2, 0.1])
    found = series(values.tolist(), deviations.tolist(), days=days).trend
    (slope, start), covariance = np.polyfit(years, values, 1, w=1 / deviations, cov="unscaled")
    assert found.per_year == pytest.approx(slope)
    assert found.margin == pytest.approx(2 * math.sqrt(covariance[0, 0]))
    assert found.percent_per_year == pytest.approx(100 * slope / start)


def test_within_a_month_no_change_per_year_is_said():
    assert series((1.0, 2.0), days=(0, 29)).trend is None
    assert series((1.0, 2.0), days=(0, 30)).trend.per_year == pytest.approx(365.25 / 30)
    assert series((1.0, None), days=(0, 300)).trend is None


def test_deviations_are_pooled_over_visits_and_relative_to_the_size():
    visits = [measured(20, (22, 18)), measured(40, (44, 36))]
    size, diameter, intensity = make_series(visits, (0, 365), None)
    relative = math.sqrt((8 / 20**2 + 32 / 40**2) / 4)
    assert size.deviations == pytest.approx((20 * relative, 40 * relative))
    assert size.factor == pytest.approx(stats.t.ppf(0.975, 4))
    assert (size.values, size.unit) == ((20.0, 40.0), "px")
    spread = 8 / 19**2 + 32 / 39**2  # a row of n pixels is n − 1 long
    rounding = 1 / 6
    assert diameter.deviations[0] == pytest.approx(math.sqrt(19**2 * spread / 4 + rounding))
    assert intensity.deviations == pytest.approx([math.sqrt((2 + 8) / 4)] * 2)  # the mean of 0 … n − 1 is (n − 1) / 2


def test_counting_adds_its_variance_and_a_stated_deviation_replaces_both():
    visits = [measured(20, (22, 18), 9.0), measured(40, (44, 36), 16.0)]
    relative = math.sqrt((8 / 20**2 + 32 / 40**2) / 4)
    size, *_ = make_series(visits, (0, 365), None)
    assert size.deviations == pytest.approx((math.hypot(20 * relative, 3), math.hypot(40 * relative, 4)))
    size, *_ = make_series(visits, (0, 365), None, 0.05)
    assert size.deviations == pytest.approx((1, 2))
    assert size.factor == pytest.approx(1.959964)


def test_without_repeats_nothing_is_known_of_the_deviation():
    for one in make_series([measured(20), measured(30)], (0, 365), None):
        assert one.deviations == (None, None)
        assert one.change(0, 1).verdict == "unknown"


def test_an_absent_class_has_a_size_and_nothing_else():
    size, diameter, intensity = make_series([measured(0, (0,)), measured(30, (31,))], (0, 365), None)
    assert (size.values, diameter.values, intensity.values) == ((0.0, 30.0), (None, 29.0), (None, 14.5))


def test_the_variance_of_counting_is_that_of_discs_laid_anywhere():
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:80, :80]
    for radius in (6.0, 12.0, 25.0):
        discs = [np.hypot(y - 40 - dy, x - 40 - dx) <= radius for dy, dx in generator.uniform(0, 1, (300, 2))]
        found = np.var([disc.sum() for disc in discs], ddof=1)
        said = np.mean([counting_variance(disc) for disc in discs])
        assert 0.5 * said < found < 1.3 * said, radius
    assert counting_variance(np.zeros((4, 4), bool)) == 0
    assert counting_variance(np.ones((3, 3), bool)) == 8 * COUNTING
