"""The frames of a DICOM file that are moments, a few at a time.

Source: DICOM PS3.3, C.7.6.5 (cine: FrameTime, CineRate, RecommendedDisplayFrameRate, FrameTimeVector).
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.image import Axes, MedicalImage
from medseg_demo.reading.dicom import file as dicom
from medseg_demo.reading.dicom.dataset import Header, first, numbers, read_pixels
from medseg_demo.reading.dicom.planes import pixel_spacing
from medseg_demo.reading.dicom.stack import lay_out
from medseg_demo.reading.formats import check_layout
from medseg_demo.reading.intensities import to_image
from medseg_demo.reading.raw import Raw
from medseg_demo.reading.source import Source, decoding
from medseg_demo.reading.video.frames import Video, VideoFrame

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement

AT_ONCE = 8  # frames that are decoded together
ASSUMED_RATE = 25.0  # a second
NO_RATE = f"The file states no rate, so that {ASSUMED_RATE:g} frames a second were assumed."


def open_cine(source: Source) -> Video:
    """The frames of an open DICOM file.

    Raises:
        UnsupportedImageError: They are slices of a volume.
        ReadError: As of ``formats.inspect``.
    """
    source.file.seek(0)
    with decoding(source, "DICOM"):
        layout = dicom.inspect(source)
        check_layout(layout, source)
    if len(layout.shape) > 2:
        raise UnsupportedImageError(
            f"{source.label}: its frames are slices of a volume, and no moments. Segment it as a volume."
        )
    file = layout.header
    video = Video(source.name, source.label, "DICOM", file.found.frames)
    video.frames = _frames(source, file, video)
    return video


def times_s(header: Header, frames: int) -> tuple[list[float], str]:
    """When each frame is shown, in seconds from the first, and a note where the file does not say."""
    dataset = header.dataset
    steps_ms = numbers(dataset, "FrameTimeVector")
    if len(steps_ms) == frames and all(step > 0 for step in steps_ms[1:]):
        return [time / 1000 for time in accumulate((0.0, *steps_ms[1:]))], ""
    step_s = first(dataset, "FrameTime", 0.0) / 1000
    rates = (first(dataset, keyword, 0.0) for keyword in ("CineRate", "RecommendedDisplayFrameRate"))
    rate = next((rate for rate in rates if rate > 0), 0.0)
    note = "" if step_s > 0 or rate or frames == 1 else NO_RATE
    step_s = step_s if step_s > 0 else 1 / (rate or ASSUMED_RATE)
    return [frame * step_s for frame in range(frames)], note


def _frames(source: Source, file: Any, video: Video) -> Iterator[VideoFrame]:
    times, note = times_s(file.header, file.found.frames)
    if note:
        video.note(note)
    with decoding(source, "DICOM"):
        pixels = _Pixels(source, file, read_pixels(file.header, source))
    for index, time_s in enumerate(times):
        yield VideoFrame(index + 1, time_s, partial(pixels.image, index))


class _Pixels:
    """Decodes frames of one file, a few together, since finding compressed ones takes long."""

    def __init__(self, source: Source, file: Any, element: "DataElement") -> None:
        self._source, self._file, self._element = source, file, element
        self._block: tuple[range, Raw] | None = None
        self._window: tuple[float, float] | None = None

    def image(self, index: int) -> MedicalImage:
        """One frame, from 0; all are shown through the window of the first that was asked for.

        Raises:
            ReadError: It cannot be decoded.
        """
        frames, raw = self._decoded(index)
        plane, source = self._file.planes[index], self._source
        geometry, notes = lay_out([plane])
        spacing_notes = pixel_spacing(self._file.header.dataset, index)[1]
        axes: Axes = "YX" if raw.axes == "ZYX" else "YXC"
        raw = replace(
            raw, array=raw.array[index - frames.start], axes=axes, geometry=geometry, notes=(*spacing_notes, *notes)
        )
        image = to_image(raw, source.name, source.label, varied=False)
        self._window = self._window or image.display_window
        return replace(image, display_window=self._window)

    def _decoded(self, index: int) -> tuple[range, Raw]:
        """The block of frames that holds one, or that one alone where another of the block is damaged."""
        if self._block is None or index not in self._block[0]:
            start = index - index % AT_ONCE
            frames = range(start, min(start + AT_ONCE, self._file.found.frames))
            try:
                self._block = frames, self._read(frames)
            except DamagedFileError:
                return range(index, index + 1), self._read(range(index, index + 1))
        return self._block

    def _read(self, frames: range) -> Raw:
        with decoding(self._source, "DICOM"):
            return dicom.read_frames(self._file.header, self._element, self._file.found, frames, self._source)
