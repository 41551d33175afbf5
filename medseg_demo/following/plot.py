"""A follow-up as a Plotly figure: each class over time, with the interval of each measurement."""

from collections.abc import Sequence

import plotly.graph_objects as go

from medseg_demo.following.change import Change, Series
from medseg_demo.following.follow import FollowUp
from medseg_demo.following.words import MEASURES
from medseg_demo.rendering.figures import INKS, Theme, base_figure, colour, symbol

PANEL_HEIGHT = 230
YEAR_FROM = 730  # days that are shown as years
GAP = 0.05  # between panels, of the figure's height


def follow_figure(found: FollowUp, *, theme: Theme = "light") -> go.Figure:
    """Size, its change in %, diameter and mean intensity of each class over time, one panel below the other.

    Bars are the 95 % intervals of a single measurement, of the change those of the change since the first visit.
    """
    panels = [panel for panel in _panels(found.series) if panel[1]]
    last = found.visits[-1].dated.day
    step, unit = (365.25, "years") if last >= YEAR_FROM else (1.0, "days")
    labels = list(dict.fromkeys(one.label for one in found.series))
    height = 130 + PANEL_HEIGHT * len(panels)
    figure = base_figure("Over time", theme=theme, note="Bars: 95 % of repeated measurements", height=height)
    share = (1 - GAP * (len(panels) - 1)) / len(panels)
    for place, (title, lines) in enumerate(panels):
        number = "" if place == 0 else str(place + 1)
        top = 1 - place * (share + GAP)
        axis = {"gridcolor": INKS[theme].grid, "zerolinecolor": INKS[theme].grid, "automargin": True}
        domain = [max(0.0, top - share), top]
        last_panel = place == len(panels) - 1
        figure.update_layout(
            {
                f"yaxis{number}": {**axis, "domain": domain, "title": {"text": title}, "anchor": f"x{number}"},
                f"xaxis{number}": {**axis, "anchor": f"y{number}", "showticklabels": last_panel},
            }
        )
        if place:
            figure.update_layout({f"xaxis{number}": {"matches": "x"}})
        for line in lines:
            trace = _trace(line, labels.index(line[0].label), step, theme)
            figure.add_trace(trace.update(xaxis=f"x{number}", yaxis=f"y{number}", showlegend=place == 0))
    bottom = "" if len(panels) == 1 else str(len(panels))
    figure.update_layout({f"xaxis{bottom}": {"title": {"text": f"Since the first visit ({unit})"}}})
    return figure.update_layout(legend={"y": -60 / height, "yanchor": "top"}, margin={"l": 60})


# A series, what it is called, its heights, and half of each bar below and above.
Line = tuple[Series, str, list[float | None], list[float], list[float]]


def _panels(series: Sequence[Series]) -> list[tuple[str, list[Line]]]:
    sizes = [one for one in series if one.measure == "size"]
    made = [
        (_title("size", sizes), [_values(one) for one in sizes]),
        ("Change of size (%)", [line for one in sizes if (line := _percents(one)) is not None]),
    ]
    for measure in ("diameter", "intensity"):
        own = [one for one in series if one.measure == measure]
        made.append((_title(measure, own), [_values(one) for one in own]))
    return made


def _title(measure: str, series: Sequence[Series]) -> str:
    units = {one.unit for one in series if one.unit}
    return MEASURES[measure] + (f" ({units.pop()})" if len(units) == 1 else "")


def _values(one: Series) -> Line:
    bars = [one.factor * (sd or 0.0) for sd in one.deviations]
    return one, one.class_name + (f", {one.channel}" if one.channel else ""), list(one.values), bars, bars


def _percents(one: Series) -> Line | None:
    changes = one.since_first
    if not any(change is not None and change.percent is not None for change in changes):
        return None
    heights = [0.0, *(None if change is None else change.percent for change in changes)]
    below, above = zip((0.0, 0.0), *map(_bar, changes), strict=True)
    return one, one.class_name, heights, list(below), list(above)


def _bar(change: Change | None) -> tuple[float, float]:
    """How far the interval of a change reaches below and above it, in %; 0 where there is none."""
    if change is None or change.percent is None or change.percent_low is None or change.percent_high is None:
        return 0.0, 0.0
    return change.percent - change.percent_low, change.percent_high - change.percent


def _trace(line: Line, place: int, step: float, theme: Theme) -> go.Scatter:
    one, name, heights, below, above = line
    ink = colour(place, theme)
    return go.Scatter(
        x=[day / step for day in one.days],
        y=heights,
        error_y={"type": "data", "symmetric": False, "array": above, "arrayminus": below, "color": ink, "width": 5},
        mode="lines+markers",
        name=name,
        legendgroup=name,
        line={"color": ink},
        marker={"symbol": symbol(place), "size": 9, "color": ink},
        customdata=list(range(1, len(one.days) + 1)),
        hovertemplate=f"<b>{name}</b>, visit %{{customdata}}<br>%{{y:.4g}}<extra></extra>",
    )
