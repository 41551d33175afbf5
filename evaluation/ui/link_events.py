"""What happens when the page is opened by a link, and when the visitor goes back and forward.

The right tab comes up, with what the address names; the address follows the tab, and the run and case of Evaluate.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING, Any

import gradio as gr

from evaluation.ui.evaluate.components import html
from evaluation.ui.evaluate.messages import message
from evaluation.ui.links import TABS, Link, read_link
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui import markup
from medseg_demo.ui.segment import handlers, run_handlers
from medseg_demo.ui.segment.state import Choices, Work
from medseg_demo.ui.segment.tab import SegmentTab
from medseg_demo.ui.session import Running
from medseg_demo.ui.tab import QUICK, Call, Updates

if TYPE_CHECKING:
    from evaluation.ui.compare.tab import CompareTab
    from evaluation.ui.evaluate.tab import EvaluateTab

REFUSED_TITLE = "This link cannot be opened"
TELL_TAB = '() => document.dispatchEvent(new CustomEvent("medseg-tab", {{ detail: {id} }}))'


class Links:
    """Opens the page by its address. Make it where its notice is to stand; then ``connect`` it.

    Args:
        engine: Knows what may be named.

    Attributes:
        place: What the Evaluate tab shows, for the browser's address. Events: ``place.go(handler)``: the visitor went
            back or forward; ``event.parameters`` are those of the address, ``event.visit`` numbers the visits.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        script = resources.files("evaluation.ui").joinpath("browser", "place.js").read_text(encoding="utf-8")
        self.place = html("", html_template="", js_on_load=script, visible="hidden", elem_id="ms-place")
        self._notice = html(elem_id="ms-link", elem_classes="ev-note")
        self._asked = {kind: gr.Textbox(visible="hidden", elem_id=f"ms-link-{kind}") for kind in ("segment", "compare")}

    def connect(self, tabs: gr.Tabs, segment: SegmentTab, compare: "CompareTab", evaluate: "EvaluateTab") -> None:
        """Read the address once the Segment tab is filled, and let the tab that it names do its part."""

        def open_page(request: gr.Request) -> dict[Any, object]:
            link, updates = self._read(dict(request.query_params))
            if link is None and "tabs" in updates:  # nobody is taken away from the tab that was chosen meanwhile
                return gr.skip()
            shown = {{"tabs": tabs, "link_notice": self._notice}[name]: value for name, value in updates.items()}
            return shown | ({self._asked[link.tab]: link.tab} if link and link.sample else {})

        segment.loaded.then(open_page, None, [self._notice, tabs, *self._asked.values()], **QUICK)
        evaluate.follow_address(self.place.go, self._read, tabs=tabs, link_notice=self._notice)
        for tab in tabs.children:
            assert isinstance(tab, gr.Tab)
            tab.select(None, js=TELL_TAB.format(id=json.dumps(tab.id)))
        self._on_segment(segment)
        self._on_compare(compare)

    def _read(self, parameters: Mapping[str, str]) -> tuple[Link | None, dict[str, object]]:
        """What an address asks for, with the tab that comes up, or why it cannot be opened."""
        try:
            link = read_link(parameters, self._engine)
        except Exception as error:
            return None, {"link_notice": markup.panel("warning", REFUSED_TITLE, [message(error)])}
        return link, {"link_notice": "", "tabs": gr.Tabs(selected=link.tab if link else TABS[0])}

    def _link(self, request: gr.Request) -> Link | None:
        return read_link(dict(request.query_params), self._engine)

    def _on_segment(self, tab: SegmentTab) -> None:
        def open_link(call: Call, running: Running, choices: Choices) -> Iterator[Updates]:
            link = self._link(call.request)
            return segment_sample(self._engine, call, running, link, choices) if link and link.sample else iter(())

        tab.then_code(tab.run_after(self._asked["segment"].change, open_link, Choices))

    def _on_compare(self, tab: "CompareTab") -> None:
        def open_link(call: Call, running: Running) -> Iterator[Updates]:
            link = self._link(call.request)
            return compare_sample(self._engine, call, running, link) if link and link.sample else iter(())

        tab.run_after(self._asked["compare"].change, open_link)


def segment_sample(engine: Engine, call: Call, running: Running, link: Link, choices: Choices) -> Iterator[Updates]:
    """Choose the sample and the checkpoint of a link on the Segment tab, and segment."""
    assert link.sample is not None
    suited = link.sample.suited(engine.usable())
    name = next(iter(link.checkpoints), suited.name if suited else link.sample.checkpoint)
    choices, sample = replace(choices, checkpoint=name), replace(link.sample, checkpoint=name)
    updates = handlers.choose_sample(engine, call.session.part(Work), sample, choices)
    yield updates
    if "checkpoint" not in updates:  # the sample could not be read, which was told
        return
    entry = engine.find(name)
    threshold = (entry.card.threshold if entry and entry.card else None) or choices.threshold
    yield from run_handlers.run(engine, call, running, replace(choices, threshold=threshold))


def compare_sample(engine: Engine, call: Call, running: Running, link: Link) -> Iterator[Updates]:
    """Choose the sample and the checkpoints of a link on the Compare tab, and compare."""
    from evaluation.ui.compare.handlers import choose_sample
    from evaluation.ui.compare.run import run
    from evaluation.ui.compare.state import Request
    from evaluation.ui.compare.state import Work as Comparing

    assert link.sample is not None
    yield choose_sample(engine, call.session.part(Comparing), link.sample, link.checkpoints)
    yield from run(engine, call, running, Request(link.checkpoints))
