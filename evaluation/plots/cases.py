"""One point a case: strip and box, score against the size of the reference, and the case × checkpoint heat map."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from evaluation.plots.scores import Scores
from evaluation.plots.style import INKS, Theme, base_figure, colour, positions
from evaluation.results.words import metric_title, number
from evaluation.statistics import AS_MEASURED, Policy, ScoreMatrix, better, goodness, score_matrix
from evaluation.statistics.resampling import quantile

MOST_HEAT_CASES = 60
MOST_TICK = 20  # characters of a name below the axis; longer ones stand in the legend alone
MOST_NAMED_CLASSES = 40
MOST_LABELLED = 16  # checkpoints whose cells have room for their values


def score_strip(table: pd.DataFrame, metric: str, *, policy: Policy = AS_MEASURED, theme: Theme = "light") -> go.Figure:
    """Every case as a point beside a box of quartiles, by class and checkpoint.

    Boxes rest on all values, misses among them; whiskers reach the furthest value within 1.5 quartile distances.
    """
    scores = Scores.of(table, metric, policy, theme)
    classes = positions(table["class_name"].unique())
    slots = pd.factorize(table["class_name"])[0] * (len(scores.checkpoints) + 1) + scores.checkpoint
    jitter = np.random.default_rng(0).uniform(-0.36, -0.02, len(table))
    figure = base_figure(f"{metric_title(metric)} of each case", theme=theme, note=scores.note())
    for name, place in scores.checkpoints.items():
        rows = scores.drawn[scores.checkpoint[scores.drawn] == place]
        figure.add_traces(scores.points(rows, (slots + jitter)[rows], scores.heights[rows], name))
        figure.add_trace(_boxes(scores, slots, name))
    _name_slots(figure, list(scores.checkpoints), list(classes), theme)
    scores.mark_edge(figure)
    return figure.update_yaxes(title=scores.axis_title())


def _boxes(scores: Scores, slots: np.ndarray, name: str) -> go.Box:
    """A checkpoint's boxes, one a class, from quartiles that are computed here: the browser gets no values."""
    here = (scores.checkpoint == scores.checkpoints[name]) & ~np.isnan(scores.values)
    values, slots = scores.values[here], slots[here]
    places = np.flatnonzero(np.bincount(slots))
    marks = np.array([_box(values[slots == place]) for place in places]).reshape(-1, 5)
    marks = np.where(np.isinf(marks), scores.edge.miss, marks)
    return go.Box(
        x=places + 0.2,
        lowerfence=marks[:, 0], q1=marks[:, 1], median=marks[:, 2], q3=marks[:, 3], upperfence=marks[:, 4],
        name=name, legendgroup=name, showlegend=False, width=0.3, hoverinfo="skip",
        line={"color": colour(scores.checkpoints[name], scores.theme), "width": 1.5}, fillcolor="rgba(0,0,0,0)",
    )  # fmt: skip


def _box(values: np.ndarray) -> tuple[float, ...]:
    """Lower whisker, quartiles and upper whisker."""
    first, middle, third = quantile(values, np.array([0.25, 0.5, 0.75]))
    inside = values
    if np.isfinite(third):
        reach = 1.5 * (third - first)
        inside = values[(values >= first - reach) & (values <= third + reach)]
    return float(inside.min()), float(first), float(middle), float(third), float(inside.max())


