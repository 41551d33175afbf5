"""PNG, JPEG, BMP and WebP, through Pillow; imagecodecs where Pillow would cut samples to 8 bits.

A file's chunks and frames are looked at before a library sees them: size, completeness, orientation. Each format has a
module of its own.
"""

import struct
from collections.abc import Callable, Sequence

import numpy as np

from medseg_demo.reading.picture import bmp, jpeg, png, webp
from medseg_demo.reading.picture.header import Picture, turn
from medseg_demo.reading.raw import Layout, Raw, Samples
from medseg_demo.reading.source import Source, check_size

BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)
SAMPLES: dict[int, Samples] = {1: "one", 2: "grey+opacity", 3: "colour", 4: "colour+opacity"}
PALETTE_SHORT = "Pixels whose number is beyond the palette are shown in black."


def is_png(source: Source) -> bool:
    """Whether the file starts as a PNG does."""
    return source.head.startswith(b"\x89PNG\r\n\x1a\n")


def is_jpeg(source: Source) -> bool:
    """Whether the file starts as a JPEG does."""
    return source.head.startswith(b"\xff\xd8\xff")


def is_bmp(source: Source) -> bool:
    """Whether the file starts as a BMP does; two letters alone would take text for one."""
    head = source.head
    return head.startswith(b"BM") and len(head) >= 18 and struct.unpack_from("<I", head, 14)[0] in BMP_HEADERS


def is_webp(source: Source) -> bool:
    """Whether the file starts as a WebP does."""
    return source.head.startswith(b"RIFF") and source.head[8:12] == b"WEBP"


def inspect(source: Source) -> Layout:
    """What the header claims.

    Raises:
        DamagedFileError: Parts of the file are missing or contradict each other.
        UnsupportedImageError: A kind that is not read here, named.
    """
    header = next(parse for recognise, parse in PARSERS if recognise(source))(source)
    check_size((header.height, header.width), source)
    is_turned = header.orientation > 4
    return Layout(
        shape=(header.width, header.height) if is_turned else (header.height, header.width),
        dtype=np.dtype(np.uint8 if header.bits <= 8 else np.uint16),
        samples=header.samples,
        header=header,
    )


def read(source: Source, layout: Layout, volumes: Sequence[int]) -> Raw:
    """The pixels of a picture, turned as its EXIF block says.

    Resolution tags (dots per inch) are about print and screen, never about the patient, so the spacing is unknown.

    Raises:
        DamagedFileError: Data are missing or cannot be unpacked.
    """
    header: Picture = layout.header
    try:
        array, palette = {"PNG": png.read, "JPEG": jpeg.read, "BMP": bmp.read, "WebP": webp.read}[header.kind](
            source, header
        )
    except OSError as error:
        raise (EOFError() if "truncated" in str(error) else error) from None
    image_notes: tuple[str, ...] = ()
    if palette is not None and int(array.max()) >= len(palette):
        image_notes = (PALETTE_SHORT,)
        palette = np.pad(palette, ((0, int(array.max()) + 1 - len(palette)), (0, 0)))
        if palette.shape[1] == 4:
            palette[len(palette) - 1, 3] = 255
    samples = SAMPLES[array.shape[2] if array.ndim > 2 else 1]
    frames = f"Only the first of {header.frames} frames of the animation was read."
    return Raw(
        array=turn(array, header.orientation),
        axes="YX" if array.ndim == 2 else "YXC",
        file_format=header.kind,
        bit_depth=header.bits,
        samples=samples,
        palette=palette,
        notes=(frames,) if header.frames > 1 else (),
        image_notes=image_notes,
    )


PARSERS: tuple[tuple[Callable[[Source], bool], Callable[[Source], Picture]], ...] = (
    (is_png, png.parse),
    (is_jpeg, jpeg.parse),
    (is_bmp, bmp.parse),
    (is_webp, webp.parse),
)
