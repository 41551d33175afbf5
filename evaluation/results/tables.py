"""An answer as tables of words: what the page and the report print, each number with its convention."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evaluation.metrics import METRICS
from evaluation.results.answers import Answer, Question, Standing
from evaluation.results.findings import COLUMNS as FINDING_COLUMNS
from evaluation.results.findings import NOTE, TITLE, as_rows, findings_in
from evaluation.results.words import (
    EMPTY_POLICIES,
    metric_title,
    number,
    policy_caption,
    ranking_caption,
    tolerance_words,
    turning_sentence,
    units_of,
)
from evaluation.statistics import FEWEST_CASES, FEWEST_GROUPS, Summary, summarise
from evaluation.statistics.policy import DIAGONAL
from medseg_demo.numbers import millions, percent, seconds

GROUPS = "Do the groups of cases differ?"
ROUGH_BELOW = 50
COLUMNS = ("Checkpoint", "Mean", "95 % interval", "Median", "Quartiles", "n", "Misses", "Failed", "n/a")
SCHEME_COLUMNS = ("Rank of means", "Mean rank", "Rank by tests")
COST_COLUMNS = ("Parameters", "Network, a case")
COST_NOTE = (
    "Network, a case: the median time of the network in a case, without the first one ({place}). It holds on that "
    "machine, with the threads that a case had there."
)
STABILITY_NOTE = (
    "Ranks under three schemes, each with the share of resamples in which the checkpoint had that rank: means ranked; "
    "ranks in every case averaged; number of others than which it is better by the adjusted test and the interval."
)
NOTHING_MOVES = "No case has both masks empty, so the policy moves nothing here."


@dataclass(frozen=True)
class Table:
    """A table of words.

    Attributes:
        title: What it shows.
        header: Names of the columns; the first names the row.
        rows: One text a column.
        notes: Sentences that belong under it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def leaderboard(found: Answer) -> Table:
    """One row a checkpoint, the best first, with everything that is not in its mean."""
    question, ranking = found.question, found.ranking
    notes = [f"{title_of(found, question.metric)}. {convention(question)}"]
    if question.metric in METRICS:
        record = METRICS[question.metric]
        notes.append(f"Definition: {record.definition.removesuffix('.')}. Empty masks: {record.empty_rule}")
    if any(standing.summary.misses for standing in found.standings):
        notes.append("Where there are misses (∞) no mean is shown, and the interval is that of the median.")
    notes += _rough([standing.summary for standing in found.standings])
    notes += _too_few([standing.summary for standing in found.standings])
    if ranking is not None:
        notes.append(f"{STABILITY_NOTE} {ranking_caption(ranking)} {turning_sentence(ranking)}".strip())
    notes += [*found.notes, *([found.problem] if found.problem else [])]
    costs = _costs(found)
    notes += [COST_NOTE.format(place=_place(found))] if costs else []
    header = (*COLUMNS, *(SCHEME_COLUMNS if ranking is not None else ()), *(COST_COLUMNS if costs else ()))
    rows = [
        (*_standing(one, ranked=ranking is not None), *costs.get(one.checkpoint, ("", "") if costs else ()))
        for one in found.standings
    ]
    return Table("Leaderboard", header, tuple(rows), tuple(notes))


def _costs(found: Answer) -> dict[str, tuple[str, str]]:
    """Of each checkpoint whose network is known: its parameters and its time."""
    return {
        name: (
            "" if run.parameters is None else millions(run.parameters),
            "" if run.seconds is None else seconds(run.seconds),
        )
        for name, run in found.runs.items()
        if run.parameters is not None or run.seconds is not None
    }


def convention(question: Question) -> str:
    """The conventions of the question's means."""
    record = METRICS.get(question.metric)
    distances = record is not None and record.unit == "distance"
    return policy_caption(question.policy, question.order, distances=distances)


def _place(found: Answer) -> str:
    """What the networks ran by and on, such as "by openvino on cpu"; of each checkpoint where they differ."""
    places = {
        name: f"by {run.settings.get('backend', 'an unknown program')} on {run.settings.get('device', 'unknown')}"
        for name, run in found.runs.items()
        if run.seconds is not None
    }
    if len(set(places.values())) < 2:
        return next(iter(places.values()), "not known")
    return "; ".join(f"{name} {place}" for name, place in places.items())


def _standing(standing: Standing, *, ranked: bool) -> tuple[str, ...]:
    one = standing.summary
    ranks = ["" for _ in SCHEME_COLUMNS if ranked and not standing.ranks] + [
        str(rank) if one.small else f"{rank} ({percent(share, 0)})"
        for rank, share in zip(standing.ranks, standing.stability, strict=True)
    ]
    return (
        standing.checkpoint, number(one.mean), interval(one), number(one.median),
        f"{number(one.lower_quartile)} – {number(one.upper_quartile)}",
        f"{one.n:,}", str(one.misses), str(one.failed), str(one.not_applicable), *ranks,
    )  # fmt: skip


def _rough(summaries: Sequence[Summary]) -> list[str]:
    """A warning where intervals rest on few cases or groups."""
    few = [one for one in summaries if not one.small and one.units < ROUGH_BELOW]
    return [f"Intervals from fewer than {ROUGH_BELOW} cases, or groups of cases, are rough."] if few else []


def _too_few(summaries: Sequence[Summary]) -> list[str]:
    """Why some have no interval, such as "2 groups: too few for an interval, …"; nothing where all have one."""
    few = dict.fromkeys(units_of(one) for one in summaries if one.small)
    need = f"it needs at least {FEWEST_CASES} cases, or {FEWEST_GROUPS} groups of cases"
    return [f"{', '.join(few)}: too few for an interval; {need}."] if few else []


