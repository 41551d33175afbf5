"""What all figures of the evaluation share, beside the look of every figure (``medseg_demo.rendering.figures``).

Each checkpoint has a colour and a symbol; misses and failures have symbols and a labelled line of their own.
"""

from collections.abc import Iterable

from medseg_demo.rendering.figures import COLOURS, INKS, Theme, as_json, base_figure, colour, symbol

__all__ = ["COLOURS", "DASHES", "INKS", "Theme", "as_json", "base_figure", "colour", "positions", "symbol"]

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


def positions(names: Iterable[str]) -> dict[str, int]:
    """Each name's position in order of first appearance."""
    return {str(name): place for place, name in enumerate(dict.fromkeys(names))}
