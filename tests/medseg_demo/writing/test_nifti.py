import logging
from itertools import permutations, product

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nifti_files import affine_of, patch, random_nifti
from scipy.spatial.transform import Rotation

from medseg_demo.errors import ReadError
from medseg_demo.image import Geometry, NiftiForms
from medseg_demo.reading.nifti import inspect, read
from medseg_demo.reading.source import open_source
from medseg_demo.settings import Settings
from medseg_demo.writing.nifti import write_nifti

LPS_FROM_RAS = np.diag([-1, -1, 1, 1])
LABELS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
SPACING = (0.5, 0.75, 2.0)
# All ways in which three axes can run along the patient's, in either direction.
ORIENTATIONS = [
    np.eye(3)[list(order)] * signs for order in permutations(range(3)) for signs in product((1, -1), repeat=3)
]
SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)


def geometry_of(path):
    with open_source(path, Settings()) as source:
        layout = inspect(source)
        return read(source, layout, [0]).geometry


def itk_affine(path):
    image = SimpleITK.ReadImage(str(path))
    size = image.GetDimension()
    affine = np.eye(4)
    affine[:3, :3] = (np.reshape(image.GetDirection(), (size, size)) * image.GetSpacing())[:3, :3]
    affine[:3, 3] = image.GetOrigin()[:3]
    return affine


def check_everywhere(path, affine):
    """nibabel, ITK and our reader find this LPS affine, and nibabel in each of the forms that are set."""
    stored = nibabel.load(path)
    assert np.array_equal(np.asarray(stored.dataobj).T, LABELS)
    turned, code = stored.get_qform(coded=True)
    for found in (stored.affine, stored.get_sform(), *([turned] if code else [])):
        assert LPS_FROM_RAS @ found == pytest.approx(affine, abs=1e-3)
    assert itk_affine(path) == pytest.approx(affine, abs=1e-3)
    assert geometry_of(path).affine == pytest.approx(affine, abs=1e-4)
    assert stored.header.get_xyzt_units()[0] == "mm"


@pytest.mark.parametrize("directions", ORIENTATIONS)
def test_all_48_orientations(tmp_path, directions):
    affine = affine_of(directions, SPACING)
    write_nifti(LABELS, Geometry(SPACING[::-1], affine), tmp_path / "a.nii.gz")
    check_everywhere(tmp_path / "a.nii.gz", affine)
    assert nibabel.load(tmp_path / "a.nii.gz").header["qform_code"] == 1


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    angles=st.tuples(st.floats(-3.1, 3.1), st.floats(-1.5, 1.5), st.floats(-3.1, 3.1)),
    spacing=st.tuples(*[st.floats(0.1, 9)] * 3),
    mirrored=st.booleans(),
)
def test_oblique_volumes(tmp_path, angles, spacing, mirrored):
    rotation = Rotation.from_euler("zyx", angles).as_matrix() * (1, 1, -1 if mirrored else 1)
    affine, path = affine_of(rotation, spacing), tmp_path / "a.nii.gz"
    write_nifti(LABELS, Geometry(spacing[::-1], affine), path)
    check_everywhere(path, affine)
    assert nibabel.load(path).header.get_zooms() == pytest.approx(spacing)


@pytest.mark.parametrize("short_of_half_a_turn", [0, 1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 0.1])
@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 0.6, 0.8), (0.577, 0.577, 0.578)])
def test_turns_by_nearly_180_degrees(tmp_path, short_of_half_a_turn, axis):
    turn = Rotation.from_rotvec(np.array(axis) / np.linalg.norm(axis) * (np.pi - short_of_half_a_turn)).as_matrix()
    affine = affine_of(turn, SPACING)
    write_nifti(LABELS, Geometry(SPACING[::-1], affine), tmp_path / "a.nii.gz")
    check_everywhere(tmp_path / "a.nii.gz", affine)


@pytest.mark.parametrize(("angles", "stored"), [((0, 0, 0), 1), ((0.5, 0, 0), 1), ((0, 1, 1 / 512), 0)])
def test_a_turn_that_a_quaternion_cannot_hold_is_left_to_the_matrix(tmp_path, angles, stored):
    affine = affine_of(Rotation.from_euler("zyx", angles).as_matrix(), (1, 1, 1))
    write_nifti(LABELS, Geometry((1.0, 1.0, 1.0), affine), tmp_path / "a.nii.gz")
    image = nibabel.load(tmp_path / "a.nii.gz")
    assert image.header["qform_code"] == stored
    assert LPS_FROM_RAS @ image.affine == pytest.approx(affine, abs=1e-6)


