"""What is said of an object, and how a network is told."""

import math

import numpy as np
import pytest

from medseg_demo.errors import PromptError
from medseg_demo.prompting.frame import Frame, extent_of
from medseg_demo.prompting.prompts import (
    BOX,
    MOST_CLICKS,
    NEGATIVE,
    POSITIVE,
    PRESENT,
    RADIUS,
    Click,
    Prompts,
    Scribble,
    planes,
)

WHOLE = Frame(0, 0, 64, 64)


def test_each_thing_that_is_said_has_its_own_plane():
    prompts = Prompts(
        clicks=(Click(10, 20), Click(40, 50, positive=False)),
        scribbles=(Scribble(((30, 10), (30, 40))), Scribble(((60, 5), (60, 30)), positive=False)),
        box=(5, 6, 25, 36),
    )
    present = np.zeros((64, 64), np.float32)
    present[3, 4] = 0.5

    told = planes(prompts, WHOLE, present)

    assert told.shape == (4, 64, 64)
    assert told[POSITIVE, 10, 20] == told[NEGATIVE, 40, 50] == 1
    assert told[POSITIVE, 40, 50] == told[NEGATIVE, 10, 20] == 0
    assert told[POSITIVE, 30, 10:41].all()  # a line has no gaps
    assert told[NEGATIVE, 60, 5:31].all()
    assert extent_of(told[BOX] > 0) == (5, 6, 25, 36)
    assert told[PRESENT, 3, 4] == 0.5
    assert told[PRESENT].sum() == 0.5


def test_a_click_is_a_disk_of_the_networks_pixels():
    rows, columns = np.mgrid[:64, :64]
    disk = (rows - 10) ** 2 + (columns - 20) ** 2 <= RADIUS**2

    assert np.array_equal(planes(Prompts((Click(10, 20),)), WHOLE)[POSITIVE] > 0, disk)
    small = planes(Prompts((Click(10 * 4 + 1.5, 20 * 4 + 1.5),)), Frame(0, 0, 256, 64))
    assert np.array_equal(small[POSITIVE] > 0, disk)


@pytest.mark.parametrize(("y", "x"), [(0, 0), (63, 63), (0, 63), (-0.5, 31)])
def test_clicks_at_the_border_are_cut(y, x):
    told = planes(Prompts((Click(y, x),)), WHOLE)
    assert told[POSITIVE, max(0, round(y)), x] == 1
    assert told.max() == 1


def test_what_lies_outside_of_what_is_seen_is_not_drawn():
    assert not planes(Prompts((Click(10, 20),), box=(0, 0, 8, 8)), Frame(30, 30, 20, 64)).any()


@pytest.mark.parametrize(
    ("prompts", "words"),
    [
        (Prompts(), "Nothing says where"),
        (Prompts((Click(1, 1, positive=False),)), "Nothing says where"),
        (Prompts((Click(64, 1),)), "outside the image of 64 × 64"),
        (Prompts((Click(1, -0.6),)), "outside the image"),
        (Prompts((Click(math.nan, 1),)), "outside the image"),
        (Prompts((Click(1, 1),), scribbles=(Scribble(((1, 1), (1, 99)), positive=False),)), "outside the image"),
        (Prompts(box=(5, 5, 5, 9)), "The box is empty"),
        (Prompts(box=(5, 5, 9, math.inf)), "outside the image"),
        (Prompts(box=(5, 5, 66, 9)), "outside the image"),
        (Prompts((Click(1, 1),) * (MOST_CLICKS + 1)), "more than are taken"),
        (Prompts(scribbles=(Scribble(((1, 1),) * 10_001),)), "more than are taken"),
    ],
)
def test_what_cannot_be_meant_is_refused(prompts, words):
    with pytest.raises(PromptError, match=words):
        prompts.check(64, 64)


def test_a_thousand_clicks_are_taken_and_a_mask_says_where_the_object_is():
    Prompts((Click(1, 1),) * MOST_CLICKS).check(64, 64)
    Prompts((Click(1, 1, positive=False),)).check(64, 64, has_mask=True)


def test_what_is_said_has_an_extent():
    said = Prompts((Click(3, 9), Click(50, 1, positive=False)), (Scribble(((8, 4), (9, 5))),))
    assert said.extent == (3, 4, 10, 10)
    assert Prompts(box=(1, 2, 30, 40)).extent == (1, 2, 31, 41)
    assert Prompts((Click(1, 1, positive=False),)).extent is None