def _name_slots(figure: go.Figure, checkpoints: list[str], classes: list[str], theme: Theme) -> None:
    """Label each slot with its checkpoint, and, above, its class; with many slots the legend names checkpoints."""
    width = len(checkpoints) + 1
    starts = [place * width for place in range(len(classes))]
    if len(checkpoints) * len(classes) <= 12:
        has_room = max(map(len, checkpoints), default=0) <= MOST_TICK or len(checkpoints) == 1
        ticks = [
            (float(start + offset), name if has_room else "")
            for start in starts
            for offset, name in enumerate(checkpoints)
        ]
        for start, name in zip(starts, classes, strict=True):
            figure.add_annotation(
                x=start + (width - 2) / 2, y=1, yref="paper", yanchor="bottom", text=f"<b>{name}</b>",
                showarrow=False, font={"color": INKS[theme].text},
            )  # fmt: skip
    else:
        ticks = [(start + (width - 2) / 2, name) for start, name in zip(starts, classes, strict=True)]
        if len(classes) > MOST_NAMED_CLASSES:
            ticks = []
            figure.update_xaxes(title=f"{len(classes)} classes in the order of the table; each point names its own")
    figure.update_xaxes(tickvals=[place for place, _ in ticks], ticktext=[name for _, name in ticks])
    figure.update_xaxes(range=[-0.7, starts[-1] + width - 1.3] if starts else None, showgrid=False, zeroline=False)


def score_against_size(
    table: pd.DataFrame, metric: str, *, policy: Policy = AS_MEASURED, theme: Theme = "light"
) -> go.Figure:
    """Every case's score over the size of its reference, on a logarithmic axis.

    Empty references, and failed cases whose reference size is not known, stand on lines of their own at the left.
    """
    scores = Scores.of(table, metric, policy, theme)
    sizes = _sizes(table)
    known = sizes[sizes > 0]
    low, high = (known.min(), known.max()) if len(known) else (1.0, 10.0)
    step = max((high / low) ** 0.06, 1.15)
    empty, unknown = low / step, low / step**2
    x = np.where(np.isnan(sizes), unknown, np.where(sizes == 0, empty, sizes))
    figure = base_figure(f"{metric_title(metric)} against reference size", theme=theme, note=scores.note())
    for name, place in scores.checkpoints.items():
        rows = scores.drawn[scores.checkpoint[scores.drawn] == place]
        figure.add_traces(scores.points(rows, x[rows], scores.heights[rows], name))
    for place, name, there in ((empty, "empty", sizes == 0), (unknown, "unknown", np.isnan(sizes))):
        if there[scores.drawn].any():
            figure.add_vline(x=place, line={"color": INKS[theme].faint, "dash": "dot", "width": 1})
            figure.add_annotation(
                x=np.log10(place), y=1, yref="paper", yanchor="bottom", text=name, showarrow=False,
                font={"color": INKS[theme].faint, "size": 12},
            )  # fmt: skip
    scores.mark_edge(figure)
    figure.update_xaxes(type="log", title=scores.axis_title("reference_volume"))
    figure.update_xaxes(range=[np.log10(low / step**3), np.log10(high * step)], dtick=1 if high > 20 * low else None)
    return figure.update_yaxes(title=scores.axis_title())


def _sizes(table: pd.DataFrame) -> np.ndarray:
    """The sizes of the references, (rows,); a failed row takes that which another checkpoint found for the case."""
    if "reference_volume" not in table:
        return np.full(len(table), np.nan)
    by_case = table.groupby(["test_set", "case_id", "class_name"], sort=False)["reference_volume"]
    return table["reference_volume"].fillna(by_case.transform("max")).to_numpy(dtype=float)


