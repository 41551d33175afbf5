"""What the Live tab shows while a moving picture is watched: the frame and the curve; and the camera it comes from."""

import base64
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from io import BytesIO
from pathlib import Path

import gradio as gr
from PIL import Image

from medseg_demo.live.watch import Seen
from medseg_demo.rendering.curve import curve_svg
from medseg_demo.ui.live import texts

STYLESHEET = Path(__file__).parent / "live.css"
SIDE = 640  # px of the longer side of what is shown while it is watched
QUALITY = 80


def Screen(*, elem_id: str) -> gr.HTML:  # noqa: N802 (used like Gradio's own components)
    """A component whose value is one of ``screen_value``, or None. Frames go as they are shown: no file is made."""
    template = '<div class="lv-screen" hidden><img alt=""><div class="lv-curves"></div></div>'
    return gr.HTML(
        None, html_template=template, css_template="", js_on_load=_script("screen.js"), apply_default_css=False,
        elem_id=elem_id,
    )  # fmt: skip


def Camera(*, elem_id: str) -> gr.HTML:  # noqa: N802 (used like Gradio's own components)
    """The visitor's camera. Not Gradio's own, which keeps every frame as a file and needs a way in that is closed here.

    Events: ``camera.begin``, ``camera.frame`` (``event.image``, a data URL of a JPEG; ``event.number`` from 1;
    ``event.time`` in seconds) and ``camera.end``. A frame is answered by the value {"answered": its number}, after
    which the next comes; {"ended": True} ends it.
    """
    start, stop = escape(texts.CAMERA_START), escape(texts.CAMERA_STOP)
    template = (
        f'<div class="lv-camera"><button type="button">{start}</button><button type="button" disabled>{stop}</button>'
        '<p role="status" class="ms-hint" hidden></p></div>'
    )
    return gr.HTML(
        None, html_template=template, css_template="", js_on_load=_script("camera.js"), apply_default_css=False,
        elem_id=elem_id,
    )  # fmt: skip


@dataclass(eq=False)
class Curve:
    """Areas over time, as they come.

    Attributes:
        most: Frames that are kept; of more the first go.
        times_s: Of the frames.
        areas: One row a frame, in mm² where a pixel's area is known, else in px.
        unit: "mm²" or "px".
    """

    most: int
    times_s: list[float] = field(default_factory=list)
    areas: list[tuple[float, ...]] = field(default_factory=list)
    unit: str = "px"

    def add(self, seen: Seen, pixel_mm2: float | None = None) -> None:
        """Take the areas of the next frame."""
        self.unit = "px" if pixel_mm2 is None else "mm²"
        self.times_s.append(seen.time_s)
        self.areas.append(tuple(area * (pixel_mm2 or 1.0) for area in seen.areas_px))
        if len(self.times_s) > self.most:
            del self.times_s[0], self.areas[0]


def screen_value(seen: Seen, curve: Curve | None) -> dict[str, str]:
    """A frame, and the curve up to it, as the value of a ``Screen``.

    Args:
        seen: The frame.
        curve: None leaves the one that is shown.
    """
    picture = Image.fromarray(seen.picture)
    picture.thumbnail((SIDE, SIDE))
    with BytesIO() as file:
        picture.save(file, "JPEG", quality=QUALITY)
        data = base64.b64encode(file.getvalue()).decode("ascii")
    value = {"image": f"data:image/jpeg;base64,{data}", "words": texts.PICTURE.format(number=seen.number)}
    if curve is not None:
        card = seen.found.card
        value["curve"] = curve_svg(
            curve.times_s, curve.areas, card.class_names, unit=curve.unit, colours=card.class_colours
        )
    return value


def _script(name: str) -> str:
    return resources.files("medseg_demo.ui.live").joinpath(name).read_text(encoding="utf-8")
