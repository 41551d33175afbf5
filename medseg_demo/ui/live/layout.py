"""Layout of the Live tab: its components by name, without any behaviour."""

from functools import partial
from typing import Any

import gradio as gr

from medseg_demo.settings import Settings
from medseg_demo.ui import markup
from medseg_demo.ui import texts as page_texts
from medseg_demo.ui.controls import Choice, Share
from medseg_demo.ui.live import texts
from medseg_demo.ui.live.screen import Camera, Screen

Parts = dict[str, Any]  # components; which events each has, only Gradio knows

html = partial(gr.HTML, apply_default_css=False)

MOST_SMOOTH = 15


def lay_out(settings: Settings) -> Parts:
    """Build the tab inside the open block.

    Args:
        settings: Its limits are named where a video is added.

    Returns:
        Its components by name.
    """
    with gr.Row(elem_classes="ms-columns", equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_classes="ms-left"):
            parts = _given(settings) | _controls() | _buttons() | _camera()
        with gr.Column(scale=9, min_width=320, elem_classes="ms-right"):
            parts |= _result()
    return parts


def _given(settings: Settings) -> Parts:
    html(markup.heading(texts.GIVE))
    parts: Parts = {"upload": gr.File(label=texts.UPLOAD, file_count="single", height=120, elem_id="lv-upload")}
    limits = (
        f"{page_texts.file_limit(settings.max_file_mb)} {texts.MOST_FRAMES.format(count=settings.max_video_frames)}"
    )
    html(markup.hint(f"{texts.UPLOAD_HINT} {limits}"))
    html(markup.heading(texts.FILM))
    parts["film"] = gr.Button(texts.FILM_BUTTON, size="sm", elem_id="lv-film")
    html(markup.hint(texts.FILM_HINT))
    return parts


def _controls() -> Parts:
    return {
        "checkpoint": Choice(
            [], label=page_texts.CHECKPOINT, info=texts.CHECKPOINT_HINT, interactive=True, elem_id="lv-checkpoint"
        ),
        "smooth": Share(
            1, MOST_SMOOTH, 1, step=1, label=texts.SMOOTH, info=texts.SMOOTH_HINT, elem_id="lv-smooth"
        ),
        "in_time": gr.Checkbox(True, label=texts.IN_TIME, info=texts.IN_TIME_HINT, elem_id="lv-in-time"),
    }  # fmt: skip


def _buttons() -> Parts:
    with gr.Row(elem_classes="ms-actions"):
        return {
            "watch": gr.Button(texts.WATCH, variant="primary", scale=3, min_width=120, elem_id="lv-watch"),
            "stop": gr.Button(page_texts.STOP, interactive=False, scale=1, min_width=80, elem_id="lv-stop"),
        }


def _camera() -> Parts:
    with gr.Accordion(texts.CAMERA, open=False, elem_classes="ms-accordion", elem_id="lv-camera-panel"):
        html(markup.hint(texts.CAMERA_HINT))
        return {"camera": Camera(elem_id="lv-camera"), "camera_status": html(elem_id="lv-camera-status")}


def _result() -> Parts:
    parts: Parts = {
        "status": html(elem_id="lv-status"),
        "stale": html(elem_id="lv-stale"),
        "screen": Screen(elem_id="lv-screen"),
        "video": gr.Video(
            label=texts.RESULT, visible=False, interactive=False, buttons=[], elem_id="lv-video"
        ),
    }  # fmt: skip
    with gr.Column(visible=False, elem_id="lv-downloads") as group:
        html(markup.heading(texts.DOWNLOADS))
        with gr.Row(elem_classes="ms-buttons"):
            parts["video_file"] = gr.DownloadButton(texts.VIDEO_FILE, size="sm", elem_id="lv-get-video")
            parts["table_file"] = gr.DownloadButton(texts.TABLE_FILE, size="sm", elem_id="lv-get-table")
    return {**parts, "downloads": group}
