"""What happens on the Segment tab before a run: opening the page, samples, uploads and controls.

Each handler returns the parts of the page that change, by the names of ``layout.lay_out``.
"""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import gradio as gr

from medseg_demo.errors import MedsegError, OptionError
from medseg_demo.image import MedicalImage
from medseg_demo.models.card import ModelCard
from medseg_demo.reading import read_image
from medseg_demo.reading.studies import Study
from medseg_demo.samples import Sample
from medseg_demo.segmenting.channels import arranged, assignment, to_channels
from medseg_demo.segmenting.crop import check_inside, cropped, to_box
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.fit import check_fit
from medseg_demo.ui import checkpoint_view, markup, studies, texts, upload_card
from medseg_demo.ui.faults import explain
from medseg_demo.ui.segment import given_view, updates
from medseg_demo.ui.segment.example import FinishedExample
from medseg_demo.ui.segment.state import Choices, Given, Work
from medseg_demo.ui.segment.updates import Updates

# The hidden list keeps its entries: what it held may still be on its way here, and Gradio refuses what is in no list.
NO_CHOICE = gr.update(value=None, visible=False)


def open_page(engine: Engine, work: Work, example: FinishedExample | None) -> Updates:
    """The page as a visitor finds it: the finished example, or what is missing for one.

    A file that was added before the page was complete stays in the viewer.
    """
    entries = engine.sound()
    if work.has_sample or work.run is not None:  # pressed before the page was complete
        return {"checkpoint": gr.update(choices=checkpoint_view.choices(entries))}
    if work.given.studies:  # a file was added before the page was complete
        name = example.run.choices.checkpoint if example else next((entry.name for entry in entries), None)
        shown: Updates = {"preflight": preflight_card(engine, work, Choices(name))}
        shown |= {} if entries else {"status": _empty_state(engine)}
    elif example is None:
        name = entries[0].name if entries else None
        shown = {"status": _empty_state(engine) if not entries else _no_sample()}
    else:
        name = example.run.choices.checkpoint
        work.given = Given(example.studies, example.studies, image=example.image)
        work.run = example.run
        shown = updates.whole_result(work, example.run, example.written)
        shown["preflight"] = preflight_card(engine, work, example.run.choices)
        shown["over"] = gr.update(visible=True)
    choices = gr.update(choices=checkpoint_view.choices(entries), value=name)
    return {"checkpoint": choices, **updates.checkpoint(engine.find(name)), **shown}


def choose_sample(engine: Engine, work: Work, sample: Sample, choices: Choices) -> Updates:
    """Take a bundled sample as what to segment, with the checkpoint that suits it where it is there."""
    entry = sample.suited(engine.usable()) or engine.find(choices.checkpoint)
    name = entry.name if entry else None
    try:
        found = (Study(sample.path),)
    except MedsegError as error:
        return {"preflight": updates.problem(work, error)}
    work.has_sample = entry is not None
    taken = _read(engine, work, Given(found, found), replace(choices, checkpoint=name))
    return {
        "checkpoint": name,
        "upload": None,
        "study": NO_CHOICE,
        **updates.checkpoint(entry, choices.explain),
        **taken,
    }


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
    notes: list[str] = []
    try:
        unpack_to = folder / f"upload-{secrets.token_hex(4)}"
        offered = studies.offer(paths, engine.settings, unpack_to=unpack_to, say=notes.append) if paths else ()
    except Exception as error:
        work.given = Given()
        yield {"preflight": updates.problem(work, error), "status": "", "study": NO_CHOICE}
        return
    first, offer = studies.first_choice(offered), studies.choices(offered)
    choice = gr.update(choices=offer, value=first, visible=True) if offer else NO_CHOICE
    for step in _choose(engine, work, offered, first, choices, tuple(notes)):
        yield {"study": choice, "status": "", **step}  # in each: the page may leave out the first of two at once


def choose_study(engine: Engine, work: Work, choice: str | None, choices: Choices) -> Iterator[Updates]:
    """Take one of several studies of an upload, or all of them."""
    offered = work.given.offered
    if not studies.choices(offered) or studies.chosen(offered, choice) == work.given.studies:
        yield {}  # Gradio tells of every list that is left, whether something was chosen in it or not
        return
    yield from _choose(engine, work, offered, choice, choices, work.given.notes)


