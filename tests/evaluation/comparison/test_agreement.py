"""Label maps of one image against each other, worked by hand and by SimpleITK."""

import math

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evaluation.comparison.agreement import (
    agreement,
    check_comparable,
    class_sizes,
    compare_pairs,
    find_consensus,
    find_disagreement,
)
from evaluation.metrics import dice
from medseg_demo.errors import InputMismatchError
from medseg_demo.image import Geometry, LabelMap

# Label maps of two classes; the last row is where the third joins the first or the second.
A = [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 2, 2]]
B = [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 2, 2]]
C = [[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]


def label_map(labels, *, classes=("one", "two"), spacing=None):
    return LabelMap(np.array(labels, np.uint8), classes, Geometry(spacing))


def label_maps(shape=(5, 6), values=2):
    return st.lists(arrays(np.uint8, shape, elements=st.integers(0, values)), min_size=2, max_size=4)


@pytest.fixture
def three():
    return {"a": label_map(A), "b": label_map(B), "c": label_map(C)}


def test_pairs(three):
    found = {(one.first, one.second, one.class_name): (one.dice, one.size_difference) for one in compare_pairs(three)}
    assert found == {
        ("a", "b", "one"): (pytest.approx(6 / 7), -1),
        ("a", "b", "two"): (1.0, 0),
        ("a", "c", "one"): (pytest.approx(4 / 7), -1),
        ("a", "c", "two"): (0.0, -2),
        ("b", "c", "one"): (pytest.approx(4 / 6), 0),
        ("b", "c", "two"): (0.0, -2),
    }
    assert {one.unit for one in compare_pairs(three)} == {"px"}


def test_two_empty_ones_have_no_dice():
    empty = label_map(np.zeros((2, 2)))
    assert all(math.isnan(one.dice) and one.size_difference == 0 for one in compare_pairs({"a": empty, "b": empty}))


@given(label_maps())
def test_dice_is_that_of_the_metrics(maps):
    named = {str(index): label_map(labels) for index, labels in enumerate(maps)}
    for one in compare_pairs(named):
        value = ("one", "two").index(one.class_name) + 1
        expected = dice(named[one.first].mask(value), named[one.second].mask(value))
        assert one.dice == pytest.approx(expected, nan_ok=True)


def test_255_classes_do_not_overflow():
    names = tuple(f"class_{value}" for value in range(1, 256))
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    found = compare_pairs({"a": LabelMap(labels, names), "b": LabelMap(labels, names)})
    assert [one.dice for one in found] == [1.0] * 255


@pytest.mark.parametrize(
    ("shape", "spacing", "size", "unit"),
    [
        ((2, 3), None, 6, "px"),
        ((2, 3), (0.5, 2.0), 6, "mm2"),
        ((1, 2, 3), None, 6, "voxels"),
        ((1, 2, 3), (5.0, 10.0, 20.0), 6.0, "ml"),
    ],
)
def test_sizes_have_the_unit_of_the_spacing(shape, spacing, size, unit):
    full = label_map(np.ones(shape), classes=("one",), spacing=spacing)
    (found,) = class_sizes({"full": full})
    assert (found.name, found.class_name, found.size, found.unit) == ("full", "one", pytest.approx(size), unit)
    (region,) = find_disagreement([full, label_map(np.zeros(shape), classes=("one",), spacing=spacing)]).regions
    assert (region.size, region.unit) == (pytest.approx(size), unit)


def test_agreement_counts_the_most_frequent_label(three):
    assert agreement(list(three.values())).tolist() == [[3, 3, 3, 3], [2, 2, 3, 3], [3, 3, 2, 2]]
    assert agreement([label_map([[0, 1, 2]]), label_map([[1, 1, 0]])]).tolist() == [[1, 2, 1]]


def test_regions_are_the_largest_first_and_touch_at_corners():
    # Of class one: a pair that touches at a corner, and a single pixel. Of class two: three in a row.
    first = label_map([[1, 0, 0, 0, 2], [0, 1, 0, 0, 2], [0, 0, 0, 1, 2]])
    found = find_disagreement([first, label_map(np.zeros((3, 5)))])
    assert [(one.class_name, one.pixels, one.box) for one in found.regions] == [
        ("two", 3, (0, 0, 4, 1, 3, 5)),
        ("one", 2, (0, 0, 0, 1, 2, 2)),
        ("one", 1, (0, 2, 3, 1, 3, 4)),
    ]
    assert (found.found, found.pixels, found.share) == (3, 6, pytest.approx(6 / 15))


def test_a_pixel_of_two_classes_lies_in_a_region_of_each():
    found = find_disagreement([label_map([[1]]), label_map([[2]])])
    assert [one.class_name for one in found.regions] == ["one", "two"]
    assert found.pixels == 1


def test_regions_of_a_volume_reach_across_slices():
    labels = np.zeros((3, 4, 4), np.uint8)
    labels[0, 0, 0] = labels[1, 1, 1:] = 1
    found = find_disagreement([label_map(labels), label_map(np.zeros((3, 4, 4)))])
    assert [(one.pixels, one.box, one.at) for one in found.regions] == [(4, (0, 0, 0, 2, 2, 4), (1, 1, 2))]


def test_the_place_of_a_ring_lies_on_it():
    ring = np.ones((5, 5), np.uint8)
    ring[1:4, 1:4] = 0
    (region,) = find_disagreement([label_map(ring), label_map(np.zeros((5, 5)))]).regions
    assert ring[region.at[1:]] == 1


def test_the_number_of_regions_is_capped_and_told():
    dots = np.zeros((9, 9), np.uint8)
    dots[::2, ::2] = 1
    found = find_disagreement([label_map(dots), label_map(np.zeros((9, 9)))], most=4)
    assert (len(found.regions), found.found) == (4, 25)


def test_those_that_agree_have_no_region():
    for labels in (np.zeros((3, 3)), A):
        found = find_disagreement([label_map(labels), label_map(labels)])
        assert (found.regions, found.found, found.pixels) == ((), 0, 0)


@given(label_maps())
def test_regions_hold_every_pixel_that_differs(maps):
    found = find_disagreement([label_map(labels) for labels in maps])
    covered = np.zeros((5, 6), bool)
    for region in found.regions:
        _, y0, x0, _, y1, x1 = region.box
        covered[y0:y1, x0:x1] = True
    differs = np.any([labels != maps[0] for labels in maps], axis=0)
    assert covered[differs].all()
    assert found.pixels == differs.sum()


def test_majority_by_hand(three):
    found = find_consensus(list(three.values()), "majority")
    assert found.label_map.labels.tolist() == [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 2, 2]]
    assert found.tied == 0


