import io
import struct

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading import read_image

SQUARE = np.random.default_rng(7).integers(0, 256, (64, 64), dtype=np.uint8)
JPEG, JPEG_2000, PNG = 7, 34712, 34933
ENCODE = {
    JPEG: lambda pixels: imagecodecs.jpeg8_encode(pixels, level=90),
    JPEG_2000: lambda pixels: imagecodecs.jpeg2k_encode(pixels, level=0),
    PNG: imagecodecs.png_encode,
}


def sized(rows, columns=64, **tags):
    found = {256: (4, columns), 257: (4, rows), 278: (4, rows)}
    return found | {int(tag[1:]): (3, value) for tag, value in tags.items()}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 17, 20, 31])
def test_samples_that_share_bytes(tiff, read_raw, bits, order):
    values = np.random.default_rng(bits).integers(0, 2**bits, (7, 9), dtype=np.uint32)
    texts = ("".join(f"{value:0{bits}b}" for value in row) for row in values.tolist())
    data = b"".join(int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8)) for text in texts)
    raw = read_raw(tiff(sized(7, 9, t258=bits), data=data, order=order))
    assert np.array_equal(raw.array, values)
    assert (raw.bit_depth, raw.array.dtype.itemsize) == (bits, 1 if bits <= 8 else 2 if bits <= 16 else 4)


@pytest.mark.parametrize(
    ("bits", "kind", "sum_of_both"), [(1, 1, 1), (4, 1, 15), (8, 1, 255), (12, 1, 4095), (8, 2, -1), (32, 3, 0)]
)
def test_polarity_is_told_and_not_applied(tiff, read_raw, bits, kind, sum_of_both):
    data = np.arange(64, dtype=np.float32).tobytes() if kind == 3 else bytes(range(256))
    raw = read_raw(tiff({258: (3, bits), 262: (3, 0), 339: (3, kind)}, data=data))
    other = read_raw(tiff({258: (3, bits), 262: (3, 1), 339: (3, kind)}, data=data))
    assert np.array_equal(raw.array, other.array)
    assert (raw.polarity, other.polarity) == (sum_of_both, None)
    assert bool(raw.image_notes) == (kind == 3)


@pytest.mark.parametrize("full", [257, 256, 1])
def test_palettes_of_16_and_of_8_bits(tiff, read_raw, full):
    colours = np.random.default_rng(1).integers(0, 256, (3, 256))
    raw = read_raw(tiff({262: (3, 3), 320: (3, (colours * full).ravel())}))
    assert np.array_equal(raw.palette, colours.T)
    assert raw.array[0, :3].tolist() == [0, 1, 2]


