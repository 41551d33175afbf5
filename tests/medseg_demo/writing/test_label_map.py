import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from dicom_series import SeriesWriter, affine_of, blob
from PIL import Image
from pydicom.data import get_testdata_file

from medseg_demo.errors import OptionError, OutputError
from medseg_demo.image import Geometry, LabelMap
from medseg_demo.reading import read_image
from medseg_demo.reading.labels import compare_geometry, read_label_map
from medseg_demo.rendering.colours import class_colour
from medseg_demo.writing.label_map import (
    DICOM_SEG_NOTE,
    label_map_formats,
    label_map_suffix,
    write_label_map,
)


def test_pixel_values_of_the_png_are_the_classes(tmp_path):
    labels = np.array([[0, 1, 2], [3, 7, 255]], np.uint8)
    path = write_label_map(LabelMap(labels, tuple("abc")), None, tmp_path / "case.1")
    assert path == tmp_path / "case.1.png"
    with Image.open(path) as picture:
        assert picture.mode == "P"
        assert (np.asarray(picture) == labels).all()
        assert tuple(picture.getpalette()[3:6]) == class_colour(1)


def oblique_affine():
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])
    affine = np.eye(4)
    affine[:3, :3] = turn * (0.5, 0.75, 3.0)
    affine[:3, 3] = (-10, 20, 30)
    return affine


def test_a_volume_keeps_an_oblique_anisotropic_affine(tmp_path):
    labels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    label_map = LabelMap(labels, ("a",), Geometry((3.0, 0.75, 0.5), oblique_affine()))
    path = write_label_map(label_map, None, tmp_path / "volume")
    assert path.name == "volume.nii.gz"
    stored = nibabel.load(path)
    lps_to_ras = np.diag([-1, -1, 1, 1])
    np.testing.assert_allclose(stored.affine, lps_to_ras @ oblique_affine(), atol=1e-5)
    assert (labels == np.asarray(stored.dataobj).T).all()
    assert stored.get_data_dtype() == np.uint8


def test_what_is_written_has_the_geometry_of_what_was_read(tmp_path):
    source = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 99, (4, 5, 6), dtype=np.int16))
    source.SetSpacing((0.5, 0.75, 3.0))
    source.SetDirection((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1))
    source.SetOrigin((-10, 20, 30))
    sitk.WriteImage(source, str(tmp_path / "source.nii.gz"))
    image = read_image(tmp_path / "source.nii.gz")
    label_map = LabelMap(np.ones(image.shape, np.uint8), ("a",), image.geometry)
    path = write_label_map(label_map, image, tmp_path / "labels")
    np.testing.assert_allclose(nibabel.load(path).affine, nibabel.load(tmp_path / "source.nii.gz").affine, atol=1e-5)
    again = sitk.ReadImage(str(path))
    assert again.GetSize() == source.GetSize()
    np.testing.assert_allclose(again.GetSpacing(), source.GetSpacing(), atol=1e-6)


@pytest.mark.parametrize("file_format", ["nifti", "nrrd", "dicom-seg"])
def test_a_single_slice_lies_on_its_image_again(tmp_path, file_format):
    image = read_image(get_testdata_file("CT_small.dcm", download=False))
    labels = np.zeros(image.shape, np.uint8)
    labels[20:50, 30:90] = 1
    written = LabelMap(labels, ("a",), image.geometry)
    path = write_label_map(written, image, tmp_path / "slice", file_format=file_format)
    again = read_label_map(path, class_names=("a",), image=image)
    np.testing.assert_array_equal(again.labels, labels)
    assert compare_geometry(image, again) == []


