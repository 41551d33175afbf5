"""The events of a viewer that corrects, for any tab."""

from collections.abc import Callable, Sequence

import gradio as gr

from medseg_demo.rendering.editing import EditAnswer
from medseg_demo.ui.correct import clicks, handlers
from medseg_demo.ui.correct.corrections import Corrections
from medseg_demo.ui.tab import QUICK, Call, Tab, Updates

CLICKS = "clicks"  # in place of a tab: what a Stop of the tab leaves alone


def connect(
    tab: Tab, corrections_of: Callable[[Call], Corrections], *, viewer: str = "viewer", files: Sequence[str] = ()
) -> None:
    """Give the events of a viewer that correct their handlers.

    Args:
        tab: Whose viewer it is.
        corrections_of: Those of the visitor on this tab; ``Corrections.show`` tells them of each value with
            ``editing`` that goes to the viewer.
        viewer: The part that is the viewer.
        files: Parts that hand out files of what is shown: they rest from the first edit on, until the tab's handler
            of ``edited`` has written them anew (``Corrected.written``).
    """

    def edit(call: Call) -> Updates:
        corrections = corrections_of(call)
        corrected = corrections.find(getattr(call.event, "key", None))
        written = -1 if corrected is None else corrected.written
        was_written = corrected is not None and corrected.correction.revision == written
        answer = handlers.edit(corrections, call.event)
        rest = was_written and answer.revision > written  # the first edit since
        return {
            viewer: handlers.as_value(answer),
            **({name: gr.update(interactive=False) for name in files} if rest else {}),
        }

    def work_out(handler: Callable[[Corrections, object], EditAnswer]) -> Callable[[Call], Updates]:
        return lambda call: {viewer: handlers.as_value(handler(corrections_of(call), call.event))}

    def look(handler: Callable[..., EditAnswer]) -> Callable[[Call], Updates]:
        def answer(call: Call) -> Updates:
            engine = tab.engine_for(call)
            return {viewer: handlers.as_value(handler(corrections_of(call), call.event, engine, call.session, CLICKS))}

        return answer

    shown = tab.parts[viewer]
    options = QUICK | {"trigger_mode": "multiple"}  # what got no answer is sent again
    tab.on(shown.edit, edit, outputs=(viewer, *files), **options)
    tab.on(shown.fill_between, work_out(handlers.between), outputs=(viewer,), **options)
    tab.on(shown.copy, work_out(handlers.copy), outputs=(viewer,), **options)
    tab.on(shown.find_object, look(clicks.click), outputs=(viewer,), **options)
    tab.on(shown.propagate, look(clicks.propagate), outputs=(viewer,), **options)
