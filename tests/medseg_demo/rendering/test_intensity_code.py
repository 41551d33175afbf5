from dataclasses import replace

import numpy as np
import pytest

from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.rendering.intensity_code import WindowPreset, codes_for, describe_channels, encode_slice


def image_of(pixels: np.ndarray, *, axes="YX", window=(0.0, 255.0)) -> MedicalImage:
    return MedicalImage(pixels, axes, Geometry(), "x", "PNG", 16, window)


def decoded(image: MedicalImage) -> np.ndarray:
    (code,) = codes_for(image)
    return encode_slice(image, image.slices[0]) * code.scale + code.offset


@pytest.mark.parametrize(
    ("pixels", "dtype"),
    [
        (np.array([[0, 7], [255, 9]], np.uint8), np.uint8),
        (np.array([[0, 700], [65535, 9]], np.uint16), np.uint16),
        (np.array([[-1024, 3071], [0, 1]], np.int16), np.uint16),
        (np.array([[-30000, 30000], [0, 1]], np.int32), np.uint16),
    ],
)
def test_whole_numbers_of_sixteen_bits_arrive_exactly(pixels, dtype):
    image = image_of(pixels)
    assert encode_slice(image, image.slices[0]).dtype == dtype
    np.testing.assert_array_equal(decoded(image), pixels)


def test_floats_arrive_within_half_a_step_of_their_range():
    pixels = np.random.default_rng(0).normal(0, 300, (20, 20)).astype(np.float32)
    image = image_of(pixels)
    half_step = (pixels.max() - pixels.min()) / 65535 / 2
    assert np.abs(decoded(image) - pixels).max() <= half_step * 1.001


def test_floats_that_are_whole_numbers_arrive_exactly_and_others_say_that_they_do_not():
    whole = image_of(np.array([[-1024, 3071], [0, 1]], np.float32))
    np.testing.assert_array_equal(decoded(whole), whole.pixels)
    assert [one.intensity.is_exact for one in describe_channels(whole)] == [True]
    fractions = image_of(np.array([[-1024, 3071], [0, 1.5]], np.float32))
    assert [one.intensity.is_exact for one in describe_channels(fractions)] == [False]


def test_whole_numbers_of_a_wider_range_are_scaled():
    pixels = np.array([[0, 131070], [65536, 2]], np.int32)
    assert np.abs(decoded(image_of(pixels)) - pixels).max() <= 1


def test_a_constant_slice_of_floats_keeps_its_value():
    assert decoded(image_of(np.full((2, 2), 0.25, np.float32))).tolist() == [[0.25, 0.25], [0.25, 0.25]]


def test_colours_travel_as_eight_bits():
    deep = np.array([[[0, 30000, 65535]]], np.uint16)
    image = image_of(deep, axes="YXC", window=(0.0, 65535.0))
    assert encode_slice(image, image.slices[0]).tolist() == [[[0, 117, 255]]]


def test_presets_begin_with_the_images_own_window_and_ct_adds_its_own():
    pixels = np.array([[-1024, 3071]], np.int16)
    (plain,) = describe_channels(image_of(pixels, window=(-100.0, 300.0)))
    assert plain.presets == [WindowPreset("Default", -100.0, 300.0), WindowPreset("Full range", -1024.0, 3071.0)]
    (tomogram,) = describe_channels(replace(image_of(pixels), unit="HU"))
    assert WindowPreset("Lung", -1200.0, 200.0) in tomogram.presets
    assert (plain.intensity.unit, tomogram.intensity.unit) == ("", "HU")


def test_channels_that_are_no_colours_have_a_code_and_a_window_each():
    pixels = np.array([[[-5, 0], [5, 40_000]]], np.int32)
    windows = ((-5.0, 0.0), (10.0, 20_000.0))
    image = replace(image_of(pixels, axes="YXC"), channel_names=("T1", "T2"), channel_windows=windows)
    first, second = describe_channels(image)
    assert (first.name, second.name) == ("T1", "T2")
    assert (first.intensity.window, second.intensity.window) == ([-5.0, 0.0], [10.0, 20_000.0])
    assert (first.intensity.range, second.intensity.range) == ([-5.0, 5.0], [0.0, 40_000.0])
    assert encode_slice(image, image.slices[0], 0).tolist() == [[0, 10]]
    assert encode_slice(image, image.slices[0], 1).tolist() == [[0, 40_000]]


def test_channels_without_names_are_counted_and_share_the_window():
    image = image_of(np.array([[[0, 1], [2, 3]]], np.uint8), axes="YXC", window=(0.0, 9.0))
    found = [(one.name, one.intensity.window) for one in describe_channels(image)]
    assert found == [("Channel 1", [0.0, 9.0]), ("Channel 2", [0.0, 9.0])]
