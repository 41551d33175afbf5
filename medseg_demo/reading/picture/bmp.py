"""BMP, through Pillow."""

import struct

import numpy as np

from medseg_demo.errors import UnsupportedImageError
from medseg_demo.reading.picture.header import Picture, open_plugin
from medseg_demo.reading.source import Source


def parse(source: Source) -> Picture:
    """What the header of a BMP says.

    Raises:
        UnsupportedImageError: A kind that is not read here, named.
    """
    head = source.head.ljust(80, b"\0")
    size = struct.unpack_from("<I", head, 14)[0]
    if size == 12:
        width, height, bits = (*struct.unpack_from("<HH", head, 18), struct.unpack_from("<H", head, 24)[0])
    else:
        width, height, bits = (*struct.unpack_from("<Ii", head, 18), struct.unpack_from("<H", head, 28)[0])
    if bits not in (1, 4, 8, 16, 24, 32):
        raise UnsupportedImageError(f"{source.label}: this kind of BMP ({bits} bits) is not read here. Save it as PNG.")
    compression = struct.unpack_from("<I", head, 30)[0] if size > 12 else 0
    if compression not in (0, 1, 2, 3):
        raise UnsupportedImageError(
            f"{source.label}: its compression (number {compression}) is not read here. Save it as PNG."
        )
    has_opacity = bits == 32 and compression == 3 and size >= 56 and any(head[66:70])
    return Picture(
        kind="BMP",
        width=width,
        height=abs(height),
        bits=min(bits, 8),
        samples=4 if has_opacity else 3,
    )


def read(source: Source, header: Picture) -> tuple[np.ndarray, np.ndarray | None]:
    """(Y, X) or (Y, X, samples) as stored, and the palette."""
    with open_plugin(source.file, header) as picture:
        palette = None
        if picture.mode == "P":
            palette = np.frombuffer(picture.palette.palette, np.uint8)  # type: ignore[union-attr,arg-type]
            step = 4 if picture.palette.rawmode == "BGRX" else 3  # type: ignore[union-attr]
            palette = palette[: len(palette) // step * step].reshape(-1, step)[:, 2::-1]
        elif picture.mode == "L" and header.bits < 8:
            # A palette of greys makes Pillow forget that several pixels share a byte.
            tile = picture.tile[0]  # type: ignore[attr-defined]
            if tile.codec_name == "raw":
                picture.tile = [tile._replace(args=(f"P;{header.bits}", *tile.args[1:]))]  # type: ignore[attr-defined]
                picture._mode = "P"
                palette = np.repeat(np.arange(2**header.bits, dtype=np.uint8)[:, np.newaxis], 3, axis=1)
        array = np.array(picture)
    array = array.astype(np.uint8) if array.dtype == bool else array
    return (array[..., :3] if array.ndim == 3 and header.samples == 3 else array), palette
