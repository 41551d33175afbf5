"""Layout of the Models tab: its components by name, without any behaviour."""

from functools import partial
from typing import Any

import gradio as gr

from medseg_demo.samples import Sample
from medseg_demo.settings import Settings
from medseg_demo.ui import markup
from medseg_demo.ui import texts as page_texts
from medseg_demo.ui.code_view import block, code_block
from medseg_demo.ui.controls import Share
from medseg_demo.ui.models import texts
from medseg_demo.ui.models.list_view import List
from medseg_demo.ui.segment.layout import LEAST_THRESHOLD, lay_out_samples
from medseg_demo.ui.viewer import Viewer

Parts = dict[str, Any]  # components; which events each has, only Gradio knows

html = partial(gr.HTML, apply_default_css=False)
line = partial(gr.Textbox, max_lines=1)


def lay_out(settings: Settings) -> tuple[Parts, list[tuple[Sample, gr.Button]]]:
    """Build the tab inside the open block.

    Args:
        settings: What may be added, by whom.

    Returns:
        Its components by name, and each sample with its button.
    """
    with gr.Accordion(texts.ADD, open=False, elem_id="mm-add", elem_classes="ms-accordion") as adding:
        html(markup.hint(texts.ADD_INTRO + ("" if settings.keeps_checkpoints else f" {texts.ADD_VISITOR}")))
        parts, samples = _adding(settings)
    return {"adding": adding, **parts, **_list(), **_card()}, samples


def _adding(settings: Settings) -> tuple[Parts, list[tuple[Sample, gr.Button]]]:
    with gr.Row(elem_classes="ms-columns", equal_height=False):
        with gr.Column(scale=4, min_width=300, elem_classes="ms-left"):
            parts = _given(settings) | _form()
        with gr.Column(scale=9, min_width=300, elem_classes="ms-right"):
            parts |= {
                "status": html(elem_id="mm-add-status"),
                "stale": html(elem_id="mm-stale"),
                "recognised": html(elem_id="mm-recognised"),
            }
            with gr.Column(visible=False, elem_id="mm-try") as tried:
                html(markup.heading(texts.STEP_TRY))
                samples = lay_out_samples()
                parts |= {
                    "image": gr.File(label=texts.IMAGE, file_count="single", height=110, elem_id="mm-image"),
                    "viewer": Viewer(elem_id="mm-viewer"),
                    "seen": html(elem_id="mm-seen"),
                    "result": html(elem_id="mm-add-result"),
                }
            with gr.Row(elem_classes="ms-actions", visible=False, elem_id="mm-actions") as actions:
                parts |= {
                    "save": gr.Button(
                        texts.SAVE, variant="primary", interactive=False, scale=2, min_width=90, elem_id="mm-save"
                    ),
                    "try_it": gr.Button(texts.TRY, interactive=False, scale=2, min_width=90, elem_id="mm-try-it"),
                    "stop": gr.Button(page_texts.STOP, interactive=False, scale=1, min_width=80, elem_id="mm-stop"),
                }
    return parts | {"tried": tried, "actions": actions}, samples


def _given(settings: Settings) -> Parts:
    html(markup.heading(texts.STEP_FILES))
    limit = page_texts.file_limit(settings.max_file_mb)
    parts: Parts = {
        "files": gr.File(label=texts.UPLOAD, show_label=False, file_count="multiple", height=130, elem_id="mm-files"),
        "folder": gr.UploadButton(texts.FOLDER, file_count="directory", size="sm", elem_id="mm-folder"),
    }
    html(markup.hint(texts.UPLOAD_HINT.format(limit=limit)))
    with gr.Accordion(texts.HUB, open=False, elem_classes="ms-accordion", elem_id="mm-hub"):
        parts["repository"] = line(label=texts.HUB_ID, placeholder="owner/name", elem_id="mm-repository")
        parts["revision"] = line(label=texts.REVISION, info=texts.REVISION_HINT, elem_id="mm-revision")
        parts["fetch"] = gr.Button(texts.FETCH, size="sm", elem_id="mm-fetch")
    # On a public page the parts are there, so that one tab suffices, but the handler takes nothing either.
    with gr.Accordion(
        texts.SERVER, open=False, visible=not settings.public, elem_classes="ms-accordion", elem_id="mm-server"
    ):
        parts["path"] = line(label=texts.SERVER, info=texts.SERVER_HINT, elem_id="mm-path")
        parts["take"] = gr.Button(texts.TAKE, size="sm", elem_id="mm-take")
    with gr.Accordion(texts.HOW_TO_SAVE, open=False, elem_classes="ms-accordion", elem_id="mm-how"):
        html(markup.hint(texts.SAVE_HINT))
        for index, (title, code) in enumerate(texts.SNIPPETS):
            block(f"mm-how-{index}", code_block(title, code))
    return parts


