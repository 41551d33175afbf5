"""What all figures share: themes, colours with symbols, the edge where misses and failures stand, and click data.

Colours are safe for colour blindness (Okabe and Ito, 2008) and never stand alone: each checkpoint has a symbol too,
and misses and failures have symbols and a labelled line of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from evaluation.metrics.table import METRICS
from evaluation.wording import metric_title

Theme = Literal["light", "dark"]

CLICK_COLUMNS = ["test_set", "checkpoint", "case_id", "class_name"]
CLICK_HOVER = "<b>%{customdata[2]}</b><br>%{customdata[1]} · %{customdata[3]} · %{customdata[0]}"
MOST_POINTS = 12_000
MOST_SVG_POINTS = 3_000
WORST_KEPT = 100

COLOURS: dict[Theme, tuple[str, ...]] = {
    "light": ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#A07000", "#2A9BD6", "#555555", "#882255"),
    "dark": ("#56B4E9", "#E6772E", "#21C08B", "#DD8FC0", "#E6B23A", "#A9D8F5", "#BDBDBD", "#F0E442"),
}
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "pentagon", "hexagon2", "star", "triangle-down", "bowtie")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
MISS_SYMBOL, FAILED_SYMBOL = "triangle-up-open", "x-thin-open"


@dataclass(frozen=True)
class Inks:
    """The neutral colours of a theme."""

    text: str
    faint: str
    grid: str
    alarm: str


INKS: dict[Theme, Inks] = {
    "light": Inks(text="#1F2933", faint="#5F6B76", grid="#E2E6EA", alarm="#B00020"),
    "dark": Inks(text="#E8ECEF", faint="#A9B4BE", grid="#39424C", alarm="#FF8A80"),
}


@dataclass(frozen=True)
class Edge:
    """Where values stand that have no place on a metric's axis.

    Attributes:
        miss: The coordinate of infinite values.
        failed: The coordinate of failed cases.
        range: The axis' range, with room for both.
    """

    miss: float
    failed: float
    range: tuple[float, float]


def colour(position: int, theme: Theme) -> str:
    """The colour of the checkpoint at a position."""
    return COLOURS[theme][position % len(COLOURS[theme])]


def symbol(position: int) -> str:
    """Its symbol; colours and symbols repeat in different turns, so that 72 checkpoints differ in one of them."""
    return SYMBOLS[position % len(SYMBOLS)]


def base_figure(title: str, *, theme: Theme, note: str = "", height: int = 460) -> go.Figure:
    """An empty figure with the theme's fonts and colours, on a transparent ground."""
    inks = INKS[theme]
    figure = go.Figure()
    figure.update_layout(
        template="plotly_white" if theme == "light" else "plotly_dark",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": inks.text, "size": 13},
        title={"text": title, "subtitle": {"text": note, "font": {"color": inks.faint, "size": 12}}, "x": 0.01},
        margin={"l": 70, "r": 20, "t": 90, "b": 70},
        height=height,
        hoverlabel={"align": "left"},
        legend={"orientation": "h", "y": -0.22, "x": 0},
    )
    figure.update_xaxes(gridcolor=inks.grid, zerolinecolor=inks.grid, automargin=True)
    figure.update_yaxes(gridcolor=inks.grid, zerolinecolor=inks.grid, automargin=True)
    return figure


def axis_title(table: pd.DataFrame, metric: str) -> str:
    """The metric's long name with its unit; all units, where test sets differ."""
    record = METRICS.get(metric)
    column = f"{record.unit}_unit" if record and record.unit else ""
    units = [unit for unit in table[column].unique() if unit] if column in table else []
    return metric_title(metric, unit=", ".join(units))


