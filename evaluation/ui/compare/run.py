"""What happens on the Compare tab from the Compare button on: the run, the images one by one, consensus, slices.

Each handler returns the parts of the page that change, by the names of ``layout.lay_out``.
"""

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import gradio as gr

from evaluation.comparison.agreement import Method
from evaluation.comparison.classes import parse_stated
from evaluation.comparison.files import write_comparison, write_tables, zip_files
from evaluation.comparison.members import Comparison, with_consensus
from evaluation.comparison.run import Asked, assign, compare_image, file_names
from evaluation.comparison.several import Figures
from evaluation.ui.compare import texts, view
from evaluation.ui.compare.results import Updates, partial_result, problem, shown, whole_result
from evaluation.ui.compare.state import Compared, Given, Request, Result, Work
from evaluation.ui.evaluate.messages import message
from medseg_demo.errors import OptionError
from medseg_demo.image import MedicalImage
from medseg_demo.reading import lay_together, read_image
from medseg_demo.reading.studies import Study, result_stems
from medseg_demo.rendering import Plane
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.turns import Cancelled
from medseg_demo.settings import Settings
from medseg_demo.ui import markup
from medseg_demo.ui.session import Running, known_folder
from medseg_demo.ui.slice_requests import wanted_channels, wanted_slices
from medseg_demo.ui.tab import Call

RESULTS = "comparisons"


def run(engine: Engine, call: Call, running: Running, request: Request) -> Iterator[Updates]:
    """Compare, showing each result as soon as it is there; after an error the previous result is there again."""
    work = call.session.part(Work)
    given, before = work.given, work.result
    total = len(request.checkpoints) + len(request.label_maps) + bool(request.references)
    result: Result | None = None
    try:
        if not given.studies:
            raise OptionError(texts.NO_IMAGE)
        folder = call.session.folder / RESULTS / secrets.token_hex(4)
        images = _Images(engine, call, running, request, folder)
        in_viewer = None
        for result in images.compare(given):
            if result.comparison is not None and len(result.outcomes) < len(given.studies) and not result.partial:
                work.result = result
                yield partial_result(work, result, pictures=result.comparison is not in_viewer)
                in_viewer = result.comparison
        if running.visitor_left:
            return
        if result is None or result.comparison is None:
            yield _without_result(result, total)
            return
        work.result = _finished(result)
        for old in folder.parent.iterdir():
            if old != folder:
                shutil.rmtree(old, ignore_errors=True)
        yield whole_result(work, work.result, total, call.address)
    except Exception as error:
        was_shown = result is not None and result.comparison is not None
        work.result = before if was_shown else work.result
        back = whole_result(work, before, total, call.address) if was_shown and before else {}
        yield back | {"status": problem(before, error)}


def _without_result(result: Result | None, total: int) -> Updates:
    if result is None or result.partial:
        return {"status": markup.panel("warning", texts.STOPPED_TITLE, [texts.STOPPED_NONE])}
    return {"status": view.verdict(result, total)}


def _finished(result: Result) -> Result:
    """The result with the tables and the zip of its images."""
    assert result.folder is not None
    written = [one.files for one in result.succeeded if one.files is not None]
    tables = write_tables(result.figures, written, result.folder)
    paths = dict.fromkeys([*tables.paths, *(path for files in written for path in files.paths)])
    archive = zip_files(list(paths), result.folder / f"{tables.document.stem}.zip")
    return replace(result, tables=tables, archive=archive)