@pytest.mark.parametrize("code", [JPEG_2000, PNG])
def test_codecs_with_headers_of_their_own(tiff, read_raw, code):
    good, large, small = (ENCODE[code](pixels) for pixels in (SQUARE, np.tile(SQUARE, (9, 9)), SQUARE[:32]))
    assert np.array_equal(read_raw(tiff(sized(64, t259=code), data=good)).array, SQUARE)
    with pytest.raises(DamagedFileError, match="576 × 576 pixels"):
        read_raw(tiff(sized(64, t259=code), data=large))
    for data in (small, good[: len(good) // 2]):
        with pytest.raises(DamagedFileError):
            read_raw(tiff(sized(64, t259=code), data=data))


def test_jpeg_rows_that_are_missing_are_damage(tiff, read_raw):
    content = ENCODE[JPEG](SQUARE)
    assert np.abs(read_raw(tiff(sized(64, t259=JPEG), data=content)).array.astype(int) - SQUARE).mean() < 10
    place = content.find(b"\xff\xc0") + 5
    longer = content[:place] + struct.pack(">H", 128) + content[place + 2 :]
    with pytest.raises(DamagedFileError, match="before the last row"):
        read_raw(tiff(sized(128, t259=JPEG), data=longer))
    with pytest.raises(DamagedFileError, match="before the last row"):
        read_raw(tiff(sized(64, t259=JPEG), data=content[: len(content) // 2]))
    with pytest.raises(DamagedFileError, match="64 × 128 pixels"):
        read_raw(tiff(sized(64, t259=JPEG), data=longer))


@pytest.mark.parametrize("way", ["group3", "group4", "tiff_ccitt"])
@pytest.mark.parametrize("is_reversed", [False, True])
def test_fax_rows_that_are_missing_are_damage(tiff, read_raw, way, is_reversed):
    for mask in (SQUARE > 128, SQUARE > 255, SQUARE >= 0):
        file = io.BytesIO()
        Image.fromarray(mask).save(file, "TIFF", compression=way)
        file.seek(0)
        with tifffile.TiffFile(file) as made:
            page = made.pages[0]
            code, start, length = int(page.compression), page.dataoffsets[0], page.databytecounts[0]
            options = {292: (4, page.tags[292].value)} if 292 in page.tags else {}
        data = file.getvalue()[start : start + length]
        data = imagecodecs.bitorder_encode(data) if is_reversed else data
        tags = {**sized(64, t258=1, t259=code, t266=2 if is_reversed else 1), **options}
        assert np.array_equal(read_raw(tiff(tags, data=data)).array, mask)
        if mask.any() and not mask.all():
            longer = {**tags, **sized(80)}
            with pytest.raises(DamagedFileError, match="fax data are damaged"):
                read_raw(tiff(longer, data=data))
            with pytest.raises(DamagedFileError, match="fax data are damaged"):
                read_raw(tiff(tags, data=data[:-40]))


def test_inks(tiff, read_raw):
    inks = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255], [51, 102, 0, 128]]], np.uint8)
    raw = read_raw(tiff({**sized(1, 4, t262=5, t277=4), 258: (3, [8] * 4)}, data=inks.tobytes()))
    assert raw.array.tolist() == [[[255, 255, 255], [0, 255, 255], [0, 0, 0], [102, 76, 127]]]
    assert raw.samples == "colour"


def test_opacity(tmp_path, read_raw):
    path = tmp_path / "a.tif"
    pixels = np.full((2, 2, 4), 40, np.uint8)
    pixels[..., 3] = [[255, 128], [0, 255]]
    tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=["unassalpha"], metadata=None)
    assert np.array_equal(read_raw(path).array, pixels)
    assert read_image(path).pixels[..., 0].tolist() == [[40, 20], [0, 40]]
    # Colours that are multiplied with their opacity lie on black already.
    tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=["assocalpha"], metadata=None)
    raw = read_raw(path)
    assert np.array_equal(raw.array, pixels[..., :3])
    assert (raw.samples, raw.image_notes) == ("colour", ("Transparent parts were laid over black.",))
    pixels[..., 3], pixels[0, 0, :3] = 255, 41
    for kind in ("unassalpha", "assocalpha"):
        tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=[kind], metadata=None)
        assert (read_image(path).channels, read_image(path).notes) == (3, ())


def test_opacity_and_white_as_the_least_value(tiff, read_raw):
    tags = {**sized(1, 2, t262=0, t277=2, t338=2), 258: (3, [8, 8])}
    raw = read_raw(tiff(tags, data=bytes([9, 255, 7, 255])))
    assert (raw.array.tolist(), raw.samples, raw.polarity) == ([[[9, 255], [7, 255]]], "grey+opacity", 255)
    with pytest.raises(UnsupportedImageError, match="partly transparent"):
        read_raw(tiff(tags, data=bytes([9, 255, 7, 8])))


def test_spacing_turns_with_the_pixels(tmp_path, read_raw):
    path = tmp_path / "a.tif"
    turned = [(274, "H", 1, 6, False)]
    metadata = {"axes": "YX", "unit": "mm"}
    tifffile.imwrite(path, SQUARE[:, :32], imagej=True, resolution=(2, 4), metadata=metadata, extratags=turned)
    raw = read_raw(path)
    assert np.array_equal(raw.array, np.rot90(SQUARE[:, :32], -1))
    assert raw.geometry.spacing_mm == (0.5, 0.25)


def test_nothing_is_printed(tiff, read_raw, capfd):
    with pytest.raises(DamagedFileError):
        read_raw(tiff(sized(64, t259=5), data=bytes(64)))
    assert capfd.readouterr() == ("", "")
