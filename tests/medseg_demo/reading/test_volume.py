import contextlib

import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, ReadError, UnsupportedImageError
from medseg_demo.reading import count_volumes, read_image
from medseg_demo.settings import Settings

FORMATS = {"nrrd": "NRRD", "mha": "MetaImage"}


def save(path, array, *, compress=False, vector=False):
    image = SimpleITK.GetImageFromArray(array, isVector=vector)
    if array.ndim - vector == 3:
        image.SetSpacing((0.5, 0.75, 2.0))
        image.SetOrigin((10, -20, 30))
        image.SetDirection(SimpleITK.Euler3DTransform((0, 0, 0), 0.1, 0.2, 0.3).GetMatrix())
    SimpleITK.WriteImage(image, str(path), compress)
    return path


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
def test_volume_with_geometry(tmp_path, volume, suffix, compress, dtype):
    path = save(tmp_path / f"a.{suffix}", volume.astype(dtype), compress=compress)
    written = SimpleITK.ReadImage(str(path))
    image = read_image(path.rename(tmp_path / "noextension"))
    assert np.array_equal(image.pixels, volume.astype(dtype))
    assert (image.axes, image.file_format) == ("ZYX", FORMATS[suffix])
    assert image.bit_depth == np.dtype(dtype).itemsize * 8
    assert image.geometry.spacing_mm == pytest.approx((2.0, 0.75, 0.5))
    for index in ((0, 0, 0), (3, 2, 1)):
        expected = written.TransformContinuousIndexToPhysicalPoint(index)
        assert (image.geometry.affine @ [*index, 1])[:3] == pytest.approx(expected)


@pytest.mark.parametrize("suffix", FORMATS)
def test_2d_and_colour(tmp_path, picture, suffix):
    flat = read_image(save(tmp_path / f"a.{suffix}", picture))
    assert (flat.axes, flat.geometry.spacing_mm) == ("YX", (1, 1))
    assert np.array_equal(flat.pixels, picture)
    colours = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)
    assert np.array_equal(read_image(save(tmp_path / f"c.{suffix}", colours, vector=True)).pixels, colours)


@pytest.mark.parametrize("suffix", FORMATS)
def test_limits_and_dimensions(tmp_path, volume, suffix):
    path = save(tmp_path / f"a.{suffix}", np.zeros((3, 700, 600), np.uint8), compress=True)
    with pytest.raises(ImageTooLargeError):
        read_image(path, settings=Settings(max_megavoxels=1))
    one = SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(volume)])
    SimpleITK.WriteImage(one, str(tmp_path / f"c.{suffix}"))
    assert np.array_equal(read_image(tmp_path / f"c.{suffix}").pixels, volume)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("compress", [False, True])
def test_one_of_several_volumes(tmp_path, volume, suffix, compress):
    volumes = [SimpleITK.GetImageFromArray(volume + index) for index in range(3)]
    for image in volumes:
        image.SetSpacing((0.5, 0.75, 2.0))
        image.SetDirection((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1))
    SimpleITK.WriteImage(SimpleITK.JoinSeries(volumes), str(tmp_path / f"t.{suffix}"), compress)
    SimpleITK.WriteImage(SimpleITK.Compose(volumes[:2]), str(tmp_path / f"c.{suffix}"), compress)
    for name, count in (("t", 3), ("c", 2)):
        path = tmp_path / f"{name}.{suffix}"
        assert count_volumes(path) == count
        with pytest.raises(UnsupportedImageError, match=rf"{name}\.{suffix}: it holds {count} volumes.*--volume"):
            read_image(path)
        image = read_image(path, volume=2)
        assert np.array_equal(image.pixels, volume + 1)
        assert image.geometry.spacing_mm == pytest.approx((2.0, 0.75, 0.5))
        assert image.geometry.affine[:3, 0] == pytest.approx((0.4, 0.3, 0))
        with pytest.raises(UnsupportedImageError, match=f"no volume 9; it holds {count}"):
            read_image(path, volume=9)
    SimpleITK.WriteImage(volumes[0], str(tmp_path / f"v.{suffix}"))
    assert count_volumes(tmp_path / f"v.{suffix}") == 1


