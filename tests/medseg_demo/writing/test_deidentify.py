"""No identifier of a source occurs in any byte of what is written under a pseudonym."""

import csv
import gzip
import zipfile
from dataclasses import replace

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from dicom_series import PATIENT, SeriesWriter, blob
from PIL import Image, PngImagePlugin
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from medseg_demo.__main__ import main
from medseg_demo.image import COLOURS, Pseudonym
from medseg_demo.reading import read_label_map
from medseg_demo.writing.deidentify import deidentified_image, pseudonyms, replace_identifiers

NAME = "Muster^Erika"
FILE = "MUSTER_ERIKA"
KNOWN = {
    "PatientName": NAME,
    "PatientID": "PAT-4711",
    "PatientBirthDate": "19610203",
    "PatientComments": "comment-4712",
    "OtherPatientIDs": "other-4713",
    "PatientAddress": "street-4714",
    "PatientSex": "F",
    "PatientAge": "064Y",
    "AccessionNumber": "ACC-4715",
    "StudyID": "STUDY-4716",
    "StudyDescription": "studytext-4717",
    "SeriesDescription": "seriestext-4718",
    "StudyDate": "20230517",
    "StudyTime": "134859",
    "SeriesDate": "20230518",
    "InstitutionName": "Clinic-4719",
    "ReferringPhysicianName": "Physician^Petra",
    "OperatorsName": "Operator^Otto",
    "StationName": "STATION-4720",
    "DeviceSerialNumber": "SERIAL-4721",
    "ImageComments": "imagetext-4722",
    "ProtocolName": "protocol-4723",
    "ClinicalTrialSubjectID": "trial-4724",
    "AdmissionID": "adm-4725",
}
SHORT = {"PatientSex", "PatientAge"}  # too short to be looked for among bytes
TEXTS = [*(value for key, value in KNOWN.items() if key not in SHORT), "private-4726", FILE, "Muster", "Erika"]


@pytest.fixture(autouse=True)
def _environment(monkeypatch, checkpoints):
    monkeypatch.setenv("MEDSEG_CHECKPOINTS_DIR", str(checkpoints))
    monkeypatch.setenv("MEDSEG_DEVICE", "cpu")


@pytest.fixture
def series(tmp_path):
    """A series in a folder that is called by the patient, with private tags."""
    writer = SeriesWriter(tmp_path / "given" / FILE)
    writer.volume(blob(4, 40, 50), name=lambda index: f"{FILE}_{index}.dcm", **KNOWN)
    for path in writer.folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.private_block(0x0011, "MAKER private-4726", create=True).add_new(1, "LO", "private-4726")
        dataset.save_as(path)
    return writer.folder


def unpacked(path):
    """A file's name and its bytes, also as they are before they were packed."""
    data = path.read_bytes()
    parts = [path.name.encode(), data]
    if data[:2] == b"\x1f\x8b":
        parts.append(gzip.decompress(data))
    if b"\n\n\x1f\x8b" in data:  # NRRD
        parts.append(gzip.decompress(data.split(b"\n\n", 1)[1]))
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            parts += [archive.read(name) for name in archive.namelist()]
    if b"IDAT" in data:
        with Image.open(path) as picture:
            parts += [repr(picture.info).encode()]
    return b"\0".join(parts)


def assert_nothing_known(output, *more):
    files = [path for path in output.rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = unpacked(path).lower()
        found = [text for text in (*TEXTS, *more) if str(text).lower().encode() in content]
        assert found == [], path.name
        assert FILE not in str(path.relative_to(output))


def segment(*arguments):
    return main(["segment", *map(str, arguments), "--checkpoint", "small", "--deidentify"])


@pytest.mark.parametrize("file_format", ["dicom-seg", "nifti", "nrrd", "auto"])
def test_of_a_dicom_series_nothing_is_left(series, tmp_path, capsys, file_format):
    out = tmp_path / "out"
    assert segment(series, "--output", out, "--format", file_format, "--json") == 0
    sources = [pydicom.dcmread(path) for path in series.iterdir()]
    kinds = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
    assert_nothing_known(out, *{str(source[kind].value) for source in sources for kind in kinds})
    printed = "".join(capsys.readouterr()).lower()
    assert [text for text in TEXTS if text.lower() in printed] == []


def test_a_dicom_seg_says_that_it_is_deidentified(series, tmp_path):
    segment(series, "--output", tmp_path / "out", "--format", "dicom-seg")
    stored = pydicom.dcmread(tmp_path / "out" / "case_0001.dcm")
    assert (stored.PatientName, stored.PatientID, stored.PatientIdentityRemoved) == ("case_0001", "case_0001", "YES")
    assert (stored.PatientBirthDate, stored.PatientSex, stored.StudyDate, stored.AccessionNumber) == ("",) * 4
    assert stored.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    assert stored.file_meta.MediaStorageSOPInstanceUID == stored.SOPInstanceUID
    dates = {str(element.value) for element in stored.iterall() if element.VR in ("DA", "TM", "DT") and element.value}
    assert dates <= {"19000101", "000000", "19000101000000"}
    assert not any(element.tag.is_private for element in stored.iterall())


def test_identifiers_are_consistent_within_a_call_and_others_in_the_next(tmp_path):
    writer = SeriesWriter(tmp_path / "given")  # two series of one study
    for name in ("a", "b"):
        writer.folder = tmp_path / "given" / name
        writer.volume(blob(3, 40, 50))
    for call in ("first", "second"):
        segment(tmp_path / "given", "--output", tmp_path / call, "--format", "dicom-seg")
    (one, two), (again, _) = (
        [pydicom.dcmread(path) for path in sorted((tmp_path / call).glob("*.dcm"))] for call in ("first", "second")
    )
    assert (one.StudyInstanceUID, one.FrameOfReferenceUID) == (two.StudyInstanceUID, two.FrameOfReferenceUID)
    assert one.SOPInstanceUID != two.SOPInstanceUID
    assert one.StudyInstanceUID != again.StudyInstanceUID
    referred = one.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID
    frames = one.PerFrameFunctionalGroupsSequence
    sources = {frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID for frame in frames}
    assert referred in sources


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("file_format", ["nifti", "nrrd"])
def test_headers_of_volumes_are_left_behind(tmp_path, suffix, file_format):
    path = tmp_path / f"{FILE}{suffix}"
    if suffix == ".nii.gz":
        image = nibabel.Nifti1Image(blob(4, 40, 50), np.eye(4))
        header = image.header
        header["descrip"], header["intent_name"], header["aux_file"] = NAME, "PAT-4711", "ACC-4715"
        header["db_name"] = "Muster"
        header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"Clinic-4719"))
        nibabel.save(image, path)
    else:
        image = SimpleITK.GetImageFromArray(blob(4, 40, 50))
        image.SetMetaData("PatientName", NAME)
        image.SetMetaData("0010|0020", "PAT-4711")
        SimpleITK.WriteImage(image, str(path))
    assert segment(path, "--output", tmp_path / "out", "--format", file_format) == 0
    assert_nothing_known(tmp_path / "out")


