import numpy as np
import pytest

from evaluation.metrics import centre_line_dice


@pytest.fixture
def line():
    """A line of nine pixels: its own centre line."""
    mask = np.zeros((7, 13), bool)
    mask[3, 2:11] = True
    return mask


def test_a_gap_costs_its_share_of_the_centre_line(line):
    broken = line.copy()
    broken[3, 5:8] = False
    # All six predicted pixels lie on the reference; six of the nine reference pixels are predicted.
    assert centre_line_dice(line, broken) == pytest.approx(2 * 1 * (6 / 9) / (1 + 6 / 9))


def test_thickness_costs_nothing():
    thin, thick = np.zeros((2, 11, 30), bool)
    thin[4:7, 4:26] = thick[3:8, 4:26] = True
    assert centre_line_dice(thin, thick) == 1
    assert centre_line_dice(thick, thin) == 1


def test_lines_side_by_side_share_nothing(line):
    assert centre_line_dice(line, np.roll(line, 2, axis=0)) == 0


def test_in_three_dimensions(line):
    volume, broken = np.zeros((2, 5, *line.shape), bool)
    volume[2] = broken[2] = line
    broken[2, 3, 5:8] = False
    assert centre_line_dice(volume, broken) == pytest.approx(2 * (6 / 9) / (1 + 6 / 9))


def test_a_tube_that_thinning_erases_is_its_own_centre_line():
    from skimage.morphology import skeletonize

    reference, prediction = np.zeros((2, 6, 6, 30), bool)
    reference[2:4, 2:4, 4:24] = prediction[2:4, 2:4, 4:14] = True
    assert not skeletonize(reference).any()
    assert centre_line_dice(reference, reference) == 1
    assert centre_line_dice(reference, prediction) == pytest.approx(2 * 0.5 / 1.5)


def test_where_the_masks_lie_in_the_image_does_not_matter():
    from skimage.draw import line as draw_line

    reference, prediction = np.zeros((2, 40, 40), bool)
    reference[draw_line(3, 3, 30, 20)] = prediction[draw_line(3, 3, 28, 24)] = True
    reference |= np.roll(reference, 1, 1)
    moved = [np.roll(mask, (9, 14), (0, 1)) for mask in (reference, prediction)]
    touching = [mask[3:, 3:] for mask in (reference, prediction)]
    value = centre_line_dice(reference, prediction)
    assert 0 < value < 1
    assert [centre_line_dice(*moved), centre_line_dice(*touching)] == [value, value]


def test_agreement_with_the_published_formula(blob_pair):
    from skimage.morphology import skeletonize

    for shape in [(50, 60), (16, 20, 18)]:
        reference, prediction = blob_pair(shape, seed=5)
        skeletons = [skeletonize(np.pad(mask, 1))[(slice(1, -1),) * mask.ndim] for mask in (reference, prediction)]
        precision = (skeletons[1] & reference).sum() / skeletons[1].sum()
        recall = (skeletons[0] & prediction).sum() / skeletons[0].sum()
        expected = 2 * precision * recall / (precision + recall)
        assert centre_line_dice(reference, prediction) == pytest.approx(expected)
