"""What controls say, as records."""

import pytest

from evaluation.statistics import Policy
from evaluation.ui.evaluate.board import Asked, Choices
from evaluation.ui.evaluate.layout import ASKED, CHOICES


def test_the_order_of_the_controls_is_that_of_the_records():
    values = ["set", "lung", "iou", ["a", "b"], "one", "worst", "case", "a", "b", "pairs", "site"]
    assert len(ASKED) == len(values)
    asked = Asked.of(*values)
    assert asked.question.policy == Policy(empty="one", failed="worst")
    assert (asked.question.checkpoints, asked.question.order) == (("a", "b"), "case")
    assert asked.view("dark").column == "site"


def test_empty_controls_are_empty_choices():
    values = [None, None, ["net"], None, None, ["dice"], 2.0]
    assert len(CHOICES) == len(values)
    assert Choices.of(*values) == Choices(checkpoints=("net",), metrics=("dice",), tolerance=2.0)


def test_a_missing_control_is_noticed():
    with pytest.raises(ValueError, match="shorter"):
        Asked.of("set")
