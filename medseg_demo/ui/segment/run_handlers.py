"""What happens on the Segment tab from the Segment button on: the run, and looking at its results.

Each handler returns the parts of the page that change, by the names of ``layout.lay_out``.
"""

import secrets
import shutil
from collections.abc import Iterator
from dataclasses import replace

import gradio as gr

from medseg_demo.errors import MedsegError, OptionError
from medseg_demo.reading import read_image
from medseg_demo.rendering import Plane
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.turns import Cancelled
from medseg_demo.ui import markup, texts
from medseg_demo.ui.segment import result_view, updates
from medseg_demo.ui.segment.downloads import write_run
from medseg_demo.ui.segment.state import Choices, Given, Run, Work
from medseg_demo.ui.segment.updates import Updates
from medseg_demo.ui.segment.work import Studies, called
from medseg_demo.ui.session import Running
from medseg_demo.ui.slice_requests import wanted_channels, wanted_slices
from medseg_demo.ui.tab import Call
from medseg_demo.ui.viewer import segmentation_value


def run(engine: Engine, call: Call, running: Running, choices: Choices) -> Iterator[Updates]:
    """Segment what is given, streaming what is done; an error leaves the previous result in place."""
    work = call.session.part(Work)
    given, before = work.given, work.run
    try:
        studies = _studies(engine, call, running, given, choices)
        last = Run(choices)
        for last in studies.segment(given):
            yield _streamed(work, last)
        if not running.visitor_left:
            yield _finished(work, before, last)
    except Exception as error:
        yield {"status": updates.problem(work, error)}


def open_result(engine: Engine, call: Call, running: Running, index: int) -> Iterator[Updates]:
    """Bring one of several results into the viewer. It is computed again, so that only one is kept in memory."""
    work = call.session.part(Work)
    if work.run is None:
        yield {"status": markup.panel("warning", texts.EXPIRED_TITLE, [texts.EXPIRED])}
        return
    try:
        outcome = work.run.succeeded[index]
        image = read_image(outcome.source, settings=engine.settings)
        image = called(image, outcome.source, outcome.name, work.run.studies)
        with running.job(engine, is_large=image.is_volume, waiting=call.waiting(outcome.name)) as job:
            segmentation = engine.segment(
                image, outcome.checkpoint, options=outcome.options, progress=lambda *_: running.check(), job=job
            )
    except Cancelled:
        return
    except Exception as error:
        yield {"status": updates.problem(work, error)}
        return
    work.run = replace(work.run, shown=segmentation, position=index)
    yield {**updates.view(segmentation), **updates.chosen_files(outcome.label_map, outcome.overlay)}


def open_neighbour(engine: Engine, call: Call, running: Running, step: int) -> Iterator[Updates]:
    """The next (1) or previous (-1) of several results, round from the last to the first."""
    shown = call.session.part(Work).run
    if shown is not None and len(shown.succeeded) > 1:
        yield from open_result(engine, call, running, (shown.position + step) % len(shown.succeeded))


def send_slices(work: Work, plane: Plane, slices: list[int], key: str, channels: object = None) -> object:
    """Slices of the volume in the viewer that the browser does not have yet."""
    if work.run is None or work.run.shown is None:
        return gr.skip()
    image = work.run.shown.image
    wanted = wanted_slices(image, plane, slices)
    return segmentation_value(
        work.run.shown, plane=plane, slice_indices=wanted, channels=wanted_channels(image, channels), key=key
    )


def _studies(engine: Engine, call: Call, running: Running, given: Given, choices: Choices) -> Studies:
    if not given.studies:
        raise OptionError(texts.NO_FILE)
    entry = engine.entry(choices.checkpoint or "")
    options = choices.options(multiclass=entry.card is not None and entry.card.is_multiclass)
    by_window = entry.card is not None and entry.card.is_3d

    def report(place: int, total: int, name: str, done: int, of: int) -> None:
        words = texts.running(place, total, name) if total > 1 else texts.SEGMENTING.format(name=name)
        steps = f", {texts.WINDOWS.format(done=done, total=of)}" if by_window and of > 1 else ""
        call.say((place + done / of) / total, words + steps)

    folder = call.session.folder / secrets.token_hex(4)
    return Studies(engine, running, choices, options, folder, report, call.waiting)


def _streamed(work: Work, run: Run) -> Updates:
    """After each of several files: the first result opens at once, the gallery and the table grow."""
    if len(run.studies) == 1 or run.shown is None:
        return {}
    is_first = len(run.succeeded) == 1 and run.outcomes[-1].error is None
    shown = {**(updates.view(run.shown) if is_first else {}), **updates.listing(run)}
    work.run = run
    return shown


def _finished(work: Work, before: Run | None, run: Run) -> Updates:
    if run.shown is not None and run.folder is not None:
        if before is not None and before.folder is not None:
            shutil.rmtree(before.folder, ignore_errors=True)
        shown = updates.whole_result(work, run, write_run(run.outcomes, run.folder))
        work.run = run
        return shown
    if run.partial and not run.outcomes:
        return {"status": markup.panel("warning", texts.STOPPED_TITLE, [texts.STOPPED_NONE])}
    if len(run.studies) == 1:
        return {"status": updates.problem(work, MedsegError(run.outcomes[0].error))}
    return {"status": result_view.verdict(run)}
