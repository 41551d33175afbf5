"""Events of the Compare tab: which one calls which handler, with which parts of the page."""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import gradio as gr
from gradio.components import Component

from evaluation.ui.compare.example import ComparisonExample
from evaluation.ui.compare.layout import CONTROLS, lay_out
from evaluation.ui.compare.state import Request, Work
from medseg_demo.samples import Sample
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui.code import page_address
from medseg_demo.ui.segment.tab import NETWORK, QUICK, READING
from medseg_demo.ui.session import session_folder

Changes = dict[Component, object]
Updates = dict[str, object]


def _handlers(kind: str) -> ModuleType:
    """A module of handlers, imported when it is first needed: start-up does not wait for it."""
    return import_module(f"evaluation.ui.compare.{kind}")


class CompareTab:
    """The Compare tab. Make it inside the open tab; then ``connect`` it.

    Args:
        engine: Runs the checkpoints.
        example: What the tab shows when it is first opened.
    """

    def __init__(self, engine: Engine, example: ComparisonExample) -> None:
        self._engine = engine
        self._example = example
        self.parts, self._samples = lay_out(engine.settings)
        self._controls = [self.parts[name] for name in CONTROLS]
        self.inputs = [self.parts["work"], *self._controls]
        self.outputs = list(self.parts.values())

    def connect(self, tab: gr.Tab) -> None:
        """Give every event of the tab its handler."""
        self._on_start(tab)
        self._on_upload()
        self._on_controls()
        self.run_after(self.parts["compare"].click)
        self.parts["stop"].click(self._stop, self.parts["work"], self.parts["stop"], **QUICK)
        self._on_result()

    def _on_start(self, tab: gr.Tab) -> None:
        def open_tab(request: gr.Request, work: Work) -> Changes:
            if "compare" in request.query_params and "sample" in request.query_params and work.given.image is None:
                return gr.skip()  # a link is about to fill the tab
            address = page_address(request)
            return self.changes(_handlers("handlers").open_tab(self._engine, work, self._example.get(), address))

        tab.select(open_tab, self.parts["work"], self.outputs, show_progress="hidden", **READING)
        for sample, button in self._samples:
            chosen = button.click(self._chooser(sample), self.inputs, self.outputs, **QUICK)
            self.run_after(chosen.then)

    def _chooser(self, sample: Sample) -> Callable[..., Changes]:
        def choose(work: Work, *controls: object) -> Changes:
            return self.changes(_handlers("handlers").choose_sample(self._engine, work, sample))

        return choose

    def _on_upload(self) -> None:
        def read(request: gr.Request, work: Work, paths: list[str] | None) -> Changes:
            files, folder = [Path(path) for path in paths or []], session_folder(request.session_hash)
            return self.changes(_handlers("handlers").take_files(self._engine, work, files, folder))

        def choose(work: Work, place: str | None) -> Changes:
            return self.changes(_handlers("handlers").choose_study(self._engine, work, place))

        upload, preflight, study = (self.parts[name] for name in ("upload", "preflight", "study"))
        outputs = [self.parts[name] for name in ("work", "preflight", "study", "status")]
        for event in (upload.upload, upload.clear, upload.delete):
            taken = event(read, [self.parts["work"], upload], outputs, show_progress_on=[preflight], **READING)
            self._mark_stale(taken.then)
        taken = study.input(choose, [self.parts["work"], study], outputs, show_progress_on=[preflight], **READING)
        self._mark_stale(taken.then)

    def _mark_stale(self, event: Callable[..., object]) -> None:
        """Say, whenever an event happens, whether the result is still that of the image and the controls."""

        def compare(work: Work, *controls: object) -> str:
            return _handlers("results").stale_mark(work.given, work.result, Request.of(*controls))

        event(compare, self.inputs, self.parts["stale"], **QUICK)

    def _on_controls(self) -> None:
        for name in CONTROLS[:-1]:
            self._mark_stale(self.parts[name].change)

        def choose(request: gr.Request, work: Work, method: str) -> Changes:
            folder, address = session_folder(request.session_hash), page_address(request)
            chosen = Request.of((), None, (), method).method
            return self.changes(_handlers("run").choose_consensus(work, chosen, folder, address))

        method = self.parts["method"]
        chosen = method.input(choose, [self.parts["work"], method], self.outputs, show_progress_on=[method], **READING)
        self._mark_stale(chosen.then)

    @staticmethod
    def _stop(work: Work) -> object:
        return _handlers("run").request_stop(work)

    def run_after(self, event: Callable[..., object]) -> None:
        """Compare whenever an event happens."""

        # Gradio finds its two own arguments by their place, so they stand before the inputs.
        def run(
            request: gr.Request,
            progress: gr.Progress = gr.Progress(),  # noqa: B008
            *inputs: Any,
        ) -> Iterator[Changes]:
            work, *controls = inputs
            folder, address = session_folder(request.session_hash), page_address(request)
            asked = Request.of(*controls)
            for updates in _handlers("run").run(self._engine, work, asked, folder, address, progress):
                yield self.changes(updates)

        done: Any = event(run, self.inputs, self.outputs, show_progress_on=[self.parts["status"]], **NETWORK)
        self._mark_stale(done.then)

    def _on_result(self) -> None:
        def send_slices(work: Work, event: gr.EventData) -> object:
            return _handlers("run").send_slices(work, event.plane, event.slices, event.key, event.channels)

        viewer = self.parts["viewer"]
        viewer.change_slice(send_slices, self.parts["work"], viewer, **QUICK)

    def changes(self, updates: Updates) -> Changes:
        """Updates by name as updates by component; none at all in the form that Gradio takes for it."""
        return {self.parts[name]: value for name, value in updates.items()} or gr.skip()
