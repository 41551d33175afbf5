import contextlib
import tempfile

import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from voxel_files import meta, nrrd, random_meta, random_nrrd

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, ReadError, UnsupportedImageError
from medseg_demo.reading import count_volumes, read_image
from medseg_demo.reading.itk import data_file_names, inspect, is_meta_image, is_nrrd, read
from medseg_demo.reading.source import open_source
from medseg_demo.settings import Settings

FORMATS = {"nrrd": "NRRD", "mha": "MetaImage"}
SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)


def raw_volumes(path):
    with open_source(path, Settings()) as source:
        layout = inspect(source)
        return layout, [read(source, layout, [volume]) for volume in range(layout.volumes)]


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
@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_volume_with_geometry(tmp_path, volume, suffix, compress, dtype):
    values = (volume % 100).astype(dtype)
    path = save(tmp_path / f"a.{suffix}", values, compress=compress)
    written = SimpleITK.ReadImage(str(path))
    image = read_image(path.rename(tmp_path / "noextension"))
    assert np.array_equal(image.pixels, values)
    assert (image.axes, image.file_format) == ("ZYX", FORMATS[suffix])
    assert image.bit_depth == np.dtype(dtype).itemsize * 8
    assert image.geometry.spacing_mm == pytest.approx((2.0, 0.75, 0.5))
    for index in ((0, 0, 0), (3, 2, 1)):
        expected = written.TransformContinuousIndexToPhysicalPoint(index)
        assert (image.geometry.affine @ [*index, 1])[:3] == pytest.approx(expected)


@pytest.mark.parametrize("suffix", FORMATS)
def test_2d_and_colour(tmp_path, picture, suffix):
    flat = read_image(save(tmp_path / f"a.{suffix}", picture))
    assert (flat.axes, flat.geometry.spacing_mm, flat.geometry.affine) == ("YX", (1, 1), None)
    assert np.array_equal(flat.pixels, picture)
    colours = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)
    if suffix == "nrrd":  # ITK writes kind vector, which says nothing of colour
        (tmp_path / "c.nrrd").write_bytes(nrrd(colours, kinds="RGB-color domain domain domain"))
    else:
        save(tmp_path / "c.mha", colours, vector=True)
    image = read_image(tmp_path / f"c.{suffix}")
    assert image.is_colour
    assert np.array_equal(image.pixels, colours)
    assert any("were taken for red" in note for note in image.notes) == (suffix == "mha")


def test_2d_with_a_place_keeps_it(write):
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    fields = {"ElementSpacing": "0.5 2", "Offset": "7 8", "TransformMatrix": "0 1 -1 0"}
    geometry = read_image(write("a.mha", meta(array, **fields))).geometry
    assert geometry.spacing_mm == (2, 0.5)
    assert geometry.affine[:2].tolist() == [[0, -2, 0, 7], [0.5, 0, 0, 8]]


@pytest.mark.parametrize("suffix", FORMATS)
def test_limits_and_dimensions(tmp_path, volume, suffix):
    path = save(tmp_path / f"a.{suffix}", np.zeros((3, 700, 600), np.uint8), compress=True)
    with pytest.raises(ImageTooLargeError):
        read_image(path, settings=Settings(max_megavoxels=1))
    one = SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(volume)])
    SimpleITK.WriteImage(one, str(tmp_path / f"c.{suffix}"))
    assert np.array_equal(read_image(tmp_path / f"c.{suffix}").pixels, volume)
    wide = save(tmp_path / f"w.{suffix}", np.zeros((1001, 1000), np.uint8))
    with pytest.raises(ImageTooLargeError):
        read_image(wide, settings=Settings(max_megapixels=1))


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_limit_of_bytes_counts_what_one_volume_takes(tmp_path, suffix):
    volumes = [SimpleITK.GetImageFromArray(np.full((2, 512, 512), value, np.uint16)) for value in range(3)]
    volumes[1][0, 0, 0] = 7
    SimpleITK.WriteImage(SimpleITK.JoinSeries(volumes), str(tmp_path / f"t.{suffix}"), True)
    SimpleITK.WriteImage(SimpleITK.Compose(volumes), str(tmp_path / f"c.{suffix}"), True)
    tight = Settings(max_decoded_mb=2)
    assert read_image(tmp_path / f"t.{suffix}", volume=2, settings=tight).pixels[0, 0, 0] == 7
    with pytest.raises(ImageTooLargeError):  # their values alternate, so that all are unpacked
        read_image(tmp_path / f"c.{suffix}", volume=2, settings=tight)


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
        everything = read_image(path, channels=True)
        assert np.array_equal(everything.pixels, np.stack([volume + index for index in range(count)], axis=-1))
        assert len(everything.channel_names) == count
    SimpleITK.WriteImage(volumes[0], str(tmp_path / f"v.{suffix}"))
    assert count_volumes(tmp_path / f"v.{suffix}") == 1


def test_without_spacing_it_is_unknown(write):
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    for content in (nrrd(array), meta(array), nrrd(array, spacings="nan 1"), meta(array, Offset="1 2")):
        geometry = read_image(write("a", content)).geometry
        assert (geometry.spacing_mm, geometry.affine) == (None, None)


def test_pixels_beside_the_header(tmp_path, volume):
    path = save(tmp_path / "a.mhd", volume)
    assert np.array_equal(read_image(path).pixels, volume)
    with open_source(path, Settings()) as source:
        assert data_file_names(source) == ("a.raw",)
    (tmp_path / "a.raw").unlink()
    with pytest.raises(UnsupportedImageError, match="only a header"):
        read_image(path)


