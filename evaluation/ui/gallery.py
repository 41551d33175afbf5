"""Tiles of the worst cases of all checkpoints, and the predictions of a case that find no room in the viewer."""

from collections.abc import Mapping, Sequence
from functools import cache
from html import escape

from evaluation.answers import Answer
from evaluation.case_files import OpenedCase, open_case
from evaluation.outcome_pictures import OUTCOMES, as_data_url, outcome_picture, swatch
from evaluation.statistics import metric_values
from evaluation.ui import texts
from evaluation.ui.board import CaseKey
from evaluation.ui.case_table import pick
from evaluation.ui.run_folders import Opened
from evaluation.wording import number
from medseg_demo.errors import MedsegError
from medseg_demo.rendering import most_labelled_slice
from medseg_demo.settings import Settings

MOST = 8
SIDE = 256

Names = tuple[str, str]  # case, checkpoint


def tiles(found: Answer, worst: Sequence[Names], pictures: Mapping[Names, str]) -> str:
    """The worst cases as tiles, each with its score, and with its picture where there is one."""
    parts = []
    for case_id, checkpoint in worst:
        key = (found.question.test_set, checkpoint, case_id, found.question.class_name)
        picture = _image(pictures.get((case_id, checkpoint), ""), f"{case_id}, {checkpoint}")
        score = score_of(found, case_id, checkpoint)
        parts.append(
            f'<button type="button" class="ev-tile" {pick(key)}>{picture}<strong>{escape(case_id)}</strong>'
            f"<span>{escape(checkpoint)}: {escape(score)}</span></button>"
        )
    return f'<div class="ev-tiles">{"".join(parts)}</div>{legend() if pictures else ""}' if parts else ""


def pictures(found: Answer, opened: Opened, worst: Sequence[Names], settings: Settings) -> dict[Names, str]:
    """Pictures of those worst cases whose image is on this computer; kept predictions only, nothing is computed."""
    runs, drawn = opened.runs_on(found.question.test_set), {}
    for case_id, checkpoint in worst:
        try:
            case = open_case(found.question.test_set, case_id, [checkpoint], runs=runs, settings=settings)
            drawn[case_id, checkpoint] = picture_of(case, 0)
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
    """One prediction's outcomes on the slice with most of the reference, as a data URL."""
    label_map = case.predictions[place].label_map
    index = shown_slice(case)
    return as_data_url(outcome_picture(case.image, case.reference, label_map, slice_index=index, max_side=SIDE))


def shown_slice(case: OpenedCase) -> int:
    """The slice that is shown first: the one with most of the reference; 0 of an image."""
    return most_labelled_slice(case.reference, len(case.image.slices)) if case.image.is_volume else 0


def score_of(found: Answer, case_id: str, checkpoint: str) -> str:
    """The metric of a case in words: its value, the worst of its classes, or "failed"."""
    table = found.table
    rows = table[(table["case_id"] == case_id) & (table["checkpoint"] == checkpoint)]
    if (rows["status"] == "failed").any():
        return "failed"
    values = metric_values(rows, found.question.metric, found.question.policy)
    return f"{found.question.metric} {' / '.join(number(value) for value in values)}"


@cache
def legend() -> str:
    """Which colour and pattern is which outcome."""
    items = "".join(
        f'<li><img src="{as_data_url(swatch(place))}" width="24" height="16" alt=""><span>{name}</span></li>'
        for place, name in enumerate(OUTCOMES)
    )
    return f'<ul class="ev-legend" aria-label="Legend">{items}</ul>'


def _image(url: str, name: str) -> str:
    if not url:
        return '<div class="ev-blank">no picture here</div>'
    return f'<img src="{url}" alt="{escape(name, quote=True)}: outcomes against the reference" loading="lazy">'
