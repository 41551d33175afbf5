"""What the viewer is told of corrections by hand: what may be corrected, and the answers to what was."""

from collections.abc import Sequence
from dataclasses import dataclass

from medseg_demo.rendering.predictions import ClassTotals


@dataclass(frozen=True)
class ShownEditing:
    """Which prediction of a value can be corrected, and how far that is.

    Attributes:
        prediction: Its place among the value's.
        classes: The label values of the value that may be painted; 0 may always.
        revision: The number of the last step that is in the slices of the value; 0 for none.
        saved: That of the last step that was saved.
        changed_slices: The axial slices that differ from what was there before, from 0.
        copies: The places of other predictions that can be copied from.
        tool: With which it begins at once, such as "click"; empty where the person begins.
    """

    prediction: int
    classes: list[int]
    revision: int
    saved: int
    changed_slices: list[int]
    copies: list[int]
    tool: str = ""


@dataclass(frozen=True)
class EditAnswer:
    """What the server says of steps, or of a question; it goes to the viewer in place of a value.

    Attributes:
        key: Of the value that was corrected.
        revision: The number of the last step that is held.
        saved: As of ``ShownEditing``.
        changed_slices: As of ``ShownEditing``.
        problem: Why something was not done, in a sentence; else empty.
        reload: Whether the viewer's slices are not what is held: it has to ask for them anew.
        is_gone: Whether nothing is held under that key any more, so that nothing more can be corrected.
        asked: The number of the question that this answers; 0 for none.
        kind: What kind of step the runs are.
        runs: [start, length, before, after] of each run that the viewer is to do, and to send back as a step.
        totals: One for each class of the value, of a volume, where they were counted anew.
    """

    key: str
    revision: int
    saved: int
    changed_slices: list[int]
    problem: str = ""
    reload: bool = False
    is_gone: bool = False
    asked: int = 0
    kind: str = ""
    runs: Sequence[tuple[int, int, int, int]] = ()
    totals: list[ClassTotals] | None = None
