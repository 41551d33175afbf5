import highdicom
import numpy as np
import pydicom
import pytest
from dicom_segs import NAMES, labels_on, series_in
from dicom_series import PATIENT, SeriesWriter, affine_of, blob, item, write_enhanced
from pydicom.uid import (
    NuclearMedicineImageStorage,
    ParametricMapStorage,
    RTDoseStorage,
    generate_uid,
)

from medseg_demo.errors import OptionError, OutputError, ReadError
from medseg_demo.image import LabelMap
from medseg_demo.reading import compare_geometry, read_image, read_label_map
from medseg_demo.writing.dicom_seg import write_dicom_seg
from medseg_demo.writing.label_map import label_map_formats

CAPTURE = "1.2.840.10008.5.1.4.1.1.7.3"  # secondary captures of several frames, grey, 16 bits


@pytest.fixture
def image(tmp_path):
    return series_in(tmp_path)


@pytest.fixture
def label_map(image):
    return labels_on(image)


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


def _frames_file(path, pixels, *, without=(), **elements):
    """One file of several frames without functional groups, and the image that is read from it."""
    writer = SeriesWriter(path.parent)
    writer.slice(pixels[0], (-20.0, 15.0, 40.0), series=generate_uid(), name=path.name)
    dataset = pydicom.dcmread(path)
    dataset.NumberOfFrames, dataset.PixelData = len(pixels), pixels.tobytes()
    for keyword in without:
        delattr(dataset, keyword)
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    return read_image(path)


def _round_trip(image, path, *, labels=None):
    """Labels are written, and read back by this reader; the file as pydicom and as highdicom see it."""
    labels = (np.arange(np.prod(image.shape)).reshape(image.shape) % 3).astype(np.uint8) if labels is None else labels
    write_dicom_seg(LabelMap(labels, NAMES, image.geometry), image, path, algorithm="net-a")
    again = read_label_map(path, image=image, class_names=NAMES)
    assert np.array_equal(again.labels, labels)
    assert compare_geometry(image, again) == []
    return labels, pydicom.dcmread(path), highdicom.seg.segread(path)


def _volume_of(stored, image):
    """Highdicom's volume in the order of the image's slices, and its affine of indices (x, y, z, 1)."""
    volume = stored.get_volume(combine_segments=True)
    affine, array = np.asarray(volume.affine)[:, [2, 1, 0, 3]], volume.array
    if affine[:3, 2] @ image.geometry.affine[:3, 2] < 0:
        affine[:, 3], affine[:, 2], array = affine @ [0, 0, len(array) - 1, 1], -affine[:, 2], array[::-1]
    return array, affine


def _named(dataset):
    """The frame in the source file that each frame names."""
    items = [g.DerivationImageSequence[0].SourceImageSequence[0] for g in dataset.PerFrameFunctionalGroupsSequence]
    return [int(item.ReferencedFrameNumber) for item in items]


