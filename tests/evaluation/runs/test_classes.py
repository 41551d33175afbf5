import numpy as np
import pytest

from evaluation.comparison.classes import Stated
from evaluation.runs.classes import match_classes
from medseg_demo.errors import TestSetError
from medseg_demo.test_sets.labels import Labels


def match(references, predicted, **more):
    labels = Labels.numbered(references) if references else None
    return match_classes("set", labels, "net", predicted, **more)


def test_without_names_the_checkpoints_are_taken():
    found = match(None, ["nerve", "vessel"])
    assert (found.labels.class_names, found.lookup, found.notes) == (("nerve", "vessel"), (0, 1, 2), ())


@pytest.mark.parametrize("predicted", [["nerve", "vessel"], ["Nerves", "VESSEL"]])
def test_names_in_another_order_are_translated(predicted):
    found = match(["vessel", "nerve"], predicted)
    assert found.translate(np.array([0, 1, 2], np.uint8)).tolist() == [0, 2, 1]
    assert found.translate(np.array([0], np.uint8)).dtype == np.uint8
    assert "numbered otherwise than the classes" in found.notes[0]


def test_a_class_that_the_test_set_lacks_is_background_and_said():
    found = match(["vessel"], ["nerve", "vessel"])
    assert found.translate(np.array([0, 1, 2], np.uint8)).tolist() == [0, 0, 1]
    assert "'nerve' is none of the classes and counts as background" in found.notes[0]


def test_the_only_class_is_scored_as_the_only_class_and_said():
    found = match(["nucleus"], ["cell"])
    assert (found.labels.class_names, found.lookup) == (("nucleus",), (0, 1))
    assert "'cell', was taken for the only class, 'nucleus'" in found.notes[0]


def test_default_names_are_matched_by_order():
    found = match(["a", "b"], ["class_1", "class_2"], named=False)
    assert (found.labels.class_names, found.lookup) == (("a", "b"), (0, 1, 2))
    assert found.notes[0] == "Checkpoint 'net' on test set 'set': 'class_1' is scored as 'a'."
    for predicted, named in ((["class_1", "class_2"], True), (["class_1", "class_2", "class_3"], False)):
        with pytest.raises(TestSetError):
            match(["a", "b"], predicted, named=named)


def test_a_class_that_the_checkpoint_lacks_is_refused_with_the_option_that_helps():
    with pytest.raises(TestSetError, match=r"vessel, which checkpoint 'net' does not know \(it knows lung.*--classes"):
        match(["lung", "vessel"], ["lung"])
    with pytest.raises(TestSetError, match="--classes 'class_1 = lung'"):
        match(["lung", "heart"], ["class_1", "heart"])


def test_what_is_stated_wins_over_names_and_is_kept():
    stated = [Stated("class_1", "heart"), Stated("class_2", "lung", "net"), Stated("class_1", "lung", "other")]
    found = match(["lung", "heart"], ["class_1", "class_2"], stated=stated)
    assert found.lookup == (0, 2, 1)
    assert found.stated == (("class_1", "heart"), ("class_2", "lung"))
    assert match(["lung"], ["a", "b"], stated=[Stated("a", "lung"), Stated("b", "lung")]).lookup == (0, 1, 1)
    assert match(["lung"], ["lung", "lungs"], stated=[Stated("lungs", "")]).lookup == (0, 1, 0)
