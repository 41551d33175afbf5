import numpy as np

from evaluation.ui.corrections.work import MOST_KEPT, Correcting
from medseg_demo.correcting.edits import Step
from medseg_demo.image import LabelMap

PLACE = ("case", "net")


def label_map(value=0, names=("a",)):
    return LabelMap(np.full((3, 4), value, np.uint8), names)


def paint(corrected):
    old = int(corrected.correction.label_map.labels[0, 0])
    corrected.correction.apply([Step(corrected.correction.revision + 1, "brush", ((0, 1, old, 1 - old),))])


def test_classes_of_all_that_is_shown_can_be_painted():
    shown = [("net", label_map(1, ("b",))), ("far", label_map(1, ("a", "b")))]
    corrected, dropped = Correcting().open(PLACE, shown, 0, [label_map(0, ("a",))])
    assert corrected.correction.original.class_names == ("a", "b")
    assert (corrected.correction.original.labels == 2).all()  # b, as the viewer has it
    assert list(corrected.others) == [1]
    assert not dropped


def test_what_was_changed_is_there_again_and_what_was_not_is_not_kept():
    work, shown = Correcting(), [("net", label_map())]
    first, _ = work.open(PLACE, shown, 0)
    paint(first)
    first.saved = 1
    work.open(("case", "far"), [("far", label_map())], 0)
    again, dropped = work.open(PLACE, [("net", label_map())], 0)
    assert again.correction is first.correction
    assert (again.saved, dropped) == (1, False)
    work.forget(again)
    assert work.current is None
    assert work.open(PLACE, shown, 0)[0].correction is not first.correction


def test_corrections_of_a_result_that_was_replaced_are_dropped_and_that_is_said():
    work = Correcting()
    first, _ = work.open(PLACE, [("net", label_map())], 0)
    paint(first)
    other, dropped = work.open(PLACE, [("net", label_map(1))], 0)
    assert dropped
    assert not other.correction.is_changed


def test_not_everything_is_kept_for_ever():
    work = Correcting()
    for number in range(MOST_KEPT + 3):
        paint(work.open(("case", str(number)), [("net", label_map())], 0)[0])
    assert not work.open(("case", "0"), [("net", label_map())], 0)[0].correction.is_changed


def test_only_the_value_that_is_shown_is_corrected():
    work = Correcting()
    corrected, _ = work.open(PLACE, [("net", label_map())], 0)
    work.show({"key": "k1"})
    assert work.corrections.find("k1") is corrected
    work.close()
    assert work.corrections.find("k1") is None


def test_a_choice_that_is_told_again_opens_nothing_anew():
    work, shown = Correcting(), [("net", label_map())]
    work.open(PLACE, shown, 0)
    assert not work.is_open(PLACE, shown)  # no value shows it yet
    work.show({"key": "first"})
    assert work.is_open(PLACE, [("net", label_map())])
    assert not work.is_open(PLACE, [("net", label_map(1))])
    assert not work.is_open(("case", "another"), shown)
    work.close()
    assert not work.is_open(PLACE, shown)
