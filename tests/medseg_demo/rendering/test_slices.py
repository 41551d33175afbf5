import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medseg_demo.rendering.slices import PROBABILITY_LEVELS, probability_steps


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@given(data=st.data())
def test_steps_give_the_mask_of_every_threshold(dtype, data):
    width = np.dtype(dtype).itemsize * 8
    probabilities = data.draw(arrays.arrays(dtype, 30, elements=st.floats(0, 1, width=width)))
    steps = probability_steps(probabilities)
    for step in (0, 1, 60, 100, 101, PROBABILITY_LEVELS - 1):
        expected = probabilities.astype(np.float64) > step / PROBABILITY_LEVELS
        np.testing.assert_array_equal(steps > step, expected)


def test_steps_of_the_ends():
    assert probability_steps(np.array([0, 0.5, 1], np.float16)).tolist() == [0, 100, 200]
