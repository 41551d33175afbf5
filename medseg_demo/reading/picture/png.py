"""PNG: by imagecodecs (libpng) where samples have 8 or 16 bits, by Pillow where they share a byte or have a palette.

Pillow cuts colours of 16 bits to 8, and makes up rows that are missing; libpng spreads small samples over a byte.

Source: PNG specification, third edition (W3C, 2025).
"""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from medseg_demo.reading.picture.header import MOST_CHUNK, Picture, damaged, open_plugin, read_at
from medseg_demo.reading.source import MIB, Source

PNG_GREY, PNG_RGB, PNG_PALETTE, PNG_GREY_OPACITY, PNG_RGB_OPACITY = 0, 2, 3, 4, 6
PNG_SAMPLES = {PNG_GREY: 1, PNG_RGB: 3, PNG_PALETTE: 1, PNG_GREY_OPACITY: 2, PNG_RGB_OPACITY: 4}
PNG_DEPTHS = {PNG_GREY: (1, 2, 4, 8, 16), PNG_PALETTE: (1, 2, 4, 8)}
# Adam7: first column and row, and the steps.
PNG_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def parse(source: Source) -> Picture:
    """What the chunks of a PNG say.

    Raises:
        EOFError: The file ends before its last chunk.
        DamagedFileError: Chunks are missing or contradict each other.
    """
    chunks: dict[bytes, bytes] = {}
    data: list[tuple[int, int]] = []
    xmp = b""
    for kind, place, length in _png_chunks(source):
        if kind == b"IDAT":
            data.append((place, length))
        elif kind in (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"acTL") and kind not in chunks:
            chunks[kind] = read_at(source, place, min(length, MOST_CHUNK))
        elif kind == b"iTXt" and not xmp:
            text = read_at(source, place, min(length, MOST_CHUNK))
            xmp = text if text.startswith(b"XML:com.adobe.xmp\0\0") else b""
    if len(chunks.get(b"IHDR", b"")) != 13 or not data:
        raise damaged(source, "PNG", "it has no header or no pixels")
    width, height, bits, colour, _, _, interlace = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    if bits not in PNG_DEPTHS.get(colour, (8, 16)) or colour not in PNG_SAMPLES or interlace > 1:
        raise damaged(source, "PNG", f"there is no colour type {colour} with {bits} bits (interlace {interlace})")
    if colour == PNG_PALETTE and not chunks.get(b"PLTE"):
        raise damaged(source, "PNG", "its palette is missing")
    frames = int.from_bytes(chunks.get(b"acTL", b"")[:4]) or 1
    samples = PNG_SAMPLES[colour] + (colour in (PNG_GREY, PNG_RGB) and b"tRNS" in chunks)
    return Picture(
        kind="PNG",
        width=width,
        height=height,
        bits=bits,
        samples=4 if colour == PNG_PALETTE else samples,  # as it is looked up
        exif=chunks.get(b"eXIf", b""),
        xmp=xmp,
        frames=frames,
        colour=colour,
        chunks=chunks,
        data=tuple(data),
        is_interlaced=interlace == 1,
    )


def _png_chunks(source: Source) -> Iterator[tuple[bytes, int, int]]:
    """(kind, place of its content, length) of each chunk up to the end of the image."""
    place = 8
    while True:
        head = read_at(source, place, 8)
        length, kind = int.from_bytes(head[:4]), head[4:]
        if place + 12 + length > source.size:
            raise EOFError
        yield kind, place + 8, length
        if kind == b"IEND":
            return
        place += 12 + length


def read(source: Source, header: Picture) -> tuple[np.ndarray, np.ndarray | None]:
    """(Y, X) or (Y, X, samples) as stored, and the palette.

    Raises:
        DamagedFileError: Rows are missing.
    """
    if header.colour != PNG_PALETTE and (header.bits == 16 or (header.bits == 8 and not header.is_interlaced)):
        import imagecodecs

        source.file.seek(0)
        return imagecodecs.png_decode(source.file.read()), None
    _check_rows(source, header)
    with open_plugin(source.file, header) as picture:
        array = np.array(picture).astype(np.uint8)
    transparent = header.chunks.get(b"tRNS")
    if header.colour == PNG_PALETTE:
        return array, _png_palette(header.chunks[b"PLTE"], transparent)
    if 1 < header.bits < 8:
        array //= 255 // (2**header.bits - 1)  # Pillow spreads 2 and 4 bits over 0 to 255
    if transparent is None or header.colour not in (PNG_GREY, PNG_RGB):
        return array, None
    samples = array.reshape(header.height, header.width, -1)
    invisible = (samples == np.frombuffer(transparent, ">u2")[: samples.shape[2]]).all(axis=2, keepdims=True)
    return np.concatenate([samples, np.where(invisible, 0, 255).astype(np.uint8)], axis=2), None


def _png_palette(colours: bytes, opacity: bytes | None) -> np.ndarray:
    palette = np.frombuffer(colours[: len(colours) // 3 * 3], np.uint8).reshape(-1, 3)
    if not opacity or set(opacity) == {255}:
        return palette
    alpha = np.full((len(palette), 1), 255, np.uint8)
    count = min(len(opacity), len(palette))
    alpha[:count, 0] = np.frombuffer(opacity[:count], np.uint8)
    return np.hstack([palette, alpha])


def _check_rows(source: Source, header: Picture) -> None:
    """Compare the length of the unpacked data with the rows that are claimed."""
    passes = PNG_PASSES if header.is_interlaced else ((0, 0, 1, 1),)
    expected = 0
    for left, top, across, down in passes:
        columns, rows = -(-(header.width - left) // across), -(-(header.height - top) // down)
        if columns > 0 and rows > 0:
            expected += rows * (1 + -(-columns * header.bits * PNG_SAMPLES[header.colour] // 8))
    inflater, unpacked = zlib.decompressobj(), 0
    for place, length in header.data:
        content = read_at(source, place, length)
        while content and unpacked < expected and not inflater.eof:
            unpacked += len(inflater.decompress(content, MIB))
            content = inflater.unconsumed_tail
    if unpacked < expected:
        raise damaged(source, "PNG", "it ends before the last row of pixels")
