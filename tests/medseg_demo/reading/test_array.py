import contextlib
import io
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, ReadError, UnsupportedImageError
from medseg_demo.reading import count_volumes, read_image, read_label_map
from medseg_demo.settings import Settings


def npy(array, *, version=None, **options):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=version, **options)
    return stream.getvalue()


def header(shape, descr="|u1"):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def packed(*, method=zipfile.ZIP_DEFLATED, **members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return stream.getvalue()


def ramp(*shape, dtype=np.float32):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize(
    ("shape", "axes", "kept"),
    [
        ((4, 5), "YX", (4, 5)),
        ((4, 5, 1), "YX", (4, 5)),
        ((4, 5, 3), "YXC", (4, 5, 3)),
        ((4, 5, 17), "ZYX", (4, 5, 17)),
        ((1, 20, 30), "ZYX", (1, 20, 30)),
        ((2, 4, 5, 3), "ZYXC", (2, 4, 5, 3)),
        ((1, 4, 5, 3), "ZYXC", (1, 4, 5, 3)),
        ((2, 4, 5, 1), "ZYX", (2, 4, 5)),
        ((1, 2, 4, 17), "ZYX", (2, 4, 17)),
        ((1, 1, 4, 17), "ZYX", (1, 4, 17)),
        ((1, 1, 2, 4, 17), "ZYX", (2, 4, 17)),
        ((1, 2, 4, 17, 1), "ZYX", (2, 4, 17)),
    ],
)
@pytest.mark.parametrize("fortran", [False, True])
def test_axes(write, shape, axes, kept, fortran):
    array = ramp(*shape)
    image = read_image(write("a.npy", npy(np.asfortranarray(array) if fortran else array)))
    assert (image.axes, image.pixels.shape) == (axes, kept)
    assert np.array_equal(image.pixels, array.reshape(kept))
    assert image.geometry.spacing_mm is None


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((6, 5, 2), 2),
        ((6, 5, 4), 2),
        ((6, 5, 16), 2),
        ((3, 6, 5, 2), 3),
        ((3, 6, 5, 4), 3),
        ((1, 6, 5, 4), 3),
        ((2, 3, 6, 17), 0),
        ((16, 3, 6, 17), 0),
    ],
)
@pytest.mark.parametrize("fortran", [False, True])
def test_channels_are_volumes_to_choose_from(write, shape, axis, fortran):
    array = ramp(*shape, dtype=np.uint16)
    path = write("a.npy", npy(np.asfortranarray(array) if fortran else array))
    assert count_volumes(path) == shape[axis]
    with pytest.raises(UnsupportedImageError, match=f"holds {shape[axis]} volumes"):
        read_image(path)
    for volume in range(shape[axis]):
        assert np.array_equal(read_image(path, volume=volume + 1).pixels, np.take(array, volume, axis))
    together = read_image(path, channels=True)
    assert np.array_equal(together.pixels, np.moveaxis(array, axis, -1))
    assert together.channel_names[:2] == ("channel 1", "channel 2")


def test_a_fourth_channel_is_no_opacity(write):
    rgba = np.random.default_rng(0).integers(0, 255, (8, 9, 4), dtype=np.uint8)
    path = write("a.npy", npy(rgba))
    assert [read_image(path, volume=number).notes for number in (1, 4)] == [(), ()]
    assert np.array_equal(read_image(path, volume=4).pixels, rgba[..., 3])


@pytest.mark.parametrize(
    ("dtype", "is_colour", "is_noted"),
    [("u1", True, False), (">u2", True, True), ("f2", True, True), ("f4", True, True), ("f8", True, True)]
    + [(kind, False, False) for kind in ("?", "i1", "i2", "i4", "u4", "i8")],
)
def test_three_of_what_photos_are_stored_in_are_colours(write, dtype, is_colour, is_noted):
    array = (np.random.default_rng(0).random((8, 9, 3)) * 100).astype(dtype)
    array[0, 0] = 0
    path = write("a.npy", npy(array))
    assert count_volumes(path) == (1 if is_colour else 3)
    if is_colour:
        image = read_image(path)
        assert image.is_colour
        assert np.array_equal(image.pixels, array.astype(image.pixels.dtype))
        assert bool(image.notes) == is_noted


