"""What a moving picture is to whoever looks at it: frames in their order, each read when it is asked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from medseg_demo.image import MedicalImage


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame.

    Attributes:
        number: In the file, from 1; frames that cannot be decoded have none.
        time_s: When it is shown, in seconds from the first one; later ones are later.
        read: Its pixels, (Y, X) or (Y, X, 3), turned as the file says. To be called before the next frame is taken;
            raises ReadError where they are damaged.
    """

    number: int
    time_s: float
    read: Callable[[], MedicalImage]


@dataclass(eq=False)
class Video:
    """An open moving picture.

    Attributes:
        name: The file's stem.
        label: The file's name, for messages.
        file_format: For people, such as "MP4" or "DICOM".
        claimed: How many frames its header announces, or its length and rate make likely; 0 where it says nothing.
        frames: Those that can be decoded, in their order; to be taken once.
        notes: What the reader found or did that a person should know; it grows while frames are taken.
        faults: What of the file could not be read, in sentences; it grows while frames are taken.
    """

    name: str
    label: str
    file_format: str
    claimed: int
    frames: Iterator[VideoFrame] = field(default_factory=lambda: iter(()))
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes:
            self.notes.append(text)
