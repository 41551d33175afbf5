"""What happens on the Follow tab. Each handler returns the parts that change, by the names of ``layout.lay_out``."""

import secrets
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np

from evaluation.comparison.files import zip_files
from evaluation.ui.evaluate.messages import message
from evaluation.ui.follow import texts, view
from evaluation.ui.follow.state import Given, Pair, Request, Result, Work
from medseg_demo.errors import OptionError
from medseg_demo.following.files import write_follow_up
from medseg_demo.following.follow import FollowOptions, FollowUp, Visit, follow
from medseg_demo.following.pictures import difference, laid_on_first
from medseg_demo.following.visits import date_of, in_order
from medseg_demo.reading import find_studies, read_image
from medseg_demo.reading.studies import result_stems
from medseg_demo.rendering import Plane
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.turns import Cancelled
from medseg_demo.ui import checkpoint_view, markup
from medseg_demo.ui.session import Running, known_folder
from medseg_demo.ui.slice_requests import wanted_channels, wanted_slices
from medseg_demo.ui.tab import Call
from medseg_demo.ui.texts import TOO_MANY_IMAGES

Updates = dict[str, object]

RESULTS = "follow-ups"


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
        entry = engine.find(checkpoint)
        channels = bool(entry and entry.card and entry.card.channel_names)
        unpack_to = folder / f"follow-{secrets.token_hex(4)}"
        studies = find_studies(paths, settings=engine.settings, unpack_to=unpack_to, channels=channels)
        if len(studies) > engine.settings.max_upload_files:
            raise OptionError(TOO_MANY_IMAGES.format(count=len(studies), most=engine.settings.max_upload_files))
        stems = tuple(result_stems(studies, known_folder))
        dates = tuple(date_of(read_image(study, settings=engine.settings)) for study in studies)
    except Exception as error:
        return {"preflight": problem(error), "status": ""}
    work.given = Given(studies, stems, dates)
    return {"preflight": view.studies_card(work.given), "status": ""}


def run(engine: Engine, call: Call, running: Running, request: Request) -> Iterator[Updates]:
    """Follow the visits; after an error or a Stop the previous result is still there."""
    work = call.session.part(Work)
    given = work.given
    try:
        result = _followed(engine, call, running, given, request)
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
    yield view.whole_result(result)


def _followed(engine: Engine, call: Call, running: Running, given: Given, request: Request) -> Result:
    """The result with its files.

    Raises:
        MedsegError: The studies, the checkpoint or an option cannot be used.
        Cancelled: The run was cancelled.
    """
    if not given.studies:
        raise OptionError(texts.NO_STUDIES)
    if not request.checkpoint:
        raise OptionError(texts.NO_CHECKPOINT)
    deviation = None if request.deviation is None else request.deviation / 100
    options = FollowOptions(request.repeats, deviation, request.registered)

    def tell(name: str, share: float) -> None:
        running.check()
        call.say(share, texts.SEGMENTING.format(name=name))

    images = [read_image(study, settings=engine.settings) for study in given.studies]
    dated = in_order(images, given.stems, request.dates)
    is_large = images[0].is_volume
    with running.job(engine, is_large=is_large, waiting=call.waiting(given.stems[0])) as job:
        found = follow(dated, request.checkpoint, engine, options=options, job=job, tell=tell)
    folder = call.session.folder / RESULTS / secrets.token_hex(4)
    folder.mkdir(parents=True)
    archive = zip_files(write_follow_up(found, folder), folder / "follow-up.zip")
    return Result(given, request, found, archive, _pair(found, len(found.visits) - 1))


def _pair(found: FollowUp, position: int) -> Pair:
    """The first visit and a later one as the channels of one image, with their difference."""
    (image, labels), (other, other_labels) = map(laid_on_first, (found.visits[0], found.visits[position]))
    values = difference(image, other, labels.labels == other_labels.labels)
    most = float(np.percentile(np.abs(values), 99.5)) or 1.0
    shown = replace(
        image,
        pixels=np.stack([image.pixels.astype(np.float32), other.pixels.astype(np.float32), values], axis=-1),
        axes="ZYXC" if image.is_volume else "YXC",
        channel_names=(texts.FIRST, texts.LATER, texts.DIFFERENCE),
        channel_windows=(image.display_window, _window(found.visits[position]), (-most, most)),
        channel_bit_depths=(32, 32, 32),
        header_facts=(),
    )
    return Pair(shown, (labels, other_labels), position)


def _window(visit: Visit) -> tuple[float, float]:
    return visit.dated.image.windows[0]


def open_visit(work: Work, place: str | None) -> Updates:
    """Bring another visit into the viewer, beside the first one."""
    before = work.result
    if before is None:
        return {"status": markup.panel("warning", texts.EXPIRED_TITLE, [texts.EXPIRED])}
    position = int(place) if isinstance(place, str) and place.isdecimal() else 0
    if position == before.pair.position or not 0 < position < len(before.found.visits):
        return {}
    work.result = replace(before, pair=_pair(before.found, position))
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
