import contextlib
import gzip
import struct

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, ReadError, UnsupportedImageError
from medseg_demo.reading import count_volumes, read_image
from medseg_demo.settings import Settings

OBLIQUE = np.array([[1.9, 0.2, 0.1, -7], [-0.2, 1.9, -0.3, 8], [-0.1, 0.2, 3.1, 9], [0, 0, 0, 1]])


def right_angled(affine, spacing):
    left, _, right = np.linalg.svd(affine[:3, :3])
    turned = affine.copy()
    turned[:3, :3] = left @ right @ np.diag(spacing)
    return turned


AFFINE = right_angled(OBLIQUE, (0.5, 0.75, 2.0))


def save(path, array, affine=AFFINE, kind=nibabel.Nifti1Image, **header):
    image = kind(array, affine)
    for key, value in header.items():
        image.header[key] = value
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_volume_as_nibabel_wrote_it(tmp_path, volume, name, kind, dtype):
    stored = (volume.T if dtype not in ("u1", "i1") else volume.T // 10).astype(dtype)
    image = read_image(save(tmp_path / name, stored, kind=kind).rename(tmp_path / "noextension"))
    assert np.array_equal(image.pixels, stored.T)
    assert image.axes == "ZYX"
    assert image.file_format == "NIfTI"
    assert image.bit_depth == np.dtype(dtype).itemsize * 8
    assert image.geometry.spacing_mm == pytest.approx((2.0, 0.75, 0.5), rel=1e-6)
    assert image.geometry.affine == pytest.approx(np.diag([-1, -1, 1, 1]) @ AFFINE, rel=1e-6)


def test_geometry_agrees_with_itk(tmp_path, volume):
    path = tmp_path / "a.nii.gz"
    written = SimpleITK.GetImageFromArray(volume)
    written.SetSpacing((0.5, 0.75, 2.0))
    written.SetOrigin((10, -20, 30))
    written.SetDirection(SimpleITK.Euler3DTransform((0, 0, 0), 0.1, 0.2, 0.3).GetMatrix())
    SimpleITK.WriteImage(written, str(path))
    image = read_image(path)
    assert np.array_equal(image.pixels, volume)
    assert image.geometry.spacing_mm == pytest.approx((2.0, 0.75, 0.5))
    for index in ((0, 0, 0), (3, 2, 1)):
        expected = written.TransformContinuousIndexToPhysicalPoint(index)
        assert (image.geometry.affine @ [*index, 1])[:3] == pytest.approx(expected, abs=1e-4)


def test_qform_alone(tmp_path, volume):
    handed = AFFINE @ np.diag([1, 1, -1, 1])
    path = tmp_path / "a.nii"
    written = nibabel.Nifti1Image(volume.T, None)
    written.set_qform(handed, code=1)
    nibabel.save(written, path)
    assert read_image(path).geometry.affine == pytest.approx(np.diag([-1, -1, 1, 1]) @ handed, abs=1e-5)


def test_no_transform_leaves_the_spacing_alone(tmp_path, volume):
    path = save(tmp_path / "a.nii", volume.T, None, qform_code=0, sform_code=0, pixdim=[1, 0.5, 0.75, 2, 0, 0, 0, 0])
    geometry = read_image(path).geometry
    assert geometry.affine is None
    assert geometry.spacing_mm == pytest.approx((2.0, 0.75, 0.5))


@pytest.mark.parametrize("size", [0, np.nan, np.inf])
def test_unusable_spacing_is_unknown(tmp_path, volume, size):
    path = save(tmp_path / "a.nii", volume.T, None, qform_code=0, sform_code=0)
    content = bytearray(path.read_bytes())
    struct.pack_into("<f", content, 76 + 8, size)
    path.write_bytes(content)
    assert read_image(path).geometry.spacing_mm is None


def test_big_endian(tmp_path, volume):
    path = tmp_path / "a.nii"
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    nibabel.save(nibabel.Nifti1Image(volume.T.astype(">i2"), AFFINE, header), path)
    image = read_image(path)
    assert image.pixels.dtype == np.int16
    assert np.array_equal(image.pixels, volume)


@pytest.mark.parametrize(("code", "factor"), [(1, 1000), (2, 1), (3, 0.001), (0, 1)])
def test_units(tmp_path, volume, code, factor):
    spacing = read_image(save(tmp_path / "a.nii", volume.T, xyzt_units=code)).geometry.spacing_mm
    assert spacing == pytest.approx(np.array((2.0, 0.75, 0.5)) * factor, rel=1e-6)


def test_slope_and_intercept(tmp_path, volume):
    path = tmp_path / "a.nii.gz"
    written = nibabel.Nifti1Image(volume.T, AFFINE)
    written.header.set_slope_inter(0.5, -3)
    nibabel.save(written, path)
    stored = np.asarray(nibabel.load(path).dataobj)  # nibabel applies them too
    image = read_image(path)
    assert image.pixels.dtype == np.float32
    assert image.pixels == pytest.approx(stored.T)
    assert image.bit_depth == 16


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (6, 5, 4, 1), (6, 5, 4, 1, 1)])
def test_axes_of_one(tmp_path, shape):
    array = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    image = read_image(save(tmp_path / "a.nii", array))
    if len(shape) == 2:
        assert (image.axes, image.geometry.spacing_mm) == ("YX", pytest.approx((0.75, 0.5)))
        assert np.array_equal(image.pixels, array.T)
    else:
        assert image.axes == "ZYX"
        assert image.pixels.shape == (shape[2], 5, 6)


