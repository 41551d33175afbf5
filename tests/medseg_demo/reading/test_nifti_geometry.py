import nibabel
import numpy as np
import pytest
from nifti_files import affine_of, patch, save
from scipy.spatial.transform import Rotation

from medseg_demo.reading import read_image

LPS_FROM_RAS = np.diag([-1, -1, 1, 1])
AFFINE = affine_of(Rotation.from_euler("zyx", (0.3, 0.1, -0.2)).as_matrix(), (0.5, 0.75, 2.0))


def test_qform_alone(tmp_path, volume):
    handed = AFFINE @ np.diag([1, 1, -1, 1])
    written = nibabel.Nifti1Image(volume.T, None)
    written.set_qform(handed, code=1)
    nibabel.save(written, tmp_path / "a.nii")
    assert read_image(tmp_path / "a.nii").geometry.affine == pytest.approx(LPS_FROM_RAS @ handed, abs=1e-5)


def test_no_transform_leaves_the_spacing_alone(tmp_path, volume):
    path = save(tmp_path / "a.nii", volume.T, None, qform_code=0, sform_code=0, pixdim=[1, 0.5, -0.75, 2, 0, 0, 0, 0])
    geometry = read_image(path).geometry
    assert geometry.affine is None
    assert geometry.spacing_mm == pytest.approx((2.0, 0.75, 0.5))


@pytest.mark.parametrize("size", [0, np.nan, np.inf])
@pytest.mark.parametrize("code", [0, 1])
def test_unusable_sizes_leave_the_spacing_unknown(tmp_path, volume, size, code):
    written = nibabel.Nifti1Image(volume.T, None)
    written.set_qform(AFFINE, code)
    nibabel.save(written, tmp_path / "a.nii")
    image = read_image(patch(tmp_path / "a.nii", pixdim=[1, 0.5, size, 2, 1, 1, 1, 1], sform_code=0))
    assert (image.geometry.spacing_mm, image.geometry.affine) == (None, None)
    assert "pixdim" in image.notes[0]


@pytest.mark.parametrize(("qfac", "handedness"), [(1, 1), (-1, -1), (0, 1)])
def test_sizes_count_without_their_signs(tmp_path, volume, qfac, handedness):
    written = nibabel.Nifti1Image(volume.T, None)
    written.set_qform(AFFINE, 1)
    nibabel.save(written, tmp_path / "a.nii")
    image = read_image(patch(tmp_path / "a.nii", pixdim=[qfac, -0.5, 0.75, -2, 1, 1, 1, 1]))
    assert image.geometry.affine == pytest.approx(LPS_FROM_RAS @ AFFINE @ np.diag([1, 1, handedness, 1]), abs=1e-5)
    assert image.geometry.spacing_mm == pytest.approx((2.0, 0.75, 0.5))
    assert "negative" in image.notes[0]


@pytest.mark.parametrize(("code", "factor"), [(1, 1000), (2, 1), (3, 0.001), (0, 1), (10, 1), (11, 0.001)])
def test_units(tmp_path, volume, code, factor):
    geometry = read_image(save(tmp_path / "a.nii", volume.T, AFFINE, xyzt_units=code)).geometry
    assert geometry.spacing_mm == pytest.approx(np.array((2.0, 0.75, 0.5)) * factor, rel=1e-6)
    assert geometry.affine[:3] == pytest.approx((LPS_FROM_RAS @ AFFINE)[:3] * factor, rel=1e-6)


def test_an_unknown_unit_leaves_the_spacing_unknown(tmp_path, volume):
    image = read_image(save(tmp_path / "a.nii", volume.T, AFFINE, xyzt_units=5))
    assert (image.geometry.spacing_mm, image.geometry.affine) == (None, None)
    assert "unit of code 5" in image.notes[0]


def both_forms(path, volume, qform, sform, codes=(1, 2)):
    written = nibabel.Nifti1Image(volume.T, None)
    written.set_qform(qform, codes[0])
    written.set_sform(sform, codes[1])
    nibabel.save(written, path)
    return path


