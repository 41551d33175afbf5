"""Events of the Evaluate tab: which one calls which handler, with which parts of the page."""

from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import gradio as gr
from gradio.components import Component

from evaluation.ui.evaluate.board import Asked, Board, Choices
from evaluation.ui.evaluate.layout import ASKED, CHOICES, lay_out
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui.code import page_address
from medseg_demo.ui.code_view import CODE_PARTS
from medseg_demo.ui.session import session_folder

Changes = dict[Component, object]
Updates = dict[str, object]

# One evaluation at a time; the others see their place in the queue. It is not the turn of the Segment tab.
RUNNING: dict[str, Any] = {"concurrency_id": "evaluate", "concurrency_limit": 1, "api_visibility": "private"}
OPENING: dict[str, Any] = {"concurrency_id": "open", "concurrency_limit": 4, "api_visibility": "private"}
QUICK: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}

# What the browser alone knows: the visitor's own name, kept there, and whether the page is dark.
ON_LOAD = """() => {
  const numbers = Array.from(crypto.getRandomValues(new Uint8Array(16)));
  let visitor = numbers.map((number) => number.toString(16).padStart(2, "0")).join("");
  try {
    const kept = localStorage.getItem("medseg-visitor");
    if (/^[0-9a-f]{32}$/.test(kept || "")) visitor = kept;
    else localStorage.setItem("medseg-visitor", visitor);
  } catch {}
  return [visitor, document.body.classList.contains("dark") ? "dark" : "light"];
}"""


TO_STATUS = """() => document.querySelector("#ev-status")?.scrollIntoView({ block: "start" })"""


def _handlers(kind: str) -> ModuleType:
    """A module of handlers, imported when it is first needed: start-up does not wait for pandas and plotly."""
    return import_module(f"evaluation.ui.evaluate.{kind}_handlers")


