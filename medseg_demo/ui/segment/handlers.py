"""What happens on the Segment tab before a run: opening the page, samples, uploads and controls.

Each handler returns the parts of the page that change, by the names of ``layout.lay_out``.
"""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gradio as gr

from medseg_demo.errors import MedsegError
from medseg_demo.reading import read_image
from medseg_demo.reading.studies import Study
from medseg_demo.samples import Sample
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui import checkpoint_view, markup, studies, texts, upload_card
from medseg_demo.ui.segment import updates
from medseg_demo.ui.segment.example import FinishedExample
from medseg_demo.ui.segment.state import Choices, Given, Work
from medseg_demo.ui.segment.updates import Updates

# The hidden list keeps its entries: what it held may still be on its way here, and Gradio refuses what is in no list.
NO_CHOICE = gr.update(value=None, visible=False)


def open_page(engine: Engine, work: Work, example: FinishedExample | None) -> Updates:
    """The page as a visitor finds it: the finished example, or what is missing for one.

    A file that was added before the page was complete stays what the next run is of.
    """
    entries = engine.usable()
    if work.run is not None:  # a sample was pressed, and done, before the page was complete
        return {"checkpoint": gr.update(choices=checkpoint_view.choices(entries))}
    if example is None:
        name = entries[0].name if entries else None
        shown: Updates = {"status": _empty_state(engine) if not entries else _no_sample()}
    else:
        name = example.run.choices.checkpoint
        if not work.given.studies:
            work.given = Given(example.studies, example.studies, example.image)
        work.run = example.run
        shown = updates.whole_result(work, example.run, example.written)
        shown["preflight"] = preflight_card(engine, work, example.run.choices)
    choices = gr.update(choices=checkpoint_view.choices(entries), value=name)
    return {"checkpoint": choices, **updates.checkpoint(engine.find(name)), **shown}


def choose_sample(engine: Engine, work: Work, sample: Sample, choices: Choices) -> Updates:
    """Take a bundled sample as what to segment, with the checkpoint that suits it where it is there."""
    entry = engine.find(sample.checkpoint) or engine.find(choices.checkpoint)
    name = entry.name if entry else None
    try:
        found = (Study(sample.path),)
    except MedsegError as error:
        return {"preflight": updates.problem(work, error)}
    taken = _read(engine, work, Given(found, found), replace(choices, checkpoint=name))
    return {"checkpoint": name, "upload": None, "study": NO_CHOICE, **updates.checkpoint(entry), **taken}


def take_files(engine: Engine, work: Work, paths: list[Path], choices: Choices, folder: Path) -> Iterator[Updates]:
    """Read what was uploaded and show what it is, streaming how far that is; nothing is segmented yet.

    Args:
        engine: Its settings limit what is read.
        work: Of this visitor.
        paths: Files and zips; none empties the card.
        choices: The checkpoint to compare the image with.
        folder: The visitor's, for what zips hold.
    """
    if len(paths) > 1:
        yield {"preflight": markup.busy(texts.LOOKING.format(count=len(paths)))}
    try:
        unpack_to = folder / f"upload-{secrets.token_hex(4)}"
        offered = studies.offer(paths, engine.settings, unpack_to=unpack_to) if paths else ()
    except Exception as error:
        work.given = Given()
        yield {"preflight": updates.problem(work, error), "status": "", "study": NO_CHOICE}
        return
    first, offer = studies.first_choice(offered), studies.choices(offered)
    choice = gr.update(choices=offer, value=first, visible=True) if offer else NO_CHOICE
    for step in _choose(engine, work, offered, first, choices):
        yield {"study": choice, "status": "", **step}  # in each: the page may leave out the first of two at once


def choose_study(engine: Engine, work: Work, choice: str | None, choices: Choices) -> Iterator[Updates]:
    """Take one of several studies of an upload, or all of them."""
    offered = work.given.offered
    if not studies.choices(offered) or studies.chosen(offered, choice) == work.given.studies:
        yield {}  # Gradio tells of every list that is left, whether something was chosen in it or not
        return
    yield from _choose(engine, work, offered, choice, choices)


def _choose(
    engine: Engine, work: Work, offered: tuple[Study, ...], choice: str | None, choices: Choices
) -> Iterator[Updates]:
    given = Given(offered, studies.chosen(offered, choice))
    if len(given.studies) == 1:
        yield {"preflight": markup.busy(studies.reading(given.studies[0]))}
    yield _read(engine, work, given, choices)


def _read(engine: Engine, work: Work, given: Given, choices: Choices) -> Updates:
    """Read the study if it is the only one, and show what is about to be segmented."""
    try:
        image = read_image(given.studies[0], settings=engine.settings) if len(given.studies) == 1 else None
    except Exception as error:
        work.given = Given(given.offered)
        return {"preflight": updates.problem(work, error), "status": ""}
    work.given = replace(given, image=image)
    return {"preflight": preflight_card(engine, work, choices), "status": ""}


def choose_checkpoint(engine: Engine, work: Work, choices: Choices) -> Updates:
    """Show the card of another checkpoint, set its threshold, and judge the image anew."""
    return {
        "preflight": preflight_card(engine, work, choices),
        "stale": updates.stale_mark(work.given, work.run, choices),
        **updates.checkpoint(engine.find(choices.checkpoint)),
    }


def preflight_card(engine: Engine, work: Work, choices: Choices) -> str:
    """What is about to be segmented; empty where there is nothing."""
    entry = engine.find(choices.checkpoint)
    card = entry.card if entry else None
    given = work.given
    if given.image is None:
        return upload_card.studies_card(given.studies, card, engine.settings) if given.studies else ""
    return upload_card.image_card(given.image, card)


def _empty_state(engine: Engine) -> str:
    folder = f"{engine.settings.checkpoints_dir.name}/"
    return markup.panel("warning", texts.NO_CHECKPOINT_TITLE, [texts.NO_CHECKPOINT.format(folder=folder)])


def _no_sample() -> str:
    return markup.panel("info", texts.NO_SAMPLE_TITLE, [texts.NO_SAMPLE])
