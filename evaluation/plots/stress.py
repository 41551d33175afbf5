"""The score against the degree to which images were made worse: one panel a corruption."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from evaluation.plots.style import INKS, Theme, base_figure, colour, positions, symbol
from evaluation.results.words import metric_title, summary_caption
from evaluation.statistics import Summary

PANELS = 2  # beside each other
PANEL_HEIGHT, HEAD = 230, 210
APART = 0.3  # of a degree, between the first and the last checkpoint


@dataclass(frozen=True)
class StressPoint:
    """One point of a curve.

    Attributes:
        degree: 0 is as it is.
        summary: Of the metric over the cases.
        pick: Test set, checkpoint, case and class of the worst case behind it, which a click opens.
        worst: Its worst cases, in words.
        is_lost: Whether so much is lost that the point is hollow.
    """

    degree: int
    summary: Summary
    pick: tuple[str, str, str, str]
    worst: str
    is_lost: bool


@dataclass(frozen=True)
class StressCurve:
    """One checkpoint in one panel."""

    checkpoint: str
    panel: str
    points: tuple[StressPoint, ...]


def stress_curves_figure(
    curves: Sequence[StressCurve], metric: str, *, note: str = "", unit: str = "", theme: Theme = "light"
) -> go.Figure:
    """Mean (or median) and 95 % interval against degree, a panel a corruption and a line a checkpoint.

    Args:
        curves: In the order of the panels, and in a panel of the legend.
        metric: The metric.
        note: Stands below the title.
        unit: That of the metric.
        theme: The theme.
    """
    panels, names = positions(one.panel for one in curves), positions(one.checkpoint for one in curves)
    rows = -(-len(panels) // PANELS)
    figure = base_figure(f"{metric_title(metric)} under stress", theme=theme, note=note)
    figure.update_layout(height=HEAD + PANEL_HEIGHT * rows, margin={"t": 140})
    make_subplots(
        rows=rows, cols=PANELS, shared_yaxes=True, subplot_titles=list(panels), figure=figure,
        vertical_spacing=70 / (PANEL_HEIGHT * rows + HEAD), horizontal_spacing=0.06,
    )  # fmt: skip
    for one in curves:
        row, column = divmod(panels[one.panel], PANELS)
        figure.add_trace(_line(one, names, theme, metric, is_first=panels[one.panel] == 0), row=row + 1, col=column + 1)
    most = max(point.degree for one in curves for point in one.points)
    figure.update_annotations(font={"size": 13})
    axis = {"gridcolor": INKS[theme].grid, "zeroline": False, "automargin": True}
    figure.update_xaxes(dtick=1, range=[-0.4, most + 0.4], **axis)
    figure.update_yaxes(**axis)
    for place in range(max(0, len(panels) - PANELS), len(panels)):
        figure.update_xaxes(title="Degree", row=place // PANELS + 1, col=place % PANELS + 1)
    for row in range(rows):
        figure.update_yaxes(title=metric_title(metric, unit=unit), row=row + 1, col=1)
    figure.update_yaxes(matches="y")
    return figure.update_layout(legend={"y": -60 / (PANEL_HEIGHT * rows), "yanchor": "top"})


def _line(one: StressCurve, names: dict[str, int], theme: Theme, metric: str, *, is_first: bool) -> go.Scatter:
    place, ink = names[one.checkpoint], colour(names[one.checkpoint], theme)
    aside = APART * ((place + 0.5) / len(names) - 0.5)
    summaries = [point.summary for point in one.points]
    centres = np.array([each.mean if each.interval_of == "mean" else each.median for each in summaries])
    lows, highs = np.array([each.low for each in summaries]), np.array([each.high for each in summaries])
    marks = [f"{symbol(place)}-open" if point.is_lost else symbol(place) for point in one.points]
    return go.Scatter(
        x=np.array([point.degree + aside for point in one.points]), y=centres, mode="lines+markers",
        name=one.checkpoint, legendgroup=one.checkpoint, showlegend=is_first,
        error_y={"type": "data", "symmetric": False, "array": highs - centres, "arrayminus": centres - lows,
                 "thickness": 1.2, "width": 3},
        marker={"color": ink, "symbol": marks, "size": 9, "line": {"width": 1.5, "color": ink}},
        line={"color": ink, "width": 1.5},
        customdata=[list(point.pick) for point in one.points],
        text=[f"degree {point.degree}: {metric} {centre:.4g}<br>{summary_caption(point.summary)}<br>{point.worst}"
              for point, centre in zip(one.points, centres, strict=True)],
        hovertemplate="<b>%{fullData.name}</b><br>%{text}<extra></extra>",
    )  # fmt: skip
