"""The size that a compressed frame claims, read before a decoder allocates it.

Source: ITU-T T.81 (JPEG) B.1.1.3, T.87 (JPEG-LS) C.1, T.800 (JPEG 2000) A.5.1.
"""

import struct

J2K_START = b"\xff\x4f\xff\x51"
JPEG_START = b"\xff\xd8"
JPEG_LS_FRAME = 0xF7
NOT_FRAMES = (0xC4, 0xC8, 0xCC)


def claimed_size(frame: bytes) -> tuple[int, int] | None:
    """Rows and columns of a JPEG, JPEG-LS or JPEG 2000 codestream; None where none is found."""
    if frame.startswith(JPEG_START):
        return _jpeg_size(frame)
    # A JP2 file wrapped around the codestream is not allowed in DICOM, but found.
    start = frame[:4096].find(J2K_START)
    if start < 0 or len(frame) < start + 24:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", frame, start + 8)
    return bottom - top, right - left


def _jpeg_size(frame: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(frame) and frame[place] == 0xFF:
        marker = frame[place + 1]
        if marker == 0xFF:  # padding
            place += 1
            continue
        if (0xC0 <= marker <= 0xCF and marker not in NOT_FRAMES) or marker == JPEG_LS_FRAME:
            return struct.unpack_from(">2H", frame, place + 5)
        place += 2 + struct.unpack_from(">H", frame, place + 2)[0]
    return None
