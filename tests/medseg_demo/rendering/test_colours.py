import numpy as np
import pytest

from medseg_demo.rendering.colours import OKABE_ITO, class_colour, hex_colour, palette


def test_the_first_classes_have_the_published_colours():
    assert [class_colour(value) for value in range(1, 8)] == list(OKABE_ITO)
    assert hex_colour(1) == "#56b4e9"


def test_all_255_classes_have_colours_of_their_own_and_the_background_is_black():
    colours = palette()
    assert colours.shape == (256, 3)
    assert colours.dtype == np.uint8
    assert colours[0].tolist() == [0, 0, 0]
    assert len(np.unique(colours, axis=0)) == 256


def test_neighbours_differ_clearly():
    steps = np.abs(np.diff(palette().astype(int), axis=0)).max(axis=1)
    assert steps.min() >= 40


@pytest.mark.parametrize("value", [-1, 256])
def test_other_values_have_no_colour(value):
    with pytest.raises(ValueError, match=f"{value}.*between 0 and 255"):
        class_colour(value)


def test_chosen_colours_come_first_and_the_others_stay():
    assert class_colour(1, ("#ff8000",)) == (255, 128, 0)
    assert hex_colour(2, ("#ff8000",)) == hex_colour(2)
    assert palette(("#ff8000",))[:2].tolist() == [[0, 0, 0], [255, 128, 0]]
