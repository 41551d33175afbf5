"""The list of plots: each is one record, drawn from an answer. To add one, add its record."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import plotly.graph_objects as go

from evaluation import plots
from evaluation.metrics.calibration import CALIBRATION
from evaluation.metrics.metric import SHARE
from evaluation.metrics.table import METRICS
from evaluation.plots import Theme
from evaluation.results import tables
from evaluation.results.answers import GROUP, Answer, group_gaps_of, no_groups
from evaluation.results.changes import VISIT, changes, has_visits
from evaluation.results.stress import COLUMNS, LOSS, Curve, Point, is_lost, stress_curves, stress_table
from evaluation.results.words import gap_sentence
from evaluation.statistics import strata_apart, stratum_columns, summarise_by
from medseg_demo.errors import OptionError

TWO_NEEDED = "This plot compares checkpoints. Choose at least two that were scored on this test set."
NO_COLUMN = "The cases of this test set have no column to group by. Add one to its cases.csv."
NO_SIZES = "The results hold no sizes of references. Score again with the volumes."
NO_PROBABILITIES = (
    "No prediction here came with probabilities. Evaluate a checkpoint anew: prediction folders, imported results and "
    "earlier runs have none."
)
NO_VISITS = "The cases have no visits. Add the columns group (the patient) and visit to cases.csv."
NO_GROUPS = "The column {column!r} does not divide the cases into groups."

STRESS_NOTE = f"Mean with 95 % interval (or median, with misses)<br>hollow: {LOSS:g} or more is lost of a share"

MOST_STRATA = 30
MOST_DRAWN = 40  # checkpoints
CROWDED, MOST_NAMES = ("heat_map", "stability", "significance"), 16  # plots with names beside each other, and how many
PLACES = "columns are numbered by the place on the leaderboard"
LEGEND_LINE, LEGEND_COLUMNS = 22, 3  # px; names beside each other
HEAD, TAIL = 10, 18  # characters of a long name


@dataclass(frozen=True)
class View:
    """What a plot is told beside the answer.

    Attributes:
        first: The first checkpoint of a pair.
        second: The second one.
        column: The metadata column to group by; empty takes the first that divides the cases.
        theme: Light or dark.
    """

    first: str = ""
    second: str = ""
    column: str = ""
    theme: Theme = "light"


@dataclass(frozen=True)
class Figure:
    """One plot of the list.

    Attributes:
        name: Its key.
        title: For people.
        draw: From an answer and a view to a figure.
        columns: Metadata columns without which it is not offered.
    """

    name: str
    title: str
    draw: Callable[[Answer, View], go.Figure]
    columns: tuple[str, ...] = ()


def figures_of(metadata: Sequence[str]) -> tuple[Figure, ...]:
    """The plots that results with these metadata columns can have."""
    return tuple(figure for figure in FIGURES if set(figure.columns) <= set(metadata))


def draw_figure(name: str, found: Answer, view: View) -> go.Figure:
    """Draw one plot of the list.

    Raises:
        OptionError: The list has no such plot, or the answer does not hold what it needs.
    """
    for figure in FIGURES:
        if figure.name == name:
            drawn = figure.draw(_best(found), view)
            if len(found.standings) > MOST_DRAWN:
                note = drawn.layout.title.subtitle.text
                more = f"the {MOST_DRAWN} best of {len(found.standings)} checkpoints are drawn"
                drawn.layout.title.subtitle.text = f"{note} · {more}"
            if drawn.layout.showlegend is not False:  # its lines must not take the plot's own room
                drawn.layout.height += LEGEND_LINE * (min(len(found.standings), MOST_DRAWN) // LEGEND_COLUMNS)
            names = [standing.checkpoint for standing in found.standings]
            drawn = _with_short_names(drawn, names)
            return _with_places(drawn, names) if name in CROWDED and len(names) > MOST_NAMES else drawn
    offered = ", ".join(figure.name for figure in figures_of(found.metadata))
    raise OptionError(f"There is no plot {name!r}. Choose one of: {offered}.")


def _with_short_names(figure: go.Figure, names: Sequence[str]) -> go.Figure:
    """The figure without the middles of long names, in its title, its legend and at its axes.

    Names that are the same without it have their place among the checkpoints, the best first, in front.
    """
    cut = {name: f"{name[:HEAD]}…{name[-TAIL:]}" for name in names if len(name) > HEAD + TAIL + 1}
    alike = {one for one, count in Counter(cut.values()).items() if count > 1}
    places = {name: f"{place} · " for place, name in enumerate(names, start=1)}
    short = {name: f"{places[name] if one in alike else ''}{one}" for name, one in cut.items()}
    if not short:
        return figure
    longest_first = sorted(short, key=len, reverse=True)  # one name may begin like another

    def shorten(text: str | None) -> str | None:
        for name in longest_first if text else ():
            text = text.replace(name, short[name]) if text else text
        return text

    def shorten_axis(axis: go.layout.XAxis | go.layout.YAxis) -> None:
        if axis.ticktext is not None:
            axis.ticktext = [short.get(text, text) for text in axis.ticktext]
        axis.title.text = shorten(axis.title.text)
        axis.labelalias = short

    figure.layout.title.text = shorten(figure.layout.title.text)
    figure.for_each_trace(lambda trace: trace.update(name=shorten(trace.name)))
    figure.for_each_xaxis(shorten_axis)
    figure.for_each_yaxis(shorten_axis)
    return figure


def _with_places(figure: go.Figure, names: Sequence[str]) -> go.Figure:
    """The figure with the places of many checkpoints at its lower or upper axis, where their names find no room."""
    places = {name: str(place) for place, name in enumerate(names, start=1)}

    def number(axis: go.layout.XAxis) -> None:
        shown = {short: places[name] for name, short in (axis.labelalias or {}).items() if name in places}
        axis.labelalias = {**places, **shown}
        if axis.ticktext is not None:
            axis.ticktext = [axis.labelalias.get(text, text) for text in axis.ticktext]

    def put_first(axis: go.layout.YAxis) -> None:
        short = {name: (axis.labelalias or {}).get(name, name).removeprefix(f"{places[name]} · ") for name in names}
        axis.labelalias = {name: f"{places[name]} · {one}" for name, one in short.items()}

    figure.for_each_xaxis(number)
    figure.for_each_yaxis(put_first)
    figure.layout.title.subtitle.text = f"{figure.layout.title.subtitle.text or ''}<br>{PLACES}".removeprefix("<br>")
    figure.layout.margin.t = (figure.layout.margin.t or 90) + LEGEND_LINE
    figure.layout.height = max(figure.layout.height, 260 + 16 * len(names))
    return figure


def _best(found: Answer) -> Answer:
    """The answer with its best checkpoints only: of hundreds no plot can be read, and few can be drawn."""
    if len(found.standings) <= MOST_DRAWN:
        return found
    standings = found.standings[:MOST_DRAWN]
    names = {standing.checkpoint for standing in standings}
    table = found.table[found.table["checkpoint"].isin(names)].reset_index(drop=True)
    if isinstance(table["checkpoint"].dtype, pd.CategoricalDtype):
        table["checkpoint"] = table["checkpoint"].cat.remove_unused_categories()
    comparisons = tuple(one for one in found.comparisons if {one.first, one.second} <= names)
    return replace(found, standings=standings, table=table, comparisons=comparisons)


def pair_of(found: Answer, view: View) -> tuple[str, str]:
    """The two checkpoints of a view; the two best ones where it names none that are there.

    Raises:
        OptionError: The answer has only one checkpoint.
    """
    names = [standing.checkpoint for standing in found.standings]
    if len(names) < 2:
        raise OptionError(TWO_NEEDED)
    first = view.first if view.first in names else names[0]
    second = view.second if view.second in names and view.second != first else ""
    return first, second or next(name for name in names if name != first)


def _strip(found: Answer, view: View) -> go.Figure:
    return plots.score_strip(found.table, found.question.metric, policy=found.question.policy, theme=view.theme)


def _heat_map(found: Answer, view: View) -> go.Figure:
    return plots.case_heat_map(found.table, found.question.metric, policy=found.question.policy, theme=view.theme)


def _pairs(found: Answer, view: View) -> go.Figure:
    first, second = pair_of(found, view)
    question = found.question
    return plots.paired_lines(found.table, question.metric, first, second, policy=question.policy, theme=view.theme)


def _sizes(found: Answer, view: View) -> go.Figure:
    sizes = found.table.get("reference_volume")
    if sizes is None or sizes.isna().all():
        raise OptionError(NO_SIZES)
    return plots.score_against_size(found.table, found.question.metric, policy=found.question.policy, theme=view.theme)


def _volumes(found: Answer, view: View) -> go.Figure:
    return plots.volume_agreement(found.table, theme=view.theme)


def _changes(found: Answer, view: View) -> go.Figure:
    if not has_visits(found):
        raise OptionError(NO_VISITS)
    return plots.volume_agreement(changes(found.table), of="change", theme=view.theme)


def _distribution(found: Answer, view: View) -> go.Figure:
    return plots.score_distribution(found.table, found.question.metric, policy=found.question.policy, theme=view.theme)


def _stability(found: Answer, view: View) -> go.Figure:
    if found.ranking is None:
        raise OptionError(found.problem or TWO_NEEDED)
    return plots.ranking_stability(found.ranking, most=MOST_DRAWN, theme=view.theme)


def _significance(found: Answer, view: View) -> go.Figure:
    if not found.comparisons:
        raise OptionError(found.problem or TWO_NEEDED)
    return plots.significance_map(found.comparisons, theme=view.theme)


def _groups(found: Answer, view: View) -> go.Figure:
    column, question = _column(found, view.column), found.question
    strata, number = strata_apart(found.table, question.metric, column, policy=question.policy, most=MOST_STRATA)
    few = f"{len(strata)} of {number:,} groups are drawn: those with the lowest and the highest means."
    summaries = summarise_by(
        found.table, question.metric, column, order=question.order, policy=question.policy, strata=strata
    )
    notes, unit = [few] if len(strata) < number else [], tables.unit_of(found, question.metric)
    return plots.group_intervals(summaries, question.metric, column, notes=notes, unit=unit, theme=view.theme)


def gap_lines(found: Answer, column: str = "") -> list[str]:
    """A sentence a checkpoint about the gap between the groups that the plot shows.

    Raises:
        OptionError: The cases have no groups.
    """
    unit = tables.unit_of(found, found.question.metric)
    return [gap_sentence(gap, unit=unit) for gap in group_gaps_of(found, _column(found, column))]


def _column(found: Answer, wanted: str) -> str:
    """The column to group by: the one that is wanted, else the first that divides the cases."""
    dividing = stratum_columns(found.table, found.metadata)
    columns = sorted(dividing, key=(*COLUMNS, GROUP).__contains__)  # what belongs to no case of the test set is last
    if wanted in found.metadata and wanted not in columns:
        same = found.table[wanted].nunique() < 2
        raise OptionError(no_groups(found, wanted) if same else NO_GROUPS.format(column=wanted))
    if not columns:
        raise OptionError(NO_COLUMN)
    return wanted if wanted in columns else columns[0]


def _reliability(found: Answer, view: View) -> go.Figure:
    if CALIBRATION not in found.table or not (found.table[CALIBRATION] != "").any():
        raise OptionError(NO_PROBABILITIES)
    return plots.reliability_diagram(found.table, theme=view.theme)


def _risk_coverage(found: Answer, view: View) -> go.Figure:
    if "confidence" not in found.table or found.table["confidence"].isna().all():
        raise OptionError(NO_PROBABILITIES)
    record = METRICS.get(found.question.metric)
    is_share = record is not None and record.range == SHARE and record.better == "higher"
    return plots.risk_coverage_curves(found.table, record.name if record and is_share else "dice", theme=view.theme)


def _stress(found: Answer, view: View) -> go.Figure:
    curves = stress_curves(found, view.column)
    drawn = [
        plots.StressCurve(
            curve.checkpoint,
            curve.title,
            tuple(_stress_point(found, curve, point, place) for place, point in enumerate(curve.points)),
        )
        for curve in curves
    ]
    unit = tables.unit_of(found, found.question.metric)
    return plots.stress_curves_figure(drawn, found.question.metric, note=STRESS_NOTE, unit=unit, theme=view.theme)


def _stress_point(found: Answer, curve: Curve, point: Point, place: int) -> plots.StressPoint:
    worst = f"worst: {', '.join(point.worst)}" if point.worst else ""
    pick = (found.question.test_set, curve.checkpoint, next(iter(point.worst), ""), found.question.class_name)
    lost = place > 0 and is_lost(curve.losses[place - 1])
    return plots.StressPoint(point.degree, point.summary, pick, worst, lost)


def stress_lines(found: Answer, column: str = "") -> tables.Table | None:
    """The table of what the plot of stress shows; None of results without stress.

    Raises:
        OptionError: As of ``stress_curves``.
    """
    if not set(COLUMNS) <= set(found.metadata):
        return None
    best = _best(found)
    return stress_table(best, stress_curves(best, column), column)


FIGURES: tuple[Figure, ...] = (
    Figure("stress", "Under stress: score against degree", _stress, COLUMNS),
    Figure("strip", "Every case, by class and checkpoint", _strip),
    Figure("pairs", "Two checkpoints, case by case", _pairs),
    Figure("heat_map", "Case × checkpoint, the worst first", _heat_map),
    Figure("sizes", "Score against reference size", _sizes),
    Figure("volumes", "Agreement of volumes (Bland–Altman)", _volumes),
    Figure("changes", "Agreement of changes between visits (Bland–Altman)", _changes, (GROUP, VISIT)),
    Figure("distribution", "Distribution of scores", _distribution),
    Figure("groups", "By group, with intervals", _groups),
    Figure("stability", "Stability of the ranking", _stability),
    Figure("reliability", "Reliability of probabilities (calibration)", _reliability),
    Figure("risk_coverage", "Risk and coverage: are unsure cases the bad ones?", _risk_coverage),
    Figure("significance", "Which differences are more than chance", _significance),
)