def _choose(
    engine: Engine,
    work: Work,
    offered: tuple[Study, ...],
    choice: str | None,
    choices: Choices,
    notes: tuple[str, ...],
) -> Iterator[Updates]:
    given = Given(offered, studies.chosen(offered, choice), notes=notes)
    if len(given.studies) == 1:
        yield {"preflight": markup.busy(studies.reading(given.studies[0]))}
    yield _read(engine, work, given, choices)


def _read(engine: Engine, work: Work, given: Given, choices: Choices) -> Updates:
    """Read the study, or the first of several, and show it, with what is about to be segmented."""
    try:
        image = read_image(given.studies[0], settings=engine.settings) if given.studies else None
    except Exception as error:
        if len(given.studies) == 1:
            work.given = Given(given.offered)
            return {"preflight": updates.problem(work, error), "status": ""}
        image = None  # the card says why, and the others can be looked at
    work.given = replace(given, image=image)
    shown = given_view.show(work) if given.studies or work.run is None else {}
    card = preflight_card(engine, work, replace(choices, crop=""))
    return {"preflight": card, "status": "", "crop": "", **shown, **given_view.fresh_slot(work)}


def choose_checkpoint(engine: Engine, work: Work, choices: Choices) -> Updates:
    """Show the card of another checkpoint, set its threshold, and judge the image anew."""
    return {
        "preflight": preflight_card(engine, work, choices),
        "stale": updates.stale_mark(work.given, work.run, choices),
        **updates.checkpoint(engine.find(choices.checkpoint), choices.explain),
    }


def preflight_card(engine: Engine, work: Work, choices: Choices) -> str:
    """What is about to be segmented; empty where there is nothing."""
    entry = engine.find(choices.checkpoint)
    card = entry.card if entry else None
    given = work.given
    if len(given.studies) == 1 and given.image is not None:
        part = cropped(given.image, given_view.shown_box(work, choices.crop))
        return upload_card.image_card(given.image, _judged(part, card, choices) if card else (), notes=given.notes)
    return upload_card.studies_card(given.studies, card, engine.settings, notes=given.notes) if given.studies else ""


def _judged(part: MedicalImage, card: ModelCard, choices: Choices) -> list[str]:
    named = to_channels(choices.channel_order)
    try:
        return [*filter(None, [assignment(part, card, named)]), *check_fit(arranged(part, card, named), card)]
    except OptionError as error:
        return [str(error)]


def lay_over(engine: Engine, work: Work, path: str | None) -> Updates:
    """Lay a label map over the image in the viewer, or take it away."""
    try:
        return {"over_note": "", **given_view.lay_over(engine.settings, work, Path(path) if path else None)}
    except Exception as error:
        return {"over_note": markup.panel("error", texts.ERROR_TITLE, [explain(error)])}


def set_crop(engine: Engine, work: Work, box: object, choices: Choices) -> Updates:
    """The crop box that was drawn in the viewer, on the control of the page; None removes it."""
    crop = ""
    with suppress(OptionError):  # a browser may send anything
        crop = ", ".join(map(str, to_box(box))) if box is not None else ""
    work.given = replace(work.given, crop=crop)
    return {"crop": crop, "preflight": preflight_card(engine, work, replace(choices, crop=crop))}


def show_crop(engine: Engine, work: Work, choices: Choices) -> Updates:
    """The crop box that was typed, in the viewer; what is no box of the image is told."""
    image = work.given.image
    if choices.crop == work.given.crop:
        return {}  # Gradio tells of every text that is left, whether it was changed or not
    try:
        if choices.crop and image is not None:
            check_inside(to_box(choices.crop), image)
    except OptionError as error:
        return {"status": updates.problem(work, error)}
    work.given = replace(work.given, crop=choices.crop)
    followed = given_view.follow_crop(work)
    shown = {} if followed is None else {"viewer": followed}
    return {**shown, "status": "", "preflight": preflight_card(engine, work, choices)}


def _empty_state(engine: Engine) -> str:
    folder = f"{engine.settings.checkpoints_dir.name}/"
    return markup.panel("warning", texts.NO_CHECKPOINT_TITLE, [texts.NO_CHECKPOINT.format(folder=folder)])


def _no_sample() -> str:
    return markup.panel("info", texts.NO_SAMPLE_TITLE, [texts.NO_SAMPLE])