def test_spacing_without_an_affine_is_kept(tmp_path):
    label_map = LabelMap(np.ones((2, 3, 4), np.uint8), ("a",), Geometry((3.0, 2.0, 1.0)))
    path = write_label_map(label_map, None, tmp_path / "v")
    np.testing.assert_allclose(nibabel.load(path).header.get_zooms(), (1, 2, 3))


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 4)])
def test_nrrd_keeps_the_affine_and_is_read_back(tmp_path, shape):
    labels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    spacing = (3.0, 0.75, 0.5)[-len(shape) :]
    path = write_label_map(
        LabelMap(labels, ("a",), Geometry(spacing, oblique_affine())), None, tmp_path / "v", file_format="nrrd"
    )
    assert path == tmp_path / "v.nrrd"
    again = read_label_map(path)
    assert np.array_equal(again.labels.reshape(shape), labels)
    np.testing.assert_allclose(again.geometry.affine, oblique_affine(), atol=1e-6)
    itk = sitk.ReadImage(str(path))
    np.testing.assert_allclose(itk.GetSpacing(), (0.5, 0.75, 3.0))


def test_a_dicom_series_goes_in_and_three_formats_come_out(tmp_path):
    SeriesWriter(tmp_path / "ct").volume(blob())
    image = read_image(tmp_path / "ct")
    label_map = LabelMap((blob() % 3).astype(np.uint8), ("one", "two"), image.geometry)
    assert label_map_formats(image) == ("auto", "nifti", "nrrd", "dicom-seg")
    for file_format in ("nifti", "nrrd", "dicom-seg"):
        path = write_label_map(label_map, image, tmp_path / "out.1", file_format=file_format, algorithm="net")
        assert path.name == "out.1" + label_map_suffix(label_map, file_format)
        again = read_label_map(path)
        assert np.array_equal(again.labels, label_map.labels)
        np.testing.assert_allclose(again.geometry.affine, affine_of(), atol=1e-4)
        assert compare_geometry(image, again) == []


def test_a_tilted_series_comes_out_tilted(tmp_path):
    SeriesWriter(tmp_path / "ct").volume(blob(), directions=np.eye(3), lean=np.array([0, 0.27, 1]))
    image = read_image(tmp_path / "ct")
    label_map = LabelMap((blob() % 3).astype(np.uint8), ("one", "two"), image.geometry)
    for file_format in ("nifti", "nrrd", "dicom-seg"):
        path = write_label_map(label_map, image, tmp_path / "out", file_format=file_format)
        again = read_label_map(path, image=image)
        assert np.array_equal(again.labels, label_map.labels)
        assert compare_geometry(image, again) == []
        assert again.geometry.spacing_mm == pytest.approx(image.geometry.spacing_mm)
    path = write_label_map(label_map, image, tmp_path / "out")
    np.testing.assert_allclose(np.diag([-1, -1, 1, 1]) @ nibabel.load(path).affine, image.geometry.affine, atol=1e-5)


def test_what_cannot_be_written(tmp_path, make_image):
    image = make_image(np.eye(4))
    label_map = LabelMap(np.eye(4, dtype=np.uint8), ("a",), image.geometry)
    assert "dicom-seg" not in label_map_formats(image)
    with pytest.raises(OptionError, match="Choose nifti or nrrd"):
        write_label_map(label_map, image, tmp_path / "x", file_format="dicom-seg")
    with pytest.raises(OptionError, match=r"'tiff'.*auto, nifti, nrrd, dicom-seg"):
        write_label_map(label_map, image, tmp_path / "x", file_format="tiff")
    assert list(tmp_path.iterdir()) == []
    assert "patient" in DICOM_SEG_NOTE


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(OutputError, match=r"x\.png cannot be written"):
        write_label_map(LabelMap(np.ones((2, 2), np.uint8), ("a",)), None, tmp_path / "none" / "x")
    with pytest.raises(OutputError, match=r"x\.nii\.gz cannot be written"):
        write_label_map(LabelMap(np.ones((2, 2, 2), np.uint8), ("a",)), None, tmp_path / "none" / "x")
    with pytest.raises(OutputError, match=r"x\.nrrd cannot be written"):
        write_label_map(
            LabelMap(np.ones((2, 2, 2), np.uint8), ("a",)), None, tmp_path / "none" / "x", file_format="nrrd"
        )


