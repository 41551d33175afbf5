"""Copy as code on the page: an accordion with a command line, a Python program and a link, each to be copied."""

import gradio as gr

from medseg_demo.ui.code import Code, segment_code, source_of
from medseg_demo.ui.state import Run

TITLE = "Copy as code"
COMMAND = "Command line"
PYTHON = "Python, through the web API"
LINK = "Link to this view"
NOTE = "An upload is named by its file name alone: put the file beside it, or write its whole path."

CODE_PARTS = ("code_command", "code_python", "code_link")


def lay_out_code(prefix: str) -> tuple[gr.Textbox, gr.Textbox, gr.Textbox]:
    """The accordion, inside the open block; its components are in the order of CODE_PARTS.

    Args:
        prefix: Of the elements' ids.
    """
    with gr.Accordion(TITLE, open=False, elem_classes="ms-accordion"):
        return (
            _text(COMMAND, f"{prefix}-code-command", info=NOTE),
            _text(PYTHON, f"{prefix}-code-python"),
            _text(LINK, f"{prefix}-code-link", visible=False),
        )


def code_updates(code: Code | None) -> dict[str, object]:
    """The changed parts of a page, by the names of CODE_PARTS."""
    if code is None:
        return {"code_command": "", "code_python": "", "code_link": gr.update(value="", visible=False)}
    return {
        "code_command": code.command,
        "code_python": code.python,
        "code_link": gr.update(value=code.link, visible=bool(code.link)),
    }


def run_code(run: Run | None, address: str) -> dict[str, object]:
    """The same, for the result of the Segment tab that is in the viewer."""
    if run is None or run.shown is None:
        return code_updates(None)
    shown = run.succeeded[run.position]
    return code_updates(segment_code(source_of(shown.source), shown.checkpoint, run.shown.options, address))


def _text(label: str, elem_id: str, *, info: str | None = None, visible: bool = True) -> gr.Textbox:
    return gr.Textbox(
        label=label,
        info=info,
        lines=1,
        max_lines=24,
        interactive=False,
        buttons=["copy"],
        visible=visible,
        elem_id=elem_id,
        elem_classes="ms-code",
    )
