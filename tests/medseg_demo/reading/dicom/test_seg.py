from dataclasses import replace

import highdicom
import numpy as np
import pydicom
import pytest
from dicom_series import OBLIQUE, PATIENT, SeriesWriter, affine_of, blob, write_enhanced, write_sparse_seg
from pydicom.data import get_testdata_file

from medseg_demo.errors import DamagedFileError, OptionError, OutputError, UnsupportedImageError
from medseg_demo.image import Geometry, LabelMap
from medseg_demo.reading import read_image
from medseg_demo.reading.dicom.seg import is_dicom_seg, read_dicom_seg, write_dicom_seg
from medseg_demo.reading.labels import compare_geometry, read_label_map


@pytest.fixture
def image(tmp_path):
    SeriesWriter(tmp_path / "ct").volume(blob())
    return read_image(tmp_path / "ct")


@pytest.fixture
def dicom_file():
    """The path of a file that pydicom or pydicom-data ships; nothing is downloaded."""

    def find(name):
        return get_testdata_file(name, download=False)

    return find


@pytest.fixture
def label_map(image):
    labels = np.zeros(image.shape, np.uint8)
    labels[2:5, 3:6, 2:7] = 1
    labels[5, 7:, :3] = 2
    return LabelMap(labels, ("liver", "tumour"), image.geometry)


@pytest.fixture
def written(tmp_path, image, label_map):
    write_dicom_seg(label_map, image, tmp_path / "seg.dcm", algorithm="net-a")
    return tmp_path / "seg.dcm"


def test_segments_are_classes_and_the_algorithm_is_named(written):
    stored = highdicom.seg.segread(written)
    assert stored.segmentation_type == highdicom.seg.SegmentationTypeValues.BINARY
    assert [stored.get_segment_description(n).segment_label for n in stored.segment_numbers] == ["liver", "tumour"]
    for number in stored.segment_numbers:
        described = stored.get_segment_description(number)
        assert described.algorithm_type == highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC
        assert described.algorithm_identification.name == "net-a"


def test_highdicom_finds_the_labels_where_they_were_drawn(written, label_map):
    volume = highdicom.seg.segread(written).get_volume(combine_segments=True)
    assert np.array_equal(volume.array[::-1], label_map.labels)  # highdicom begins at the other end
    expected = affine_of()[:, [2, 1, 0, 3]]  # and its indices run (z, y, x)
    expected[:, 3] = expected @ [7, 0, 0, 1]
    expected[:, 0] *= -1
    assert np.asarray(volume.affine) == pytest.approx(expected, abs=1e-4)


def test_every_source_image_is_referred_to(written, image):
    stored, sources = pydicom.dcmread(written), [pydicom.dcmread(path) for path in image.source_files]
    (series,) = stored.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == sources[0].SeriesInstanceUID
    referred = {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence}
    assert referred == {source.SOPInstanceUID for source in sources}
    assert stored.StudyInstanceUID == sources[0].StudyInstanceUID
    assert stored.FrameOfReferenceUID == sources[0].FrameOfReferenceUID
    assert stored.PatientName == PATIENT  # as the docstring and DICOM_SEG_NOTE say
    assert "secret description" not in str(stored)
    assert stored.SeriesInstanceUID != sources[0].SeriesInstanceUID


def test_it_is_read_back(written, image, label_map):
    assert is_dicom_seg(written)
    assert not is_dicom_seg(image.source_files[0])
    for content in (read_dicom_seg(written), read_dicom_seg(written, image)):
        assert np.array_equal(content.labels, label_map.labels)
        assert content.class_names == ("liver", "tumour")
        assert content.geometry.affine == pytest.approx(image.geometry.affine, abs=1e-4)
    assert compare_geometry(image, read_label_map(written)) == []
    assert read_label_map(written, class_names=("a", "b")).class_names == ("a", "b")


def test_frames_that_a_seg_leaves_out_are_background(tmp_path, image, label_map):
    path = _sparse(tmp_path, label_map.labels == 1, image)
    for one in (image, replace(image, source_files=())):
        assert np.array_equal(read_label_map(path, image=one).labels, label_map.labels == 1)
    assert read_label_map(path).labels.shape == (3, 12, 10)


