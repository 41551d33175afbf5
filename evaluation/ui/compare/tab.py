"""Events of the Compare tab: which one calls which handler, with which parts of the page."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import gradio as gr

from evaluation.ui.compare.example import ComparisonExample
from evaluation.ui.compare.layout import lay_out
from evaluation.ui.compare.state import Request, Work
from evaluation.ui.corrections.layout import SAVING
from medseg_demo.samples import Sample
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui.correct import events as correct
from medseg_demo.ui.session import Running, Sessions
from medseg_demo.ui.tab import QUICK, READING, Call, Tab, Updates


class CompareTab(Tab):
    """The Compare tab. Make it inside the open tab; then ``connect`` it.

    Args:
        engine: Runs the checkpoints.
        sessions: Of the page.
        example: What the tab shows when it is first opened.
    """

    def __init__(self, engine: Engine, sessions: Sessions, example: ComparisonExample) -> None:
        parts, self._samples = lay_out(engine.settings)
        super().__init__(engine, sessions, parts, button="compare", record=Request)
        self._example = example

    def connect(self, tab: gr.Tab) -> None:
        """Give every event of the tab its handler."""
        self._on_start(tab)
        self._on_upload()
        self._on_controls()
        self._run_after(self.parts["compare"].click)
        self.on_stop()
        self._on_result()
        self._on_corrections()

    def _on_start(self, tab: gr.Tab) -> None:
        def open_tab(call: Call, chosen: list[str]) -> Updates:
            asked, work = call.request.query_params, call.session.part(Work)
            if "compare" in asked and "sample" in asked and work.given.image is None:
                return {}  # a link is about to fill the tab
            return self.handlers("handlers").open_tab(
                self.engine_for(call), work, self._example.get(), call.address, chosen
            )

        self.on(tab.select, open_tab, "checkpoints", **READING | {"show_progress": "hidden"})
        for sample, button in self._samples:
            self._run_after(self._choose(sample, button).then)

    def _choose(self, sample: Sample, button: gr.Button) -> Any:
        def choose(call: Call) -> Updates:
            return self.handlers("handlers").choose_sample(self.engine_for(call), call.session.part(Work), sample)

        return self.on(button.click, choose, **QUICK)

    def _on_upload(self) -> None:
        def read(call: Call, paths: list[str] | None) -> Updates:
            files, work = [Path(path) for path in paths or []], call.session.part(Work)
            return self.handlers("handlers").take_files(self.engine_for(call), work, files, call.session.folder)

        def choose(call: Call, place: str | None) -> Updates:
            return self.handlers("handlers").choose_study(self.engine_for(call), call.session.part(Work), place)

        upload, study = self.parts["upload"], self.parts["study"]
        options = READING | {"show_progress_on": [self.parts["preflight"]]}
        outputs = ("preflight", "study", "status")
        for event in (upload.upload, upload.clear, upload.delete):
            self._mark_stale(self.on(event, read, "upload", outputs=outputs, **options).then)
        self._mark_stale(self.on(study.input, choose, "study", outputs=outputs, **options).then)

    def _mark_stale(self, event: Any) -> None:
        def compare(call: Call, request: Request) -> str:
            work = call.session.part(Work)
            return self.handlers("results").stale_mark(work.given, work.result, request)

        self.mark_stale(event, compare)

    def _on_controls(self) -> None:
        for field in fields(Request)[:-1]:
            self._mark_stale(self.parts[field.name].change)

        def choose(call: Call, request: Request) -> Updates:
            work = call.session.part(Work)
            return self.handlers("run").choose_consensus(work, request.method, call.session.folder, call.address)

        method = self.parts["method"]
        chosen = self.on(method.input, choose, Request, show_progress_on=[method], **READING)
        self._mark_stale(chosen.then)

    def _run_after(self, event: Any) -> None:
        def run(call: Call, running: Running, request: Request) -> Iterator[Updates]:
            return self.handlers("run").run(self.engine_for(call), call, running, request)

        self._mark_stale(self.run_after(event, run, Request).then)

    def _on_result(self) -> None:
        def send_slices(call: Call) -> Updates:
            asked, work = call.event, call.session.part(Work)
            slices = self.handlers("run").send_slices(work, asked.plane, asked.slices, asked.key, asked.channels)
            return {"viewer": slices}

        def open_neighbour(call: Call, running: Running) -> Iterator[Updates]:
            return self.handlers("run").open_neighbour(self.engine_for(call), call, running, call.event.step)

        def open_image(call: Call, running: Running, place: str | None) -> Iterator[Updates]:
            return self.handlers("run").open_image(self.engine_for(call), call, running, int(place) if place else -1)

        viewer, image = self.parts["viewer"], self.parts["image"]
        self.on(viewer.change_slice, send_slices, outputs=("viewer",), **QUICK)
        self.run_after(viewer.navigate, open_neighbour, words=None, show_on="viewer")
        self.run_after(image.input, open_image, "image", words=None, show_on="viewer")

    def _on_corrections(self) -> None:
        def choose(call: Call, name: str | None) -> Updates:
            return self.handlers("corrections").choose(call.session.part(Work), name)

        def describe(call: Call) -> Updates:
            return self.handlers("corrections").describe(call.session.part(Work))

        def write(call: Call, file_format: str) -> Updates:
            work, folder = call.session.part(Work), call.session.folder
            return self.handlers("corrections").write(work, file_format, folder)

        def add(call: Call) -> Updates:
            work, session = call.session.part(Work), call.session
            return self.handlers("corrections").add(work, session.folder, call.address)

        correct.connect(self, lambda call: call.session.part(Work).correcting.corrections)
        outputs = ("viewer", "status", "correct", "corrected", "correct_add", *SAVING)
        self.on(self.parts["correct"].input, choose, "correct", outputs=outputs, **QUICK)
        self.on(self.parts["viewer"].edited, describe, outputs=("corrected", "correct_file"), **QUICK)
        changed = ("viewer", "corrected", "correct_file")
        self.on(self.parts["correct_write"].click, write, "correct_format", outputs=changed, **READING)
        self._mark_stale(self.on(self.parts["correct_add"].click, add, **READING).then)
