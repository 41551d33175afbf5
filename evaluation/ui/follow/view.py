"""A follow-up on the page: the figure of both themes, the tables, and the viewer's value."""

from collections.abc import Sequence

import gradio as gr
import orjson

from evaluation.ui.follow import texts
from evaluation.ui.follow.state import Given, Pair, Result
from medseg_demo import rendering
from medseg_demo.following.plot import follow_figure
from medseg_demo.following.words import lesion_sentence, notes, tables
from medseg_demo.rendering import NamedPrediction, Plane
from medseg_demo.rendering.figures import Theme, as_json
from medseg_demo.ui import markup

Updates = dict[str, object]

THEMES: tuple[Theme, ...] = ("light", "dark")


def studies_card(given: Given) -> str:
    """The studies that were uploaded, and when they were."""
    rows = [
        (name, texts.NO_DATE if when is None else when.isoformat())
        for name, when in zip(given.stems, given.dates, strict=True)
    ]
    return markup.card(
        texts.VISITS, markup.table(texts.VISITS, texts.VISIT_COLUMNS, rows, words=True), note=texts.READY
    )


def whole_result(result: Result) -> Updates:
    """Everything about a finished run."""
    found = result.found
    visits = [
        (texts.VISIT_CHOICE.format(place=place + 1, day=visit.dated.day), str(place))
        for place, visit in enumerate(found.visits)
        if place
    ]
    title = texts.OPENED.format(count=len(found.visits), days=found.visits[-1].dated.day, checkpoint=found.checkpoint)
    drawn = {theme: orjson.Fragment(as_json(follow_figure(found, theme=theme))) for theme in THEMES}
    return {
        "status": markup.panel("good", title, [lesion_sentence(found)] if found.lesions else []),
        "stale": "",
        "results": gr.update(visible=True),
        "figure": orjson.dumps(drawn).decode(),
        "tables": _tables(result),
        "visit": gr.update(choices=visits, value=str(result.pair.position), visible=len(visits) > 1),
        "viewer": viewer_value(result.pair),
        "archive": str(result.archive),
    }


def _tables(result: Result) -> str:
    found = result.found
    warnings = list(dict.fromkeys(warning for visit in found.visits for warning in visit.warnings))
    cards = [markup.card(one.title, markup.table(one.title, one.header, one.rows)) for one in tables(found)]
    known = markup.card(texts.WARNINGS, markup.bullets(warnings, kind="warning")) if warnings else ""
    return "".join([cards[0], *map(markup.small, notes(found)), *cards[1:], known])


def viewer_value(
    pair: Pair,
    *,
    plane: Plane = "axial",
    slices: list[int] | None = None,
    channels: Sequence[int] = (0,),
    key: str | None = None,
) -> dict[str, object]:
    """Both visits as the viewer's value; with a key, only the slices that are asked for."""
    called = [texts.VISIT_NAME.format(place=place + 1) for place in (0, pair.position)]
    return rendering.viewer_value(
        pair.image,
        [NamedPrediction(name, one) for name, one in zip(called, pair.label_maps, strict=True)],
        layout="side",
        mode="outline",
        plane=plane,
        slice_indices=slices,
        channels=channels,
        key=key,
    )
