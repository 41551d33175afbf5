"""A video file or a DICOM cine → an annotated video and a table, while it is watched. Memory holds a few frames.

Reading, the network and writing go on side by side, each in its own thread.
"""

import math
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from medseg_demo.errors import ReadError
from medseg_demo.image import MedicalImage
from medseg_demo.live.watch import Pace, Seen, Watcher
from medseg_demo.reading.video import Video, open_video
from medseg_demo.segmenting.turns import Cancelled, Job
from medseg_demo.settings import Settings
from medseg_demo.writing.burned_in import burned_in_warnings
from medseg_demo.writing.video import SUFFIX, frame_table, video_writer

AHEAD = 3  # frames that are read before the network wants them
BEHIND = 3  # pictures that wait to be encoded
TABLE_SUFFIX = ".csv"


@dataclass(eq=False)
class Watched:
    """What becomes of a video; it grows while it is watched.

    Attributes:
        folder: Where the files go; made if missing.
        stem: Of the files.
        frames: How many were segmented.
        claimed: How many the file announces, or is likely to have; 0 where that is unknown.
        every: 1 where all were to be segmented, 2 for every second.
        late: Frames that were skipped because they were late.
        last_s: The time of the last one, from the first.
        class_names: Those of the areas.
        pixel_mm2: The area of a pixel; None where it is unknown.
        sums_px: Of the areas of each class over all frames.
        notes: What a person should know, in plain sentences.
        faults: What could not be read.
        stopped: Whether it was ended early.
    """

    folder: Path
    stem: str
    frames: int = 0
    claimed: int = 0
    every: int = 1
    late: int = 0
    last_s: float = 0.0
    class_names: tuple[str, ...] = ()
    pixel_mm2: float | None = None
    sums_px: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    stopped: bool = False

    @property
    def video_file(self) -> Path:
        """The annotated video."""
        return self.folder / f"{self.stem}{SUFFIX}"

    @property
    def table_file(self) -> Path:
        """One row a frame."""
        return self.folder / f"{self.stem}{TABLE_SUFFIX}"

    @property
    def means_px(self) -> tuple[float, ...]:
        """The mean area of each class over the frames."""
        return tuple(total / max(1, self.frames) for total in self.sums_px)


def watch(
    path: Path, watcher: Watcher, watched: Watched, *, settings: Settings, job: Job, pace: Pace | None = None
) -> Iterator[Seen]:
    """Segment a video frame by frame; the annotated video and the table are there at the end.

    Of a video of more than ``max_video_frames`` every second, third, … frame is taken, over its whole length. A job
    that is cancelled ends it: what was watched until then is kept, and ``stopped`` says so.

    Args:
        path: The video, or the DICOM file.
        watcher: Of this video alone.
        watched: Where the files go, and what there is until then.
        settings: The limits.
        job: What it is a part of.
        pace: Shows frames at their own times and skips what would be late; None takes all as fast as it goes.

    Yields:
        Each frame as soon as it is segmented.

    Raises:
        ReadError: None of its frames can be read.
        InputMismatchError: The checkpoint cannot take them.
        OutputError: The files cannot be written.
        OptionError: PyAV is not installed.
    """
    watched.class_names = watcher.checkpoint.card.class_names
    watched.sums_px = [0] * len(watched.class_names)
    failure: Exception | None = None
    with open_video(path, settings=settings) as video, ExitStack() as files:
        watched.claimed, watched.every = video.claimed, _every(video, settings)
        frames = _Frames(video, watched.every, settings.max_video_frames)
        write: Callable[[Seen], None] | None = None
        with closing(frames.read()) as given:
            for number, time_s, image in given:
                try:
                    if pace is not None and not pace.is_in_time(time_s, job.check):
                        watched.late += 1
                        continue
                    seen = watcher.see(number, time_s, image, job)
                except Exception as error:  # raised below: what ends a file's block counts as a failure to write it
                    failure = error
                    break
                write = write or _begin(files, watched, image)
                write(seen)
                _count(watched, seen)
                job.step(number, max(number, watched.claimed))
                yield seen
        watched.notes += [*_skipped(watched, settings), *video.notes]
        watched.faults += [*frames.faults, *video.faults]
    watched.stopped = isinstance(failure, Cancelled)
    if failure is not None and not (watched.stopped and watched.frames):
        raise failure


