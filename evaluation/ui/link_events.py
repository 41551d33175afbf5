"""What happens when the page is opened by a link: the right tab comes up, with what the link names."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from evaluation.ui.evaluate.components import html
from evaluation.ui.evaluate.messages import message
from evaluation.ui.links import Link, read_link
from medseg_demo.errors import OptionError
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
TABS = {"segment": "segment", "compare": "compare", "run": "evaluate"}  # kinds of links, ids of tabs


class Links:
    """Opens the page by its address. Make it where its notice is to stand; then ``connect`` it.

    Args:
        engine: Knows what may be named.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._notice = html(elem_id="ms-link", elem_classes="ev-note")
        self._asked = {kind: gr.Textbox(visible="hidden", elem_id=f"ms-link-{kind}") for kind in ("segment", "compare")}

    def connect(self, tabs: gr.Tabs, segment: SegmentTab, compare: "CompareTab", evaluate: "EvaluateTab") -> None:
        """Read the address once the Segment tab is filled, and let the tab that it names do its part."""

        def read(request: gr.Request) -> dict[Any, object]:
            try:
                link = self._link(request)
            except Exception as error:
                return {self._notice: markup.panel("warning", REFUSED_TITLE, [message(error)])}
            if link is None:
                return gr.skip()
            asked = {self._asked[link.kind]: link.kind} if link.kind in self._asked else {}
            return {self._notice: "", tabs: gr.Tabs(selected=TABS[link.kind]), **asked}

        segment.loaded.then(read, None, [self._notice, tabs, *self._asked.values()], **QUICK)
        self._on_segment(segment)
        self._on_compare(compare)
        self._on_run(evaluate)

    def _link(self, request: gr.Request) -> Link | None:
        return read_link(dict(request.query_params), self._engine)

    def _on_segment(self, tab: SegmentTab) -> None:
        def open_link(call: Call, running: Running, choices: Choices) -> Iterator[Updates]:
            link = self._link(call.request)
            return segment_sample(self._engine, call, running, link, choices) if link else iter(())

        tab.then_code(tab.run_after(self._asked["segment"].change, open_link, Choices))

    def _on_compare(self, tab: "CompareTab") -> None:
        def open_link(call: Call, running: Running) -> Iterator[Updates]:
            link = self._link(call.request)
            return compare_sample(self._engine, call, running, link) if link else iter(())

        tab.run_after(self._asked["compare"].change, open_link)

    def _on_run(self, tab: "EvaluateTab") -> None:
        def open_link(call: Call, board: Any) -> Updates:
            if "run" not in call.request.query_params:
                return {}
            from evaluation.ui.evaluate.run_links import open_run

            try:
                link = self._link(call.request)
            except OptionError:  # which ``read`` has told
                return {}
            return open_run(self._engine, board, link.run, link.case) if link else {}

        # Not after the change of the link: the tab's own first paint must be over.
        opened = tab.on(tab.loaded.then, open_link, "board", **QUICK)
        tab.then_pictures(opened, parameter="run")


def segment_sample(engine: Engine, call: Call, running: Running, link: Link, choices: Choices) -> Iterator[Updates]:
    """Choose the sample and the checkpoint of a link on the Segment tab, and segment."""
    assert link.sample is not None
    name = next(iter(link.checkpoints), link.sample.checkpoint)
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
