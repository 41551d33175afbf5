"""Copy as code on the page: an accordion with a command line, a Python program and a link, each to be copied."""

from html import escape
from importlib import resources

import gradio as gr

from medseg_demo.ui.code import Code, segment_code, source_of
from medseg_demo.ui.segment.state import Run

TITLE = "Copy as code"
COMMAND = "Command line"
PYTHON = "Python, through the web API"
LINK = "Link to this view"
COPY = "Copy"
NOTE = "An upload is named by its file name alone: put the file beside it, or write its whole path."

CODE_PARTS = ("code_command", "code_python", "code_link")


def lay_out_code(prefix: str) -> tuple[gr.HTML, gr.HTML, gr.HTML]:
    """The accordion, inside the open block; its components are in the order of CODE_PARTS.

    Args:
        prefix: Of the elements' ids.
    """
    with gr.Accordion(TITLE, open=False, elem_classes="ms-accordion"):
        return block(f"{prefix}-code-command"), block(f"{prefix}-code-python"), block(f"{prefix}-code-link")


def code_updates(code: Code | None) -> dict[str, object]:
    """The changed parts of a page, by the names of CODE_PARTS."""
    code = code or Code("", "")
    return {
        "code_command": code_block(COMMAND, code.command, note=NOTE),
        "code_python": code_block(PYTHON, code.python),
        "code_link": code_block(LINK, code.link),
    }


def run_code(run: Run | None, address: str) -> dict[str, object]:
    """The same, for the result of the Segment tab that is in the viewer."""
    if run is None or run.shown is None:
        return code_updates(None)
    shown = run.succeeded[run.position]
    source, renamed = source_of(shown.source), shown.pseudonym is not None
    return code_updates(segment_code(source, shown.checkpoint, run.shown.options, address, deidentify=renamed))


def code_block(title: str, text: str, *, note: str = "") -> str:
    """A text with a button that copies it; nothing for no text."""
    if not text:
        return ""
    label = escape(title, quote=True)
    below = f'<p class="ms-small">{escape(note)}</p>' if note else ""
    return (
        f'<section class="ms-code"><div><strong>{escape(title)}</strong>'
        f'<button type="button" aria-live="polite">{COPY}</button></div>'
        f'<pre tabindex="0" role="region" aria-label="{label}">{escape(text)}</pre>'
        f"{below}</section>"
    )


def block(elem_id: str, value: str = "") -> gr.HTML:
    """A place for a ``code_block``, inside the open block."""
    script = resources.files("medseg_demo.ui").joinpath("browser", "code_block.js").read_text(encoding="utf-8")
    return gr.HTML(value, js_on_load=script, apply_default_css=False, elem_id=elem_id, elem_classes="ms-code-part")
