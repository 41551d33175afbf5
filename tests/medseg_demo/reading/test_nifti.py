import gzip

import nibabel
import numpy as np
import pytest
import SimpleITK
from nifti_files import AFFINE, LPS_FROM_RAS, patch, raw_volumes, save

from medseg_demo.errors import DamagedFileError, ReadError, UnsupportedImageError
from medseg_demo.reading import count_volumes, read_image, read_label_map
from medseg_demo.reading.nifti import data_file_names, inspect
from medseg_demo.reading.source import open_source
from medseg_demo.settings import Settings


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_volume_as_nibabel_wrote_it(tmp_path, volume, name, kind, dtype):
    stored = (volume.T if dtype not in ("u1", "i1") else volume.T // 10).astype(dtype)
    image = read_image(save(tmp_path / name, stored, AFFINE, kind).rename(tmp_path / "noextension"))
    assert np.array_equal(image.pixels, stored.T)
    assert image.axes == "ZYX"
    assert image.file_format == "NIfTI"
    assert image.bit_depth == np.dtype(dtype).itemsize * 8
    assert image.geometry.spacing_mm == pytest.approx((2.0, 0.75, 0.5), rel=1e-6)
    assert image.geometry.affine == pytest.approx(LPS_FROM_RAS @ AFFINE, rel=1e-6)
    assert image.notes == ()


def test_geometry_agrees_with_itk(tmp_path, volume):
    written = SimpleITK.GetImageFromArray(volume)
    written.SetSpacing((0.5, 0.75, 2.0))
    written.SetOrigin((10, -20, 30))
    written.SetDirection(SimpleITK.Euler3DTransform((0, 0, 0), 0.1, 0.2, 0.3).GetMatrix())
    SimpleITK.WriteImage(written, str(tmp_path / "a.nii.gz"))
    image = read_image(tmp_path / "a.nii.gz")
    assert np.array_equal(image.pixels, volume)
    assert image.geometry.spacing_mm == pytest.approx((2.0, 0.75, 0.5))
    for index in ((0, 0, 0), (3, 2, 1)):
        expected = written.TransformContinuousIndexToPhysicalPoint(index)
        assert (image.geometry.affine @ [*index, 1])[:3] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Header, nibabel.Nifti2Header])
def test_big_endian(tmp_path, volume, kind):
    header = kind(endianness=">")
    header.set_data_dtype(">i2")
    image_kind = nibabel.Nifti1Image if kind is nibabel.Nifti1Header else nibabel.Nifti2Image
    nibabel.save(image_kind(volume.T.astype(">i2"), AFFINE, header), tmp_path / "a.nii")
    image = read_image(tmp_path / "a.nii")
    assert image.pixels.dtype == np.int16
    assert np.array_equal(image.pixels, volume)
    assert image.geometry.affine == pytest.approx(LPS_FROM_RAS @ AFFINE, rel=1e-6)


# ---------------------------------------------------------------- dimensions
@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (6, 5, 4, 1), (6, 5, 4, 1, 1), (6, 5, 4, 1, 1, 1, 1)])
def test_axes_of_one(tmp_path, shape):
    array = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    image = read_image(save(tmp_path / "a.nii", array, AFFINE))
    if len(shape) == 2:
        assert (image.axes, image.geometry.spacing_mm) == ("YX", pytest.approx((0.75, 0.5)))
        assert np.array_equal(image.pixels, array.T)
    else:
        assert image.axes == "ZYX"
        assert image.pixels.shape == (shape[2], 5, 6)


@pytest.mark.parametrize("name", ["time.nii", "time.nii.gz"])
def test_one_of_several_volumes(tmp_path, name):
    values = np.random.default_rng(0).integers(0, 999, (6, 5, 4, 3), dtype=np.int16)
    path = save(tmp_path / name, values, AFFINE)
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
    together = read_image(path, channels=True)
    assert (together.axes, together.channel_names) == ("ZYXC", ("volume 1", "volume 2", "volume 3"))
    assert np.array_equal(together.pixels, values.transpose(2, 1, 0, 3))


