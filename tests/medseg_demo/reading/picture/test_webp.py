import io
import struct

import numpy as np
import pytest
from PIL import Image

from medseg_demo.errors import DamagedFileError, ImageTooLargeError


def encode(pixels, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", **options)
    return file.getvalue()


@pytest.fixture
def colours():
    return np.random.default_rng(5).integers(0, 256, (40, 52, 4), dtype=np.uint8)


@pytest.mark.parametrize("samples", [3, 4])
def test_lossless_is_exact(read_raw, layout_of, colours, samples):
    content = encode(colours[..., :samples], lossless=True, exact=True)
    raw, layout = read_raw(content), layout_of(content)
    assert np.array_equal(raw.array, colours[..., :samples])
    assert raw.samples == ("colour" if samples == 3 else "colour+opacity")
    assert (layout.shape, layout.samples) == ((40, 52), samples)


def test_lossy_as_pillow_decodes_it(read_raw, colours):
    content = encode(colours[..., :3], quality=80)
    assert np.array_equal(read_raw(content).array, np.asarray(Image.open(io.BytesIO(content))))


def test_an_animation_gives_its_first_frame(read_raw, colours):
    second = Image.fromarray(255 - colours[..., :3])
    raw = read_raw(encode(colours[..., :3], save_all=True, append_images=[second], lossless=True))
    assert np.array_equal(raw.array, colours[..., :3])
    assert raw.notes == ("Only the first of 2 frames of the animation was read.",)


def test_a_canvas_is_checked_before_it_is_made(read_raw):
    canvas = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff" * 6
    with pytest.raises(ImageTooLargeError, match="16777216 × 16777216"):
        read_raw(b"RIFF" + struct.pack("<I", len(canvas)) + canvas)


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}])
def test_what_is_cut_is_damaged(read_raw, colours, options):
    content = encode(colours[..., :3], **options)
    half = len(content) // 2
    with pytest.raises(DamagedFileError):
        read_raw(content[:half])
    lengths = struct.pack("<I", half - 8), struct.pack("<I", half - 20)  # as if it had always been so short
    with pytest.raises(DamagedFileError):
        read_raw(content[:4] + lengths[0] + content[8:16] + lengths[1] + content[20:half])