def _form() -> Parts:
    with gr.Column(visible=False, elem_id="mm-form") as form:
        html(markup.heading(texts.STEP_CARD))
        parts: Parts = {
            "name": line(label=texts.NAME, elem_id="mm-name"),
            "proposal": gr.Dropdown(
                label=texts.NETWORK, info=texts.NETWORK_HINT, visible=False, interactive=True, elem_id="mm-proposal"
            ),
            "task": line(label=texts.TASK, info=texts.TASK_HINT, elem_id="mm-task"),
            "classes": gr.Textbox(label=texts.CLASSES, info=texts.CLASSES_HINT, lines=1, elem_id="mm-classes"),
            "colours": line(label=texts.COLOURS, info=texts.COLOURS_HINT, elem_id="mm-colours"),
            "size": line(label=texts.SIZE, info=texts.SIZE_HINT, elem_id="mm-size"),
            "inference": gr.Radio(
                texts.INFERENCE_CHOICES, value="resize", label=texts.INFERENCE, elem_id="mm-inference"
            ),
            "spacing": line(label=texts.SPACING, info=texts.SPACING_HINT, visible=False, elem_id="mm-spacing"),
            "normalisation": gr.Radio(
                texts.NORMALISATION_CHOICES, value="unit", label=texts.NORMALISATION, elem_id="mm-normalisation"
            ),
            "mean": line(label=texts.MEAN, info=texts.MEAN_HINT, visible=False, elem_id="mm-mean"),
            "std": line(label=texts.STD, visible=False, elem_id="mm-std"),
            "window": line(label=texts.WINDOW, info=texts.WINDOW_HINT, elem_id="mm-window"),
            "channel_names": line(
                label=texts.CHANNEL_NAMES, info=texts.CHANNEL_NAMES_HINT, visible=False, elem_id="mm-channel-names"
            ),
            "threshold": Share(
                LEAST_THRESHOLD, 1 - LEAST_THRESHOLD, 0.5, step=LEAST_THRESHOLD, label=texts.THRESHOLD,
                elem_id="mm-threshold",
            ),
            "modality": line(label=texts.MODALITY, elem_id="mm-modality"),
        }  # fmt: skip
    return {"form": form, **parts}


def _list() -> Parts:
    html(markup.hint(texts.INTRO))
    return {"said": html(elem_id="mm-said"), "list": List(elem_id="mm-list"), "unusable": html(elem_id="mm-unusable")}


def _card() -> Parts:
    with gr.Column(visible=False, elem_id="mm-card") as card:
        with gr.Row(elem_classes="ms-buttons"):
            parts: Parts = {
                "open_segment": gr.Button(texts.OPEN_SEGMENT, size="sm", min_width=120, elem_id="mm-open-segment"),
                "open_compare": gr.Button(texts.OPEN_COMPARE, size="sm", min_width=120, elem_id="mm-open-compare"),
                "open_evaluate": gr.Button(texts.OPEN_EVALUATE, size="sm", min_width=120, elem_id="mm-open-evaluate"),
                "measure": gr.Button(texts.MEASURE, size="sm", min_width=120, elem_id="mm-measure"),
                "remove": gr.Button(texts.REMOVE, size="sm", min_width=90, visible=False, elem_id="mm-remove"),
            }
        with gr.Column(visible=False, elem_id="mm-sure") as sure:
            parts["question"] = html(elem_id="mm-question")
            with gr.Row(elem_classes="ms-buttons"):
                parts["yes"] = gr.Button(texts.REMOVE_YES, size="sm", variant="stop", elem_id="mm-yes")
                parts["no"] = gr.Button(texts.REMOVE_NO, size="sm", elem_id="mm-no")
        parts |= {"details": html(elem_id="mm-details"), "figures": html(elem_id="mm-figures")}
        parts["weaknesses"] = gr.Markdown(elem_classes="ms-notes")
        with gr.Accordion(texts.NOTES, open=False, elem_classes="ms-accordion"):
            parts["notes"] = gr.Markdown(elem_classes="ms-notes")
    opened = gr.State(None)
    return {"card": card, "sure": sure, "opened": opened, **parts}
