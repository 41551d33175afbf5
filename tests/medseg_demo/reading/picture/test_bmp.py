import struct

import numpy as np
import pytest

from medseg_demo.errors import DamagedFileError, UnsupportedImageError


@pytest.fixture
def bmp(pack):
    def make(values, bits, palette, *, upwards=True, compression=0, data=None, height=None):
        rows = [row.ljust(-(-len(row) // 4) * 4, b"\0") for row in pack(values, bits)]
        data = b"".join(rows[::-1] if upwards else rows) if data is None else data
        colours = b"".join(bytes((blue, green, red, 0)) for red, green, blue in palette)
        offset, height = 54 + len(colours), (height or values.shape[0]) * (1 if upwards else -1)
        fields = (40, values.shape[1], height, 1, bits, compression, len(data), 0, 0, len(palette), 0)
        head = b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + struct.pack("<IiiHHIIiiII", *fields)
        return head + colours + data

    return make


def palettes(count):
    grey = np.arange(count) * 255 // (count - 1)
    yield "other", np.random.default_rng(3).integers(0, 256, (count, 3))
    yield "numbers", np.repeat(np.arange(count)[:, np.newaxis], 3, axis=1)
    yield "grey", np.repeat(grey[:, np.newaxis], 3, axis=1)
    yield "inverted", np.repeat(255 - grey[:, np.newaxis], 3, axis=1)


@pytest.mark.parametrize("upwards", [True, False])
@pytest.mark.parametrize("bits", [1, 4, 8])
def test_indices_and_palette_whatever_its_colours(bmp, read_raw, bits, upwards):
    values = np.random.default_rng(bits).integers(0, 2**bits, (5, 7))
    for name, palette in palettes(2**bits):
        raw = read_raw(bmp(values, bits, palette.tolist(), upwards=upwards))
        assert np.array_equal(raw.array, values), name
        assert raw.bit_depth == bits
        if raw.palette is not None:
            assert np.array_equal(raw.palette[raw.array], palette[values]), name
        else:  # grey as it is stored
            assert name == ("grey" if bits == 1 else "numbers") or (name, bits) == ("grey", 8)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_missing_rows_are_damage(bmp, read_raw, bits):
    with pytest.raises(DamagedFileError):
        read_raw(bmp(np.zeros((5, 7), int), bits, [(0, 0, 0), (9, 9, 9)], height=9))


def test_run_lengths(bmp, read_raw):
    colours = [(9, 0, index) for index in range(16)]
    empty = np.zeros((2, 4), int)
    eight = bytes([4, 1, 0, 0, 4, 2, 0, 1])
    assert read_raw(bmp(empty, 8, colours, compression=1, data=eight)).array.tolist() == [[2] * 4, [1] * 4]
    four = bytes([4, 0x12, 0, 0, 4, 0x21, 0, 1])
    assert read_raw(bmp(empty, 4, colours, compression=2, data=four)).array.tolist() == [[2, 1] * 2, [1, 2] * 2]
    with pytest.raises(DamagedFileError):
        read_raw(bmp(empty, 8, colours, compression=1, data=eight[:4]))


def test_a_picture_inside_is_named(bmp, read_raw):
    with pytest.raises(UnsupportedImageError, match="compression \\(number 5\\)"):
        read_raw(bmp(np.zeros((2, 4), int), 8, [(0, 0, 0)], compression=5))


@pytest.mark.parametrize("mask", [0, 0xFF000000])
def test_opacity_only_where_the_header_has_a_mask_for_it(read_raw, mask):
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, mask)
    head = struct.pack("<IiiHHIIiiII", 56, 2, 1, 1, 32, 3, 8, 0, 0, 0, 0) + masks
    data = bytes([3, 2, 1, 77, 6, 5, 4, 88])
    raw = read_raw(b"BM" + struct.pack("<IHHI", 14 + len(head) + 8, 0, 0, 14 + len(head)) + head + data)
    right = [[[1, 2, 3, 77], [4, 5, 6, 88]]]
    assert raw.array.tolist() == (right if mask else [[pixel[:3] for pixel in right[0]]])
