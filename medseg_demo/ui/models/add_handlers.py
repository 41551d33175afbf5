"""Adding a checkpoint: from files to a form, from the form to a result, and into its place.

Each handler returns the parts of the page that change, by the names of ``layout.lay_out``.
"""

import base64
import io
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from medseg_demo.errors import OptionError
from medseg_demo.image import MedicalImage
from medseg_demo.models.added import put_in_place
from medseg_demo.models.card import ModelCard
from medseg_demo.numbers import number
from medseg_demo.reading import read_image
from medseg_demo.reading.source import MIB
from medseg_demo.samples import Sample, list_samples
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.segmenting.pipeline import Segmentation
from medseg_demo.segmenting.prepare import place, to_tensor
from medseg_demo.segmenting.turns import Cancelled
from medseg_demo.ui import markup
from medseg_demo.ui.faults import explain
from medseg_demo.ui.models import card_handlers, drafts, form, texts
from medseg_demo.ui.models.form import Form
from medseg_demo.ui.models.state import Adding, Draft
from medseg_demo.ui.segment import result_view
from medseg_demo.ui.segment.state import Outcome
from medseg_demo.ui.session import Running
from medseg_demo.ui.tab import Call
from medseg_demo.ui.viewer import image_value, segmentation_value

Updates = dict[str, object]

LARGEST_SEEN = 2**26  # pixels or voxels of which the range is told
LONGEST_SIDE = 320  # px of the picture
# Whom a network without a task is tried on first.
SAMPLE_OF = {3: "hippocampus", 2: "chest-xray"}
COLOUR_SAMPLE = "retina"


def take(
    engine: Engine, call: Call, running: Running, give: Callable[[Path, Callable[[int, int], None]], Draft]
) -> Iterator[Updates]:
    """Lay aside what was given, recognise it, and choose a sample that suits it.

    Args:
        engine: Its settings limit what is taken.
        call: Of the visitor.
        running: Ends it.
        give: From a new folder, and who is told of bytes, to the draft.
    """
    adding = call.session.part(Adding)
    place_of = call.session.folder / f"draft-{secrets.token_hex(6)}"

    def told(done: int, total: int) -> None:
        running.check()
        call.say(done / max(total, 1), texts.DOWNLOADING.format(done=round(done / MIB), total=round(total / MIB)))

    yield {"status": markup.busy(texts.LOOKING), "actions": gr.update(visible=True)}
    try:
        draft = give(place_of, told)
        running.check()
    except Cancelled:
        yield {"status": markup.panel("info", texts.STOPPED_TITLE, [texts.STOPPED])}
        return
    except Exception as error:
        yield {"status": _problem(error), "actions": gr.update(visible=adding.draft is not None)}
        return
    adding.replace(draft)
    if adding.image is None:
        adding.image = _read_sample(draft.described.card, engine)
    yield {
        "form": gr.update(visible=True),
        "tried": gr.update(visible=True),
        "save": gr.update(interactive=True),
        "recognised": _recognised(draft),
        "status": "",
        "proposal": _proposals(draft),
        **form.shown(draft.described.card, draft.name),
        **_empty_result(adding),
    }


def try_first(engine: Engine, call: Call, running: Running) -> Iterator[Updates]:
    """The result of a checkpoint that was just recognised.

    A run of its own: the page may leave out all but the last of several updates at once, and the form must arrive.
    """
    adding = call.session.part(Adding)
    if not adding.is_new or adding.draft is None:
        yield {}
        return
    adding.is_new = False
    yield from _result(engine, call, running, adding.draft, _form_of(adding.draft))


def look(engine: Engine, call: Call, running: Running, said: Form, *, live: bool = False) -> Iterator[Updates]:
    """What the network sees of the image, and the result, with the card that the form describes.

    Args:
        engine: Runs the network.
        call: Of the visitor.
        running: Ends it.
        said: What the form says.
        live: Whether a control was left, and nothing pressed: what is shown already stays, and volumes wait.
    """
    adding = call.session.part(Adding)
    if live and (adding.draft is None or said == adding.tried):
        yield {}
        return
    try:
        draft = _open_draft(adding)
        if live and adding.image is not None and adding.image.is_volume:
            drafts.with_card(draft, said.card(draft.described.card))  # so that what is wrong is said at once
            yield {"stale": markup.panel("info", texts.STALE_TITLE, [texts.STALE]), "status": ""}
            return
        yield from _result(engine, call, running, draft, said)
    except Exception as error:
        yield {"status": _problem(error)}