def find_edge(values: np.ndarray, metric: str, *, failed: bool) -> Edge:
    """Room beyond the finite values: misses beyond the upper end, failures beyond the worse one."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    record = METRICS.get(metric)
    if record is not None and record.range == (0.0, 1.0):
        high = 1.0
    step = 0.09 * ((high - low) or abs(high) or 1.0)
    missed = bool(np.isinf(values).any())
    miss = high + step
    downwards = record is None or record.better == "higher"
    beyond = low - step if downwards else miss + step * missed
    top = max(miss if missed else high, beyond if failed else high) + 0.7 * step
    bottom = (beyond if failed and downwards else low) - 0.7 * step
    return Edge(miss, beyond, (bottom, top))


def at_edge(values: np.ndarray, failed: np.ndarray, edge: Edge) -> np.ndarray:
    """The values with misses and failures at their places; what is not applicable stays NaN."""
    return np.where(failed, edge.failed, np.where(np.isinf(values), edge.miss, values))


def mark_edge(figure: go.Figure, values: np.ndarray, failed: np.ndarray, edge: Edge, *, theme: Theme) -> None:
    """Draw the labelled lines of misses and failures, where there are any, on the y axis."""
    ink = INKS[theme].alarm
    misses, failures = int(np.isinf(values).sum()), int(failed.sum())
    for amount, place, name in ((misses, edge.miss, "miss (∞)"), (failures, edge.failed, "failed")):
        if amount:
            figure.add_hline(y=place, line={"color": ink, "dash": "dot", "width": 1})
            figure.add_annotation(
                x=1, xref="paper", y=place, text=f"{name}: {amount}", showarrow=False, xanchor="right", yshift=9,
                font={"color": ink, "size": 12},
            )  # fmt: skip
    figure.update_yaxes(range=edge.range)


def point_symbols(values: np.ndarray, failed: np.ndarray, plain: str) -> np.ndarray | str:
    """One symbol for all, or one each where there are misses or failures."""
    missed = np.isinf(values)
    if not (missed.any() or failed.any()):
        return plain
    return np.where(failed, FAILED_SYMBOL, np.where(missed, MISS_SYMBOL, plain)).astype(object)


def click_data(table: pd.DataFrame) -> np.ndarray:
    """What a click needs to open the case: test set, checkpoint, case and class, object (rows, 4)."""
    return table[CLICK_COLUMNS].to_numpy(dtype=object)


def points(**options: object) -> go.Scatter | go.Scattergl:
    """Markers as SVG, or through WebGL where they are many."""
    kind = go.Scatter if len(options["x"]) <= MOST_SVG_POINTS else go.Scattergl  # type: ignore[arg-type]
    return kind(mode="markers", **options)


def choose_points(values: np.ndarray, failed: np.ndarray, good: np.ndarray, *, most: int = MOST_POINTS) -> np.ndarray:
    """The rows that are drawn as points: all, or, of very many, every miss, failure and the worst, and a sample.

    Args:
        values: (rows,).
        failed: (rows,).
        good: The values turned so that more is better, (rows,).
        most: How many points at most.

    Returns:
        Sorted positions; rows without a value that did not fail are never among them.
    """
    drawable = np.flatnonzero(failed | ~np.isnan(values))
    if len(drawable) <= most:
        return drawable
    special = drawable[failed[drawable] | np.isinf(values[drawable])]
    plain = drawable[~(failed[drawable] | np.isinf(values[drawable]))]
    plain = plain[np.argsort(good[plain], kind="stable")]
    kept = min(WORST_KEPT, len(plain))
    room = max(0, most - len(special) - kept)
    sample = np.random.default_rng(0).permutation(len(plain) - kept)[:room] + kept
    return np.sort(np.concatenate([special, plain[:kept], plain[sample]]))


def counted(values: np.ndarray, failed: np.ndarray, drawn: int | None = None) -> str:
    """The note under a title: n, and all that is not an ordinary point."""
    parts = [f"n = {int((~np.isnan(values) & ~failed).sum()):,} values"]
    for amount, name in (
        (int(np.isinf(values).sum()), "misses (∞)"),
        (int(failed.sum()), "failed"),
        (int((np.isnan(values) & ~failed).sum()), "not applicable, not drawn"),
    ):
        if amount:
            parts.append(f"{amount:,} {name}")
    if drawn is not None and drawn < int((failed | ~np.isnan(values)).sum()):
        parts.append(f"{drawn:,} drawn as points: every miss and failure, the worst, and a sample")
    return " · ".join(parts)


def positions(names: Sequence[str]) -> dict[str, int]:
    """Each name's position in order of first appearance."""
    return {str(name): place for place, name in enumerate(dict.fromkeys(names))}
