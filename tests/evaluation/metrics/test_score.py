import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import evaluation.metrics as metrics_package
from evaluation.metrics import METRICS, score_case
from evaluation.metrics.score import choose_metrics

LABELS = {1: "liver", 2: "tumour"}
OF_MASKS = [name for name, metric in METRICS.items() if not metric.of_probabilities]
DEFAULT_COLUMNS = [
    "class_name", "dice", "iou", "precision", "recall", "specificity", "accuracy", "hd95", "assd", "nsd",
    "reference_volume", "predicted_volume", "volume_error", "distance_unit", "size_unit",
]  # fmt: skip


@pytest.fixture
def maps():
    random = np.random.default_rng(0)
    return random.integers(0, 4, (2, 6, 9, 8)).astype(np.uint8)


def single_functions(reference, prediction, spacing, tolerance):
    """Each metric by its own function, as written for one mask of the whole image."""
    m = metrics_package
    masks = (reference, prediction)
    names = ("dice", "iou", "precision", "recall", "specificity", "accuracy", "mcc", "f_beta")
    names += ("lesion_precision", "lesion_recall", "lesion_f1")
    spaced = {
        "hd95": m.hausdorff_distance(*masks, spacing=spacing),
        "hd": m.hausdorff_distance(*masks, spacing=spacing, percentile=100),
        "assd": m.average_symmetric_surface_distance(*masks, spacing=spacing),
        "masd": m.mean_average_surface_distance(*masks, spacing=spacing),
        "nsd": m.surface_dice(*masks, spacing=spacing, tolerance=tolerance),
        "boundary_iou": m.boundary_iou(*masks, spacing=spacing),
        "volume_error": m.volume_error(*masks, spacing=spacing),
        "absolute_volume_error": m.absolute_volume_error(*masks, spacing=spacing),
        "cldice": m.centre_line_dice(*masks),
    }
    return {**{name: getattr(m, name)(*masks) for name in names}, **spaced}


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_a_case_scores_as_the_single_functions_do(data):
    shape = data.draw(array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=6))
    label_maps = arrays(np.uint8, shape, elements=st.integers(0, 3))
    reference, prediction = data.draw(label_maps), data.draw(label_maps)
    spacing = data.draw(st.none() | st.tuples(*[st.sampled_from([0.5, 1.0, 3.0])] * len(shape)))
    rows = score_case(reference, prediction, labels=LABELS, spacing=spacing, metrics="all", tolerance=0.7)
    for value, row in zip(LABELS, rows, strict=True):
        expected = single_functions(reference == value, prediction == value, spacing, 0.7)
        assert {name: row[name] for name in expected} == pytest.approx(expected, nan_ok=True)


def test_one_row_a_class_in_the_order_of_the_labels(maps):
    rows = score_case(*maps, labels={3: "c", 1: "a", 7: "absent"})
    assert [row["class_name"] for row in rows] == ["c", "a", "absent"]
    assert rows[2]["reference_volume"] == rows[2]["predicted_volume"] == 0
    assert np.isnan(rows[2]["dice"])


def test_columns_of_the_default_set(maps):
    assert [list(row) for row in score_case(*maps, labels=LABELS)] == [DEFAULT_COLUMNS] * 2


def test_all_adds_the_others(maps):
    assert score_case(*maps, labels=LABELS, metrics="all")[0].keys() == {
        "class_name", "distance_unit", "size_unit", *OF_MASKS,
    }  # fmt: skip


def test_a_choice_keeps_the_sizes_and_the_order_of_the_table(maps):
    row = score_case(*maps, labels=LABELS, metrics=("mcc", "dice"))[0]
    sizes = ["reference_volume", "predicted_volume"]
    assert list(row) == ["class_name", "dice", *sizes, "mcc", "distance_unit", "size_unit"]
    assert [metric.name for metric in choose_metrics([])] == sizes


@pytest.mark.parametrize("names", [["dice", "dicee"], "dicee"])
def test_an_unknown_name_lists_the_valid_ones(maps, names):
    with pytest.raises(ValueError, match=r"dicee\. Choose from dice, iou, .*cldice"):
        score_case(*maps, labels=LABELS, metrics=names)


def test_units_and_sizes(maps):
    reference, prediction = maps
    voxels = int((reference == 1).sum())
    plain = score_case(reference, prediction, labels=LABELS)[0]
    spaced = score_case(reference, prediction, labels=LABELS, spacing=(5, 2, 2))[0]
    flat = score_case(reference[0], prediction[0], labels=LABELS, spacing=(2, 2))[0]
    assert (plain["reference_volume"], plain["size_unit"], plain["distance_unit"]) == (voxels, "voxels", "px")
    assert spaced["reference_volume"] == pytest.approx(voxels * 20 / 1000)
    assert (spaced["size_unit"], spaced["distance_unit"]) == ("ml", "mm")
    assert flat["reference_volume"] == pytest.approx(int((reference[0] == 1).sum()) * 4)
    assert flat["size_unit"] == "mm2"


