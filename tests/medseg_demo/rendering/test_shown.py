import json
from dataclasses import replace

import numpy as np
import pytest
from viewer_example import predicted

from medseg_demo.image import Geometry, HeatMap, LabelMap, MedicalImage
from medseg_demo.rendering import NamedPrediction, most_labelled_slice, viewer_value
from medseg_demo.rendering.packing import unpack
from medseg_demo.rendering.slices import probability_steps

PIXELS = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
VOLUME = MedicalImage(PIXELS, "ZYX", Geometry((2.0, 1.0, 1.0)), "mr", "NIfTI", 16, (0.0, 119.0))
LABELS = np.zeros((4, 5, 6), np.uint8)
LABELS[2, 1:3, 3:6] = 1
PROBABILITIES = np.where(LABELS, 0.9, 0.2)[np.newaxis].astype(np.float16)
FIRST = NamedPrediction("unet", LabelMap(LABELS, ("core",)), PROBABILITIES, 0.5, "holes filled")
SECOND = NamedPrediction("fpn", LabelMap(np.roll(LABELS, 1, 1), ("core",)))

IMAGE = MedicalImage(
    np.arange(12, dtype=np.uint8).reshape(3, 4), "YX", Geometry((0.5, 0.25)), "scan", "PNG", 8, (0.0, 255.0)
)
TWO = LabelMap(np.array([[0, 1, 2, 0], [0, 0, 0, 0], [1, 1, 1, 1]], np.uint8), ("nerve", "vessel"))
SMALL = LabelMap(np.zeros((2, 4), np.uint8), ("a",))
REGION = {"class_name": "core", "size": "6 voxels", "box": [2, 1, 3, 3, 3, 6], "at": [2, 1, 3]}


def test_the_image_travels_once_and_each_label_map_with_it():
    value = viewer_value(VOLUME, [FIRST, SECOND], reference=FIRST.label_map)
    assert json.loads(json.dumps(value)) == value
    opened = value["slices"][0]
    assert (opened["plane"], opened["index"]) == ("axial", 2)
    np.testing.assert_array_equal(unpack(opened["images"][0]), PIXELS[2])
    for sent, prediction in zip(opened["predictions"], (FIRST, SECOND), strict=True):
        np.testing.assert_array_equal(unpack(sent["labels"]), prediction.label_map.labels[2])
    assert [len(sent["probabilities"]) for sent in opened["predictions"]] == [1, 0]
    assert [one["name"] for one in value["predictions"]] == ["unet", "fpn"]
    assert [one["threshold"] for one in value["predictions"]] == [0.5, None]
    assert value["layout"] == "side"


def test_it_opens_where_most_is_labelled_in_all_three_planes():
    value = viewer_value(VOLUME, [FIRST])
    assert value["point"] == [2, 1, 3]
    assert [(one["plane"], one["index"]) for one in value["slices"]] == [("axial", 2), ("coronal", 1), ("sagittal", 3)]
    np.testing.assert_array_equal(unpack(value["slices"][1]["predictions"][0]["labels"]), LABELS[:, 1])
    np.testing.assert_array_equal(unpack(value["slices"][2]["predictions"][0]["labels"]), LABELS[:, :, 3])


def test_later_values_add_slices_of_any_plane_and_nothing_else():
    first = viewer_value(VOLUME, [FIRST, SECOND], regions=[REGION])
    more = viewer_value(VOLUME, [FIRST, SECOND], plane="sagittal", slice_indices=[4, 0], key=first["key"])
    assert [(one["plane"], one["index"]) for one in more["slices"]] == [("sagittal", 4), ("sagittal", 0)]
    assert (more["key"], more["regions"], more["predictions"][0]["histogram"]) == (first["key"], [], None)
    assert first["regions"] == [REGION]


def test_all_slices_for_a_page_without_a_server():
    value = viewer_value(VOLUME, [FIRST], slice_indices="all")
    assert len({(one["plane"], one["index"]) for one in value["slices"]}) == 4 + 5 + 6


def test_figures_of_the_whole_volume():
    first, second = viewer_value(VOLUME, [FIRST, SECOND], reference=FIRST.label_map)["predictions"]
    assert first["histogram"]["core"]["inside"][180] == 6
    assert sum(first["histogram"]["core"]["outside"]) == PIXELS.size - 6
    assert first["postprocessing"] == "holes filled"
    assert second["histogram"] is None
    assert second["totals"] == [{"predicted": 6, "reference": 6, "both": 3}]


