"""The controls below a viewer whose label maps are corrected, by name."""

from typing import Any

import gradio as gr

from evaluation.ui.corrections import texts
from evaluation.ui.evaluate.components import html

Parts = dict[str, Any]

SAVING = ("correct_format", "correct_write", "correct_file")


def lay_out_correcting(prefix: str) -> Parts:
    """Which label map is corrected, what came of it, and the file of it; inside an open block.

    Args:
        prefix: Of the elements' ids.
    """
    parts: Parts = {
        "correct": gr.Dropdown(
            [(texts.NOTHING, "")],
            value="",
            label=texts.WHICH,
            info=texts.WHICH_HINT,
            interactive=True,
            elem_id=f"{prefix}-correct",
        ),
        "corrected": html(elem_id=f"{prefix}-corrected", elem_classes="ev-note"),
    }
    with gr.Row(elem_classes="ev-question"):
        parts["correct_format"] = gr.Dropdown(
            [], label=texts.FORMAT, visible=False, interactive=True, min_width=140, elem_id=f"{prefix}-correct-format"
        )
        parts["correct_write"] = gr.Button(
            texts.WRITE, size="sm", visible=False, min_width=120, elem_id=f"{prefix}-correct-write"
        )
        parts["correct_file"] = gr.DownloadButton(
            texts.FILE, size="sm", visible=False, min_width=120, elem_id=f"{prefix}-correct-file"
        )
    return parts