@pytest.mark.parametrize("shape", [(), (7,), (20, 3, 4, 20), (2, 2, 3, 4, 17), (1,) * 6, (2,) * 32])
def test_shapes_that_are_refused(write, shape):
    with pytest.raises(UnsupportedImageError, match=r"a\.npy: an array of shape .*Save \(Y, X\)"):
        read_image(write("a.npy", header(shape) + bytes(2000)))


@pytest.mark.parametrize("shape", [(0,), (0, 5), (4, 0), (3, 4, 0), (0, 4, 5), (-1, 5), (-3, -4)])
def test_empty_arrays_are_refused(write, shape):
    with pytest.raises(UnsupportedImageError, match="is empty"):
        read_image(write("a.npy", header(shape)))


@pytest.mark.parametrize("dtype", [np.complex64, "U3", "S2", "M8[s]", "m8[s]", [("x", "f4")], "V3", ("f4", (2,))])
def test_types_that_are_refused(write, dtype):
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    for read_it in (read_image, read_label_map):
        with pytest.raises(UnsupportedImageError, match=r"of type .* are not intensities"):
            read_it(write("a.npy", header((4, 5), descr) + bytes(1000)))


def test_a_pickle_is_never_loaded(write, tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    array = np.empty((2, 2), object)
    array[:] = Payload()
    content = npy(array, allow_pickle=True)
    assert b"executed" in content
    for name, data in (("a.npy", content), ("a.npz", packed(image=content))):
        for read_it in (read_image, read_label_map):
            with pytest.raises(UnsupportedImageError, match="pickled Python objects"):
                read_it(write(name, data))
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_versions_of_the_header(write, version):
    array = ramp(4, 5, dtype=np.uint16)
    assert np.array_equal(read_image(write("a.npy", npy(array, version=version))).pixels, array)


@pytest.mark.parametrize(
    "content",
    [
        b"\x93NUMPY\x04\x00" + npy(ramp(4, 5))[8:],
        b"\x93NUMPY\x01\x00\xff\xff",
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(100),
        b"\x93NUMPY\x01\x00\x10\x00{'descr': 1}\n\n\n\n",
        npy(ramp(4, 5)).replace(b"'descr': '<f4'", b"'descr': '<q9'"),
        npy(ramp(4, 5)).replace(b"(4, 5)", b"(4, 5."),
        b"\x93NUMPY\x01\x00\x00\x20" + b"(" * 8192,
    ],
)
def test_headers_that_cannot_be_read(write, content):
    for read_it in (read_image, read_label_map):
        with pytest.raises(ReadError):
            read_it(write("a.npy", content))


@pytest.mark.parametrize(
    "shape", [(2**31, 2**31), (10**20, 10), (2**40, 1, 1), (60_000, 60_000, 60_000), (99, 999, 99_999)]
)
def test_claims_are_compared_with_the_limits_before_anything_is_allocated(write, shape):
    for name, content in (("a.npy", header(shape, "<f8")), ("a.npz", packed(image=header(shape) + bytes(9_000_000)))):
        for read_it in (read_image, read_label_map):
            with pytest.raises((ImageTooLargeError, UnsupportedImageError)):
                read_it(write(name, content))


def test_bytes_count_and_not_only_pixels(write):
    few = Settings(max_decoded_mb=1)
    for name, content in (("a.npy", npy(ramp(300, 300, dtype="f8"))), ("a.npz", packed(image=npy(ramp(9, 9, 9, 400))))):
        with pytest.raises(ImageTooLargeError, match="MEDSEG_MAX_DECODED_MB"):
            read_image(write(name, content), settings=few, volume=1)


# ---------------------------------------------------------------- archives
@pytest.mark.parametrize("names", [["only"], ["other", "image"], ["arr_0", "arr_1"], ["gts", "imgs", "spacing"]])
def test_the_image_of_an_archive(tmp_path, names):
    wanted = ramp(6, 7, dtype=np.uint16)
    chosen = next(name for name in ("image", "arr_0", "imgs", "only") if name in names)
    np.savez(tmp_path / "a.npz", **{name: wanted if name == chosen else wanted + 1 for name in names})
    image = read_image((tmp_path / "a.npz").rename(tmp_path / "a.dat"))
    assert image.file_format == "NPZ"
    assert np.array_equal(image.pixels, wanted)
    assert [chosen in note for note in image.notes] == [True] * (len(names) > 1)


def test_one_of_several_arrays_is_no_label_map(tmp_path):
    np.savez(tmp_path / "a.npz", image=ramp(6, 7, dtype=np.uint8), label=ramp(6, 7, dtype=np.uint8))
    with pytest.raises(UnsupportedImageError, match=r"holds 2 arrays \(image, label\)"):
        read_label_map(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", label=ramp(6, 7, dtype=np.uint8))
    assert np.array_equal(read_label_map(tmp_path / "b.npz").labels, ramp(6, 7))


def test_several_arrays_are_listed(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", left=ramp(3, 4), right=ramp(3, 4))
    with pytest.raises(UnsupportedImageError, match=r"2 arrays \(left, right\)"):
        read_image(tmp_path / "a.npz")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_arrays_of_one_name_are_refused(write):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(2):
            archive.writestr("image.npy", npy(ramp(4, 5) + number))
    with pytest.raises(UnsupportedImageError, match="two arrays of one name"):
        read_image(write("a.npz", stream.getvalue()))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_ways_of_packing(write, method):
    array = ramp(40, 50, dtype=np.uint16)
    assert np.array_equal(read_image(write("a.npz", packed(method=method, a=npy(array)))).pixels, array)


def test_packing_that_is_not_read_is_named(write):
    content = bytearray(packed(image=npy(ramp(40, 50))))
    directory = content.rindex(b"PK\x01\x02")
    content[8], content[directory + 10] = 9, 9  # Deflate64
    with pytest.raises(UnsupportedImageError, match="packed by a method that is not read"):
        read_image(write("a.npz", bytes(content)))
    content = bytearray(packed(image=npy(ramp(40, 50))))
    content[6] |= 1
    content[directory + 8] |= 1
    with pytest.raises(UnsupportedImageError, match="encrypted"):
        read_image(write("a.npz", bytes(content)))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_archive_is_noticed(write, method):
    content = packed(method=method, image=npy(ramp(40, 50)))
    for share in (0.3, 0.6, 0.9):
        changed = bytearray(content)
        changed[int(len(content) * share)] ^= 0xFF
        for read_it in (read_image, read_label_map):
            with pytest.raises(ReadError):
                read_it(write("a.npz", bytes(changed)))


def test_an_archive_bomb_is_refused_from_its_header(write):
    with pytest.raises(ImageTooLargeError, match="60000 × 60000"):
        read_image(write("bomb.npz", packed(image=header((60_000, 60_000)) + bytes(10_000_000))))
    with pytest.raises(DamagedFileError, match="far more bytes"):
        read_image(write("bomb.npz", packed(image=npy(ramp(6, 7)) + bytes(80_000_000))))


# ---------------------------------------------------------------- bytes and values
def test_missing_data_are_counted(write):
    for name, content in (("a.npy", npy(ramp(4, 5))[:-10]), ("a.npz", packed(image=npy(ramp(4, 5))[:-10]))):
        with pytest.raises(DamagedFileError, match=r"claims 80 bytes of data, and 70 are there"):
            read_image(write(name, content))


def test_what_follows_is_said(write):
    content = npy(ramp(4, 5)) + npy(ramp(2, 2))
    for name, data in (("a.npy", content), ("a.npz", packed(image=content))):
        image = read_image(write(name, data))
        assert np.array_equal(image.pixels, ramp(4, 5))
        assert image.notes == ("144 bytes that follow the array were ignored.",)


def test_voxel_limit(write):
    with pytest.raises(ImageTooLargeError, match="voxels"):
        read_image(write("a.npy", npy(np.zeros((2, 600, 1000), np.uint8))), settings=Settings(max_megavoxels=1))


def test_truth_values_have_one_bit(write):
    mask = read_image(write("a.npy", npy(np.eye(4, dtype=bool))))
    assert (mask.pixels.dtype, mask.bit_depth, mask.display_window) == (np.uint8, 1, (0, 1))
    assert np.array_equal(read_label_map(write("a.npy", npy(np.eye(4, dtype=bool)))).labels, np.eye(4))


@pytest.mark.parametrize("slices", [2, 3, 4])
def test_few_slices_may_be_channels(write, slices):
    assert f"{slices} slices" in read_image(write("a.npy", npy(ramp(slices, 20, 30)))).notes[0]
    assert read_label_map(write("a.npy", npy(np.ones((slices, 20, 30), np.uint8)))).notes == ()


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (3, 4, 17), (3, 4, 5, 1), (1, 3, 4, 17), (1, 1, 3, 4, 17)])
def test_label_maps_lose_axes_of_one(write, shape):
    labels = (np.arange(np.prod(shape)) % 5).reshape(shape).astype(np.uint8)
    kept = tuple(size for size in shape if size > 1)
    assert np.array_equal(read_label_map(write("a.npy", npy(labels))).labels, labels.reshape(kept))


def test_not_a_number(write):
    array = ramp(4, 5)
    array[1, 1] = np.nan
    with pytest.raises(UnsupportedImageError, match="1 of 20 values are not a number"):
        read_image(write("a.npy", npy(array)))


DTYPES = st.sampled_from(["|b1", "|u1", "|i1", "<u2", ">u2", "<i2", ">i4", "<u4", "<f2", "<f4", ">f4", "<i8", ">f8"])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    array=DTYPES.flatmap(
        lambda dtype: arrays.arrays(
            dtype,
            st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(17, 20)) | st.tuples(*[st.integers(1, 9)] * 2),
            elements=st.floats(-100, 100, width=16)
            if "f" in dtype
            else st.integers(-100 * ("i" in dtype), 1 if "b" in dtype else 100),
        )
    ),
    fortran=st.booleans(),
)
def test_written_arrays_read_back(tmp_path, array, fortran):
    path = tmp_path / "a.npy"
    np.save(path, np.asfortranarray(array) if fortran else array)
    if (array == array.flat[0]).all():
        with pytest.raises(UnsupportedImageError):
            read_image(path)
    else:
        image = read_image(path)
        assert np.array_equal(image.pixels, array)
        assert image.is_volume == (array.ndim == 3)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 0.999), zipped=st.booleans())
def test_a_cut_file_is_always_an_error(tmp_path, share, zipped):
    content = packed(image=npy(ramp(9, 9))) if zipped else npy(ramp(9, 9))
    path = tmp_path / "cut"
    path.write_bytes(content[: int(len(content) * share)])
    for read_it in (read_image, read_label_map):
        with pytest.raises(ReadError):
            read_it(path)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 400), value=st.integers(0, 255), zipped=st.booleans())
def test_a_changed_byte_is_never_a_surprise(tmp_path, place, value, zipped):
    content = bytearray(packed(image=npy(ramp(9, 9))) if zipped else npy(ramp(9, 9)))
    content[place % len(content)] = value
    path = tmp_path / "changed"
    path.write_bytes(content)
    with contextlib.suppress(ReadError):
        read_image(path)
