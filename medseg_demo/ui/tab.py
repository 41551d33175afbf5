"""What every tab of the page is made of: parts by name, records of inputs, and one way from an event to its handler."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import gradio as gr
from gradio.components import Component

from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.turns import Waiting
from medseg_demo.ui import markup, texts
from medseg_demo.ui.code import page_address
from medseg_demo.ui.language import asked_language
from medseg_demo.ui.session import Session, Sessions

Updates = Mapping[str, object]  # by the names of parts
Changes = dict[Component, object]
Event = Callable[..., Any]  # such as ``button.click``

STYLESHEET = Path(__file__).parent / "bar.css"
SERVER_SCRIPT = Path(__file__).parent / "browser" / "server.js"  # a function, run when the page is loaded

# The engine gives runs their turns and tells each its place, so that Gradio's own queue must not hold them back.
RUNS_AT_ONCE = 64
THREADS = 128  # a queued run keeps one
PROGRESS_EVERY_S = 0.2

QUICK: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
READING: dict[str, Any] = {"concurrency_id": "read", "concurrency_limit": 4, "api_visibility": "private"}
RUNNING: dict[str, Any] = {"concurrency_id": "run", "concurrency_limit": RUNS_AT_ONCE, "api_visibility": "private"}


@dataclass(frozen=True, eq=False)
class Call:
    """One event of a visitor, as its handler sees it.

    Attributes:
        session: The visitor's.
        request: Of the browser.
        event: What the browser says about the event, such as ``event.index`` of a selection.
        progress: Shows how far a run is; of runs only.
    """

    session: Session
    request: gr.Request
    event: Any
    progress: gr.Progress | None = None

    @cached_property
    def address(self) -> str:
        """Where the page lies, for the code that reproduces a view."""
        return page_address(self.request)

    def say(self, share: float, words: str) -> None:
        """Show how far a run is; Gradio shows words with a share only."""
        if self.progress is not None:
            self.progress(share, desc=asked_language().text(words))

    def waiting(self, name: str) -> Waiting:
        """Shows the place in the queue of a run on what is called so."""
        return lambda ahead, seconds: self.say(0.0, texts.queued(name, ahead, seconds))


class Tab:
    """A tab: its parts by name, and the events between them. Make it inside the open tab; then connect it.

    Every handler gets a ``Call`` and the values that it asks for, and returns the parts that change, by their names.

    Args:
        engine: Runs the checkpoints.
        sessions: Knows the visitor of each event.
        parts: The components by name. A run has its ``button``, and ``stop``, ``status`` and ``stale``.
        button: The name of the button that starts a run.
        record: A frozen dataclass of what the controls say. A field is called like its control, or names it in
            ``metadata["part"]``; where the values of controls are not the fields', ``record.of`` makes them so.
    """

    def __init__(
        self, engine: Engine, sessions: Sessions, parts: Mapping[str, Any], *, button: str, record: type
    ) -> None:
        self.engine, self.parts, self._sessions, self._button, self._record = engine, parts, sessions, button, record
        self.everything = tuple(parts)

    def engine_for(self, call: Call) -> Engine:
        """The engine with what this visitor added for himself."""
        return self.engine.beside(call.session.checkpoints_dir)

    def on(
        self,
        event: Event,
        handler: Callable[..., Updates],
        *given: str | type,
        outputs: tuple[str, ...] | None = None,
        **options: Any,
    ) -> Any:
        """Have an event handled.

        Args:
            event: Such as ``button.click``, or ``then`` of an earlier one.
            handler: Called with a Call and the values.
            given: Names of parts, or records, whose values the handler gets.
            outputs: Names of the parts that it may change; None for all.
            options: QUICK, READING or RUNNING, and others of Gradio.
        """

        def respond(request: gr.Request, event: gr.EventData, session: Session, *values: Any) -> Changes:
            call = Call(self._sessions.opened(session, request), request, event)
            return self.changes(session, handler(call, *_unpacked(given, values)))

        return event(respond, self._inputs(given), self._outputs(outputs or self.everything), **options)

    def stream(
        self,
        event: Event,
        handler: Callable[..., Iterator[Updates]],
        *given: str | type,
        outputs: tuple[str, ...] | None = None,
        **options: Any,
    ) -> Any:
        """Have an event handled in steps, each of which is shown; the rest is as of ``on``."""

        # Gradio finds its own arguments by their place, so they stand before the inputs.
        def respond(
            request: gr.Request,
            event: gr.EventData,
            progress: gr.Progress = gr.Progress(),  # noqa: B008
            *values: Any,
        ) -> Iterator[Changes]:
            session, *given_values = values
            call = Call(self._sessions.opened(session, request), request, event, progress)
            for updates in handler(call, *_unpacked(given, given_values)):
                yield self.changes(session, updates)

        return event(respond, self._inputs(given), self._outputs(outputs or self.everything), **options)

    def run_after(
        self,
        event: Event,
        handler: Callable[..., Iterator[Updates]],
        *given: str | type,
        words: str | None = texts.WORKING,
        show_on: str = "status",
        **options: Any,
    ) -> Any:
        """Have an event start a run; its button waits meanwhile, and Stop ends it.

        Args:
            event: As of ``on``.
            handler: Called with a Call, the Running and the values.
            given: As of ``on``.
            words: What the status says first; None leaves it as it is.
            show_on: The part that shows how far the run is.
            options: Of Gradio.
        """

        def run(call: Call, *values: Any) -> Iterator[Updates]:
            with call.session.running(self._button) as running:
                yield self._busy(words)
                last: Updates = {}
                try:
                    for last in handler(call, running, *values):
                        yield _copied(last)
                finally:
                    running.cancel()  # where nobody waits for the rest
                # With the last updates again: the page may leave out the first of two at once.
                yield {**last, self._button: gr.update(interactive=True), "stop": gr.update(interactive=False)}

        return self.stream(event, run, *given, show_progress_on=[self.parts[show_on]], **RUNNING | options)

    def on_stop(self) -> None:
        """Have the Stop button end the runs of this tab and this visitor. A second press changes nothing."""

        def stop(call: Call) -> Updates:
            call.session.stop(self._button)
            return {"stop": gr.update(interactive=False)}

        self.on(self.parts["stop"].click, stop, outputs=("stop",), **QUICK)

    def mark_stale(self, event: Event, compare: Callable[..., str], *given: str) -> None:
        """Say after an event whether the result is still that of the controls.

        Args:
            event: As of ``on``.
            compare: Called with a Call, the given values and the record; gives the mark, or nothing.
            given: Names of parts.
        """

        def mark(call: Call, *values: Any) -> Updates:
            return {"stale": compare(call, *values)}

        self.on(event, mark, *given, self._record, outputs=("stale",), **QUICK)

    def changes(self, session: Session, updates: Updates) -> Changes:
        """Updates by name as changes by component. The session is among them, so that its hour begins anew."""
        return {self._sessions.state: session} | {self.parts[name]: value for name, value in updates.items()}

    def handlers(self, module: str) -> ModuleType:
        """A module beside the tab's, imported when it is first needed: start-up does not wait for it."""
        return import_module(f"{type(self).__module__.rpartition('.')[0]}.{module}")

    def _busy(self, words: str | None) -> Updates:
        said = {} if words is None else {"status": markup.busy(words), "stale": ""}
        return {self._button: gr.update(interactive=False), "stop": gr.update(interactive=True), **said}

    def _inputs(self, given: tuple[str | type, ...]) -> list[Component]:
        names = [name for one in given for name in ([one] if isinstance(one, str) else controls(one))]
        return [self._sessions.state, *(self.parts[name] for name in names)]

    def _outputs(self, names: tuple[str, ...]) -> list[Component]:
        return [self._sessions.state, *(self.parts[name] for name in names)]


def _copied(updates: Updates) -> Updates:
    """The same updates for Gradio, which takes the values out of those that it has sent."""
    return {name: dict(value) if isinstance(value, dict) else value for name, value in updates.items()}


def controls(record: type) -> list[str]:
    """The names of the controls whose values a record holds, in the order of its fields."""
    return [str(field.metadata.get("part", field.name)) for field in fields(record)]


def _unpacked(given: tuple[str | type, ...], values: Any) -> Iterator[Any]:
    """The values of the controls, those of a record as one."""
    rest = iter(values)
    for one in given:
        if isinstance(one, str):
            yield next(rest)
        else:
            make = getattr(one, "of", one)
            yield make(*(next(rest) for _ in controls(one)))
