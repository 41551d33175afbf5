import contextlib
import gzip
import logging
import struct
import warnings

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nifti_files import affine_of, patch, random_nifti, save
from scipy.spatial.transform import Rotation

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, ReadError, UnsupportedImageError
from medseg_demo.image import Geometry
from medseg_demo.reading import count_volumes, read_image, read_label_map
from medseg_demo.reading.nifti import data_file_names, inspect, is_nifti, read
from medseg_demo.reading.source import open_source
from medseg_demo.settings import Settings

LPS_FROM_RAS = np.diag([-1, -1, 1, 1])
TURN = Rotation.from_euler("zyx", (0.3, 0.1, -0.2)).as_matrix()
AFFINE = affine_of(TURN, (0.5, 0.75, 2.0))


def raw_volumes(path, limits=None):
    """Every volume as the reader hands it over."""
    with open_source(path, limits or Settings()) as source:
        layout = inspect(source)
        return [read(source, layout, [volume]) for volume in range(layout.volumes)]


def header_bytes(path):
    return bytearray(path.read_bytes()[:352])


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


# ---------------------------------------------------------------- bytes
@pytest.mark.parametrize("cut", [0, 5, 100, 347, 400])
def test_gzip_of_several_members(tmp_path, volume, cut):
    content = save(tmp_path / "a.nii", volume.T, AFFINE).read_bytes()
    members = gzip.compress(content[:cut]) + gzip.compress(content[cut:]) + bytes(512)
    (tmp_path / "A.NII.GZ").write_bytes(members)
    assert np.array_equal(read_image(tmp_path / "A.NII.GZ").pixels, volume)


def test_what_follows_is_said(tmp_path, volume):
    content = save(tmp_path / "a.nii", volume.T, AFFINE).read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(content) + b"trailing text")
    (tmp_path / "c.nii.gz").write_bytes(gzip.compress(content + b"more"))
    (tmp_path / "d.nii").write_bytes(content + b"more")
    for name in ("b.nii.gz", "c.nii.gz", "d.nii"):
        image = read_image(tmp_path / name)
        assert np.array_equal(image.pixels, volume)
        assert image.notes == ("Bytes that follow the voxels were ignored.",)


@pytest.mark.parametrize("place", [-8, -6, -2, -60])
def test_a_damaged_gzip_is_noticed(tmp_path, volume, place):
    path = save(tmp_path / "a.nii.gz", volume.T, AFFINE)
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="damaged"):
        read_image(path)


def test_damage_behind_the_wanted_volume_is_noticed(tmp_path):
    values = np.random.default_rng(0).integers(0, 99, (6, 5, 4, 3), dtype=np.uint8)
    path = save(tmp_path / "a.nii.gz", values, AFFINE)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-10]))
    with pytest.raises(DamagedFileError, match="claims 360 bytes, and 350 are there"):
        read_image(path, volume=1)


@pytest.mark.parametrize("offset", [0, 348, 351, -1, 1e9, np.nan, np.inf])
def test_offsets_that_are_refused(tmp_path, volume, offset):
    path = patch(save(tmp_path / "a.nii", volume.T, AFFINE), vox_offset=offset)
    with pytest.raises(DamagedFileError, match="vox_offset"):
        read_image(path)


@pytest.mark.parametrize("extra", [1, 3, 16, 1000])
def test_offsets_behind_extensions(tmp_path, volume, extra):
    path = patch(save(tmp_path / "a.nii", volume.T, AFFINE), vox_offset=352 + extra)
    content = path.read_bytes()
    path.write_bytes(content[:352] + b"\7" * extra + content[352:])
    assert np.array_equal(read_image(path).pixels, volume)


def test_changed_line_ends_are_named(tmp_path, volume):
    path = save(tmp_path / "a.nii", volume.T, AFFINE, nibabel.Nifti2Image)
    content = path.read_bytes()
    path.write_bytes(content[:8] + b"\n\x1a\n\0" + content[12:])
    with pytest.raises(DamagedFileError, match="line ends were changed"):
        read_image(path)


def test_the_size_is_checked_before_anything_is_unpacked(tmp_path):
    header = nibabel.Nifti1Header()
    header.set_data_dtype("u1")
    header["vox_offset"] = 352
    for shape, said in (
        ((30_000, 30_000, 30), "30000 × 30000 × 30 voxels"),
        ((600, 600, 600, 11), "and fewer are there"),  # deflate cannot have packed as many
        ((9, 9, 9, 32_767, 32_767, 32_767, 32_767), "and fewer are there"),
    ):
        header.set_data_shape(shape)
        path = tmp_path / "bomb.nii.gz"
        path.write_bytes(gzip.compress(header.binaryblock + bytes(10_000_000)))
        with pytest.raises(ReadError, match=said):
            read_image(path)
        assert count_volumes(path) == 1


def test_all_volumes_count_since_all_are_unpacked_for_the_checksum(tmp_path):
    values = np.random.default_rng(0).integers(0, 99, (100, 100, 60, 4), dtype=np.uint8)
    path = save(tmp_path / "t.nii.gz", values, AFFINE)
    assert read_image(path, volume=1, settings=Settings(max_decoded_mb=3)).pixels.shape == (60, 100, 100)
    with pytest.raises(ImageTooLargeError, match=r"unpacked it takes 2 MiB.*MEDSEG_MAX_DECODED_MB"):
        read_image(path, volume=1, settings=Settings(max_decoded_mb=2))
    with pytest.raises(ImageTooLargeError, match="MEDSEG_MAX_MEGAVOXELS"):
        read_image(path, volume=1, settings=Settings(max_megavoxels=0))


