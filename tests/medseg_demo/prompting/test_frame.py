"""What of an image a network sees, and where its answer lies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg_demo.prompting.frame import SMALLEST, Frame, extent_of


def test_the_whole_lies_in_the_middle():
    image = np.ones((1, 40, 64), np.float32)
    seen = Frame.whole(40, 64, 64).cut(image, outside=-1.0)
    assert seen.shape == (1, 64, 64)
    assert (seen[0, 12:52] == 1).all()
    assert (seen[0, :12] == -1).all()
    assert (seen[0, 52:] == -1).all()


@given(st.integers(1, 90), st.integers(1, 90), st.data())
def test_a_part_holds_what_it_is_around_and_its_answer_comes_back(height, width, data):
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom, right = data.draw(st.integers(top + 1, height)), data.draw(st.integers(left + 1, width))
    frame = Frame.around((top, left, bottom, right), height, width, 32)
    assert frame.side <= max(SMALLEST, height, width)
    if frame.side <= min(height, width):  # moved into the image, not over its edge
        assert frame.top >= 0 <= frame.left
        assert frame.top + frame.side <= height
        assert frame.left + frame.side <= width
    assert frame.holds((top, left, bottom, right))

    onto = np.zeros((height, width), np.float32)
    frame.paste(np.ones((32, 32), np.float32), onto)
    assert (onto[top:bottom, left:right] > 0.99).all()


@given(st.integers(-30, 60), st.integers(-30, 60), st.integers(8, 64))
def test_without_a_change_of_size_what_is_cut_comes_back_as_it_was(top, left, side):
    image = np.random.default_rng(0).random((1, 50, 40)).astype(np.float32)
    frame = Frame(top, left, side, side)
    back = np.full((50, 40), np.nan, np.float32)
    frame.paste(frame.cut(image)[0], back)
    known = ~np.isnan(back)
    rows = slice(max(0, top), max(0, min(50, top + side)))
    assert known.sum() == known[rows, max(0, left) : max(0, min(40, left + side))].size
    assert np.array_equal(back[known], image[0][known])


@pytest.mark.parametrize("side", [24, 64, 90])
def test_points_go_where_their_pixels_go(side):
    image = np.zeros((1, 120, 120), np.float32)
    image[0, 30:34, 44:48] = 1
    frame = Frame(20, 30, side, 64)
    if not frame.holds((30, 44, 34, 48)):
        pytest.fail("the test looks elsewhere")
    seen = frame.cut(image)[0]
    rows, columns = np.mgrid[:64, :64]
    middle = (rows * seen).sum() / seen.sum(), (columns * seen).sum() / seen.sum()
    assert frame.to_input(31.5, 45.5) == pytest.approx(middle, abs=0.6)


def test_nothing_has_no_extent():
    assert extent_of(np.zeros((3, 4), bool)) is None
    assert extent_of(np.eye(4, dtype=bool)) == (0, 0, 4, 4)
