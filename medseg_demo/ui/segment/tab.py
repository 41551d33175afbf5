"""Events of the Segment tab: which one calls which handler, with which parts of the page."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from medseg_demo.samples import Sample
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui.code import page_address
from medseg_demo.ui.code_view import CODE_PARTS, run_code
from medseg_demo.ui.segment import export_handlers, handlers, run_handlers, updates
from medseg_demo.ui.segment.example import Example
from medseg_demo.ui.segment.layout import CONTROLS, lay_out
from medseg_demo.ui.segment.updates import Updates
from medseg_demo.ui.session import Choices, Work, session_folder

Changes = dict[Component, object]

# One event at a time has its turn at the network; the others see their place in the queue.
NETWORK: dict[str, Any] = {"concurrency_id": "gpu", "concurrency_limit": 1, "api_visibility": "private"}
READING: dict[str, Any] = {"concurrency_id": "read", "concurrency_limit": 4, "api_visibility": "private"}
QUICK: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}


class SegmentTab:
    """The Segment tab. Make it inside the open tab; then ``connect`` it to the page.

    Args:
        engine: Runs the checkpoints.
        example: What the first paint shows.
    """

    def __init__(self, engine: Engine, example: Example) -> None:
        self._engine = engine
        self._example = example
        self.parts, self._samples = lay_out(engine.settings)
        self.inputs = [self.parts["work"], *(self.parts[name] for name in CONTROLS)]
        self.outputs = list(self.parts.values())

    def connect(self, page: gr.Blocks) -> None:
        """Give every event of the tab its handler."""
        self._on_start(page)
        self._on_upload()
        self._on_controls()
        self._on_run()
        self._on_result()
        self._on_export()

    def _on_start(self, page: gr.Blocks) -> None:
        def open_page(work: Work) -> Changes:
            example = self._example.get()
            return self.changes(handlers.open_page(self._engine, work, example))

        self.loaded = page.load(open_page, self.parts["work"], self.outputs, show_progress="hidden", **READING)
        self.then_code(self.loaded)
        for sample, button in self._samples:
            chosen = button.click(self._chooser(sample), self.inputs, self.outputs, **QUICK)
            self._run_after(chosen.then)

    def _chooser(self, sample: Sample) -> Callable[..., Changes]:
        def choose(work: Work, *choices: Any) -> Changes:
            return self.changes(handlers.choose_sample(self._engine, work, sample, Choices(*choices)))

        return choose

    def _on_upload(self) -> None:
        def read(request: gr.Request, work: Work, paths: list[str] | None, *choices: Any) -> Iterator[Changes]:
            files, folder = [Path(path) for path in paths or []], session_folder(request.session_hash)
            for step in handlers.take_files(self._engine, work, files, Choices(*choices), folder):
                yield self.changes(step)

        def choose(work: Work, choice: str | None, *choices: Any) -> Iterator[Changes]:
            for step in handlers.choose_study(self._engine, work, choice, Choices(*choices)):
                yield self.changes(step)

        work, upload, folder, study = (self.parts[name] for name in ("work", "upload", "folder", "study"))
        outputs = [self.parts[name] for name in ("work", "preflight", "status", "study")]
        options = READING | {"show_progress": "hidden"}
        for component, events in ((upload, ("upload", "clear", "delete")), (folder, ("upload",))):
            for event in events:
                taken = getattr(component, event)(read, [work, component, *self.inputs[1:]], outputs, **options)
                self._mark_stale(taken.then)
        folder.upload(None, None, upload, js="() => null", api_visibility="private")
        self._mark_stale(study.input(choose, [work, study, *self.inputs[1:]], outputs, **options).then)

    def _on_controls(self) -> None:
        def choose(work: Work, *choices: Any) -> Changes:
            return self.changes(handlers.choose_checkpoint(self._engine, work, Choices(*choices)))

        chosen = [self.parts[name] for name in ("preflight", "stale", "card", "weaknesses", "threshold")]
        self.parts["checkpoint"].input(choose, self.inputs, chosen, **QUICK)
        for name in CONTROLS[1:]:
            self._mark_stale(self.parts[name].change)

    def _mark_stale(self, event: Callable[..., object]) -> None:
        """Say, whenever an event happens, whether the result is still that of what is given and of the controls."""

        def compare(work: Work, *choices: Any) -> str:
            return updates.stale_mark(work.given, work.run, Choices(*choices))

        event(compare, self.inputs, self.parts["stale"], **QUICK)

    def _on_run(self) -> None:
        self._run_after(self.parts["segment"].click)
        stop = self.parts["stop"]
        stop.click(run_handlers.request_stop, self.inputs[0], stop, **QUICK)

    def _run_after(self, event: Callable[..., object]) -> None:
        # Gradio finds its two own arguments by their place, so they stand before the inputs.
        def run(
            request: gr.Request,
            progress: gr.Progress = gr.Progress(),  # noqa: B008
            *inputs: Any,
        ) -> Iterator[Changes]:
            work, *choices = inputs
            folder = session_folder(request.session_hash)
            for step in run_handlers.run(self._engine, work, Choices(*choices), folder, progress):
                yield self.changes(step)

        done: Any = event(run, self.inputs, self.outputs, show_progress_on=[self.parts["status"]], **NETWORK)
        self.then_code(done)
        self._mark_stale(done.then)

    def then_code(self, event: Any) -> None:
        """After an event that may have changed what is in the viewer: the code that reproduces it."""

        def write(request: gr.Request, work: Work) -> Changes:
            return self.changes(run_code(work.run, page_address(request)))

        event.then(write, self.parts["work"], [self.parts[name] for name in CODE_PARTS], **QUICK)

    def _on_result(self) -> None:
        def open_result(work: Work, event: gr.SelectData) -> Changes:
            return self.changes(run_handlers.open_result(self._engine, work, event.index))

        def open_neighbour(work: Work, event: gr.EventData) -> Changes:
            return self.changes(run_handlers.open_neighbour(self._engine, work, event.step))

        def send_slices(work: Work, event: gr.EventData) -> object:
            return run_handlers.send_slices(work, event.plane, event.slices, event.key, event.channels)

        work, viewer = self.parts["work"], self.parts["viewer"]
        options = NETWORK | {"show_progress_on": [viewer]}
        self.then_code(self.parts["gallery"].select(open_result, work, self.outputs, **options))
        self.then_code(viewer.navigate(open_neighbour, work, self.outputs, **options))
        viewer.change_slice(send_slices, work, viewer, **QUICK)

    def _on_export(self) -> None:
        def write(request: gr.Request, work: Work, key: str | None) -> Changes:
            return self.changes(export_handlers.write(work, key, session_folder(request.session_hash)))

        def show_surface(work: Work) -> Changes:
            return self.changes(export_handlers.show_surface(work))

        work, file, note = (self.parts[name] for name in ("work", "export", "export_note"))
        self.parts["prepare"].click(write, [work, self.parts["format"]], [file, note], **READING)
        surface = [self.parts[name] for name in ("surface", "surface_note")]
        self.parts["show_surface"].click(show_surface, work, surface, **READING)

    def changes(self, step: Updates) -> Changes:
        """Updates by name as updates by component; none at all in the form that Gradio takes for it."""
        return {self.parts[name]: value for name, value in step.items()} or gr.skip()
