"""Arrays → pictures: the overlay for downloads, and the interactive viewer, which needs nothing but a browser."""

from medseg_demo.rendering.colours import class_colour, hex_colour, palette
from medseg_demo.rendering.page import standalone_html, viewer_css, viewer_script
from medseg_demo.rendering.pictures import overlay_picture, to_uint8
from medseg_demo.rendering.planes import PLANES, Plane, cut, oriented, plane_view
from medseg_demo.rendering.predictions import NamedPrediction
from medseg_demo.rendering.shown import Layout, most_labelled_slice, viewer_value

__all__ = [
    "PLANES",
    "Layout",
    "NamedPrediction",
    "Plane",
    "class_colour",
    "cut",
    "hex_colour",
    "most_labelled_slice",
    "oriented",
    "overlay_picture",
    "palette",
    "plane_view",
    "standalone_html",
    "to_uint8",
    "viewer_css",
    "viewer_script",
    "viewer_value",
]
