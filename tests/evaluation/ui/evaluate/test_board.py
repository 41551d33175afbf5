"""What controls say, as records."""

from evaluation.statistics import Policy
from evaluation.ui.evaluate.board import Asked, Choices
from medseg_demo.ui.tab import controls


def test_each_control_has_its_field():
    values = [
        "set",
        "lung",
        "iou",
        ["nsd"],
        ["a", "b"],
        "one",
        "worst",
        "case",
        "median",
        "site",
        True,
        "a",
        "b",
        "pairs",
        "site",
    ]
    assert controls(Asked)[4] == "compared"
    asked = Asked.of(*values)
    assert asked.question.policy == Policy(empty="one", failed="worst", miss="median")
    assert (asked.question.checkpoints, asked.question.order) == (("a", "b"), "case")
    assert (asked.question.cluster, asked.beside, Asked().question.cluster) == ("site", ("nsd",), "group")
    assert asked.view("dark").column == "site"


def test_empty_controls_are_empty_choices():
    assert controls(Choices)[4] == "upload_name"
    values = [None, None, ["net"], None, None, ["dice"], 2.0, None, None]
    assert Choices.of(*values) == Choices(checkpoints=("net",), metrics=("dice",), tolerance=2.0)