class EvaluateTab:
    """The Evaluate tab. Make it inside the open tab; then ``connect`` it to the page.

    Args:
        engine: Runs the checkpoints; its settings name the folders.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.parts = lay_out(engine.settings)
        self.outputs = list(self.parts.values())
        self._board = self.parts["board"]
        self._asked = [self.parts[name] for name in ASKED]
        self._choices = [self.parts[name] for name in CHOICES]

    def connect(self, page: gr.Blocks) -> None:
        """Give every event of the tab its handler."""
        self._on_start(page)
        self._on_question()
        self._on_table()
        self._on_case()
        self._on_run()
        self._on_export()
        self._on_code()

    def _on_start(self, page: gr.Blocks) -> None:
        def open_tab(visitor: str, theme: str) -> Changes:
            return self.changes(_handlers("result").open_tab(self._engine, visitor, theme))

        inputs = [self.parts["visitor"], self.parts["theme"]]
        self.loaded = page.load(open_tab, inputs, self.outputs, js=ON_LOAD, show_progress="hidden", **OPENING)
        self.then_pictures(self.loaded)

        def choose(board: Board, keys: list[str], *asked: object) -> Changes:
            return self.changes(_handlers("result").choose_runs(self._engine, board, keys, Asked.of(*asked)))

        runs = self.parts["runs"]
        self.then_pictures(runs.input(choose, [self._board, runs, *self._asked], self.outputs, **QUICK))

    def _on_question(self) -> None:
        for name in ("test_set", "class_name", "metric", "compared", "empty", "failed", "order"):
            event = self.parts[name].input(self._asker("ask"), [self._board, *self._asked], self.outputs, **QUICK)
            self.then_pictures(event)
        outputs = [self.parts[name] for name in ("difference", "figure", "no_figure", "column")]
        for names, handler in (
            (("first", "second"), "compare"),
            (("plot", "column"), "draw"),
        ):
            for name in names:
                self.parts[name].input(self._asker(handler), [self._board, *self._asked], outputs, **QUICK)

    def _asker(self, name: str) -> Callable[..., Changes]:
        def ask(board: Board, *asked: object) -> Changes:
            return self.changes(getattr(_handlers("result"), name)(board, Asked.of(*asked)))

        return ask

    def then_pictures(self, event: gr.events.Dependency, *, parameter: str = "") -> None:
        """Give the worst cases their pictures after everything else is there.

        Args:
            event: What brought the cases.
            parameter: Do so only where the page's address has it.
        """

        def add_pictures(request: gr.Request, board: Board) -> Changes:
            if parameter and parameter not in request.query_params:
                return gr.skip()
            return self.changes(_handlers("result").add_pictures(self._engine, board))

        event.then(add_pictures, self._board, self.parts["gallery"], show_progress="hidden", **OPENING)

    def _on_table(self) -> None:
        def sort(board: Board, event: gr.EventData) -> Changes:
            return self.changes(_handlers("result").sort_table(board, str(event.column)))

        def turn(board: Board, event: gr.EventData) -> Changes:
            return self.changes(_handlers("result").turn_page(board, int(event.page)))

        def keep(board: Board, text: str) -> Changes:
            return self.changes(_handlers("result").filter_table(board, text))

        cases, outputs = self.parts["cases"], [self._board, self.parts["cases"]]
        cases.sort(sort, self._board, outputs, **QUICK)
        cases.turn_page(turn, self._board, outputs, **QUICK)
        self.parts["filter"].input(
            keep, [self._board, self.parts["filter"]], outputs, trigger_mode="always_last", **QUICK
        )

    def _on_case(self) -> None:
        shown = self.parts["shown"]

        def open_picked(board: Board, case: object, event: gr.EventData) -> Changes:
            return self.changes(_handlers("case").open_picked(self._engine, board, list(event.pick), case))

        def open_neighbour(board: Board, case: object, event: gr.EventData) -> Changes:
            return self.changes(_handlers("case").open_neighbour(self._engine, board, int(event.step), case))

        def close(board: Board) -> Changes:
            return self.changes(_handlers("case").close(board))

        def send_slices(case: object, event: gr.EventData) -> object:
            return _handlers("case").send_slices(case, event.plane, event.slices, event.key, event.channels)

        names = ("board", "shown", "drawer", "case_head", "case_note", "viewer", "others", "case_scores", "cases")
        outputs = [self.parts[name] for name in names]
        options = OPENING | {"show_progress": "hidden", "trigger_mode": "once"}
        for name in ("figure", "cases", "gallery", "others"):
            self.parts[name].pick(open_picked, [self._board, shown], outputs, **options)
        for name in ("case_head", "viewer"):
            self.parts[name].navigate(open_neighbour, [self._board, shown], outputs, **options)
        self.parts["case_head"].close(close, self._board, outputs, **QUICK)
        self.parts["viewer"].change_slice(send_slices, shown, self.parts["viewer"], **QUICK)

        # Gradio finds its own argument by its place, so it stands before the inputs.
        def turn(event: gr.EventData, board: Board, *asked: object) -> Changes:
            return self.changes(_handlers("result").turn(board, event.theme, Asked.of(*asked)))

        self.parts["figure"].theme(
            turn, [self._board, *self._asked], [self.parts[name] for name in ("figure", "no_figure")], **QUICK
        )

    def _on_run(self) -> None:
        split = len(CHOICES)

        def evaluate(board: Board, *values: object) -> Iterator[Changes]:
            choices, asked = Choices.of(*values[:split]), Asked.of(*values[split:])
            for updates in _handlers("run").evaluate(self._engine, board, choices, asked):
                yield self.changes(updates)

        def compare(board: Board, *values: object) -> str:
            return _handlers("run").stale_mark(board, Choices.of(*values))

        inputs = [self._board, *self._choices, *self._asked]
        event = self.parts["evaluate"].click(evaluate, inputs, self.outputs, show_progress="hidden", **RUNNING)
        event.then(None, None, None, js=TO_STATUS, api_visibility="private")
        self.then_pictures(event)
        stop = self.parts["stop"]
        stop.click(self._stop, self._board, stop, **QUICK)
        for component in self._choices:
            component.change(compare, [self._board, *self._choices], self.parts["stale"], **QUICK)

        def choose_test_sets(names: list[str]) -> Changes:
            return self.changes(_handlers("result").choose_test_sets(self._engine, names))

        outputs = [self.parts["split"], self.parts["status"]]
        self.parts["test_sets"].input(choose_test_sets, self.parts["test_sets"], outputs, **OPENING)

    @staticmethod
    def _stop(board: Board) -> object:
        return _handlers("run").request_stop(board)

    def _on_export(self) -> None:
        def export(request: gr.Request, board: Board, kind: str) -> Changes:
            folder = session_folder(request.session_hash)
            return self.changes(_handlers("result").export(self._engine, board, kind, folder))

        outputs = [self.parts["files"], self.parts["export_note"]]
        self.parts["prepare"].click(export, [self._board, self.parts["format"]], outputs, **OPENING)

    def _on_code(self) -> None:
        def write(request: gr.Request, board: Board) -> Changes:
            board_code = import_module("evaluation.ui.evaluate.code").board_code
            return self.changes(board_code(board, self._engine.settings, page_address(request)))

        code = [self.parts[name] for name in CODE_PARTS]
        for name in ("leaderboard", "case_head"):
            self.parts[name].change(write, self._board, code, **QUICK)

    def changes(self, updates: Updates) -> Changes:
        """Updates by name as updates by component; none at all in the form that Gradio takes for it."""
        return {self.parts[name]: value for name, value in updates.items()} or gr.skip()
