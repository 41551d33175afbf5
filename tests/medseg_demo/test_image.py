from dataclasses import replace

import numpy as np
import pytest

from medseg_demo.image import COLOURS, Geometry, LabelMap, MedicalImage, spacing_of


@pytest.mark.parametrize(
    ("shape", "axes", "spatial", "channels", "slices"),
    [
        ((4, 5), "YX", (4, 5), 1, (1, 4, 5, 1)),
        ((4, 5, 3), "YXC", (4, 5), 3, (1, 4, 5, 3)),
        ((2, 4, 5), "ZYX", (2, 4, 5), 1, (2, 4, 5, 1)),
        ((2, 4, 5, 3), "ZYXC", (2, 4, 5), 3, (2, 4, 5, 3)),
    ],
)
def test_axes_decide_what_the_shape_means(shape, axes, spatial, channels, slices):
    image = MedicalImage(np.zeros(shape), axes, Geometry(), "x", "NPY", 8, (0, 1))
    assert image.shape == spatial
    assert image.channels == channels
    assert image.slices.shape == slices
    assert np.shares_memory(image.slices, image.pixels)
    assert image.is_volume == (len(spatial) == 3)


def test_the_intensity_range_and_notes():
    image = MedicalImage(np.array([[3, 9]]), "YX", Geometry(), "x", "NPY", 8, (0, 1), notes=("a",))
    assert image.intensity_range == (3, 9)
    assert image.with_note("b").notes == ("a", "b")
    assert image.notes == ("a",)


def test_a_label_map_gives_the_mask_of_a_class():
    labels = LabelMap(np.array([[0, 2]], np.uint8), ("a", "b"))
    assert labels.mask(2).tolist() == [[False, True]]
    assert not labels.is_volume


def test_the_spacing_of_an_affine_gives_the_voxels_volume_even_where_it_leans():
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, -1, 0], [1, 0, 0.4], [0, 0, 1]]) * (0.5, 0.75, 3)
    assert spacing_of(affine) == pytest.approx((3, 0.75, 0.5))
    assert np.prod(spacing_of(affine)) == pytest.approx(abs(np.linalg.det(affine[:3, :3])))


def test_three_channels_are_colours_unless_they_are_named_otherwise():
    pixels = np.arange(12).reshape(2, 2, 3)
    image = MedicalImage(pixels, "YXC", Geometry(), "x", "NPY", 8, (0, 9))
    assert image.is_colour
    assert replace(image, channel_names=COLOURS).is_colour
    assert not replace(image, channel_names=("T1", "T2", "PD")).is_colour
    assert not replace(image, pixels=pixels[..., :2]).is_colour
    assert image.intensity_ranges == ((0, 11),)


def test_one_channel_of_several_is_an_image_with_its_own_window():
    pixels = np.arange(8).reshape(2, 2, 2)
    windows = ((0.0, 6.0), (1.0, 9.0))
    image = MedicalImage(
        pixels, "YXC", Geometry(), "x", "NPY", 8, (0, 6), channel_names=("T1", "T2"), channel_windows=windows
    )
    assert image.windows == windows
    assert image.intensity_ranges == ((0, 6), (1, 7))
    assert image.channels_in_words == "2 channels (T1, T2)"
    second = image.channel(1)
    assert second.pixels.tolist() == [[1, 3], [5, 7]]
    assert (second.axes, second.windows, second.channel_names) == ("YX", ((1.0, 9.0),), ())
    assert second.channel(0) is second
