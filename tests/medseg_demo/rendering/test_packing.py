import base64
import zlib
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medseg_demo.rendering.packing import pack, unpack

PLANES = st.sampled_from([np.uint8, np.uint16]).flatmap(
    lambda dtype: arrays.arrays(dtype, st.sampled_from([(1, 1), (3, 5), (4, 2, 3), (1, 300)]))
)


@given(PLANES)
def test_unpacking_gives_back_what_was_packed(plane):
    again = unpack(asdict(pack(plane)))
    assert again.dtype == plane.dtype
    np.testing.assert_array_equal(again, plane)


def test_the_bytes_are_differences_along_the_rows_low_bytes_first():
    packed = pack(np.array([[1, 3, 2], [500, 500, 501]], np.uint16))
    assert packed.shape == [2, 3]
    stream = zlib.decompress(base64.b64decode(packed.data))
    # differences 1, 2, -1 (65535) and 500 (1 × 256 + 244), 0, 1
    assert list(stream) == [1, 2, 255, 244, 0, 1, 0, 0, 255, 1, 0, 0]


def test_a_plane_that_is_not_contiguous_is_packed_as_it_looks():
    plane = np.arange(24, dtype=np.uint8).reshape(4, 6)[::2, ::-1]
    np.testing.assert_array_equal(unpack(asdict(pack(plane))), plane)


@pytest.mark.parametrize(
    "plane", [np.zeros((2, 2), np.float32), np.zeros(3, np.uint8), np.zeros((2, 2, 2, 2), np.uint8)]
)
def test_what_the_browser_cannot_take_is_refused(plane):
    with pytest.raises(ValueError, match="give uint8 or uint16"):
        pack(plane)