def _every(video: Video, settings: Settings) -> int:
    """1 where all frames are within the limit, else which of them are taken, so that the whole length is seen."""
    return max(1, math.ceil(video.claimed / max(1, settings.max_video_frames)))


def _begin(files: ExitStack, watched: Watched, image: MedicalImage) -> Callable[[Seen], None]:
    """Open the files once the first frame is there, which says how large a pixel is."""
    spacing_mm = image.geometry.spacing_mm
    watched.pixel_mm2 = None if spacing_mm is None else math.prod(spacing_mm)
    watched.notes += burned_in_warnings(image, search=False)
    return files.enter_context(_files(watched))


def _count(watched: Watched, seen: Seen) -> None:
    watched.frames += 1
    watched.last_s = seen.time_s
    watched.sums_px = [total + area for total, area in zip(watched.sums_px, seen.areas_px, strict=True)]


def _skipped(watched: Watched, settings: Settings) -> Iterator[str]:
    """Which frames were not segmented, and why."""
    if watched.every > 1:
        yield (
            f"It has about {watched.claimed} frames, and at most {settings.max_video_frames} are segmented: one of "
            f"{watched.every} was, over its whole length. Cut it, or raise MEDSEG_MAX_VIDEO_FRAMES."
        )
    if watched.late:
        yield f"{watched.late} frames were skipped, since they would have been shown too late."


@contextmanager
def _files(watched: Watched) -> Iterator[Callable[[Seen], None]]:
    """What writes a frame into both files; pictures are drawn and encoded by a thread of their own."""
    names = watched.class_names
    with (
        frame_table(watched.table_file, names, watched.pixel_mm2) as table,
        video_writer(watched.video_file) as video,
        ThreadPoolExecutor(1, "encode") as pool,
    ):
        waiting: deque[Future[None]] = deque()

        def write(seen: Seen) -> None:
            table.add(seen.number, seen.time_s, seen.areas_px, is_cut=seen.is_cut)
            waiting.append(pool.submit(lambda: video.add(seen.picture, seen.time_s)))
            while len(waiting) > BEHIND or (waiting and waiting[0].done()):
                waiting.popleft().result()

        yield write
        while waiting:
            waiting.popleft().result()


class _Frames:
    """The frames that are to be segmented, read by a thread of its own a few frames ahead.

    Attributes:
        faults: What could not be read.
    """

    def __init__(self, video: Video, every: int, most: int) -> None:
        self._video, self._every, self._most = video, every, most
        self._taken, self._damaged = 0, 0
        self.faults: list[str] = []

    def read(self) -> Generator[tuple[int, float, MedicalImage], None, None]:
        """Each as (number, time in seconds, image)."""
        with ThreadPoolExecutor(1, "read") as pool:
            waiting = deque(pool.submit(self._next) for _ in range(AHEAD))
            try:
                while (frame := waiting.popleft().result()) is not None:
                    waiting.append(pool.submit(self._next))
                    yield frame
            except ReadError as error:
                if not self._taken:
                    raise
                self.faults.append(str(error))
            finally:
                for future in waiting:
                    future.cancel()
        if self._damaged:
            self.faults.append(f"{self._damaged} damaged frames were left out.")

    def _next(self) -> tuple[int, float, MedicalImage] | None:
        """The next frame that is wanted and can be read; None at the end.

        Raises:
            ReadError: There is none at all.
        """
        error: ReadError | None = None
        for frame in self._video.frames:
            if (frame.number - 1) % self._every:
                continue
            if self._taken >= self._most:
                self._video.note(
                    f"It has more frames than it says: the first {self._most} that were wanted are segmented. Cut it, "
                    "or raise MEDSEG_MAX_VIDEO_FRAMES."
                )
                return None
            try:
                image = frame.read()
            except ReadError as fault:
                error, self._damaged = fault, self._damaged + 1
                continue
            self._taken += 1
            return frame.number, frame.time_s, image
        if error is not None and not self._taken:
            raise error
        return None
