"""Who takes part in a comparison, and what it says about them."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from evaluation.comparison.members import Comparison, Cost, Member, read_members, run_comparison, with_consensus
from medseg_demo.errors import InputMismatchError, MedsegError, OptionError
from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.models.card import ModelCard

SQUARE = [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
ROW = [[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
CARD = ModelCard(class_names=("one",), in_channels=1, input_size=(64, 64), threshold=0.5)


def member(name, labels, kind="checkpoint", **options):
    return Member(name, kind, LabelMap(np.array(labels, np.uint8), ("one",), Geometry((2.0, 2.0))), **options)


@pytest.fixture
def image():
    return MedicalImage(np.zeros((3, 4), np.uint8), "YX", Geometry((2.0, 2.0)), "scan", "PNG", 8, (0.0, 255.0))


@pytest.fixture
def write(tmp_path):
    def to_file(name, labels):
        Image.fromarray(np.array(labels, np.uint8)).save(tmp_path / name)
        return tmp_path / name

    return to_file


def results(image, names):
    """Checkpoints that find the square and then the row."""
    for name, labels in zip(names, (SQUARE, ROW), strict=False):
        yield (
            SimpleNamespace(
                checkpoint=name,
                label_map=LabelMap(np.array(labels, np.uint8), ("one",), image.geometry),
                probabilities=np.zeros((1, 3, 4), np.float16),
                threshold=0.5,
                digest="0" * 64,
                warnings=("Small.",),
            ),
            Cost(250_000, network_bytes=500_000),
        )


def test_each_checkpoint_is_there_as_soon_as_it_is_done(image):
    steps = list(run_comparison(image, {"a": CARD, "b": CARD}, (), results))
    assert [[one.name for one in step.members] for step in steps] == [["a"], ["a", "b"]]
    first = steps[-1].members[0]
    assert (first.kind, first.threshold, first.cost.parameters) == ("checkpoint", 0.5, 250_000)
    assert (first.cost.weights_mb, first.cost.memory_mb) == (1.0, 1.5)
    assert first.warnings == ("Small.",)


def test_figures_against_the_reference(image):
    found = Comparison(image, (member("a", SQUARE), member("b", ROW), member("r", SQUARE, "reference")))
    assert [(one.name, one.dice, one.hd95, one.distance_unit) for one in found.scores] == [
        ("a", 1.0, 0.0, "mm"),
        ("b", pytest.approx(2 / 3), 2.0, "mm"),
    ]
    assert [(one.name, one.size, one.unit) for one in found.sizes] == [
        ("a", 16, "mm2"), ("b", 8, "mm2"), ("r", 16, "mm2"),
    ]  # fmt: skip
    assert [(one.first, one.second) for one in found.pairs] == [("a", "b"), ("a", "r"), ("b", "r")]
    assert [(one.size, one.box) for one in found.disagreement.regions] == [(8, (0, 1, 0, 1, 2, 2))]


def test_without_a_reference_nothing_is_scored(image):
    assert Comparison(image, (member("a", SQUARE), member("b", ROW))).scores == ()


def test_the_consensus_is_of_all_but_the_reference(image):
    members = (member("a", SQUARE), member("b", ROW), member("c", SQUARE), member("r", np.zeros((3, 4)), "reference"))
    found = with_consensus(Comparison(image, members), "majority")
    assert found.consensus.label_map.labels.tolist() == SQUARE
    assert [one.name for one in found.shown] == ["a", "b", "c", "r", "majority"]
    assert {one.name for one in found.scores} == {"a", "b", "c", "majority"}
    assert ("a", "majority") in {(one.first, one.second) for one in found.pairs}
    assert with_consensus(found, None).consensus is None
    assert with_consensus(found, "staple").consensus.name == "STAPLE"


def test_the_consensus_does_not_change_where_they_differ(image):
    plain = Comparison(image, (member("a", SQUARE), member("b", ROW)))
    both = with_consensus(plain, "majority")
    assert both.disagreement == plain.disagreement
    assert both.tied == 2


def test_a_consensus_needs_two(image):
    one = Comparison(image, (member("a", SQUARE), member("r", SQUARE, "reference")))
    with pytest.raises(OptionError, match="needs two label maps beside the reference"):
        with_consensus(one, "majority")


def test_files_become_members(image, write):
    paths = [write("scan.png", np.array(SQUARE) * 255), write("a.png", ROW)]
    members = read_members(image, paths, reference=write("scan.bmp", SQUARE), taken=["a"])
    assert [(one.name, one.kind) for one in members] == [
        ("scan", "label map"), ("a-2", "label map"), ("scan-2", "reference"),
    ]  # fmt: skip
    assert members[0].label_map.labels.tolist() == SQUARE
    assert members[0].label_map.geometry.spacing_mm == (2.0, 2.0)


def test_without_checkpoints_the_files_say_how_many_classes_there_are(image, write):
    two = np.array(SQUARE)
    two[2, 2] = 2
    members = read_members(image, [write("a.png", ROW), write("b.png", two)])
    (only,) = run_comparison(image, {}, members, results)
    assert [one.name for one in only.members] == ["a", "b"]
    assert {one.label_map.class_names for one in only.members} == {("class_1", "class_2")}


def test_files_take_the_classes_of_the_checkpoints(image, write):
    members = read_members(image, [], reference=write("expert.png", SQUARE))
    (found,) = run_comparison(image, {"a": CARD}, members, results)
    assert [score.class_name for score in found.scores] == ["one"]
    assert found.scores[0].dice == 1.0


def test_classes_that_are_called_differently_are_matched_and_said(image):
    card = CARD.model_copy(update={"class_names": ("one",)})
    other = member("seg", SQUARE, "reference")
    other = replace(other, label_map=LabelMap(other.label_map.labels * 2, ("spare", "ones"), image.geometry))
    (found,) = run_comparison(image, {"a": card}, (other,), results)
    assert found.scores[0].dice == 1.0
    assert found.reference.warnings == ("Not compared: spare, which the others do not find.",)


def test_another_shape_is_refused(image, write):
    with pytest.raises(InputMismatchError, match=r"b\.png: it has shape \(2, 2\) but image has \(3, 4\)\. Export"):
        read_members(image, [write("b.png", [[1, 0], [0, 0]])])


def test_labels_beyond_the_classes_are_refused(image, write):
    members = read_members(image, [write("b.png", np.array(SQUARE) * 3)])
    with pytest.raises(MedsegError, match=r"b holds the label 3.*“b: class_3 = one”"):
        list(run_comparison(image, {"a": CARD}, members, results))


@pytest.mark.parametrize(
    ("cards", "given", "words"),
    [
        ({"a": CARD}, (), "only one label map"),
        ({}, (), "only one label map"),
        (dict.fromkeys("abcdefg", CARD), (), "7 label maps beside the reference, and at most 6"),
        (
            {"a": CARD, "b": CARD.model_copy(update={"class_names": ("lung", "heart")})},
            (),
            "a finds one, but b finds lung, heart: they share no class",
        ),
        ({"a": CARD, "b": CARD.model_copy(update={"input_size": (32, 64, 64)})}, (), "'b' is of a 3-D network"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_segmented(image, cards, given, words):
    def fail(*arguments):
        raise AssertionError("segmented all the same")

    with pytest.raises(MedsegError, match=words):
        list(run_comparison(image, cards, given, fail))


def test_the_reference_is_none_of_the_six(image):
    given = (*(member(name, SQUARE, "label map") for name in "bcdef"), member("r", SQUARE, "reference"))
    (found,) = run_comparison(image, {"a": CARD}, given, results)
    assert len(found.members) == 7


def test_two_empty_label_maps_are_compared_too(image):
    empty = np.zeros((3, 4))
    found = with_consensus(Comparison(image, (member("a", empty), member("b", empty))), "staple")
    assert found.disagreement.found == 0
    assert all(math.isnan(pair.dice) for pair in found.pairs)
    assert not found.consensus.label_map.labels.any()