def test_colour(tmp_path, volume):
    values = np.random.default_rng(0).integers(0, 256, (7, 6, 5, 3), dtype=np.uint8)
    rgb = values.copy().view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    image = read_image(save(tmp_path / "rgb.nii.gz", rgb))
    assert image.axes == "ZYXC"
    assert np.array_equal(image.pixels, values.transpose(2, 1, 0, 3))
    vectors = SimpleITK.GetImageFromArray(values.transpose(2, 1, 0, 3).astype(np.float32), isVector=True)
    SimpleITK.WriteImage(vectors, str(tmp_path / "vector.nii"))
    assert np.array_equal(read_image(tmp_path / "vector.nii").pixels, values.transpose(2, 1, 0, 3))


def test_refused(tmp_path, volume):
    with pytest.raises(UnsupportedImageError, match=r"5 dimensions \(6 × 5 × 4 × 3 × 2\)"):
        read_image(save(tmp_path / "time.nii", np.ones((6, 5, 4, 3, 2), np.int16)))
    sheared = AFFINE.copy()
    sheared[:3, 1] += 0.2 * sheared[:3, 0]
    with pytest.raises(UnsupportedImageError, match="right angles"):
        read_image(save(tmp_path / "shear.nii", volume.T, sheared))
    with pytest.raises(UnsupportedImageError, match="data type 32"):
        read_image(save(tmp_path / "complex.nii", volume.T.astype(np.complex64)))
    nibabel.save(nibabel.Nifti1Pair(volume.T, AFFINE), tmp_path / "pair.hdr")
    with pytest.raises(UnsupportedImageError, match=r"pair.*single \.nii"):
        read_image(tmp_path / "pair.hdr")
    with pytest.raises(UnsupportedImageError, match="NaN"):
        read_image(save(tmp_path / "nan.nii", np.full((4, 4, 4), np.nan, np.float32)))


@pytest.mark.parametrize("name", ["time.nii", "time.nii.gz"])
def test_one_of_several_volumes(tmp_path, name):
    values = np.random.default_rng(0).integers(0, 999, (6, 5, 4, 3), dtype=np.int16)
    path = save(tmp_path / name, values)
    assert count_volumes(path) == 3
    with pytest.raises(UnsupportedImageError, match=r"holds 3 volumes.*from 1 to 3 \(--volume"):
        read_image(path)
    for index in range(3):
        image = read_image(path, volume=index + 1)
        assert np.array_equal(image.pixels, values[..., index].T)
        assert image.geometry.spacing_mm == pytest.approx((2.0, 0.75, 0.5))
    for wrong in (0, 4):
        with pytest.raises(UnsupportedImageError, match=f"no volume {wrong}"):
            read_image(path, volume=wrong)