def _sparse(folder, mask, image):
    write_sparse_seg(mask, image, folder / "sparse.dcm")
    assert len(pydicom.dcmread(folder / "sparse.dcm").PerFrameFunctionalGroupsSequence) == 3
    return folder / "sparse.dcm"


def _written(folder, label_map, image):
    write_dicom_seg(label_map, image, folder / "whole.dcm", algorithm="net")
    return folder / "whole.dcm"


def test_no_label_at_all(tmp_path, image):
    empty = LabelMap(np.zeros(image.shape, np.uint8), ("liver",), image.geometry)
    content = read_dicom_seg(_written(tmp_path, empty, image))
    assert content.labels.shape == image.shape
    assert not content.labels.any()


def test_of_another_image(written, tmp_path):
    SeriesWriter(tmp_path / "other").volume(blob(), origin=(0.2, 0, 0))
    with pytest.raises(UnsupportedImageError, match="does not lie on the image"):
        read_label_map(written, image=read_image(tmp_path / "other"))


def test_a_missing_slice_keeps_every_frame_at_its_place(tmp_path):
    SeriesWriter(tmp_path / "ct").volume(blob(4), at=[0, 1, 2, 4])
    image = read_image(tmp_path / "ct")
    label_map = LabelMap((blob(4) % 2).astype(np.uint8), ("odd",), image.geometry)
    stored = pydicom.dcmread(_written(tmp_path, label_map, image))
    frames = stored.PerFrameFunctionalGroupsSequence
    places = np.array([frame.PlanePositionSequence[0].ImagePositionPatient for frame in frames], float)
    sources = [pydicom.dcmread(path) for path in image.source_files]
    expected = np.array([source.ImagePositionPatient for source in sources], float)
    assert np.sort(places, axis=0) == pytest.approx(np.sort(expected, axis=0), abs=1e-5)
    for place, frame in zip(places, stored.pixel_array, strict=True):
        index = np.linalg.norm(expected - place, axis=1).argmin()
        assert np.array_equal(frame, label_map.labels[index])


@pytest.mark.parametrize(
    "irregular",
    [{"at": [0, 1, 2, 4]}, {"at": [0, 1, 2.4, 3]}, {"directions": np.eye(3), "lean": np.array([0, 0.27, 1])}],
    ids=["missing", "uneven", "tilted"],
)
def test_a_series_without_a_regular_grid_is_found_by_its_slices(tmp_path, irregular):
    SeriesWriter(tmp_path / "ct").volume(blob(4), **irregular)
    image = read_image(tmp_path / "ct")
    labels = (blob(4) % 3).astype(np.uint8)
    path = _written(tmp_path, LabelMap(labels, ("one", "two"), image.geometry), image)
    again = read_label_map(path, image=image)
    assert np.array_equal(again.labels, labels)
    assert compare_geometry(image, again) == []
    with pytest.raises(UnsupportedImageError, match=r"no regular grid|does not lie on"):
        read_label_map(path, image=replace(image, source_files=()))


def test_every_second_slice_has_labels(tmp_path, image):
    labels = np.zeros(image.shape, np.uint8)
    labels[1:6:2, 3:6, 2:7] = 1
    path = _sparse(tmp_path, labels, image)
    stored = pydicom.dcmread(path)
    del stored.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices  # it may be left out
    stored.save_as(path)
    for one in (image, replace(image, source_files=())):
        assert np.array_equal(read_label_map(path, image=one).labels, labels)


STEP = 3 * OBLIQUE[:, 2]


@pytest.mark.parametrize("step", [STEP, -STEP, STEP + 0.8 * OBLIQUE[:, 1]], ids=["up", "down", "tilted"])
def test_frames_of_one_file(tmp_path, step):
    order = [2, 0, 1, 3]
    write_enhanced(tmp_path / "ct.dcm", blob(4)[order], [index * step for index in order])
    image = read_image(tmp_path / "ct.dcm")
    labels = (image.pixels % 3).astype(np.uint8)
    path = _written(tmp_path, LabelMap(labels, ("one", "two"), image.geometry), image)
    assert np.array_equal(read_label_map(path, image=image).labels, labels)
    for frame, place in zip(*_frames(path), strict=True):
        index = np.linalg.norm([image.geometry.affine[:3] @ (0, 0, z, 1) - place for z in range(4)], axis=1).argmin()
        assert np.array_equal(frame, labels[index] == 1)


