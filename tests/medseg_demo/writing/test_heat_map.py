"""Heat maps as files: the figures come back, in the image's own place."""

import nibabel
import numpy as np
import pytest
from PIL import Image

from medseg_demo.errors import OptionError
from medseg_demo.image import Geometry, HeatMap
from medseg_demo.writing.heat_map import heat_map_formats, write_heat_map

PLANE = HeatMap("unsure", np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4))
VOLUME = HeatMap("unsure", np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 3, 4))


def test_a_png_is_grey_of_16_bits(tmp_path):
    path = write_heat_map(PLANE, Geometry(), tmp_path / "a")
    assert path.name == "a.png"
    with Image.open(path) as picture:
        np.testing.assert_allclose(np.asarray(picture) / 65535, PLANE.values, atol=0.5 / 65535)


def test_nifti_keeps_figures_and_place(tmp_path):
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    path = write_heat_map(VOLUME, Geometry((4.0, 3.0, 2.0), affine), tmp_path / "a")
    stored = nibabel.load(path)
    np.testing.assert_array_equal(stored.get_fdata(dtype=np.float32).T, VOLUME.values)
    np.testing.assert_allclose(stored.affine, np.diag([-1, -1, 1, 1]) @ affine)


def test_npy_is_the_array(tmp_path):
    path = write_heat_map(VOLUME, Geometry(), tmp_path / "a", file_format="npy")
    np.testing.assert_array_equal(np.load(path), VOLUME.values)


def test_a_volume_is_no_png(tmp_path):
    assert "png" in heat_map_formats(PLANE)
    with pytest.raises(OptionError, match="Choose one of: nifti, npy"):
        write_heat_map(VOLUME, Geometry(), tmp_path / "a", file_format="png")
    with pytest.raises(OptionError, match="auto"):
        write_heat_map(VOLUME, Geometry(), tmp_path / "a", file_format="bmp")
