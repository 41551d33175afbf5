"""What a compressed frame says of itself, read before a decoder allocates it.

Source: ITU-T T.81 (JPEG) B.2, T.87 (JPEG-LS) C.2, T.800 (JPEG 2000) A.5 and A.6, T.871 (JFIF) 10.1; Adobe TN 5116, 18.
"""

import struct
from dataclasses import dataclass

from medseg_demo.reading.picture.jpeg import segments

J2K_START, JPEG_START, JPEG_END = b"\xff\x4f\xff\x51", b"\xff\xd8", b"\xff\xd9"
HIERARCHICAL = (0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF)
FRAMES = (0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA, 0xCB, *HIERARCHICAL, 0xF7)  # the last one is of JPEG-LS
JFIF, ADOBE = 0xE0, 0xEE
CODING_STYLE, TILE_PART = 0xFF52, 0xFF90


@dataclass(frozen=True)
class Codestream:
    """The claims of one compressed frame.

    Attributes:
        shape: Rows, columns and samples of a pixel.
        bits: Of a sample.
        is_rgb: Whether decoding gives RGB (True) or YCbCr as it is stored (False); None where the codestream does not
            say, so that the header counts.
        is_whole: Whether every tile of JPEG 2000 is there.
        is_hierarchical: Whether it is a kind of JPEG for which there is no decoder.
    """

    shape: tuple[int, int, int]
    bits: int
    is_rgb: bool | None = None
    is_whole: bool = True
    is_hierarchical: bool = False


def parse(frame: bytes) -> Codestream | None:
    """The claims of a JPEG, JPEG-LS or JPEG 2000 codestream; None where none is found."""
    try:
        if frame.startswith(JPEG_START):
            return _parse_jpeg(frame)
        # A JP2 file wrapped around the codestream is not allowed in DICOM, but found.
        start = frame[:4096].find(J2K_START)
        return None if start < 0 else _parse_j2k(frame, start)
    except (struct.error, IndexError):
        return None


def starts_image(fragment: bytes) -> bool:
    """Whether a fragment is the first of a frame, by its first bytes."""
    return fragment.startswith((JPEG_START, J2K_START))


def _parse_j2k(frame: bytes, start: int) -> Codestream:
    right, bottom, left, top, *tiles = struct.unpack_from(">8I", frame, start + 8)
    samples, depth = struct.unpack_from(">HB", frame, start + 40)
    place, has_transform = start + 2, False  # a transform of colours, which decoders turn back to RGB
    while (marker := struct.unpack_from(">H", frame, place)[0]) != TILE_PART and marker >> 8 == 0xFF:
        has_transform |= marker == CODING_STYLE and frame[place + 8] == 1
        place += 2 + struct.unpack_from(">H", frame, place + 2)[0]
    across, down = (-(-(end - tiles[axis + 2]) // max(1, tiles[axis])) for axis, end in enumerate((right, bottom)))
    return Codestream(
        shape=(bottom - top, right - left, samples),
        bits=(depth & 0x7F) + 1,
        is_rgb=True if samples == 3 and has_transform else None,
        is_whole=_count_tiles(frame, place) >= across * down,
    )


def _count_tiles(frame: bytes, place: int) -> int:
    """How many different tiles there are: OpenJPEG leaves missing ones black, and says nothing."""
    found = set()
    while place + 12 <= len(frame):
        marker, _, tile, length = struct.unpack_from(">HHHI", frame, place)
        if marker != TILE_PART:
            break
        found.add(tile)
        place += length or len(frame)  # 0: up to the end
    return len(found)


def _parse_jpeg(frame: bytes) -> Codestream | None:
    """The frame header (SOF), and the markers up to the first scan that tell the colours, as libjpeg decides."""
    kind, header, is_jfif, transform = 0, b"", False, None
    for marker, content in segments(frame):
        if marker in FRAMES:
            kind, header = marker, content
        elif marker == JFIF and content.startswith(b"JFIF"):
            is_jfif = True
        elif marker == ADOBE and content.startswith(b"Adobe") and len(content) >= 12:
            transform = content[11]
    if not header:
        return None
    bits, rows, columns, samples = struct.unpack_from(">B2HB", header)
    is_rgb = True if header[6::3][:samples] in (b"RGB", b"rgb") else None
    if is_jfif or transform is not None:
        is_rgb = not is_jfif and transform == 0
    return Codestream((rows, columns, samples), bits, is_rgb if samples == 3 else None, True, kind in HIERARCHICAL)
