"""Two Gradio components of plain JavaScript: a Plotly figure that passes clicks on, and HTML with parts to pick."""

from functools import cache, partial
from importlib import resources
from pathlib import Path

import gradio as gr

from medseg_demo.ui.plotly_js import plotly_loader

STYLESHEET = Path(__file__).parent / "evaluate.css"

html = partial(gr.HTML, apply_default_css=False)


def Plot(*, label: str, elem_id: str) -> gr.HTML:  # noqa: N802 (used like Gradio's own components)
    """A figure whose value is its JSON as text (None: nothing yet), or ``{"light": …, "dark": …}`` of both themes.

    Events:

    * ``plot.pick(handler)``: a click on a point; ``event: gr.EventData`` has ``event.pick``, a list of test set,
      checkpoint, case and class.
    * ``plot.theme(handler)``: the page turned light or dark; ``event.theme``.

    plotly.js is the file of the plotly package; it is fetched from this server when the first figure is shown.
    """
    script = f"{plotly_loader()}\n{_script('plot.js')}"
    return html(
        None, label=label, html_template=_script("plot.html"), css_template="", js_on_load=script, elem_id=elem_id
    )


def Pickable(*, elem_id: str, elem_classes: list[str] | None = None) -> gr.HTML:  # noqa: N802
    """HTML whose elements with ``data-pick`` (JSON), ``data-sort``, ``data-page`` or ``data-step`` are buttons.

    Events, each with the attribute's value in the ``gr.EventData``: ``pick`` (``event.pick``), ``sort``
    (``event.column``), ``turn_page`` (``event.page``), ``navigate`` (``event.step``) and ``close``.
    """
    return html("", js_on_load=_script("pickable.js"), elem_id=elem_id, elem_classes=elem_classes)


@cache
def _script(name: str) -> str:
    return resources.files("evaluation.ui.evaluate").joinpath("browser", name).read_text(encoding="utf-8")