def test_both_transforms_are_kept_and_a_conflict_is_said(tmp_path, volume):
    other = affine_of(np.eye(3), (0.5, 0.75, 2.0))
    image = read_image(both_forms(tmp_path / "a.nii", volume, other, AFFINE))
    forms = image.geometry.nifti_forms
    assert image.geometry.affine == pytest.approx(LPS_FROM_RAS @ AFFINE, abs=1e-5)
    assert (forms.qform_code, forms.sform_code) == (1, 2)
    assert forms.qform == pytest.approx(other, abs=1e-5)
    assert forms.sform == pytest.approx(AFFINE, abs=1e-5)
    assert forms.pixdim == pytest.approx((1, 0.5, 0.75, 2))
    corners = np.array([(x, y, z, 1) for x in (0, 6) for y in (0, 5) for z in (0, 4)])
    apart = np.linalg.norm((corners @ (AFFINE - other).T)[:, :3], axis=1).max()
    assert f"up to {apart:.3g} mm apart" in image.notes[0]
    assert read_image(both_forms(tmp_path / "b.nii", volume, AFFINE, AFFINE)).notes == ()


@pytest.mark.parametrize(("degrees", "is_noted"), [(0.3, False), (3, True), (20, True)])
def test_a_sheared_sform_counts_as_it_is(tmp_path, volume, degrees, is_noted):
    sheared = affine_of(np.eye(3), (1.0, 1.5, 2.0))
    sheared[0, 1] = 1.5 * np.tan(np.radians(degrees))
    image = read_image(save(tmp_path / "a.nii", volume.T, sheared, qform_code=0))
    assert image.geometry.affine == pytest.approx(LPS_FROM_RAS @ sheared, abs=1e-5)
    assert image.geometry.spacing_mm == pytest.approx((2.0, 1.5, 1.0), rel=1e-5)
    assert np.prod(image.geometry.spacing_mm) == pytest.approx(np.linalg.det(sheared[:3, :3]), rel=1e-6)
    assert ("right angles" in " ".join(image.notes)) == is_noted


def test_voxel_sizes_that_contradict_the_sform_are_said(tmp_path, volume):
    path = patch(save(tmp_path / "a.nii", volume.T, AFFINE), pixdim=[1, 1, 1, 1, 1, 1, 1, 1], qform_code=0)
    image = read_image(path)
    assert image.geometry.spacing_mm == pytest.approx((2.0, 0.75, 0.5))
    assert image.notes == (
        "Its voxel sizes (pixdim, 1 × 1 × 1 mm) contradict its sform (0.5 × 0.75 × 2 mm), which counts here.",
    )


@pytest.mark.parametrize("qform_code", [0, 1])
def test_a_singular_transform_is_ignored_with_a_note(tmp_path, volume, qform_code):
    path = save(tmp_path / "a.nii", volume.T, AFFINE)
    image = read_image(patch(path, srow_x=0, srow_y=0, srow_z=0, qform_code=qform_code))
    if qform_code:
        assert image.geometry.affine == pytest.approx(LPS_FROM_RAS @ AFFINE, abs=1e-5)
    else:
        assert image.geometry.affine is None
        assert image.geometry.spacing_mm == pytest.approx((2.0, 0.75, 0.5))
    assert "sform" in image.notes[0]
    assert "singular" in image.notes[0]


def test_a_half_turn_whose_quaternion_was_rounded_up_is_read(tmp_path, volume):
    path = both_forms(tmp_path / "a.nii", volume, AFFINE, AFFINE)
    patch(path, sform_code=0, quatern_b=0.6, quatern_c=0.8000003, quatern_d=0)
    found = read_image(path).geometry.affine
    turn = 2 * np.outer((0.6, 0.8, 0), (0.6, 0.8, 0)) - np.eye(3)
    assert found == pytest.approx(LPS_FROM_RAS @ affine_of(turn, (0.5, 0.75, 2.0)), abs=1e-5)
