import math

import numpy as np
import pytest

from evaluation.metrics import absolute_volume_error, volume_error
from evaluation.metrics.volume import distance_unit, pixel_size, size_unit


@pytest.fixture
def pair():
    reference, prediction = np.zeros((2, 4, 5, 6), bool)
    reference[1, :2, :4] = prediction[2, :2, :3] = True
    return reference, prediction


def test_relative_error_is_signed_and_free_of_the_spacing(pair):
    assert volume_error(*pair) == (6 - 8) / 8
    assert volume_error(*pair[::-1]) == pytest.approx((8 - 6) / 6)
    assert volume_error(*pair, spacing=(5, 0.8, 0.8)) == (6 - 8) / 8


def test_absolute_error_is_in_ml_mm2_or_pixels(pair):
    assert absolute_volume_error(*pair) == 2
    assert absolute_volume_error(*pair, spacing=(5, 2, 10)) == pytest.approx(2 * 100 / 1000)
    first, second = pair[0][1], pair[1][2]
    assert absolute_volume_error(first, second, spacing=(0.5, 3)) == pytest.approx(2 * 1.5)


def test_empty_masks():
    empty, one = np.zeros((3, 3), bool), np.eye(3, dtype=bool)
    assert math.isnan(volume_error(empty, empty))
    assert volume_error(empty, one) == math.inf
    assert volume_error(one, empty) == -1
    assert [absolute_volume_error(*masks) for masks in [(empty, empty), (empty, one), (one, empty)]] == [0, 3, 3]


def test_units():
    assert [size_unit(2, None), size_unit(3, None)] == ["px", "voxels"]
    assert [size_unit(2, (1.0, 1.0)), size_unit(3, (1.0, 1.0, 1.0))] == ["mm2", "ml"]
    assert [distance_unit(None), distance_unit((1.0, 1.0))] == ["px", "mm"]
    assert [pixel_size(None), pixel_size((2.0, 3.0)), pixel_size((10.0, 10.0, 10.0))] == [1, 6, 1]
