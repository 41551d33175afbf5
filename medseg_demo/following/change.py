"""Measurements of several visits → each class's change, in figures with the uncertainty of a repeated measurement.

A deviation is that of one measurement of one visit, pooled over all visits: of sizes and diameters relative to the
value (a larger region varies by more), of mean intensities absolute. A difference of two visits has both deviations,
and its interval is as many of them as Student's distribution says for 95 %. The ratio of two visits has its interval on
the logarithm. The change per year is the slope of a straight line through all visits, weighted by their variances.

Source: Bland and Altman 1999, doi:10.1177/096228029900800204; Raunig et al. 2015, doi:10.1177/0962280214537344.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from medseg_demo.segmenting.measure import ClassMeasurement

LEVEL = 0.95
FEWEST_DAYS = 30  # between first and last visit, for a change per year
Measure = Literal["size", "diameter", "intensity"]
Verdict = Literal["larger", "smaller", "not told apart", "unknown"]


@dataclass(frozen=True)
class Change:
    """From an earlier visit to a later one.

    Attributes:
        start: Place of the earlier visit, from 0.
        end: Of the later one.
        difference: Later − earlier, in the unit of the measure.
        margin: Half the width of the difference's 95 % interval; None where repeats are unknown.
        percent: Of the earlier value; None where that is 0, and of intensities, whose 0 means nothing.
        percent_low: The lower end of its 95 % interval; None where there is none, or the later value is 0.
        percent_high: The upper end.
    """

    start: int
    end: int
    difference: float
    margin: float | None
    percent: float | None
    percent_low: float | None
    percent_high: float | None

    @property
    def verdict(self) -> Verdict:
        """Whether the difference is more than repeated measurement explains."""
        if self.margin is None:
            return "unknown"
        if abs(self.difference) <= self.margin:
            return "not told apart"
        return "larger" if self.difference > 0 else "smaller"


@dataclass(frozen=True)
class Trend:
    """The straight line through all visits.

    Attributes:
        per_year: Its slope, in the unit of the measure a year.
        margin: Half the width of the slope's 95 % interval, by the visits' variances; None where these are unknown.
        percent_per_year: The slope, of the line's value at the first visit; None where that is not above 0, and of
            intensities.
    """

    per_year: float
    margin: float | None
    percent_per_year: float | None


@dataclass(frozen=True)
class Series:
    """One measure of one class over all visits.

    Attributes:
        class_name: The class.
        label: Its value in the label maps.
        measure: What is measured.
        channel: Of an intensity: which channel of several; None otherwise.
        unit: Such as "ml", "mm²", "px", "mm" or "HU"; empty where there is none.
        days: Since the first visit, one a visit.
        values: One a visit; None where the class is absent and has none (its size is 0 then).
        deviations: The standard deviation of each value when it is measured again; None where it is unknown.
        factor: How many deviations the half of a 95 % interval is.
    """

    class_name: str
    label: int
    measure: Measure
    channel: str | None
    unit: str
    days: tuple[int, ...]
    values: tuple[float | None, ...]
    deviations: tuple[float | None, ...]
    factor: float

    @property
    def since_first(self) -> tuple[Change | None, ...]:
        """From the first visit to each later one; None where one of both has no value."""
        return tuple(self.change(0, end) for end in range(1, len(self.values)))

    @property
    def since_previous(self) -> tuple[Change | None, ...]:
        """From each visit to the next."""
        return tuple(self.change(end - 1, end) for end in range(1, len(self.values)))

    def change(self, start: int, end: int) -> Change | None:
        """From one visit to a later one; None where one of both has no value."""
        before, after = self.values[start], self.values[end]
        if before is None or after is None:
            return None
        sd_before, sd_after = self.deviations[start], self.deviations[end]
        known = sd_before is not None and sd_after is not None
        margin = self.factor * math.hypot(sd_before or 0, sd_after or 0) if known else None
        percent = low = high = None
        if self.measure != "intensity" and before > 0:
            percent = 100 * (after / before - 1)
            if known and after > 0:
                spread = self.factor * math.hypot((sd_before or 0) / before, (sd_after or 0) / after)
                low, high = (100 * (after / before * math.exp(sign * spread) - 1) for sign in (-1, 1))
        return Change(start, end, after - before, margin, percent, low, high)

    @property
    def trend(self) -> Trend | None:
        """The line through all visits that have a value; None of fewer than two, or within ``FEWEST_DAYS``."""
        there = [place for place, value in enumerate(self.values) if value is not None]
        if len(there) < 2 or self.days[there[-1]] - self.days[there[0]] < FEWEST_DAYS:
            return None
        years = np.array([self.days[place] for place in there]) / 365.25
        values = np.array([self.values[place] for place in there], float)
        given = [self.deviations[place] for place in there]
        deviations = np.array([sd for sd in given if sd], float)
        known = len(deviations) == len(there)
        weights = 1 / deviations**2 if known else np.ones(len(there))
        middle = np.average(years, weights=weights)
        around = float(weights @ (years - middle) ** 2)
        slope = float(weights @ ((years - middle) * values)) / around
        first = float(np.average(values, weights=weights) + slope * (years[0] - middle))
        relative = 100 * slope / first if first > 0 and self.measure != "intensity" else None
        return Trend(slope, self.factor / math.sqrt(around) if known else None, relative)


@dataclass(frozen=True)
class Measured:
    """What was measured at one visit.

    Attributes:
        classes: One record a class.
        repeats: The same, measured again; none where nothing was repeated.
        counting: One a class: the variance of counting its pixels, in pixels.
    """

    classes: tuple[ClassMeasurement, ...]
    repeats: tuple[tuple[ClassMeasurement, ...], ...]
    counting: tuple[float, ...]


def make_series(
    visits: Sequence[Measured], days: Sequence[int], spacing_mm: Sequence[float] | None, stated: float | None = None
) -> tuple[Series, ...]:
    """Every measure of every class.

    Args:
        visits: In their order, of the same classes.
        days: Of each, since the first.
        spacing_mm: Of the first visit's image, to whose steps the ends of a diameter are rounded; None counts as 1 px.
        stated: The relative deviation of a size when it is measured again, as somebody has found it (.05 is 5 %); it
            counts in place of the repeats and of the counting of pixels.

    Returns:
        Of each class its size, its diameter, and a mean intensity a channel.
    """
    found = []
    for place in range(len(visits[0].classes)):
        found += [_sizes(visits, days, place, stated), _diameters(visits, days, place, spacing_mm)]
        found += _intensities(visits, days, place)
    return tuple(found)


def size_of(row: ClassMeasurement) -> tuple[float, str]:
    """A class's size and unit: ml of a volume, mm² of an image, px without a spacing."""
    if row.volume_ml is not None:
        return row.volume_ml, "ml"
    return (row.area_mm2, "mm²") if row.area_mm2 is not None else (float(row.pixels), "px")


