"""What happens when somebody corrects in a viewer; each handler gives the answer that goes to it.

A browser may send anything, so every field of an event is judged before it is used.
"""

from collections.abc import Callable, Collection
from dataclasses import asdict, replace
from typing import Any

from medseg_demo.correcting.between import copy_runs, fill_between
from medseg_demo.correcting.edits import Run, read_steps
from medseg_demo.errors import MedsegError, OptionError
from medseg_demo.rendering import PLANES
from medseg_demo.rendering.editing import EditAnswer
from medseg_demo.ui.correct import texts
from medseg_demo.ui.correct.corrections import Corrected, Corrections
from medseg_demo.ui.faults import explain

AS_IT_WAS = -1  # in place of another prediction: the label map before it was corrected


def edit(corrections: Corrections, event: Any) -> EditAnswer:
    """Apply steps, ``event.steps`` of the value ``event.key``; those that were applied before are passed over."""
    key = getattr(event, "key", None)
    corrected = corrections.find(key)
    if corrected is None:
        return _gone(key)
    original = corrected.correction.original
    try:
        steps = read_steps(
            getattr(event, "steps", None), size=original.labels.size, classes=len(original.class_names)
        )  # fmt: skip
        corrected.correction.apply(steps)
    except Exception as error:
        return corrected.answer(str(key), problem=explain(error), reload=True)
    return corrected.answer(str(key))


def between(corrections: Corrections, event: Any) -> EditAnswer:
    """Work out what fills a class (``event.label``) from slice ``first`` to ``last`` of a ``plane``."""

    def fill(corrected: Corrected) -> tuple[Run, ...]:
        label_map = corrected.correction.label_map
        if not label_map.is_volume:
            raise OptionError(texts.NO_SLICES)
        return fill_between(
            label_map.labels,
            number_of(event, "label", range(1, len(label_map.class_names) + 1)),
            axis=axis_of(event),
            first=number_of(event, "first", range(label_map.labels.shape[axis_of(event)])),
            last=number_of(event, "last", range(label_map.labels.shape[axis_of(event)])),
            protected=values_of(event, "protected", range(256)),
            spacing_mm=label_map.geometry.spacing_mm,
        )

    return worked_out(corrections, event, "between", fill)


def copy(corrections: Corrections, event: Any) -> EditAnswer:
    """Work out a copy from ``event.prediction`` (−1: as it was) of one ``label`` or all, of some ``slices`` or all."""

    def take(corrected: Corrected) -> tuple[Run, ...]:
        label_map, wanted = corrected.correction.label_map, getattr(event, "prediction", None)
        sources = {**corrected.others, AS_IT_WAS: corrected.correction.original}
        if type(wanted) is not int or wanted not in sources:
            raise OptionError(texts.NO_OTHER)
        axis = axis_of(event) if label_map.is_volume else 0
        is_whole = getattr(event, "slices", None) is None or not label_map.is_volume
        is_all = getattr(event, "label", None) is None
        return copy_runs(
            label_map.labels,
            sources[wanted].labels,
            label=None if is_all else number_of(event, "label", range(1, len(label_map.class_names) + 1)),
            axis=axis,
            slices=None if is_whole else values_of(event, "slices", range(label_map.labels.shape[axis])),
            protected=values_of(event, "protected", range(256)),
        )

    return worked_out(corrections, event, "copy", take)


def as_value(answer: EditAnswer) -> dict[str, object]:
    """An answer in place of a value of the viewer."""
    return {**asdict(replace(answer, runs=())), "runs": answer.runs}  # of which there may be 200,000


def worked_out(
    corrections: Corrections, event: Any, kind: str, work_out: Callable[[Corrected], tuple[Run, ...]]
) -> EditAnswer:
    """The answer to a question of a viewer: runs, or why there are none.

    Args:
        corrections: Of the visitor on this tab.
        event: What was asked, of the value ``event.key``.
        kind: Of the step that the runs make.
        work_out: Gives the runs.
    """
    key, asked = getattr(event, "key", None), getattr(event, "asked", 0)
    corrected = corrections.find(key)
    if corrected is None:
        return _gone(key)
    answer = replace(corrected.answer(str(key)), asked=asked if type(asked) is int else 0, kind=kind)
    try:
        runs = work_out(corrected)
    except MedsegError as error:
        return replace(answer, problem=str(error))
    except Exception as error:
        return replace(answer, problem=explain(error))
    return replace(answer, runs=runs, problem="" if runs else texts.SAME)


def _gone(key: object) -> EditAnswer:
    return EditAnswer(str(key), 0, 0, [], problem=texts.REPLACED, reload=True, is_gone=True)


def axis_of(event: Any) -> int:
    """Across which axis of (Z, Y, X) the plane ``event.plane`` is cut."""
    plane = getattr(event, "plane", None)
    if plane not in PLANES:
        raise OptionError(texts.BAD_REQUEST)
    return PLANES.index(plane)


def number_of(event: Any, name: str, known: Collection[int]) -> int:
    """A whole number of an event, one of those that are known."""
    value = getattr(event, name, None)
    if type(value) is not int or value not in known:
        raise OptionError(texts.BAD_REQUEST)
    return value


def values_of(event: Any, name: str, known: Collection[int]) -> list[int]:
    """Whole numbers of an event, each one of those that are known."""
    values = getattr(event, name, None)
    if not isinstance(values, list) or not all(type(one) is int and one in known for one in values):
        raise OptionError(texts.BAD_REQUEST)
    return values
