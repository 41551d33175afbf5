"""Events of the Follow tab: which one calls which handler, with which parts of the page."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import gradio as gr

from evaluation.ui.follow.layout import lay_out
from evaluation.ui.follow.state import Request, Work
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui.session import Running, Sessions
from medseg_demo.ui.tab import QUICK, READING, Call, Tab, Updates

CHOSEN = ("preflight", "upload", "dates", "checkpoint")


class FollowTab(Tab):
    """The Follow tab. Make it inside the open tab; then ``connect`` it.

    Args:
        engine: Runs the checkpoints.
        sessions: Of the page.
    """

    def __init__(self, engine: Engine, sessions: Sessions) -> None:
        super().__init__(engine, sessions, lay_out(engine.settings), button="follow", record=Request)

    def connect(self, tab: gr.Tab) -> None:
        """Give every event of the tab its handler."""

        def open_tab(call: Call) -> Updates:
            return self.handlers("handlers").open_tab(self.engine_for(call), call.session.part(Work))

        self.on(tab.select, open_tab, **QUICK)
        self._on_upload()
        for field in fields(Request):
            self._mark_stale(self.parts[field.name].change)

        def run(call: Call, running: Running, request: Request) -> Iterator[Updates]:
            return self.handlers("handlers").run(self.engine_for(call), call, running, request)

        def choose(call: Call) -> Updates:
            work = call.session.part(Work)
            return self.handlers("handlers").choose_simulated(self.engine_for(call), work, call.session.folder)

        chosen = self.on(self.parts["simulated"].click, choose, outputs=CHOSEN, **QUICK)
        for event in (self.parts["follow"].click, chosen.then):
            self._mark_stale(self.run_after(event, run, Request).then)
        self.on_stop()
        self._on_result()

    def _on_upload(self) -> None:
        def read(call: Call, paths: list[str] | None, request: Request) -> Updates:
            files, work = [Path(path) for path in paths or []], call.session.part(Work)
            return self.handlers("handlers").take_files(
                self.engine_for(call), work, files, request.checkpoint, call.session.folder
            )

        upload = self.parts["upload"]
        options = READING | {"show_progress_on": [self.parts["preflight"]]}
        for event in (upload.upload, upload.clear, upload.delete):
            done = self.on(event, read, "upload", Request, outputs=("preflight", "status"), **options)
            self._mark_stale(done.then)

        def read_again(call: Call, paths: list[str] | None, request: Request) -> Updates:
            return read(call, paths, request) if paths else {}  # of simulated visits each file is one

        done = self.on(
            self.parts["checkpoint"].input, read_again, "upload", Request, outputs=("preflight", "status"), **options
        )
        self._mark_stale(done.then)

    def _mark_stale(self, event: object) -> None:
        def compare(call: Call, request: Request) -> str:
            return self.handlers("handlers").stale_mark(call.session.part(Work), request)

        self.mark_stale(event, compare)  # type: ignore[arg-type]

    def _on_result(self) -> None:
        def send_slices(call: Call) -> Updates:
            asked, work = call.event, call.session.part(Work)
            slices = self.handlers("handlers").send_slices(work, asked.plane, asked.slices, asked.key, asked.channels)
            return {"viewer": slices}

        def open_visit(call: Call, place: str | None) -> Updates:
            return self.handlers("handlers").open_visit(call.session.part(Work), place)

        self.on(self.parts["viewer"].change_slice, send_slices, outputs=("viewer",), **QUICK)
        options = READING | {"show_progress_on": [self.parts["viewer"]]}
        self.on(self.parts["visit"].input, open_visit, "visit", outputs=("viewer", "status"), **options)