def _sizes(visits: Sequence[Measured], days: Sequence[int], place: int, stated: float | None) -> Series:
    rows = [visit.classes[place] for visit in visits]
    values = [size_of(row)[0] for row in rows]
    repeats = [[size_of(again[place])[0] for again in visit.repeats] for visit in visits]
    relative, freedom = _pooled(values, repeats, relative=True)
    if stated is not None:
        deviations: list[float | None] = [stated * value for value in values]
        freedom = 0
    elif relative is None:
        deviations = [None] * len(values)
    else:
        each = [value / row.pixels if row.pixels else 0.0 for value, row in zip(values, rows, strict=True)]
        counted = [step * math.sqrt(visit.counting[place]) for step, visit in zip(each, visits, strict=True)]
        deviations = [math.hypot(relative * value, own) for value, own in zip(values, counted, strict=True)]
    return _series(rows, "size", None, size_of(rows[0])[1], days, values, deviations, freedom)


def _diameters(
    visits: Sequence[Measured], days: Sequence[int], place: int, spacing_mm: Sequence[float] | None
) -> Series:
    rows = [visit.classes[place] for visit in visits]
    values = [row.largest_diameter for row in rows]
    repeats = [[again[place].largest_diameter for again in visit.repeats] for visit in visits]
    relative, freedom = _pooled(values, repeats, relative=True)
    # Each of both ends is off by up to half a step, evenly: a variance of a twelfth each.
    rounding = math.sqrt(2 * COUNTING_OF_ENDS) * float(np.sqrt(np.mean(np.square(spacing_mm or (1.0,)))))
    deviations = [
        None if value is None or relative is None else math.hypot(relative * value, rounding) for value in values
    ]
    return _series(rows, "diameter", None, rows[0].diameter_unit, days, values, deviations, freedom)


COUNTING_OF_ENDS = 1 / 12


def _intensities(visits: Sequence[Measured], days: Sequence[int], place: int) -> list[Series]:
    rows = [visit.classes[place] for visit in visits]
    most = max((row.intensities for row in rows), key=len)
    found = []
    for index, named in enumerate(most):
        values = [_mean(row, index) for row in rows]
        repeats = [[_mean(again[place], index) for again in visit.repeats] for visit in visits]
        deviation, freedom = _pooled(values, repeats, relative=False)
        deviations = [None if value is None else deviation for value in values]
        found.append(_series(rows, "intensity", named.channel, named.unit or "", days, values, deviations, freedom))
    return found


def _mean(row: ClassMeasurement, index: int) -> float | None:
    return row.intensities[index].mean if index < len(row.intensities) else None


def _pooled(
    values: Sequence[float | None], repeats: Sequence[Sequence[float | None]], *, relative: bool
) -> tuple[float | None, int]:
    """The deviation within a visit, and its degrees of freedom; None where nothing was repeated.

    The first measurement of a visit is one of its repeats. Visits without a value, or of value 0, say nothing.
    """
    squares, freedom = 0.0, 0
    for value, again in zip(values, repeats, strict=True):
        own = np.array([one for one in (value, *again) if one is not None], float)
        middle = own.mean() if len(own) else 0.0
        if len(own) < 2 or (relative and middle <= 0):
            continue
        squares += float(((own - middle) ** 2).sum()) / (middle**2 if relative else 1)
        freedom += len(own) - 1
    return (math.sqrt(squares / freedom), freedom) if freedom else (None, 0)


def _series(
    rows: Sequence[ClassMeasurement],
    measure: Measure,
    channel: str | None,
    unit: str,
    days: Sequence[int],
    values: Sequence[float | None],
    deviations: Sequence[float | None],
    freedom: int,
) -> Series:
    from scipy import stats

    factor = stats.t.ppf((1 + LEVEL) / 2, freedom) if freedom else stats.norm.ppf((1 + LEVEL) / 2)
    return Series(
        rows[0].class_name, rows[0].label, measure, channel, unit, tuple(days), tuple(values), tuple(deviations),
        float(factor),
    )  # fmt: skip
