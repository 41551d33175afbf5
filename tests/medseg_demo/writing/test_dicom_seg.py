import highdicom
import numpy as np
import pydicom
import pytest
from dicom_segs import image_of
from dicom_series import PATIENT, SeriesWriter, affine_of, blob

from medseg_demo.errors import OptionError, OutputError
from medseg_demo.image import LabelMap
from medseg_demo.writing.dicom_seg import write_dicom_seg

NAMES = ("liver", "tumour")


@pytest.fixture
def image(tmp_path):
    SeriesWriter(tmp_path / "ct").volume(blob())
    return image_of((tmp_path / "ct").iterdir(), affine_of())


@pytest.fixture
def label_map(image):
    labels = np.zeros(image.shape, np.uint8)
    labels[2:5, 3:6, 2:7] = 1
    labels[5, 7:, :3] = 2
    return LabelMap(labels, NAMES, image.geometry)


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


@pytest.mark.parametrize("source", [None, "png"])
def test_only_of_dicom_images(tmp_path, label_map, source, make_image):
    image = make_image(np.eye(9)) if source else None
    with pytest.raises(OptionError, match="Choose nifti or nrrd"):
        write_dicom_seg(label_map, image, tmp_path / "x.dcm", algorithm="a")


def test_a_source_that_is_gone(tmp_path, image, label_map):
    image.source_files[3].unlink()
    with pytest.raises(OptionError, match=r"no longer there \(1 of 8\)"):
        write_dicom_seg(label_map, image, tmp_path / "x.dcm", algorithm="a")


@pytest.mark.parametrize("lacking", [{"StudyInstanceUID": None}, {"PixelSpacing": None, "ImagerPixelSpacing": [1, 1]}])
def test_a_source_that_lacks_what_is_needed(tmp_path, lacking):
    SeriesWriter(tmp_path / "ct").volume(blob(3), **lacking)
    image = image_of((tmp_path / "ct").iterdir(), affine_of())
    label_map = LabelMap(np.ones(image.shape, np.uint8), ("a",), image.geometry)
    with pytest.raises(OutputError, match=r"cannot be written.*spacing") as error:
        write_dicom_seg(label_map, image, tmp_path / "x.dcm", algorithm="a")
    assert error.value.__cause__ is None
    assert "Secret" not in str(error.value)
    assert not (tmp_path / "x.dcm").exists()
