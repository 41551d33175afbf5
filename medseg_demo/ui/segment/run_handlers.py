"""What happens on the Segment tab from the Segment button on: the run, and looking at its results.

Each handler returns the parts of the page that change, by the names of ``layout.lay_out``.
"""

import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from medseg_demo.errors import MedsegError, OptionError
from medseg_demo.reading import read_image
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.turns import Cancelled
from medseg_demo.ui import markup, texts
from medseg_demo.ui.segment import correct_handlers, given_view, result_view, updates
from medseg_demo.ui.segment.downloads import write_outcome, write_run
from medseg_demo.ui.segment.state import Choices, Given, Run, Work
from medseg_demo.ui.segment.updates import Updates
from medseg_demo.ui.segment.work import Studies, called, segmented
from medseg_demo.ui.session import Running
from medseg_demo.ui.tab import Call
from medseg_demo.writing.deidentify import deidentified


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
        waiting = call.waiting(outcome.name)
        with running.job(engine, is_large=image.is_volume, waiting=waiting) as job:
            checkpoint = engine.loaded(outcome.checkpoint)
            segmentation = segmented(engine, image, checkpoint, outcome.options, lambda *_: running.check(), job)
        if outcome.pseudonym is not None:
            segmentation = deidentified(segmentation, outcome.pseudonym)
        correct_handlers.turn_to(work, segmentation, index)
    except Cancelled:
        return
    except Exception as error:
        yield {"status": updates.problem(work, error)}
        return
    yield {**updates.view(work, segmentation), **updates.chosen_files(work.run.succeeded[index])}


def open_neighbour(engine: Engine, call: Call, running: Running, step: int) -> Iterator[Updates]:
    """The next (1) or previous (-1) of several results, or of several images that were given, round and round."""
    work = call.session.part(Work)
    shown = work.run
    if shown is not None and len(shown.succeeded) > 1:
        yield from open_result(engine, call, running, (shown.position + step) % len(shown.succeeded))
    elif shown is None and len(work.given.studies) > 1:
        try:
            yield given_view.show_neighbour(engine.settings, work, step) | {"status": ""}
        except Exception as error:
            yield given_view.show(work) | {"status": updates.problem(work, error)}


def decide(work: Work, folder: Path, threshold: float | None, point: Sequence[int] | None = None) -> Updates:
    """The result in the viewer at another threshold, from its probabilities: no network runs.

    Its label map, measurements and downloads are made again, so that what is seen is what is downloaded. Of several
    images the others keep theirs, which the mark of a stale result then says.

    Args:
        work: Of this visitor.
        folder: Of the visitor, for files of the example, which are everybody's.
        threshold: As the viewer or the control of the page says; None while no number stands there.
        point: [z, y, x] where the planes cross in the viewer.
    """
    run = work.run
    if threshold is None or run is None or run.shown is None or run.shown.threshold in (None, threshold):
        return {}
    shown = correct_handlers.as_corrected(work, run.shown)
    try:
        segmentation = shown.at_threshold(threshold)
        folder, before = run.folder or folder / secrets.token_hex(4), run.succeeded[run.position]
        outcome = write_outcome(segmentation, before.source, before.name, folder)
        outcomes = tuple(outcome if one is before else one for one in run.outcomes)
        written = write_run(outcomes, folder)
    except Exception as error:
        back = {} if shown is run.shown else {"threshold": run.choices.threshold}  # which a correction stays at
        return {"status": updates.problem(work, error), **back}
    work.corrected.pop(before.name, None)
    choices = replace(run.choices, threshold=threshold) if len(run.studies) == 1 else run.choices
    work.run = replace(run, shown=segmentation, outcomes=outcomes, choices=choices, folder=folder)
    updated = updates.whole_result(work, work.run, written, point=point) | {"threshold": threshold}
    del updated["stale"]  # which the controls of the page decide, next
    return updated


def _studies(engine: Engine, call: Call, running: Running, given: Given, choices: Choices) -> Studies:
    if not given.studies:
        raise OptionError(texts.NO_FILE)
    entry = engine.entry(choices.checkpoint or "")
    options = choices.options(entry.card)
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
    left, run = _take_over(work, run)
    return {**left, **(updates.view(work, run.shown) if is_first else {}), **updates.listing(run)}


def _take_over(work: Work, run: Run) -> tuple[Updates, Run]:
    """Make a run the one on the page; what was corrected of another leaves it, what was of its own stays."""
    is_new = work.run is None or work.run.folder != run.folder
    left = correct_handlers.leave(work) if is_new else {}
    work.run = run = correct_handlers.with_corrections(work, run)
    return left, run


def _finished(work: Work, before: Run | None, run: Run) -> Updates:
    if run.shown is not None and (place := run.folder) is not None:
        left, run = _take_over(work, run)
        for folder in (*work.outdated, before.folder if before else None):
            if folder not in (None, run.folder) and not any(path.is_relative_to(folder) for path in work.kept):
                shutil.rmtree(folder, ignore_errors=True)
        work.outdated.clear()
        return {**left, **updates.whole_result(work, run, write_run(run.outcomes, run.folder or place))}
    if run.partial and not run.outcomes:
        return {"status": markup.panel("warning", texts.STOPPED_TITLE, [texts.STOPPED_NONE])}
    if len(run.studies) == 1:
        return {"status": updates.problem(work, MedsegError(run.outcomes[0].error))}
    return {"status": result_view.verdict(run)}