def case_heat_map(
    table: pd.DataFrame,
    metric: str,
    *,
    policy: Policy = AS_MEASURED,
    theme: Theme = "light",
    most_cases: int = MOST_HEAT_CASES,
) -> go.Figure:
    """Cases × checkpoints, the worst cases first; a cell is the mean over the case's classes.

    A miss is ∞ and a failed case ✕ in its cell, what is not applicable is n/a, and a case that a checkpoint was not
    given is left blank.
    """
    matrix = score_matrix(table, metric, policy=policy)
    cells = _case_means(matrix.values)
    chosen = _worst_first(matrix, cells, metric)[:most_cases]
    shown = cells[chosen]
    note = (
        f"{len(chosen)} of {len(cells):,} cases, the worst first" if len(chosen) < len(cells) else f"n = {len(cells)}"
    )
    title = f"{metric_title(metric)}: case × checkpoint"
    figure = base_figure(title, theme=theme, note=note, height=215 + 20 * max(6, len(chosen)))
    # Places instead of names: two test sets may have a case of the same name.
    figure.add_trace(
        go.Heatmap(
            z=np.where(np.isfinite(shown), shown, np.nan), x=list(matrix.checkpoints), y=list(range(len(chosen))),
            customdata=_cell_clicks(matrix, chosen), text=_cell_texts(matrix, chosen, cells),
            colorscale="Cividis", reversescale=better(metric) != "higher", xgap=1, ygap=1, hoverongaps=True,
            colorbar={"title": {"text": Scores.of(table, metric, policy, theme).axis_title(), "side": "right"}},
            hovertemplate="<b>%{customdata[2]}</b><br>%{x} · %{customdata[0]}<br>%{text}<extra></extra>",
        )
    )  # fmt: skip
    if len(matrix.checkpoints) <= MOST_LABELLED:
        figure.add_trace(_cell_labels(figure.data[0], better(metric) != "higher", theme))
    names = [matrix.cases[case][1] for case in chosen]
    figure.update_yaxes(autorange="reversed", tickvals=list(range(len(names))), ticktext=names, showgrid=False)
    figure.update_xaxes(type="category", side="top", showgrid=False)
    return figure.update_layout(margin={"t": 130}, showlegend=False)


def _cell_labels(cells: go.Heatmap, dark_end_first: bool, theme: Theme) -> go.Scatter:
    """The cells' texts, light on dark cells and dark on light ones; on the ground where a cell has no colour."""
    z = np.asarray(cells.z, dtype=float)
    finite = z[np.isfinite(z)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
    share = (z - low) / ((high - low) or 1.0)
    light = share < 0.5 if dark_end_first else share >= 0.5
    inks = np.where(np.isnan(z), INKS[theme].text, np.where(light, "#111111", "#FFFFFF"))
    rows, columns = np.indices(z.shape)
    return go.Scatter(
        x=np.asarray(cells.x, dtype=object)[columns.ravel()], y=rows.ravel(), mode="text", hoverinfo="skip",
        text=[text for row in cells.text for text in row], textfont={"color": inks.ravel().tolist(), "size": 11},
    )  # fmt: skip


def _case_means(values: np.ndarray) -> np.ndarray:
    """Mean over classes, (cases, checkpoints); NaN without a value, infinite with a miss."""
    number_of_values = (~np.isnan(values)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(number_of_values > 0, np.nansum(values, axis=1) / number_of_values, np.nan)


def _worst_first(matrix: ScoreMatrix, cells: np.ndarray, metric: str) -> np.ndarray:
    good = np.where(matrix.failed.any(axis=1), -np.inf, goodness(cells, metric))
    usable = ~np.isnan(good)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(usable, good, 0).sum(axis=1) / usable.sum(axis=1)
    return np.argsort(np.where(np.isnan(mean), np.inf, mean), kind="stable")


def _cell_texts(matrix: ScoreMatrix, chosen: np.ndarray, cells: np.ndarray) -> list[list[str]]:
    failed: np.ndarray = np.any(matrix.failed, axis=1)
    given: np.ndarray = np.any(matrix.present, axis=1)
    return [
        [
            "✕" if failed[case, column] else number(cells[case, column]) if given[case, column] else ""
            for column in range(len(matrix.checkpoints))
        ]
        for case in chosen
    ]


def _cell_clicks(matrix: ScoreMatrix, chosen: np.ndarray) -> np.ndarray:
    """Click data of the cells, (cases, checkpoints, 4); the class is empty, since a cell stands for all of them."""
    clicks = np.empty((len(chosen), len(matrix.checkpoints), 4), dtype=object)
    clicks[:, :, 3] = ""
    for row, case in enumerate(chosen):
        clicks[row, :, 0], clicks[row, :, 2] = matrix.cases[case]
    clicks[:, :, 1] = np.array(matrix.checkpoints, dtype=object)
    return clicks
