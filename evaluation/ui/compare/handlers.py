"""What happens on the Compare tab before a run: opening it, samples, uploads and controls.

Each handler returns the parts of the page that change, by the names of ``layout.lay_out``.
"""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import gradio as gr

from evaluation.ui.compare import texts
from evaluation.ui.compare.example import peers
from evaluation.ui.compare.results import problem, whole_result
from evaluation.ui.compare.state import Given, Result, Work
from medseg_demo.reading import read_image
from medseg_demo.reading.studies import Study
from medseg_demo.samples import Sample
from medseg_demo.segmenting.engine import Engine
from medseg_demo.settings import Settings
from medseg_demo.ui import checkpoint_view, markup, studies, upload_card

Updates = dict[str, object]

# The hidden list keeps its entries: what it held may still be on its way here, and Gradio refuses what is in no list.
NO_CHOICE = gr.update(value=None, visible=False)


def open_tab(engine: Engine, work: Work, finished: Result | None, address: str, chosen: Sequence[str] = ()) -> Updates:
    """The tab as a visitor finds it: on the finished example, or what is missing for one; later as it was left.

    Checkpoints that were chosen on another tab join those of the example.
    """
    if work.given.offered or work.result is not None:
        return {}
    names = checkpoint_view.choices(engine.usable())
    if finished is None or finished.comparison is None:
        empty = markup.panel("info", texts.EMPTY_TITLE, [texts.EMPTY, texts.NO_CHECKPOINT])
        return {"checkpoints": gr.update(choices=names), "status": empty}
    work.given = Given(finished.studies, finished.studies, finished.comparison.image)
    work.result = finished
    return {
        "checkpoints": gr.update(choices=names, value=list(dict.fromkeys((*finished.request.checkpoints, *chosen)))),
        "preflight": preflight_card(work, engine.settings),
        **whole_result(work, finished, len(finished.comparison.members), address),
    }


def choose_sample(engine: Engine, work: Work, sample: Sample, checkpoints: tuple[str, ...] = ()) -> Updates:
    """Take a bundled sample, with the checkpoints that suit it (or those that are named) and nothing else."""
    suited = sample.suited(engine.usable())
    names = list(checkpoints) or peers(engine, suited.name if suited else sample.checkpoint)
    found = (Study(sample.path),)
    return {
        "checkpoints": gr.update(choices=checkpoint_view.choices(engine.usable()), value=names),
        "upload": None,
        "references": None,
        "label_maps": None,
        "classes": "",
        "study": NO_CHOICE,
        **_take(engine, work, Given(found, found)),
    }


def take_files(engine: Engine, work: Work, paths: list[Path], folder: Path) -> Updates:
    """Read what was uploaded and show what it is; nothing is segmented yet."""
    try:
        unpack_to = folder / f"compare-{secrets.token_hex(4)}"
        offered = studies.offer(paths, engine.settings, unpack_to=unpack_to) if paths else ()
    except Exception as error:
        work.given = Given()
        return {"preflight": problem(work.result, error), "study": NO_CHOICE, "status": ""}
    if not offered:
        work.given = Given()
        return {"preflight": "", "study": NO_CHOICE, "status": ""}
    first, offer = studies.first_choice(offered), _choices(offered)
    choice = gr.update(choices=offer, value=first, visible=True) if offer else NO_CHOICE
    return {"study": choice, **_take(engine, work, Given(offered, studies.chosen(offered, first)))}


def choose_study(engine: Engine, work: Work, choice: str | None) -> Updates:
    """Take one of several studies of an upload, or all of them."""
    offered = work.given.offered
    if choice not in {key for _, key in _choices(offered)}:
        return {}
    chosen = studies.chosen(offered, choice)
    if chosen == work.given.studies:
        return {}  # Gradio tells of every list that is left, whether something was chosen in it or not
    return _take(engine, work, Given(offered, chosen))


def _choices(offered: tuple[Study, ...]) -> list[studies.Choice]:
    """Each study, and all of them apart: one of several ordinary files may be meant as well."""
    if len(offered) < 2:
        return []
    every = (texts.EVERY_STUDY.format(count=len(studies.apart(offered))), studies.EVERY)
    return [*((label, str(place)) for place, label in enumerate(studies.labels(offered))), every]


def preflight_card(work: Work, settings: Settings) -> str:
    """What is about to be compared on; empty where there is nothing."""
    given = work.given
    if given.image is None:
        return upload_card.studies_card(given.studies, None, settings, ready=texts.READY) if given.studies else ""
    facts = markup.facts(upload_card.describe(given.image))
    channels = upload_card.channel_table(given.image)
    return markup.card(given.image.name, facts, channels, markup.bullets(given.image.notes), note=texts.READY)


def _take(engine: Engine, work: Work, given: Given) -> Updates:
    """Read the study if it is the only one, and show what is about to be compared on."""
    try:
        image = read_image(given.studies[0], settings=engine.settings) if len(given.studies) == 1 else None
    except Exception as error:
        work.given = Given(given.offered)
        return {"preflight": problem(work.result, error), "status": ""}
    work.given = replace(given, image=image)
    return {"preflight": preflight_card(work, engine.settings), "status": ""}
