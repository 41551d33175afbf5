"""WebP, through Pillow.

Source: RFC 9649.
"""

import numpy as np

from medseg_demo.reading.picture.header import MOST_CHUNK, Picture, damaged, open_plugin, read_at
from medseg_demo.reading.source import Source


def parse(source: Source) -> Picture:
    """What the chunks of a WebP say; Pillow would make room for all of it to look.

    Raises:
        EOFError: The file is shorter than its chunks.
        DamagedFileError: It has no frame.
    """
    width, height = frame_size(source.head[:64], source)
    found: dict[bytes, bytes] = {}
    place, frames, end = 12, 0, 8 + int.from_bytes(source.head[4:8], "little")
    if end > source.size:
        raise EOFError
    while place + 8 <= end:
        head = read_at(source, place, 8)
        kind, length = head[:4], int.from_bytes(head[4:], "little")
        if place + 8 + length > source.size:
            raise EOFError
        frames += kind == b"ANMF"
        if kind in (b"EXIF", b"XMP "):
            found[kind] = read_at(source, place + 8, min(length, MOST_CHUNK))
        place += 8 + length + length % 2
    head = source.head
    has_opacity = (head[12:16] == b"VP8X" and bool(head[20] & 16)) or (head[12:16] == b"VP8L" and bool(head[24] & 16))
    return Picture(
        kind="WebP",
        width=width,
        height=height,
        bits=8,
        samples=4 if has_opacity else 3,
        exif=found.get(b"EXIF", b""),
        xmp=found.get(b"XMP ", b""),
        frames=max(1, frames),
    )


def frame_size(head: bytes, source: Source) -> tuple[int, int]:
    """Columns and rows of a WebP, by its first chunk.

    Raises:
        DamagedFileError: It is none of those that there are.
    """
    kind, fields = head[12:16], head[20:34]
    if kind == b"VP8X" and len(fields) >= 10:
        return 1 + int.from_bytes(fields[4:7], "little"), 1 + int.from_bytes(fields[7:10], "little")
    if kind == b"VP8L" and len(fields) >= 5:
        packed = int.from_bytes(fields[1:5], "little")
        return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    if kind == b"VP8 " and fields[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(fields[6:8], "little") & 0x3FFF, int.from_bytes(fields[8:10], "little") & 0x3FFF
    raise damaged(source, "WebP", "it has no frame")


def read(source: Source, header: Picture) -> tuple[np.ndarray, None]:
    """(Y, X, 3) or (Y, X, 4)."""
    with open_plugin(source.file, header) as picture:
        return np.array(picture), None
