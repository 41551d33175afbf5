import io
import struct

import numpy as np
import pytest
from PIL import Image

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, UnsupportedImageError
from medseg_demo.reading.picture.jpeg import with_noise

WAYS = [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"restart_marker_blocks": 2, "progressive": True}]
WAYS += [{"optimize": True}, {"subsampling": 0}]


def encode(size=(40, 52), mode="RGB", **options):
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def with_height(content, height):
    place = max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2")) + 5
    return content[:place] + struct.pack(">H", height) + content[place + 2 :]


def frame(process, height=6, width=6, components=1, precision=8):
    fields = struct.pack(">BHHB", precision, height, width, components) + bytes([1, 0x11, 0]) * components
    return b"\xff\xd8" + bytes([0xFF, process]) + struct.pack(">H", 2 + len(fields)) + fields + b"\xff\xd9"


@pytest.mark.parametrize("size", [(40, 52), (8, 8), (17, 3)])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("way", WAYS)
def test_as_pillow_decodes_it(read_raw, way, mode, size):
    content = encode(size, mode, **way)
    right = Image.open(io.BytesIO(content))
    raw = read_raw(content)
    assert np.array_equal(raw.array, np.asarray(right if mode != "CMYK" else right.convert("RGB")))
    assert raw.samples == ("one" if mode == "L" else "colour")


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("way", WAYS)
def test_rows_that_are_missing_are_damage_and_not_grey(read_raw, way, mode):
    content = encode(mode=mode, **way)
    with pytest.raises(DamagedFileError, match="end before the last row"):
        read_raw(with_height(content, 56))
    with pytest.raises(DamagedFileError, match="end before the last row"):
        read_raw(content[: len(content) // 2] + b"\xff\xd9")
    with pytest.raises(DamagedFileError, match="too early"):
        read_raw(content[: len(content) // 2])


def test_noise_keeps_what_is_behind_the_image():
    content = encode()
    assert with_noise(content + b"thumbnail").endswith(b"\xff\xd9thumbnail")
    assert len(with_noise(content)) > len(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (frame(0xC3), "lossless"),
        (frame(0xC9), "arithmetic"),
        (frame(0xF7), "JPEG-LS"),
        (frame(0xC5), "hierarchical"),
        (frame(0xC0, components=2), "2 components"),
        (frame(0xC0, precision=16), "16 bits"),
        (frame(0xC0, height=0), "DNL"),
    ],
)
def test_kinds_that_are_not_read_are_named(read_raw, content, words):
    with pytest.raises(UnsupportedImageError, match=words):
        read_raw(content)


def test_12_bits_are_kept(read_raw):
    imagecodecs = pytest.importorskip("imagecodecs")
    pixels = np.add.outer(np.arange(40) * 50, np.arange(48) * 20).astype(np.uint16)
    raw = read_raw(imagecodecs.jpeg8_encode(pixels, level=95, bitspersample=12))
    assert (raw.array.dtype, raw.bit_depth) == (np.uint16, 12)
    assert np.abs(raw.array.astype(int) - pixels).max() < 60


def test_claims_are_checked_before_anything_is_decoded(read_raw):
    with pytest.raises(ImageTooLargeError, match="65500 × 65500"):
        read_raw(frame(0xC0, 65500, 65500))
    for content in (b"\xff\xd8\xff", b"\xff\xd8\xff\xe0" + bytes(99), frame(0xC0)[:11]):
        with pytest.raises(DamagedFileError, match="no frame"):
            read_raw(content)
    # A second frame of another size is what Pillow would make room for.
    second = frame(0xC0, 60000, 60000)[2:-2]
    with pytest.raises(DamagedFileError):
        read_raw(frame(0xC0)[:-2] + second + encode()[2:])