@dataclass(frozen=True, eq=False)
class _Images:
    """The images of a run, one after the other."""

    engine: Engine
    call: Call
    running: Running
    request: Request
    folder: Path

    def compare(self, given: Given) -> Iterator[Result]:
        """A result after each checkpoint of the first image, and after each image.

        Raises:
            MedsegError: What is asked for cannot be assigned, or the only image cannot be compared on.
        """
        result = Result(given.studies, self.request, folder=self.folder)
        with assigned(given, self.request, self.engine.settings) as (names, each):
            for place, (study, name, asked) in enumerate(zip(given.studies, names, each, strict=True)):
                found: Comparison | None = None
                try:
                    members = 0
                    for found in self._one(study, name, asked, given, place, warm=bool(result.figures)):
                        if result.comparison is None and members < len(found.members) and asked.checkpoints:
                            yield replace(result, comparison=found)
                        members = len(found.members)  # the last time only the times are new
                except Cancelled:
                    if found is not None and not result.outcomes and not self.running.visitor_left:
                        found = replace(found, partial=True)
                        result = self._done(result, study, name, asked, found)
                    yield replace(result, partial=True)
                    return
                except Exception as error:
                    if len(given.studies) == 1:
                        raise
                    failed = Compared(study, name, asked, error=message(error))
                    result = replace(result, outcomes=(*result.outcomes, failed))
                    yield result
                    continue
                if found is not None:
                    result = self._done(result, study, name, asked, found)
                    yield result

    def _one(
        self, study: Study, name: str, asked: Asked, given: Given, place: int, *, warm: bool
    ) -> Iterator[Comparison]:
        image = given.image or _read(study, name, given.studies, self.engine.settings)
        with self.running.job(self.engine, is_large=image.is_volume, waiting=self.call.waiting(name)) as job:
            tell = self._teller(name, place, len(given.studies), warm=warm)
            yield from compare_image(self.engine, image, asked, job, tell, warm=warm)

    def _teller(self, name: str, place: int, total: int, *, warm: bool) -> Callable[[str, float, bool], None]:
        names = self.request.checkpoints

        def tell(checkpoint: str, share: float, is_timing: bool) -> None:
            self.running.check()
            part = (names.index(checkpoint) + share) / len(names)
            part = part if warm else (part + is_timing) / 2
            words = texts.TIMING if is_timing else texts.SEGMENTING
            words = words.format(name=name, checkpoint=checkpoint)
            if total > 1:
                words = texts.OF_IMAGES.format(place=place + 1, total=total, words=words)
            self.call.say((place + part) / total, words)

        return tell

    def _done(self, result: Result, study: Study, name: str, asked: Asked, found: Comparison) -> Result:
        """The result with one more image, whose pictures are kept where they are those in the viewer."""
        found = with_consensus(found, self.request.method if len(found.predictions) > 1 else None)
        files = write_comparison(found, self.folder)
        outcome = Compared(study, name, asked, Figures.of(found), files)
        is_first = not result.succeeded
        return replace(
            result,
            outcomes=(*result.outcomes, outcome),
            comparison=found if is_first else result.comparison,
            partial=found.partial,
        )


@contextmanager
def assigned(given: Given, request: Request, settings: Settings) -> Iterator[tuple[list[str], list[Asked]]]:
    """What each image is called, and what is compared on it. Files belong to what was uploaded, chosen or not.

    A header lies beside its data file until the end of the block, wherever of the two that was added.

    Raises:
        OptionError: A file belongs to no image, or a line says nothing about a class.
    """
    apart = given.offered if set(given.studies) <= set(given.offered) else given.studies
    stems = result_stems(apart, known_folder)
    called = file_names(stems)
    with tempfile.TemporaryDirectory(prefix="medseg-") as folder:
        references, label_maps = _together(request, settings, Path(folder))
        stated = parse_stated(request.classes)
        each = assign(stems, request.checkpoints, label_maps=label_maps, references=references, stated=stated)
        chosen = [apart.index(study) for study in given.studies]
        yield [called[place] for place in chosen], [each[place] for place in chosen]


def _together(request: Request, settings: Settings, folder: Path) -> tuple[list[Path], list[Path]]:
    """References and label maps, each header beside its data file; data files are left out."""
    given = [Path(path) for path in (*request.references, *request.label_maps)]
    left = lay_together(given, settings, folder)
    count = 0  # of references that are left; the order stays
    for path in given[: len(request.references)]:
        count += count < len(left) and left[count].name == path.name
    return left[:count], left[count:]


def _read(study: Study, name: str, studies: Sequence[Study], settings: Settings) -> MedicalImage:
    """An image; one of several under its unique name."""
    image = read_image(study, settings=settings)
    return replace(image, name=name) if len(studies) > 1 else image


