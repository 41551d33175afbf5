"""What happens on the Segment tab before a run: opening the page, samples, uploads and controls.

Each handler returns the parts of the page that change, by the names of ``segment_layout.lay_out``.
"""

import secrets
from dataclasses import replace
from pathlib import Path

import gradio as gr

from medseg_demo.readers import collect_files, read_image
from medseg_demo.samples import Sample
from medseg_demo.ui import checkpoint_view, markup, texts, updates, upload_card
from medseg_demo.ui.engine import Engine
from medseg_demo.ui.example import FinishedExample
from medseg_demo.ui.state import Choices, StopRequest, Work
from medseg_demo.ui.updates import Updates


def open_page(engine: Engine, example: FinishedExample | None) -> Updates:
    """The page as a visitor finds it: the finished example, or what is missing for one."""
    entries = engine.usable()
    if example is None:
        name = entries[0].name if entries else None
        shown: Updates = {"status": _empty_state(engine) if not entries else _no_sample()}
    else:
        name = example.run.choices.checkpoint
        work = Work(files=example.files, image=example.image, run=example.run, stop=StopRequest())
        shown = updates.whole_result(work, example.run, example.written)
        shown["preflight"] = preflight_card(engine, work, example.run.choices)
    choices = gr.update(choices=checkpoint_view.choices(entries), value=name)
    return {"checkpoint": choices, **updates.checkpoint(engine.find(name)), **shown}


def choose_sample(engine: Engine, work: Work, sample: Sample, choices: Choices) -> Updates:
    """Take a bundled sample as the file to segment, with the checkpoint that suits it where it is there."""
    entry = engine.find(sample.checkpoint) or engine.find(choices.checkpoint)
    name = entry.name if entry else None
    taken = take_files(engine, work, [sample.path], replace(choices, checkpoint=name))
    return {"checkpoint": name, "upload": None, **updates.checkpoint(entry), **taken}


def take_files(engine: Engine, work: Work, paths: list[Path], choices: Choices, folder: Path | None = None) -> Updates:
    """Read what was uploaded and show what it is; nothing is segmented yet.

    Args:
        engine: Its settings limit what is read.
        work: Of this visitor.
        paths: Files, zips among them; none empties the card.
        choices: The checkpoint to compare the image with.
        folder: The visitor's, for what zips hold; None where no path is a zip.
    """
    try:
        unpack_to = (folder or Path()) / f"upload-{secrets.token_hex(4)}"
        files = tuple(collect_files(paths, settings=engine.settings, unpack_to=unpack_to)) if paths else ()
        image = read_image(files[0], settings=engine.settings) if len(files) == 1 else None
    except Exception as error:
        return {"work": replace(work, files=(), image=None), "preflight": updates.problem(work, error), "status": ""}
    work = replace(work, folder=folder or work.folder, files=files, image=image)
    return {"work": work, "preflight": preflight_card(engine, work, choices), "status": ""}


def choose_checkpoint(engine: Engine, work: Work, choices: Choices) -> Updates:
    """Show the card of another checkpoint, set its threshold, and judge the image anew."""
    return {
        "preflight": preflight_card(engine, work, choices),
        "stale": stale_mark(work, choices),
        **updates.checkpoint(engine.find(choices.checkpoint)),
    }


def preflight_card(engine: Engine, work: Work, choices: Choices) -> str:
    """What is about to be segmented; empty where there is nothing."""
    if work.image is None:
        return upload_card.files_card(work.files, engine.settings) if work.files else ""
    entry = engine.find(choices.checkpoint)
    return upload_card.image_card(work.image, entry.card if entry else None)


def stale_mark(work: Work, choices: Choices) -> str:
    """A mark where the controls no longer say what the result was made with."""
    if work.run is None or work.run.choices == choices:
        return ""
    return markup.panel("info", texts.STALE_TITLE, [texts.STALE])


def _empty_state(engine: Engine) -> str:
    folder = f"{engine.settings.checkpoints_dir.name}/"
    return markup.panel("warning", texts.NO_CHECKPOINT_TITLE, [texts.NO_CHECKPOINT.format(folder=folder)])


def _no_sample() -> str:
    return markup.panel("info", texts.NO_SAMPLE_TITLE, [texts.NO_SAMPLE])
