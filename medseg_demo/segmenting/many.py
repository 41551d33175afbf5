"""Many files → many segmentations, several files at once: some are read while others are in the network."""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import torch

from medseg_demo.errors import DeviceMemoryError, MedsegError
from medseg_demo.image import MedicalImage
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.names import shown
from medseg_demo.reading import Channels, Series, Study, read_image
from medseg_demo.reading.studies import size_on_disk
from medseg_demo.segmenting.pipeline import Segmentation, SegmentOptions, segment, segment_batch
from medseg_demo.segmenting.windows import choose_compute
from medseg_demo.settings import Settings

logger = logging.getLogger(__name__)

GROUP = 8  # files that go through the network together
GROUP_BYTES = 32 * 2**20  # and no more than this on disk, so that volumes go alone
MOST_WORKERS = 8

Item = Path | Series | Channels | Study
Outcome = Segmentation | MedsegError


def segment_files(
    files: Iterable[Item],
    checkpoint: Checkpoint,
    *,
    options: SegmentOptions | None = None,
    settings: Settings | None = None,
    volume: int | None = None,
) -> Iterator[tuple[Item, Outcome]]:
    """Segment files in their order; one that fails yields its error, and the others go on.

    On a CPU as many groups of files as there are threads are worked on at once, each by one thread: threads that
    share one small network spend much of their time waiting for each other.

    Args:
        files: Of any format that ``read_image`` knows, and what ``find_studies`` or ``collect_images`` found.
        checkpoint: From ``load_checkpoint``.
        options: As for ``segment``.
        settings: As for ``segment``; its limits apply to each file.
        volume: Which volume of files with several, as for ``read_image``.

    Yields:
        The file or series, and its segmentation or the error.
    """
    settings = settings or Settings()
    workers, threads = _share(settings)
    settings = replace(settings, threads=threads)
    pool = ThreadPoolExecutor(workers, "segment", initializer=torch.set_num_threads, initargs=(threads,))
    waiting: deque[Future[list[tuple[Item, Outcome]]]] = deque()
    try:
        for group in _groups(files):
            waiting.append(pool.submit(_segment_group, group, checkpoint, options, settings, volume))
            if len(waiting) > workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _share(settings: Settings) -> tuple[int, int]:
    """How many workers there are, and how many of torch's threads each has."""
    if choose_compute(settings).device.type != "cpu":
        return 2, settings.threads  # one reads while the other computes
    threads = torch.get_num_threads()
    workers = min(threads, MOST_WORKERS)
    return workers, threads // workers


def _groups(files: Iterable[Item]) -> Iterator[list[Item]]:
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
    options: SegmentOptions | None,
    settings: Settings,
    volume: int | None,
) -> list[tuple[Item, Outcome]]:
    images = [_read(path, settings, volume) for path in files]
    sound = [image for image in images if isinstance(image, MedicalImage)]
    done: Iterator[Outcome]
    try:
        done = iter(segment_batch(sound, checkpoint, options=options, settings=settings))
    except Exception:  # find out which one it was
        done = (_alone(image, checkpoint, options, settings) for image in sound)
    return [
        (path, image if isinstance(image, MedsegError) else next(done))
        for path, image in zip(files, images, strict=True)
    ]


def _read(path: Item, settings: Settings, volume: int | None) -> MedicalImage | MedsegError:
    try:
        return read_image(path, settings=settings, volume=volume)
    except Exception as error:
        return _told(path.name, error)


def _alone(image: MedicalImage, checkpoint: Checkpoint, options: SegmentOptions | None, settings: Settings) -> Outcome:
    try:
        return segment(image, checkpoint, options=options, settings=settings)
    except Exception as error:
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
