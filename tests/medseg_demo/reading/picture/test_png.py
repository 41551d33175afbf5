import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from medseg_demo.errors import DamagedFileError, ReadError

SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
TYPES = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8)]
TYPES += [(4, 8), (4, 16), (6, 8), (6, 16)]
# First column and row, and the steps, of each pass of Adam7 (PNG specification, 8.1).
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
TRANSPARENT = {0: struct.pack(">H", 1), 2: struct.pack(">HHH", 1, 1, 1), 3: bytes([9, 200])}


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.fixture
def png(pack):
    def make(values, bits, colour, *, before=(), after=(), interlaced=False, height=None, cut=0):
        rows = b""
        for left, top, across, down in ADAM7 if interlaced else ((0, 0, 1, 1),):
            part = values[top::down, left::across]
            if part.size:
                rows += b"".join(b"\0" + row for row in pack(part.reshape(part.shape[0], -1), bits))
        header = (values.shape[1], height or values.shape[0], bits, colour, 0, 0, interlaced)
        chunks = [
            (b"IHDR", struct.pack(">IIBBBBB", *header)),
            *before,
            (b"IDAT", zlib.compress(rows[: len(rows) - cut])),
            *after,
            (b"IEND", b""),
        ]
        return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)

    return make


def case(colour, bits, transparent):
    values = np.random.default_rng(bits).integers(0, 2**bits, (13, 19, SAMPLES[colour]))
    values[0, 0] = 1
    palette = np.random.default_rng(9).integers(0, 256, (2**bits, 3), dtype=np.uint8)
    before = [(b"PLTE", palette.tobytes())] if colour == 3 else []
    if transparent:
        before.append((b"tRNS", TRANSPARENT[colour]))
    return values, palette, before


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("colour", "bits", "transparent"),
    [(*each, False) for each in TYPES] + [(*each, True) for each in TYPES if each[0] in TRANSPARENT],
)
def test_every_type_comes_as_it_is_stored(png, read_raw, colour, bits, transparent, interlaced):
    values, palette, before = case(colour, bits, transparent)
    right = values
    if transparent and colour in (0, 2):
        opacity = np.where((values == 1).all(-1, keepdims=True), 0, 65535 if bits == 16 else 255)
        right = np.concatenate([values, opacity], axis=-1)
    raw = read_raw(png(values, bits, colour, before=before, interlaced=interlaced))
    assert np.array_equal(raw.array, right[..., 0] if right.shape[-1] == 1 else right)
    assert raw.bit_depth == bits
    assert raw.samples == {1: "one", 2: "grey+opacity", 3: "colour", 4: "colour+opacity"}[right.shape[-1]]
    if colour != 3:
        assert raw.palette is None
    else:
        assert np.array_equal(raw.palette[:, :3], palette)
        assert raw.palette.shape[1] == (4 if transparent else 3)
        assert not transparent or raw.palette[:3, 3].tolist() == [9, 200, 255][: 2**bits]


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "bits"), TYPES)
def test_missing_rows_are_damage_and_not_black(png, read_raw, colour, bits, interlaced):
    values, _, before = case(colour, bits, transparent=False)
    for options in ({"height": 20}, {"cut": 1}):
        with pytest.raises(DamagedFileError):
            read_raw(png(values, bits, colour, before=before, interlaced=interlaced, **options))


def test_orientation_behind_the_pixels_or_in_xmp(png, read_raw, layout_of):
    values = np.arange(24).reshape(4, 6, 1)
    exif = Image.Exif()
    exif[274] = 6
    content = png(values, 8, 0, after=[(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))])
    assert np.array_equal(read_raw(content).array, np.rot90(values[..., 0], -1))
    assert layout_of(content).shape == (6, 4)
    xmp = b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="8"/>'
    assert np.array_equal(read_raw(png(values, 8, 0, before=[(b"iTXt", xmp)])).array, np.rot90(values[..., 0]))


def test_an_index_beyond_the_palette_is_told(png, read_raw):
    raw = read_raw(png(np.arange(8).reshape(2, 4, 1), 8, 3, before=[(b"PLTE", bytes(range(15)))]))
    assert raw.array.max() == 7
    assert raw.palette[4:].tolist() == [[12, 13, 14], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert "black" in raw.image_notes[0]


@pytest.mark.parametrize(
    ("bits", "colour", "words"), [(16, 3, "colour type 3 with 16 bits"), (8, 3, "palette is missing"), (8, 5, "type 5")]
)
def test_headers_that_contradict_themselves(png, read_raw, bits, colour, words):
    with pytest.raises(DamagedFileError, match=words):
        read_raw(png(np.zeros((2, 2, 1), int), bits, colour))


def test_every_cut_is_damage(png, read_raw):
    content = png(np.arange(24).reshape(4, 6, 1), 8, 0)
    for length in range(8, len(content) - 12):
        with pytest.raises(ReadError):
            read_raw(content[:length])
    assert read_raw(content + b"something behind").array.shape == (4, 6)
