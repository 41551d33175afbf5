"""Many files → many segmentations, several files at once: some are read while others are in the network."""

import logging
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from medseg_demo.errors import DeviceMemoryError, MedsegError
from medseg_demo.image import MedicalImage
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.models.compute import ThreadLimit
from medseg_demo.names import shown
from medseg_demo.reading import Channels, Series, Study, read_image
from medseg_demo.reading.studies import size_on_disk
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.segmenting.pipeline import Segmentation
from medseg_demo.segmenting.turns import Cancelled, Job
from medseg_demo.settings import Settings

logger = logging.getLogger(__name__)

GROUP = 8  # files that go through the network together
GROUP_BYTES = 32 * 2**20  # and no more than this on disk, so that volumes go alone
OWNER = "files"

Item = Path | Series | Channels | Study
Outcome = Segmentation | MedsegError


def segment_files(
    files: Sequence[Item],
    checkpoint: Checkpoint,
    *,
    options: SegmentOptions | None = None,
    settings: Settings | None = None,
    volume: int | None = None,
) -> Iterator[tuple[Item, Outcome]]:
    """Segment files in their order; one that fails yields its error, and the others go on.

    Args:
        files: Of any format that ``read_image`` knows, and what ``find_studies`` or ``collect_images`` found.
        checkpoint: From ``load_checkpoint``.
        options: As for ``segment``.
        settings: As for ``segment``; its limits apply to each file.
        volume: Which volume of files with several, as for ``read_image``.

    Yields:
        The file or series, and its segmentation or the error.
    """
    engine = Engine.for_many(settings or Settings(), len(files))
    options = options or SegmentOptions()
    # One more than compute, which reads and prepares what comes next. Each has a thread for that alone.
    workers = engine.slots + 1
    pool = ThreadPoolExecutor(workers, "segment", initializer=ThreadLimit(1).apply)
    waiting: deque[Future[list[tuple[Item, Outcome]]]] = deque()
    ended = threading.Event()
    try:
        for group in _groups(files):
            waiting.append(pool.submit(_segment_group, group, checkpoint, engine, options, volume, ended))
            if len(waiting) > workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        ended.set()  # for what has no job yet
        engine.cancel(OWNER)
        pool.shutdown(cancel_futures=True)


def _groups(files: Sequence[Item]) -> Iterator[list[Item]]:
    group: list[Item] = []
    size = 0
    for path in files:
        length = size_on_disk(path)
        if group and (len(group) == GROUP or size + length > GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(path)
        size += length
    if group:
        yield group


def _segment_group(
    files: Sequence[Item],
    checkpoint: Checkpoint,
    engine: Engine,
    options: SegmentOptions,
    volume: int | None,
    ended: threading.Event,
) -> list[tuple[Item, Outcome]]:
    images = [_read(path, engine.settings, volume) for path in files]
    sound = [image for image in images if isinstance(image, MedicalImage)]
    done: Iterator[Outcome]
    with engine.job(OWNER, is_large=any(image.is_volume for image in sound)) as job:
        if ended.is_set():
            raise Cancelled
        try:
            done = iter(engine.segment_batch(sound, checkpoint, options=options, job=job))
        except Exception:  # find out which one it was
            job.check()
            done = iter([_alone(image, checkpoint, engine, options, job) for image in sound])
    return [
        (path, image if isinstance(image, MedsegError) else next(done))
        for path, image in zip(files, images, strict=True)
    ]


def _read(path: Item, settings: Settings, volume: int | None) -> MedicalImage | MedsegError:
    try:
        return read_image(path, settings=settings, volume=volume)
    except Exception as error:
        return _told(path.name, error)


def _alone(image: MedicalImage, checkpoint: Checkpoint, engine: Engine, options: SegmentOptions, job: Job) -> Outcome:
    try:
        return engine.segment(image, checkpoint, options=options, job=job)
    except Exception as error:
        job.check()
        return _told(image.name, error)


def _told(name: str, error: Exception) -> MedsegError:
    """What became of one file, so that the others go on whatever it was; a library's words may quote the file."""
    if isinstance(error, MedsegError):
        return error
    logger.debug("Unexpected error", exc_info=error)
    if isinstance(error, MemoryError):
        return DeviceMemoryError(f"{shown(name)}: there is not enough memory to segment it. Crop it.")
    kind = type(error).__name__
    return MedsegError(f"{shown(name)}: it cannot be segmented, for a reason that nobody foresaw ({kind}). Report it.")