def test_a_failing_writer_leaves_nothing(tmp_path, monkeypatch):
    def half(labels, geometry, path):
        path.write_bytes(b"half")
        raise ValueError("unforeseen")

    monkeypatch.setattr("medseg_demo.writing.label_map.write_nifti", half)
    with pytest.raises(OutputError, match=r"x\.nii\.gz cannot be written \(ValueError\)"):
        write_label_map(LabelMap(np.ones((2, 2, 2), np.uint8), ("a",)), None, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file_format", ["auto", "nifti", "nrrd"])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4)])
def test_a_folder_whose_name_is_no_utf_8(tmp_path, file_format, shape):
    folder = tmp_path / "K\udcf6nig"
    folder.mkdir()
    path = write_label_map(LabelMap(np.ones(shape, np.uint8), ("a",)), None, folder / "x", file_format=file_format)
    assert list(folder.iterdir()) == [path]


def leaning_affine():
    affine = oblique_affine()
    affine[:3, 2] += (0.3, 0.8, 0)
    return affine


@pytest.mark.parametrize("mirrored", [1, -1])
@pytest.mark.parametrize("make", [oblique_affine, leaning_affine])
def test_itk_finds_an_nrrd_where_the_affine_says(tmp_path, make, mirrored):
    affine = make() @ np.diag([1, mirrored, 1, 1])
    labels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    geometry = Geometry((3.0, 0.75, 0.5), affine)
    path = write_label_map(LabelMap(labels, ("a",), geometry), None, tmp_path / "v", file_format="nrrd")
    itk = sitk.ReadImage(str(path))
    assert (sitk.GetArrayFromImage(itk) == labels).all()
    np.testing.assert_allclose(np.reshape(itk.GetDirection(), (3, 3)) * itk.GetSpacing(), affine[:3, :3], atol=1e-12)
    np.testing.assert_allclose(itk.GetOrigin(), affine[:3, 3])


@pytest.mark.parametrize(("shape", "spacing"), [((3, 4), (0.75, 0.5)), ((2, 3, 4), (3.0, 0.75, 0.5))])
def test_itk_finds_the_spacing_of_an_nrrd_without_an_affine(tmp_path, shape, spacing):
    labels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    label_map = LabelMap(labels, ("a",), Geometry(spacing))
    itk = sitk.ReadImage(str(write_label_map(label_map, None, tmp_path / "v", file_format="nrrd")))
    assert itk.GetSpacing() == spacing[::-1]
    assert (sitk.GetArrayFromImage(itk) == labels).all()
    unknown = write_label_map(LabelMap(labels, ("a",)), None, tmp_path / "u", file_format="nrrd")
    assert b"spac" not in unknown.read_bytes().split(b"\n\n")[0]
    assert sitk.ReadImage(str(unknown)).GetSize() == shape[::-1]


def test_values_above_255_are_kept(tmp_path):
    labels = np.array([[[0, 1], [256, 65535]]], np.int64)
    label_map = LabelMap(labels, ("a",))
    nrrd = sitk.ReadImage(str(write_label_map(label_map, None, tmp_path / "v", file_format="nrrd")))
    assert (sitk.GetArrayFromImage(nrrd) == labels).all()
    with Image.open(write_label_map(LabelMap(labels[0], ("a",)), None, tmp_path / "v")) as picture:
        assert (np.asarray(picture) == labels[0]).all()
    assert (labels == np.asarray(nibabel.load(write_label_map(label_map, None, tmp_path / "v")).dataobj).T).all()


def test_values_beyond_two_bytes_are_no_label_map(tmp_path):
    for value in (65536, -1):
        with pytest.raises(OutputError):
            write_label_map(LabelMap(np.full((2, 2), value), ("a",)), None, tmp_path / "v")
    assert list(tmp_path.iterdir()) == []
