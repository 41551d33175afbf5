"""Intervals by a metadata column, and the stability of a ranking."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from evaluation.plots.style import INKS, Theme, base_figure, colour, positions, symbol
from evaluation.results.words import SCHEMES, metric_title, number, ranking_caption, summary_caption
from evaluation.statistics import Ranking, SchemeRanking, Summary

LINE = 16  # height of a line below a title


def group_intervals(
    summaries: Sequence[Summary],
    metric: str,
    column: str,
    *,
    notes: Sequence[str] = (),
    unit: str = "",
    theme: Theme = "light",
) -> go.Figure:
    """Mean (or median) and 95 % interval for each stratum and checkpoint, from `summarise_by`.

    Small groups are hollow and have no interval; n stands beside each. ``unit`` is that of the metric, and ``notes``
    stand below the title, a line each.
    """
    strata = positions(summary.group[0] for summary in summaries)
    names = positions(summary.group[1] for summary in summaries)
    title = f"{metric_title(metric)} in groups by {column}"
    lines = ["Mean with 95 % interval (median where there are misses); hollow: too few for an interval", *notes]
    height = 190 + LINE * len(notes) + (26 * len(names) + 14) * max(1, len(strata))
    figure = base_figure(title, theme=theme, note="<br>".join(lines), height=height)
    for name, place in names.items():
        chosen = [summary for summary in summaries if summary.group[1] == name]
        intervals = _interval_points(chosen, strata, names, name, place, theme)
        figure.add_traces([intervals, _sizes(intervals, chosen, theme)])
    figure.update_yaxes(
        tickvals=list(strata.values()), ticktext=list(strata), autorange="reversed", showgrid=False, zeroline=False
    )
    line = {"color": INKS[theme].grid, "width": 1}
    between = [place + 0.5 for place in range(len(strata) - 1)]
    # All at once: each call of add_hline looks at every line before it.
    figure.update_layout(
        shapes=[{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": line} for y in between],
        margin={"t": 90 + LINE * len(notes)},
    )
    return figure.update_xaxes(title=metric_title(metric, unit=unit))


def _interval_points(
    chosen: Sequence[Summary],
    strata: dict[str, int],
    names: dict[str, int],
    name: str,
    place: int,
    theme: Theme,
) -> go.Scatter:
    centres = np.array([one.mean if one.interval_of == "mean" else one.median for one in chosen])
    lows, highs = np.array([one.low for one in chosen]), np.array([one.high for one in chosen])
    heights = [strata[one.group[0]] + 0.8 * ((place + 0.5) / len(names) - 0.5) for one in chosen]
    plain = symbol(place)
    return go.Scatter(
        x=centres,
        y=heights,
        mode="markers",
        name=name,
        error_x={"type": "data", "symmetric": False, "array": highs - centres, "arrayminus": centres - lows},
        marker={
            "color": colour(place, theme),
            "size": 10,
            "symbol": [f"{plain}-open" if one.small else plain for one in chosen],
        },
        customdata=[[one.group[0], one.group[1], summary_caption(one)] for one in chosen],
        hovertemplate="<b>%{customdata[0]}</b> · %{customdata[1]}<br>%{x:.4g}<br>%{customdata[2]}<extra></extra>",
    )


def _sizes(intervals: go.Scatter, chosen: Sequence[Summary], theme: Theme) -> go.Scatter:
    """N of each group, right of its interval."""
    ends = np.array([np.nanmax([one.high, one.mean, one.median]) if one.n else np.nan for one in chosen])
    return go.Scatter(
        x=ends, y=intervals.y, mode="text", hoverinfo="skip", showlegend=False, cliponaxis=False,
        text=[f"  n = {one.n}" + (", few" if one.small else "") for one in chosen], textposition="middle right",
        textfont={"size": 11, "color": INKS[theme].faint},
    )  # fmt: skip


def ranking_stability(ranking: Ranking, *, most: int | None = None, theme: Theme = "light") -> go.Figure:
    """How often each checkpoint had which rank when the cases were drawn again, for each scheme.

    The area of a disc is the share of resamples; the ring is the rank in the cases as they are, the bar the middle
    95 % of ranks. Of too few cases there is no bar. ``most`` draws only so many of the best.
    """
    titles = [f"{SCHEMES[one.scheme]}<br>agreement τ = {number(one.kendall_tau)}" for one in ranking.schemes]
    title, note = f"Ranking by {metric_title(ranking.metric)}", ranking_caption(ranking)
    figure = base_figure(title, theme=theme, note=note, height=480).update_layout(showlegend=False, margin={"t": 165})
    make_subplots(rows=1, cols=len(ranking.schemes), shared_yaxes=True, subplot_titles=titles, figure=figure)
    order = np.argsort(ranking.schemes[0].ranks, kind="stable")[:most]
    labels = [ranking.checkpoints[place] for place in order]
    for column, scheme in enumerate(ranking.schemes, start=1):
        for x, place in enumerate(order):
            for trace in _ranks_of(ranking, scheme, int(place), x, theme):
                figure.add_trace(trace, row=1, col=column)
        ends = [-0.6, len(labels) - 0.4]
        figure.update_xaxes(tickvals=list(range(len(labels))), ticktext=labels, range=ends, row=1, col=column)
    figure.update_xaxes(showgrid=False, zeroline=False, automargin=True)
    figure.update_yaxes(dtick=1, range=[len(labels) + 0.6, 0.4], zeroline=False, gridcolor=INKS[theme].grid)
    return figure.update_yaxes(title="Rank (1 is best)", row=1, col=1)


def _ranks_of(ranking: Ranking, scheme: SchemeRanking, place: int, x: int, theme: Theme) -> list[go.Scatter]:
    """The bar, the discs and the ring of one checkpoint under one scheme."""
    shares, name = scheme.frequencies[place], ranking.checkpoints[place]
    bar = go.Scatter(
        x=[x, x], y=[scheme.low[place], scheme.high[place]], mode="lines", hoverinfo="skip",
        line={"color": INKS[theme].faint, "width": 1.5},
    )  # fmt: skip
    discs = go.Scatter(
        x=np.full(len(shares), x), y=np.arange(1, len(shares) + 1), mode="markers", name=name,
        customdata=100 * shares[:, np.newaxis],
        marker={"size": 30 * np.sqrt(shares), "color": colour(place, theme), "symbol": symbol(place), "opacity": 0.75},
        hovertemplate="%{fullData.name}: rank %{y} in %{customdata[0]:.1f} % of resamples<extra></extra>",
    )  # fmt: skip
    ring = go.Scatter(
        x=[x], y=[scheme.ranks[place]], mode="markers", hoverinfo="skip",
        marker={"size": 32, "symbol": "circle-open", "color": INKS[theme].text, "line": {"width": 2}},
    )  # fmt: skip
    return [discs, ring] if ranking.too_few else [bar, discs, ring]
