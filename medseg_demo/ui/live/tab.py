"""Events of the Live tab: which one calls which handler, with which parts of the page."""

from collections.abc import Iterator
from dataclasses import fields
from types import ModuleType

import gradio as gr

from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui.live.layout import lay_out
from medseg_demo.ui.live.state import Choices
from medseg_demo.ui.session import Running, Sessions
from medseg_demo.ui.tab import QUICK, Call, Tab, Updates

FILES = ("video", "video_file", "table_file", "downloads")
# A browser takes long over each update, and the longer the more parts it is of.
STREAMED = ("watch", "stop", "status", "stale", "screen")
SEEN = ("camera", "camera_status", "screen")


class LiveTab(Tab):
    """The Live tab. Make it inside the open tab; then ``connect`` it.

    Args:
        engine: Runs the checkpoints.
        sessions: Of the page.
    """

    def __init__(self, engine: Engine, sessions: Sessions) -> None:
        super().__init__(engine, sessions, lay_out(engine.settings), button="watch", record=Choices)

    @property
    def _handlers(self) -> ModuleType:
        return self.handlers("handlers")

    def connect(self, opened: gr.Tab) -> None:
        """Give every event of the tab its handler.

        Args:
            opened: The tab itself; when it is opened, it is filled.
        """

        def open_tab(call: Call, chosen: str | None) -> Updates:
            return self._handlers.open_tab(self.engine_for(call), chosen)

        def run(call: Call, running: Running, path: str | None, choices: Choices) -> Iterator[Updates]:
            return self._handlers.run(self.engine_for(call), call, running, path, choices)

        def run_film(call: Call, running: Running, choices: Choices) -> Iterator[Updates]:
            return self._handlers.run_film(self.engine_for(call), call, running, choices)

        def compare(call: Call, choices: Choices) -> str:
            return self._handlers.stale_mark(call, choices)

        self.on(opened.select, open_tab, "checkpoint", outputs=("checkpoint",), **QUICK)

        def files(call: Call) -> Updates:
            return self._handlers.files(call)

        for event, handler, given in (
            (self.parts["watch"].click, run, ("upload", Choices)),
            (self.parts["film"].click, run_film, (Choices,)),
        ):
            hidden = self.on(event, self._hide, outputs=FILES, **QUICK)
            watched = self.run_after(hidden.then, handler, *given, outputs=STREAMED)
            self.on(watched.then, files, outputs=FILES, **QUICK)
        self.on_stop()
        for field in fields(Choices):
            self.mark_stale(self.parts[field.name].change, compare)
        self._on_camera()

    @staticmethod
    def _hide(call: Call) -> Updates:
        """What belongs to the video before goes from the page."""
        return {"video": gr.update(value=None, visible=False), "downloads": gr.update(visible=False)}

    def _on_camera(self) -> None:
        def begin(call: Call, choices: Choices) -> Updates:
            return self._handlers.begin_camera(self.engine_for(call), call, choices)

        def see(call: Call, choices: Choices) -> Updates:
            return self._handlers.see_frame(self.engine_for(call), call, choices)

        def end(call: Call) -> Updates:
            return self._handlers.end_camera(call)

        camera = self.parts["camera"]
        options = QUICK | {"trigger_mode": "multiple"}  # by default Gradio drops what comes with the answer before
        self.on(camera.begin, begin, Choices, outputs=("camera", "camera_status", "downloads"), **options)
        self.on(camera.frame, see, Choices, outputs=SEEN, **options)
        self.on(camera.end, end, outputs=("camera_status", *FILES), **options)