def interval(summary: Summary) -> str:
    """Its 95 % interval, and whether it is that of the median; what there are too few of for one."""
    if summary.small:
        return f"n/a ({units_of(summary)})"
    if math.isnan(summary.low):
        return "n/a"
    of = " (median)" if summary.interval_of == "median" else ""
    return f"{number(summary.low)} – {number(summary.high)}{of}"


def title_of(found: Answer, metric: str) -> str:
    """A metric's name with its unit in these rows, or with the tolerance that is part of it."""
    record = METRICS.get(metric)
    tolerance = _tolerance_of(found) if record and record.has_tolerance else ""
    return metric_title(metric, unit=unit_of(found, metric), tolerance=tolerance)


def unit_of(found: Answer, metric: str) -> str:
    """The unit of a metric in these rows; empty for a plain number."""
    record = METRICS.get(metric)
    return units_in(found, f"{record.unit}_unit") if record and record.unit else ""


def _tolerance_of(found: Answer) -> str:
    if not found.tolerances:
        return "not known"
    unit = units_in(found, "distance_unit")
    numbers = [one for one in found.tolerances if not isinstance(one, Mapping)]
    words = [f"{', '.join(f'{one:g}' for one in sorted(numbers))} {unit}".strip()] if numbers else []
    return "; ".join([*words, *(tolerance_words(one, unit) for one in found.tolerances if isinstance(one, Mapping))])


def units_in(found: Answer, column: str) -> str:
    """The different units in a column of units, such as ``distance_unit``."""
    return ", ".join(unit for unit in found.table[column].unique() if unit) if column in found.table else ""


def policies(found: Answer) -> Table | None:
    """What each empty-mask policy makes of each mean; None for metrics that it cannot move."""
    if not found.effects:
        return None
    by_name: dict[str, dict[str, str]] = {}
    for effect in found.effects:
        shift = "" if effect.policy == "skip" else f" ({'+' if effect.shift >= 0 else ''}{number(effect.shift)})"
        by_name.setdefault(effect.group[0], {})[effect.policy] = f"{number(effect.mean)}{shift}, n = {effect.n}"
    title = "What the empty-mask policy moves"
    if all(effect.shift == 0 or math.isnan(effect.shift) for effect in found.effects):
        return Table(title, (), (), (NOTHING_MOVES,))
    rows = tuple((name, *(cells[one] for one in ("skip", "one", "zero"))) for name, cells in by_name.items())
    note = "; ".join(EMPTY_POLICIES.values())
    return Table(title, ("Checkpoint", "left out", "count 1", "count 0"), rows, (f"{note[0].upper()}{note[1:]}.",))


def findings(found: Answer) -> Table | None:
    """How well each finding of whole images tells the cases apart; None where no checkpoint has any."""
    told = findings_in(found)
    notes = (NOTE, *(note for one in told for note in one.notes))
    return Table(TITLE, FINDING_COLUMNS, tuple(as_rows(told)), notes) if told else None


def every_metric(found: Answer, metrics: tuple[str, ...]) -> Table:
    """Each checkpoint's mean of every metric; the median, marked, where a miss stands."""
    names = [name for name in shown_metrics(found, metrics) if name in METRICS]
    columns = [{one.group[0]: centre(one) for one in _summaries(found, name, ("checkpoint",))} for name in names]
    rows = tuple(
        (standing.checkpoint, *(column[standing.checkpoint] for column in columns)) for standing in found.standings
    )
    note = "Means; * marks a median, with the number of misses (∞), where a miss stands and no mean would be honest."
    header = ("Checkpoint", *(title_of(found, name) for name in names))
    return Table("Every metric", header, rows, (note,))


def shown_metrics(found: Answer, metrics: Sequence[str]) -> list[str]:
    """The metrics that have a value here, without the diagonals, which only serve as penalties."""
    return [name for name in metrics if name != DIAGONAL and not found.table[name].isna().all()]


def by_class(found: Answer, metric: str) -> dict[tuple[str, ...], Summary]:
    """A metric's summary for each (checkpoint, class), without intervals."""
    return {one.group: one for one in _summaries(found, metric, ("checkpoint", "class_name"))}


def _summaries(found: Answer, metric: str, by: Sequence[str]) -> Sequence[Summary]:
    question, record = found.question, METRICS.get(metric)
    # What has no better direction, such as a volume, has no worst value that could stand in for a failed case.
    scored = record is not None and record.better is not None
    policy = question.policy if scored else replace(question.policy, failed="apart")
    return summarise(found.table, metric, by=by, order=question.order, policy=policy, intervals=False)


def centre(summary: Summary) -> str:
    """Its mean; the median, marked, with the number of misses, where one stands."""
    return (
        f"{number(summary.median)}* ({summary.misses})"
        if math.isnan(summary.mean) and summary.misses
        else (number(summary.mean))
    )


def conventions(metrics: tuple[str, ...]) -> Table:
    """What each metric means here: definition, unit, range, direction, empty-mask rule and source."""
    units = {None: "", "distance": "mm, or px without spacing", "size": "ml, mm², voxels or px"}
    rows = tuple(
        (
            METRICS[name].long_name, name, METRICS[name].definition, units[METRICS[name].unit],
            " to ".join(number(end) for end in METRICS[name].range), METRICS[name].better or "no score",
            METRICS[name].empty_rule, METRICS[name].source,
        )
        for name in metrics
        if name in METRICS
    )  # fmt: skip
    header = ("Metric", "Column", "Definition", "Unit", "Range", "Better", "Empty masks", "Source")
    return Table("Conventions of each number", header, rows)
