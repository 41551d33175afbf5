"""What the Live tab remembers of one visitor: the last video and its files, and the camera while it is on."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from medseg_demo.live.run import Watched
from medseg_demo.live.watch import Watcher
from medseg_demo.ui.live.screen import Curve


@dataclass(frozen=True)
class Choices:
    """What the controls say; each field is called like its control."""

    checkpoint: str | None = None
    smooth: float | None = 1
    in_time: bool = True

    @property
    def frames(self) -> int:
        """Over how many frames probabilities are averaged."""
        return round(self.smooth or 1)


@dataclass(eq=False)
class Filming:
    """A camera that is on.

    Attributes:
        choices: What the controls said when it was begun, or changed since.
        watcher: Of its frames.
        curve: Of its frames.
        cuts: Of each frame in the curve, whether a new scene begins with it.
        frames: How many were segmented.
    """

    choices: Choices
    watcher: Watcher
    curve: Curve
    cuts: list[bool] = field(default_factory=list)
    frames: int = 0


@dataclass(eq=False)
class LiveWork:
    """One visitor's work.

    Attributes:
        video: The name of the last one that was watched, and what became of it.
        choices: What it was watched with.
        film: The simulated video, where that was watched last; None otherwise.
        filming: The camera; None while it is off.
        busy: Held while a frame of the camera is segmented: others are skipped.
    """

    video: Watched | None = None
    choices: Choices | None = None
    film: Path | None = None
    filming: Filming | None = None
    busy: threading.Lock = field(default_factory=threading.Lock)
