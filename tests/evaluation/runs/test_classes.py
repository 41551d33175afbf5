import numpy as np
import pytest

from evaluation.runs.classes import match_classes
from medseg_demo.errors import TestSetError


def test_without_names_the_checkpoints_are_taken():
    match = match_classes("set", None, "net", ["nerve", "vessel"])
    assert match.class_names == ("nerve", "vessel")
    assert match.notes == ()


def test_names_in_another_order_are_translated():
    match = match_classes("set", ["vessel", "nerve"], "net", ["nerve", "vessel"])
    assert match.translate(np.array([0, 1, 2], np.uint8)).tolist() == [0, 2, 1]
    assert match.translate(np.array([0], np.uint8)).dtype == np.uint8


def test_a_class_that_the_test_set_lacks_is_background_and_said():
    match = match_classes("set", ["vessel"], "net", ["nerve", "vessel"])
    assert match.translate(np.array([0, 1, 2], np.uint8)).tolist() == [0, 0, 1]
    assert "also predicts nerve" in match.notes[0]


def test_the_only_class_is_scored_as_the_only_class_and_said():
    match = match_classes("set", ["nucleus"], "net", ["cell"])
    assert (match.class_names, match.lookup) == (("nucleus",), (0, 1))
    assert "'cell' of checkpoint 'net' is scored as 'nucleus' of test set 'set'" in match.notes[0]


def test_default_names_are_matched_by_order():
    match = match_classes("set", ["a", "b"], "net", ["class_1", "class_2"], named=False)
    assert (match.class_names, match.lookup) == (("a", "b"), (0, 1, 2))
    with pytest.raises(TestSetError):
        match_classes("set", ["a", "b"], "net", ["class_1", "class_2"])


def test_a_class_that_the_checkpoint_lacks_is_refused():
    with pytest.raises(TestSetError, match=r"class\(es\) vessel, which checkpoint 'net' does not know \(it knows lung"):
        match_classes("set", ["lung", "vessel"], "net", ["lung"])
