"""Two checkpoints case by case, and the map of which differences are more than chance."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from evaluation.plots.scores import Scores, click_data
from evaluation.plots.style import INKS, Theme, base_figure, positions
from evaluation.results.words import metric_title, number
from evaluation.statistics import AS_MEASURED, PairComparison, Policy, goodness

MOST_LINES = 400
OUTCOMES = ("better", "equal", "worse")
COUNTS = {"better": "{name} better: {count}", "equal": "{name} equal: {count}", "worse": "{name} worse: {count}"}
LINES: dict[Theme, dict[str, tuple[str, str]]] = {
    "light": {"better": ("#0072B2", "solid"), "equal": ("#6B7680", "dot"), "worse": ("#D55E00", "dash")},
    "dark": {"better": ("#56B4E9", "solid"), "equal": ("#A9B4BE", "dot"), "worse": ("#E6772E", "dash")},
}


def paired_lines(
    table: pd.DataFrame,
    metric: str,
    first: str,
    second: str,
    *,
    policy: Policy = AS_MEASURED,
    theme: Theme = "light",
) -> go.Figure:
    """A line for each case and class from its score with one checkpoint to that with the other.

    Lines are drawn by outcome, in colour and dash. Of more than 400 the largest changes are drawn; the counts in the
    legend are of all.
    """
    chosen = table[table["checkpoint"].isin([first, second])].reset_index(drop=True)
    # The two keep the colours that they have beside the others.
    scores = replace(Scores.of(chosen, metric, policy, theme), checkpoints=positions(table["checkpoint"].unique()))
    left, right = _matched(scores, first, second)
    outcome = _outcomes(scores, left, right)
    largest = np.argsort(-np.abs(scores.heights[right] - scores.heights[left]), kind="stable")[:MOST_LINES]
    title = f"{metric_title(metric)}: {first} → {second}"
    note = f"n = {len(left):,} pairs"
    if len(largest) < len(left):
        note += f", the {len(largest)} largest changes drawn"
    figure = base_figure(title, theme=theme, note=note)
    for name in OUTCOMES:
        rows = largest[outcome[largest] == name]
        figure.add_trace(_lines(scores, left[rows], right[rows], name, int((outcome == name).sum()), second))
    for rows, checkpoint, place in ((left[largest], first, 0.0), (right[largest], second, 1.0)):
        points = scores.points(rows, np.full(len(rows), place), scores.heights[rows], checkpoint)
        figure.add_traces([trace.update(showlegend=False) for trace in points])
    figure.update_xaxes(tickvals=[0, 1], ticktext=[first, second], range=[-0.15, 1.15], showgrid=False)
    scores.mark_edge(figure)
    return figure.update_yaxes(title=scores.axis_title())


def _matched(scores: Scores, first: str, second: str) -> tuple[np.ndarray, np.ndarray]:
    """The rows of the two checkpoints that belong together and can both be drawn."""
    keys = ["test_set", "case_id", "class_name"]
    rows = scores.table[keys].assign(row=np.arange(len(scores.table)))[~np.isnan(scores.heights)]
    names = scores.table["checkpoint"].to_numpy()[rows["row"]]
    both = rows[names == first].merge(rows[names == second], on=keys)
    return both["row_x"].to_numpy(), both["row_y"].to_numpy()


def _outcomes(scores: Scores, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """What became of each case with the second checkpoint; a failed case is worse than any value."""
    good = np.where(scores.failed, -np.inf, goodness(scores.values, scores.metric))
    return np.where(good[right] > good[left], "better", np.where(good[right] < good[left], "worse", "equal"))


def _lines(scores: Scores, left: np.ndarray, right: np.ndarray, outcome: str, amount: int, second: str) -> go.Scatter:
    ink, dash = LINES[scores.theme][outcome]
    gaps = np.full(len(left), np.nan)
    return go.Scatter(
        x=np.tile([0.0, 1.0, np.nan], len(left)),
        y=np.stack([scores.heights[left], scores.heights[right], gaps], axis=1).ravel(),
        customdata=np.repeat(click_data(scores.table, right), 3, axis=0),
        mode="lines", name=COUNTS[outcome].format(name=second, count=amount), hoverinfo="skip",
        line={"color": ink, "dash": dash, "width": 1.2}, opacity=0.65,
    )  # fmt: skip


def significance_map(comparisons: Sequence[PairComparison], *, theme: Theme = "light") -> go.Figure:
    """Which checkpoint (row) is better than which (column) by the adjusted test and by the interval.

    Each cell says so in words and with its p-value: ▲ better, ▼ worse, ○ no difference shown, "too few".
    """
    names = list(positions(name for one in comparisons for name in (one.first, one.second)))
    grid, texts = np.full((len(names), len(names)), np.nan), [["" for _ in names] for _ in names]
    hovers = [["" for _ in names] for _ in names]
    for comparison in comparisons:
        one, other = names.index(comparison.first), names.index(comparison.second)
        for row, column, sign in ((one, other, 1.0), (other, one, -1.0)):
            grid[row, column], texts[row][column] = _verdict(comparison, names[row])
            hovers[row][column] = _hover(comparison, names[row], names[column], sign)
    metric = comparisons[0].metric if comparisons else ""
    title = f"{metric_title(metric)}: is the row better than the column?"
    note = f"Signed-rank tests (Holm over {len(comparisons)} pairs, level 0.05) and 95 % intervals, which must agree"
    figure = base_figure(title, theme=theme, note=note, height=190 + 64 * max(3, len(names)))
    worse, none, better = ("#F3C9AE", "#E9EDF0", "#B9D7EC") if theme == "light" else ("#7A3E14", "#323B44", "#12557F")
    figure.add_trace(
        go.Heatmap(
            z=grid, x=names, y=names, text=texts, hovertext=hovers, texttemplate="%{text}", hoverinfo="text",
            zmin=-1, zmax=1, showscale=False, xgap=2, ygap=2,
            colorscale=[[0, worse], [0.33, worse], [0.34, none], [0.66, none], [0.67, better], [1, better]],
            textfont={"color": INKS[theme].text},
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    return figure.update_xaxes(type="category", side="top", showgrid=False).update_layout(margin={"t": 130})


def _verdict(comparison: PairComparison, row: str) -> tuple[float, str]:
    if comparison.too_few:
        return 0.0, "too few"
    p = "p < 0.001" if comparison.p_adjusted < 0.001 else f"p = {comparison.p_adjusted:.3f}"
    if comparison.better is None:
        return 0.0, f"○ not shown<br>{p}"
    return (1.0, f"▲ better<br>{p}") if comparison.better == row else (-1.0, f"▼ worse<br>{p}")


def _hover(comparison: PairComparison, row: str, column: str, sign: float) -> str:
    low, high = sorted((sign * comparison.low, sign * comparison.high))
    centre = number(sign * comparison.centre)
    difference = f"Mean difference {centre}" if comparison.interval_of == "mean" else f"Median difference {centre}"
    interval = "too few for an interval" if comparison.too_few else f"{number(low)} to {number(high)}"
    return f"{row} − {column}<br>{difference} ({interval})<br>{comparison.pairs} cases"
