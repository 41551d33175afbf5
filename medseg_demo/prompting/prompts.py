"""What a person says of an object: clicks on it and beside it, scribbles, a box; and how a network is told."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from medseg_demo.errors import PromptError
from medseg_demo.prompting.frame import Frame

RADIUS = 4  # of a click, in pixels of the network's input
MOST_CLICKS = 1000
MOST_POINTS = 10_000  # of all scribbles together
POSITIVE, NEGATIVE, BOX, PRESENT = range(4)  # the planes beside those of the image, in the network's order

Point = tuple[float, float]


@dataclass(frozen=True)
class Click:
    """A point of an image: y down and x to the right, in pixels, (0, 0) being the middle of the first one.

    Attributes:
        y: From 0 to the height.
        x: From 0 to the width.
        positive: Whether the object is there; else it is not.
    """

    y: float
    x: float
    positive: bool = True


@dataclass(frozen=True)
class Scribble:
    """A line that was drawn; its points are those of ``Click``, (y, x)."""

    points: tuple[Point, ...]
    positive: bool = True


@dataclass(frozen=True)
class Prompts:
    """All that was said of one object, in one plane.

    Attributes:
        clicks: In their order.
        scribbles: In their order.
        box: (top, left, bottom, right) around the object, in pixels, ends exclusive; None where none was drawn.
    """

    clicks: tuple[Click, ...] = ()
    scribbles: tuple[Scribble, ...] = ()
    box: tuple[float, float, float, float] | None = None

    def __bool__(self) -> bool:
        return bool(self.clicks or self.scribbles or self.box)

    def added(self, click: Click) -> "Prompts":
        """With one more click."""
        return replace(self, clicks=(*self.clicks, click))

    @property
    def points(self) -> tuple[tuple[float, float, bool], ...]:
        """(y, x, positive) of every click, and of every point of a scribble."""
        clicks = tuple((one.y, one.x, one.positive) for one in self.clicks)
        return clicks + tuple((y, x, one.positive) for one in self.scribbles for y, x in one.points)

    @property
    def extent(self) -> tuple[float, float, float, float] | None:
        """(top, left, bottom, right) of what is positive, and of the box; None where nothing is."""
        inside = [(y, x) for y, x, positive in self.points if positive]
        corners = [*inside, *((self.box[:2], self.box[2:]) if self.box else ())]
        if not corners:
            return None
        down, right = zip(*corners, strict=True)
        return min(down), min(right), max(down) + 1, max(right) + 1

    def check(self, height: int, width: int, *, has_mask: bool = False) -> None:
        """Refuse what lies outside an image, and more than can be meant.

        Args:
            height: Of the image.
            width: Of the image.
            has_mask: Whether there is a mask that is to be corrected, which says where the object is.

        Raises:
            PromptError: With what is wrong, where, and what to do.
        """
        if not has_mask and not any(positive for *_, positive in self.points) and self.box is None:
            raise PromptError("Nothing says where the object is. Click on it, or draw a box around it.")
        if len(self.clicks) > MOST_CLICKS or len(self.points) - len(self.clicks) > MOST_POINTS:
            raise PromptError(
                f"{len(self.points):,} points are more than are taken for one object ({MOST_CLICKS:,} clicks, "
                f"{MOST_POINTS:,} points of scribbles). Finish this object, and begin another one."
            )
        corners = [(y, x) for y, x, _ in self.points]
        if self.box is not None:
            top, left, bottom, right = self.box
            if not (top < bottom and left < right):
                raise PromptError("The box is empty. Draw it from one corner of the object to the opposite one.")
            corners += [(top, left), (bottom - 1, right - 1)]
        for y, x in corners:
            if not (math.isfinite(y) and math.isfinite(x) and -0.5 <= y < height and -0.5 <= x < width):
                raise PromptError(
                    f"A point at row {y:g}, column {x:g} lies outside the image of {height} × {width} pixels. Click "
                    "into the image."
                )


def planes(prompts: Prompts, frame: Frame, present: np.ndarray | None = None) -> np.ndarray:
    """What a network is told beside the image: float32 (4, size, size), in the order of POSITIVE to PRESENT.

    Clicks are disks of RADIUS pixels, scribbles lines of the same width, the box is filled.

    Args:
        prompts: In pixels of the image.
        frame: The part of the image that the network sees.
        present: (H, W), what the mask is at present, 0 to 1; None where there is none.

    Source of the form: Sofiiuk et al. 2022, RITM, doi:10.1109/ICIP46576.2022.9897365.
    """
    told = np.zeros((4, frame.size, frame.size), dtype=np.float32)
    for click in prompts.clicks:
        _draw(told[POSITIVE if click.positive else NEGATIVE], [frame.to_input(click.y, click.x)])
    for scribble in prompts.scribbles:
        line = _dense([frame.to_input(y, x) for y, x in scribble.points])
        _draw(told[POSITIVE if scribble.positive else NEGATIVE], line)
    if prompts.box is not None:
        top, left = frame.to_input(*prompts.box[:2])
        bottom, right = frame.to_input(*prompts.box[2:])
        rows, columns = (slice(max(0, round(low)), max(0, round(high))) for low, high in ((top, bottom), (left, right)))
        told[BOX, rows, columns] = 1
    if present is not None:
        told[PRESENT] = frame.cut(present[None])[0]
    return told


def _draw(plane: np.ndarray, points: Iterable[Point]) -> None:
    """Disks around points, clipped at the borders of a plane."""
    size = len(plane)
    for y, x in points:
        top, left = (max(0, math.floor(place) - RADIUS) for place in (y, x))
        bottom, right = (min(size, math.floor(place) + RADIUS + 2) for place in (y, x))
        if top >= bottom or left >= right:
            continue
        rows, columns = np.ogrid[top:bottom, left:right]
        plane[top:bottom, left:right][(rows - y) ** 2 + (columns - x) ** 2 <= RADIUS**2] = 1


def _dense(points: list[Point]) -> list[Point]:
    """The points of a line, no two of them further apart than a radius."""
    line = points[:1]
    for (y0, x0), (y1, x1) in pairwise(points):
        steps = max(1, math.ceil(math.hypot(y1 - y0, x1 - x0) / RADIUS))
        line += [(y0 + (y1 - y0) * step / steps, x0 + (x1 - x0) * step / steps) for step in range(1, steps + 1)]
    return line
