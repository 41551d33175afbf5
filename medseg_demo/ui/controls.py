"""Controls whose values the handlers judge, which know more than Gradio does and say it in words.

Gradio compares a value with the choices and the limits that it last sent to that page. A click before the page is
complete, a checkpoint that is new or gone, or an emptied number would end in its own error, and in a traceback.
"""

from abc import ABCMeta
from typing import Any

import gradio as gr
from gradio.component_meta import ComponentMeta


class _NoStub(ComponentMeta):
    """Makes a component without the ``.pyi`` file that Gradio would write beside this module."""

    def __new__(cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> type:
        return ABCMeta.__new__(cls, name, bases, attributes)


class Choice(gr.Dropdown, metaclass=_NoStub):
    """A dropdown of names, which the handlers look up; whatever is no name is left out."""

    is_template = True  # drawn by the browser as a dropdown

    def preprocess(self, payload: Any) -> Any:
        """The name, or None; the list of names where several may be chosen."""
        if self.multiselect:
            return [name for name in payload if isinstance(name, str)] if isinstance(payload, list) else []
        return payload if isinstance(payload, str) else None

    def postprocess(self, value: Any) -> Any:
        """As it is: the page may be told of the choices a moment later."""
        return value


class Share(gr.Slider, metaclass=_NoStub):
    """A slider whose number may be typed: one beyond its ends is the nearest end, and none is None."""

    is_template = True  # drawn by the browser as a slider

    def preprocess(self, payload: Any) -> float | None:  # type: ignore[override]
        """A number from ``minimum`` to ``maximum``; None where the field was emptied."""
        if not isinstance(payload, int | float) or payload != payload:
            return None
        return min(max(payload, self.minimum), self.maximum)
