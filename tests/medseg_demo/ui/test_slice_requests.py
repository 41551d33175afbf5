import numpy as np
import pytest

from medseg_demo.errors import OptionError
from medseg_demo.ui.slice_requests import wanted_channels, wanted_slices


def test_only_slices_that_are_there_are_sent(make_image):
    volume = make_image(np.zeros((3, 5, 7), np.uint8), "ZYX")
    asked = [6, 4, 2, 0, -1, 99]
    assert wanted_slices(volume, "axial", asked) == [2, 0]
    assert wanted_slices(volume, "coronal", asked) == [4, 2, 0]
    assert wanted_slices(volume, "sagittal", asked) == [6, 4, 2, 0]
    with pytest.raises(OptionError, match="no plane 'oblique'"):
        wanted_slices(volume, "oblique", [0])
    with pytest.raises(OptionError, match=r"no plane 'coronal'\. Choose one of: axial"):
        wanted_slices(make_image(np.zeros((5, 7), np.uint8), "YX"), "coronal", [0])


def test_only_channels_that_are_there_are_sent(make_image):
    image = make_image(np.zeros((5, 7, 4), np.uint8), "YXC")
    assert wanted_channels(image, [2, 9, -1, "1", None, 0]) == [2, 0]
    for nothing in (None, [], "12", {"0": 1}):
        assert wanted_channels(image, nothing) == [0]