def open_image(engine: Engine, call: Call, running: Running, place: int) -> Iterator[Updates]:
    """Bring another image into the viewer. It is compared on again, so that the pictures of one are kept."""
    work = call.session.part(Work)
    before = work.result
    if before is None:
        yield {"status": markup.panel("warning", texts.EXPIRED_TITLE, [texts.EXPIRED])}
        return
    if before.tables is None or place == before.position or not 0 <= place < len(before.succeeded):
        return  # while it goes on, the first image stays
    try:
        result = replace(
            before, comparison=_again(engine, call, running, before, before.succeeded[place]), position=place
        )
    except Cancelled:
        return
    except Exception as error:
        yield shown(before) | {"status": problem(before, error)}
        return
    if work.result is before:  # no run has brought another one meanwhile
        work.result = result
        yield whole_result(work, result, 0, call.address)


def open_neighbour(engine: Engine, call: Call, running: Running, step: int) -> Iterator[Updates]:
    """The next (1) or previous (-1) of several images, round from the last to the first."""
    result = call.session.part(Work).result
    if result is not None and len(result.succeeded) > 1:
        yield from open_image(engine, call, running, (result.position + step) % len(result.succeeded))


def _again(engine: Engine, call: Call, running: Running, result: Result, one: Compared) -> Comparison:
    """The comparison of an image of a result, with the times that were measured before."""
    image = _read(one.study, one.name, result.studies, engine.settings)

    def tell(checkpoint: str, share: float, is_timing: bool) -> None:
        running.check()
        call.say(share, texts.OPENING.format(name=one.name))

    with (
        assigned(Given(result.studies, (one.study,)), result.request, engine.settings) as (_, (asked,)),
        running.job(engine, is_large=image.is_volume, waiting=call.waiting(one.name)) as job,
    ):
        *_, found = compare_image(engine, image, asked, job, tell, warm=True)
    costs = one.figures.costs if one.figures else {}
    members = tuple(replace(member, cost=costs.get(member.name)) for member in found.members)
    found = replace(found, members=members)
    return with_consensus(found, result.request.method if len(found.predictions) > 1 else None)


def choose_consensus(work: Work, method: Method | None, folder: Path, address: str) -> Updates:
    """Add the consensus to the result of one image, make it otherwise, or take it away; of several, a run does."""
    before = work.result
    if before is None or before.comparison is None:
        return {"status": markup.panel("warning", texts.EXPIRED_TITLE, [texts.EXPIRED])}
    one = before.shown
    if before.comparison.method == method or len(before.studies) > 1 or one is None or one.files is None:
        return {}
    try:
        result = written_anew(before, with_consensus(before.comparison, method), folder)
        updates = whole_result(work, result, len(before.comparison.members), address)
    except Exception as error:
        updates, result = {"status": problem(before, error)}, before
    if work.result is not before:  # a run has brought another one meanwhile
        return {}
    work.result = result
    return updates


def written_anew(before: Result, found: Comparison, folder: Path) -> Result:
    """The result of one image with another comparison of it, and the files of that.

    Raises:
        OutputError: A file cannot be written.
    """
    (one,) = before.outcomes
    assert one.files is not None
    folder = folder / RESULTS / secrets.token_hex(4)
    files = write_comparison(found, folder, written=one.files.label_maps)
    one = replace(one, figures=Figures.of(found), files=files)
    request = replace(before.request, method=found.method)
    return _finished(replace(before, request=request, comparison=found, outcomes=(one,), folder=folder))


def send_slices(work: Work, plane: Plane, slices: list[int], key: str, channels: object = None) -> object:
    """Slices of the volume in the viewer that the browser does not have yet."""
    if work.result is None or work.result.comparison is None:
        return gr.skip()
    comparison = work.result.comparison
    wanted, of = wanted_slices(comparison.image, plane, slices), wanted_channels(comparison.image, channels)
    corrected = work.correcting.corrections.find(key)
    return view.viewer_value(comparison, plane=plane, slices=wanted, channels=of, key=key, corrected=corrected)
