"""NIfTI files that are cut, changed, larger than they claim, or random: an error in words, or what nibabel reads."""

import contextlib
import gzip
import logging
import struct
import warnings

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nifti_files import AFFINE, LPS_FROM_RAS, patch, random_nifti, raw_volumes, save

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, ReadError, UnsupportedImageError
from medseg_demo.image import Geometry
from medseg_demo.reading import count_volumes, read_image, read_label_map
from medseg_demo.reading.nifti import is_nifti
from medseg_demo.reading.source import open_source
from medseg_demo.settings import Settings


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
