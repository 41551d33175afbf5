import numpy as np
import pytest

from evaluation.comparison.corrected import DiceChange, dice_changes
from evaluation.metrics import dice
from medseg_demo.image import LabelMap

NAMES = ("a", "b", "c")


def test_each_class_is_held_against_each_other_label_map_and_absent_ones_left_out():
    generator = np.random.default_rng(0)
    before, after, other = (LabelMap(generator.integers(0, 3, (5, 6), np.uint8), NAMES) for _ in range(3))
    found = dice_changes({"expert": other}, before, after)
    assert [(one.against, one.class_name) for one in found] == [("expert", "a"), ("expert", "b")]
    for value, one in enumerate(found, start=1):
        assert one.before == pytest.approx(dice(other.mask(value), before.mask(value)))
        assert one.after == pytest.approx(dice(other.mask(value), after.mask(value)))


def test_a_class_that_was_drawn_anew_had_no_dice_before():
    nothing, drawn = (LabelMap(np.full((2, 2), value, np.uint8), ("a",)) for value in (0, 1))
    (one,) = dice_changes({"expert": nothing}, nothing, drawn)
    assert np.isnan(one.before)
    assert one.after == 0
    assert dice_changes({"expert": drawn}, nothing, drawn) == (DiceChange("expert", "a", 0.0, 1.0),)
