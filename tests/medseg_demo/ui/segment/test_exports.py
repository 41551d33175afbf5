import zipfile
from dataclasses import replace

import nibabel
import numpy as np
import pytest
import trimesh
from PIL import Image

from medseg_demo.errors import OptionError
from medseg_demo.image import Geometry, HeatMap
from medseg_demo.segmenting.pipeline import segment
from medseg_demo.ui.segment.exports import format_choices, write_export

AFFINE = np.array([[0, 0, 2.0, 5], [1.5, 0, 0, -7], [0, 1.0, 0, 3], [0, 0, 0, 1]])


@pytest.fixture
def volume(make_image, brightness, settings):
    """A bright block of 4 × 20 × 30 voxels in a sagittal volume."""
    pixels = np.zeros((8, 64, 64), np.uint8)
    pixels[2:6, 20:40, 10:40] = 255
    image = replace(make_image(pixels, "ZYX"), geometry=Geometry((2.0, 1.0, 1.5), AFFINE))
    return segment(image, brightness, settings=settings)


def test_what_a_volume_can_be_written_as(volume):
    assert dict(format_choices(volume)) == {
        "NIfTI": "auto",
        "NRRD": "nrrd",
        "PNG, one a slice (zip)": "png-slices",
        "Surface, STL": "stl",
        "Surface with colours, GLB": "glb",
    }


def test_a_picture_has_neither_slices_nor_surface(square, brightness, settings):
    names = [name for name, _ in format_choices(segment(square, brightness, settings=settings))]
    assert names == ["PNG", "NIfTI", "NRRD"]


def test_a_heat_map_has_formats_of_its_own(volume, tmp_path):
    heat = HeatMap("unsure", np.full(volume.image.shape, 0.25, np.float32))
    formats = dict(format_choices(replace(volume, heat=heat)))
    assert list(formats)[-2:] == ["Heat map, NIfTI", "Heat map, NPY"]
    path = write_export(replace(volume, heat=heat), formats["Heat map, NPY"], tmp_path, "scan")
    assert path.name == "scan_heat.npy"
    assert np.load(path).min() == 0.25


def test_dicom_seg_is_offered_where_the_source_is_dicom(volume, tmp_path):
    with_source = replace(volume, image=replace(volume.image, source_files=(tmp_path / "a",)))
    assert ("DICOM SEG", "dicom-seg") in format_choices(with_source)


def test_nifti_keeps_the_affine(volume, tmp_path):
    path = write_export(volume, "auto", tmp_path / "new", "scan")
    image = nibabel.load(path)
    assert path.name == "scan.nii.gz"
    assert np.allclose(np.diag([-1, -1, 1, 1]) @ image.affine, AFFINE)
    assert np.asarray(image.dataobj).sum() == 4 * 20 * 30


def test_slices_are_palette_pngs(volume, tmp_path):
    path = write_export(volume, "png-slices", tmp_path, "scan")
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [f"scan_{index:04}.png" for index in range(8)]
        with archive.open("scan_0003.png") as file:
            assert np.asarray(Image.open(file)).sum() == 20 * 30
    assert [one.name for one in tmp_path.iterdir() if one.suffix == ".png"] == []


@pytest.mark.parametrize("key", ["stl", "glb"])
def test_the_surface_lies_where_the_voxels_do(volume, tmp_path, key):
    mesh = trimesh.load(write_export(volume, key, tmp_path, "scan"), force="mesh")
    extent = 1000 * mesh.extents[[0, 2, 1]] if key == "glb" else mesh.extents  # GLB is in metres, Y up
    assert extent == pytest.approx((4 * 2.0, 30 * 1.5, 20 * 1.0), rel=0.1)


def test_another_format_is_refused(volume, tmp_path):
    with pytest.raises(OptionError, match="Choose one of: NIfTI, NRRD"):
        write_export(volume, "dicom-seg", tmp_path, "scan")
