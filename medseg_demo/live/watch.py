"""One frame after the other → its result, smoothed with those before it: what a video and a camera share."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medseg_demo.image import MedicalImage
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.models.compute import ThreadLimit
from medseg_demo.rendering import overlay_picture
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.segmenting.pipeline import Segmentation
from medseg_demo.segmenting.smoothing import Smoother
from medseg_demo.segmenting.turns import Job

OPACITY = 0.4  # of the colours over a frame
LATEST_S = 0.1  # a frame that would be shown later than this is skipped
MOST_IN_A_ROW = 500  # skipped frames, where reading them alone takes too long
NAP_S = 0.05  # after which a pace looks whether it is to end


@dataclass(frozen=True, eq=False)
class Seen:
    """One frame and what was found in it.

    Attributes:
        number: In the file, from 1; of a camera, how many there were.
        time_s: From the first frame.
        found: The result, smoothed where that is asked for.
        is_cut: Whether a new scene begins with it.
    """

    number: int
    time_s: float
    found: Segmentation
    is_cut: bool = False

    @cached_property
    def areas_px(self) -> tuple[int, ...]:
        """The pixels of each class, in the order of the card."""
        values = range(1, len(self.found.card.class_names) + 1)
        return tuple(int(np.count_nonzero(self.found.region(value))) for value in values)

    @cached_property
    def picture(self) -> np.ndarray:
        """The frame with its label map over it, uint8 (Y, X, 3)."""
        return np.asarray(overlay_picture(self.found.image, self.found.label_map, opacity=OPACITY))


class Watcher:
    """Segments the frames of one moving picture in their order.

    Args:
        engine: Runs the network.
        checkpoint: Its name, or one that was loaded.
        options: Of every frame.
        smooth: Over how many frames probabilities are averaged; 1 for none.

    Raises:
        MedsegError: The checkpoint or an option cannot be used.
    """

    def __init__(
        self, engine: Engine, checkpoint: str | Checkpoint, *, options: SegmentOptions | None = None, smooth: int = 1
    ) -> None:
        self._engine, self._smoother = engine, Smoother(smooth)
        self.checkpoint = engine.loaded(checkpoint)  # one for all frames, also where it is replaced meanwhile
        self._options = options or SegmentOptions()
        self._options.check(self.checkpoint.card)
        # Where OpenVINO runs the network, PyTorch's threads would only wait for each other over single frames.
        is_apart = engine.compute_of(self.checkpoint).backend == "openvino"
        self._limit: Callable[[], AbstractContextManager] = ThreadLimit(1).apply if is_apart else nullcontext

    def see(self, number: int, time_s: float, image: MedicalImage, job: Job) -> Seen:
        """Segment the next frame.

        Args:
            number: As of ``Seen``.
            time_s: From the first frame.
            image: Its pixels.
            job: What it is a part of.

        Raises:
            InputMismatchError: The checkpoint cannot take it.
            Cancelled: The job was cancelled.
        """
        with self._limit():
            (found,) = self._engine.segment_batch([image], self.checkpoint, options=self._options, job=job)
            smoothed, is_cut = self._smoother.add(found)
        return Seen(number, time_s, smoothed, is_cut)


class Pace:
    """Shows frames at their own times; those that would be late are skipped.

    Args:
        clock: Seconds that go on.
        sleep: Waits so many of them.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._start: float | None = None
        self._skipped = 0

    def is_in_time(self, time_s: float, check: Callable[[], None]) -> bool:
        """Wait until a frame is due; False where it is too late for it.

        Args:
            time_s: Of the frame, from the first one.
            check: Asked again and again; what it raises ends the wait.
        """
        if self._start is None or self._skipped >= MOST_IN_A_ROW:
            self._start = self._clock() - time_s
        due = self._start + time_s
        if self._clock() > due + LATEST_S:
            self._skipped += 1
            return False
        self._skipped = 0
        while (left := due - self._clock()) > 0:
            check()
            self._sleep(min(left, NAP_S))
        return True
