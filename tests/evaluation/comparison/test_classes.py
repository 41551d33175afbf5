"""Which class of one label map is which of another."""

import numpy as np
import pytest

from evaluation.comparison.classes import Stated, match_classes, parse_stated, same_class
from medseg_demo.errors import InputMismatchError, OptionError
from medseg_demo.image import LabelMap


def matched(own, text=""):
    """Of each member: its lookup; and the classes that are compared."""
    found = match_classes(own, parse_stated(text))
    (names,) = {one.class_names for one in found.values()}
    return {member: one.lookup for member, one in found.items()}, names


def notes(own, member, text=""):
    match = match_classes(own, parse_stated(text))[member]
    return " ".join((*match.notes, *match.warnings))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Left Lung", "left_lung", True),
        ("lungs", "lung", True),
        ("nuclei", "nucleus", True),
        ("vertebrae", "vertebra", True),
        ("arteries", "Artery", True),
        ("vessels", "vessel", True),
        ("pancreas", "pancreas", True),
        ("pelvis", "pelvi", False),
        ("lung", "lung 2", False),
        ("class_1", "class_2", False),
    ],
)
def test_names_of_one_class(one, other, same):
    assert same_class(one, other) is same


def test_the_order_of_classes_does_not_count():
    lookups, names = matched({"a": ("lung", "heart"), "b": ("Heart", "lungs")})
    assert names == ("lung", "heart")
    assert lookups == {"a": (0, 1, 2), "b": (0, 2, 1)}


def test_classes_without_names_go_by_number():
    own = {"a": ("class_1", "class_2"), "net": ("lung", "heart")}
    assert matched(own) == ({"a": (0, 1, 2), "net": (0, 1, 2)}, ("lung", "heart"))
    assert notes(own, "a") == "class_1 is compared as lung; class_2 is compared as heart."


def test_a_mask_without_names_needs_no_words():
    assert notes({"net": ("lung",), "mask": ("class_1",)}, "mask") == ""


def test_a_label_map_without_names_lacks_no_class():
    assert matched({"net": ("lung", "heart"), "mask": ("class_1",)})[1] == ("lung", "heart")


def test_the_only_class_of_a_file_stands_for_the_only_class():
    own = {"net": ("lung",), "seg": ("thorax",)}
    found = match_classes(own, files=["seg"])["seg"]
    assert (found.lookup, found.notes) == ((0, 1), ("thorax is compared as lung.",))
    with pytest.raises(InputMismatchError, match="net finds lung, but seg finds thorax"):
        match_classes(own)


def test_what_only_some_find_is_left_out_and_said():
    own = {"a": ("lung", "heart"), "b": ("lung", "spine")}
    assert matched(own) == ({"a": (0, 1, 0), "b": (0, 1, 0)}, ("lung",))
    assert notes(own, "a") == "Not compared: heart, which b does not find."
    assert notes(own, "b") == "Not compared: spine, which the others do not find."


def test_no_shared_class_is_refused_with_the_way_out():
    with pytest.raises(InputMismatchError, match="a finds lung, heart, but b finds spine") as e:
        match_classes({"a": ("lung", "heart"), "b": ("spine",)})
    assert "“b: spine = lung”" in str(e.value)


def test_what_is_stated_wins():
    own = {"net": ("anterior", "posterior"), "expert": ("hippocampus",), "mask": ("class_1", "class_2")}
    text = "net: anterior = hippocampus\nnet: posterior = hippocampus\nmask: class_1 = hippocampus; class_2 ="
    lookups, names = matched(own, text)
    assert names == ("hippocampus",)
    assert lookups == {"net": (0, 1, 1), "expert": (0, 1), "mask": (0, 1, 0)}
    assert "Left out, as was asked: class_2." in notes(own, "mask", text)


def test_a_statement_of_one_member_goes_before_one_of_all():
    own = {"a": ("left", "right"), "b": ("x", "y")}
    assert matched(own, "x = left\ny = right\nb: x = right\nb: y = left")[0]["b"] == (0, 2, 1)


def test_two_names_never_become_one_class_unasked():
    assert matched({"a": ("lung",), "b": ("lung", "lungs")})[0]["b"] == (0, 1, 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("c: lung = heart", "no label map 'c'"),
        ("spleen = lung", "No label map has the class 'spleen'"),
        ("lung", "says nothing about a class"),
        ("= lung", "says nothing about a class"),
    ],
)
def test_statements_of_nothing_are_refused(text, words):
    with pytest.raises(OptionError, match=words):
        matched({"a": ("lung",), "b": ("lung",)}, text)


def test_lines_become_statements():
    assert parse_stated(" a: b: x = lung ;\n y=z \n\n") == (Stated("x", "lung", "a: b"), Stated("y", "z"))
    assert parse_stated("") == ()


def test_a_label_of_no_class_is_refused_unless_it_is_left_out():
    labels = LabelMap(np.array([[0, 3]], np.uint8), ("class_1", "class_2", "class_3"))
    own = {"net": ("lung", "heart"), "mask": labels.class_names}
    with pytest.raises(InputMismatchError, match=r"mask holds the label 3.*“mask: class_3 = lung”"):
        match_classes(own)["mask"].translate("mask", labels)
    assert not match_classes(own, parse_stated("class_3 ="))["mask"].translate("mask", labels).labels.any()


def test_labels_and_probabilities_follow():
    match = match_classes({"a": ("hippocampus",), "b": ("head", "tail")}, parse_stated("head = hippocampus; tail ="))[
        "b"
    ]
    label_map = match.translate("b", LabelMap(np.array([[0, 1], [2, 1]], np.uint8), ("head", "tail")))
    assert label_map.labels.tolist() == [[0, 1], [0, 1]]
    assert label_map.class_names == ("hippocampus",)
    both = match_classes(
        {"a": ("hippocampus",), "b": ("head", "tail")}, parse_stated("head = hippocampus; tail = hippocampus")
    )
    maps = np.array([[[0.3, 0.75]], [[0.3, 0.75]]], np.float16)
    assert both["b"].translate_probabilities(maps).tolist() == [[[pytest.approx(0.6, abs=1e-3), 1.0]]]