def test_a_tie_is_background():
    found = find_consensus([label_map([[1, 1, 1, 2]]), label_map([[1, 2, 0, 2]])], "majority")
    assert found.label_map.labels.tolist() == [[1, 0, 0, 2]]
    assert found.tied == 2
    four = [label_map([[value]]) for value in (1, 2, 2, 1)]
    assert find_consensus(four, "majority").label_map.labels.item() == 0
    assert find_consensus([*four, label_map([[2]])], "majority").label_map.labels.item() == 2


@given(label_maps())
def test_majority_is_label_voting(maps):
    found = find_consensus([label_map(labels) for labels in maps], "majority").label_map.labels
    voted = sitk.GetArrayFromImage(sitk.LabelVoting([sitk.GetImageFromArray(labels) for labels in maps], 0))
    assert found.tolist() == voted.tolist()


def test_staple_of_one_class_finds_the_truth_better_than_any_of_its_maps():
    rng = np.random.default_rng(0)
    truth = np.zeros((40, 40), bool)
    truth[10:30, 12:30] = True
    noisy = [(truth ^ (rng.random(truth.shape) < 0.08)).astype(np.uint8) for _ in range(3)]
    found = find_consensus([label_map(one, classes=("one",)) for one in noisy], "staple").label_map.labels
    wrong = [np.count_nonzero(one != truth) for one in (found, *noisy)]
    assert wrong[0] < min(wrong[1:]) / 2
    oracle = sitk.GetArrayFromImage(sitk.STAPLE([sitk.GetImageFromArray(one) for one in noisy], 1.0))
    assert np.array_equal(found, oracle > 0.5)


def test_staple_of_several_classes_is_multi_label_staple(three):
    maps = [three["a"], three["b"], three["b"]]
    found = find_consensus(maps, "staple").label_map
    images = [sitk.GetImageFromArray(one.labels) for one in maps]
    assert np.array_equal(found.labels, sitk.GetArrayFromImage(sitk.MultiLabelSTAPLE(images, 0)))
    assert found.class_names == ("one", "two")


@pytest.mark.parametrize("method", ["majority", "staple"])
@pytest.mark.parametrize("labels", [np.zeros((4, 4)), np.ones((4, 4)), np.eye(4)])
def test_equal_maps_are_their_own_consensus(method, labels):
    maps = [label_map(labels, classes=("one",))] * 3
    assert np.array_equal(find_consensus(maps, method).label_map.labels, labels)


@settings(max_examples=20, deadline=None)
@given(label_maps(values=2), st.booleans())
def test_staple_gives_labels_whatever_it_is_given(maps, several):
    maps = [label_map(labels) if several else label_map(labels > 0, classes=("one",)) for labels in maps]
    found = find_consensus(maps, "staple").label_map
    assert set(np.unique(found.labels)) <= set(range(len(found.class_names) + 1))
    assert found.labels.dtype == np.uint8


def test_what_does_not_belong_together_is_refused():
    with pytest.raises(InputMismatchError, match=r"a finds one, two, but b finds lung\. Only"):
        check_comparable({"a": label_map(A), "b": label_map(A, classes=("lung",))})
    with pytest.raises(InputMismatchError, match=r"b has shape \(2, 2\), but a has \(3, 4\)"):
        compare_pairs({"a": label_map(A), "b": label_map(np.zeros((2, 2)))})
