"""Bland–Altman: do predicted and reference sizes agree?"""

from typing import Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from evaluation.plots.scores import Scores
from evaluation.plots.style import DASHES, INKS, Theme, base_figure, colour, positions, symbol
from evaluation.results.words import number
from evaluation.statistics import failed_rows
from medseg_demo.errors import OptionError

TITLES = {"size": "Agreement of sizes (Bland–Altman)", "change": "Agreement of changes between visits (Bland–Altman)"}


def volume_agreement(
    table: pd.DataFrame, *, of: Literal["size", "change"] = "size", theme: Theme = "light"
) -> go.Figure:
    """Predicted − reference size over their mean, with each checkpoint's bias and limits of agreement.

    The limits are the bias ± 1.96 standard deviations of the differences. Failed cases have no predicted size; they
    stand on a line of their own below, over the reference's size where another checkpoint found it. Of changes, the
    table is that of ``results.changes.changes``.

    Raises:
        OptionError: The table has no sizes.

    Source: Bland and Altman, The Lancet 327(8476), 1986, doi:10.1016/S0140-6736(86)90837-8.
    """
    if not {"reference_volume", "predicted_volume"} <= set(table):
        raise OptionError("The results hold no sizes of references and predictions. Score again with the volumes.")
    reference = table["reference_volume"].to_numpy(dtype=float)
    predicted = table["predicted_volume"].to_numpy(dtype=float)
    checkpoints = positions(table["checkpoint"].unique())
    scores = Scores(table, "predicted_volume", predicted - reference, failed_rows(table), theme, checkpoints)
    by_case = table.groupby(["test_set", "case_id", "class_name"], sort=False)["reference_volume"].transform("max")
    middle = np.where(scores.failed, by_case.fillna(0), (predicted + reference) / 2)
    figure = base_figure(TITLES[of], theme=theme, note=scores.note(), height=520)
    for name, place in scores.checkpoints.items():
        rows = scores.drawn[scores.checkpoint[scores.drawn] == place]
        limits = _limits(scores, middle, name)
        points = scores.points(rows, middle[rows], scores.heights[rows], name)
        figure.add_traces([*(trace.update(showlegend=not limits) for trace in points), *limits])
    scores.mark_edge(figure)
    size = scores.axis_title("reference_volume")
    unit = size[size.rfind("(") :] if "(" in size else ""
    middles = {"size": f"Mean of reference and prediction {unit}", "change": f"Mean change of both {unit}"}
    figure.update_xaxes(title=middles[of])
    return figure.update_yaxes(title=f"Prediction − reference {unit}", zeroline=True, zerolinecolor=INKS[theme].faint)


def _limits(scores: Scores, middle: np.ndarray, name: str) -> list[go.Scatter]:
    """The bias (thick) and the limits of agreement (thin) of a checkpoint, each named in the legend or on hover."""
    place = scores.checkpoints[name]
    differences = scores.values[(scores.checkpoint == place) & np.isfinite(scores.values)]
    if len(differences) < 2:
        return []
    bias, spread = float(differences.mean()), 1.96 * float(differences.std(ddof=1))
    ends = [float(np.nanmin(middle)), float(np.nanmax(middle))]
    low, high = bias - spread, bias + spread
    label = f"{name}: bias {number(bias)}, limits {number(low)} to {number(high)}"
    ink, dash = colour(place, scores.theme), DASHES[place % len(DASHES)]
    shared = {"x": ends, "name": label, "legendgroup": name, "hovertemplate": f"{label}<extra></extra>"}
    middle_line = go.Scatter(
        y=[bias, bias], mode="lines+markers", line={"color": ink, "dash": dash, "width": 2.5},
        marker={"symbol": symbol(place), "size": 9, "color": ink}, **shared,
    )  # fmt: skip
    outer = [
        go.Scatter(
            y=[end, end], mode="lines", line={"color": ink, "dash": dash, "width": 1.2}, showlegend=False, **shared
        )
        for end in (low, high)
    ]
    return [middle_line, *outer]
