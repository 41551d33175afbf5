"""Events of the Segment tab: which one calls which handler, with which parts of the page."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from medseg_demo.samples import Sample
from medseg_demo.ui import run_handlers, segment_handlers
from medseg_demo.ui.engine import Engine
from medseg_demo.ui.example import Example
from medseg_demo.ui.segment_layout import CONTROLS, lay_out
from medseg_demo.ui.state import Choices, Work, session_folder
from medseg_demo.ui.updates import Updates

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
        self._parts, self._samples = lay_out()
        self._inputs = [self._parts["work"], *(self._parts[name] for name in CONTROLS)]
        self._outputs = list(self._parts.values())

    def connect(self, page: gr.Blocks) -> None:
        """Give every event of the tab its handler."""
        self._on_start(page)
        self._on_upload()
        self._on_controls()
        self._on_run()
        self._on_result()

    def _on_start(self, page: gr.Blocks) -> None:
        def open_page() -> Changes:
            return self._changes(segment_handlers.open_page(self._engine, self._example.get()))

        page.load(open_page, None, self._outputs, show_progress="hidden", **READING)
        for sample, button in self._samples:
            chosen = button.click(self._chooser(sample), self._inputs, self._outputs, **QUICK)
            self._run_after(chosen.then)

    def _chooser(self, sample: Sample) -> Callable[..., Changes]:
        def choose(work: Work, *choices: Any) -> Changes:
            return self._changes(segment_handlers.choose_sample(self._engine, work, sample, Choices(*choices)))

        return choose

    def _on_upload(self) -> None:
        def read(request: gr.Request, work: Work, paths: list[str] | None, *choices: Any) -> Changes:
            files, folder = [Path(path) for path in paths or []], session_folder(request.session_hash)
            return self._changes(segment_handlers.take_files(self._engine, work, files, Choices(*choices), folder))

        upload, preflight = self._parts["upload"], self._parts["preflight"]
        inputs = [self._inputs[0], upload, *self._inputs[1:]]
        outputs = [self._parts[name] for name in ("work", "preflight", "status")]
        for event in (upload.upload, upload.clear, upload.delete):
            event(read, inputs, outputs, show_progress_on=[preflight], **READING)

    def _on_controls(self) -> None:
        def choose(work: Work, *choices: Any) -> Changes:
            return self._changes(segment_handlers.choose_checkpoint(self._engine, work, Choices(*choices)))

        def compare(work: Work, *choices: Any) -> str:
            return segment_handlers.stale_mark(work, Choices(*choices))

        chosen = [self._parts[name] for name in ("preflight", "stale", "card", "weaknesses", "threshold")]
        self._parts["checkpoint"].input(choose, self._inputs, chosen, **QUICK)
        for name in CONTROLS[1:]:
            self._parts[name].change(compare, self._inputs, self._parts["stale"], **QUICK)

    def _on_run(self) -> None:
        self._run_after(self._parts["segment"].click)
        stop = self._parts["stop"]
        stop.click(run_handlers.request_stop, self._inputs[0], stop, **QUICK)

    def _run_after(self, event: Callable[..., object]) -> None:
        # Gradio finds its two own arguments by their place, so they stand before the inputs.
        def run(
            request: gr.Request,
            progress: gr.Progress = gr.Progress(),  # noqa: B008
            work: Work = Work(),  # noqa: B008
            *choices: Any,
        ) -> Iterator[Changes]:
            folder = session_folder(request.session_hash)
            for updates in run_handlers.run(self._engine, work, Choices(*choices), folder, progress):
                yield self._changes(updates)

        event(run, self._inputs, self._outputs, show_progress_on=[self._parts["status"]], **NETWORK)

    def _on_result(self) -> None:
        def open_result(work: Work, event: gr.SelectData) -> Changes:
            return self._changes(run_handlers.open_result(self._engine, work, event.index))

        def open_neighbour(work: Work, event: gr.EventData) -> Changes:
            return self._changes(run_handlers.open_neighbour(self._engine, work, event.step))

        def send_slices(work: Work, event: gr.EventData) -> object:
            return run_handlers.send_slices(work, event.slices, event.key)

        work, viewer = self._parts["work"], self._parts["viewer"]
        self._parts["gallery"].select(open_result, work, self._outputs, show_progress_on=[viewer], **NETWORK)
        viewer.navigate(open_neighbour, work, self._outputs, show_progress_on=[viewer], **NETWORK)
        viewer.change_slice(send_slices, work, viewer, **QUICK)

    def _changes(self, updates: Updates) -> Changes:
        return {self._parts[name]: value for name, value in updates.items()}
