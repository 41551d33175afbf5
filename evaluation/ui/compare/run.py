"""What happens on the Compare tab from the Compare button on: the run, the consensus, slices of a volume.

Each handler returns the parts of the page that change, by the names of ``layout.lay_out``.
"""

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import gradio as gr

from evaluation.comparison.agreement import Method
from evaluation.comparison.cost import find_cost
from evaluation.comparison.files import write_comparison, zip_files
from evaluation.comparison.members import Comparison, Cost, Segment, read_members, run_comparison, with_consensus
from evaluation.ui.compare import texts, view
from evaluation.ui.compare.results import Updates, partial_result, problem, whole_result
from evaluation.ui.compare.state import Request, Result, Work
from medseg_demo.errors import OptionError
from medseg_demo.image import MedicalImage
from medseg_demo.models.card import ModelCard
from medseg_demo.reading import lay_together
from medseg_demo.rendering import Plane
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.pipeline import Segmentation
from medseg_demo.segmenting.turns import Cancelled, Job
from medseg_demo.settings import Settings
from medseg_demo.ui import markup
from medseg_demo.ui.session import Running
from medseg_demo.ui.slice_requests import wanted_channels, wanted_slices
from medseg_demo.ui.tab import Call

RESULTS = "comparisons"


def run(engine: Engine, call: Call, running: Running, request: Request) -> Iterator[Updates]:
    """Compare, showing each result as soon as it is there; after an error the previous result is there again."""
    work = call.session.part(Work)
    total = len(request.checkpoints) + len(request.label_maps) + bool(request.reference)
    given, before = work.given, work.result
    found: Comparison | None = None
    try:
        if given.source is None or given.image is None:
            raise OptionError(texts.NO_IMAGE)
        image = given.image
        try:
            with running.job(engine, is_large=image.is_volume, waiting=call.waiting(image.name)) as job:
                for found in compare(engine, image, request, _segment(engine, call, running, job)):
                    if len(found.members) < total:
                        result = Result(given.source, request, found)
                        yield _put(work, result, partial_result(work, result))
        except Cancelled:
            if running.visitor_left:
                return
            found = found and replace(found, partial=True)
        if found is None:
            yield {"status": markup.panel("warning", texts.STOPPED_TITLE, [texts.STOPPED_NONE])}
            return
        method = request.method if len(found.predictions) > 1 else None
        result = _written(call.session.folder, Result(given.source, request, with_consensus(found, method)))
        yield _put(work, result, whole_result(work, result, total, call.address))
    except Exception as error:
        back = _put(work, before, whole_result(work, before, total, call.address)) if found and before else {}
        yield back | {"status": problem(before, error)}


def _put(work: Work, result: Result, updates: Updates) -> Updates:
    """The updates that show a result; from now on the result is the work's."""
    work.result = result
    return updates


def compare(engine: Engine, image: MedicalImage, request: Request, segment: Segment) -> Iterator[Comparison]:
    """A comparison after each checkpoint, of what the controls say.

    Raises:
        MedsegError: A checkpoint or a file cannot be used, or they do not go together.
    """
    cards = usable_cards(engine, request.checkpoints)
    with tempfile.TemporaryDirectory(prefix="medseg-") as folder:
        reference, label_maps = _together(request, engine.settings, Path(folder))
        given = read_members(
            image,
            label_maps,
            reference=reference,
            taken=list(cards),
        )
    return run_comparison(image, cards, given, segment)


def _together(request: Request, settings: Settings, folder: Path) -> tuple[Path | None, list[Path]]:
    """The reference and the label maps; a header lies beside its data file, wherever of the two that was added."""
    reference = Path(request.reference) if request.reference else None
    paths = lay_together([*([reference] if reference else []), *request.label_maps], settings, folder)
    if reference and paths and paths[0].name == reference.name:
        return paths[0], paths[1:]
    return reference, paths


def usable_cards(engine: Engine, names: Sequence[str]) -> dict[str, ModelCard]:
    """The card of each named checkpoint.

    Raises:
        MedsegError: There is none of a name, or it cannot be used.
    """
    return {name: card for name in names if (card := engine.entry(name).card) is not None}


def choose_consensus(work: Work, method: Method | None, folder: Path, address: str) -> Updates:
    """Add the consensus to the result, make it otherwise, or take it away."""
    before = work.result
    if before is None:
        return {"status": markup.panel("warning", texts.EXPIRED_TITLE, [texts.EXPIRED])}
    if before.comparison.method == method:
        return {}
    try:
        found = with_consensus(before.comparison, method)
        result = replace(before, request=replace(before.request, method=method), comparison=found)
        result = _written(folder, result, before.files.label_maps if before.files else None)
        updates = whole_result(work, result, len(found.members), address)
    except Exception as error:
        updates, result = {"status": problem(before, error)}, before
    return _put(work, result, updates) if work.result is before else {}  # a run has brought another one meanwhile


def send_slices(work: Work, plane: Plane, slices: list[int], key: str, channels: object = None) -> object:
    """Slices of the volume in the viewer that the browser does not have yet."""
    if work.result is None:
        return gr.skip()
    comparison = work.result.comparison
    wanted, of = wanted_slices(comparison.image, plane, slices), wanted_channels(comparison.image, channels)
    return view.viewer_value(comparison, plane=plane, slices=wanted, channels=of, key=key)


def engine_segment(
    engine: Engine, job: Job | None = None, progress: Callable[[str, int, int], None] | None = None
) -> Segment:
    """The engine as what runs the checkpoints of a comparison."""

    def segment(image: MedicalImage, names: Sequence[str]) -> Iterator[tuple[Segmentation, Cost]]:
        for result in engine.segment_each(image, names, progress=progress, job=job):
            yield result, engine_cost(engine, result.checkpoint)

    return segment


def engine_cost(engine: Engine, checkpoint: str) -> Cost:
    """What a checkpoint of the engine costs; without its memory where the network runs in another process."""
    loaded = engine.loaded(checkpoint)
    return Cost(loaded.parameters) if engine.runs_elsewhere else find_cost(loaded, engine.settings)


def _segment(engine: Engine, call: Call, running: Running, job: Job) -> Segment:
    def segment(image: MedicalImage, names: Sequence[str]) -> Iterator[tuple[Segmentation, Cost]]:
        def tell(name: str, done: int, total: int) -> None:
            running.check()
            share = (names.index(name) + done / total) / len(names)
            call.say(share, texts.SEGMENTING.format(name=image.name, checkpoint=name))

        if names:
            tell(names[0], 0, 1)
        yield from engine_segment(engine, job, tell)(image, names)

    return segment


def _written(visitor: Path, result: Result, written: Mapping[str, Path] | None = None) -> Result:
    """The result with its files; those of earlier results go once nothing of them is needed."""
    root = visitor / RESULTS
    folder = root / secrets.token_hex(4)
    files = write_comparison(result.comparison, folder, written=written)
    archive = zip_files(files.paths, folder / f"{files.document.stem}.zip")
    for old in root.iterdir() if written is None else ():
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)
    return replace(result, files=files, archive=archive)