def choose_network(engine: Engine, call: Call, running: Running, chosen: str, said: Form) -> Iterator[Updates]:
    """Take another of the networks that the weights may be of, and show its result.

    Args:
        engine: Runs the network.
        call: Of the visitor.
        running: Ends it.
        chosen: The place of the proposal.
        said: What the form says; a name that was the network's follows.
    """
    adding = call.session.part(Adding)
    try:
        before = _open_draft(adding)
        draft = drafts.as_proposed(before, int(chosen))
    except Exception as error:
        yield {"status": _problem(error)}
        return
    adding.draft, adding.tried = draft, None
    if said.name == before.name:
        said = replace(said, name=draft.name)
    yield {"name": said.name, "recognised": _recognised(draft), "result": "", "seen": ""}
    yield from _result(engine, call, running, draft, said)


def choose_image(engine: Engine, call: Call, give: Callable[[], Path | None]) -> Updates:
    """Take an image, or a sample, as what the checkpoint is tried on."""
    adding = call.session.part(Adding)
    try:
        path = give()
        if path is None:
            return {}
        adding.image, adding.tried = read_image(path, settings=engine.settings), None
    except Exception as error:
        return {"status": _problem(error)}
    return {"status": "", **_empty_result(adding)}


def save(engine: Engine, call: Call, said: Form) -> Updates:
    """Put the checkpoint in its place: for everybody, or for this session alone."""
    adding, settings = call.session.part(Adding), engine.settings
    keeps = settings.keeps_checkpoints
    try:
        draft = _open_draft(adding)
        draft = drafts.with_card(draft, said.card(draft.described.card))
        directory = settings.checkpoints_dir if keeps else call.session.checkpoints_dir
        if not keeps:
            _check_room(directory, draft, settings.max_session_mb)
        taken = tuple(entry.name for entry in engine.entries())
        name = put_in_place(draft.folder, directory, said.name.strip() or draft.name, added=draft.added, taken=taken)
    except Exception as error:
        return {"status": _problem(error)}
    adding.replace(None)
    title = texts.SAVED_TITLE.format(name=name)
    said_line = texts.SAVED if keeps else texts.SAVED_VISITOR
    engine = engine.beside(call.session.checkpoints_dir)
    return {
        **card_handlers.fill(engine, call, name),
        "said": markup.panel("good", title, [said_line]),
        "adding": gr.update(open=False),
        "actions": gr.update(visible=False),
        "form": gr.update(visible=False),
        "tried": gr.update(visible=False),
        "save": gr.update(interactive=False),
        "try_it": gr.update(interactive=False),
        "files": None,
        "recognised": "",
        "status": "",
        "stale": "",
    }


def follow(call: Call, said: Form) -> Updates:
    """Show the controls that the form has use for now."""
    draft = call.session.part(Adding).draft
    return {} if draft is None else form.follow(said, draft.described.card)


def _proposals(draft: Draft) -> dict[str, Any]:
    """The networks to choose from, where the weights fit several."""
    choices = [(one.label, str(place)) for place, one in enumerate(draft.proposals)]
    return gr.update(choices=choices, value="0" if choices else None, visible=len(choices) > 1)


def _open_draft(adding: Adding) -> Draft:
    if adding.draft is None:
        raise OptionError(texts.NO_DRAFT)
    if not adding.draft.folder.is_dir():
        adding.draft = None
        raise OptionError(texts.GONE)
    return adding.draft


def _form_of(draft: Draft) -> Form:
    """The form as it stands in the page right after the files were recognised."""
    values = form.shown(draft.described.card, draft.name)
    said: dict[str, Any] = {name: one.get("value") if isinstance(one, dict) else one for name, one in values.items()}
    return Form(**said)


def _result(engine: Engine, call: Call, running: Running, draft: Draft, said: Form) -> Iterator[Updates]:
    adding = call.session.part(Adding)
    try:
        draft = drafts.with_card(draft, said.card(draft.described.card))
        adding.draft = draft
        image, card = adding.image, draft.described.card
        if image is None:
            yield {"status": markup.panel("info", texts.NO_IMAGE), "try_it": gr.update(interactive=True)}
            return
        yield {
            "status": markup.busy(texts.SEGMENTING.format(name=image.name)),
            "stale": "",
            "recognised": _recognised(draft),
        }
        options = SegmentOptions(threshold=card.threshold if card.takes_threshold else None)
        with running.job(engine, is_large=image.is_volume, waiting=call.waiting(image.name)) as job:

            def progress(done: int, of: int) -> None:
                running.check()
                call.say(done / of, texts.SEGMENTING.format(name=image.name))

            found = engine.segment(image, draft.checkpoint, options=options, progress=progress, job=job)
    except Cancelled:
        yield {"status": markup.panel("info", texts.STOPPED_TITLE, [texts.STOPPED])}
        return
    except Exception as error:
        yield {"status": _problem(error)}
        return
    adding.shown, adding.tried = found, said
    yield {
        "status": "",
        "stale": "",
        "viewer": segmentation_value(found),
        "result": _measured(found),
        "seen": _seen(found),
    }


