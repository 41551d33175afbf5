"""Layout of the Compare tab: its components by name, without any behaviour."""

from pathlib import Path
from typing import Any

import gradio as gr

from evaluation.ui.compare import texts
from evaluation.ui.corrections.layout import lay_out_correcting
from evaluation.ui.corrections.texts import TITLE
from evaluation.ui.evaluate.components import html
from medseg_demo.samples import Sample
from medseg_demo.settings import Settings
from medseg_demo.ui import markup
from medseg_demo.ui.code_view import CODE_PARTS, lay_out_code
from medseg_demo.ui.controls import Choice
from medseg_demo.ui.segment.layout import lay_out_samples
from medseg_demo.ui.texts import file_limit
from medseg_demo.ui.viewer import Viewer

Parts = dict[str, Any]  # components, whose events Gradio adds at run time

STYLESHEET = Path(__file__).parent / "compare.css"
MOST_SHOWN = 7  # six label maps and the reference

DOWNLOADS = {
    "members_csv": texts.MEMBERS_CSV,
    "pairs_csv": texts.PAIRS_CSV,
    "document": texts.DOCUMENT,
    "everything": texts.ALL_FILES,
}


def lay_out(settings: Settings) -> tuple[Parts, list[tuple[Sample, gr.Button]]]:
    """Build the tab inside the open block.

    Args:
        settings: Its limits are named where files are added.

    Returns:
        Its components by name, and each sample with its button.
    """
    parts: Parts = {}
    with gr.Row(elem_classes="ms-columns", equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_classes="ms-left"):
            samples = lay_out_samples()
            parts |= _upload(settings) | _checkpoints() | _buttons()
        with gr.Column(scale=9, min_width=320, elem_classes="ms-right"):
            parts |= _result() | _downloads()
    return parts, samples


def _upload(settings: Settings) -> Parts:
    html(markup.heading(texts.UPLOAD))
    return {
        "upload": gr.File(label=texts.UPLOAD, show_label=False, file_count="multiple", height=132, elem_id="cp-upload"),
        "upload_hint": html(markup.hint(f"{texts.UPLOAD_HINT} {file_limit(settings.max_file_mb)}")),
        "study": gr.Dropdown([], label=texts.STUDY, visible=False, elem_id="cp-study"),
        "preflight": html(elem_id="cp-preflight", elem_classes="ev-note"),
    }


def _checkpoints() -> Parts:
    parts: Parts = {
        "checkpoints": Choice(
            [],
            label=texts.CHECKPOINTS,
            info=texts.CHECKPOINTS_HINT,
            multiselect=True,
            max_choices=MOST_SHOWN - 1,
            interactive=True,
            elem_id="cp-checkpoints",
        )
    }
    with gr.Accordion(texts.MORE, open=False, elem_classes="ms-accordion"):
        html(markup.hint(texts.MORE_HINT))
        parts["references"] = gr.File(label=texts.REFERENCES, file_count="multiple", height=132, elem_id="cp-reference")
        parts["label_maps"] = gr.File(
            label=texts.LABEL_MAPS, file_count="multiple", height=132, elem_id="cp-label-maps"
        )
        parts["classes"] = gr.Textbox(
            label=texts.CLASSES,
            info=texts.CLASSES_HINT,
            placeholder=texts.CLASSES_EXAMPLE,
            lines=2,
            max_lines=12,
            elem_id="cp-classes",
        )
    return parts


def _buttons() -> Parts:
    with gr.Row(elem_classes="ms-actions"):
        return {
            "compare": gr.Button(texts.COMPARE, variant="primary", scale=3, min_width=120, elem_id="cp-run"),
            "stop": gr.Button(texts.STOP, interactive=False, scale=1, min_width=80, elem_id="cp-stop"),
        }


def _result() -> Parts:
    parts = {
        "status": html(elem_id="cp-status"),
        "stale": html(elem_id="cp-stale", elem_classes="ev-note"),
        "image": gr.Dropdown(
            [], label=texts.IMAGE, info=texts.IMAGE_HINT, visible=False, interactive=True, elem_id="cp-image"
        ),
        "viewer": Viewer(elem_id="cp-viewer"),
        **_correcting(),
        "where": html(elem_id="cp-where", elem_classes="ev-note"),
        "method": gr.Radio(
            texts.CONSENSUS_CHOICES, value="", label=texts.CONSENSUS, info=texts.CONSENSUS_HINT, elem_id="cp-consensus"
        ),
        "means": html(elem_id="cp-means", elem_classes="ev-note"),
        "tables": html(elem_id="cp-tables", elem_classes="ev-note"),
    }
    with gr.Accordion(texts.WORDS, open=False, elem_classes="ms-accordion"):
        html(markup.facts(texts.TERMS.items()), elem_id="cp-words")
    return parts


def _correcting() -> Parts:
    with gr.Accordion(TITLE, open=False, elem_classes="ms-accordion", elem_id="cp-correcting"):
        parts = lay_out_correcting("cp")
        parts["correct_add"] = gr.Button(texts.ADD_CORRECTED, size="sm", visible=False, elem_id="cp-correct-add")
    return parts


def _downloads() -> Parts:
    with gr.Column(visible=False, elem_id="cp-downloads") as group:
        html(markup.heading(texts.DOWNLOADS))
        with gr.Row(elem_classes="ms-buttons"):
            buttons = {f"label_map_{place}": _button("", f"label-map-{place}") for place in range(MOST_SHOWN)}
            buttons["consensus_file"] = _button(texts.CONSENSUS_FILE, "consensus")
            buttons["means_csv"] = _button(texts.MEANS_CSV, "means_csv")
        with gr.Row(elem_classes="ms-buttons"):
            buttons |= {name: _button(label, name) for name, label in DOWNLOADS.items()}
        code = lay_out_code("cp")
    return {"downloads": group, **buttons, **dict(zip(CODE_PARTS, code, strict=True))}


def _button(label: str, name: str) -> gr.DownloadButton:
    return gr.DownloadButton(label, size="sm", min_width=110, elem_id=f"cp-get-{name}")
