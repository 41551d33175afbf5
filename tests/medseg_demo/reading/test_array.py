import contextlib
import io
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, ReadError, UnsupportedImageError
from medseg_demo.reading import read_image
from medseg_demo.settings import Settings


def npy(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
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
    ],
)
def test_axes(write, shape, axes, kept):
    array = ramp(*shape)
    image = read_image(write("a.npy", npy(array)))
    assert (image.axes, image.pixels.shape) == (axes, kept)
    assert np.array_equal(image.pixels, array.reshape(kept))
    assert image.geometry.spacing_mm is None


@pytest.mark.parametrize("shape", [(), (7,), (4, 5, 2), (4, 5, 7), (4, 5, 16), (2, 3, 4, 5), (2, 3, 4, 1), (1,) * 5])
def test_shapes_that_are_refused(write, shape):
    with pytest.raises(UnsupportedImageError, match=r"a\.npy: .*Save \(Y, X\)"):
        read_image(write("a.npy", npy(ramp(*shape))))


@pytest.mark.parametrize("shape", [(0,), (0, 5), (4, 0), (3, 4, 0), (0, 4, 5)])
def test_empty_arrays_are_refused(write, shape):
    with pytest.raises(UnsupportedImageError):
        read_image(write("a.npy", npy(np.zeros(shape, np.uint8))))


@pytest.mark.parametrize("dtype", [np.complex64, "U3", "S2", "M8[s]", [("x", "f4")]])
def test_types_that_are_refused(write, dtype):
    with pytest.raises(UnsupportedImageError, match="are not intensities"):
        read_image(write("a.npy", npy(np.zeros((4, 5), dtype))))


def test_a_pickle_is_never_loaded(write, tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    array = np.empty((2, 2), object)
    array[:] = Payload()
    content = npy(array, allow_pickle=True)
    assert b"executed" in content
    for name, data in (("a.npy", content), ("a.npz", packed(image=content))):
        with pytest.raises(UnsupportedImageError, match="pickled Python objects"):
            read_image(write(name, data))
    assert not (tmp_path / "executed").exists()


def packed(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return stream.getvalue()


@pytest.mark.parametrize("names", [["only"], ["other", "image"], ["arr_0", "arr_1"]])
def test_npz(tmp_path, names):
    wanted = ramp(6, 7, dtype=np.uint16)
    chosen = next(name for name in ("image", "arr_0", "only") if name in names)
    np.savez(tmp_path / "a.npz", **{name: wanted if name == chosen else wanted + 1 for name in names})
    image = read_image((tmp_path / "a.npz").rename(tmp_path / "a.dat"))
    assert image.file_format == "NPZ"
    assert np.array_equal(image.pixels, wanted)


def test_npz_of_several_arrays_lists_them(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", left=ramp(3, 4), right=ramp(3, 4))
    with pytest.raises(UnsupportedImageError, match=r"2 arrays \(left, right\)"):
        read_image(tmp_path / "a.npz")


def test_an_npz_bomb_is_refused_from_its_header(write):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (60000, 60000)})
    with pytest.raises(ImageTooLargeError, match="60000 × 60000"):
        read_image(write("bomb.npz", packed(image=header.getvalue() + bytes(10_000_000))))


def test_missing_data_are_counted(write):
    with pytest.raises(DamagedFileError, match=r"claims 80 bytes of data, and 70 are there"):
        read_image(write("short.npy", npy(ramp(4, 5))[:-10]))


def test_voxel_limit(write):
    with pytest.raises(ImageTooLargeError, match="voxels"):
        read_image(write("a.npy", npy(np.zeros((2, 600, 1000), np.uint8))), settings=Settings(max_megavoxels=1))


def test_channels_and_types(write):
    rgba = np.full((3, 4, 4), 255, np.uint8)
    rgba[0, 0] = (100, 50, 25, 51)
    image = read_image(write("a.npy", npy(rgba)))
    assert image.pixels[0, 0].tolist() == [20, 10, 5]
    assert image.notes == ("Transparent parts were laid over black.",)
    with pytest.raises(UnsupportedImageError, match="4 channels of int32"):
        read_image(write("a.npy", npy(rgba.astype(np.int32))))
    mask = read_image(write("a.npy", npy(np.eye(4, dtype=bool))))
    assert (mask.pixels.dtype, mask.bit_depth, mask.display_window) == (np.uint8, 1, (0, 1))
    assert "slices" in read_image(write("a.npy", npy(ramp(3, 20, 30)))).notes[0]


def test_not_a_number(write):
    array = ramp(4, 5)
    array[1, 1] = np.nan
    with pytest.raises(UnsupportedImageError, match="1 of 20 values are not a number"):
        read_image(write("a.npy", npy(array)))


DTYPES = st.sampled_from(["|b1", "|u1", "|i1", "<u2", ">u2", "<i2", ">i4", "<u4", "<f2", "<f4", ">f4"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    array=DTYPES.flatmap(
        lambda dtype: arrays.arrays(
            dtype,
            st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(17, 20)) | st.tuples(*[st.integers(1, 9)] * 2),
            elements={"allow_nan": False, "allow_infinity": False} if "f" in dtype else None,
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
    with pytest.raises(ReadError):
        read_image(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 200), value=st.integers(0, 255), zipped=st.booleans())
def test_a_changed_byte_is_never_a_surprise(tmp_path, place, value, zipped):
    content = bytearray(packed(image=npy(ramp(9, 9))) if zipped else npy(ramp(9, 9)))
    content[place] = value
    path = tmp_path / "changed"
    path.write_bytes(content)
    with contextlib.suppress(ReadError):
        read_image(path)
