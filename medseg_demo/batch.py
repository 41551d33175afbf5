"""Many files → many segmentations: the next files are read while the network works on the current ones."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from medseg_demo.errors import MedsegError
from medseg_demo.image import MedicalImage
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.readers import read_image
from medseg_demo.segmentation import Segmentation, SegmentOptions, segment, segment_batch
from medseg_demo.settings import Settings

GROUP = 8  # files that go through the network together
GROUP_BYTES = 32 * 2**20  # and no more than this on disk, so that volumes are read one at a time

Outcome = Segmentation | MedsegError


def segment_files(
    files: Iterable[Path],
    checkpoint: Checkpoint,
    *,
    options: SegmentOptions | None = None,
    settings: Settings | None = None,
    group: int = GROUP,
) -> Iterator[tuple[Path, Outcome]]:
    """Segment files in their order; one that fails yields its error, and the others go on.

    Args:
        files: Of any format that ``read_image`` knows.
        checkpoint: From ``load_checkpoint``.
        options: As for ``segment``.
        settings: As for ``segment``; its limits apply to each file.
        group: How many files are in memory and go through the network together, at most.

    Yields:
        The file, and its segmentation or the error.
    """
    settings = settings or Settings()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read") as pool:
        groups = _groups(files, group)
        ahead = _read(pool, next(groups, []), settings)
        while ahead:
            current, ahead = ahead, _read(pool, next(groups, []), settings)
            images = [(path, _result(future)) for path, future in current]
            yield from _segment_group(images, checkpoint, options, settings)


def _groups(files: Iterable[Path], limit: int) -> Iterator[list[Path]]:
    group: list[Path] = []
    size = 0
    for path in files:
        length = path.stat().st_size if path.is_file() else 0
        if group and (len(group) == limit or size + length > GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(path)
        size += length
    if group:
        yield group


def _read(pool: ThreadPoolExecutor, files: list[Path], settings: Settings) -> list[tuple[Path, "Future[MedicalImage]"]]:
    return [(path, pool.submit(read_image, path, settings=settings)) for path in files]


def _result(future: "Future[MedicalImage]") -> MedicalImage | MedsegError:
    try:
        return future.result()
    except MedsegError as error:
        return error


def _segment_group(
    images: list[tuple[Path, MedicalImage | MedsegError]],
    checkpoint: Checkpoint,
    options: SegmentOptions | None,
    settings: Settings,
) -> Iterator[tuple[Path, Outcome]]:
    sound = [image for _, image in images if isinstance(image, MedicalImage)]
    try:
        done: Iterator[Outcome] = iter(segment_batch(sound, checkpoint, options=options, settings=settings))
    except MedsegError:  # find out which one it was
        done = (_alone(image, checkpoint, options, settings) for image in sound)
    for path, image in images:
        yield path, image if isinstance(image, MedsegError) else next(done)


def _alone(image: MedicalImage, checkpoint: Checkpoint, options: SegmentOptions | None, settings: Settings) -> Outcome:
    try:
        return segment(image, checkpoint, options=options, settings=settings)
    except MedsegError as error:
        return error
