"""Events of the Models tab: which one calls which handler, with which parts of the page."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from medseg_demo.samples import Sample
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui.models import add_handlers, card_handlers, drafts
from medseg_demo.ui.models.form import Form
from medseg_demo.ui.models.layout import lay_out
from medseg_demo.ui.models.state import Draft
from medseg_demo.ui.session import Running, Sessions
from medseg_demo.ui.tab import QUICK, READING, RUNNING, Call, Tab, Updates

MEASURING = "measure"  # runs that Stop leaves alone
TO_CARD = """() => document.querySelector("#mm-card")?.scrollIntoView({ block: "nearest", behavior: "smooth" })"""

Told = Callable[[int, int], None]


class ModelsTab(Tab):
    """The Models tab. Make it inside the open tab; then ``connect`` it to the page.

    Args:
        engine: Knows the checkpoints, and runs them.
        sessions: Of the page.
    """

    def __init__(self, engine: Engine, sessions: Sessions) -> None:
        parts, self._samples = lay_out(engine.settings)
        super().__init__(engine, sessions, parts, button="try_it", record=Form)

    def connect(self, page: gr.Blocks, tabs: gr.Tabs, choices: Mapping[str, Component]) -> dict[str, Any]:
        """Give every event of the tab its handler.

        Args:
            page: When it is loaded, the tab is filled.
            tabs: Of the page.
            choices: Where else checkpoints are chosen: "segment", "compare" and "evaluate".

        Returns:
            By the same names, the event after which one of them was chosen from here.
        """
        self.parts = {**self.parts, "tabs": tabs, **{f"in_{tab}": control for tab, control in choices.items()}}

        def open_tab(call: Call) -> Updates:
            return card_handlers.open_tab(self.engine_for(call), call)

        self.on(page.load, open_tab, **QUICK)
        self._on_list()
        self._on_given()
        self._on_form()
        return {tab: self._on_open(tab) for tab in choices}

    @property
    def _everywhere(self) -> tuple[str, ...]:
        return (*self.everything, *card_handlers.ELSEWHERE)

    def _on_list(self) -> None:
        def show(call: Call) -> Updates:
            return {**card_handlers.show(self.engine_for(call), call, getattr(call.event, "name", None)), "said": ""}

        def measure(call: Call, name: str | None) -> Iterator[Updates]:
            with call.session.running(MEASURING) as running:
                yield from card_handlers.measure(self.engine_for(call), call, running, name)

        def ask(call: Call, name: str | None) -> Updates:
            return card_handlers.ask(self.engine_for(call), call, name)

        def keep(call: Call) -> Updates:
            return {"sure": gr.update(visible=False)}

        def remove(call: Call, name: str | None) -> Updates:
            return card_handlers.remove(self.engine_for(call), call, name)

        self.on(self.parts["list"].select, show, **QUICK).then(None, js=TO_CARD)
        shown_on = {"show_progress_on": [self.parts["said"]]}
        outputs = ("measure", "said", "figures")
        self.stream(self.parts["measure"].click, measure, "opened", outputs=outputs, **RUNNING | shown_on)
        self.on(self.parts["remove"].click, ask, "opened", outputs=("sure", "question"), **QUICK)
        self.on(self.parts["no"].click, keep, outputs=("sure",), **QUICK)
        self.on(self.parts["yes"].click, remove, "opened", outputs=self._everywhere, **QUICK)

    def _on_open(self, tab: str) -> Any:
        def open_elsewhere(call: Call, name: str | None, chosen: Any) -> Updates:
            several = chosen if isinstance(chosen, list) else None
            return card_handlers.open_elsewhere(self.engine_for(call), tab, name, several)

        button, control = self.parts[f"open_{tab}"], f"in_{tab}"
        return self.on(
            button.click, open_elsewhere, "opened", control, outputs=("tabs", control, "said"), **QUICK
        )  # fmt: skip

    def _on_given(self) -> None:
        settings = self.engine.settings

        def files(call: Call, running: Running, paths: list[str] | None) -> Iterator[Updates]:
            if not paths:
                yield {}
                return
            given = [Path(path) for path in paths]
            yield from self._take(call, running, lambda place, told: drafts.from_files(given, place, settings))

        def hub(call: Call, running: Running, name: str | None, revision: str | None) -> Iterator[Updates]:
            def give(place: Path, told: Told) -> Draft:
                return drafts.from_hub(name or "", revision or "", place, settings, told)

            yield from self._take(call, running, give)

        def folder(call: Call, running: Running, path: str | None) -> Iterator[Updates]:
            yield from self._take(call, running, lambda place, told: drafts.from_folder(path or "", place, settings))

        def try_first(call: Call, running: Running) -> Iterator[Updates]:
            return add_handlers.try_first(self.engine_for(call), call, running)

        parts = self.parts
        given: list[tuple[Any, Callable[..., Iterator[Updates]], tuple[str, ...]]] = [
            (parts["files"].upload, files, ("files",)),
            (parts["folder"].upload, files, ("folder",)),
            *((event, hub, ("repository", "revision")) for event in (parts["fetch"].click, parts["repository"].submit)),
            *((event, folder, ("path",)) for event in (parts["take"].click, parts["path"].submit)),
        ]
        for event, handler, names in given:
            self.run_after(self.run_after(event, handler, *names).then, try_first, words=None)
        self.on_stop()

    def _take(self, call: Call, running: Running, give: Callable[[Path, Told], Draft]) -> Iterator[Updates]:
        return add_handlers.take(self.engine_for(call), call, running, give)

    def _on_form(self) -> None:
        def look(call: Call, running: Running, form: Form) -> Iterator[Updates]:
            return add_handlers.look(self.engine_for(call), call, running, form)

        def follow(call: Call, running: Running, form: Form) -> Iterator[Updates]:
            return add_handlers.look(self.engine_for(call), call, running, form, live=True)

        def uses(call: Call, form: Form) -> Updates:
            return add_handlers.follow(call, form)

        def network(call: Call, running: Running, chosen: str, form: Form) -> Iterator[Updates]:
            return add_handlers.choose_network(self.engine_for(call), call, running, chosen, form)

        def image(call: Call, path: str | None) -> Updates:
            return add_handlers.choose_image(self.engine_for(call), call, lambda: Path(path) if path else None)

        def save(call: Call, form: Form) -> Updates:
            return add_handlers.save(self.engine_for(call), call, form)

        self.run_after(self.parts["try_it"].click, look, Form)
        self.run_after(self.parts["proposal"].input, network, "proposal", Form)
        for event in self._left():
            used = self.on(event, uses, Form, **QUICK)
            self.run_after(used.then, follow, Form, words=None)
        for sample, button in self._samples:
            self.run_after(self._choose(sample, button).then, look, Form)
        chosen = self.on(self.parts["image"].upload, image, "image", **READING)
        self.run_after(chosen.then, look, Form)
        options = {**READING, "show_progress_on": [self.parts["status"]]}
        self.on(self.parts["save"].click, save, Form, outputs=self._everywhere, **options)

    def _left(self) -> Iterator[Any]:
        """The events by which the controls of the form say that somebody is done with them."""
        for field in fields(Form):
            part = self.parts[field.name]
            if isinstance(part, gr.Textbox):
                yield from (part.submit, part.blur)
            elif isinstance(part, gr.Slider):
                yield part.release
            else:
                yield part.input

    def _choose(self, sample: Sample, button: gr.Button) -> Any:
        def choose(call: Call) -> Updates:
            return add_handlers.choose_image(self.engine_for(call), call, lambda: sample.path)

        return self.on(button.click, choose, **READING)
