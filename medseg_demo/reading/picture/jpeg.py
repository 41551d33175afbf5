"""The frame of a JPEG before it is decoded, and whether its data are complete: of pictures, and of strips of a TIFF.

libjpeg fills what is missing with grey and only counts a warning, which no Python package hands on. Data are complete
where bytes that follow them change nothing: so an image is decoded twice, once with noise behind every scan.

Source: ITU-T T.81, B.1 and B.2; for completeness only F.2.2 and G.2 (Huffman): arithmetic coding may leave out zeros.
"""

import re
import struct
from collections.abc import Iterator

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading.source import Source

SOI, EOI, SOS, DRI, APP1, TEM, RESTART = 0xD8, 0xD9, 0xDA, 0xDD, 0xE1, 0x01, 0xD0
READ = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive
PROCESSES = {0xC3: "lossless", **dict.fromkeys((0xC5, 0xC6, 0xC7), "hierarchical"), 0xF7: "JPEG-LS"}
PROCESSES |= dict.fromkeys((*range(0xC9, 0xCC), *range(0xCD, 0xD0)), "arithmetic-coded")
SCAN_END = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
NOISE = bytes(1 + (index * 89 + 170) % 251 for index in range(64))


def read_frame(content: bytes, source: Source) -> tuple[int, int, int, int]:
    """Rows, columns, components (1 grey, 3 colour, 4 CMYK) and bits of a JPEG that begins with ``content``.

    Raises:
        UnsupportedImageError: The process is not read here; it is named.
        DamagedFileError: There is none.
    """
    for marker, fields in segments(content):
        if marker in PROCESSES:
            raise UnsupportedImageError(
                f"{source.label}: this kind of JPEG ({PROCESSES[marker]}) is not read here. "
                "Save it as PNG or TIFF, or as a baseline or progressive JPEG."
            )
        if marker in READ and len(fields) >= 6:
            bits, rows, columns, components = struct.unpack(">BHHB", fields[:6])
            if not rows or not columns:
                raise UnsupportedImageError(
                    f"{source.label}: the JPEG states its height behind its pixels (DNL), which is not read here. "
                    "Save it anew."
                )
            return rows, columns, components, bits
    raise DamagedFileError(f"{source.label}: the JPEG data are damaged: they have no frame. Export or copy it again.")


def segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, content) of what lies before the first scan of a JPEG."""
    position = 2
    while position + 4 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker in (SOS, EOI):
            return
        if marker == 0xFF:  # filled up
            position += 1
        elif marker == TEM or RESTART <= marker <= SOI:
            position += 2
        else:
            length = int.from_bytes(content[position + 2 : position + 4])
            yield marker, content[position + 4 : position + 2 + length]
            position += 2 + max(2, length)


def with_noise(content: bytes) -> bytes:
    """The JPEG with noise behind the data of each scan, which changes nothing where the data are complete."""
    parts, position, copied, restarts = [], 2, 0, False
    while position + 4 <= len(content):
        marker = content[position + 1]
        if content[position] != 0xFF or marker == 0xFF:
            position += 1
        elif marker == EOI:
            break
        elif marker in (0, TEM) or RESTART <= marker <= SOI:
            position += 2
        else:
            length = int.from_bytes(content[position + 2 : position + 4])
            if marker == DRI:
                restarts = content[position + 4 : position + 6] != b"\0\0"
            position += 2 + length
            if marker == SOS:
                end = SCAN_END.search(content, position)
                stop = end.start() if end else len(content)
                parts += [content[copied:stop], _noise(content[position:stop]) if restarts else NOISE]
                copied = position = stop
    return b"".join([*parts, content[copied:]])


def _noise(scan: bytes) -> bytes:
    """Noise that goes on with the restart markers of a scan, without which a decoder would skip it."""
    count = len(re.findall(rb"\xff[\xd0-\xd7]", scan))
    return NOISE + b"".join(bytes((0xFF, RESTART + (count + index) % 8)) + NOISE for index in range(8))


def incomplete(source: Source, kind: str = "JPEG") -> DamagedFileError:
    """The error of data that end before the last row."""
    return DamagedFileError(
        f"{source.label}: the {kind} data are damaged: they end before the last row of pixels. Export or copy it again."
    )
