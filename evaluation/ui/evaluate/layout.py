"""Layout of the Evaluate tab: its components by name, without any behaviour."""

from html import escape
from typing import Any

import gradio as gr

from evaluation.metrics import METRICS
from evaluation.results.terms import TERMS
from evaluation.ui.corrections.layout import lay_out_correcting
from evaluation.ui.corrections.texts import TITLE
from evaluation.ui.evaluate import texts
from evaluation.ui.evaluate.board import Board
from evaluation.ui.evaluate.components import Pickable, Plot, html
from medseg_demo.settings import Settings
from medseg_demo.ui import markup
from medseg_demo.ui.code_view import CODE_PARTS, lay_out_code
from medseg_demo.ui.controls import Choice
from medseg_demo.ui.session import LIFETIME_S
from medseg_demo.ui.texts import file_limit
from medseg_demo.ui.viewer import Viewer

Parts = dict[str, Any]  # components, whose events Gradio adds at run time

DEFAULT_METRICS = [name for name, metric in METRICS.items() if metric.default]


def lay_out(settings: Settings) -> Parts:
    """Build the tab inside the open block; its components by name.

    Args:
        settings: Its limits are named where files are added.
    """
    parts: Parts = {
        "board": gr.State(Board(), time_to_live=LIFETIME_S),
        "shown": gr.State(None, time_to_live=LIFETIME_S),
        "visitor": gr.Textbox(visible=False),
        "theme": gr.Textbox(visible=False),
    }
    with gr.Row(elem_classes="ms-columns", equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_classes="ms-left"):
            parts |= _new(settings) | _runs() | _export() | dict(zip(CODE_PARTS, lay_out_code("ev"), strict=True))
        with gr.Column(scale=9, min_width=320, elem_classes="ms-right"):
            parts |= _question() | _results() | _cases()
    return parts | _drawer(settings)


def _runs() -> Parts:
    html(markup.heading(texts.RESULTS))
    parts: Parts = {
        "runs": gr.Dropdown(
            [], label=texts.RUNS, info=texts.RUNS_HINT, multiselect=True, interactive=True, elem_id="ev-runs"
        )
    }
    parts["every_run"] = gr.Checkbox(False, label=texts.EVERY_RUN, visible=False, elem_id="ev-every-run")
    with gr.Accordion(texts.OWN, open=False, elem_classes="ms-accordion"):
        parts["own_run"] = gr.Dropdown([], label=texts.OWN_RUN, interactive=True, elem_id="ev-own-run")
        parts["own_name"] = gr.Textbox(label=texts.OWN_NAME, max_lines=1, elem_id="ev-own-name")
        with gr.Row():
            parts["rename"] = gr.Button(texts.RENAME, size="sm", elem_id="ev-rename")
            parts["hide"] = gr.Button(texts.HIDE, size="sm", elem_id="ev-hide")
            parts["delete"] = gr.Button(texts.DELETE, size="sm", elem_id="ev-delete")
    return parts


