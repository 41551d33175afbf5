"""A tab of two controls and a run, as Gradio calls it: through the functions that its events have."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import gradio as gr
import pytest

from medseg_demo.segmenting.turns import Cancelled
from medseg_demo.ui.session import Session, Sessions
from medseg_demo.ui.tab import QUICK, Tab, controls


@dataclass(frozen=True)
class Wanted:
    name: str = ""
    count: int = field(default=0, metadata={"part": "how_many"})


class Page:
    """The events of a page by their names, called as a visitor of this hash would."""

    def __init__(self, handler) -> None:
        with gr.Blocks():
            self.sessions = Sessions().add_state()
            self.parts = {
                "name": gr.Textbox(),
                "how_many": gr.Number(),
                "go": gr.Button(),
                **{name: gr.Button() if name == "stop" else gr.HTML() for name in ("stop", "status", "stale")},
            }
            self.tab = Tab(None, self.sessions, self.parts, button="go", record=Wanted)
            self.events: dict[str, object] = {}
            self.tab.run_after(self._keep("run"), handler, Wanted)
            self.tab.mark_stale(self._keep("stale"), lambda call, wanted: f"not {wanted.name}")
            self.tab.on(self._keep("read"), lambda call, name: {"status": name}, "name", outputs=("status",), **QUICK)
        self.session = Session()

    def _keep(self, name: str):
        def event(function, inputs, outputs, **options) -> None:
            self.events[name] = (function, inputs, outputs)

        return event

    def call(self, name: str, *values: object):
        function, _, _ = self.events[name]
        request, event = SimpleNamespace(session_hash="abc123"), SimpleNamespace()
        extra = (None,) if name == "run" else ()
        return function(request, event, *extra, self.session, *values)

    def named(self, changes: dict) -> dict[str, object]:
        """Changes by the names of parts, without the session."""
        names = {part: name for name, part in self.parts.items()}
        return {names[part]: value for part, value in changes.items() if part is not self.sessions.state}


@pytest.fixture(autouse=True)
def upload_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))


def test_controls_become_one_record():
    assert controls(Wanted) == ["name", "how_many"]
    seen = []
    page = Page(lambda call, running, wanted: iter([{"status": seen.append(wanted)}]))
    assert page.events["run"][1] == [page.sessions.state, page.parts["name"], page.parts["how_many"]]
    list(page.call("run", "a", 3))
    assert seen == [Wanted("a", 3)]


def test_the_button_waits_while_a_run_goes_on_and_stop_may_be_pressed():
    page = Page(lambda call, running, wanted: iter([{"status": "half"}, {"status": "done"}]))
    first, *between, last = [page.named(step) for step in page.call("run", "a", 3)]
    assert (first["go"]["interactive"], first["stop"]["interactive"]) == (False, True)
    assert between == [{"status": "half"}, {"status": "done"}]
    assert (last["go"]["interactive"], last["stop"]["interactive"]) == (True, False)


def test_stop_ends_the_run_of_its_session():
    def run(call, running, wanted):
        yield {"status": "half"}
        with pytest.raises(Cancelled):
            running.check()
        yield {"status": "stopped"}

    page = Page(run)
    steps = page.call("run", "a", 3)
    next(steps), next(steps)
    page.session.stop("go")
    assert page.named(next(steps)) == {"status": "stopped"}


def test_a_run_that_nobody_waits_for_any_more_is_cancelled():
    runs = []

    def run(call, running, wanted):
        runs.append(running)
        yield {"status": "half"}
        yield {"status": "done"}

    page = Page(run)
    steps = page.call("run", "a", 3)
    next(steps), next(steps)
    steps.close()
    assert runs[0].stopped.is_set()
    assert not page.session.is_running


def test_each_event_knows_the_session_and_gives_it_back():
    page = Page(lambda call, running, wanted: iter(()))
    changes = page.call("read", "a")
    assert changes[page.sessions.state] is page.session
    assert page.session.owner == "abc123"
    assert page.named(changes) == {"status": "a"}
    assert page.named(page.call("stale", "a", 3)) == {"stale": "not a"}


def test_the_last_updates_come_once_more_whole_though_gradio_takes_the_values_out():
    page = Page(lambda call, running, wanted: iter([{"status": gr.update(value="done", visible=True)}]))
    last = {}
    for changes in page.call("run", "a", 1):
        last = {name: dict(value) for name, value in page.named(changes).items() if isinstance(value, dict)}
        for value in changes.values():
            if isinstance(value, dict):
                value.pop("value", None)
    assert (last["status"]["value"], last["stop"]["interactive"]) == ("done", False)
