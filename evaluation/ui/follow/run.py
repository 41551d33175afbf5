"""What the page and the web API do alike: files become visits, and these a follow-up with its files."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from evaluation.comparison.files import zip_files
from evaluation.ui.follow import texts
from evaluation.ui.follow.state import Given, Pair, Request
from medseg_demo.errors import OptionError
from medseg_demo.following.files import write_follow_up
from medseg_demo.following.follow import FollowOptions, FollowUp, follow
from medseg_demo.following.pictures import difference, laid_on_first
from medseg_demo.following.visits import date_of, in_order
from medseg_demo.reading import find_studies, read_image
from medseg_demo.reading.studies import result_stems
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.turns import Waiting
from medseg_demo.ui.session import Running, known_folder
from medseg_demo.ui.texts import TOO_MANY_IMAGES

ARCHIVE = "follow-up.zip"


def find_visits(engine: Engine, paths: Sequence[Path], checkpoint: str, unpack_to: Path) -> Given:
    """The studies in files, with their dates; nothing is segmented.

    Files of one case are its channels where the checkpoint takes several.

    Args:
        engine: Knows the checkpoint and the limits.
        paths: What was given.
        checkpoint: Its name; one that is not there says nothing.
        unpack_to: A folder for what zips hold.

    Raises:
        MedsegError: A file cannot be read, or there are too many.
    """
    entry = engine.find(checkpoint)
    channels = bool(entry and entry.card and entry.card.channel_names)
    studies = find_studies(list(paths), settings=engine.settings, unpack_to=unpack_to, channels=channels)
    if len(studies) > engine.settings.max_upload_files:
        raise OptionError(TOO_MANY_IMAGES.format(count=len(studies), most=engine.settings.max_upload_files))
    stems = tuple(result_stems(studies, known_folder))
    dates = tuple(date_of(read_image(study, settings=engine.settings)) for study in studies)
    return Given(studies, stems, dates)


def follow_given(
    engine: Engine,
    given: Given,
    request: Request,
    running: Running,
    folder: Path,
    *,
    archive: Path | None = None,
    say: Callable[[float, str], None] = lambda *_: None,
    waiting: Waiting | None = None,
) -> tuple[FollowUp, Path]:
    """Follow the visits, and write every file into a folder.

    Args:
        engine: Runs the checkpoint.
        given: The visits.
        request: What the controls say.
        running: Ends it early.
        folder: For the files; made if missing.
        archive: For the zip; None puts it beside them.
        say: Told how far it is, and in words with what.
        waiting: Told of the place in the queue.

    Returns:
        The follow-up, and a zip of its files.

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
        say(share, texts.SEGMENTING.format(name=name))

    images = [read_image(study, settings=engine.settings) for study in given.studies]
    dated = in_order(images, given.stems, request.dates)
    with running.job(engine, is_large=images[0].is_volume, waiting=waiting) as job:
        found = follow(dated, request.checkpoint, engine, options=options, job=job, tell=tell)
    folder.mkdir(parents=True, exist_ok=True)
    return found, zip_files(write_follow_up(found, folder), archive or folder / ARCHIVE)


def pair_of(found: FollowUp, position: int) -> Pair:
    """A later visit and the first one as the channels of one image on the first one's grid, with their difference.

    The later one comes first: that is what a viewer starts with.
    """
    (image, labels), (other, other_labels) = map(laid_on_first, (found.visits[0], found.visits[position]))
    values = difference(image, other, labels.labels == other_labels.labels)
    most = float(np.percentile(np.abs(values), 99.5)) or 1.0
    later = found.visits[position].dated.image
    shown = replace(
        image,
        pixels=np.stack([other.pixels.astype(np.float32), image.pixels.astype(np.float32), values], axis=-1),
        axes="ZYXC" if image.is_volume else "YXC",
        channel_names=(*(texts.PICTURE.format(place=place + 1) for place in (position, 0)), texts.DIFFERENCE),
        channel_windows=(later.windows[0], image.display_window, (-most, most)),
        channel_bit_depths=(32, 32, 32),
        header_facts=(),
    )
    return Pair(shown, (labels, other_labels), position)