def test_a_tilt_is_kept_and_not_straightened(tmp_path):
    affine = affine_of(np.array([[1, 0, 0], [0, 1, 0.27], [0, 0, 1]]), (0.5, 0.7, 3))
    write_nifti(LABELS, Geometry((3.0, 0.7, 0.5), affine), tmp_path / "a.nii.gz")
    stored = nibabel.load(tmp_path / "a.nii.gz")
    assert LPS_FROM_RAS @ stored.affine == pytest.approx(affine, abs=1e-5)
    assert stored.header["qform_code"] == 0
    assert geometry_of(tmp_path / "a.nii.gz").spacing_mm == pytest.approx((3.0, 0.7, 0.5))


def test_without_an_affine(tmp_path):
    write_nifti(LABELS, Geometry((3.0, 2.0, 1.5)), tmp_path / "a.nii.gz")
    header = nibabel.load(tmp_path / "a.nii.gz").header
    assert header.get_zooms() == pytest.approx((1.5, 2, 3))
    assert (header["sform_code"], header["qform_code"]) == (0, 0)
    assert geometry_of(tmp_path / "a.nii.gz").spacing_mm == pytest.approx((3.0, 2.0, 1.5))
    write_nifti(LABELS, Geometry(), tmp_path / "b.nii.gz")
    assert nibabel.load(tmp_path / "b.nii.gz").header.get_xyzt_units()[0] == "unknown"


def test_an_image_with_an_affine_is_one_slice(tmp_path):
    write_nifti(LABELS[0], Geometry((0.7, 0.5), affine_of(np.eye(3), (0.5, 0.7, 1))), tmp_path / "a.nii.gz")
    assert nibabel.load(tmp_path / "a.nii.gz").shape == (4, 3, 1)
    write_nifti(LABELS[0], Geometry((0.7, 0.5)), tmp_path / "b.nii.gz")
    assert nibabel.load(tmp_path / "b.nii.gz").shape == (4, 3)


