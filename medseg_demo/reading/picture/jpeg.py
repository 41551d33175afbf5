"""The frame of a JPEG before it is decoded, and whether its data are complete.

libjpeg fills what is missing with grey and only counts a warning, which no Python package hands on. Data are complete
where bytes that follow them change nothing: so an image is decoded twice, once with noise behind every scan.

Source: ITU-T T.81, B.1 and B.2; for completeness only F.2.2 and G.2 (Huffman): arithmetic coding may leave out zeros.
"""

import re
from dataclasses import dataclass
from io import BytesIO

import numpy as np

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading.picture.header import Picture, open_plugin
from medseg_demo.reading.source import Source

SOI, EOI, SOS, DRI, APP1, TEM, RESTART = 0xD8, 0xD9, 0xDA, 0xDD, 0xE1, 0x01, 0xD0
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
JPEG_LS = 0xF7
READ = (0xC0, 0xC1, 0xC2)
PROCESSES = {0xC3: "lossless", 0xC5: "hierarchical", 0xC6: "hierarchical", 0xC7: "hierarchical", 0xF7: "JPEG-LS"}
PROCESSES |= dict.fromkeys(range(0xC9, 0xD0), "arithmetic-coded")
SCAN_END = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
NOISE = bytes(1 + (index * 89 + 170) % 251 for index in range(64))


@dataclass(frozen=True)
class Frame:
    """What a JPEG's frame header says.

    Attributes:
        process: The marker's second byte: 0xC0 baseline, 0xC1 extended, 0xC2 progressive.
        precision: Bits a sample.
        height: In pixels, as ``width``.
        width: See ``height``.
        components: 1 grey, 3 colour, 4 CMYK.
    """

    process: int
    precision: int
    height: int
    width: int
    components: int


def read_frame(content: bytes, source: Source) -> Frame:
    """The frame header of a JPEG that begins with ``content``.

    Raises:
        UnsupportedImageError: The process is not read here; it is named.
        DamagedFileError: There is none.
    """
    position = 2
    while position + 9 < len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker in FRAMES or marker == JPEG_LS:
            return _frame(marker, content[position + 4 : position + 10], source)
        if marker in (SOS, EOI):
            break
        position += (
            2 if marker == TEM or 0xD0 <= marker <= SOI else 2 + int.from_bytes(content[position + 2 : position + 4])
        )
    raise DamagedFileError(f"{source.label}: the JPEG data are damaged: they have no frame. Export or copy it again.")


def _frame(marker: int, fields: bytes, source: Source) -> Frame:
    if marker not in READ:
        raise UnsupportedImageError(
            f"{source.label}: this kind of JPEG ({PROCESSES[marker]}) is not read here. "
            "Save it as PNG or TIFF, or as a baseline or progressive JPEG."
        )
    frame = Frame(marker, fields[0], int.from_bytes(fields[1:3]), int.from_bytes(fields[3:5]), fields[5])
    if not frame.height or not frame.width:
        raise UnsupportedImageError(
            f"{source.label}: the JPEG states its height behind its pixels (DNL), which is not read here. Save it anew."
        )
    return frame


def read_exif(content: bytes) -> tuple[bytes, bytes]:
    """The EXIF block and the XMP packet of a JPEG; empty where there is none."""
    exif = xmp = b""
    position = 2
    while position + 4 <= len(content) and content[position] == 0xFF and content[position + 1] != SOS:
        if content[position + 1] == 0xFF:
            position += 1
            continue
        length = int.from_bytes(content[position + 2 : position + 4])
        if content[position + 1] == APP1:
            block = content[position + 4 : position + 2 + length]
            exif = exif or (block if block.startswith(b"Exif\0\0") else b"")
            xmp = xmp or (block if block.startswith(b"http://ns.adobe.com/xap/1.0/") else b"")
        position += 2 + max(2, length)
    return exif, xmp


def with_noise(content: bytes) -> bytes:
    """The JPEG with noise behind the data of each scan, which changes nothing where the data are complete."""
    parts, position, restarts = [], 2, False
    copied = 0
    while position + 4 <= len(content):
        if content[position] != 0xFF or content[position + 1] == 0xFF:
            position += 1
            continue
        marker = content[position + 1]
        if marker == EOI:
            break
        if marker == TEM or marker == 0 or 0xD0 <= marker <= SOI:
            position += 2
            continue
        length = int.from_bytes(content[position + 2 : position + 4])
        if marker == DRI:
            restarts = content[position + 4 : position + 6] != b"\0\0"
        position += 2 + length
        if marker == SOS:
            end = SCAN_END.search(content, position)
            stop = end.start() if end else len(content)
            parts += [content[copied:stop], _noise(content, position, stop) if restarts else NOISE]
            copied = position = stop
    return b"".join([*parts, content[copied:]])


def _noise(content: bytes, start: int, stop: int) -> bytes:
    """Noise that goes on with the restart markers of a scan, without which a decoder would skip it."""
    count = len(re.findall(rb"\xff[\xd0-\xd7]", content[start:stop]))
    return NOISE + b"".join(bytes((0xFF, RESTART + (count + index) % 8)) + NOISE for index in range(8))


def incomplete(source: Source, kind: str = "JPEG") -> DamagedFileError:
    """The error of data that end before the last row."""
    return DamagedFileError(
        f"{source.label}: the {kind} data are damaged: they end before the last row of pixels. Export or copy it again."
    )


def parse(source: Source) -> Picture:
    """What the frame header of a JPEG says.

    Raises:
        UnsupportedImageError: A kind that is not read here, named.
        DamagedFileError: There is no frame.
    """
    source.file.seek(0)
    content = source.file.read()
    frame = read_frame(content, source)
    if (
        frame.precision not in (8, 12)
        or frame.components not in (1, 3, 4)
        or (frame.precision, frame.components) == (12, 4)
    ):
        raise UnsupportedImageError(
            f"{source.label}: this kind of JPEG ({frame.precision} bits, {frame.components} components) is not read "
            "here. Save it as PNG or TIFF."
        )
    exif, xmp = read_exif(content)
    return Picture(
        kind="JPEG",
        width=frame.width,
        height=frame.height,
        bits=frame.precision,
        samples=1 if frame.components == 1 else frame.components,
        exif=exif,
        xmp=xmp,
    )


def read(source: Source, header: Picture) -> tuple[np.ndarray, None]:
    """(Y, X) or (Y, X, 3); inks are mixed to colours.

    Raises:
        DamagedFileError: Rows are missing.
    """
    source.file.seek(0)
    content = source.file.read()
    array = _decode_jpeg(content, header)
    if not np.array_equal(array, _decode_jpeg(with_noise(content), header)):
        raise incomplete(source)
    return array, None


def _decode_jpeg(content: bytes, header: Picture) -> np.ndarray:
    if header.bits > 8:
        import imagecodecs

        return imagecodecs.jpeg8_decode(content)
    with open_plugin(BytesIO(content), header) as picture:
        return np.array(picture.convert("RGB") if picture.mode not in ("L", "RGB") else picture)
