"""From clicks at a shown image to the runs that change its label map."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from medseg_demo.errors import PromptError
from medseg_demo.models.card import ModelCard
from medseg_demo.prompting.clicking import Clicking, Place, slice_of
from medseg_demo.prompting.measure import dice
from medseg_demo.prompting.prompts import Click, Prompts

CARD = ModelCard(class_names=("object",), input_size=(64, 64), prompts=("click",), threshold=0.5)
SLICE = Place(0, 0)


def see(seen: np.ndarray) -> np.ndarray:
    """The bright piece that is clicked at, without what is clicked as no part of it."""
    numbers, _ = ndimage.label(seen[0] > 0.5)
    hit = np.unique(numbers[(seen[3] > 0) & (numbers > 0)])
    away = ndimage.binary_dilation(seen[4] > 0, iterations=4)
    return (np.isin(numbers, hit) & ~away).astype(np.float32)


def written(labels: np.ndarray, runs) -> np.ndarray:
    after = labels.copy().ravel()
    for start, length, before, value in runs:
        assert (after[start : start + length] == before).all()
        after[start : start + length] = value
    return after.reshape(labels.shape)


@pytest.fixture
def squares(make_image):
    pixels = np.zeros((64, 64), np.uint8)
    pixels[5:25, 5:25] = pixels[35:60, 30:60] = 255
    return make_image(pixels)


def test_a_click_gives_the_object_its_class_and_undo_is_another_question(squares):
    clicking, labels = Clicking(squares, CARD), np.zeros((64, 64), np.uint8)
    after = written(labels, clicking.click(see, labels, 2, SLICE, Prompts((Click(10, 10),)), number=1))
    assert np.array_equal(after == 2, (squares.pixels > 0) & (np.arange(64)[:, None] < 30))

    less = Prompts((Click(10, 10), Click(20, 20, positive=False)))
    cut = written(after, clicking.click(see, after, 2, SLICE, less, number=1))
    assert 0 < (cut == 2).sum() < (after == 2).sum()
    assert np.array_equal(written(cut, clicking.click(see, cut, 2, SLICE, Prompts((Click(10, 10),)), number=1)), after)
    assert not written(cut, clicking.click(see, cut, 2, SLICE, Prompts(), number=1)).any()


def test_another_object_leaves_the_first_one(squares):
    clicking, labels = Clicking(squares, CARD), np.zeros((64, 64), np.uint8)
    labels = written(labels, clicking.click(see, labels, 1, SLICE, Prompts((Click(10, 10),)), number=1))
    labels = written(labels, clicking.click(see, labels, 1, SLICE, Prompts((Click(40, 40),)), number=2))
    assert np.array_equal(labels == 1, squares.pixels > 0)


def test_it_starts_from_what_lies_there(squares):
    labels = np.zeros((64, 64), np.uint8)
    labels[0:30, 0:15] = 1  # half of the object, and too much above it
    labels[50:55, 2:5] = 1  # another piece
    clicking = Clicking(squares, CARD)
    after = written(labels, clicking.click(see, labels, 1, SLICE, Prompts((Click(10, 10),)), number=1))
    assert np.array_equal(after[:30] == 1, squares.pixels[:30] > 0)
    assert (after[50:55, 2:5] == 1).all()
    only_less = Prompts((Click(2, 2, positive=False),))
    clicking.click(see, labels, 1, SLICE, only_less, number=2)  # a mask is there, so that nothing positive is needed
    with pytest.raises(PromptError, match="Nothing says where"):
        clicking.click(see, labels, 1, SLICE, Prompts((Click(60, 2, positive=False),)), number=3)


def test_protected_classes_stay(squares):
    labels = np.zeros((64, 64), np.uint8)
    labels[:, 12:] = 3
    runs = Clicking(squares, CARD).click(see, labels, 1, SLICE, Prompts((Click(10, 10),)), protected=[3])
    after = written(labels, runs)
    assert (after[:, 12:] == 3).all()
    assert (after[5:25, 5:12] == 1).all()


@settings(max_examples=30)
@given(st.sampled_from([0, 1, 2]), st.data())
def test_runs_of_any_plane_are_counted_in_the_volume(axis, data):
    shape = (7, 9, 11)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    volume = rng.integers(0, 256, shape, dtype=np.uint8)
    from medseg_demo.image import Geometry, MedicalImage

    image = MedicalImage(volume, "ZYX", Geometry(), "made", "NIfTI", 8, (0.0, 255.0))
    index = data.draw(st.integers(0, shape[axis] - 1))
    labels = rng.integers(0, 3, shape, dtype=np.uint8)
    place, answer = Place(axis, index), rng.random((64, 64)) > 0.5

    runs = Clicking(image, CARD).click(
        lambda seen: answer.astype(np.float32), labels, 1, place, Prompts((Click(0, 0),))
    )

    after = written(labels, runs)
    changed = np.argwhere(after != labels)
    assert (changed[:, axis] == index).all()
    assert [run[0] for run in runs] == sorted(run[0] for run in runs)
    assert np.array_equal(slice_of(image, place).pixels, np.take(volume, index, axis))


@pytest.fixture
def ball(make_image):
    z, y, x = np.indices((20, 64, 64))
    inside = (2.5 * (z - 10)) ** 2 + (y - 30) ** 2 + (x - 30) ** 2 <= 20**2
    return make_image((255 * inside).astype(np.uint8), "ZYX")


def test_an_object_is_followed_to_its_end(ball):
    labels = np.zeros(ball.shape, np.uint8)
    labels[10] = ball.pixels[10] > 0
    found = labels.copy()
    reached = []
    for sign in (-1, 1):
        for index, runs in Clicking(ball, CARD).propagate(see, labels, 1, Place(0, 10), sign * 15):
            found, reached = written(found, runs), [*reached, index]
    assert sorted(reached) == [3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17]
    assert all(dice(ball.pixels[index] > 0, found[index] > 0) > 0.9 for index in range(4, 17))
    assert not found[[0, 1, 19]].any()


def test_it_ends_where_it_is_told_to_and_where_there_is_nothing(ball, squares):
    labels = np.zeros(ball.shape, np.uint8)
    clicking = Clicking(ball, CARD)
    with pytest.raises(PromptError, match="has nothing of the class"):
        list(clicking.propagate(see, labels, 1, Place(0, 10), 5))
    labels[10] = ball.pixels[10] > 0
    assert [index for index, _ in clicking.propagate(see, labels, 1, Place(0, 10), 2)] == [11, 12]
    with pytest.raises(PromptError, match="no neighbouring slices"):
        list(Clicking(squares, CARD).propagate(see, labels[0], 1, Place(0, 0), 5))
    with pytest.raises(PromptError, match="no slice 31"):
        list(clicking.propagate(see, labels, 1, Place(0, 30), 5))


def test_channels_that_are_no_colours_are_seen_one_at_a_time(make_image):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[..., 2] = 7
    assert (slice_of(make_image(pixels, "YXC"), SLICE, 2).pixels == 7).all()
    assert (slice_of(make_image(pixels, "YXC"), SLICE, 9).pixels == 0).all()
    colours = slice_of(make_image(pixels[..., :3], "YXC"), SLICE)
    assert colours.is_colour
    assert colours.pixels.shape == (8, 8, 3)
