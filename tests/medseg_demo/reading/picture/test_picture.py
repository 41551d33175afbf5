import contextlib
import struct
import zlib

import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from medseg_demo.errors import (
    DamagedFileError,
    ImageTooLargeError,
    ReadError,
    UnknownFormatError,
    UnsupportedImageError,
)
from medseg_demo.reading import read_image
from medseg_demo.settings import Settings


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
@pytest.mark.parametrize("colour", [False, True])
def test_lossless_8_bit(tmp_path, picture, suffix, colour):
    pixels = np.dstack([picture, picture[::-1], 255 - picture]) if colour else picture
    image = read_image(save(tmp_path / f"a.{suffix}", pixels))
    assert np.array_equal(image.pixels, pixels)
    assert image.axes == ("YXC" if colour else "YX")
    assert image.pixels.dtype == np.uint8
    assert image.pixels.flags.writeable
    assert image.bit_depth == 8
    assert image.display_window == (0, 255)
    assert image.geometry.spacing_mm is None
    assert image.file_format == {"png": "PNG", "tif": "TIFF", "bmp": "BMP"}[suffix]
    assert image.notes == ()


def test_lossy_formats_decode_as_pillow_does(tmp_path, picture):
    for suffix, name in (("jpg", "JPEG"), ("webp", "WebP")):
        path = save(tmp_path / f"a.{suffix}", np.dstack([picture] * 3))
        image = read_image(path)
        assert image.file_format == name
        assert np.array_equal(image.pixels, np.asarray(Image.open(path)))


def test_the_name_plays_no_part(tmp_path, picture):
    path = save(tmp_path / "a.png", picture)
    for name in ("noextension", "a.dcm", "b.nii.gz", "ünïcødé.txt"):
        assert read_image(path.rename(tmp_path / name)).file_format == "PNG"
        path = tmp_path / name


def test_dots_per_inch_are_no_spacing(tmp_path, picture):
    assert read_image(save(tmp_path / "a.tif", picture, dpi=(300, 300))).geometry.spacing_mm is None


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_colour_is_not_cut_to_8_bits(tmp_path, suffix):
    pixels = np.random.default_rng(1).integers(0, 65536, (20, 30, 3), dtype=np.uint16)
    path = tmp_path / f"a.{suffix}"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(pixels, isVector=True), str(path))
    image = read_image(path.rename(tmp_path / "without_suffix"))
    assert image.pixels.dtype == np.uint16
    assert np.array_equal(image.pixels, pixels)
    assert (image.axes, image.bit_depth) == ("YXC", 16)


def test_16_bit_colour_with_transparency(tmp_path):
    pixels = np.full((6, 5, 4), 65535, np.uint16)
    pixels[0, 0] = (1000, 2000, 3000, 13107)  # a fifth opaque
    path = tmp_path / "a.png"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(pixels, isVector=True), str(path))
    image = read_image(path)
    assert image.pixels[0, 0].tolist() == [200, 400, 600]
    assert "over black" in image.notes[0]


def test_animation_gives_its_first_frame(tmp_path, picture):
    Image.fromarray(picture).save(
        tmp_path / "a.png", save_all=True, append_images=[Image.fromarray(255 - picture)], default_image=False
    )
    image = read_image(tmp_path / "a.png")
    assert np.array_equal(image.pixels, picture)
    assert "first of 2 frames" in image.notes[0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "webp", "jpg"])
def test_exif_orientation(tmp_path, picture, orientation, suffix):
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(picture).save(path, exif=exif)
    right = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    assert np.array_equal(read_image(path).pixels, right)


def test_palette(tmp_path, picture):
    colours = np.random.default_rng(4).integers(0, 256, (256, 3), dtype=np.uint8)
    indexed = Image.fromarray(picture, "L").convert("P")
    indexed.putdata(picture.ravel().tolist())
    indexed.putpalette(colours.ravel().tolist())
    for name in ("a.png", "a.bmp", "a.tif"):
        indexed.save(tmp_path / name)
        image = read_image(tmp_path / name)
        assert np.array_equal(image.pixels, colours[picture])
        assert image.bit_depth == 8


def test_palette_with_a_transparent_entry(tmp_path):
    indexed = Image.new("P", (2, 1))
    indexed.putpalette([10, 20, 30, 40, 50, 60])
    indexed.putpixel((1, 0), 1)
    indexed.save(tmp_path / "a.png", transparency=0)
    image = read_image(tmp_path / "a.png")
    assert image.pixels.tolist() == [[[0, 0, 0], [40, 50, 60]]]
    assert "over black" in image.notes[0]


def test_grey_with_alpha(tmp_path, picture):
    half = np.dstack([picture, np.full_like(picture, 255)])
    Image.fromarray(half, "LA").save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.axes == "YX"
    assert np.array_equal(image.pixels, picture)
    assert image.notes == ()


def test_1_bit(tmp_path, picture):
    mask = picture > 128
    for name in ("a.png", "a.tif", "a.bmp"):
        Image.fromarray(mask).save(tmp_path / name)
        image = read_image(tmp_path / name)
        assert np.array_equal(image.pixels, mask.astype(np.uint8))
        assert (image.bit_depth, image.display_window) == (1, (0, 1))


def test_cmyk_becomes_rgb(tmp_path, picture):
    colour = Image.fromarray(np.dstack([picture] * 3))
    colour.convert("CMYK").save(tmp_path / "a.tif")
    assert np.array_equal(read_image(tmp_path / "a.tif").pixels, np.asarray(colour))
    colour.convert("CMYK").save(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg").axes == "YXC"


def huge_png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_header_that_claims_too_much_is_refused_before_decoding(write):
    with pytest.raises(ImageTooLargeError, match=r"60000 × 60000 pixels are claimed.*100 million"):
        read_image(write("bomb.png", huge_png(60_000, 60_000)))
    # Pillow's own limit must not get in the way of ours.
    with pytest.raises(DamagedFileError):
        read_image(write("large.png", huge_png(20_000, 20_000)), settings=Settings(max_megapixels=500))


def test_bad_files(write, tmp_path, picture):
    with pytest.raises(UnknownFormatError, match=r"notes\.png: its bytes are of no image format"):
        read_image(write("notes.png", b"This is a text about an image.\n"))
    with pytest.raises(UnknownFormatError):
        read_image(write("BMtext.bmp", b"BM stands for bone marrow, and this is text."))
    with pytest.raises(UnsupportedImageError, match="same value"):
        read_image(save(tmp_path / "flat.png", np.full((8, 8), 9, np.uint8)))
    whole = save(tmp_path / "a.png", picture).read_bytes()
    with pytest.raises(DamagedFileError, match=r"cut\.png: the PNG file is damaged: it ends too early"):
        read_image(write("cut.png", whole[: len(whole) // 2]))


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp", "webp"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 0.999))
def test_a_cut_file_is_never_a_surprise(tmp_path, picture, suffix, share):
    whole = tmp_path / f"whole.{suffix}"
    if not whole.exists():
        save(whole, picture)
    content = whole.read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(content[: int(len(content) * share)])
    with contextlib.suppress(ReadError):
        assert read_image(cut).pixels.shape == picture.shape
