"""Pictures and figures of a moving picture → a video that browsers play, and a table; both grow frame by frame.

VP9 in WebM, since every browser plays it and its encoder (libvpx, BSD) asks for no licence; see docs/dependencies.md.
Nothing of the source's header is passed on, nor its sound.
"""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg_demo import names
from medseg_demo.errors import OptionError
from medseg_demo.reading.video.container import require_av
from medseg_demo.writing.whole import whole_file

if TYPE_CHECKING:
    from av.container import OutputContainer

SUFFIX = ".webm"
TICKS = 1000  # a second, as WebM counts
LARGEST_SIDE = 16_384  # of VP9 here
# Constant quality, and as fast as libvpx gets: one frame of 256² takes 3 to 8 ms of one core.
ENCODER = {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "crf": "24", "b": "0", "lag-in-frames": "0"}


class VideoWriter:
    """Encodes pictures of one size at times that grow; made by ``video_writer``."""

    def __init__(self, container: "OutputContainer") -> None:
        self._container = container
        self._stream: Any = None
        self._last = -1

    def add(self, picture: np.ndarray, time_s: float) -> None:
        """Encode the next picture.

        Args:
            picture: uint8, (Y, X, 3), in RGB.
            time_s: When it is shown, after the one before.

        Raises:
            OptionError: Its size is beyond what the format holds.
        """
        import av

        height, width = picture.shape[:2]
        if self._stream is None:
            self._stream = self._begin(height, width)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        self._last = max(round(time_s * TICKS), self._last + 1)
        frame.pts, frame.time_base = self._last, Fraction(1, TICKS)
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if self._stream is not None:
            self._container.mux(self._stream.encode())

    def _begin(self, height: int, width: int) -> Any:
        if max(height, width) > LARGEST_SIDE:
            raise OptionError(
                f"A video of {width} × {height} pixels cannot be written: at most {LARGEST_SIDE} a side. Shrink it."
            )
        stream: Any = self._container.add_stream("libvpx-vp9", rate=30, options=ENCODER)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, TICKS)
        return stream


@contextmanager
def video_writer(path: Path) -> Iterator[VideoWriter]:
    """A video that is whole, or not there where the block ends with an error.

    Args:
        path: With its suffix.

    Raises:
        OptionError: PyAV is not installed.
        OutputError: It cannot be written.
    """
    require_av()
    import av

    with whole_file(path, make_folder=True) as draft, av.open(str(draft), "w", format="webm") as container:
        writer = VideoWriter(container)
        yield writer
        writer.finish()


class FrameTable:
    """Writes one row a frame; made by ``frame_table``.

    Columns: ``frame`` (from 1, as in the file), ``time_s``, ``new_scene`` (1 where one begins), and of each class
    ``area_px_NAME``, with a spacing ``area_mm2_NAME``.
    """

    def __init__(self, file: Any, class_names: Sequence[str], pixel_mm2: float | None) -> None:
        self._writer, self._pixel_mm2 = csv.writer(file, lineterminator="\n"), pixel_mm2
        sizes = ("area_px", *(["area_mm2"] if pixel_mm2 is not None else []))
        columns = [f"{size}_{names.shown(name)}" for name in class_names for size in sizes]
        self._writer.writerow(["frame", "time_s", "new_scene", *columns])

    def add(self, number: int, time_s: float, areas_px: Sequence[int], *, is_cut: bool) -> None:
        """Write the row of a frame.

        Args:
            number: In the file, from 1.
            time_s: From the first frame.
            areas_px: One a class.
            is_cut: Whether a new scene begins with it.
        """
        mm2 = self._pixel_mm2
        cells = [cell for area in areas_px for cell in ([area] if mm2 is None else [area, round(area * mm2, 4)])]
        self._writer.writerow([number, round(time_s, 6), int(is_cut), *cells])


@contextmanager
def frame_table(path: Path, class_names: Sequence[str], pixel_mm2: float | None) -> Iterator[FrameTable]:
    """A CSV that is whole, or not there where the block ends with an error.

    Args:
        path: With its suffix.
        class_names: In the order of the areas.
        pixel_mm2: The area of a pixel; None where it is unknown.

    Raises:
        OutputError: It cannot be written.
    """
    with (
        whole_file(path, make_folder=True) as draft,
        draft.open("w", newline="", encoding="utf-8", errors="replace") as file,
    ):
        yield FrameTable(file, class_names, pixel_mm2)