def test_far_more_than_the_header_claims_is_not_unpacked(tmp_path, volume):
    content = save(tmp_path / "a.nii", volume.T, AFFINE).read_bytes()
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(content + bytes(80 * 2**20), 1))
    with pytest.raises(DamagedFileError, match="more values than the header claims"):
        read_image(tmp_path / "a.nii.gz")


def test_two_gigabytes_are_refused_with_the_way_to_raise_the_limit(tmp_path):
    path = save(tmp_path / "a.nii", np.ones((4, 4, 4), np.int16), AFFINE)
    with path.open("r+b") as file:
        file.truncate(2 * 2**30)  # a sparse file
    with pytest.raises(ImageTooLargeError, match=r"2048 MiB, and at most 1024.*MEDSEG_MAX_FILE_MB"):
        read_image(path)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_missing_voxels_are_counted(tmp_path, volume, name):
    path = save(tmp_path / "a.nii", volume.T, AFFINE)
    content = path.read_bytes()[:-10]
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(DamagedFileError, match="claims 420 bytes, and 410 are there"):
        read_image(tmp_path / name)


def test_not_a_number_is_refused(tmp_path):
    with pytest.raises(UnsupportedImageError, match="NaN"):
        read_image(save(tmp_path / "nan.nii", np.full((4, 4, 4), np.nan, np.float32), AFFINE))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 0.9999), name=st.sampled_from(["a.nii", "a.nii.gz"]))
def test_a_cut_file_is_always_an_error(tmp_path, volume, share, name):
    path = tmp_path / name
    if not path.exists():
        save(path, volume.T, AFFINE)
    content = path.read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(content[: int(len(content) * share)])
    for read_it in (read_image, read_label_map):
        with pytest.raises(ReadError):
            read_it(cut)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 351), value=st.integers(0, 255))
def test_a_changed_byte_of_the_header_is_never_a_surprise(tmp_path, volume, place, value):
    path = tmp_path / "a.nii"
    if not path.exists():
        save(path, volume.T, AFFINE)
    content = bytearray(path.read_bytes())
    content[place] = value
    (tmp_path / "changed").write_bytes(content)
    with contextlib.suppress(ReadError):
        read_image(tmp_path / "changed")


# ---------------------------------------------------------------- whatever a header can hold
@pytest.fixture
def quiet_nibabel():
    """It logs what it mends in a header, and warns of what it multiplies."""
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("quiet_nibabel")
def test_random_headers_against_nibabel(tmp_path):
    rng = np.random.default_rng(0)
    counts = {"same": 0, "refused": 0, "nibabel refuses": 0}
    for number in range(500):
        path, header = random_nifti(rng, tmp_path, number)
        with open_source(path, Settings()) as source:
            assert is_nifti(source)
        try:
            raws = raw_volumes(path)
        except ReadError:
            raws = []
        if not raws:
            counts["refused"] += 1
            continue
        try:
            theirs = nibabel.load(path)
            values = np.asanyarray(theirs.dataobj)
        except Exception:
            counts["nibabel refuses"] += 1
            continue
        counts["same"] += 1
        ours = np.concatenate([raw.array.reshape(-1, 3 if raw.samples == "colour" else 1) for raw in raws])
        values = np.stack(
            [values[name] for name in values.dtype.names[:3]] if values.dtype.names else [values], axis=-1
        )
        right = values.reshape(-1, values.shape[-1], order="F")
        assert ours.shape == right.shape, number
        assert np.allclose(ours.astype(float), right.astype(float), rtol=1e-6, atol=1e-4), number
        check_place(raws[0], theirs.affine, header, number)
    assert counts["same"] > 250
    assert counts["refused"] < 200


def check_place(raw, affine, header, number):
    geometry: Geometry = raw.geometry
    factor = {1: 1000, 3: 0.001}.get(int(header["xyzt_units"]) & 7, 1)
    codes = [int(header[f"{name}_code"]) for name in ("sform", "qform")]
    preferred = next((code for code in codes if 1 <= code <= 5), None)
    if geometry.affine is None:
        assert preferred is None or raw.notes, number
    elif not any("singular" in note for note in raw.notes):
        right = LPS_FROM_RAS @ np.diag([factor, factor, factor, 1]) @ affine
        # nibabel takes the first number of a quaternion for 0 where it is below 6e-4
        assert np.allclose(geometry.affine, right, rtol=1e-5, atol=5e-3 * factor) or not np.isfinite(right).all(), (
            number
        )
    if geometry.affine is not None and raw.is_volume:
        volume = abs(np.linalg.det(geometry.affine[:3, :3]))
        assert np.prod(geometry.spacing_mm) == pytest.approx(volume, rel=1e-6), number


def test_a_head_of_random_bytes_is_recognised_or_not_and_never_a_surprise(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(200):
        content = rng.integers(0, 256, 400, dtype=np.uint8).tobytes()
        path = tmp_path / f"{number}.nii"
        path.write_bytes(
            (b"\x1f\x8b\x08" if number % 2 else b"") + struct.pack("<i", 348) + content[:340] + b"n+1\0" + content
        )
        with contextlib.suppress(ReadError):
            read_image(path)
