"""A follow-up in words and tables, for the command line, its page and the tab alike."""

from collections.abc import Sequence
from dataclasses import dataclass

from medseg_demo.following.change import Change, Series, Trend, Verdict
from medseg_demo.following.follow import FollowUp
from medseg_demo.following.lesions import Event, Lesion
from medseg_demo.numbers import number

MEASURES = {"size": "Size", "diameter": "Greatest diameter", "intensity": "Mean intensity"}
VERDICTS: dict[Verdict, str] = {
    "larger": "increased",
    "smaller": "decreased",
    "not told apart": "within repeatability",
    "unknown": "–",
}
EVENTS: dict[Event, str] = {
    "first": "at the first visit",
    "same": "still there",
    "new": "new",
    "gone": "gone",
    "split": "split",
    "merged": "merged",
    "split and merged": "split and merged",
    "out of view": "out of view",
}
NOTHING = "–"
MOST_LESIONS_SHOWN = 60

CHANGE_COLUMNS = (
    "Class",
    "Measure",
    "Visit",
    "Day",
    "Value",
    "± 95 %",
    "Since the first visit",
    "In %",
    "95 % interval",
    "Judgement",
)
TREND_COLUMNS = ("Class", "Measure", "Change per year", "± 95 %", "In % per year")
LESION_COLUMNS = ("Class", "Lesion", "Visit", "What became of it", "Size")
VISIT_COLUMNS = ("Visit", "Day", "Shift", "Turn")

COVERS = (
    "95 % intervals come from measuring each visit again under small changes of position, noise, sharpness and "
    "shading. They do not cover another scanner, contrast agent, breath or posture, nor errors that all visits share."
)
STATED = "95 % intervals come from the deviation of repeated measurements that was stated, {percent} % of the size."
NO_REPEATS = "Nothing was measured again, so no uncertainty is known."
UNCOUNTED = "{name}: too many separate parts to match between visits."
MORE_LESIONS = "Of {count} rows of lesions the first are shown; lesions.csv holds all."
LESION_RULE = (
    "Lesions are matched where they share a pixel once the visits lie on the first one, or almost do. What is linked "
    "has one number."
)


@dataclass(frozen=True)
class Table:
    """A table of texts; the first column names the row."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(found: FollowUp) -> tuple[Table, ...]:
    """Changes, trends, lesions where some became something, and how the visits were laid on the first."""
    made = [Table("Change over the visits", CHANGE_COLUMNS, [row for one in found.series for row in _changes(one)])]
    trends = [_trend(one, trend) for one in found.series if (trend := one.trend) is not None]
    if trends:
        made.append(Table("Change per year", TREND_COLUMNS, trends))
    if found.lesions:
        made.append(Table("Lesions through the visits", LESION_COLUMNS, _lesions(found)))
    return (*made, Table("Visits", VISIT_COLUMNS, _visits(found)))


def notes(found: FollowUp) -> list[str]:
    """What has to be known to read the figures."""
    options = found.options
    if options.deviation is not None:
        lines = [STATED.format(percent=number(100 * options.deviation))]
    else:
        lines = [COVERS if options.repeats else NO_REPEATS]
    lines += [LESION_RULE] if found.lesions else []
    lines += [MORE_LESIONS.format(count=len(found.lesions))] if len(found.lesions) > MOST_LESIONS_SHOWN else []
    return [*lines, *(UNCOUNTED.format(name=name) for name in found.uncounted)]


def measure_name(series: Series) -> str:
    """Such as "Size", or "Mean intensity, T1"."""
    return MEASURES[series.measure] + (f", {series.channel}" if series.channel else "")


def lesion_sentence(found: FollowUp) -> str:
    """How many lesions there are, and what became of them over all visits."""
    count = len({(one.label, one.number) for one in found.lesions})
    kinds = [f"{sum(kind in one.event for one in found.lesions)} {kind}" for kind in ("new", "gone", "split", "merged")]
    return f"Lesions: {count} through all visits; {', '.join(kinds)}."


def _changes(series: Series) -> list[list[str]]:
    rows = []
    for place, (day, value, sd) in enumerate(zip(series.days, series.values, series.deviations, strict=True)):
        change = series.change(0, place) if place else None
        rows.append(
            [
                series.class_name, measure_name(series), str(place + 1), str(day), _with_unit(value, series.unit),
                NOTHING if sd is None else number(series.factor * sd), *_change(change, series.unit),
            ]
        )  # fmt: skip
    return rows


def _change(change: Change | None, unit: str) -> list[str]:
    if change is None:
        return [NOTHING] * 4
    margin = "" if change.margin is None else f" ± {number(change.margin)}"
    known = change.percent_low is not None and change.percent_high is not None
    return [
        _with_unit(change.difference, unit, margin, signed=True),
        _percent(change.percent),
        f"{_percent(change.percent_low)} … {_percent(change.percent_high)}" if known else NOTHING,
        VERDICTS[change.verdict],
    ]


def _trend(series: Series, trend: Trend) -> list[str]:
    return [
        series.class_name, measure_name(series), _with_unit(trend.per_year, series.unit, signed=True),
        NOTHING if trend.margin is None else number(trend.margin), _percent(trend.percent_per_year),
    ]  # fmt: skip


def _lesions(found: FollowUp) -> list[list[str]]:
    """As many as are shown; those that are new, gone, split or merged come first."""
    names = {one.label: one.class_name for one in found.series}
    units = {one.label: one.unit for one in found.series if one.measure == "size"}
    changed = {(one.label, one.number) for one in found.lesions if one.event not in ("first", "same")}
    order = sorted(found.lesions, key=lambda one: ((one.label, one.number) not in changed, one.label, one.number))
    return [
        [names[one.label], str(one.number), str(one.visit + 1), EVENTS[one.event], _size(one, units[one.label])]
        for one in order[:MOST_LESIONS_SHOWN]
    ]


def _size(one: Lesion, unit: str) -> str:
    return _with_unit(one.size, unit) if one.pixels else NOTHING


def _visits(found: FollowUp) -> list[list[str]]:
    rows = []
    for place, visit in enumerate(found.visits, start=1):
        unit = "px" if visit.dated.image.geometry.spacing_mm is None else "mm"
        laid = visit.laid
        moved = [NOTHING] * 2 if laid is None else [f"{laid.shift_mm:.1f} {unit}", f"{laid.degrees:.1f}°"]
        rows.append([str(place), str(visit.dated.day), *moved])
    return rows


def _with_unit(value: float | None, unit: str, margin: str = "", *, signed: bool = False) -> str:
    if value is None:
        return NOTHING
    sign = "+" if signed and value > 0 else ""
    return f"{sign}{number(value)}{margin} {unit}".rstrip()


def _percent(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{abs(value):.1f} %"
