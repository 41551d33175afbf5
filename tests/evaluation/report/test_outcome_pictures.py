"""True and false positives and negatives as pictures."""

import base64
import io
from dataclasses import replace

import numpy as np
from PIL import Image

from evaluation.report.outcome_pictures import OUTCOMES, as_data_url, outcome_picture, outcomes, swatch
from medseg_demo.image import Geometry, LabelMap, MedicalImage

REFERENCE = np.array([[0, 1, 1, 2]], np.uint8)
PREDICTION = np.array([[1, 1, 0, 1]], np.uint8)


def image_of(shape: tuple[int, ...]) -> MedicalImage:
    axes = "YX" if len(shape) == 2 else "ZYX"
    return MedicalImage(np.full(shape, 100, np.uint8), axes, Geometry(), "made", "PNG", 8, (0.0, 255.0))


def test_each_pixel_has_its_outcome():
    names = ["", *OUTCOMES]
    found = [names[value] for value in outcomes(REFERENCE, PREDICTION)[0]]
    assert found == ["False positive", "True positive", "False negative", "Other class"]


def test_only_what_is_labelled_is_coloured():
    reference = LabelMap(np.pad(np.ones((8, 8), np.uint8), 8), ("thing",))
    picture = np.asarray(outcome_picture(image_of((24, 24)), reference, reference, slice_index=0, max_side=24))
    coloured = (picture != 100).any(axis=-1)
    assert np.array_equal(coloured, reference.labels > 0)


def test_outcomes_differ_in_pattern_and_not_only_in_colour():
    greys = [np.asarray(swatch(place).convert("L")) for place in range(len(OUTCOMES))]
    patterns = [grey > grey.min() for grey in greys]
    assert not any(np.array_equal(one, other) for place, one in enumerate(patterns) for other in patterns[:place])


def test_a_large_slice_of_a_volume_is_reduced():
    labels = LabelMap(np.zeros((3, 100, 80), np.uint8), ("thing",))
    picture = outcome_picture(image_of((3, 100, 80)), labels, labels, slice_index=2, max_side=50)
    assert picture.size == (40, 50)


def test_a_small_slice_is_enlarged_and_lies_as_the_viewer_shows_it():
    image = image_of((1, 6, 9))
    towards_right_and_front = Geometry((1.0, 1.0, 1.0), np.diag([-1.0, -1, 1, 1]))
    labels = np.zeros((1, 6, 9), np.uint8)
    labels[0, 0, 0] = 1  # left and behind: at the lower right
    label_map = LabelMap(labels, ("thing",))
    image = replace(image, geometry=towards_right_and_front)
    picture = np.asarray(outcome_picture(image, label_map, label_map, slice_index=0, max_side=40))
    assert picture.shape == (24, 36, 3)
    coloured = (picture != 100).any(axis=-1)
    assert coloured[20:, 32:].all()
    assert coloured.sum() == 16


def test_without_a_prediction_the_image_stands_alone():
    picture = outcome_picture(image_of((10, 10)), None, None, slice_index=0, max_side=50)
    assert picture.size == (50, 50)
    assert set(np.asarray(picture).ravel().tolist()) == {100}


def test_a_data_url_holds_the_picture():
    url = as_data_url(swatch(1))
    assert Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).size == (24, 16)


def test_of_channels_that_are_no_colours_the_first_is_shown():
    pixels = np.zeros((24, 24, 4), np.uint16)
    pixels[..., 0], pixels[..., 1] = 500, 900
    windows = ((0.0, 1000.0), (0.0, 1000.0), (0.0, 1.0), (0.0, 1.0))
    image = MedicalImage(
        pixels, "YXC", Geometry(), "made", "TIFF", 16, windows[0], channel_names=tuple("abcd"), channel_windows=windows
    )
    picture = np.asarray(outcome_picture(image, None, None, slice_index=0, max_side=24))
    assert picture.shape == (24, 24, 3)
    assert set(np.unique(picture)) == {128}