def test_classes_of_another_order_are_matched_by_name():
    other = LabelMap(np.full((4, 5, 6), 1, np.uint8), ("rim",))
    both = NamedPrediction("two", LabelMap(LABELS * 2, ("rim", "core")), np.stack([PROBABILITIES[0]] * 2))
    value = viewer_value(VOLUME, [FIRST, both], reference=other)
    assert [one["name"] for one in value["classes"]] == ["core", "rim"]
    opened = value["slices"][0]
    assert unpack(opened["predictions"][1]["labels"]).max() == 1
    assert unpack(opened["reference"]).max() == 2
    assert value["predictions"][0]["threshold_label"] == 1


def test_a_slice_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no coronal slice 5: they run from 0 to 4"):
        viewer_value(VOLUME, [FIRST], plane="coronal", slice_index=5)


# The columns are the directions of x, y and z in the patient (left, back, head).
SAGITTAL = np.array([[0, 0, 2.0, 0], [1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
CORONAL = np.array([[0, 1.0, 0, 0], [0, 0, 2, 0], [-1, 0, 0, 0], [0, 0, 0, 1]])  # columns run to the feet


@pytest.mark.parametrize(
    ("affine", "plane", "index", "shown"),
    [
        (SAGITTAL, "axial", 1, lambda array: array[1]),
        (SAGITTAL, "coronal", 3, lambda array: array[:, 3].T),  # the axial plane: x to the back is now down
        (SAGITTAL, "sagittal", 2, lambda array: array[:, :, 2].T),  # the coronal one: y to the feet
        (CORONAL, "axial", 1, lambda array: array[1].T),
        (CORONAL, "coronal", 3, lambda array: array[:, 3].T),  # sagittal: z to the back, x to the feet
        (CORONAL, "sagittal", 2, lambda array: array[:, :, 2]),  # axial: z to the back, y to the left
    ],
)
def test_all_that_lies_on_a_slice_is_turned_with_it(affine, plane, index, shown):
    volume = replace(VOLUME, geometry=Geometry((2.0, 1.0, 1.0), affine))
    reference = LabelMap(np.roll(LABELS, 1, 2), ("core",))
    seen = np.arange(6, dtype=np.uint8).reshape(2, 3)
    value = viewer_value(
        volume, [FIRST, SECOND], reference=reference, plane=plane, slice_indices=[index], model_input=lambda _: seen
    )
    (sent,) = value["slices"]
    np.testing.assert_array_equal(
        unpack(sent["images"][0]) + value["channels"][0]["intensity"]["offset"], shown(PIXELS)
    )
    np.testing.assert_array_equal(unpack(sent["reference"]), shown(reference.labels))
    for one, prediction in zip(sent["predictions"], (FIRST, SECOND), strict=True):
        np.testing.assert_array_equal(unpack(one["labels"]), shown(prediction.label_map.labels))
    steps = unpack(sent["predictions"][0]["probabilities"][0])
    np.testing.assert_array_equal(steps, probability_steps(shown(PROBABILITIES[0])))
    assert sent["images"][0]["shape"] == value["planes"][plane]["size"]
    if plane == "axial":
        assert unpack(sent["model_input"]).tolist() == (seen if affine is SAGITTAL else seen.T).tolist()


def modalities(count: int) -> MedicalImage:
    pixels = np.arange(2 * 3 * 4 * count, dtype=np.uint16).reshape(2, 3, 4, count)
    names = tuple(f"m{i}" for i in range(count))
    return MedicalImage(pixels, "ZYXC", Geometry(), "case", "NIfTI", 16, (0.0, 9.0), channel_names=names)


def test_small_channels_travel_together_and_large_ones_when_asked_for(monkeypatch):
    image = modalities(4)
    (small, *_) = viewer_value(image, [])["slices"]
    for channel, packed in enumerate(small["images"]):
        np.testing.assert_array_equal(unpack(packed), image.pixels[1, ..., channel])
    monkeypatch.setattr("medseg_demo.rendering.shown.MOST_TOGETHER", 2 * 3 * 4 * 2)
    (first, *_) = viewer_value(image, [])["slices"]
    assert [packed is None for packed in first["images"]] == [False, True, True, True]
    (asked,) = viewer_value(image, [], key="k", slice_indices=[0], channels=[2, 9, -1])["slices"]
    assert [packed is None for packed in asked["images"]] == [True, True, False, True]
    np.testing.assert_array_equal(unpack(asked["images"][2]), image.pixels[0, ..., 2])


def test_an_image_with_everything():
    probabilities = np.stack([np.full((3, 4), 0.25), np.full((3, 4), 0.5)]).astype(np.float16)
    seen = {0: np.zeros((8, 8, 3), np.uint8)}.__getitem__
    value = viewer_value(
        IMAGE, predicted(TWO, probabilities, None, "holes filled"), reference=TWO, model_input=seen, title="A title"
    )
    assert json.loads(json.dumps(value)) == value
    assert value["classes"] == [{"name": "nerve", "colour": "#56b4e9"}, {"name": "vessel", "colour": "#e69f00"}]
    assert (value["title"], value["spacing_mm"], value["affine"]) == ("A title", [0.5, 0.25], None)
    assert (
        value["alternative_text"]
        == "scan, 4 × 3 pixels. Segmented: nerve 41.7\u202f%, vessel 8.3\u202f% of all pixels."
    )
    (only,) = value["slices"]
    np.testing.assert_array_equal(unpack(only["images"][0]), IMAGE.pixels)
    np.testing.assert_array_equal(unpack(only["predictions"][0]["labels"]), TWO.labels)
    np.testing.assert_array_equal(unpack(only["reference"]), TWO.labels)
    assert [int(unpack(steps)[0, 0]) for steps in only["predictions"][0]["probabilities"]] == [50, 100]
    assert unpack(only["model_input"]).shape == (8, 8, 3)


def test_a_heat_map_travels_in_steps_of_its_greatest_value_in_the_whole_volume():
    heat = HeatMap("unsure", PIXELS / np.float32(240))
    value = viewer_value(VOLUME, [replace(FIRST, heat=heat), SECOND], slice_index=3)
    assert [one["heat"] for one in value["predictions"]] == [
        {"name": "unsure", "highest": pytest.approx(119 / 240)},
        None,
    ]
    sent, none = (one["heat"] for one in value["slices"][0]["predictions"])
    assert unpack(sent)[-1, -1] == 255
    np.testing.assert_allclose(unpack(sent) / 255 * 119 / 240, heat.values[3], atol=0.5 / 255)
    assert none is None


def test_a_heat_map_that_is_0_everywhere_is_shown_as_0():
    sent = viewer_value(IMAGE, [NamedPrediction("a", TWO, heat=HeatMap("gone", np.zeros((3, 4), np.float32)))])
    assert not unpack(sent["slices"][0]["predictions"][0]["heat"]).any()


def test_a_heat_map_of_another_size_is_refused():
    with pytest.raises(ValueError, match="heat map has shape"):
        viewer_value(IMAGE, [NamedPrediction("a", TWO, heat=HeatMap("gone", np.zeros((2, 4), np.float32)))])


def test_an_image_alone():
    value = viewer_value(IMAGE)
    assert value["classes"] == []
    assert value["slices"][0]["predictions"] == [{"labels": None, "heat": None, "probabilities": []}]


def test_a_threshold_belongs_to_one_class():
    one, two = np.zeros((1, 3, 4), np.float16), np.zeros((2, 3, 4), np.float16)
    single = LabelMap(np.zeros((3, 4), np.uint8), ("nerve",))
    assert threshold_of(viewer_value(IMAGE, predicted(single, one, 0.5))) == 0.5
    assert threshold_of(viewer_value(IMAGE, predicted(TWO, two, 0.5))) is None
    assert threshold_of(viewer_value(IMAGE, predicted(single, None, 0.5))) is None


def threshold_of(value):
    return value["predictions"][0]["threshold"]


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
    value = viewer_value(replace(IMAGE, pixels=pixels), predicted(LabelMap(labels, ("a", "b"))), max_side=4)
    assert (value["planes"]["axial"]["reduction"], value["planes"]["axial"]["size"]) == (3, [9, 12])
    (only,) = value["slices"]
    assert unpack(only["images"][0]).tolist() == [[90, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert unpack(only["predictions"][0]["labels"]).tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_reduced_planes_have_one_size_whatever_is_left_over():
    image = replace(IMAGE, pixels=np.zeros((10, 11), np.uint8))
    (only,) = viewer_value(image, predicted(LabelMap(np.zeros((10, 11), np.uint8), ("a",))), max_side=4)["slices"]
    assert only["images"][0]["shape"] == only["predictions"][0]["labels"]["shape"] == [3, 3]


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"predictions": predicted(SMALL)}, "label map"),
        ({"reference": SMALL, "predictions": predicted(TWO)}, "reference"),
        ({"predictions": predicted(TWO, np.zeros((1, 2, 4), np.float16))}, "probabilities"),
    ],
)
def test_another_size_is_refused(wrong, name):
    with pytest.raises(ValueError, match=f"The {name} has"):
        viewer_value(IMAGE, **wrong)
