"""Tiles of the worst cases of all checkpoints, and the predictions of a case that find no room in the viewer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape

from evaluation.report.outcome_pictures import OUTCOMES, as_data_url, outcome_picture, swatch
from evaluation.results.answers import Answer, badness, worst_first
from evaluation.results.origins import OpenedCase, open_case
from evaluation.results.terms import label
from evaluation.results.words import number
from evaluation.statistics import metric_values
from evaluation.ui.evaluate import texts
from evaluation.ui.evaluate.board import CaseKey
from evaluation.ui.evaluate.case_table import pick
from evaluation.ui.evaluate.run_folders import Opened
from medseg_demo.errors import MedsegError
from medseg_demo.rendering import most_labelled_slice
from medseg_demo.settings import Settings
from medseg_demo.ui import markup

MOST = 8
MOST_VALUES = 3  # of a case's classes, beside each other
SIDE = 256

Names = tuple[str, str]  # case, checkpoint


@dataclass(frozen=True)
class Picture:
    """What a tile shows.

    Attributes:
        url: A data URL.
        outcomes: Whether the prediction's outcomes are drawn over the image; it is bare where none was kept.
    """

    url: str
    outcomes: bool


def tiles(found: Answer, worst: Sequence[Names], pictures: Mapping[Names, Picture]) -> str:
    """The worst cases, each with its score: those with a picture as tiles, the others as lines of text.

    The legend stands below where a picture shows outcomes; what a click does, where one shows none.
    """
    drawn = [_tile(found, names, pictures[names]) for names in worst if names in pictures]
    lines = [_tile(found, names, None) for names in worst if names not in pictures]
    kinds = {picture.outcomes for picture in pictures.values()}
    return "".join(
        [
            f'<div class="ev-tiles">{"".join(drawn)}</div>' if drawn else "",
            f'<div class="ev-lines">{"".join(lines)}</div>' if lines else "",
            legend() if True in kinds else "",
            markup.hint(texts.BARE_TILES) if False in kinds else "",
        ]
    )


def _tile(found: Answer, names: Names, picture: Picture | None) -> str:
    case_id, checkpoint = names
    key = (found.question.test_set, checkpoint, case_id, found.question.class_name)
    what = texts.WITH_OUTCOMES if picture and picture.outcomes else texts.BARE
    alt = escape(f"{case_id}, {checkpoint}: {what}", quote=True)
    image = f'<img src="{picture.url}" alt="{alt}" loading="lazy">' if picture else ""
    score = score_of(found, case_id, checkpoint)
    return (
        f'<button type="button" class="{"ev-tile" if picture else "ev-line"}" {pick(key)}>{image}'
        f"<strong>{escape(case_id)}</strong><span>{markup.name(checkpoint)}: {escape(score)}</span></button>"
    )


def pictures(found: Answer, opened: Opened, worst: Sequence[Names], settings: Settings) -> dict[Names, Picture]:
    """Pictures of those worst cases whose image is on this computer; kept predictions only, nothing is computed."""
    test_set, drawn = found.question.test_set, {}
    for case_id, checkpoint in worst:
        try:
            runs = opened.runs_on(test_set, case_id)
            case = open_case(test_set, case_id, [checkpoint], runs=runs, settings=settings)
            drawn[case_id, checkpoint] = Picture(picture_of(case, 0), case.predictions[0].label_map is not None)
        except MedsegError:  # the tile stays without a picture; opening it says why
            continue
    return drawn


def others(key: CaseKey, scores: Mapping[str, str]) -> str:
    """Buttons of the predictions that find no room in the viewer, each with its score; a click brings it in."""
    if not scores:
        return ""
    buttons = "".join(
        f'<button type="button" class="ms-button" {pick((key.test_set, name, key.case_id, key.class_name))}>'
        f"{escape(name)}: {escape(score)}</button>"
        for name, score in scores.items()
    )
    return f'<p class="ms-hint">{escape(texts.OTHERS)}</p><div class="ev-others">{buttons}</div>'


def picture_of(case: OpenedCase, place: int) -> str:
    """One prediction's outcomes on the slice with most of the reference, as a data URL; without it the image alone."""
    label_map = case.predictions[place].label_map
    index = shown_slice(case)
    return as_data_url(outcome_picture(case.image, case.reference, label_map, slice_index=index, max_side=SIDE))


def shown_slice(case: OpenedCase) -> int:
    """The slice that is shown first: the one with most of the reference; 0 of an image."""
    return most_labelled_slice(case.reference, len(case.image.slices)) if case.image.is_volume else 0


def score_of(found: Answer, case_id: str, checkpoint: str) -> str:
    """The metric of a case in words: its value in each class, of many classes in the worst, or "failed"."""
    table = found.table
    rows = table[(table["case_id"] == case_id) & (table["checkpoint"] == checkpoint)]
    if (rows["status"] == "failed").any():
        return "failed"
    question = found.question
    values = [number(value) for value in metric_values(rows, question.metric, question.policy)]
    if len(values) <= MOST_VALUES:
        return f"{label(question.metric)} {' / '.join(values)}"
    worst = worst_first(badness(rows, question.metric, question.policy), most=1)[0]
    return texts.worst_class(
        f"{label(question.metric)} {values[worst]}", str(rows["class_name"].iloc[worst]), len(rows)
    )


@cache
def legend() -> str:
    """Which colour and pattern is which outcome."""
    items = "".join(
        f'<li><img src="{as_data_url(swatch(place))}" width="24" height="16" alt=""><span>{name}</span></li>'
        for place, name in enumerate(OUTCOMES)
    )
    return f'<ul class="ev-legend" aria-label="Legend">{items}</ul>'