def test_the_same_content_gives_the_same_bytes(tmp_path):
    for name in "ab":
        write_nifti(LABELS, Geometry(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("dtype", ["u1", "u2", ">u2", "i2", "i4"])
def test_values_come_back_as_they_are(tmp_path, dtype):
    values = LABELS.astype(dtype) * (1 if dtype == "u1" else 1000)
    write_nifti(np.asfortranarray(values), Geometry(), tmp_path / "a.nii.gz")
    stored = nibabel.load(tmp_path / "a.nii.gz")
    assert np.array_equal(np.asarray(stored.dataobj).T, values)
    assert stored.header.get_slope_inter() in ((1, 0), (None, None))


def test_an_axis_beyond_nifti_1_makes_it_nifti_2(tmp_path):
    for length, kind in ((32_767, nibabel.Nifti1Image), (32_768, nibabel.Nifti2Image)):
        labels = np.zeros((2, length), np.uint8)
        labels[1, -1] = 3
        write_nifti(labels, Geometry((0.25, 0.25)), tmp_path / "a.nii.gz")
        stored = nibabel.load(tmp_path / "a.nii.gz")
        assert type(stored) is kind
        assert np.array_equal(np.asarray(stored.dataobj).T, labels)
        assert geometry_of(tmp_path / "a.nii.gz").spacing_mm == (0.25, 0.25)


# ---------------------------------------------------------------- on the image, whichever form a program prefers
HERE = affine_of(Rotation.from_euler("zyx", (0.3, 0.1, -0.2)).as_matrix(), SPACING)
THERE = affine_of(np.eye(3), SPACING, (1, 2, 3))


def save_image(path, qform, qform_code, sform, sform_code):
    image = nibabel.Nifti1Image(LABELS.T, None)
    image.set_qform(qform, qform_code)
    image.set_sform(sform, sform_code)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("qform_code", range(6))
@pytest.mark.parametrize("sform_code", range(6))
def test_labels_lie_on_an_image_of_two_transforms(tmp_path, qform_code, sform_code):
    path = save_image(tmp_path / "i.nii", HERE, qform_code, THERE, sform_code)
    geometry = geometry_of(path)
    write_nifti(LABELS, geometry, tmp_path / "l.nii.gz")
    image, labels = nibabel.load(path), nibabel.load(tmp_path / "l.nii.gz")
    assert labels.affine == pytest.approx(image.affine, abs=1e-5)
    assert itk_affine(tmp_path / "l.nii.gz") == pytest.approx(itk_affine(path), abs=1e-5)
    for name in ("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x"):
        if qform_code or "q" not in name:
            assert labels.header[name] == image.header[name]


@pytest.mark.parametrize("pixdim", [(1, 1, 1, 1), (-1, 0.5, 0.75, 2), (1, -0.5, 0.75, -2), (0, 0.5, 0, 2)])
@pytest.mark.parametrize("codes", [(0, 0), (1, 0), (0, 1), (1, 1), (1, 2)])
def test_voxel_sizes_are_kept_even_where_they_contradict(tmp_path, pixdim, codes):
    path = save_image(tmp_path / "i.nii", HERE, codes[0], HERE, codes[1])
    patch(path, pixdim=[*pixdim, 1, 1, 1, 1])
    write_nifti(LABELS, geometry_of(path), tmp_path / "l.nii.gz")
    assert itk_affine(tmp_path / "l.nii.gz") == pytest.approx(itk_affine(path), abs=1e-5)
    assert nibabel.load(tmp_path / "l.nii.gz").affine == pytest.approx(nibabel.load(path).affine, abs=1e-5)


def test_labels_of_a_slightly_sheared_image_load_in_itk_as_the_image_does(tmp_path):
    sheared = THERE.copy()
    sheared[0, 1] += 0.01
    path = save_image(tmp_path / "i.nii", THERE, 1, sheared, 1)
    write_nifti(LABELS, geometry_of(path), tmp_path / "l.nii.gz")
    assert itk_affine(tmp_path / "l.nii.gz") == pytest.approx(itk_affine(path), abs=1e-5)
    assert nibabel.load(tmp_path / "l.nii.gz").affine == pytest.approx(sheared, abs=1e-6)


@pytest.mark.parametrize(("code", "factor"), [(1, 1000), (3, 0.001)])
def test_other_units_become_millimetres(tmp_path, code, factor):
    path = patch(save_image(tmp_path / "i.nii", HERE, 1, HERE, 1), xyzt_units=code)
    write_nifti(LABELS, geometry_of(path), tmp_path / "l.nii.gz")
    assert itk_affine(tmp_path / "l.nii.gz") == pytest.approx(itk_affine(path), rel=1e-5, abs=1e-5 * factor)
    stored = nibabel.load(tmp_path / "l.nii.gz")
    assert stored.header.get_xyzt_units()[0] == "mm"
    assert stored.header.get_zooms() == pytest.approx(np.array(SPACING) * factor)


def test_an_unknown_unit_stays_unknown(tmp_path):
    path = patch(save_image(tmp_path / "i.nii", HERE, 1, HERE, 1), xyzt_units=5)
    write_nifti(LABELS, geometry_of(path), tmp_path / "l.nii.gz")
    stored = nibabel.load(tmp_path / "l.nii.gz")
    assert stored.header.get_xyzt_units()[0] == "unknown"
    assert stored.affine == pytest.approx(HERE, abs=1e-5)


def test_transforms_that_are_no_longer_the_image_s_are_dropped(tmp_path):
    forms = NiftiForms(HERE, 1, HERE, 2, (1, *SPACING))
    moved = LPS_FROM_RAS @ THERE
    write_nifti(LABELS, Geometry(SPACING[::-1], moved, forms), tmp_path / "a.nii.gz")
    assert nibabel.load(tmp_path / "a.nii.gz").affine == pytest.approx(THERE, abs=1e-6)
    write_nifti(LABELS, Geometry((9.0, 8.0, 7.0), None, forms), tmp_path / "b.nii.gz")
    assert nibabel.load(tmp_path / "b.nii.gz").header.get_zooms() == (7, 8, 9)


def test_labels_lie_on_random_images_in_nibabel(tmp_path):
    rng, seen = np.random.default_rng(1), 0
    logging.disable(logging.CRITICAL)  # nibabel logs what it mends
    try:
        for number in range(200):
            path, header = random_nifti(rng, tmp_path, number)
            found = read_both(path)
            is_in_mm = int(header["xyzt_units"]) & 7 not in (1, 3)
            if found is None or not is_in_mm or any("singular" in note for note in found[1].notes):
                continue
            shape, raw, right = found
            if len(shape) < 3 or not np.isfinite(right).all():
                continue
            write_nifti(np.zeros(shape, np.uint8), raw.geometry, tmp_path / "l.nii.gz")
            assert np.allclose(nibabel.load(tmp_path / "l.nii.gz").affine, right, rtol=1e-5, atol=1e-4), number
            seen += 1
    finally:
        logging.disable(logging.NOTSET)
    assert seen > 50


def read_both(path):
    """The shape, what we read, and nibabel's affine; None where one of us refuses."""
    try:
        with open_source(path, Settings()) as source:
            layout = inspect(source)
            raw = read(source, layout, [0])
    except ReadError:
        return None
    try:
        return layout.shape, raw, nibabel.load(path).affine
    except (ValueError, nibabel.spatialimages.HeaderDataError):
        return None