@pytest.mark.parametrize("components", [2, 3, 4])
@pytest.mark.parametrize("intent", [1007, 1006, 0])
def test_vectors_are_volumes_and_never_colours(tmp_path, components, intent):
    values = np.random.default_rng(0).normal(size=(6, 5, 4, 1, components)).astype(np.float32)
    path = save(tmp_path / "v.nii.gz", values, AFFINE, intent_code=intent)
    assert count_volumes(path) == components
    assert np.array_equal(read_image(path, volume=2).pixels, values[..., 0, 1].T)
    assert read_image(path, channels=True).channel_names == tuple(f"component {n + 1}" for n in range(components))


def test_vectors_as_itk_writes_them(tmp_path):
    values = np.random.default_rng(0).integers(0, 255, (4, 5, 6, 3)).astype(np.int16)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values, isVector=True), str(tmp_path / "v.nii.gz"))
    for component in range(3):
        assert np.array_equal(read_image(tmp_path / "v.nii.gz", volume=component + 1).pixels, values[..., component])


def test_times_of_vectors_run_fastest_and_are_named(tmp_path):
    values = np.random.default_rng(0).integers(0, 99, (6, 5, 4, 2, 3), dtype=np.int16)
    path = save(tmp_path / "a.nii", values, AFFINE)
    with open_source(path, Settings()) as source:
        assert inspect(source).volume_names[1:3] == ("component 1, time 2", "component 2, time 1")
    for volume, raw in enumerate(raw_volumes(path)):
        assert np.array_equal(raw.array, values[..., volume % 2, volume // 2].T)


def test_colours(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (7, 6, 5, 4), dtype=np.uint8)
    for channels, note in ((3, ()), (4, ("The opacity of its colours (RGBA) was left out.",))):
        fields = [(letter, "u1") for letter in "RGBA"[:channels]]
        rgb = np.ascontiguousarray(values[..., :channels]).view(fields)[..., 0]
        image = read_image(save(tmp_path / "rgb.nii.gz", rgb, AFFINE))
        assert (image.axes, image.is_colour, image.notes) == ("ZYXC", True, note)
        assert np.array_equal(image.pixels, values[..., :3].transpose(2, 1, 0, 3))
        with pytest.raises(UnsupportedImageError, match="colour picture"):
            read_label_map(tmp_path / "rgb.nii.gz")


@pytest.mark.parametrize(
    "sizes", [(4, 6, 5, 4, 0), (3, 6, 0, 4, 1), (3, 6, -5, 4, 1), (0, 6, 5, 4, 1), (9, 6, 5, 4, 1)]
)
def test_sizes_that_are_refused(tmp_path, sizes):
    path = save(tmp_path / "a.nii", np.arange(120, dtype=np.int16).reshape(6, 5, 4), AFFINE)
    with pytest.raises(ReadError, match=r"a\.nii: (the image has no pixels|the NIfTI header contradicts itself)"):
        read_image(patch(path, dim=[*sizes, 1, 1, 1]))


def test_a_list_of_numbers_is_no_image(tmp_path):
    with pytest.raises(UnsupportedImageError, match="list of 9 numbers"):
        read_image(save(tmp_path / "a.nii", np.arange(9, dtype=np.int16), AFFINE))


# ---------------------------------------------------------------- types and scaling
@pytest.mark.parametrize(
    ("code", "said"),
    [(0, "data type 0"), (1, "binary"), (32, "complex64"), (1536, "float128"), (1792, "complex128")],
)
def test_types_that_are_refused_by_name(tmp_path, volume, code, said):
    path = patch(save(tmp_path / "a.nii", volume.T, AFFINE), datatype=code)
    with pytest.raises(UnsupportedImageError, match=said):
        read_image(path)


@pytest.mark.parametrize(
    ("slope", "intercept", "used"),
    [
        (0.5, -3, (0.5, -3)),
        (1, 0, (1, 0)),
        (0, 7, (1, 0)),
        (np.nan, 7, (1, 0)),
        (np.inf, 7, (1, 0)),
        (-2, 0, (-2, 0)),
        (2, np.nan, (2, 0)),  # nibabel refuses it, ITK reads it so
        (2, np.inf, (2, 0)),
    ],
)
def test_slope_and_intercept(tmp_path, volume, slope, intercept, used):
    path = patch(save(tmp_path / "a.nii", volume.T, AFFINE), scl_slope=slope, scl_inter=intercept)
    image = read_image(path)
    assert image.pixels == pytest.approx(volume * used[0] + used[1])
    assert image.pixels.dtype == (np.int16 if used == (1, 0) else np.float32)
    assert image.bit_depth == 16
    assert ("scl_inter" in " ".join(image.notes)) == (used == (2, 0))


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "f4", "f8"])
def test_scaled_label_maps_are_read_as_they_are_meant(tmp_path, dtype):
    meant = np.arange(24).reshape(4, 3, 2) % 4
    path = save(tmp_path / "a.nii", (meant * 85).astype(dtype), AFFINE, scl_slope=1)
    patch(path, scl_slope=np.float32(3 / 255), scl_inter=0)
    assert np.array_equal(read_label_map(path).labels, meant.T)