@pytest.mark.parametrize(
    ("before", "after"),
    [((f"{FILE}_T1", f"{FILE}_T2"), ("channel_1", "channel_2")), (COLOURS, COLOURS), ((), ())],
)
def test_channels_are_called_by_numbers(make_image, before, after):
    image = replace(make_image(np.eye(9)), channel_names=before, notes=(NAME,), header_facts=(("Series", NAME),))
    clean = deidentified_image(image, Pseudonym("case_0001", b"secret"))
    assert clean.channel_names == after
    assert "Muster" not in repr(clean)


def test_texts_of_a_picture_are_left_behind(tmp_path, capsys):
    text = PngImagePlugin.PngInfo()
    text.add_text("Patient", NAME)
    values = np.random.default_rng(0).integers(0, 255, (40, 50), dtype=np.uint8)
    for index in range(2):
        Image.fromarray(values).save(tmp_path / f"{FILE}{index}.png", pnginfo=text)
    given = sorted(tmp_path.glob("*.png"))
    assert segment(*given, "--output", tmp_path / "out", "--mapping", tmp_path / "mapping.csv") == 0
    assert_nothing_known(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "case_0001.png",
        "case_0002.png",
        "measurements.json",
    ]
    with (tmp_path / "mapping.csv").open() as file:
        assert list(csv.reader(file)) == [["file", "name"]] + [
            [path.name, f"case_000{index}"] for index, path in enumerate(given, 1)
        ]
    assert read_label_map(tmp_path / "out" / "case_0001.png").labels.shape == (40, 50)
    assert "Muster" not in "".join(capsys.readouterr())


def test_no_way_back_is_written_unless_asked_for(series, tmp_path):
    segment(series, "--output", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["case_0001.nii.gz", "measurements.json"]


def test_a_mapping_needs_new_names(series, tmp_path, capsys):
    arguments = ["segment", str(series), "--checkpoint", "small", "--output", str(tmp_path / "out")]
    assert main([*arguments, "--mapping", str(tmp_path / "m.csv")]) == 2
    assert "Give it with --deidentify" in capsys.readouterr().err


def test_without_it_a_dicom_seg_stays_its_patients(series, tmp_path):
    main(["segment", str(series), "--checkpoint", "small", "--output", str(tmp_path), "--format", "dicom-seg"])
    assert pydicom.dcmread(tmp_path / f"{FILE}.dcm").PatientName == NAME != PATIENT


def test_identifiers_in_sequences_are_replaced_and_private_elements_go():
    dataset, item = Dataset(), Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4"
    item.private_block(0x0011, "MAKER", create=True).add_new(1, "LO", "private")
    dataset.SOPInstanceUID, dataset.SourceImageSequence = generate_uid(), [item]
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    replace_identifiers(dataset, Pseudonym("case_0001", b"secret"))
    (changed,) = dataset.SourceImageSequence
    assert changed.ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    assert changed.ReferencedSOPInstanceUID != "1.2.3.4"
    assert [element.tag.is_private for element in changed] == [False, False]


def test_names_of_a_call_share_a_secret_that_is_never_shown():
    one, two = pseudonyms(2)
    assert [one.name, two.name] == ["case_0001", "case_0002"]
    assert one.secret == two.secret != pseudonyms(1)[0].secret
    assert "secret" not in repr(one)
