"""Areas over time as a picture of lines (SVG), in the colours of the classes and the page's own text."""

import math
from collections.abc import Sequence
from html import escape

from medseg_demo.numbers import number
from medseg_demo.rendering.colours import hex_colour

WIDTH, HEIGHT = 640, 180
LEFT, RIGHT, TOP, BOTTOM = 64, 8, 10, 26  # px around the lines
MOST_POINTS = 320  # of a line; of more each is the mean of some
DASHES = ("", "6 3", "2 3", "8 3 2 3")  # beside the colour, so that lines are told apart without it


def curve_svg(
    times_s: Sequence[float],
    areas: Sequence[Sequence[float]],
    class_names: Sequence[str],
    *,
    unit: str,
    colours: Sequence[str] = (),
) -> str:
    """A line a class.

    Args:
        times_s: Of the frames, growing.
        areas: One row a frame, one area a class.
        class_names: For the legend.
        unit: Of the areas, such as "px".
        colours: "#rrggbb" of the classes; empty takes the usual ones.

    Returns:
        An ``svg`` with a ``title`` for screen readers, and its legend behind it; empty text without a frame.
    """
    if not times_s:
        return ""
    times, rows = _thinned(times_s, areas)
    last = max(times[-1], 1e-3)
    top = _round_up(max((max(row) for row in rows), default=0.0))
    lines = []
    for index, _ in enumerate(class_names):
        points = " ".join(
            f"{_x(time, last):.1f},{_y(row[index], top):.1f}" for time, row in zip(times, rows, strict=True)
        )
        dash = DASHES[index % len(DASHES)]
        lines.append(
            f'<polyline points="{points}" fill="none" stroke="{hex_colour(index + 1, colours)}" stroke-width="2" '
            f'stroke-dasharray="{dash}"/>'
        )
    title = f"Area of each class over {times_s[-1]:.1f} s, from 0 to {number(top)} {unit}"
    return (
        f'<svg class="lv-curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{escape(title)}</title>'
        f"{_axes(last, top, unit)}{''.join(lines)}</svg>{_legend(class_names, rows[-1], unit, colours)}"
    )


def _thinned(times: Sequence[float], rows: Sequence[Sequence[float]]) -> tuple[list[float], list[list[float]]]:
    step = math.ceil(len(times) / MOST_POINTS)
    groups = [slice(start, start + step) for start in range(0, len(times), step)]
    means = [[sum(column) / len(column) for column in zip(*rows[group], strict=True)] for group in groups]
    return [times[group][-1] for group in groups], means


def _round_up(value: float) -> float:
    """The next of 1, 2 and 5 times a power of ten; 1 for nothing."""
    if value <= 0:
        return 1.0
    power = 10 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if value <= step * power * (1 + 1e-9))


def _x(time_s: float, last: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * time_s / last


def _y(area: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * area / top


def _axes(last: float, top: float, unit: str) -> str:
    parts = []
    for share in (0, 0.5, 1):
        y = _y(share * top, top)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="lv-grid"/>')
        label = f"{share * top:g}" + (f" {escape(unit)}" if share == 1 else "")
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
        anchor = ("start", "middle", "end")[round(2 * share)]
        x = _x(share * last, last)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{share * last:.1f} s</text>')
    return "".join(parts)


def _legend(names: Sequence[str], areas: Sequence[float], unit: str, colours: Sequence[str]) -> str:
    items = "".join(
        f'<li><span class="lv-key" style="background:{hex_colour(index + 1, colours)}" aria-hidden="true"></span>'
        f"{escape(name)}: {area:.0f} {escape(unit)}</li>"
        for index, (name, area) in enumerate(zip(names, areas, strict=True))
    )
    return f'<ul class="lv-legend">{items}</ul>'
