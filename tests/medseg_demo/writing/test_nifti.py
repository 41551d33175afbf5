import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from medseg_demo.image import Geometry
from medseg_demo.reading import read_image
from medseg_demo.writing.nifti import write_nifti

LPS_FROM_RAS = np.diag([-1, -1, 1, 1])
LABELS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def affine_of(rotation, spacing, origin=(-10, 20, 30)):
    affine = np.eye(4)
    affine[:3, :3] = rotation * spacing
    affine[:3, 3] = origin
    return affine


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    angles=st.tuples(st.floats(-3.1, 3.1), st.floats(-1.5, 1.5), st.floats(-3.1, 3.1)),
    spacing=st.tuples(*[st.floats(0.1, 9)] * 3),
    mirrored=st.booleans(),
)
def test_two_libraries_and_our_reader_find_the_affine(tmp_path, angles, spacing, mirrored):
    rotation = Rotation.from_euler("zyx", angles).as_matrix() * (1, 1, -1 if mirrored else 1)
    affine, path = affine_of(rotation, spacing), tmp_path / "a.nii.gz"
    write_nifti(LABELS, Geometry(spacing[::-1], affine), path)
    stored = nibabel.load(path)
    assert np.array_equal(np.asarray(stored.dataobj).T, LABELS)
    turned, code = stored.get_qform(coded=True)
    for found in (stored.affine, stored.get_sform(), *([turned] if code else [])):
        assert LPS_FROM_RAS @ found == pytest.approx(affine, abs=1e-3)
    assert stored.header.get_zooms() == pytest.approx(spacing)
    assert stored.header.get_xyzt_units()[0] == "mm"
    itk = SimpleITK.ReadImage(str(path))
    assert itk.GetSize() == (4, 3, 2)
    for index in ((0, 0, 0), (3, 2, 1)):
        place = itk.TransformContinuousIndexToPhysicalPoint(index)
        assert place == pytest.approx((affine @ [*index, 1])[:3], abs=1e-3)
    assert read_image(path).geometry.affine == pytest.approx(affine, abs=1e-4)


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


def test_without_an_affine(tmp_path):
    write_nifti(LABELS, Geometry((3.0, 2.0, 1.5)), tmp_path / "a.nii.gz")
    header = nibabel.load(tmp_path / "a.nii.gz").header
    assert header.get_zooms() == pytest.approx((1.5, 2, 3))
    assert (header["sform_code"], header["qform_code"]) == (0, 0)
    assert read_image(tmp_path / "a.nii.gz").geometry.spacing_mm == pytest.approx((3.0, 2.0, 1.5))
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
