"""Which parts of an image are looked at, and the clicks that a test makes."""

import numpy as np
import pytest

from medseg_demo.prompting.answer import answer
from medseg_demo.prompting.measure import clicks_to, dice, dice_by_click
from medseg_demo.prompting.prompts import BOX, POSITIVE, PRESENT, Click, Prompts
from medseg_demo.prompting.simulation import deepest, next_click

SIZE = 64


class Seer:
    """A network that knows: what is bright and connected to what is told is the object. It counts its looks."""

    def __init__(self, *, blind_under: int = 0) -> None:
        self.seen: list[np.ndarray] = []
        self.blind_under = blind_under

    def __call__(self, seen: np.ndarray) -> np.ndarray:
        from scipy import ndimage

        self.seen.append(seen)
        bright, told = seen[0] > 0, seen[3:].max(0) > 0.5
        numbers, _ = ndimage.label(bright)
        hit = np.unique(numbers[told & bright])
        found = np.isin(numbers, hit[hit > 0])
        return (found if found.sum() >= self.blind_under else found & False).astype(np.float32)


@pytest.fixture
def image() -> np.ndarray:
    """A small and a large square."""
    pixels = np.full((400, 500), -1.0, np.float32)
    pixels[40:60, 60:80] = 1
    pixels[110:390, 150:450] = 1
    return np.broadcast_to(pixels, (3, 400, 500))


def test_one_click_finds_a_large_object_at_the_first_look(image):
    seer = Seer()
    found = answer(seer, image, Prompts((Click(250, 300),)), None, SIZE) > 0.5
    assert dice(image[0] > 0, found) == pytest.approx(2 * 280 * 300 / (2 * 280 * 300 + 400), abs=0.03)
    assert not found[:100].any()
    assert len(seer.seen) == 1


def test_a_small_object_is_looked_at_from_nearby(image):
    seer = Seer()
    found = answer(seer, image, Prompts((Click(50, 70),)), None, SIZE) > 0.5
    assert dice((image[0] > 0) & (np.arange(400)[:, None] < 100), found) > 0.95
    assert len(seer.seen) > 1


def test_what_is_too_small_for_the_network_is_looked_for_from_nearer_and_nearer(image):
    seer = Seer(blind_under=100)
    found = answer(seer, image, Prompts((Click(50, 70),)), None, SIZE) > 0.5
    assert dice((image[0] > 0) & (np.arange(400)[:, None] < 100), found) > 0.85


def test_a_box_and_a_mask_say_where_to_look(image):
    boxed = Seer()
    answer(boxed, image, Prompts(box=(38, 58, 62, 82)), None, SIZE)
    assert boxed.seen[0][3 + BOX].mean() > 0.3
    present = np.zeros((400, 500), np.float32)
    present[40:60, 60:75] = 1
    masked = Seer()
    answer(masked, image, Prompts((Click(50, 78),)), present, SIZE)
    assert masked.seen[0][3 + PRESENT].sum() > 500
    assert masked.seen[0][3 + POSITIVE].sum() > 20


def test_nothing_bright_gives_nothing_after_a_few_looks(image):
    seer = Seer()
    assert not answer(seer, image, Prompts((Click(390, 490),)), None, SIZE).any()
    assert len(seer.seen) <= 4


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (64, 64), (33, 20)])
def test_images_of_any_shape(shape):
    found = answer(Seer(), np.ones((3, *shape), np.float32), Prompts((Click(0, 0),)), None, SIZE)
    assert found.shape == shape
    assert found.dtype == np.float32


def test_a_click_goes_into_the_middle_of_the_largest_fault():
    reference = np.zeros((30, 30), bool)
    reference[5:14, 5:14] = True
    assert next_click(reference, np.zeros_like(reference)) == Click(9, 9)
    found = reference.copy()
    found[20:27, 20:29] = True
    click = next_click(reference, found)
    assert click is not None
    assert not click.positive
    assert (click.y, 22 < click.x < 27) == (23, True)
    assert next_click(reference, reference) is None


def test_the_deepest_pixel_of_a_region_at_the_edge_lies_away_from_the_edge():
    region = np.zeros((20, 20), bool)
    region[:9, :9] = True
    assert deepest(region) == (4, 4)
    assert deepest(np.ones((1, 1), bool)) == (0, 0)


def test_dice_of_each_click():
    class Halves:
        """Finds the half that was clicked last."""

        def __call__(self, seen: np.ndarray) -> np.ndarray:
            return ((seen[3 + POSITIVE] > 0).any(0, keepdims=True) | (seen[3 + PRESENT] > 0.5)).astype(np.float32)

    mask = np.zeros((SIZE, SIZE), bool)
    mask[:, 8:56] = True
    scores = dice_by_click(Halves(), np.zeros((1, SIZE, SIZE), np.float32), mask, SIZE, clicks=12)
    assert len(scores) == 12
    assert scores[0] < scores[3] < scores[-1]
    assert scores[-1] > 0.95
    assert clicks_to(scores, 0.9) == next(i for i, one in enumerate(scores, 1) if one >= 0.9)
    assert clicks_to([0.1, 0.2], 0.9) is None