def _new(settings: Settings) -> Parts:
    html(markup.heading(texts.NEW))
    html(markup.hint(texts.STEPS))
    folder = "" if settings.public else texts.SERVER_FOLDER.format(folder=settings.test_sets_dir.absolute())
    hint = f"{texts.TEST_SETS_HINT} {folder}".strip()
    parts: Parts = {
        "test_sets": gr.Dropdown(
            [],
            label=texts.TEST_SETS,
            info=hint,
            multiselect=True,
            elem_id="ev-test-sets",
        ),
        "new_test_set": gr.UploadButton(texts.NEW_TEST_SET, file_types=[".zip"], size="sm", elem_id="ev-new-test-set"),
        "new_test_set_hint": html(markup.hint(f"{texts.NEW_TEST_SET_HINT} {file_limit(settings.max_file_mb)}")),
        "split": gr.Dropdown([(texts.EVERY_CASE, "")], value="", label=texts.SPLIT, elem_id="ev-split"),
        "checkpoints": Choice([], label=texts.CHECKPOINTS, multiselect=True, elem_id="ev-checkpoints"),
    }
    parts["classes"] = gr.Textbox(
        label=texts.CLASSES, info=texts.CLASSES_HINT, placeholder="class_1 = lung", lines=1, elem_id="ev-classes"
    )
    parts["stress"] = gr.Checkbox(False, label=texts.STRESS, info=texts.STRESS_HINT, elem_id="ev-stress")
    parts["upload"] = gr.File(label=texts.UPLOAD, file_count="multiple", height=140, elem_id="ev-upload")
    parts["upload_hint"] = html(markup.hint(texts.UPLOAD_HINT))
    parts["upload_name"] = gr.Textbox(label=texts.UPLOAD_NAME, placeholder="second observer", max_lines=1)
    with gr.Accordion(texts.OPTIONS, open=False, elem_classes="ms-accordion"):
        names = [(metric.long_name, name) for name, metric in METRICS.items() if not metric.of_probabilities]
        parts["metrics"] = gr.Dropdown(
            names, value=DEFAULT_METRICS, label=texts.METRICS, info=texts.METRICS_HINT, multiselect=True
        )
        parts["tolerance"] = gr.Number(1.0, label=texts.TOLERANCE)
    with gr.Row(elem_classes="ms-actions"):
        parts["evaluate"] = gr.Button(texts.EVALUATE, variant="primary", scale=3, min_width=120, elem_id="ev-run")
        parts["stop"] = gr.Button(texts.STOP, interactive=False, scale=1, min_width=80, elem_id="ev-stop")
    return parts


def _export() -> Parts:
    with gr.Accordion(texts.EXPORT, open=False, elem_classes="ms-accordion"):
        html(markup.hint(texts.EXPORT_HINT))
        return {
            "format": gr.Dropdown(texts.FORMATS, value="report", label=texts.FORMAT, elem_id="ev-format"),
            "prepare": gr.Button(texts.PREPARE, size="sm", elem_id="ev-prepare"),
            "files": gr.File(label=texts.FILES, visible=False, interactive=False, elem_id="ev-files"),
            "export_note": html(elem_id="ev-export-note", elem_classes="ev-note"),
        }


def _question() -> Parts:
    parts: Parts = {
        "status": html(elem_id="ev-status", elem_classes="ev-note"),
        "stale": html(elem_id="ev-stale", elem_classes="ev-note"),
    }
    with gr.Row(elem_classes="ev-question"):
        parts["test_set"] = gr.Dropdown([], label=texts.TEST_SET, min_width=160, elem_id="ev-test-set")
        parts["class_name"] = gr.Dropdown([], label=texts.CLASS, min_width=140, elem_id="ev-class")
        parts["metric"] = gr.Dropdown([], label=texts.METRIC, min_width=220, elem_id="ev-metric")
        parts["beside"] = gr.Dropdown([], label=texts.BESIDE, multiselect=True, min_width=220, elem_id="ev-beside")
    parts["methods"] = gr.Checkbox(
        False, label=texts.METHODS, info=texts.METHODS_HINT, visible=False, elem_id="ev-methods"
    )
    with gr.Accordion(texts.MEANS, open=False, elem_classes="ms-accordion"):
        parts["compared"] = gr.Dropdown(
            [], label=texts.CHECKPOINTS, multiselect=True, interactive=True, elem_id="ev-compared"
        )
        with gr.Row():
            parts["empty"] = gr.Radio(texts.EMPTY_CHOICES, value="skip", label=texts.EMPTY, elem_id="ev-empty")
            parts["failed"] = gr.Radio(texts.FAILED_CHOICES, value="apart", label=texts.FAILED)
            parts["order"] = gr.Radio(texts.ORDER_CHOICES, value="class", label=texts.ORDER)
            parts["miss"] = gr.Radio(texts.MISS_CHOICES, value="apart", label=texts.MISS, elem_id="ev-miss")
        parts["cluster"] = gr.Dropdown([], label=texts.CLUSTER, info=texts.CLUSTER_HINT, elem_id="ev-cluster")
        parts["policy"] = html(elem_id="ev-policy", elem_classes="ev-note")
    return parts


