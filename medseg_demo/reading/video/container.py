"""Video files through PyAV (FFmpeg's libraries), which is told the container and gets the open file: no path, no name.

Some of FFmpeg's demuxers open other files and addresses that a file names; those of the table below do not.

Sources: ISO/IEC 14496-12, 4.2 (boxes), 8.5.2 (the matrix of a track); RFC 2361 (AVI); RFC 8794 (EBML); GIF89a.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg_demo.errors import DamagedFileError, OptionError, UnsupportedImageError
from medseg_demo.image import MedicalImage
from medseg_demo.reading.intensities import to_image
from medseg_demo.reading.raw import Raw
from medseg_demo.reading.source import Source, check_bytes, check_size, decoding
from medseg_demo.reading.video.frames import Video, VideoFrame

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

NO_PYAV = "Videos need the package av (PyAV), which is not installed here: pip install av."
LEAST_STEP_S = 0.001  # between frames: what the annotated video can tell apart
ASSUMED_STEP_S = 0.04
BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
STILLS = (b"avif", b"heic", b"heix", b"mif1", b"msf1")  # brands of pictures in the same container
TURNS = 65_536  # 1 in a display matrix, whose numbers have 16 binary places


@dataclass(frozen=True)
class Kind:
    """One container.

    Attributes:
        name: For people.
        demuxer: FFmpeg's name of what reads it.
        recognise: Whether a file's first bytes are its.
    """

    name: str
    demuxer: str
    recognise: Callable[[bytes], bool]


KINDS = (
    Kind("MP4", "mov", lambda head: head[4:8] in BOXES and head[8:12] not in STILLS),
    Kind("AVI", "avi", lambda head: head[:4] == b"RIFF" and head[8:12] == b"AVI "),
    Kind("GIF", "gif", lambda head: head[:6] in (b"GIF87a", b"GIF89a")),
    Kind("WebM", "matroska", lambda head: head[:4] == b"\x1a\x45\xdf\xa3"),
)


def find_kind(source: Source) -> Kind | None:
    """The container of an open file; None where it is none of those here."""
    return next((kind for kind in KINDS if kind.recognise(source.head)), None)


def require_av() -> None:
    """Refuse to go on without PyAV.

    Raises:
        OptionError: It is not installed.
    """
    try:
        import av  # noqa: F401
    except ImportError:
        raise OptionError(NO_PYAV) from None


@contextmanager
def open_container(source: Source, kind: Kind) -> Iterator[Video]:
    """The first track of pictures in an open file.

    Raises:
        OptionError: PyAV is not installed.
        DamagedFileError: Its header cannot be read.
        UnsupportedImageError: It has no pictures, or nothing here decodes them.
        ImageTooLargeError: A frame exceeds a limit of the settings.
    """
    require_av()
    import av

    source.file.seek(0)
    try:
        container = av.open(source.file, "r", format=kind.demuxer, metadata_errors="ignore")
    except (av.error.FFmpegError, ValueError, OSError):
        raise DamagedFileError(
            f"{source.label}: the {kind.name} file is damaged: what says how its pictures are stored is missing or "
            "cut off. Export or copy it again."
        ) from None
    with container, decoding(source, kind.name):
        stream = _stream(container, source, kind)
        yield _video(container, stream, source, kind)


def _stream(container: "InputContainer", source: Source, kind: Kind) -> "VideoStream":
    if not container.streams.video:
        raise UnsupportedImageError(f"{source.label}: the {kind.name} file holds no pictures. Choose the video itself.")
    stream = container.streams.video[0]
    context = stream.codec_context
    if context is None:
        raise UnsupportedImageError(
            f"{source.label}: nothing here decodes how its pictures are stored. Convert the video to H.264, VP9 or "
            "AV1, for example with `ffmpeg -i FILE out.mp4`."
        )
    check_size((context.height, context.width), source)
    check_bytes(8 * context.height * context.width, source)
    context.options = {"max_pixels": str(source.settings.max_megapixels * 1_000_000)}  # where a later frame is larger
    return stream


def _video(container: "InputContainer", stream: "VideoStream", source: Source, kind: Kind) -> Video:
    rate = stream.average_rate or stream.guessed_rate
    length_s = _length_s(container, stream)
    claimed = stream.frames or (round(length_s * rate) if length_s and rate else 0)
    video = Video(source.name, source.label, kind.name, claimed)
    aspect = stream.codec_context.sample_aspect_ratio
    if aspect and aspect != 1:
        video.note(f"Its pixels are not square ({aspect.numerator}:{aspect.denominator}); they are shown as stored.")
    video.frames = _frames(container, stream, source, video)
    return video


def _length_s(container: "InputContainer", stream: "VideoStream") -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / 1_000_000 if container.duration else 0.0


def _frames(container: "InputContainer", stream: "VideoStream", source: Source, video: Video) -> Iterator[VideoFrame]:
    """The frames that can be decoded, at times that grow; what cannot is counted, and said at the end."""
    decoded = _Decoded(container, stream)
    step_s = 1 / float(rate) if (rate := stream.average_rate or stream.guessed_rate) else ASSUMED_STEP_S
    number, start, time_s, size, others = 0, None, -step_s, None, 0
    for frame in decoded:
        size = size or (frame.width, frame.height)
        if (frame.width, frame.height) != size:
            others += 1
            continue
        stated = None if frame.pts is None else frame.pts * (frame.time_base or Fraction(1))
        start = stated if start is None else start
        known = None if stated is None or start is None else float(stated - start)
        time_s = time_s + step_s if known is None else max(known, time_s + LEAST_STEP_S)
        number += 1
        yield VideoFrame(number, time_s, partial(_image, frame, source, video))
    if not number:
        raise DamagedFileError(f"{source.label}: none of its frames can be decoded. Export or copy the video again.")
    if others:
        video.faults.append(f"{others} frames of another size than the first were left out.")
    if decoded.damaged:
        video.faults.append(f"{decoded.damaged} damaged parts were left out.")
    if decoded.is_cut or (stream.frames and number + others + decoded.damaged < stream.frames):
        of = f" of {stream.frames}" if stream.frames else ""
        video.faults.append(f"The video is incomplete: {number}{of} frames could be read. Export or copy it again.")


class _Decoded:
    """The frames of a stream in the order in which they are shown, without those that errors were guessed into.

    Attributes:
        damaged: Packets or frames that could not be decoded.
        is_cut: Whether the file ended with an error.
    """

    def __init__(self, container: "InputContainer", stream: "VideoStream") -> None:
        self._container, self._stream = container, stream
        self.damaged, self.is_cut = 0, False

    def __iter__(self) -> "Iterator[av.VideoFrame]":
        import av

        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:
                packet, self.is_cut = None, True
            try:
                for frame in self._stream.codec_context.decode(packet):
                    if frame.is_corrupt:
                        self.damaged += 1
                    else:
                        yield frame
            except av.error.EOFError:
                return  # what was flushed already
            except av.error.FFmpegError:
                self.damaged += 1
            if packet is None:
                return


def _image(frame: "av.VideoFrame", source: Source, video: Video) -> MedicalImage:
    """One frame as an image; more than 8 bits a sample are rounded to 8."""
    has_opacity = frame.format.has_palette or any(part.is_alpha for part in frame.format.components)
    is_grey = frame.format.name.startswith("gray")
    if any(part.bits > 8 for part in frame.format.components):
        video.note("Its pictures are stored with more than 8 bits a colour, and read with 8.")
    pixels = frame.to_ndarray(format="rgba" if has_opacity else "gray" if is_grey else "rgb24")
    raw = Raw(
        array=turned(pixels, _matrix(frame, video)),
        axes="YX" if is_grey else "YXC",
        file_format=video.file_format,
        bit_depth=8,
        samples="colour+opacity" if has_opacity else "one" if is_grey else "colour",
    )
    image = to_image(raw, source.name, source.label, varied=False)
    for note in image.notes:
        video.note(note)
    return image


def _matrix(frame: "av.VideoFrame", video: Video) -> tuple[int, int, int, int]:
    """How a frame is turned: the signs of a display matrix (a, b, c, d), by which (x, y) goes to (ax + cy, bx + dy)."""
    from av.sidedata.sidedata import Type

    found_beside: Any = frame.side_data
    stated = found_beside.get(Type.DISPLAYMATRIX)
    if stated is None:
        return 1, 0, 0, 1
    a, b, _, c, d = (float(value) / TURNS for value in np.frombuffer(bytes(stated), np.int32)[:5])
    scale = max(abs(a), abs(b), abs(c), abs(d), 1e-9)
    found = tuple(round(value / scale) for value in (a, b, c, d))
    exact = all(abs(value / scale - sign) < 0.01 for value, sign in zip((a, b, c, d), found, strict=True))
    if not exact or sorted(map(abs, found)) != [0, 0, 1, 1] or abs(found[0]) != abs(found[3]):
        video.note("It says to be turned by no quarter, which was left undone.")
        return 1, 0, 0, 1
    return found  # type: ignore[return-value]


def turned(pixels: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """Pixels (Y, X, …) turned and mirrored by a display matrix (a, b, c, d) of quarters."""
    a, b, c, d = matrix
    if a == 0:  # x runs down, and y to the right
        pixels = pixels.swapaxes(0, 1)
    down, across = (d or b), (a or c)
    return pixels[:: 1 if down > 0 else -1, :: 1 if across > 0 else -1]