def test_large_integers_survive_a_scale_of_one(tmp_path):
    path = save(tmp_path / "a.nii", np.array([[[2**24, 2**24 + 1]]], np.int32), AFFINE)
    (raw,) = raw_volumes(patch(path, scl_slope=1, scl_inter=1))
    assert raw.array.ravel().tolist() == [2**24 + 1, 2**24 + 2]


# ---------------------------------------------------------------- pairs
def save_pair(folder, volume, *, suffix="", kind=nibabel.Nifti1Pair):
    nibabel.save(kind(volume.T, AFFINE), folder / f"a.img{suffix}")
    return folder / f"a.hdr{suffix}"


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Pair, nibabel.Nifti2Pair])
def test_a_pair_is_read_by_its_header(tmp_path, volume, suffix, kind):
    path = save_pair(tmp_path, volume, suffix=suffix, kind=kind)
    image = read_image(path)
    assert np.array_equal(image.pixels, volume)
    assert image.geometry.affine == pytest.approx(LPS_FROM_RAS @ AFFINE, abs=1e-5)
    assert np.array_equal(read_label_map(path_of_labels(tmp_path, suffix)).labels, volume > 0)
    with open_source(path, Settings()) as source:
        assert data_file_names(source)[0] == f"a.img{suffix}"


def path_of_labels(folder, suffix):
    labels = (read_image(folder / f"a.hdr{suffix}").pixels > 0).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Pair(labels.T, AFFINE), folder / f"l.img{suffix}")
    return folder / f"l.hdr{suffix}"


def test_names_of_pairs(tmp_path, volume):
    path = save_pair(tmp_path, volume)
    (tmp_path / "a.img").rename(tmp_path / "A.IMG")
    assert np.array_equal(read_image(path.rename(tmp_path / "A.HDR")).pixels, volume)
    (tmp_path / "A.img.gz").write_bytes(gzip.compress((tmp_path / "A.IMG").read_bytes()))
    (tmp_path / "A.IMG").unlink()
    assert np.array_equal(read_image(tmp_path / "A.HDR").pixels, volume)
    with open_source(save(tmp_path / "b.nii", volume.T, AFFINE), Settings()) as source:
        assert data_file_names(source) == ()


def test_half_a_pair_is_refused(tmp_path, volume):
    path = save_pair(tmp_path, volume)
    content = (tmp_path / "a.img").read_bytes()
    (tmp_path / "a.img").write_bytes(content[:-3])
    with pytest.raises(DamagedFileError, match="claims 420 bytes, and 417 are there"):
        read_image(path)
    (tmp_path / "a.img").unlink()
    with pytest.raises(UnsupportedImageError, match=r"\.hdr and \.img pair, and there is no a\.img beside it"):
        read_image(path)


def test_voxels_outside_of_the_folder_are_refused(tmp_path, volume):
    (tmp_path / "inside").mkdir()
    path = save_pair(tmp_path / "inside", volume)
    (tmp_path / "inside" / "a.img").rename(tmp_path / "secret")
    for target in (tmp_path / "secret", "../secret", tmp_path / "inside" / "a.img"):
        (tmp_path / "inside" / "a.img").symlink_to(target)
        for read_it in (read_image, read_label_map):
            with pytest.raises(ReadError) as caught:
                read_it(path)
            assert str(tmp_path) not in str(caught.value)
        (tmp_path / "inside" / "a.img").unlink()


def test_analyze_is_refused_by_name(tmp_path, volume):
    for order in "<>":
        header = nibabel.AnalyzeHeader(endianness=order)
        nibabel.save(nibabel.AnalyzeImage(volume.T, AFFINE, header), tmp_path / "a.hdr")
        with pytest.raises(UnsupportedImageError, match=r"Analyze 7\.5.*\.nii"):
            read_image(tmp_path / "a.hdr")
