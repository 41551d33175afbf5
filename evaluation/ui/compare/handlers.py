"""What happens on the Compare tab before a run: opening it, samples, uploads and controls.

Each handler returns the parts of the page that change, by the names of ``layout.lay_out``.
"""

import secrets
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
from medseg_demo.ui import checkpoint_view, markup, studies, upload_card

Updates = dict[str, object]


def open_tab(engine: Engine, work: Work, finished: Result | None, address: str) -> Updates:
    """The tab as a visitor finds it: on the finished example, or what is missing for one; later as it was left."""
    if work.given.studies or work.result is not None:
        return {}
    names = checkpoint_view.choices(engine.usable())
    if finished is None:
        empty = markup.panel("info", texts.NO_CHECKPOINT_TITLE, [texts.NO_CHECKPOINT])
        return {"checkpoints": gr.update(choices=names), "status": empty}
    work.given = Given((finished.source,), finished.source, finished.comparison.image)
    work.result = finished
    return {
        "checkpoints": gr.update(choices=names, value=list(finished.request.checkpoints)),
        "preflight": preflight_card(work),
        **whole_result(work, finished, len(finished.comparison.members), address),
    }


def choose_sample(engine: Engine, work: Work, sample: Sample, checkpoints: tuple[str, ...] = ()) -> Updates:
    """Take a bundled sample, with the checkpoints that suit it (or those that are named) and nothing else."""
    names = list(checkpoints) or peers(engine, sample.checkpoint)
    study = Study(sample.path)
    return {
        "checkpoints": gr.update(choices=checkpoint_view.choices(engine.usable()), value=names),
        "upload": None,
        "reference": None,
        "label_maps": None,
        **_take(engine, work, (study,), study),
    }


def take_files(engine: Engine, work: Work, paths: list[Path], folder: Path) -> Updates:
    """Read what was uploaded and show what it is; nothing is segmented yet."""
    try:
        unpack_to = folder / f"compare-{secrets.token_hex(4)}"
        offered = studies.offer(paths, engine.settings, unpack_to=unpack_to) if paths else ()
    except Exception as error:
        return _nothing(work, (), problem(work.result, error))
    if not offered:
        return _nothing(work, (), "")
    first = studies.first_choice(offered)
    return _take(engine, work, offered, offered[int(first) if first.isdecimal() else 0])


def choose_study(engine: Engine, work: Work, place: str | None) -> Updates:
    """Another one of what was uploaded."""
    offered = work.given.studies
    if place is None or not place.isdecimal() or int(place) >= len(offered):
        return {}
    if offered[int(place)] == work.given.source:
        return {}  # Gradio tells of every list that is left, whether something was chosen in it or not
    return _take(engine, work, offered, offered[int(place)])


def preflight_card(work: Work) -> str:
    """What is about to be compared on; empty where there is nothing."""
    image = work.given.image
    if image is None:
        return ""
    facts = markup.facts(upload_card.describe(image))
    channels = upload_card.channel_table(image)
    return markup.card(image.name, facts, channels, markup.bullets(image.notes), note=texts.READY)


def _take(engine: Engine, work: Work, offered: tuple[Study, ...], study: Study) -> Updates:
    try:
        image = read_image(study, settings=engine.settings)
    except Exception as error:
        return _nothing(work, offered, problem(work.result, error)) | {"study": _study_choice(offered, study)}
    work.given = Given(offered, study, image)
    return {
        "preflight": preflight_card(work),
        "study": _study_choice(offered, study),
        "status": "",
    }


def _study_choice(offered: tuple[Study, ...], study: Study) -> object:
    names = [(label, str(place)) for place, label in enumerate(studies.labels(offered))]
    return gr.update(choices=names, value=str(offered.index(study)), visible=len(offered) > 1)


def _nothing(work: Work, offered: tuple[Study, ...], shown: str) -> Updates:
    work.given = Given(offered)
    return {"preflight": shown, "study": gr.update(visible=False), "status": ""}
