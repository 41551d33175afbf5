"""Layout of the Follow tab: its components by name, without any behaviour."""

from typing import Any

import gradio as gr

from evaluation.ui.evaluate.components import Plot, html
from evaluation.ui.follow import texts
from medseg_demo.following.repeats import MOST_REPEATS, REPEATS
from medseg_demo.settings import Settings
from medseg_demo.ui import markup
from medseg_demo.ui.code_view import CODE_PARTS, lay_out_code
from medseg_demo.ui.controls import Choice
from medseg_demo.ui.texts import file_limit
from medseg_demo.ui.viewer import Viewer

Parts = dict[str, Any]  # components, whose events Gradio adds at run time


def lay_out(settings: Settings) -> Parts:
    """Build the tab inside the open block; its components by name.

    Args:
        settings: Its limits are named where files are added.
    """
    with gr.Row(elem_classes="ms-columns", equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_classes="ms-left"):
            parts = _controls(settings)
        with gr.Column(scale=9, min_width=320, elem_classes="ms-right"):
            parts |= _result()
    return parts


def _controls(settings: Settings) -> Parts:
    html(markup.heading(texts.UPLOAD))
    parts: Parts = {
        "upload": gr.File(label=texts.UPLOAD, show_label=False, file_count="multiple", height=132, elem_id="fo-upload"),
        "upload_hint": html(markup.hint(f"{texts.UPLOAD_HINT} {file_limit(settings.max_file_mb)}")),
        "preflight": html(elem_id="fo-preflight", elem_classes="ev-note"),
    }
    html(markup.heading(texts.SIMULATED))
    parts |= {
        "simulated": gr.Button(texts.SIMULATED_BUTTON, size="sm", elem_id="fo-simulated"),
        "simulated_hint": html(markup.hint(texts.SIMULATED_HINT)),
        "dates": gr.Textbox(label=texts.DATES, info=texts.DATES_HINT, lines=1, max_lines=6, elem_id="fo-dates"),
        "checkpoint": Choice([], label=texts.CHECKPOINT, interactive=True, elem_id="fo-checkpoint"),
    }
    with gr.Accordion(texts.MORE, open=False, elem_classes="ms-accordion"):
        parts["repeats"] = gr.Slider(
            0, MOST_REPEATS, REPEATS, step=1, label=texts.REPEATS, info=texts.REPEATS_HINT, elem_id="fo-repeats"
        )
        parts["deviation"] = gr.Number(None, label=texts.DEVIATION, info=texts.DEVIATION_HINT, elem_id="fo-deviation")
        parts["registered"] = gr.Checkbox(True, label=texts.REGISTER, elem_id="fo-register")
    with gr.Row(elem_classes="ms-actions"):
        parts["follow"] = gr.Button(texts.FOLLOW, variant="primary", scale=3, min_width=120, elem_id="fo-run")
        parts["stop"] = gr.Button(texts.STOP, interactive=False, scale=1, min_width=80, elem_id="fo-stop")
    return parts


def _result() -> Parts:
    parts: Parts = {
        "status": html(elem_id="fo-status"),
        "stale": html(elem_id="fo-stale", elem_classes="ev-note"),
    }
    with gr.Column(visible=False, elem_id="fo-results") as results:
        parts["figure"] = Plot(label=texts.OVER_TIME, elem_id="fo-figure")
        parts["tables"] = html(elem_id="fo-tables", elem_classes="ev-note")
        parts["visit"] = gr.Dropdown([], label=texts.VISIT, interactive=True, elem_id="fo-visit")
        html(markup.hint(texts.VIEWER_HINT))
        parts["viewer"] = Viewer(elem_id="fo-viewer")
        parts["archive"] = gr.DownloadButton(texts.DOWNLOAD, size="sm", min_width=110, elem_id="fo-archive")
        parts |= dict(zip(CODE_PARTS, lay_out_code("fo"), strict=True))
    return {**parts, "results": results}