def _measured(found: Segmentation) -> str:
    heading = result_view.heading(found)
    rows = [Outcome(source=None, name=found.image.name, measurements=found.measurements)]  # type: ignore[arg-type]
    return heading + result_view.measurements(rows)


def _empty_result(adding: Adding) -> Updates:
    """The image alone, before it was segmented."""
    if adding.image is None:
        return {"result": "", "seen": "", "viewer": None}
    return {"result": "", "seen": "", "viewer": image_value(adding.image)}


def _seen(found: Segmentation) -> str:
    """What the network saw, as a picture of the slice in the viewer, and its numbers."""
    image, card = found.image, found.card
    picture, facts, rows = "", [], []
    if not card.is_3d:
        labels = found.label_map.labels
        index = int(np.argmax(labels.reshape(len(labels), -1).any(1))) if image.is_volume else 0
        picture = _picture(found.model_input(index))
    if card.recipe is None and image.pixels.size <= LARGEST_SEEN:
        tensor, placement = place(to_tensor(image, card), card, spacing_mm=image.geometry.spacing_mm)
        size, covered = (" × ".join(map(str, sides)) for sides in (card.input_size, placement.resized))
        facts = [(texts.SIZE, texts.SEEN_SIZE.format(size=size, covered=covered))]
        names = card.channel_names or tuple(str(place + 1) for place in range(card.in_channels))
        for name, channel in zip(names, tensor.transpose(0, 1), strict=True):
            figures = (channel.min(), channel.mean(), channel.max())
            rows.append([name, *(number(float(value)) for value in figures)])
    table = markup.table(texts.SEEN, (texts.SEEN_CHANNEL, *texts.SEEN_COLUMNS), rows) if rows else ""
    if not (picture or rows):
        return ""
    return f'<div class="mm-seen">{markup.card(texts.SEEN, picture, markup.facts(facts) if facts else "", table)}</div>'


def _picture(pixels: np.ndarray) -> str:
    """(H, W), or (H, W, C) of which the first or the three colours are shown, as an element."""
    shown = pixels if pixels.ndim == 2 or pixels.shape[-1] == 3 else pixels[..., 0]
    picture = Image.fromarray(np.ascontiguousarray(shown))
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<img src="data:image/png;base64,{data}" alt="{texts.SEEN}">'


def _recognised(draft: Draft) -> str:
    card, described = draft.described.card, draft.described
    where = draft.added.source
    if draft.added.commit:
        where = texts.AT_COMMIT.format(repository=where, commit=draft.added.commit)
    facts = [
        (texts.KIND, draft.origin.label),
        ("Network", described.architecture),
        (texts.CHANNELS_IN, str(card.in_channels)),
        (texts.CHANNELS_OUT, str(card.output_channels)),
        (texts.SOURCE, where),
    ]
    notes = [texts.FIXED] if card.recipe is not None else []
    assumed = "" if described.has_card else markup.panel("warning", texts.ASSUMED_TITLE, [texts.ASSUMED])
    return markup.card(texts.RECOGNISED, markup.facts(facts), markup.bullets(notes)) + assumed


def _problem(error: Exception) -> str:
    return markup.panel("error", texts.PROBLEM_TITLE, [explain(error)])


def _read_sample(card: ModelCard, engine: Engine) -> MedicalImage | None:
    """The sample that suits a card best; None where none is installed."""
    samples = {sample.name: sample for sample in list_samples()}
    wanted = COLOUR_SAMPLE if card.in_channels == 3 and not card.is_3d else SAMPLE_OF[len(card.input_size)]
    sample: Sample | None = samples.get(wanted)
    if sample is None or card.in_channels not in (1, 3):
        return None
    return read_image(sample.path, settings=engine.settings)


def _check_room(directory: Path, draft: Draft, most_mb: int) -> None:
    """Refuse one more checkpoint of a session where its files would take too much.

    Raises:
        OptionError: They would.
    """
    folders = [draft.folder, *([directory] if directory.is_dir() else [])]
    size = sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())
    if size > most_mb * MIB:
        raise OptionError(texts.TOO_LARGE.format(size=round(size / MIB), limit=most_mb, advice=texts.TOO_LARGE_VISITOR))