def test_a_vector_of_measures_is_several_volumes(tmp_path):
    values = np.random.default_rng(0).normal(size=(4, 5, 6, 2)).astype(np.float32)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values, isVector=True), str(tmp_path / "v.nii.gz"))
    assert count_volumes(tmp_path / "v.nii.gz") == 2
    assert np.array_equal(read_image(tmp_path / "v.nii.gz", volume=2).pixels, values[..., 1])


def test_a_volume_far_back_is_refused_before_unpacking(tmp_path):
    path = save(tmp_path / "t.nii.gz", np.random.default_rng(0).integers(0, 99, (60, 60, 60, 9), dtype=np.uint8))
    limits = Settings(max_megavoxels=1)
    assert read_image(path, volume=4, settings=limits).pixels.shape == (60, 60, 60)
    with pytest.raises(ImageTooLargeError, match="MEDSEG_MAX_MEGAVOXELS"):
        read_image(path, volume=5, settings=limits)


def test_two_gigabytes_are_refused_with_the_way_to_raise_the_limit(tmp_path):
    path = save(tmp_path / "a.nii", np.ones((4, 4, 4), np.int16))
    with path.open("r+b") as file:
        file.truncate(2 * 2**30)  # a sparse file
    with pytest.raises(ImageTooLargeError, match=r"2048 MiB, and at most 1024.*MEDSEG_MAX_FILE_MB"):
        read_image(path)


def test_a_singular_transform_is_ignored_with_a_note(tmp_path, volume):
    path = save(tmp_path / "a.nii", volume.T, None, qform_code=0, sform_code=1)
    content = bytearray(path.read_bytes())
    content[280:328] = bytes(48)
    path.write_bytes(content)
    image = read_image(path)
    assert image.geometry.affine is None
    assert "singular" in image.notes[0]


def test_the_size_is_checked_before_anything_is_unpacked(tmp_path):
    header = nibabel.Nifti1Header()
    header.set_data_dtype("u1")
    header.set_data_shape((30_000, 30_000, 30))
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock + bytes(10_000_000)))
    with pytest.raises(ImageTooLargeError, match="30000 × 30000 × 30 voxels"):
        read_image(path)


def test_missing_voxels_are_counted(tmp_path, volume):
    path = save(tmp_path / "a.nii.gz", volume.T)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-10]))
    with pytest.raises(DamagedFileError, match="claims 420 bytes of voxels, and 410 are there"):
        read_image(path)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 0.9999), name=st.sampled_from(["a.nii", "a.nii.gz"]))
def test_a_cut_file_is_always_an_error(tmp_path, volume, share, name):
    path = tmp_path / name
    if not path.exists():
        save(path, volume.T)
    content = path.read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ReadError):
        read_image(cut)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 351), value=st.integers(0, 255))
def test_a_changed_byte_of_the_header_is_never_a_surprise(tmp_path, volume, place, value):
    path = tmp_path / "a.nii"
    if not path.exists():
        save(path, volume.T)
    content = bytearray(path.read_bytes())
    content[place] = value
    (tmp_path / "changed").write_bytes(content)
    with contextlib.suppress(ReadError):
        read_image(tmp_path / "changed")


def test_a_damaged_gzip_is_noticed(tmp_path, volume):
    path = save(tmp_path / "a.nii.gz", volume.T)
    content = bytearray(path.read_bytes())
    content[-6] ^= 0xFF  # in the checksum
    path.write_bytes(content)
    with pytest.raises(DamagedFileError):
        read_image(path)
