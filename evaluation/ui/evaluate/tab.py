"""Events of the Evaluate tab: which one calls which handler, with which parts of the page."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
from gradio.components import Component

from evaluation.ui.corrections.layout import SAVING
from evaluation.ui.corrections.work import Correcting
from evaluation.ui.evaluate import texts
from evaluation.ui.evaluate.board import Asked, Board, Choices
from evaluation.ui.evaluate.layout import lay_out
from evaluation.ui.links import Link
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.turns import Turns
from medseg_demo.ui.code_view import CODE_PARTS
from medseg_demo.ui.correct import events as correct
from medseg_demo.ui.public.visitors import is_owner
from medseg_demo.ui.session import Running, Session, Sessions
from medseg_demo.ui.tab import QUICK, READING, Call, Changes, Event, Tab, Updates, controls

CASE = "case"  # runs that Stop leaves alone: predictions that are made again for a case, or for a report
OPENING: dict[str, Any] = READING | {"concurrency_id": "open"}
CORRECTING = ("correct", "corrected", *SAVING, "as_reference", "reference_confirm", "reference_question")

# What the browser alone knows: the visitor's own name, kept there, and whether the page is dark.
ON_LOAD = """(session) => {
  const numbers = Array.from(crypto.getRandomValues(new Uint8Array(16)));
  let visitor = numbers.map((number) => number.toString(16).padStart(2, "0")).join("");
  try {
    const kept = localStorage.getItem("medseg-visitor");
    if (/^[0-9a-f]{32}$/.test(kept || "")) visitor = kept;
    else localStorage.setItem("medseg-visitor", visitor);
  } catch {}
  return [session, visitor, document.body.classList.contains("dark") ? "dark" : "light"];
}"""


TO_STATUS = """() => document.querySelector("#ev-status")?.scrollIntoView({ block: "start" })"""


class EvaluateTab(Tab):
    """The Evaluate tab. Make it inside the open tab; then ``connect`` it to the page.

    Args:
        engine: Runs the checkpoints; its settings name the folders.
        sessions: Of the page.
        turns: Lets evaluations in.
        place: The part that tells the browser what the tab shows.
    """

    def __init__(self, engine: Engine, sessions: Sessions, turns: Turns, place: gr.HTML) -> None:
        parts = lay_out(engine.settings) | {"place": place}
        super().__init__(engine, sessions, parts, button="evaluate", record=Choices)
        self._turns = turns
        self._references: Any = None  # made with the first visitor

    def connect(self, page: gr.Blocks) -> None:
        """Give every event of the tab its handler."""
        self._on_start(page)
        self._on_own_runs()
        self._on_question()
        self._on_table()
        self._on_case()
        self._on_corrections()
        self._on_figure()
        self._on_run()
        self._on_export()
        self._on_code()

    def changes(self, session: Session, updates: Updates) -> Changes:
        """As of every tab; wherever the visitor's page changes, the address is told."""
        if "board" in updates and "place" not in updates:
            updates = {**updates, "place": self.handlers("places").told(updates["board"])}
        return super().changes(session, updates)

    def _outputs(self, names: tuple[str, ...]) -> list[Component]:
        return super()._outputs(tuple(dict.fromkeys([*names, *(["place"] if "board" in names else [])])))

    def follow_address(self, event: Event, read: Callable[..., tuple[Link | None, Updates]], **frame: Any) -> None:
        """Go where the address leads.

        Args:
            event: Tells the parameters of the address, and the number of the visit.
            read: From the parameters to the link, and what of the frame it changes.
            frame: The parts around the tabs by name.
        """
        self.parts = {**self.parts, **frame}

        def go(call: Call, board: Board, asked: Asked) -> Updates:
            (link, around), places = read(call.event.parameters), self.handlers("places")
            place = link.place if link else None
            updates = places.go(self.engine_for(call), board, asked, place) if place else {"board": board}
            return {**updates, **around, "place": places.told(updates["board"], int(call.event.visit))}

        outputs = (*self.everything, *frame)
        self.then_pictures(self.on(event, go, "board", Asked, outputs=outputs, trigger_mode="multiple", **QUICK))

    def _on_start(self, page: gr.Blocks) -> None:
        def open_tab(call: Call, visitor: str, theme: str) -> Updates:
            places = self.handlers("places")
            place = places.asked_place(self.engine_for(call), dict(call.request.query_params))
            references = self._references = self._references or self.handlers("run_folders").ReferenceRuns()
            return places.open_tab(self.engine_for(call), visitor, theme, place, references)

        options = OPENING | {"show_progress": "hidden", "js": ON_LOAD}
        self.loaded = self.on(page.load, open_tab, "visitor", "theme", **options)
        self.then_pictures(self.loaded)

        def choose(call: Call, board: Board, keys: list[str], asked: Asked) -> Updates:
            return self.handlers("result_handlers").choose_runs(self.engine_for(call), board, keys, asked)

        self.then_pictures(self.on(self.parts["runs"].input, choose, "board", "runs", Asked, **QUICK))

    def _on_own_runs(self) -> None:
        def rename(call: Call, board: Board, key: str | None, name: str) -> Updates:
            return self.handlers("own_runs").rename(self.engine_for(call), board, key, name)

        def delete(call: Call, board: Board, key: str | None, asked: Asked) -> Updates:
            return self.handlers("own_runs").delete(
                self.engine_for(call), board, key, asked, busy=call.session.is_running
            )

        def hide(call: Call, board: Board, key: str | None) -> Updates:
            return self.handlers("own_runs").hide(self.engine_for(call), board, key)

        def offer(call: Call, board: Board, every_run: bool) -> Updates:
            return self.handlers("own_runs").offer(self.engine_for(call), board, every_run)

        outputs = ("board", "runs", "every_run", "own_run", "status")
        self.on(self.parts["rename"].click, rename, "board", "own_run", "own_name", outputs=outputs, **QUICK)
        self.on(self.parts["hide"].click, hide, "board", "own_run", outputs=outputs, **QUICK)
        self.on(self.parts["every_run"].input, offer, "board", "every_run", outputs=outputs, **QUICK)
        self.then_pictures(self.on(self.parts["delete"].click, delete, "board", "own_run", Asked, **QUICK))

    def _on_question(self) -> None:
        means = ("empty", "failed", "order", "miss", "cluster", "methods")
        for name in ("test_set", "class_name", "metric", "compared", *means):
            self.then_pictures(self.on(self.parts[name].input, self._asker("ask"), "board", Asked, **QUICK))
        beside = self.parts["beside"].input
        self.on(beside, self._asker("lead"), "board", Asked, outputs=("leaderboard",), **QUICK)
        outputs = ("difference", "gaps", "figure", "no_figure", "column")
        for name, handler in (("first", "compare"), ("second", "compare"), ("plot", "draw"), ("column", "draw")):
            self.on(self.parts[name].input, self._asker(handler), "board", Asked, outputs=outputs, **QUICK)

    def _asker(self, name: str) -> Callable[..., Updates]:
        def ask(call: Call, board: Board, asked: Asked) -> Updates:
            return getattr(self.handlers("result_handlers"), name)(board, asked)

        return ask

    def then_pictures(self, event: gr.events.Dependency) -> None:
        """Give the worst cases their pictures after everything else is there."""

        def add_pictures(call: Call, board: Board) -> Updates:
            return self.handlers("result_handlers").add_pictures(self.engine_for(call), board)

        options = OPENING | {"show_progress": "hidden"}
        self.on(event.then, add_pictures, "board", outputs=("gallery", "every"), **options)

    def _on_table(self) -> None:
        def sort(call: Call, board: Board) -> Updates:
            return self.handlers("result_handlers").sort_table(board, str(call.event.column))

        def turn(call: Call, board: Board) -> Updates:
            return self.handlers("result_handlers").turn_page(board, int(call.event.page))

        def keep(call: Call, board: Board, text: str) -> Updates:
            return self.handlers("result_handlers").filter_table(board, text)

        cases, outputs = self.parts["cases"], ("board", "cases")
        self.on(cases.sort, sort, "board", outputs=outputs, **QUICK)
        self.on(cases.turn_page, turn, "board", outputs=outputs, **QUICK)
        self.on(
            self.parts["filter"].change,  # also of what is pasted or deleted, which is no input to Gradio
            keep,
            "board",
            "filter",
            outputs=outputs,
            **QUICK | {"trigger_mode": "always_last"},
        )

    def _on_case(self) -> None:
        def open_picked(call: Call, board: Board, shown: Any) -> Updates:
            pick, handlers = list(call.event.pick), self.handlers("case_handlers")
            with call.session.running(CASE) as running:
                return handlers.open_picked(self.engine_for(call), board, pick, shown, running)

        def open_neighbour(call: Call, board: Board, shown: Any) -> Updates:
            step, handlers = int(call.event.step), self.handlers("case_handlers")
            with call.session.running(CASE) as running:
                return handlers.open_neighbour(self.engine_for(call), board, step, shown, running)

        def close(call: Call, board: Board) -> Updates:
            return self.handlers("case_handlers").close(board)

        def send_slices(call: Call, shown: Any) -> Updates:
            asked, work = call.event, call.session.part(Correcting)
            handlers = self.handlers("corrections")
            return {"viewer": handlers.send_slices(work, shown, asked.plane, asked.slices, asked.key, asked.channels)}

        def tag(call: Call, board: Board, words: list[str]) -> Updates:
            return self.handlers("tags").tag(board, words)

        outputs = (
            "board", "shown", "drawer", "case_head", "tags", "case_note", "viewer", "others", "case_scores", "cases",
            *CORRECTING,
        )  # fmt: skip
        options = OPENING | {"show_progress": "hidden", "trigger_mode": "once", "outputs": outputs}
        for name in ("figure", "cases", "gallery", "gaps", "others"):
            self.on(self.parts[name].pick, open_picked, "board", "shown", **options)
        for name in ("case_head", "viewer"):
            self.on(self.parts[name].navigate, open_neighbour, "board", "shown", **options)
        self.on(self.parts["case_head"].close, close, "board", **QUICK)
        # A word of one's own that Enter adds is a change, and no input, to Gradio.
        self.on(self.parts["tags"].change, tag, "board", "tags", outputs=("board", "tags", "cases"), **QUICK)
        self.on(self.parts["viewer"].change_slice, send_slices, "shown", outputs=("viewer",), **QUICK)

    def _on_corrections(self) -> None:
        settings = self.engine.settings

        def choose(call: Call, shown: Any, name: str | None) -> Updates:
            work, handlers = call.session.part(Correcting), self.handlers("corrections")
            return handlers.choose(work, shown, name, may_replace=not settings.public)

        def describe(call: Call, shown: Any) -> Updates:
            return self.handlers("corrections").describe(call.session.part(Correcting), shown)

        def write(call: Call, shown: Any, file_format: str) -> Updates:
            work, folder = call.session.part(Correcting), call.session.folder
            return self.handlers("corrections").write(work, shown, file_format, folder)

        def ask(call: Call, board: Board, shown: Any) -> Updates:
            work, handlers = call.session.part(Correcting), self.handlers("corrections")
            return handlers.ask(settings, board, work, shown, is_owner=is_owner(call.request))

        def replace(call: Call, board: Board, shown: Any) -> Updates:
            work, handlers = call.session.part(Correcting), self.handlers("corrections")

            def open_again(board: Board, pick: list[str]) -> Updates:
                with call.session.running(CASE) as running:
                    engine = self.engine_for(call)
                    return self.handlers("case_handlers").open_picked(engine, board, pick, None, running)

            return handlers.replace(settings, board, work, shown, open_again, is_owner=is_owner(call.request))

        correct.connect(self, lambda call: call.session.part(Correcting).corrections)
        parts, outputs = self.parts, ("viewer", *CORRECTING)
        self.on(parts["correct"].input, choose, "shown", "correct", outputs=outputs, **QUICK)
        self.on(parts["viewer"].edited, describe, "shown", outputs=outputs, **QUICK)
        self.on(parts["correct_write"].click, write, "shown", "correct_format", outputs=outputs, **OPENING)
        self.on(parts["as_reference"].click, ask, "board", "shown", outputs=CORRECTING, **QUICK)
        hidden = {"reference_confirm": gr.update(visible=False)}
        self.on(parts["reference_no"].click, lambda call: hidden, outputs=("reference_confirm",), **QUICK)
        self.on(parts["reference_yes"].click, replace, "board", "shown", **OPENING)

    def _on_figure(self) -> None:
        def turn(call: Call, board: Board, asked: Asked) -> Updates:
            return self.handlers("result_handlers").turn(board, call.event.theme, asked)

        self.on(self.parts["figure"].theme, turn, "board", Asked, outputs=("figure", "no_figure"), **QUICK)

    def _on_run(self) -> None:
        def evaluate(call: Call, running: Running, board: Board, choices: Choices, asked: Asked) -> Iterator[Updates]:
            handlers = self.handlers("run_handlers")
            return handlers.evaluate(self.engine_for(call), self._turns, running, board, choices, asked)

        def compare(call: Call, board: Board, choices: Choices) -> str:
            return self.handlers("run_handlers").stale_mark(board, choices)

        inputs = ("board", Choices, Asked)
        event = self.run_after(
            self.parts["evaluate"].click, evaluate, *inputs, words=texts.STARTING, show_progress="hidden"
        )
        event.then(None, None, None, js=TO_STATUS, api_visibility="private")
        self.then_pictures(event)
        self.on_stop()
        for name in controls(Choices):
            self.mark_stale(self.parts[name].change, compare, "board")

        self._on_test_sets()

    def _on_test_sets(self) -> None:
        def choose(call: Call, board: Board, names: list[str]) -> Updates:
            return self.handlers("result_handlers").choose_test_sets(self.engine_for(call), board, names)

        def add(call: Call, board: Board, path: str | None, chosen: list[str]) -> Updates:
            root = call.session.folder / "test_sets"
            return self.handlers("result_handlers").add_test_set(self.engine_for(call), board, path, root, chosen)

        chosen, added = self.parts["test_sets"].input, self.parts["new_test_set"].upload
        self.on(chosen, choose, "board", "test_sets", outputs=("split", "status"), **OPENING)
        outputs = ("board", "test_sets", "split", "status")
        event = self.on(added, add, "board", "new_test_set", "test_sets", outputs=outputs, **OPENING)
        event.then(None, None, None, js=TO_STATUS, api_visibility="private")

    def _on_export(self) -> None:
        def export(call: Call, board: Board, kind: str) -> Updates:
            folder, handlers = call.session.folder, self.handlers("result_handlers")
            with call.session.running(CASE) as running:
                return handlers.export(self.engine_for(call), running, board, kind, folder)

        outputs = ("files", "export_note")
        self.on(self.parts["prepare"].click, export, "board", "format", outputs=outputs, **OPENING)

    def _on_code(self) -> None:
        def write(call: Call, board: Board) -> Updates:
            return self.handlers("code").board_code(board, self.engine_for(call).settings, call.address)

        for name in ("leaderboard", "case_head"):
            self.on(self.parts[name].change, write, "board", outputs=CODE_PARTS, **QUICK)
