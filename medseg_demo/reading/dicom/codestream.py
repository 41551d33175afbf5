"""What a compressed frame says of itself, read before a decoder allocates it.

Source: ITU-T T.81 (JPEG) B.2, T.87 (JPEG-LS) C.2, T.800 (JPEG 2000) A.5 and A.6, T.871 (JFIF) 10.1; Adobe TN 5116, 18.
"""

import struct
from dataclasses import dataclass

J2K_START = b"\xff\x4f\xff\x51"
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
JPEG_LS_FRAME, SCAN_START = 0xF7, 0xDA
NOT_FRAMES = (0xC4, 0xC8, 0xCC)
HIERARCHICAL = (0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF)
WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))
RGB_IDENTIFIERS = (b"RGB", b"rgb")
CODING_STYLE, TILE_PART = 0xFF52, 0xFF90


@dataclass(frozen=True)
class Codestream:
    """The claims of one compressed frame.

    Attributes:
        rows: Its height.
        columns: Its width.
        samples: Of a pixel.
        bits: Of a sample.
        is_signed: Whether samples are signed; JPEG and JPEG-LS know no sign.
        is_rgb: Whether decoding gives RGB (True) or YCbCr as it is stored (False); None where the codestream does not
            say, so that the header counts.
        is_whole: Whether every tile of JPEG 2000 is there.
        is_rare: Whether it is hierarchical JPEG, for which there is no decoder.
    """

    rows: int
    columns: int
    samples: int
    bits: int
    is_signed: bool = False
    is_rgb: bool | None = None
    is_whole: bool = True
    is_rare: bool = False


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


def claimed_size(frame: bytes) -> tuple[int, int] | None:
    """Rows and columns of a codestream; None where none is found."""
    found = parse(frame)
    return None if found is None else (found.rows, found.columns)


def starts_image(fragment: bytes) -> bool:
    """Whether a fragment is the first of a frame, by its first bytes."""
    return fragment.startswith((JPEG_START, J2K_START))


def _parse_j2k(frame: bytes, start: int) -> Codestream:
    right, bottom, left, top, *tiles = struct.unpack_from(">8I", frame, start + 8)
    samples, depth = struct.unpack_from(">HB", frame, start + 40)
    has_transform, place = _j2k_coding(frame, start)
    across, down = (-(-(end - tiles[axis + 2]) // max(1, tiles[axis])) for axis, end in enumerate((right, bottom)))
    return Codestream(
        rows=bottom - top,
        columns=right - left,
        samples=samples,
        bits=(depth & 0x7F) + 1,
        is_signed=bool(depth & 0x80),
        is_rgb=True if samples == 3 and has_transform else None,
        is_whole=_count_tiles(frame, place) >= across * down,
    )


def _j2k_coding(frame: bytes, start: int) -> tuple[bool, int]:
    """Whether the coding style has a component transform, which decoders turn back to RGB; where the tiles start."""
    place, has_transform = start + 2, False
    while place + 4 <= len(frame):
        marker, length = struct.unpack_from(">2H", frame, place)
        if marker == TILE_PART or marker >> 8 != 0xFF:
            break
        if marker == CODING_STYLE:
            has_transform = frame[place + 8] == 1
        place += 2 + length
    return has_transform, place


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
    """The frame header (SOF), and the markers up to the first scan that tell the colours."""
    place, is_jfif, transform, header, kind = 2, False, None, b"", 0
    while place + 4 <= len(frame) and frame[place] == 0xFF:
        marker = frame[place + 1]
        if marker == 0xFF or marker in WITHOUT_LENGTH:
            place += 1 if marker == 0xFF else 2
            continue
        if marker == SCAN_START:
            break
        content = frame[place + 4 : place + 2 + struct.unpack_from(">H", frame, place + 2)[0]]
        is_jfif |= marker == 0xE0 and content.startswith(b"JFIF")
        if marker == 0xEE and content.startswith(b"Adobe") and len(content) >= 12:
            transform = content[11]
        if (0xC0 <= marker <= 0xCF and marker not in NOT_FRAMES) or marker == JPEG_LS_FRAME:
            header, kind = content, marker
        place += 4 + len(content)
    if not header:
        return None
    bits, rows, columns, samples = struct.unpack_from(">B2HB", header)
    return Codestream(
        rows=rows,
        columns=columns,
        samples=samples,
        bits=bits,
        is_rgb=_is_rgb(header[6::3][:samples], is_jfif, transform),
        is_rare=kind in HIERARCHICAL,
    )


def _is_rgb(identifiers: bytes, is_jfif: bool, transform: int | None) -> bool | None:
    """As libjpeg decides, but for what it can only guess."""
    if len(identifiers) != 3:
        return None
    if is_jfif:
        return False
    if transform is not None:
        return transform == 0
    return True if identifiers in RGB_IDENTIFIERS else None
