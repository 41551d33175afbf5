"""Layout of the Segment tab: its components by name, without any behaviour."""

from functools import partial
from typing import Any

import gradio as gr

from medseg_demo.samples import Sample, list_samples
from medseg_demo.settings import Settings
from medseg_demo.ui import markup, texts
from medseg_demo.ui.code_view import CODE_PARTS, lay_out_code
from medseg_demo.ui.controls import Choice, Share
from medseg_demo.ui.correct import texts as correct_texts
from medseg_demo.ui.segment.surface_view import SurfaceView
from medseg_demo.ui.viewer import Viewer

Parts = dict[str, Any]  # components; which events each has, only Gradio knows

html = partial(gr.HTML, apply_default_css=False)

LEAST_THRESHOLD = 0.005  # and the step, as in the viewer
DOWNLOADS = {
    "label_map": texts.LABEL_MAP,
    "overlay": texts.OVERLAY,
    "heat_map": texts.HEAT_MAP,
    "measurements_json": texts.MEASUREMENTS_JSON,
    "measurements_csv": texts.MEASUREMENTS_CSV,
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
            parts |= _upload(settings) | _checkpoint() | _options() | _buttons()
        with gr.Column(scale=9, min_width=320, elem_classes="ms-right"):
            parts |= _result() | _downloads() | _surface()
    return parts, samples


def lay_out_samples() -> list[tuple[Sample, gr.Button]]:
    """Each sample with its button, for the Compare tab too."""
    html(markup.heading(texts.SAMPLES))
    with gr.Row(elem_classes="ms-buttons"):
        return [(sample, gr.Button(sample.title, size="sm", min_width=90)) for sample in list_samples()]


def _upload(settings: Settings) -> Parts:
    html(markup.heading(texts.UPLOAD))
    return {
        "upload": gr.File(label=texts.UPLOAD, show_label=False, file_count="multiple", height=120, elem_id="ms-upload"),
        "folder": gr.UploadButton(texts.FOLDER, file_count="directory", size="sm", elem_id="ms-folder"),
        "upload_hint": html(markup.hint(f"{texts.UPLOAD_HINT} {texts.file_limit(settings.max_file_mb)}")),
        "study": gr.Dropdown(
            [], label=texts.STUDY, info=texts.STUDY_HINT, visible=False, interactive=True, elem_id="ms-study"
        ),
        "preflight": html(elem_id="ms-preflight"),
        "over": gr.File(label=texts.OVER, file_count="single", height=140, visible=False, elem_id="ms-over"),
        "over_note": html(elem_id="ms-over-note"),
    }


def _checkpoint() -> Parts:
    parts: Parts = {
        "checkpoint": Choice(
            [], label=texts.CHECKPOINT, info=texts.CHECKPOINT_HINT, interactive=True, elem_id="ms-checkpoint"
        )
    }
    with gr.Accordion(texts.ABOUT_CHECKPOINT, open=False, elem_classes="ms-accordion"):
        parts["card"] = html()
        parts["weaknesses"] = gr.Markdown(elem_classes="ms-notes")
    return parts


def _options() -> Parts:
    with gr.Accordion(texts.OPTIONS, open=False, elem_classes="ms-accordion"):
        return {
            "threshold": Share(
                LEAST_THRESHOLD,
                1 - LEAST_THRESHOLD,
                0.5,
                step=LEAST_THRESHOLD,
                label=texts.THRESHOLD,
                info=texts.THRESHOLD_HINT,
            ),
            "flips": gr.Checkbox(label=texts.FLIPS, info=texts.FLIPS_HINT),
            "explain": Choice(
                [(texts.NO_HEAT_MAP, "")],
                value="",
                label=texts.HEAT_MAP,
                info=texts.HEAT_MAP_HINT,
                elem_id="ms-explain",
            ),
            "denoise": gr.Dropdown(texts.DENOISE_CHOICES, value="none", label=texts.DENOISE),
            "smallest_component": gr.Number(0, label=texts.SMALLEST, info=texts.SMALLEST_HINT, precision=0),
            "fill_holes": gr.Checkbox(label=texts.HOLES),
            "deidentify": gr.Checkbox(label=texts.DEIDENTIFY, info=texts.DEIDENTIFY_HINT, elem_id="ms-deidentify"),
            "channel_order": gr.Textbox(
                label=texts.CHANNEL_ORDER, info=texts.CHANNEL_ORDER_HINT, max_lines=1, elem_id="ms-channel-order"
            ),
            "crop": gr.Textbox(label=texts.CROP, info=texts.CROP_HINT, max_lines=1, elem_id="ms-crop"),
        }


def _buttons() -> Parts:
    with gr.Row(elem_classes="ms-actions"):
        return {
            "segment": gr.Button(texts.SEGMENT, variant="primary", scale=3, min_width=120, elem_id="ms-segment"),
            "stop": gr.Button(texts.STOP, interactive=False, scale=1, min_width=80, elem_id="ms-stop"),
        }


def _result() -> Parts:
    return {
        "status": html(elem_id="ms-status"),
        "stale": html(elem_id="ms-stale"),
        "viewer": Viewer(elem_id="ms-viewer"),
        "gallery": gr.Gallery(
            label=texts.GALLERY,
            visible=False,
            columns=6,
            allow_preview=False,
            object_fit="contain",
            interactive=False,
            buttons=[],
            elem_id="ms-gallery",
        ),
        "correction": html(elem_id="ms-correction"),
        "heading": html(elem_id="ms-heading"),
        "measurements": html(elem_id="ms-measurements"),
        "over_table": html(elem_id="ms-over-table"),
        "kept_note": html(elem_id="ms-kept-note"),
        "kept": gr.File(
            label=correct_texts.KEPT_FILES, file_count="multiple", visible=False, interactive=False, elem_id="ms-kept"
        ),
    }


def _downloads() -> Parts:
    with gr.Column(visible=False, elem_id="ms-downloads") as group:
        html(markup.heading(texts.DOWNLOADS))
        with gr.Row(elem_classes="ms-buttons"):
            buttons: Parts = {
                name: gr.DownloadButton(
                    label, size="sm", min_width=110, elem_id=f"ms-get-{name}", visible=name != "heat_map"
                )
                for name, label in DOWNLOADS.items()
            }
        with gr.Accordion(texts.OTHER_FORMATS, open=False, elem_classes="ms-accordion"):
            with gr.Row(elem_classes="ms-buttons"):
                buttons["format"] = gr.Dropdown([], label=texts.FORMAT, scale=3, min_width=180, elem_id="ms-format")
                buttons["prepare"] = gr.Button(texts.PREPARE, size="sm", min_width=110, elem_id="ms-prepare")
            buttons["export"] = gr.File(label=texts.FILES_READY, visible=False, interactive=False, elem_id="ms-export")
            buttons["export_note"] = html(elem_id="ms-export-note")
        code = lay_out_code("ms")
    return {"downloads": group, **buttons, **dict(zip(CODE_PARTS, code, strict=True))}


def _surface() -> Parts:
    with gr.Accordion(
        texts.SURFACE, open=False, visible=False, elem_id="ms-surface-panel", elem_classes="ms-accordion"
    ) as panel:
        return {
            "surface_panel": panel,
            "show_surface": gr.Button(texts.SHOW_SURFACE, size="sm", elem_id="ms-show-surface"),
            "surface": SurfaceView(elem_id="ms-surface"),
            "surface_note": html(elem_id="ms-surface-note"),
        }