DETECTOR = item(ImagePositionPatient=[-20, 15, 40], ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
NOWHERE = ("ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID")
NM = {"SOPClassUID": NuclearMedicineImageStorage, "Modality": "NM", "ImageType": ["ORIGINAL", "PRIMARY", "RECON TOMO"]}
NM |= {"FrameIncrementPointer": 0x00540080, "NumberOfSlices": 4, "DetectorInformationSequence": [DETECTOR]}
DOSE = {"SOPClassUID": RTDoseStorage, "Modality": "RTDOSE", "DoseGridScaling": 0.5, "FrameIncrementPointer": 0x3004000C}
PLACED = {
    "dose": ((), DOSE | {"GridFrameOffsetVector": [0, 2, 4, 6]}, [1, 2, 3, 4]),
    "dose-downwards": ((), DOSE | {"GridFrameOffsetVector": [0, -2, -4, -6]}, [4, 3, 2, 1]),
    "detector": (NOWHERE, NM | {"SliceVector": [1, 2, 3, 4], "SpacingBetweenSlices": 2}, [1, 2, 3, 4]),
    "negative-step": (NOWHERE, NM | {"SliceVector": [1, 2, 3, 4], "SpacingBetweenSlices": -2}, [4, 3, 2, 1]),
    "capture": (
        (),
        {"SOPClassUID": CAPTURE, "SpacingBetweenSlices": 2},
        [1, 2, 3, 4],
    ),
    "without-thickness": (("SliceThickness",), DOSE | {"GridFrameOffsetVector": [0, 2, 4, 6]}, [1, 2, 3, 4]),
}


@pytest.mark.parametrize(("without", "elements", "frames"), PLACED.values(), ids=PLACED)
def test_frames_that_state_their_place_without_functional_groups(tmp_path, without, elements, frames):
    image = _frames_file(tmp_path / "f.dcm", blob(4), without=without, **elements)
    labels, dataset, stored = _round_trip(image, tmp_path / "seg.dcm")
    array, affine = _volume_of(stored, image)
    assert np.array_equal(array, labels)
    assert affine == pytest.approx(image.geometry.affine, abs=1e-6)
    assert image.source_frames.frames == tuple(frames)
    assert sorted(_named(dataset)) == sorted(2 * frames)
    for index, frame in enumerate(frames):  # by the frame of the file, as viewers look it up
        part = stored.get_pixels_by_source_frame(image.source_frames.instances[0], [frame], combine_segments=True)
        assert np.array_equal(part[0], labels[index])
    (referred,) = dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert referred.ReferencedSOPClassUID == elements["SOPClassUID"]
    assert len(dataset.SourceImageSequence) == 1


def test_uneven_frames_lie_where_they_lie(tmp_path):
    image = _frames_file(tmp_path / "f.dcm", blob(4), **DOSE, GridFrameOffsetVector=[0, 2, 4, 9])
    _, dataset, _ = _round_trip(image, tmp_path / "seg.dcm")
    normal = image.geometry.affine[:3, 2] / np.linalg.norm(image.geometry.affine[:3, 2])
    groups = dataset.PerFrameFunctionalGroupsSequence
    places = {
        frame: group.PlanePositionSequence[0].ImagePositionPatient
        for frame, group in zip(_named(dataset), groups, strict=True)
    }
    depths = [np.array(places[frame], float) @ normal for frame in (1, 2, 3, 4)]
    assert np.diff(depths) == pytest.approx([2, 2, 5])


@pytest.mark.parametrize("spacing", [True, False])
def test_frames_that_lie_nowhere_are_those_of_their_source(tmp_path, spacing):
    without = (*NOWHERE, "SliceThickness", *(() if spacing else ("PixelSpacing",)))
    image = _frames_file(tmp_path / "f.dcm", blob(4), without=without, SOPClassUID=CAPTURE)
    assert "dicom-seg" in label_map_formats(image)
    labels, dataset, stored = _round_trip(image, tmp_path / "seg.dcm")
    assert "FrameOfReferenceUID" not in dataset
    assert "PlaneOrientationSequence" not in dataset.SharedFunctionalGroupsSequence[0]
    for group in dataset.PerFrameFunctionalGroupsSequence:
        assert "PlanePositionSequence" not in group
        content = group.FrameContentSequence[0]
        assert content.InStackPositionNumber == content.DimensionIndexValues[-1]
    uid = image.source_frames.instances[0]
    part = stored.get_pixels_by_source_frame(uid, [3, 1], combine_segments=True)
    assert np.array_equal(part, labels[[2, 0]])


def test_floating_point_frames(tmp_path):
    pixels = blob(4).astype(np.float32)
    without = ("PixelData", "BitsStored", "HighBit", "PixelRepresentation")
    image = _frames_file(
        tmp_path / "f.dcm", blob(4), without=without, SOPClassUID=ParametricMapStorage, BitsAllocated=32,
        FloatPixelData=pixels.tobytes(), SpacingBetweenSlices=2.0,
    )  # fmt: skip
    labels, _, stored = _round_trip(image, tmp_path / "seg.dcm")
    assert np.array_equal(_volume_of(stored, image)[0], labels)


def test_one_of_the_volumes_of_a_file(tmp_path):
    path = tmp_path / "f.dcm"
    nm = NM | {"FrameIncrementPointer": [0x00540080, 0x00540010], "NumberOfSlices": 2, "SpacingBetweenSlices": 2.0}
    vectors = {"SliceVector": [1, 1, 2, 2], "EnergyWindowVector": [1, 2, 1, 2]}
    with pytest.raises(ReadError, match="volume"):
        _frames_file(path, blob(4), without=NOWHERE, **nm, **vectors)
    image = read_image(path, volume=2)
    _, dataset, _ = _round_trip(image, tmp_path / "seg.dcm")
    assert set(_named(dataset)) == {2, 4}


WRONG = {
    "study": {"StudyInstanceUID": None},
    "space": {"FrameOfReferenceUID": None},
    "spacing": {"PixelSpacing": None, "ImagerPixelSpacing": [0.75, 0.5]},
    "thickness": {"SliceThickness": None},
    "patient": {"PatientSex": "W", "PatientBirthDate": "1970.01.01", "StudyDate": "2020.01.01"},
    "character-set": {"SpecificCharacterSet": "ISO_IR_7000"},
    "private-class": {"SOPClassUID": "1.2.3.4.5"},
    "directions": {"ImageOrientationPatient": lambda index: [0.8, 0.6, 1e-7 * index, -0.576, 0.768, 0.28]},
    "distance": {"SpacingBetweenSlices": -1},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_series_that_lacks_something_or_states_it_in_a_wrong_form(tmp_path, wrong):
    SeriesWriter(tmp_path / "ct").volume(blob(3), **wrong)
    image = read_image(tmp_path / "ct")
    labels, dataset, stored = _round_trip(image, tmp_path / "seg.dcm")
    array, affine = _volume_of(stored, image)
    assert np.array_equal(array, labels)
    assert affine == pytest.approx(image.geometry.affine, abs=1e-4)
    assert dataset.StudyInstanceUID
    assert dataset.FrameOfReferenceUID
    source = pydicom.dcmread(image.source_files[0])
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyInstanceUID"):
        if keyword in source:
            assert dataset[keyword].value == source[keyword].value
    assert (
        "FrameOfReferenceUID" in source or "space" in wrong or "FrameOfReferenceUID" in wrong
    )  # files stay as they are
    referred = {item.ReferencedSOPClassUID for item in dataset.SourceImageSequence}
    assert referred == {source.SOPClassUID}


def test_what_states_neither_a_name_nor_a_place(tmp_path):
    image = _frames_file(tmp_path / "f.dcm", blob(4), without=(*NOWHERE, "SOPInstanceUID"))
    assert "dicom-seg" not in label_map_formats(image)
    with pytest.raises(OptionError, match="could not tell what it belongs to"):
        write_dicom_seg(LabelMap(np.ones(image.shape, np.uint8), ("a",)), image, tmp_path / "x.dcm", algorithm="a")
    assert not (tmp_path / "x.dcm").exists()


def test_a_place_is_enough_without_a_name(tmp_path):
    image = _frames_file(
        tmp_path / "f.dcm", blob(4), without=("SOPInstanceUID",), **DOSE, GridFrameOffsetVector=[0, 2, 4, 6]
    )
    path = tmp_path / "f.dcm"
    dataset = pydicom.dcmread(path)
    del dataset.file_meta.MediaStorageSOPInstanceUID
    dataset.save_as(path, enforce_file_format=False)
    _, stored, _ = _round_trip(image, tmp_path / "seg.dcm")
    assert "ReferencedSeriesSequence" not in stored
    assert all(len(group.DerivationImageSequence) == 0 for group in stored.PerFrameFunctionalGroupsSequence)


@pytest.mark.parametrize("damaged", [0, 3])
def test_a_header_that_is_damaged_by_now(tmp_path, image, label_map, damaged):
    image.source_files[damaged].write_bytes(b"")
    with pytest.raises(OutputError, match="no longer those that it was read from") as error:
        write_dicom_seg(label_map, image, tmp_path / "x.dcm", algorithm="a")
    assert error.value.__cause__ is None
    assert not (tmp_path / "x.dcm").exists()


def test_nothing_of_the_equipment_is_copied(tmp_path):
    SeriesWriter(tmp_path / "ct").volume(blob(3), Manufacturer="secret maker", InstitutionName="secret place")
    _, dataset, _ = _round_trip(read_image(tmp_path / "ct"), tmp_path / "seg.dcm")
    assert "secret" not in str(dataset).lower().replace(PATIENT.lower(), "").replace("secret-", "").replace(
        "secret^", ""
    )


@pytest.mark.parametrize(
    ("character_set", "patient"),
    [("ISO_IR 100", "Müller^Jürgen"), ("ISO_IR 192", "山田^太郎"), (["", "ISO 2022 IR 87"], "Yamada^T=山田^太郎")],
)
@pytest.mark.parametrize("names", [("liver", "tumour"), ("Läsion", "肝臓")])
def test_names_of_any_language_and_the_patients(tmp_path, character_set, patient, names):
    SeriesWriter(tmp_path / "ct").volume(blob(3), SpecificCharacterSet=character_set, PatientName=patient)
    image = read_image(tmp_path / "ct")
    labels = (blob(3) % 3).astype(np.uint8)
    write_dicom_seg(LabelMap(labels, names, image.geometry), image, tmp_path / "seg.dcm", algorithm="net")
    assert read_label_map(tmp_path / "seg.dcm", image=image).class_names == names
    stored = pydicom.dcmread(tmp_path / "seg.dcm")
    assert stored.PatientName == patient
    assert stored.SpecificCharacterSet == (character_set if names[0].isascii() else "ISO_IR 192")


@pytest.mark.parametrize("echo", [1, 2])
def test_frames_of_one_echo(tmp_path, echo):
    places = [(0, 0, 2 * (frame // 2)) for frame in range(6)]
    path = write_enhanced(tmp_path / "mr.dcm", blob(6), places, directions=np.eye(3))
    dataset = pydicom.dcmread(path)
    for frame, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        group.MREchoSequence = [item(EffectiveEchoTime=float(5 + frame % 2))]
    dataset.save_as(path)
    labels, dataset, stored = _round_trip(read_image(path, volume=echo), tmp_path / "seg.dcm")
    assert set(_named(dataset)) == {echo, echo + 2, echo + 4}
    assert np.array_equal(stored.get_volume(combine_segments=True).array[::-1], labels)


@pytest.mark.parametrize("shape", [(7, 12, 10), (8, 12, 9), (12, 10)])
def test_labels_of_another_size(tmp_path, image, shape):
    with pytest.raises(OutputError, match=r"10 × 12 × 8\."):
        write_dicom_seg(LabelMap(np.ones(shape, np.uint8), ("a",)), image, tmp_path / "x.dcm", algorithm="a")


def test_labels_without_a_name(tmp_path, image):
    labels = np.full(image.shape, 2, np.uint8)
    with pytest.raises(OutputError, match="cannot be written") as error:
        write_dicom_seg(LabelMap(labels, ("a",)), image, tmp_path / "x.dcm", algorithm="a")
    assert error.value.__cause__ is None
    assert "Secret" not in str(error.value)
    assert not (tmp_path / "x.dcm").exists()
