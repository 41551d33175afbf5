"""The distribution of the scores of each checkpoint."""

from itertools import pairwise

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from evaluation.plots.scores import Scores, click_data
from evaluation.plots.style import INKS, Theme, base_figure, colour
from evaluation.results.words import metric_title, number
from evaluation.statistics import AS_MEASURED, Policy

BINS = 30


def score_distribution(
    table: pd.DataFrame, metric: str, *, policy: Policy = AS_MEASURED, theme: Theme = "light"
) -> go.Figure:
    """A histogram for each checkpoint, one above the other on the same axis; misses and failures have their own bars.

    A click on a bar opens one of its cases, the first in the table.
    """
    scores = Scores.of(table, metric, policy, theme)
    names = list(scores.checkpoints)
    rows = max(1, len(names))
    figure = base_figure(
        f"Distribution of {metric_title(metric)}", theme=theme, note=scores.note(), height=190 + 90 * max(2, rows)
    )
    figure = make_subplots(
        rows=rows, cols=1, shared_xaxes=True, vertical_spacing=0.25 / max(3, 2 * rows), figure=figure
    )
    edges = _bin_edges(scores)
    for row, name in enumerate(names, start=1):
        figure.add_trace(_histogram(scores, name, edges), row=row, col=1)
        figure.update_yaxes(title={"text": name, "font": {"size": 12}}, rangemode="tozero", row=row, col=1)
    ticks = [(scores.edge.miss, "miss (∞)", scores.missed.any()), (scores.edge.failed, "failed", scores.failed.any())]
    for place, label, there in ticks:
        if there:
            figure.add_vline(x=place, line={"color": INKS[theme].alarm, "dash": "dot", "width": 1})
            figure.add_annotation(
                x=place, y=1, yref="paper", yanchor="bottom", text=label, showarrow=False,
                font={"color": INKS[theme].alarm, "size": 12},
            )  # fmt: skip
    inks = INKS[theme]
    figure.update_xaxes(range=scores.edge.range, gridcolor=inks.grid).update_yaxes(gridcolor=inks.grid, automargin=True)
    figure.update_xaxes(title=scores.axis_title(), row=rows, col=1)
    return figure.update_layout(showlegend=False, bargap=0)


def _bin_edges(scores: Scores) -> np.ndarray:
    finite = scores.values[np.isfinite(scores.values)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
    return np.linspace(low, high if high > low else low + 1, BINS + 1)


def _histogram(scores: Scores, name: str, edges: np.ndarray) -> go.Bar:
    """Counts of a checkpoint's values, bars for misses and failures behind them."""
    rows = np.flatnonzero((scores.checkpoint == scores.checkpoints[name]) & ~np.isnan(scores.heights))
    special = np.where(scores.failed[rows], BINS + 1, np.where(scores.missed[rows], BINS, -1))
    inside = np.clip(np.searchsorted(edges, scores.values[rows], side="right") - 1, 0, BINS - 1)
    bins, firsts, amounts = np.unique(np.where(special >= 0, special, inside), return_index=True, return_counts=True)
    width = edges[1] - edges[0]
    places = np.append((edges[1:] + edges[:-1]) / 2, [scores.edge.miss, scores.edge.failed])
    labels = [f"{number(low)} to {number(high)}" for low, high in pairwise(edges)]
    texts = np.array([*labels, "miss (∞)", "failed"], dtype=object)
    ink = INKS[scores.theme].alarm
    return go.Bar(
        x=places[bins], y=amounts, width=width, name=name, text=texts[bins], textposition="none",
        customdata=click_data(scores.table, rows[firsts]),
        hovertemplate=f"{name}<br>%{{text}}: %{{y}}<br>a click opens %{{customdata[2]}}<extra></extra>",
        marker={
            "color": [ink if one >= BINS else colour(scores.checkpoints[name], scores.theme) for one in bins],
            "pattern": {"shape": ["/" if one >= BINS else "" for one in bins]},
        },
    )  # fmt: skip