def _frames(path):
    """The frames of the first segment, and where they lie."""
    stored = pydicom.dcmread(path)
    groups = stored.PerFrameFunctionalGroupsSequence
    first = [group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == 1 for group in groups]
    places = [group.PlanePositionSequence[0].ImagePositionPatient for group in groups]
    return stored.pixel_array[first], np.array(places, float)[first]


def test_frames_that_lie_elsewhere_than_what_they_refer_to(written, image):
    stored = pydicom.dcmread(written)
    for group in stored.PerFrameFunctionalGroupsSequence:
        place = group.PlanePositionSequence[0]
        place.ImagePositionPatient = [float(value) + 0.2 for value in place.ImagePositionPatient]
    stored.save_as(written)
    with pytest.raises(UnsupportedImageError, match="does not lie on the image"):
        read_label_map(written, image=image)


def test_one_slice(tmp_path):
    SeriesWriter(tmp_path / "ct").volume(blob(1))
    image = read_image(tmp_path / "ct")
    label_map = LabelMap((image.pixels % 2).astype(np.uint8), ("odd",), image.geometry)
    content = read_dicom_seg(_written(tmp_path, label_map, image), image)
    assert np.array_equal(content.labels, label_map.labels)


def test_an_image_without_a_place_in_the_patient(tmp_path, dicom_file):
    image = read_image(dicom_file("US1_UNCR.dcm"))
    labels = np.zeros(image.shape, np.uint8)
    labels[5:20, 5:30] = 1
    path = _written(tmp_path, LabelMap(labels, ("a",), image.geometry), image)
    assert np.array_equal(read_label_map(path, image=image).labels, labels)


def test_a_radiograph_without_a_spacing(tmp_path, dicom_file):
    image = read_image(dicom_file("RG1_UNCR.dcm"))
    with pytest.raises(OutputError, match="spacing"):
        _written(tmp_path, LabelMap(np.ones(image.shape, np.uint8), ("a",), image.geometry), image)
    SeriesWriter(tmp_path / "dx").volume(blob(1), PixelSpacing=None, ImagerPixelSpacing=[0.1, 0.1])
    image = read_image(tmp_path / "dx")
    assert image.geometry.spacing_mm == (0.1, 0.1)
    with pytest.raises(OutputError, match="spacing"):
        _written(tmp_path, LabelMap(np.ones(image.shape, np.uint8), ("a",), image.geometry), image)


@pytest.mark.parametrize("source", [None, "png"])
def test_only_of_dicom_images(tmp_path, label_map, source, make_image):
    image = make_image(np.eye(9)) if source else None
    with pytest.raises(OptionError, match="Choose nifti or nrrd"):
        write_dicom_seg(label_map, image, tmp_path / "x.dcm", algorithm="a")


def test_a_source_that_is_gone(tmp_path, image, label_map):
    image.source_files[3].unlink()
    with pytest.raises(OptionError, match=r"no longer there \(1 of 8\)"):
        write_dicom_seg(label_map, image, tmp_path / "x.dcm", algorithm="a")


def test_a_source_that_lacks_what_is_needed(tmp_path):
    SeriesWriter(tmp_path / "ct").volume(blob(3), StudyInstanceUID=None)
    image = read_image(tmp_path / "ct")
    label_map = LabelMap(np.ones(image.shape, np.uint8), ("a",), image.geometry)
    with pytest.raises(OutputError, match=r"x\.dcm cannot be written") as error:
        write_dicom_seg(label_map, image, tmp_path / "x.dcm", algorithm="a")
    assert error.value.__cause__ is None
    assert "Secret" not in str(error.value)


def test_damaged(written):
    written.write_bytes(written.read_bytes()[:3000])
    with pytest.raises((DamagedFileError, UnsupportedImageError)):
        read_label_map(written)


def test_a_geometry_without_affine_is_left_as_it_is(written, image, make_image):
    flat = make_image(np.zeros(image.shape), axes="ZYX")
    assert flat.geometry.affine is None
    assert isinstance(read_dicom_seg(written, flat).geometry, Geometry)
