import numpy as np
import pytest

from medseg_demo.errors import ImageTooLargeError, UnsupportedImageError
from medseg_demo.reading.intensities import (
    build_image,
    check_size,
    compose_alpha,
    display_window,
    plain_type,
    settle_channels,
)
from medseg_demo.settings import Settings


def test_check_size_counts_pixels_and_voxels_apart(source):
    settings = Settings(max_megapixels=1, max_megavoxels=2)
    check_size((1000, 1000), source, settings)
    check_size((2, 1000, 1000), source, settings)
    with pytest.raises(ImageTooLargeError, match=r"1001 × 1000 pixels.*at most 1 million.*MEDSEG_MAX_MEGAPIXELS"):
        check_size((1000, 1001), source, settings)
    with pytest.raises(ImageTooLargeError, match="MEDSEG_MAX_MEGAVOXELS"):
        check_size((3, 1000, 1000), source, settings)
    with pytest.raises(UnsupportedImageError, match="no pixels"):
        check_size((0, 5), source, settings)


def test_opaque_alpha_is_dropped_without_a_note():
    pixels = np.array([[[10, 20, 30, 255]]], np.uint8)
    colour, notes = compose_alpha(pixels)
    assert colour.tolist() == [[[10, 20, 30]]]
    assert notes == ()


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.array([[[100, 200, 50, 51], [1, 2, 3, 255]]], np.uint8), [[[20, 40, 10], [1, 2, 3]]]),  # 51 / 255 = 0.2
        (np.array([[[1000, 0, 40, 13107], [1, 2, 3, 65535]]], np.uint16), [[[200, 0, 8], [1, 2, 3]]]),
        (np.array([[[1.0, 0.5, 0.0, 0.5], [1, 1, 1, 1]]], np.float32), [[[0.5, 0.25, 0], [1, 1, 1]]]),
        (np.array([[[100, 51], [7, 255]]], np.uint8), [[20, 7]]),
    ],
)
def test_alpha_is_composed_over_black(pixels, expected):
    colour, notes = compose_alpha(pixels)
    assert colour.tolist() == expected
    assert colour.dtype == pixels.dtype
    assert "over black" in notes[0]


def test_alpha_that_hides_everything_is_ignored():
    colour, notes = compose_alpha(np.array([[[9, 8, 7, 0]]], np.uint8))
    assert colour.tolist() == [[[9, 8, 7]]]
    assert "ignored" in notes[0]


@pytest.mark.parametrize("channels", [2, 5, 7, 16])
def test_other_channels_are_refused(channels, source):
    with pytest.raises(UnsupportedImageError, match=rf"{channels} channels"):
        settle_channels(np.zeros((3, 3, channels), np.uint8), source)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.array([True, False]), np.array([1, 0], np.uint8)),
        (np.array([1.5, 2.0], np.float64), np.array([1.5, 2.0], np.float32)),
        (np.array([1.5, 2.0], np.float16), np.array([1.5, 2.0], np.float32)),
        (np.array([-5, 2**31 - 1], np.int64), np.array([-5, 2**31 - 1], np.int32)),
        (np.array([0, 2**40], np.int64), np.array([0, 2**40], np.float32)),
        (np.array([0, 2**63], np.uint64), np.array([0, 2**63], np.float32)),
        (np.array([1, 258], ">u2"), np.array([1, 258], np.uint16)),
        (np.array([1, 2.5], ">f4"), np.array([1, 2.5], np.float32)),
        (np.array([3, 4], np.uint32), np.array([3, 4], np.uint32)),
    ],
)
def test_plain_type(given, expected, source):
    result = plain_type(given, source)
    assert result.dtype == expected.dtype
    assert result.dtype.isnative
    assert result.tolist() == expected.tolist()


def test_values_beyond_float32_are_refused(source):
    with pytest.raises(UnsupportedImageError, match=r"1 values exceed the range"):
        plain_type(np.array([0, 1e300]), source)
    with pytest.raises(UnsupportedImageError, match="complex64"):
        plain_type(np.array([1j], np.complex64), source)


def test_display_window():
    ramp = np.arange(10_001, dtype=np.float32).reshape(73, 137)
    assert display_window(ramp) == pytest.approx((50, 9950))
    assert display_window(np.array([[0, 7]], np.uint8)) == (0, 255)
    assert display_window(np.array([[0, 1]], np.uint8), bit_depth=1) == (0, 1)
    assert display_window(np.linspace(0, 1, 12).reshape(2, 2, 3)) == (0, 1)
    mostly_black = np.zeros((100, 100), np.uint16)
    mostly_black[0, 0] = 900
    assert display_window(mostly_black) == (0, 900)
    large = np.arange(5_000_001, dtype=np.int32)
    assert display_window(large) == pytest.approx((25_000, 4_975_000), rel=1e-3)


def test_not_finite_values_are_counted(source):
    pixels = np.ones((4, 5), np.float32)
    pixels[0, :3] = np.nan
    pixels[1, 0] = -np.inf
    with pytest.raises(UnsupportedImageError, match=r"3 of 20 values are not a number \(NaN\) and 1 are infinite"):
        build_image(source, pixels, file_format="NPY", bit_depth=32)


def test_an_image_of_one_value_is_refused_but_not_a_slice(source):
    with pytest.raises(UnsupportedImageError, match=r"same value \(3\)"):
        build_image(source, np.full((4, 4), 3, np.uint8), file_format="PNG", bit_depth=8)
    one_colour = np.broadcast_to(np.array([255, 0, 7], np.uint8), (4, 4, 3))
    with pytest.raises(UnsupportedImageError, match=r"same value \(255, 0, 7\)"):
        build_image(source, one_colour, file_format="PNG", bit_depth=8)
    volume = np.zeros((2, 3, 3), np.uint8)
    volume[1, 1, 1] = 1
    assert build_image(source, volume, file_format="NPY", bit_depth=8, is_volume=True).axes == "ZYX"


@pytest.mark.parametrize("window", [(500.0, 600.0), (5.0, 5.0), (9.0, 1.0), (float("nan"), 4.0)])
def test_a_window_that_shows_nothing_is_replaced(window, source):
    pixels = np.arange(100, dtype=np.int16).reshape(10, 10)
    image = build_image(source, pixels, file_format="DICOM", bit_depth=16, window=window)
    assert image.display_window == pytest.approx((0.495, 98.505))
    kept = build_image(source, pixels, file_format="DICOM", bit_depth=16, window=(10.0, 20.0))
    assert kept.display_window == (10, 20)


def test_pixels_are_contiguous_and_writable(source):
    image = build_image(source, np.arange(12, dtype=">i2").reshape(3, 4).T, file_format="NPY", bit_depth=16)
    assert image.pixels.flags.c_contiguous
    assert image.pixels.dtype == np.int16
    assert image.axes == "YX"
    assert image.shape == (4, 3)
