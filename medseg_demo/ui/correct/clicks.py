"""Clicks on an object: what a prompted network makes of them, as runs for the viewer to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from medseg_demo.correcting.edits import MOST_RUNS, TOO_MANY_RUNS, Run
from medseg_demo.errors import EditError, OptionError, PromptError
from medseg_demo.prompting.clicking import Clicking, Place
from medseg_demo.prompting.prompts import MOST_CLICKS, MOST_POINTS, Click, Prompts, Scribble
from medseg_demo.rendering.editing import EditAnswer
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.turns import Cancelled
from medseg_demo.segmenting.windows import Look
from medseg_demo.ui.correct import texts
from medseg_demo.ui.correct.corrections import Corrected, Corrections
from medseg_demo.ui.correct.handlers import axis_of, number_of, values_of, worked_out
from medseg_demo.ui.session import Session

MOST_FOLLOWED = 100  # slices on either side


def click(corrections: Corrections, event: Any, engine: Engine, session: Session, tab: str) -> EditAnswer:
    """Work out what was said of an object.

    Args:
        corrections: Of the visitor on this tab.
        event: ``clicks`` ([row, column, positive], …), ``scribbles``, ``box``, ``number`` of the object, ``label``,
            ``plane``, ``slice``, ``channel`` and ``protected``.
        engine: Runs the network.
        session: The visitor's.
        tab: Where it is.
    """

    def find(corrected: Corrected) -> tuple[Run, ...]:
        place, prompts, label = _place(event, corrected), read_prompts(event), _label(event, corrected)
        with _look(corrected, engine, session, tab) as (look, clicking):
            return clicking.click(
                look,
                corrected.correction.label_map.labels,
                label,
                place,
                prompts,
                number=number_of(event, "number", range(2**31)),
                protected=values_of(event, "protected", range(256)),
                channel=number_of(event, "channel", range(2**16)),
            )

    return worked_out(corrections, event, "click", find)


def propagate(corrections: Corrections, event: Any, engine: Engine, session: Session, tab: str) -> EditAnswer:
    """Follow the class of one slice to its neighbours: ``event.before`` and ``event.after`` slices at most."""

    def follow(corrected: Corrected) -> tuple[Run, ...]:
        labels, place, label = corrected.correction.label_map.labels, _place(event, corrected), _label(event, corrected)
        found: list[Run] = []
        with _look(corrected, engine, session, tab) as (look, clicking):
            for name, sign in (("before", -1), ("after", 1)):
                count = number_of(event, name, range(MOST_FOLLOWED + 1))
                for _, runs in clicking.propagate(
                    look,
                    labels,
                    label,
                    place,
                    sign * count,
                    protected=values_of(event, "protected", range(256)),
                    channel=number_of(event, "channel", range(2**16)),
                ):
                    found += runs
        if len(found) > MOST_RUNS:
            raise EditError(TOO_MANY_RUNS)
        return tuple(sorted(found))

    return worked_out(corrections, event, "click", follow)


@contextmanager
def _look(corrected: Corrected, engine: Engine, session: Session, tab: str) -> Iterator[tuple[Look, Clicking]]:
    """What runs the network for this visitor, and the clicks at this image so far."""
    names = [entry.name for entry in engine.prompted()]
    name = corrected.clicker if corrected.clicker in names else next(iter(names), None)
    if corrected.image is None or name is None:
        raise OptionError(texts.NO_CLICKER)
    try:
        with session.running(tab) as running, running.job(engine) as job:
            loaded = engine.loaded(name)
            if corrected.clicking is None or corrected.clicking.card != loaded.card:
                corrected.clicking = Clicking(corrected.image, loaded.card)
            yield engine.looking(loaded, job), corrected.clicking
    except Cancelled:
        raise OptionError(texts.STOPPED) from None


def read_prompts(event: Any) -> Prompts:
    """What a browser says of an object; from one anything may come.

    Raises:
        PromptError: It is no list of clicks, lines and a box, or there are too many.
    """
    clicks, scribbles, box = (getattr(event, name, None) for name in ("clicks", "scribbles", "box"))
    if not isinstance(clicks, list) or not isinstance(scribbles, list) or len(clicks) > MOST_CLICKS:
        raise PromptError(texts.BAD_CLICKS.format(most=MOST_CLICKS))
    lines = [one.get("points") if isinstance(one, dict) else None for one in scribbles]
    if not all(isinstance(line, list) and line for line in lines) or sum(map(len, lines)) > MOST_POINTS:  # type: ignore[arg-type]
        raise PromptError(texts.BAD_CLICKS.format(most=MOST_CLICKS))
    if box is not None and not (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))):
        raise PromptError(texts.BAD_CLICKS.format(most=MOST_CLICKS))
    return Prompts(
        clicks=tuple(Click(*_point(one[:2]), _is_positive(one[2:])) for one in map(_listed, clicks)),
        scribbles=tuple(
            Scribble(tuple(_point(point) for point in line or ()), _is_positive([one.get("positive")]))
            for one, line in zip(scribbles, lines, strict=True)
        ),
        box=None if box is None else tuple(map(float, box)),  # type: ignore[arg-type]
    )


def _listed(value: object) -> list[Any]:
    if not isinstance(value, list) or len(value) != 3:
        raise PromptError(texts.BAD_CLICKS.format(most=MOST_CLICKS))
    return value


def _point(value: object) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2 or not all(map(_is_number, value)):
        raise PromptError(texts.BAD_CLICKS.format(most=MOST_CLICKS))
    return float(value[0]), float(value[1])


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and abs(value) < 1e6  # type: ignore[arg-type, operator]  # NaN is not


def _is_positive(value: list[Any]) -> bool:
    if len(value) != 1 or type(value[0]) is not bool:
        raise PromptError(texts.BAD_CLICKS.format(most=MOST_CLICKS))
    return value[0]


def _place(event: Any, corrected: Corrected) -> Place:
    label_map = corrected.correction.label_map
    axis = axis_of(event) if label_map.is_volume else 0
    count = label_map.labels.shape[axis] if label_map.is_volume else 1
    return Place(axis, number_of(event, "slice", range(count)))


def _label(event: Any, corrected: Corrected) -> int:
    return number_of(event, "label", range(1, len(corrected.correction.label_map.class_names) + 1))
