import numpy as np
import pytest

from medseg_demo.errors import UnsupportedImageError
from medseg_demo.image import COLOURS
from medseg_demo.reading.intensities import compose_opacity, display_window, plain_type, reflect, to_image
from medseg_demo.reading.raw import Raw


def image_of(array, **fields):
    axes = fields.pop("axes", "YX")
    return to_image(Raw(array=array, axes=axes, file_format="PNG", **{"bit_depth": 8, **fields}), "a", "a.png")


def test_opaque_alpha_is_dropped_without_a_note():
    pixels = np.array([[[10, 20, 30, 255]]], np.uint8)
    colour, notes = compose_opacity(pixels)
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
    colour, notes = compose_opacity(pixels)
    assert colour.tolist() == expected
    assert colour.dtype == pixels.dtype
    assert "over black" in notes[0]


def test_alpha_that_hides_everything_is_ignored():
    colour, notes = compose_opacity(np.array([[[9, 8, 7, 0]]], np.uint8))
    assert colour.tolist() == [[[9, 8, 7]]]
    assert "ignored" in notes[0]


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
def test_plain_type(given, expected):
    result = plain_type(given, "a")
    assert result.dtype == expected.dtype
    assert result.dtype.isnative
    assert result.tolist() == expected.tolist()


def test_values_beyond_float32_are_refused():
    with pytest.raises(UnsupportedImageError, match=r"1 values exceed the range"):
        plain_type(np.array([0, 1e300]), "a")
    with pytest.raises(UnsupportedImageError, match="complex64"):
        plain_type(np.array([1j], np.complex64), "a")


def test_display_window():
    ramp = np.arange(10_001, dtype=np.float32).reshape(73, 137)
    assert display_window(ramp) == pytest.approx((50, 9950))
    assert display_window(np.array([[0, 7]], np.uint8)) == (0, 255)
    assert display_window(np.array([[0, 1]], np.uint8), bit_depth=1) == (0, 1)
    assert display_window(np.linspace(0, 1, 12).reshape(2, 2, 3), is_colour=True) == (0, 1)
    assert display_window(np.array([[0, 9]], np.uint8), bit_depth=4) == (0, 15)
    mostly_black = np.zeros((100, 100), np.uint16)
    mostly_black[0, 0] = 900
    assert display_window(mostly_black) == (0, 900)
    large = np.arange(5_000_001, dtype=np.int32)
    assert display_window(large) == pytest.approx((25_000, 4_975_000), rel=1e-3)


def test_large_integers_whose_differences_would_be_lost_are_refused():
    with pytest.raises(UnsupportedImageError, match=r"64-bit integers from 1099511627776 to 1099511627786.*too coarse"):
        plain_type(np.array([2**40, 2**40 + 10]), "a")


def test_not_finite_values_are_counted():
    pixels = np.ones((4, 5), np.float32)
    pixels[0, :3] = np.nan
    pixels[1, 0] = -np.inf
    with pytest.raises(UnsupportedImageError, match=r"3 of 20 values are not a number \(NaN\) and 1 are infinite"):
        image_of(pixels)


def test_an_image_of_one_value_is_refused_but_not_a_slice():
    with pytest.raises(UnsupportedImageError, match=r"same value \(3\)"):
        image_of(np.full((4, 4), 3, np.uint8))
    one_colour = np.broadcast_to(np.array([255, 0, 7], np.uint8), (4, 4, 3))
    with pytest.raises(UnsupportedImageError, match=r"same value \(255, 0, 7\)"):
        image_of(one_colour, axes="YXC", samples="colour")
    volume = np.zeros((2, 3, 3), np.uint8)
    volume[1, 1, 1] = 1
    assert image_of(volume, axes="ZYX").axes == "ZYX"


@pytest.mark.parametrize("window", [(500.0, 600.0), (5.0, 5.0), (9.0, 1.0), (float("nan"), 4.0)])
def test_a_window_that_shows_nothing_is_replaced(window):
    pixels = np.arange(100, dtype=np.int16).reshape(10, 10)
    assert image_of(pixels, window=window, bit_depth=16).display_window == pytest.approx((0.495, 98.505))
    assert image_of(pixels, window=(10.0, 20.0), bit_depth=16).display_window == (10, 20)


def test_pixels_are_contiguous_and_native():
    image = image_of(np.arange(12, dtype=">i2").reshape(3, 4).T, bit_depth=16)
    assert image.pixels.flags.c_contiguous
    assert image.pixels.dtype == np.int16
    assert (image.axes, image.shape) == ("YX", (4, 3))


@pytest.mark.parametrize(
    ("values", "total"),
    [
        (np.array([[0, 1, 255]], np.uint8), 255),
        (np.array([[0, 7, 2**16 - 1]], ">u2"), 2**16 - 1),
        (np.array([[0, 7, 2**32 - 1]], np.uint32), 2**32 - 1),
        (np.array([[-(2**15), 0, 2**15 - 1]], np.int16), -1),
        (np.array([[0.25, 1.5]], np.float32), 1.75),
        (np.array([[0, 1, 3]], np.uint8), 3),
    ],
)
def test_darker_is_turned_to_brighter_at_every_depth(values, total):
    turned = reflect(values, total)
    assert turned.tolist() == [[total - value for value in values[0].tolist()]]
    assert turned.dtype == values.dtype.newbyteorder("=")


def test_polarity_turns_the_window_too_and_says_so_to_images_alone():
    raw = {"polarity": 255.0, "window": (10.0, 20.0), "image_notes": ("turned",)}
    image = image_of(np.array([[0, 255]], np.uint8), **raw)
    assert image.pixels.tolist() == [[255, 0]]
    assert image.display_window == (235, 245)
    assert image.notes == ("turned",)


def test_a_palette_gives_colours_and_its_opacity_counts():
    palette = np.array([[0, 0, 0, 255], [10, 20, 30, 255], [100, 0, 50, 51]], np.uint8)
    image = image_of(np.array([[0, 1, 2]], np.uint8), palette=palette)
    assert image.pixels.tolist() == [[[0, 0, 0], [10, 20, 30], [20, 0, 10]]]
    assert image.is_colour
    assert image.channel_names == COLOURS


def test_channels_keep_their_names_and_each_has_its_window():
    pixels = np.stack([np.arange(100.0), 5 * np.arange(100.0), np.zeros(100)], axis=-1).reshape(10, 10, 3)
    image = image_of(pixels, axes="YXC", samples="channels", channel_names=("t1", "t2", "flair"), bit_depth=64)
    assert not image.is_colour
    assert image.channel_names == ("t1", "t2", "flair")
    assert image.windows[0] == pytest.approx((0.495, 98.505))
    assert image.windows[1] == pytest.approx((2.475, 492.525))
    assert image.windows[2] == (0, 1)
    alone = image.channel(1)
    assert (alone.axes, alone.channels, alone.display_window) == ("YX", 1, image.windows[1])
