import json
from dataclasses import replace

import numpy as np
import pytest

from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.rendering import most_labelled_slice, viewer_value
from medseg_demo.rendering.packing import unpack

IMAGE = MedicalImage(
    np.arange(12, dtype=np.uint8).reshape(3, 4), "YX", Geometry((0.5, 0.25)), "scan", "PNG", 8, (0.0, 255.0)
)
LABELS = LabelMap(np.array([[0, 1, 2, 0], [0, 0, 0, 0], [1, 1, 1, 1]], np.uint8), ("nerve", "vessel"))
VOLUME = MedicalImage(
    np.arange(60, dtype=np.int16).reshape(5, 3, 4) - 20,
    "ZYX",
    Geometry((3.0, 1.0, 1.0)),
    "ct",
    "NRRD",
    16,
    (-20.0, 39.0),
)


def test_an_image_with_everything():
    probabilities = np.stack([np.full((3, 4), 0.25), np.full((3, 4), 0.5)]).astype(np.float16)
    seen = {0: np.zeros((8, 8, 3), np.uint8)}.__getitem__
    value = viewer_value(IMAGE, LABELS, probabilities, seen, LABELS, title="A title", postprocessing="holes filled")
    assert json.loads(json.dumps(value)) == value
    assert value["classes"] == [{"name": "nerve", "colour": "#56b4e9"}, {"name": "vessel", "colour": "#e69f00"}]
    assert (value["title"], value["spacing_mm"], value["affine"]) == ("A title", [0.5, 0.25], None)
    assert value["alternative_text"] == "scan, 4 × 3 pixels. Segmented: nerve 41.7%, vessel 8.3% of all pixels."
    (only,) = value["slices"]
    np.testing.assert_array_equal(unpack(only["images"][0]), IMAGE.pixels)
    np.testing.assert_array_equal(unpack(only["predictions"][0]["labels"]), LABELS.labels)
    np.testing.assert_array_equal(unpack(only["reference"]), LABELS.labels)
    assert [int(unpack(steps)[0, 0]) for steps in only["predictions"][0]["probabilities"]] == [50, 100]
    assert unpack(only["model_input"]).shape == (8, 8, 3)


def test_an_image_alone():
    value = viewer_value(IMAGE)
    assert value["classes"] == []
    assert value["slices"][0]["predictions"] == [{"labels": None, "probabilities": []}]


def test_a_threshold_belongs_to_one_class():
    one, two = np.zeros((1, 3, 4), np.float16), np.zeros((2, 3, 4), np.float16)
    single = LabelMap(np.zeros((3, 4), np.uint8), ("nerve",))
    assert threshold_of(viewer_value(IMAGE, single, one, threshold=0.5)) == 0.5
    assert threshold_of(viewer_value(IMAGE, LABELS, two, threshold=0.5)) is None
    assert threshold_of(viewer_value(IMAGE, single, threshold=0.5)) is None


def threshold_of(value):
    return value["predictions"][0]["threshold"]


def test_a_volume_sends_only_the_slices_that_were_asked_for():
    labels = np.zeros((5, 3, 4), np.uint8)
    labels[3] = 1
    value = viewer_value(VOLUME, LabelMap(labels, ("a",)))
    assert (value["slice_index"], value["planes"]["axial"]["count"]) == (3, 5)
    assert [(one["plane"], one["index"]) for one in value["slices"]] == [("axial", 3), ("coronal", 0), ("sagittal", 0)]
    more = viewer_value(VOLUME, LabelMap(labels, ("a",)), slice_indices=[4, 0], key=value["key"])
    assert [one["index"] for one in more["slices"]] == [4, 0]
    assert (more["key"], more["image_key"]) == (value["key"], value["image_key"])
    code = more["channels"][0]["intensity"]
    first = unpack(more["slices"][1]["images"][0]) * code["scale"] + code["offset"]
    np.testing.assert_array_equal(first, VOLUME.pixels[0])


def test_results_have_keys_of_their_own_and_images_theirs():
    first, second = viewer_value(IMAGE), viewer_value(IMAGE)
    other = viewer_value(replace(IMAGE, pixels=IMAGE.pixels + np.uint8(1)))
    assert first["key"] != second["key"]
    assert first["image_key"] == second["image_key"] != other["image_key"]


def test_most_labelled_slice_is_the_middle_one_where_nothing_is_labelled():
    assert most_labelled_slice(None, 9) == 4
    assert most_labelled_slice(LabelMap(np.zeros((9, 2, 2), np.uint8), ("a",)), 9) == 4
    assert most_labelled_slice(LabelMap(np.zeros((2, 2), np.uint8), ("a",)), 1) == 0


def test_huge_images_are_reduced_by_a_whole_factor():
    pixels = np.zeros((9, 12), np.uint8)
    pixels[:3, :3] = 90
    labels = np.zeros((9, 12), np.uint8)
    labels[1, 1] = 1  # the middle of its block, so the nearest label
    labels[5, 5] = 2  # a corner
    value = viewer_value(replace(IMAGE, pixels=pixels), LabelMap(labels, ("a", "b")), max_side=4)
    assert (value["planes"]["axial"]["reduction"], value["planes"]["axial"]["size"]) == (3, [9, 12])
    (only,) = value["slices"]
    assert unpack(only["images"][0]).tolist() == [[90, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert unpack(only["predictions"][0]["labels"]).tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_reduced_planes_have_one_size_whatever_is_left_over():
    image = replace(IMAGE, pixels=np.zeros((10, 11), np.uint8))
    (only,) = viewer_value(image, LabelMap(np.zeros((10, 11), np.uint8), ("a",)), max_side=4)["slices"]
    assert only["images"][0]["shape"] == only["predictions"][0]["labels"]["shape"] == [3, 3]


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"label_map": LabelMap(np.zeros((2, 4), np.uint8), ("a",))}, "label map"),
        ({"reference": LabelMap(np.zeros((2, 4), np.uint8), ("a",))}, "reference"),
        ({"probabilities": np.zeros((1, 2, 4), np.float16)}, "probabilities"),
    ],
)
def test_another_size_is_refused(wrong, name):
    with pytest.raises(ValueError, match=f"The {name} has"):
        viewer_value(IMAGE, **wrong)
