import numpy as np
import pytest

from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.rendering import PLANES, cut, oriented, plane_view
from medseg_demo.rendering.planes import orientation_letters, planes_of


def volume(affine: np.ndarray | None = None) -> MedicalImage:
    pixels = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    return MedicalImage(pixels, "ZYX", Geometry((3.0, 2.0, 1.0), affine), "v", "NIfTI", 16, (0.0, 23.0))


def test_planes_are_those_of_the_array():
    pixels = volume().slices
    assert cut(pixels, "axial", 1)[..., 0].tolist() == [[12, 13, 14, 15], [16, 17, 18, 19], [20, 21, 22, 23]]
    assert cut(pixels, "coronal", 2)[..., 0].tolist() == [[8, 9, 10, 11], [20, 21, 22, 23]]
    assert cut(pixels, "sagittal", 3)[..., 0].tolist() == [[3, 7, 11], [15, 19, 23]]


def test_their_size_and_spacing():
    views = [plane_view(volume(), plane) for plane in PLANES]
    assert [view.count for view in views] == [2, 3, 4]
    assert [view.size for view in views] == [[3, 4], [2, 4], [2, 3]]
    assert [view.spacing_mm for view in views] == [[2.0, 1.0], [3.0, 1.0], [3.0, 2.0]]
    assert [view.name for view in views] == ["Axial", "Coronal", "Sagittal"]


def test_without_an_affine_nothing_is_flipped_or_lettered():
    view = plane_view(volume(), "coronal")
    assert (view.flips, view.orientation) == ([False, False], None)


# The columns of an affine are the directions of x, y and z in the patient (left, back, head).
LPS, RAS = np.diag([1.0, 2, 3, 1]), np.diag([-1.0, -2, 3, 1])
SAGITTAL_SERIES = np.array([[0, 0, 3.0, 0], [1, 0, 0, 0], [0, -2, 0, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize(
    ("affine", "flips"),
    [
        (LPS, [[False, False], [True, False], [True, False]]),  # z runs to the head, so it is turned over
        (RAS, [[True, True], [True, True], [True, True]]),
        (SAGITTAL_SERIES, [[False, False], [False, False], [False, True]]),
    ],
)
def test_head_front_and_right_side_lie_where_they_are_expected(affine, flips):
    views = [plane_view(volume(affine), plane) for plane in PLANES]
    assert [view.flips for view in views] == flips
    by_name = {view.name: view.orientation for view in views}
    if affine is not SAGITTAL_SERIES:
        assert by_name == {
            "Axial": {"left": "R", "right": "L", "top": "A", "bottom": "P"},
            "Coronal": {"left": "R", "right": "L", "top": "S", "bottom": "I"},
            "Sagittal": {"left": "A", "right": "P", "top": "S", "bottom": "I"},
        }


def test_planes_are_named_after_what_they_cut():
    names = [plane_view(volume(SAGITTAL_SERIES), plane).name for plane in PLANES]
    assert names == ["Sagittal", "Axial", "Coronal"]


def test_an_oblique_affine_gives_no_name_twice():
    turn = np.eye(4)
    turn[:3, :3] = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    assert len({plane_view(volume(turn), plane).name for plane in PLANES}) == 3


def test_pictures_are_turned_as_their_flips_say():
    picture = np.array([[1, 2], [3, 4]])
    assert oriented(picture, [True, False]).tolist() == [[3, 4], [1, 2]]
    assert oriented(picture, [False, True]).tolist() == [[2, 1], [4, 3]]


def test_a_single_image_stays_as_it_is_stored():
    image = MedicalImage(np.zeros((2, 2), np.uint8), "YX", Geometry((1.0, 1.0), RAS), "x", "DICOM", 8, (0.0, 1.0))
    assert planes_of(image) == ("axial",)
    assert plane_view(image, "axial").flips == [False, False]


@pytest.mark.parametrize(
    ("affine", "letters"),
    [
        (np.diag([1.0, 1, 1, 1]), {"left": "R", "right": "L", "top": "A", "bottom": "P"}),
        (np.diag([-1.0, -1, 1, 1]), {"left": "L", "right": "R", "top": "P", "bottom": "A"}),
        # columns run to the back, rows to the feet: a sagittal slice
        (
            np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]]),
            {"left": "A", "right": "P", "top": "S", "bottom": "I"},
        ),
        # columns run 30° off the left, towards the back
        (
            np.array([[0.866, 0, 0, 0], [0.5, 0.866, 0, 0], [0, 0.5, 1, 0], [0, 0, 0, 1.0]]),
            {"left": "RA", "right": "LP", "top": "AI", "bottom": "PS"},
        ),
    ],
)
def test_orientation_letters(affine, letters):
    assert orientation_letters(affine) == letters
