"""The line above the tabs: what this is, what it is not, and what it runs on."""

from html import escape

import gradio as gr

from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui import texts


def header(engine: Engine) -> None:
    """Add the page's heading to the open block."""
    device = escape(texts.DEVICE.format(device=engine.compute_name))
    gr.HTML(
        f'<header class="ms-header"><h1>{escape(texts.TITLE)}</h1><p>{escape(texts.TAGLINE)}</p>'
        f'<p class="ms-device">{device}</p></header>',
        apply_default_css=False,
    )
