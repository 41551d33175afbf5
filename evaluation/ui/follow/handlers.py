"""What happens on the Follow tab. Each handler returns the parts that change, by the names of ``layout.lay_out``."""

import secrets
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gradio as gr

from evaluation.ui.evaluate.messages import message
from evaluation.ui.follow import texts, view
from evaluation.ui.follow.code import follow_code
from evaluation.ui.follow.run import find_visits, follow_given, pair_of
from evaluation.ui.follow.state import Given, Request, Result, Work
from medseg_demo.following.simulated import write_visits
from medseg_demo.rendering import Plane
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.turns import Cancelled
from medseg_demo.ui import checkpoint_view, markup
from medseg_demo.ui.session import Running
from medseg_demo.ui.slice_requests import wanted_channels, wanted_slices
from medseg_demo.ui.tab import Call

Updates = dict[str, object]

RESULTS = "follow-ups"
SIMULATED_CHECKPOINTS = ("nuclei-unet-tiny", "nuclei-unet-lite0")


def open_tab(engine: Engine, work: Work) -> Updates:
    """The tab as a visitor finds it, and later as it was left."""
    choices = gr.update(choices=checkpoint_view.choices(engine.usable()))
    if work.result is not None or work.given.studies:
        return {"checkpoint": choices}
    return {"checkpoint": choices, "status": markup.panel("info", texts.EMPTY_TITLE, [texts.EMPTY])}


def take_files(engine: Engine, work: Work, paths: list[Path], checkpoint: str, folder: Path) -> Updates:
    """List the studies that were uploaded, with their dates; nothing is segmented yet.

    Files of one case are its channels where the checkpoint takes several.
    """
    work.given = Given()
    if not paths:
        return {"preflight": ""}
    try:
        work.given = find_visits(engine, paths, checkpoint, folder / f"follow-{secrets.token_hex(4)}")
    except Exception as error:
        return {"preflight": problem(error), "status": ""}
    return {"preflight": view.studies_card(work.given), "status": ""}


def choose_simulated(engine: Engine, work: Work, folder: Path) -> Updates:
    """Draw the simulated visits, and choose a checkpoint that suits them where there is one."""
    names = [entry.name for entry in engine.usable()]
    checkpoint = next((name for name in SIMULATED_CHECKPOINTS if name in names), "")
    try:
        paths = write_visits(folder / f"follow-{secrets.token_hex(4)}")
        work.given = replace(find_visits(engine, paths, checkpoint, folder), simulated=True)
    except Exception as error:
        work.given = Given()
        return {"preflight": problem(error)}
    chosen = {"checkpoint": checkpoint} if checkpoint else {}
    return {"preflight": view.studies_card(work.given), "upload": None, "dates": "", **chosen}


def run(engine: Engine, call: Call, running: Running, request: Request) -> Iterator[Updates]:
    """Follow the visits; after an error or a Stop the previous result is still there."""
    work = call.session.part(Work)
    given = work.given
    try:
        folder = call.session.folder / RESULTS / secrets.token_hex(4)
        found, archive = follow_given(
            engine, given, request, running, folder, say=call.say, waiting=call.waiting(next(iter(given.stems), ""))
        )
        result = Result(given, request, found, archive, pair_of(found, len(found.visits) - 1))
    except Cancelled:
        if not running.visitor_left:
            yield {"status": markup.panel("warning", texts.STOPPED_TITLE, [texts.STOPPED])}
        return
    except Exception as error:
        yield {"status": problem(error)}
        return
    if running.visitor_left:
        return
    work.result = result
    for old in result.archive.parent.parent.iterdir():
        if old != result.archive.parent:
            shutil.rmtree(old, ignore_errors=True)
    yield view.whole_result(result) | follow_code(result, call.address)


def open_visit(work: Work, place: str | None) -> Updates:
    """Bring another visit into the viewer, beside the first one."""
    before = work.result
    if before is None:
        return {"status": markup.panel("warning", texts.EXPIRED_TITLE, [texts.EXPIRED])}
    position = int(place) if isinstance(place, str) and place.isdecimal() else 0
    if position == before.pair.position or not 0 < position < len(before.found.visits):
        return {}
    work.result = replace(before, pair=pair_of(before.found, position))
    return {"viewer": view.viewer_value(work.result.pair)}


def send_slices(work: Work, plane: Plane, slices: list[int], key: str, channels: object = None) -> object:
    """Slices of the visits in the viewer that the browser does not have yet."""
    if work.result is None:
        return gr.skip()
    pair = work.result.pair
    wanted, of = wanted_slices(pair.image, plane, slices), wanted_channels(pair.image, channels)
    return view.viewer_value(pair, plane=plane, slices=wanted, channels=of, key=key)


def stale_mark(work: Work, request: Request) -> str:
    """A mark where the studies or the controls are no longer what the result was made with."""
    result = work.result
    if result is None or (result.given is work.given and result.request == request):
        return ""
    return markup.panel("info", texts.STALE_TITLE, [texts.STALE])


def problem(error: Exception) -> str:
    """The panel of an error."""
    return markup.panel("error", texts.ERROR_TITLE, message(error).splitlines())
