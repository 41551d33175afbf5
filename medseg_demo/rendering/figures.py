"""The look of Plotly's figures in both themes, and their JSON for plotly.js.

Colours are safe for colour blindness (after Okabe and Ito, 2008) and never stand alone: whatever is told apart by a
colour has a symbol too.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
from plotly.io.json import to_json_plotly

Theme = Literal["light", "dark"]

COLOURS: dict[Theme, tuple[str, ...]] = {
    "light": ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#A07000", "#2A9BD6", "#555555", "#882255"),
    "dark": ("#56B4E9", "#E6772E", "#21C08B", "#DD8FC0", "#E6B23A", "#A9D8F5", "#BDBDBD", "#F0E442"),
}
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "pentagon", "hexagon2", "star", "triangle-down", "bowtie")
TEMPLATES: dict[Theme, str] = {"light": "plotly_white", "dark": "plotly_dark"}


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


def colour(position: int, theme: Theme) -> str:
    """The colour of what stands at a position, such as a checkpoint or a class."""
    return COLOURS[theme][position % len(COLOURS[theme])]


def symbol(position: int) -> str:
    """Its symbol; colours and symbols repeat in different turns, so that 72 of them differ in one of them."""
    return SYMBOLS[position % len(SYMBOLS)]


def base_figure(title: str, *, theme: Theme, note: str = "", height: int = 460) -> go.Figure:
    """An empty figure with the theme's fonts and colours, on a transparent ground."""
    inks = INKS[theme]
    axis = {"gridcolor": inks.grid, "zerolinecolor": inks.grid, "automargin": True}
    layout = go.Layout(
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": inks.text, "size": 13},
        title={"text": title, "subtitle": {"text": note, "font": {"color": inks.faint, "size": 12}}, "x": 0.01},
        margin={"l": 70, "r": 20, "t": 90, "b": 70},
        height=height,
        hoverlabel={"align": "left"},
        legend={"orientation": "h", "y": -0.22, "x": 0},
        xaxis=axis,
        yaxis=axis,
    )
    return go.Figure(layout=layout)


def as_json(figure: go.Figure) -> str:
    """The figure for plotly.js. Words leave as lists, since plotly would look at one after the other."""
    document = figure.to_dict()
    document["layout"]["template"] = _template("light" if figure.layout.font.color == INKS["light"].text else "dark")
    for trace in document["data"]:
        words = [name for name, value in trace.items() if isinstance(value, np.ndarray) and value.dtype == object]
        trace.update((name, trace[name].tolist()) for name in words)
    return str(to_json_plotly(document))


@cache
def _template(theme: Theme) -> dict[str, object]:
    """Plotly's own for a theme. It joins a figure when that is sent: in a figure each change would check it again."""
    return dict(pio.templates[TEMPLATES[theme]].to_plotly_json())
