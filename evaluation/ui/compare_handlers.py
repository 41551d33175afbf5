"""What happens on the Compare tab before a run: opening it, samples, uploads and controls.

Each handler returns the parts of the page that change, by the names of ``compare_layout.lay_out``.
"""

import secrets
from dataclasses import replace
from pathlib import Path

import gradio as gr

from evaluation.ui import compare_texts as texts
from evaluation.ui.compare_example import FinishedComparison, peers
from evaluation.ui.compare_results import problem, whole_result
from evaluation.ui.compare_state import Request, Work
from medseg_demo.samples import Sample
from medseg_demo.ui import checkpoint_view, markup, upload_card
from medseg_demo.ui.engine import Engine
from medseg_demo.ui.state import StopRequest
from medseg_demo.ui.studies import Study, find_studies, first_choice

Updates = dict[str, object]


def open_tab(engine: Engine, work: Work, finished: FinishedComparison | None, address: str) -> Updates:
    """The tab as a visitor finds it: on the finished example, or what is missing for one; later as it was left."""
    if work.image is not None or work.studies:
        return {}
    names = checkpoint_view.choices(engine.usable())
    if finished is None:
        empty = markup.panel("info", texts.NO_CHECKPOINT_TITLE, [texts.NO_CHECKPOINT])
        return {"checkpoints": gr.update(choices=names), "status": empty}
    work = replace(
        work,
        studies=(finished.source,),
        source=finished.source,
        image=finished.comparison.image,
        result_source=finished.source,
        request=finished.request,
        result=finished.comparison,
        files=finished.files,
        archive=finished.archive,
        stop=StopRequest(),
    )
    return {
        "checkpoints": gr.update(choices=names, value=list(finished.request.checkpoints)),
        "preflight": preflight_card(work),
        **whole_result(work, len(finished.comparison.members), address),
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
    work = replace(work, folder=folder)
    try:
        unpack_to = folder / f"compare-{secrets.token_hex(4)}"
        studies = find_studies(paths, engine.settings, unpack_to=unpack_to) if paths else ()
    except Exception as error:
        return _nothing(work, problem(work, error))
    if not studies:
        return _nothing(work, "")
    first = first_choice(studies)
    return _take(engine, work, studies, studies[int(first) if first.isdecimal() else 0])


def choose_study(engine: Engine, work: Work, place: str | None) -> Updates:
    """Another one of what was uploaded."""
    if place is None or not place.isdecimal() or int(place) >= len(work.studies):
        return {}
    return _take(engine, work, work.studies, work.studies[int(place)])


def preflight_card(work: Work) -> str:
    """What is about to be compared on; empty where there is nothing."""
    if work.image is None:
        return ""
    facts = markup.facts(upload_card.describe(work.image))
    return markup.card(work.image.name, facts, markup.bullets(work.image.notes), note=texts.READY)


def stale_mark(work: Work, request: Request) -> str:
    """A mark where the image or the controls are no longer what the result was made with."""
    if work.result is None or work.request is None:
        return ""
    if work.source not in (None, work.result_source):
        return markup.panel("info", texts.OTHER_IMAGE_TITLE.format(name=work.result.image.name), [texts.STALE])
    if replace(work.request, method=None) != replace(request, method=None):
        return markup.panel("info", texts.STALE_TITLE, [texts.STALE])
    return ""


def _take(engine: Engine, work: Work, studies: tuple[Study, ...], study: Study) -> Updates:
    try:
        image = study.read(engine.settings)
    except Exception as error:
        work = replace(work, studies=studies)
        return _nothing(work, problem(work, error)) | {"study": _study_choice(studies, study)}
    work = replace(work, studies=studies, source=study, image=image)
    return {
        "work": work,
        "preflight": preflight_card(work),
        "study": _study_choice(studies, study),
        "status": "",
    }


def _study_choice(studies: tuple[Study, ...], study: Study) -> object:
    names = [(one.label, str(place)) for place, one in enumerate(studies)]
    return gr.update(choices=names, value=str(studies.index(study)), visible=len(studies) > 1)


def _nothing(work: Work, shown: str) -> Updates:
    work = replace(work, source=None, image=None)
    return {"work": work, "preflight": shown, "study": gr.update(visible=False), "status": ""}