def _results() -> Parts:
    parts: Parts = {"marks": html(elem_classes="ev-note"), "leaderboard": html(elem_id="ev-leaderboard")}
    with gr.Accordion(texts.EVERY, open=False, elem_classes="ms-accordion"):
        parts["every"] = html(elem_id="ev-every")
    with gr.Row(elem_classes="ev-question"):
        parts["first"] = gr.Dropdown([], label=texts.FIRST, min_width=160, elem_id="ev-first")
        parts["second"] = gr.Dropdown([], label=texts.SECOND, min_width=160, elem_id="ev-second")
    parts["difference"] = html(elem_id="ev-difference", elem_classes="ev-note")
    parts["gaps"] = Pickable(elem_id="ev-gaps")
    with gr.Row(elem_classes="ev-question"):
        parts["plot"] = gr.Dropdown([], label=texts.PLOT, min_width=220, elem_id="ev-plot-name")
        parts["column"] = gr.Dropdown([], label=texts.GROUP_BY, min_width=140, visible=False, elem_id="ev-column")
    parts["figure"] = Plot(label=texts.PLOT, elem_id="ev-plot")
    parts["no_figure"] = html(elem_classes="ev-note")
    return parts


def _cases() -> Parts:
    html(markup.heading(texts.WORST))
    parts: Parts = {"gallery": Pickable(elem_id="ev-gallery")}
    html(markup.heading(texts.CASES))
    parts["filter"] = gr.Textbox(
        label=texts.FILTER, placeholder=texts.FILTER_PLACEHOLDER, max_lines=1, elem_id="ev-filter"
    )
    parts["cases"] = Pickable(elem_id="ev-cases")
    with gr.Accordion(texts.TERMS, open=False, elem_classes="ms-accordion"):
        html(_terms())
    return parts


def _terms() -> str:
    """What the words of this tab mean, as a list of definitions."""
    rows = "".join(f"<div><dt>{escape(term)}</dt><dd>{escape(meaning)}</dd></div>" for term, meaning in TERMS.items())
    return f'<dl class="ev-terms">{rows}</dl>'


def _drawer(settings: Settings) -> Parts:
    with gr.Column(visible=False, elem_id="ev-drawer") as drawer:
        return {
            "drawer": drawer,
            "case_head": Pickable(elem_id="ev-case-head"),
            "tags": gr.Dropdown(
                [],
                label=texts.TAGS,
                info=texts.TAGS_HINT,
                multiselect=True,
                allow_custom_value=True,
                interactive=True,
                elem_id="ev-tags",
            ),
            "case_note": html(elem_classes="ev-note"),
            "viewer": Viewer(elem_id="ev-viewer"),
            "others": Pickable(elem_id="ev-others"),
            **_correcting(settings),
            "case_scores": html(elem_id="ev-case-scores"),
        }


def _correcting(settings: Settings) -> Parts:
    """What is corrected by hand and saved; as the case's reference only where no stranger reaches the page."""
    with gr.Accordion(TITLE, open=False, elem_classes="ms-accordion", elem_id="ev-correcting"):
        parts = lay_out_correcting("ev")
        hint = "" if settings.public else markup.hint(texts.AS_REFERENCE_HINT)
        parts["as_reference"] = gr.Button(texts.AS_REFERENCE, size="sm", visible=False, elem_id="ev-as-reference")
        with gr.Column(visible=False, elem_id="ev-reference-confirm") as confirm:
            parts["reference_question"] = html(elem_classes="ev-note")
            with gr.Row(elem_classes="ms-buttons"):
                parts["reference_yes"] = gr.Button(
                    texts.REPLACE_YES, size="sm", variant="stop", elem_id="ev-reference-yes"
                )
                parts["reference_no"] = gr.Button(texts.REPLACE_NO, size="sm", elem_id="ev-reference-no")
        parts["reference_confirm"] = confirm
        html(hint)
    return parts
