"""Edits as a browser sends them: runs of voxels with the value that they had and the one that they get."""

from dataclasses import dataclass
from typing import Self

from medseg_demo.errors import EditError

# Start, length, before, after: so many voxels of a label map, in C order over (Z, Y, X), had one value and get another.
Run = tuple[int, int, int, int]

KINDS = ("brush", "eraser", "polygon", "lasso", "fill", "between", "copy", "click", "undo", "redo")
MOST_RUNS = 200_000  # of one step
MOST_STEPS = 10_000  # that come at once, after a lost connection
TOO_MANY_RUNS = (
    f"This edit changes the label map in more than {MOST_RUNS:,} places. Do it for fewer slices, or for one class."
)
RELOAD = "Reload the page, and do it again."


@dataclass(frozen=True)
class Step:
    """What is done, or undone, at once.

    Attributes:
        number: From 1, without gaps within one correction.
        kind: One of ``KINDS``; an undo is a step whose runs are turned round.
        runs: Ascending, and apart from each other.
    """

    number: int
    kind: str
    runs: tuple[Run, ...]

    def inverted(self, number: int, kind: str = "undo") -> Self:
        """The step that takes this one back."""
        return type(self)(
            number, kind, tuple((start, length, after, before) for start, length, before, after in self.runs)
        )


def read_steps(value: object, *, size: int, classes: int) -> tuple[Step, ...]:
    """Steps from the JSON of a browser, from which anything may come.

    Args:
        value: A list of ``{"number": 1, "kind": "brush", "runs": [[start, length, before, after], …]}``.
        size: Voxels of the label map.
        classes: Its values are 0 to this.

    Raises:
        EditError: It is no such list, or a run lies outside, changes nothing, overlaps the one before it or has values
            that are none of the classes.
    """
    if not isinstance(value, list) or len(value) > MOST_STEPS:
        raise EditError(f"The edits that came are no list of at most {MOST_STEPS:,} steps. {RELOAD}")
    return tuple(_read_step(item, size, classes) for item in value)


def _read_step(item: object, size: int, classes: int) -> Step:
    if not isinstance(item, dict):
        raise EditError(f"An edit that came is no step with number, kind and runs. {RELOAD}")
    number, kind, runs = item.get("number"), item.get("kind"), item.get("runs")
    if type(number) is not int or not 1 <= number < 2**31:
        raise EditError(f"The number of an edit is not 1, 2, 3, …. {RELOAD}")
    if not isinstance(kind, str) or kind not in KINDS:
        raise EditError(f"Edit {number}: its kind is none of {', '.join(KINDS)}. {RELOAD}")
    if not isinstance(runs, list):
        raise EditError(f"Edit {number}: its runs are no list. {RELOAD}")
    if len(runs) > MOST_RUNS:
        raise EditError(TOO_MANY_RUNS)
    return Step(number, kind, tuple(_read_runs(runs, number, size, classes)))


def _read_runs(runs: list[object], number: int, size: int, classes: int) -> list[Run]:
    found: list[Run] = []
    end = 0
    for run in runs:
        if not isinstance(run, list) or len(run) != 4 or not all(type(part) is int for part in run):
            raise EditError(f"Edit {number}: a run is not four whole numbers (start, length, before, after). {RELOAD}")
        start, length, before, after = run
        if length < 1 or start < end or start + length > size:
            raise EditError(f"Edit {number}: a run lies outside of the label map, or over the one before it. {RELOAD}")
        if not (0 <= before <= classes and 0 <= after <= classes) or before == after:
            raise EditError(
                f"Edit {number}: a run changes {before} to {after}, and the values are 0 to {classes}. {RELOAD}"
            )
        end = start + length
        found.append((start, length, before, after))
    return found