def test_without_spacing_it_is_unknown(write):
    header = b"NDims = 2\nDimSize = 3 2\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    image = read_image(write("a.mha", header + bytes(range(6))))
    assert image.geometry.spacing_mm is None
    assert image.geometry.affine is None
    assert image.pixels.tolist() == [[0, 1, 2], [3, 4, 5]]
    header = b"NRRD0004\ntype: uchar\ndimension: 2\nsizes: 3 2\nencoding: raw\n\n"
    assert read_image(write("a.nrrd", header + bytes(range(6)))).geometry.spacing_mm is None


def test_pixels_beside_the_header(tmp_path, volume):
    path = save(tmp_path / "a.mhd", volume)
    assert np.array_equal(read_image(path).pixels, volume)
    (tmp_path / "a.raw").unlink()
    with pytest.raises(UnsupportedImageError, match="only a header"):
        read_image(path)


@pytest.mark.parametrize("place", ["../secret.raw", "/etc/passwd", "sub/secret.raw", "LIST", "s%02d.raw 1 2 1"])
def test_pixels_elsewhere_are_not_read(tmp_path, write, place):
    (tmp_path / "sub").mkdir()
    for secret in (tmp_path.parent / "secret.raw", tmp_path / "sub" / "secret.raw"):
        secret.write_bytes(bytes(range(6)))
    meta = f"NDims = 2\nDimSize = 3 2\nElementType = MET_UCHAR\nElementDataFile = {place}\n"
    nrrd = f"NRRD0004\ntype: uchar\ndimension: 2\nsizes: 3 2\nencoding: raw\ndata file: {place}\n\n"
    for header in (meta, nrrd):
        with pytest.raises(UnsupportedImageError, match="only a header"):
            read_image(write("a.hdr", header.encode()))


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("compress", [False, True])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 0.995))
def test_a_cut_file_is_always_an_error(tmp_path, volume, suffix, compress, share):
    path = tmp_path / f"a.{suffix}"
    if not path.exists():
        save(path, volume, compress=compress)
    content = path.read_bytes()
    (tmp_path / "cut").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ReadError):
        read_image(tmp_path / "cut")


@pytest.mark.parametrize("suffix", FORMATS)
def test_damaged_compressed_data_are_noticed(tmp_path, volume, suffix):
    path = save(tmp_path / f"a.{suffix}", volume, compress=True)
    content = bytearray(path.read_bytes())
    content[-40] ^= 0x55
    path.write_bytes(content)
    with pytest.raises(DamagedFileError):
        read_image(path)


@pytest.mark.parametrize("suffix", FORMATS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 300), value=st.integers(0, 255))
def test_a_changed_byte_of_the_header_is_never_a_surprise(tmp_path, volume, suffix, place, value):
    path = tmp_path / f"a.{suffix}"
    if not path.exists():
        save(path, volume)
    content = bytearray(path.read_bytes())
    content[place] = value
    (tmp_path / "changed").write_bytes(content)
    with contextlib.suppress(ReadError):
        read_image(tmp_path / "changed")


@pytest.mark.parametrize("second", ["(0.5,1,0)", "(2,0,0)", "(0,0,0)"])
def test_axes_that_are_not_at_right_angles(tmp_path, second):
    header = (
        "NRRD0004\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\nsizes: 2 2 2\n"
        f"space directions: (1,0,0) {second} (0,0,1)\nencoding: raw\n\n"
    )
    (tmp_path / "a").write_bytes(header.encode() + bytes(range(8)))
    with pytest.raises(ReadError, match=r"right angles|damaged"):
        read_image(tmp_path / "a")
