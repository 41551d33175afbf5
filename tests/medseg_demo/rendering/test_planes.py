from itertools import permutations, product

import nibabel
import numpy as np
import pytest

from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.reading import read_image
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
    assert [view.axes for view in views] == [[0, 1, 2], [1, 0, 2], [2, 0, 1]]
    assert [view.count for view in views] == [2, 3, 4]
    assert [view.size for view in views] == [[3, 4], [2, 4], [2, 3]]
    assert [view.spacing_mm for view in views] == [[2.0, 1.0], [3.0, 1.0], [3.0, 2.0]]
    assert [view.name for view in views] == ["Across z", "Across y", "Across x"]  # how the patient lies is unknown


def test_without_an_affine_nothing_is_turned_flipped_or_lettered():
    view = plane_view(volume(), "coronal")
    assert (view.axes, view.flips, view.orientation) == ([1, 0, 2], [False, False], None)


# The columns of an affine are the directions of x, y and z in the patient (left, back, head).
LPS, RAS = np.diag([1.0, 2, 3, 1]), np.diag([-1.0, -2, 3, 1])
SAGITTAL_SERIES = np.array([[0, 0, 3.0, 0], [1, 0, 0, 0], [0, -2, 0, 0], [0, 0, 0, 1]])


LETTERS = {
    "Axial": {"left": "R", "right": "L", "top": "A", "bottom": "P"},
    "Coronal": {"left": "R", "right": "L", "top": "S", "bottom": "I"},
    "Sagittal": {"left": "A", "right": "P", "top": "S", "bottom": "I"},
}


@pytest.mark.parametrize(
    ("affine", "axes", "flips"),
    [
        # z runs to the head, so it is turned over
        (LPS, [[0, 1, 2], [1, 0, 2], [2, 0, 1]], [[False, False], [True, False], [True, False]]),
        (RAS, [[0, 1, 2], [1, 0, 2], [2, 0, 1]], [[True, True], [True, True], [True, True]]),
        # x runs to the back, y to the feet, z to the left: left and right lie across a picture, never down it
        (SAGITTAL_SERIES, [[0, 1, 2], [1, 2, 0], [2, 1, 0]], [[False, False], [False, False], [False, False]]),
    ],
)
def test_head_front_and_right_side_lie_where_they_are_expected(affine, axes, flips):
    views = [plane_view(volume(affine), plane) for plane in PLANES]
    assert [view.axes for view in views] == axes
    assert [view.flips for view in views] == flips
    assert {view.name: view.orientation for view in views} == LETTERS


def test_size_and_spacing_turn_with_the_picture():
    view = plane_view(volume(SAGITTAL_SERIES), "coronal")
    assert (view.count, view.size, view.spacing_mm) == (3, [4, 2], [1.0, 3.0])


PATIENT = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)  # to the head, the back and the left
OBLIQUE = np.linalg.qr([[1, -0.3, 0.2], [0.3, 1, -0.25], [-0.2, 0.25, 1]])[0]
OBLIQUE = OBLIQUE * np.sign(np.diag(OBLIQUE))


@pytest.mark.parametrize("turn", [np.eye(3), OBLIQUE], ids=["straight", "oblique"])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_every_way_of_storing_a_patient_is_shown_alike(order, turn):
    """Nibabel stores one volume in all 48 ways; each plane must show the very same pictures."""
    expected = {
        "Axial": list(PATIENT),
        "Coronal": [PATIENT[::-1, y] for y in range(3)],
        "Sagittal": [PATIENT[::-1, :, x] for x in range(4)],
    }
    to_ras = np.eye(4)
    to_ras[:3, :3] = np.diag([-1, -1, 1]) @ turn
    stored = nibabel.Nifti1Image(PATIENT.transpose(2, 1, 0), to_ras)
    for signs in product((1, -1), repeat=3):
        other = stored.as_reoriented(np.column_stack([order, signs]))
        affine = np.diag([-1.0, -1, 1, 1]) @ other.affine
        pixels = np.asarray(other.dataobj).transpose(2, 1, 0)
        image = MedicalImage(pixels, "ZYX", Geometry((1.0, 1.0, 1.0), affine), "v", "NIfTI", 16, (0.0, 23.0))
        for plane in PLANES:
            view = plane_view(image, plane)
            assert {side: letters[0] for side, letters in view.orientation.items()} == LETTERS[view.name]
            shown = [oriented(cut(pixels, plane, index), view) for index in range(view.count)]
            if not np.array_equal(shown, expected[view.name]):  # then slices run the other way
                np.testing.assert_array_equal(shown[::-1], expected[view.name])


def test_planes_are_named_after_what_they_cut():
    names = [plane_view(volume(SAGITTAL_SERIES), plane).name for plane in PLANES]
    assert names == ["Sagittal", "Axial", "Coronal"]


def test_an_oblique_affine_gives_no_name_twice():
    turn = np.eye(4)
    turn[:3, :3] = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    assert len({plane_view(volume(turn), plane).name for plane in PLANES}) == 3


def test_pictures_are_turned_as_their_view_says():
    picture = np.array([[1, 2, 3], [4, 5, 6]])
    views = {affine is RAS: plane_view(volume(affine), "axial") for affine in (LPS, RAS)}
    assert oriented(picture, views[False]).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert oriented(picture, views[True]).tolist() == [[6, 5, 4], [3, 2, 1]]
    turned = plane_view(volume(SAGITTAL_SERIES), "sagittal")
    assert oriented(picture, turned).tolist() == [[1, 4], [2, 5], [3, 6]]
    colour = np.stack([picture] * 3, axis=-1)
    assert oriented(colour, turned).shape == (3, 2, 3)


def test_a_dicom_image_stays_as_it_is_stored():
    image = MedicalImage(np.zeros((2, 2), np.uint8), "YX", Geometry((1.0, 1.0), RAS), "x", "DICOM", 8, (0.0, 1.0))
    assert planes_of(image) == ("axial",)
    assert plane_view(image, "axial").flips == [False, False]


@pytest.mark.parametrize(
    ("codes", "name", "expected"),
    [
        (("R", "A", "S"), "Axial", [[6, 5, 4], [3, 2, 1]]),  # stored from the left and from behind
        (("L", "P", "S"), "Axial", [[1, 2, 3], [4, 5, 6]]),
        (("S", "A", "R"), "Sagittal", [[6, 3], [5, 2], [4, 1]]),  # rows run to the head, so they stand upright
    ],
)
def test_an_image_of_another_format_is_turned_like_a_volume(tmp_path, codes, name, expected):
    pixels = np.array([[1, 2, 3], [4, 5, 6]], np.int16)
    affine = nibabel.orientations.inv_ornt_aff(nibabel.orientations.axcodes2ornt(codes), (1, 1, 1))
    nibabel.save(nibabel.Nifti1Image(pixels.T, affine), tmp_path / "flat.nii")
    image = read_image(tmp_path / "flat.nii")
    assert not image.is_volume
    view = plane_view(image, "axial")
    assert (view.name, view.orientation, view.size) == (name, LETTERS[name], list(np.shape(expected)))
    assert oriented(image.pixels, view).tolist() == expected


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
