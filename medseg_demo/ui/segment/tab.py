"""Events of the Segment tab: which one calls which handler, with which parts of the page."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import gradio as gr

from medseg_demo.samples import Sample
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui.code_view import CODE_PARTS, run_code
from medseg_demo.ui.correct.events import connect
from medseg_demo.ui.segment import correct_handlers, export_handlers, given_view, handlers, run_handlers, updates
from medseg_demo.ui.segment.example import Example
from medseg_demo.ui.segment.layout import LEAST_THRESHOLD, lay_out
from medseg_demo.ui.segment.state import Choices, Work
from medseg_demo.ui.segment.updates import Updates
from medseg_demo.ui.session import Running, Sessions
from medseg_demo.ui.tab import QUICK, READING, Call, Tab


class SegmentTab(Tab):
    """The Segment tab. Make it inside the open tab; then ``connect`` it to the page.

    Args:
        engine: Runs the checkpoints.
        sessions: Of the page.
        example: What the first paint shows.
    """

    def __init__(self, engine: Engine, sessions: Sessions, example: Example) -> None:
        parts, self._samples = lay_out(engine.settings)
        super().__init__(engine, sessions, parts, button="segment", record=Choices)
        self._example = example

    def connect(self, page: gr.Blocks) -> None:
        """Give every event of the tab its handler."""
        self._on_start(page)
        self._on_upload()
        self._on_controls()
        self._run_after(self.parts["segment"].click)
        self.on_stop()
        self._on_result()
        self._on_correction()
        self._on_export()

    def _on_start(self, page: gr.Blocks) -> None:
        def open_page(call: Call) -> Updates:
            work = call.session.part(Work)
            work.folder = call.session.folder
            return handlers.open_page(self.engine_for(call), work, self._example.get())

        self.loaded = self.on(page.load, open_page, **READING | {"show_progress": "hidden"})
        self.then_code(self.loaded)
        for sample, button in self._samples:
            self._run_after(self._choose(sample, button).then)

    def _choose(self, sample: Sample, button: gr.Button) -> Any:
        def choose(call: Call, choices: Choices) -> Updates:
            return handlers.choose_sample(self.engine_for(call), call.session.part(Work), sample, choices)

        return self.on(button.click, choose, Choices, **QUICK)

    def _on_upload(self) -> None:
        def read(call: Call, paths: list[str] | None, choices: Choices) -> Iterator[Updates]:
            files, work = [Path(path) for path in paths or []], call.session.part(Work)
            return handlers.take_files(self.engine_for(call), work, files, choices, call.session.folder)

        def choose(call: Call, choice: str | None, choices: Choices) -> Iterator[Updates]:
            return handlers.choose_study(self.engine_for(call), call.session.part(Work), choice, choices)

        upload, folder, study = (self.parts[name] for name in ("upload", "folder", "study"))
        options = READING | {"show_progress": "hidden"}
        for event in (upload.upload, upload.clear, upload.delete):
            self._mark_stale(self.stream(event, read, "upload", Choices, **options).then)
        self._mark_stale(self.stream(folder.upload, read, "folder", Choices, **options).then)
        folder.upload(None, None, upload, js="() => null", api_visibility="private")
        self._mark_stale(self.stream(study.input, choose, "study", Choices, **options).then)

        def lay_over(call: Call, path: str | None) -> Updates:
            return handlers.lay_over(self.engine_for(call), call.session.part(Work), path)

        over = self.parts["over"]
        for event in (over.upload, over.clear, over.delete):
            self.on(event, lay_over, "over", **options)

    def follow_checkpoint(self, event: Any) -> None:
        """After an event that chose a checkpoint: its card, what it brings, and whether the image suits it."""

        def choose(call: Call, choices: Choices) -> Updates:
            return handlers.choose_checkpoint(self.engine_for(call), call.session.part(Work), choices)

        chosen = ("preflight", "stale", "card", "weaknesses", "threshold", "denoise", "explain")
        self.on(event, choose, Choices, outputs=chosen, **QUICK)

    def _on_controls(self) -> None:
        self.follow_checkpoint(self.parts["checkpoint"].input)
        for field in fields(Choices)[1:]:
            self._mark_stale(self.parts[field.name].change)
        self._on_threshold()
        self._on_crop()

    def _on_threshold(self) -> None:
        """The viewer's threshold and the control of the page are one: moving either decides the result again."""

        def let_go(call: Call) -> Updates:
            value = min(max(round(float(call.event.value), 3), LEAST_THRESHOLD), 1 - LEAST_THRESHOLD)
            return run_handlers.decide(call.session.part(Work), call.session.folder, value, call.event.point)

        def typed(call: Call, value: float | None) -> Updates:
            return run_handlers.decide(call.session.part(Work), call.session.folder, value)

        options = READING | {"show_progress": "hidden", "trigger_mode": "always_last"}
        for decided in (
            self.on(self.parts["viewer"].threshold, let_go, **options),
            self.on(self.parts["threshold"].input, typed, "threshold", **options),
        ):
            self.then_code(decided)
            self._mark_stale(decided.then)

    def _on_crop(self) -> None:
        def drawn(call: Call, choices: Choices) -> Updates:
            return handlers.set_crop(self.engine_for(call), call.session.part(Work), call.event.box, choices)

        def typed(call: Call, choices: Choices) -> Updates:
            return handlers.show_crop(self.engine_for(call), call.session.part(Work), choices)

        self.on(self.parts["viewer"].crop, drawn, Choices, outputs=("crop", "preflight"), **QUICK)
        for event in (self.parts["crop"].submit, self.parts["crop"].blur):
            self.on(event, typed, Choices, **READING | {"show_progress": "hidden"})

    def _mark_stale(self, event: Any) -> None:
        def compare(call: Call, choices: Choices) -> str:
            work = call.session.part(Work)
            return updates.stale_mark(work.given, work.run, choices)

        self.mark_stale(event, compare)

    def _run_after(self, event: Any) -> None:
        def run(call: Call, running: Running, choices: Choices) -> Iterator[Updates]:
            return run_handlers.run(self.engine_for(call), call, running, choices)

        done = self.run_after(event, run, Choices)
        self.then_code(done)
        self._mark_stale(done.then)

    def then_code(self, event: Any) -> None:
        """After an event that may have changed what is in the viewer: the code that reproduces it."""

        def write(call: Call) -> Updates:
            return run_code(call.session.part(Work).run, call.address)

        self.on(event.then, write, outputs=CODE_PARTS, **QUICK)

    def _on_result(self) -> None:
        def open_result(call: Call, running: Running) -> Iterator[Updates]:
            return run_handlers.open_result(self.engine_for(call), call, running, call.event.index)

        def open_neighbour(call: Call, running: Running) -> Iterator[Updates]:
            return run_handlers.open_neighbour(self.engine_for(call), call, running, call.event.step)

        def send_slices(call: Call) -> Updates:
            asked, work = call.event, call.session.part(Work)
            return {"viewer": given_view.slices(work, asked.plane, asked.slices, asked.key, asked.channels)}

        gallery, viewer = self.parts["gallery"], self.parts["viewer"]
        for event, handler in ((gallery.select, open_result), (viewer.navigate, open_neighbour)):
            self.then_code(self.run_after(event, handler, words=None, show_on="viewer"))
        self.on(viewer.change_slice, send_slices, outputs=("viewer",), **QUICK)

    def _on_correction(self) -> None:
        def follow(call: Call) -> Updates:
            return correct_handlers.follow(call.session.part(Work), call.session.folder, call.event.key)

        def save(call: Call) -> Updates:
            return correct_handlers.mark_saved(call.session.part(Work))

        connect(self, lambda call: call.session.part(Work).corrections, files=correct_handlers.FILES)
        options = READING | {"show_progress": "hidden", "trigger_mode": "always_last"}
        self.on(self.parts["viewer"].edited, follow, **options)
        for name in ("label_map", "everything"):
            self.on(self.parts[name].click, save, outputs=("viewer",), **QUICK)

    def _on_export(self) -> None:
        def write(call: Call, key: str | None) -> Updates:
            return export_handlers.write(call.session.part(Work), key, call.session.folder)

        def show_surface(call: Call) -> Updates:
            return export_handlers.show_surface(call.session.part(Work))

        outputs, progress = ("export", "export_note", "viewer"), [self.parts["export"], self.parts["export_note"]]
        self.on(self.parts["prepare"].click, write, "format", outputs=outputs, show_progress_on=progress, **READING)
        self.on(self.parts["show_surface"].click, show_surface, outputs=("surface", "surface_note"), **READING)
