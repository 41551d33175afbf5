"""The surfaces of a volume's classes in three dimensions: made when asked for, turned in the browser."""

import base64

import gradio as gr
import numpy as np

from medseg_demo.image import LabelMap
from medseg_demo.ui import texts
from medseg_demo.ui.plotly_js import browser_file, plotly_loader
from medseg_demo.writing.surface import Surface, extract

MOST_FACES = 200_000  # of all classes together; about 5 MB for the browser


def SurfaceView(*, elem_id: str) -> gr.HTML:  # noqa: N802 (used like Gradio's own components)
    """A component whose value is a dict of ``surface_value`` (None: nothing yet)."""
    script = f"{plotly_loader()}\n{browser_file('surface.js')}"
    return gr.HTML(
        None,
        html_template=browser_file("surface.html"),
        css_template="",
        js_on_load=script,
        apply_default_css=False,
        elem_id=elem_id,
    )


def surface_value(label_map: LabelMap) -> dict[str, object]:
    """The surface of every class that the volume holds, with about MOST_FACES faces together.

    Args:
        label_map: Of a volume.

    Returns:
        ``meshes`` ([{name, colour, vertices, faces}], arrays as base64), ``axes`` (their titles) and ``note``.

    Raises:
        OptionError: The label map is 2-D.
    """
    present = [int(value) for value in np.unique(label_map.labels) if value]
    surfaces = [extract(label_map, value, max_faces=MOST_FACES // len(present)) for value in present]
    has_spacing = label_map.geometry.spacing_mm is not None
    return {
        "meshes": [_packed(surface) for surface in surfaces],
        "axes": list(texts.SURFACE_AXES if has_spacing else texts.SURFACE_AXES_VOXELS),
        "note": texts.SURFACE_NOTE if surfaces else texts.SURFACE_EMPTY,
    }


def _packed(surface: Surface) -> dict[str, str]:
    return {
        "name": surface.class_name,
        "colour": surface.colour,
        "vertices": _base64(surface.vertices_mm.astype("<f4")),
        "faces": _base64(surface.faces.astype("<i4")),
    }


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
