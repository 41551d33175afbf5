"""One point a case: strip and box, score against size, and the case × checkpoint heat map."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from evaluation.plots.style import (
    CLICK_HOVER,
    INKS,
    Theme,
    at_edge,
    axis_title,
    base_figure,
    choose_points,
    click_data,
    colour,
    counted,
    find_edge,
    mark_edge,
    point_symbols,
    points,
    positions,
    symbol,
)
from evaluation.statistics import AS_MEASURED, Policy, failed_rows, goodness, metric_values, score_matrix
from evaluation.statistics.resampling import quantile
from evaluation.wording import metric_title, number

MOST_HEAT_CASES = 60


def score_strip(
    table: pd.DataFrame, metric: str, *, policy: Policy = AS_MEASURED, theme: Theme = "light"
) -> go.Figure:
    """Every case as a point beside a box of quartiles, by class and checkpoint.

    Boxes rest on all finite values and misses; whiskers reach the furthest value within 1.5 quartile distances.
    """
    values, failed = metric_values(table, metric, policy), failed_rows(table)
    checkpoints, classes = positions(table["checkpoint"]), positions(table["class_name"])
    checkpoint = table["checkpoint"].map(checkpoints).to_numpy(dtype=int)
    slot = table["class_name"].map(classes).to_numpy(dtype=int) * (len(checkpoints) + 1) + checkpoint
    edge = find_edge(values, metric, failed=bool(failed.any()))
    drawn = choose_points(values, failed, goodness(values, metric))
    figure = base_figure(
        f"{metric_title(metric)} of each case", theme=theme, note=counted(values, failed, drawn=len(drawn))
    )
    for name, place in checkpoints.items():
        rows = drawn[checkpoint[drawn] == place]
        figure.add_trace(_strip(table, values, failed, slot, rows, edge, name=name, place=place, theme=theme))
        figure.add_trace(_boxes(values, slot, place, checkpoints, classes, edge, name=name, theme=theme))
    _name_slots(figure, checkpoints, classes, theme=theme)
    mark_edge(figure, values, failed, edge, theme=theme)
    return figure.update_yaxes(title=axis_title(table, metric))


def _strip(table, values, failed, slot, rows, edge, *, name, place, theme) -> go.Scatter | go.Scattergl:  # type: ignore[no-untyped-def]  # noqa: ANN001
    jitter = np.random.default_rng(0).uniform(-0.3, 0.02, len(rows))
    return points(
        x=slot[rows] + jitter,
        y=at_edge(values, failed, edge)[rows],
        name=name,
        legendgroup=name,
        customdata=click_data(table.iloc[rows]),
        text=[number(value) if not lost else "failed" for value, lost in zip(values[rows], failed[rows], strict=True)],
        hovertemplate=CLICK_HOVER + "<br>%{text}<extra></extra>",
        marker={
            "color": colour(place, theme),
            "symbol": point_symbols(values[rows], failed[rows], symbol(place)),
            "size": 7 if len(rows) < 2000 else 4,
            "opacity": 0.65,
        },
    )
