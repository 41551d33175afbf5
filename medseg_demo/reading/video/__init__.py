"""Moving pictures → images one by one: video files by PyAV, DICOM cine by the reader of DICOM, pictures of a camera.

A file's kind is found from its bytes, as that of a still image is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medseg_demo.errors import UnknownFormatError
from medseg_demo.reading.dicom.dataset import is_dicom
from medseg_demo.reading.source import open_source
from medseg_demo.reading.video import cine, container
from medseg_demo.reading.video.camera import read_camera_frame
from medseg_demo.reading.video.frames import Video, VideoFrame
from medseg_demo.settings import Settings

__all__ = ["Video", "VideoFrame", "open_video", "read_camera_frame"]


@contextmanager
def open_video(path: str | Path, *, settings: Settings | None = None) -> Iterator[Video]:
    """Open a video file or a DICOM cine, for as long as the block lasts.

    Args:
        path: Its name plays no part in how it is read.
        settings: The limits; those of Settings() by default.

    Raises:
        ReadError: It cannot be opened, is of no format that is read, damaged from its start, exceeds a limit, or holds
            slices in place of moments.
        OptionError: It needs PyAV, which is not installed.
    """
    with open_source(path, settings or Settings()) as source:
        if is_dicom(source):
            yield cine.open_cine(source)
            return
        kind = container.find_kind(source)
        if kind is None:
            kinds = ", ".join([one.name for one in container.KINDS] + ["DICOM cine"])
            raise UnknownFormatError(
                f"{source.label}: its bytes are of no video format that is read here ({kinds}). Convert it to MP4 or "
                "WebM, or segment it as an image."
            )
        with container.open_container(source, kind) as video:
            yield video
