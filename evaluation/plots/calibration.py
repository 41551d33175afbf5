"""Can the probabilities be believed? Reliability by bins, and the risk that is left when unsure cases are left out."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from evaluation.metrics.calibration import CALIBRATION, Calibration
from evaluation.plots.style import DASHES, INKS, Theme, base_figure, colour, positions, symbol
from evaluation.results.words import metric_title, number
from evaluation.statistics import Summary, risk_coverage, summarise

RELIABILITY = (
    "All pixels of all cases by probability; the larger the marker, the more of them",
    "ECE: expected calibration error, mean over the cases",
)
COVERAGE = (
    "The surest cases first, by the soft Dice of probabilities and mask",
    "AURC: mean of the curve; excess: what the ideal order of the cases would save",
)
SIZES = (5, 15)  # px, of the marker of one pixel and of a million


def reliability_diagram(table: pd.DataFrame, *, theme: Theme = "light") -> go.Figure:
    """How often a pixel is of the class that is given some probability, for each checkpoint and class.

    The pixels of all cases are counted together; the expected calibration error beside each name is the mean over the
    cases, with its 95 % interval. Checkpoints have colours and symbols, classes have dashes.

    Source: Guo et al. 2017, arXiv:1706.04599.
    """
    figure = base_figure("Reliability of probabilities", theme=theme, note="<br>".join(RELIABILITY), height=580)
    figure.update_layout(margin_t=105)
    names, classes = positions(table["checkpoint"].unique()), positions(table["class_name"].unique())
    known = table[table[CALIBRATION].astype(str) != ""].reset_index(drop=True)
    for summary in summarise(known, "ece", by=("checkpoint", "class_name")):
        name, class_name = summary.group
        rows = known[(known["checkpoint"] == name) & (known["class_name"] == class_name)]
        together = Calibration.from_text(" ".join(rows[CALIBRATION].astype(str)))
        label = f"{name} · {class_name}" if len(classes) > 1 else name
        trace = _reliability(together, f"{label}: {_error(summary)}", names[name], theme)
        figure.add_trace(trace.update(line_dash=DASHES[classes[class_name] % len(DASHES)]))
    line = {"color": INKS[theme].faint, "width": 1, "dash": "dot"}
    figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line=line, layer="below")
    figure.update_xaxes(title="Probability (mean of the bin)", range=[-0.02, 1.02])
    return figure.update_yaxes(title="Share of pixels in the class", range=[-0.02, 1.02])


def _error(summary: Summary) -> str:
    if summary.small:
        return f"ECE {number(summary.mean)}"
    return f"ECE {number(summary.mean)} ({number(summary.low)} to {number(summary.high)})"


def _reliability(found: Calibration, label: str, place: int, theme: Theme) -> go.Scatter:
    bins = np.flatnonzero(found.pixels)
    pixels, positives, sums = (one[bins] for one in (found.pixels, found.positives, found.sums))
    sizes = np.interp(np.log10(pixels), (0, 6), SIZES)
    return go.Scatter(
        x=sums / pixels, y=positives / pixels, mode="lines+markers", name=label, customdata=pixels,
        line={"color": colour(place, theme), "width": 1.5},
        marker={"color": colour(place, theme), "symbol": symbol(place), "size": sizes},
        hovertemplate="%{fullData.name}<br>probability %{x:.3f} · share %{y:.3f} · %{customdata:,} pixels"
        "<extra></extra>",
    )  # fmt: skip


def risk_coverage_curves(table: pd.DataFrame, metric: str = "dice", *, theme: Theme = "light") -> go.Figure:
    """The mean loss of the surest cases over their share of all, for each checkpoint, as `risk_coverage` has it."""
    curves = risk_coverage(table, metric)
    left_out = sum(one.left_out for one in curves)
    note = "<br>".join([*COVERAGE, *([f"{left_out} cases without a confidence are left out"] if left_out else [])])
    figure = base_figure("Risk and coverage", theme=theme, note=note, height=540).update_layout(margin_t=115)
    names = positions(table["checkpoint"].unique())
    for one in curves:
        ink, mark = colour(names[one.checkpoint], theme), symbol(names[one.checkpoint])
        label = f"{one.checkpoint}: AURC {number(one.area)}, excess {number(one.excess)}"
        cases = zip(one.test_sets, one.cases, strict=True)
        figure.add_scatter(
            x=one.coverage, y=one.risk, mode="lines+markers", name=label, line={"color": ink, "width": 1.5},
            marker={"color": ink, "symbol": mark, "size": 7},
            customdata=[[test_set, one.checkpoint, case, ""] for test_set, case in cases], text=one.confidence,
            hovertemplate="<b>%{customdata[2]}</b><br>%{customdata[1]} · %{customdata[0]}<br>"
            "confidence %{text:.4f} · coverage %{x:.0%} · risk %{y:.4f}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title="Coverage: share of the cases that are kept", range=[0, 1.05], tickformat=".0%")
    return figure.update_yaxes(title=f"Risk: mean of 1 − {metric_title(metric)}", rangemode="tozero")
