import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.rendering import overlay_picture, to_uint8


def image_of(pixels: np.ndarray, axes="YX", window=(0.0, 255.0)) -> MedicalImage:
    return MedicalImage(pixels, axes, Geometry(), "x", "PNG", 8, window)


def test_a_window_maps_its_ends_to_black_and_white():
    assert to_uint8(np.array([-50, 0, 50, 100, 200]), (0, 100)).tolist() == [0, 0, 128, 255, 255]
    assert to_uint8(np.array([0, 5, 6]), (5, 5)).tolist() == [0, 0, 255]


@given(arrays.arrays(np.uint8, (3, 4)))
def test_eight_bits_through_their_full_range_stay_what_they_are(pixels):
    np.testing.assert_array_equal(to_uint8(pixels, (0, 255)), pixels)


@given(arrays.arrays(np.int16, 20), st.floats(-1000, 1000), st.floats(1, 2000))
def test_a_window_keeps_the_order_of_intensities(pixels, low, width):
    shades = to_uint8(np.sort(pixels), (low, low + width))
    assert (np.diff(shades.astype(int)) >= 0).all()


def test_labels_tint_the_image_and_background_leaves_it_alone():
    grey = np.array([[100, 100, 200]], np.uint8)
    picture = overlay_picture(image_of(grey), LabelMap(np.array([[0, 1, 2]], np.uint8), ("a", "b")), opacity=0.5)
    # (86, 180, 233) and (230, 159, 0) mixed half and half with 100 and 200
    assert np.asarray(picture).tolist() == [[[100, 100, 100], [93, 140, 166], [215, 180, 100]]]


def test_a_colour_image_keeps_its_colours_outside_the_labels():
    colour = np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8)
    picture = overlay_picture(image_of(colour, "YXC"), LabelMap(np.array([[0, 1]], np.uint8), ("a",)), opacity=0)
    assert np.asarray(picture).tolist() == colour.tolist()


def test_an_outline_leaves_the_inside_alone():
    labels = np.zeros((7, 7), np.uint8)
    labels[1:6, 1:6] = 1
    picture = overlay_picture(
        image_of(np.zeros((7, 7), np.uint8)), LabelMap(labels, ("a",)), style="outline", opacity=1
    )
    tinted = np.asarray(picture).any(axis=2)
    expected = labels.astype(bool)
    expected[2:5, 2:5] = False
    np.testing.assert_array_equal(tinted, expected)


def test_an_outline_runs_along_the_edge_of_the_image():
    labels = np.ones((3, 3), np.uint8)
    picture = overlay_picture(
        image_of(np.zeros((3, 3), np.uint8)), LabelMap(labels, ("a",)), style="outline", opacity=1
    )
    assert np.asarray(picture).any(axis=2).tolist() == [[True] * 3, [True, False, True], [True] * 3]


def test_one_slice_of_a_volume_is_shown():
    volume = np.stack([np.full((2, 2), shade, np.uint8) for shade in (10, 20, 30)])
    empty = LabelMap(np.zeros((3, 2, 2), np.uint8), ("a",))
    assert np.asarray(overlay_picture(image_of(volume, "ZYX"), empty, slice_index=2)).max() == 30


def test_a_slice_that_was_not_stored_upright_is_turned():
    grey = np.array([[[0, 50, 100], [150, 200, 250]]], np.uint8)
    affine = np.eye(4)[[1, 2, 0, 3]]  # x to the head, y to the left, z to the back
    image = MedicalImage(grey, "ZYX", Geometry((1.0, 1.0, 1.0), affine), "x", "NIfTI", 8, (0.0, 255.0))
    labels = LabelMap((grey == 250).astype(np.uint8), ("a",))
    picture = np.asarray(overlay_picture(image, labels, opacity=1))
    assert picture[..., 0].tolist() == [[100, 86], [50, 200], [0, 150]]  # 86 is the red of the class


def test_thumbnails_keep_the_shape_of_the_image():
    picture = overlay_picture(
        image_of(np.zeros((40, 80), np.uint8)), LabelMap(np.zeros((40, 80), np.uint8), ("a",)), max_side=20
    )
    assert picture.size == (20, 10)


def test_another_size_is_refused():
    with pytest.raises(ValueError, match=r"\(1, 3, 2\).*\(1, 2, 2\)"):
        overlay_picture(image_of(np.zeros((2, 2), np.uint8)), LabelMap(np.zeros((3, 2), np.uint8), ("a",)))


def test_a_picture_of_channels_shows_the_first_or_the_chosen_one():
    pixels = np.array([[[0, 80, 3], [10, 200, 3]]], np.float32)
    image = MedicalImage(
        pixels, "YXC", Geometry(), "case", "NIfTI", 16, (0.0, 10.0), channel_names=("T1", "T2", "PD"),
        channel_windows=((0.0, 10.0), (0.0, 200.0), (0.0, 15.0)),
    )  # fmt: skip
    nothing = LabelMap(np.zeros((1, 2), np.uint8), ("a",))
    for options, expected in (({}, [0, 255]), ({"channel": 1}, [102, 255]), ({"channel": 2}, [51, 51])):
        picture = np.asarray(overlay_picture(image, nothing, **options))
        assert picture.tolist() == [[[shade] * 3 for shade in expected]]
