import numpy as np
import pytest

from medseg_demo.image import Geometry, LabelMap, MedicalImage, spacing_of


@pytest.mark.parametrize(
    ("shape", "axes", "spatial", "channels", "slices"),
    [
        ((4, 5), "YX", (4, 5), 1, (1, 4, 5, 1)),
        ((4, 5, 3), "YXC", (4, 5), 3, (1, 4, 5, 3)),
        ((2, 4, 5), "ZYX", (2, 4, 5), 1, (2, 4, 5, 1)),
        ((2, 4, 5, 3), "ZYXC", (2, 4, 5), 3, (2, 4, 5, 3)),
    ],
)
def test_axes_decide_what_the_shape_means(shape, axes, spatial, channels, slices):
    image = MedicalImage(np.zeros(shape), axes, Geometry(), "x", "NPY", 8, (0, 1))
    assert image.shape == spatial
    assert image.channels == channels
    assert image.slices.shape == slices
    assert np.shares_memory(image.slices, image.pixels)
    assert image.is_volume == (len(spatial) == 3)


def test_the_intensity_range_and_notes():
    image = MedicalImage(np.array([[3, 9]]), "YX", Geometry(), "x", "NPY", 8, (0, 1), notes=("a",))
    assert image.intensity_range == (3, 9)
    assert image.with_note("b").notes == ("a", "b")
    assert image.notes == ("a",)


def test_a_label_map_gives_the_mask_of_a_class():
    labels = LabelMap(np.array([[0, 2]], np.uint8), ("a", "b"))
    assert labels.mask(2).tolist() == [[False, True]]
    assert not labels.is_volume


def test_the_spacing_of_an_affine_gives_the_voxels_volume_even_where_it_leans():
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, -1, 0], [1, 0, 0.4], [0, 0, 1]]) * (0.5, 0.75, 3)
    assert spacing_of(affine) == pytest.approx((3, 0.75, 0.5))
    assert np.prod(spacing_of(affine)) == pytest.approx(abs(np.linalg.det(affine[:3, :3])))