def test_data_file_names_never_lead_elsewhere(write):
    array = np.zeros((2, 3), np.uint8)
    for content in (
        meta(array),
        nrrd(array),
        meta(array, ElementDataFile="/etc/passwd"),
        nrrd(array, data_file="../x.raw"),
        meta(array, "a.raw", "../b.raw", ElementDataFile="LIST"),
        b"NDims = 2\nelse",
    ):
        with open_source(write("a", content), Settings()) as source:
            assert data_file_names(source) == ()


def test_they_are_known_by_their_first_bytes(write):
    texts = {b"NRRD0004\n": (True, False), b"NRRD00.01\n": (True, False), b" NDims : 3\n": (False, True)}
    texts |= {b"objecttype=Image\n": (False, True), b"Comment = a\nNDims = 3\n": (False, True)}
    texts |= {b"name: value\n": (False, False), b"NIfTI": (False, False)}
    for text, expected in texts.items():
        with open_source(write("a", text), Settings()) as source:
            assert (is_nrrd(source), is_meta_image(source)) == expected


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


def test_leaning_axes_are_kept_and_dependent_ones_refused(write):
    array = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    nrrd_of = "space directions: (1,0,0) {} (0,0,1)".format
    lean = read_image(write("a", nrrd(array, nrrd_of("(0.5,1,0)"), space="LPS"))).geometry
    assert lean.affine[:3, 1].tolist() == pytest.approx([0.5, 1, 0])
    assert lean.spacing_mm == pytest.approx((1, 1, 1))  # between the rows, so that the product is a voxel's volume
    for second in ("(2,0,0)", "(0,0,0)", "none"):
        with pytest.raises(ReadError):
            read_image(write("a", nrrd(array, nrrd_of(second), space="LPS")))
    fields = {"ElementSpacing": "1 1 1", "TransformMatrix": "2 0 0 0 1 0 0 0 1"}
    with pytest.raises(UnsupportedImageError, match="not of length 1"):
        read_image(write("a", meta(array, **fields)))


def test_nothing_is_printed_and_nothing_stays(tmp_path, volume, capfd, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    path = save(tmp_path / "a.nrrd", volume)
    read_image(path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DamagedFileError):
        read_image(path)
    assert capfd.readouterr().err == ""
    assert list((tmp_path / "temporary").iterdir()) == []


def affine_of(image):
    axes = image.GetDimension()
    matrix = np.reshape(image.GetDirection(), (axes, axes)) * image.GetSpacing()
    affine, own = np.eye(4), min(3, axes)
    affine[:own, :own], affine[:own, 3] = matrix[:own, :own], image.GetOrigin()[:own]
    return affine


def assert_same_grid(raw, image, shape):
    geometry = raw.geometry
    if geometry.spacing_mm is None:
        return
    assert geometry.spacing_mm == pytest.approx(image.GetSpacing()[: len(shape)][::-1])
    implied = np.diag([*geometry.spacing_mm[::-1], *[1] * (4 - len(shape))])
    assert (implied if geometry.affine is None else geometry.affine) == pytest.approx(affine_of(image), abs=1e-9)


@pytest.mark.parametrize("batch", range(10))
def test_random_nrrd_headers_against_simpleitk_and_pynrrd(tmp_path, batch):
    import nrrd as pynrrd

    read_by = {"ITK": 0, "pynrrd": 0}
    for seed in range(batch * 50, batch * 50 + 50):
        path, array, axis, kind = random_nrrd(seed, tmp_path)
        layout, raws = raw_volumes(path)
        if axis is None:
            expected = [array]
        elif kind in ("RGB-color", "3-color"):
            expected = [np.moveaxis(array, axis, -1)]
        else:
            expected = list(np.moveaxis(array, axis, 0))
        assert len(raws) == len(expected), seed
        assert all(np.array_equal(raw.array, values) for raw, values in zip(raws, expected, strict=True)), seed
        with contextlib.suppress(pynrrd.NRRDError, ValueError, KeyError):
            assert np.array_equal(pynrrd.read(str(path), index_order="C")[0], array), seed
            read_by["pynrrd"] += 1
        with contextlib.suppress(RuntimeError):  # it has no bzip2, and no complete reader of text
            image = SimpleITK.ReadImage(str(path))
            assert_same_grid(raws[0], image, layout.shape)
            read_by["ITK"] += 1
    assert min(read_by.values()) > 20


@pytest.mark.parametrize("batch", range(4))
def test_random_meta_headers_against_simpleitk(tmp_path, batch):
    for seed in range(batch * 50, batch * 50 + 50):
        path, array = random_meta(seed, tmp_path)
        layout, raws = raw_volumes(path)
        volumes = list(array) if array.ndim == 5 else [array]
        expected = volumes if layout.samples == 3 else [each[..., c] for each in volumes for c in range(each.shape[-1])]
        assert len(raws) == len(expected), seed
        assert all(np.array_equal(raw.array, values) for raw, values in zip(raws, expected, strict=True)), seed
        assert (layout.samples == 3) == (array.dtype == np.uint8 and array.shape[-1] == 3)
        image = SimpleITK.ReadImage(str(path))
        assert np.array_equal(SimpleITK.GetArrayFromImage(image).ravel(), array.ravel()), seed
        assert_same_grid(raws[0], image, layout.shape)