def test_tolerance_reaches_the_surface_dice():
    reference, prediction = np.zeros((2, 8, 8), np.uint8)
    reference[2, 2] = prediction[2, 5] = 1
    values = [score_case(reference, prediction, labels={1: "x"}, tolerance=t)[0]["nsd"] for t in (1.0, 3.0)]
    assert values == [0, 1]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.uint32])
def test_any_integers(maps, dtype):
    expected = score_case(*maps, labels=LABELS)
    assert score_case(*maps.astype(dtype), labels=LABELS) == expected


def test_values_are_plain_floats(maps):
    for row in score_case(*maps, labels=LABELS, metrics="all"):
        assert {type(row[name]) for name in OF_MASKS} == {float}


def test_a_class_may_be_a_union_of_values_and_classes_may_overlap(maps):
    union, part = score_case(*maps, labels={(1, 2, 3): "all", (2,): "b"})
    assert union["dice"] == metrics_package.dice(maps[0] > 0, maps[1] > 0)
    assert part["dice"] == score_case(*maps, labels={2: "b"})[0]["dice"]


def test_what_nobody_annotated_is_in_no_count():
    reference, prediction = np.array([[1, 1, 0, 0, 9, 9]]), np.array([[1, 0, 1, 0, 1, 0]])
    (row,) = score_case(reference, prediction, labels={1: "x"}, ignored=9, metrics=["dice", "precision", "specificity"])
    assert (row["dice"], row["precision"], row["specificity"]) == (0.5, 0.5, 0.5)
    assert (row["reference_volume"], row["predicted_volume"]) == (2, 2)
    (same,) = score_case(reference, prediction, labels={1: "x"}, ignored=reference == 9, metrics=["dice"])
    assert same["dice"] == row["dice"]


def test_no_border_runs_along_what_nobody_annotated():
    reference, prediction = np.zeros((2, 7, 12), np.uint8)
    reference[1:6, 1:], prediction[1:6, 3:] = 1, 1
    reference[:, 8:] = 9
    # The borders from column 8 on are unknown: there both masks may go on, and end nowhere.
    known = score_case(reference, prediction, labels={1: "x"}, ignored=9, metrics=["hd", "nsd"], tolerance=0.0)[0]
    assert known["hd"] == 2
    ours = {(y, x) for y in range(1, 6) for x in range(1, 8) if y in (1, 5) or x == 1}
    theirs = {(y, x) for y in range(1, 6) for x in range(3, 8) if y in (1, 5) or x == 3}
    assert known["nsd"] == 2 * len(ours & theirs) / (len(ours) + len(theirs))


def test_masks_that_touch_only_the_unknown_have_no_distance():
    reference = np.array([[9, 9, 9], [9, 1, 9], [9, 9, 9]])
    (row,) = score_case(reference, reference, labels={1: "x"}, ignored=9)
    assert row["dice"] == 1
    assert math.isnan(row["hd95"])


def test_each_class_may_have_a_tolerance_of_its_own():
    reference, prediction = np.zeros((2, 8, 8), np.uint8)
    reference[2, 2] = prediction[2, 5] = 1
    reference[6, 2] = prediction[6, 5] = 2
    rows = score_case(reference, prediction, labels={1: "a", 2: "b"}, tolerance={"a": 3.0})
    assert [row["nsd"] for row in rows] == [1, 0]


def test_labels_that_the_dtype_cannot_hold_are_absent(maps):
    assert score_case(*maps, labels={300: "far"})[0]["predicted_volume"] == 0


def test_unusable_label_maps(maps):
    with pytest.raises(ValueError, match=r"float64.*label map of integers"):
        score_case(maps[0].astype(float), maps[1], labels=LABELS)
    with pytest.raises(ValueError, match=r"\(6, 9, 8\).*\(6, 9, 7\)"):
        score_case(maps[0], maps[1][..., :-1], labels=LABELS)
    with pytest.raises(ValueError, match="Give 3 positive numbers"):
        score_case(*maps, labels=LABELS, spacing=(1, 1))
    with pytest.raises(ValueError, match="tolerance"):
        score_case(*maps, labels=LABELS, tolerance=-1)


def test_public_names_are_those_that_are_listed():
    assert sorted(metrics_package.__all__) == metrics_package.__all__
    assert all(hasattr(metrics_package, name) for name in metrics_package.__all__)
