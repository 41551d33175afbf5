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
from medseg_demo.ui.code import page_address
from medseg_demo.ui.segment import handlers, run_handlers
from medseg_demo.ui.segment.tab import NETWORK, QUICK, SegmentTab
from medseg_demo.ui.session import Choices, Work, session_folder

if TYPE_CHECKING:
    from evaluation.ui.compare.tab import CompareTab
    from evaluation.ui.evaluate.tab import EvaluateTab

Updates = dict[str, object]

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
        self._kind = gr.Textbox(visible="hidden", elem_id="ms-link-kind")

    def connect(self, tabs: gr.Tabs, segment: SegmentTab, compare: "CompareTab", evaluate: "EvaluateTab") -> None:
        """Read the address once the Segment tab is filled, and let the tab that it names do its part."""

        def read(request: gr.Request) -> tuple[str, str, object]:
            try:
                link = self._link(request)
            except Exception as error:
                return "", markup.panel("warning", REFUSED_TITLE, [message(error)]), gr.skip()
            return link.kind if link else "", "", gr.Tabs(selected=TABS[link.kind]) if link else gr.skip()

        segment.loaded.then(read, None, [self._kind, self._notice, tabs], **QUICK)
        self._on_segment(segment)
        self._on_compare(compare)
        self._on_run(evaluate)

    def _link(self, request: gr.Request) -> Link | None:
        return read_link(dict(request.query_params), self._engine)

    def _on_segment(self, tab: SegmentTab) -> None:
        def open_link(
            request: gr.Request,
            progress: gr.Progress = gr.Progress(),  # noqa: B008
            kind: str = "",
            work: Any = None,
            *choices: Any,
        ) -> Iterator[dict[Any, object]]:
            link = self._link(request) if kind == "segment" else None
            if link is None or link.sample is None:
                yield gr.skip()
                return
            chosen = replace(Choices(*choices), checkpoint=next(iter(link.checkpoints), link.sample.checkpoint))
            folder = session_folder(request.session_hash)
            for updates in segment_sample(self._engine, work, link, chosen, folder, progress):
                yield tab.changes(updates)

        options = NETWORK | {"show_progress_on": [tab.parts["status"]]}
        tab.then_code(self._kind.change(open_link, [self._kind, *tab.inputs], tab.outputs, **options))

    def _on_compare(self, tab: "CompareTab") -> None:
        def open_link(
            request: gr.Request,
            progress: gr.Progress = gr.Progress(),  # noqa: B008
            kind: str = "",
            work: Any = None,
        ) -> Iterator[dict[Any, object]]:
            from evaluation.ui.compare.handlers import choose_sample
            from evaluation.ui.compare.run import run
            from evaluation.ui.compare.state import Request

            link = self._link(request) if kind == "compare" else None
            if link is None or link.sample is None:
                yield gr.skip()
                return
            folder, address = session_folder(request.session_hash), page_address(request)
            updates: dict[str, Any] = choose_sample(self._engine, work, link.sample, link.checkpoints)
            yield tab.changes(updates)
            for step in run(self._engine, updates["work"], Request(link.checkpoints), folder, address, progress):
                yield tab.changes(step)

        inputs = [self._kind, tab.parts["work"]]
        self._kind.change(open_link, inputs, tab.outputs, show_progress_on=[tab.parts["status"]], **NETWORK)

    def _on_run(self, tab: "EvaluateTab") -> None:
        def open_link(request: gr.Request, board: Any) -> dict[Any, object]:
            if "run" not in request.query_params:
                return gr.skip()
            from evaluation.ui.evaluate.run_links import open_run

            try:
                link = self._link(request)
            except OptionError:  # which ``read`` has told
                return gr.skip()
            return tab.changes(open_run(self._engine, board, link.run, link.case)) if link else gr.skip()

        # Not after the change of the link: the tab's own first paint must be over.
        opened = tab.loaded.then(open_link, tab.parts["board"], tab.outputs, **QUICK)
        tab.then_pictures(opened, parameter="run")


def segment_sample(
    engine: Engine, work: Work, link: Link, choices: Choices, folder: Any, progress: gr.Progress
) -> Iterator[Updates]:
    """Choose the sample and the checkpoint of a link on the Segment tab, and segment."""
    assert link.sample is not None
    suited = replace(link.sample, checkpoint=choices.checkpoint or "")
    updates: dict[str, Any] = handlers.choose_sample(engine, work, suited, choices)
    yield updates
    entry = engine.find(choices.checkpoint)
    threshold = (entry.card.threshold if entry and entry.card else None) or choices.threshold
    if "work" not in updates:  # the sample could not be read, which was told
        return
    yield from run_handlers.run(engine, updates["work"], replace(choices, threshold=threshold), folder, progress)
