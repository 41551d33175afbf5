import zipfile

import nibabel
import numpy as np
import pytest
from dicom_series import SeriesWriter, blob

from medseg_demo.errors import DamagedFileError, OptionError
from medseg_demo.reading import Series, Study, read_image
from medseg_demo.settings import Settings
from medseg_demo.ui import studies
from medseg_demo.ui.session import Session
from medseg_demo.ui.studies import EVERY, chosen, first_choice, offer


@pytest.fixture
def series(tmp_path):
    def make(name: str, slices: int) -> Study:
        paths = tuple(tmp_path / f"{name}-{index}.dcm" for index in range(slices))
        return Study(Series(name, paths, slices, f"CT, axial, 8 × 8 × {slices}", ()))

    return make


@pytest.fixture
def times(tmp_path):
    """A 4-D NIfTI of three volumes; the n-th is n everywhere but in one corner."""
    pixels = np.zeros((4, 5, 6, 3), np.int16) + np.arange(1, 4, dtype=np.int16)
    pixels[0, 0, 0] = 0
    nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), tmp_path / "times.nii.gz")
    return tmp_path / "times.nii.gz"


@pytest.fixture
def study_zip(tmp_path):
    """A zip of a DICOM series of eight slices."""
    (tmp_path / "study").mkdir()
    SeriesWriter(tmp_path / "study").volume(blob())
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for path in (tmp_path / "study").iterdir():
            archive.write(path, path.name)
    return tmp_path / "study.zip"


def test_each_volume_of_a_4d_file_is_a_study_and_all_are_channels(times, tmp_path):
    found = offer([times], Settings(), unpack_to=tmp_path / "zip")
    assert [study.name for study in found[:3]] == [f"times.nii.gz, volume {number}" for number in (1, 2, 3)]
    assert found[1].stem == "times_volume-2"
    assert read_image(found[1]).pixels.max() == 2
    assert [label for label, _ in studies.choices(found)] == [
        "Volume 1 of 3",
        "Volume 2 of 3",
        "Volume 3 of 3",
        "All 3 volumes as channels of one image",
        "All 3, one after the other",
    ]
    assert chosen(found, first_choice(found)) == found[:1]
    assert chosen(found, EVERY) == found[:3]
    (joined,) = chosen(found, "3")
    image = read_image(joined)
    assert (image.channels, image.is_colour) == (3, False)
    assert [int(image.channel(index).pixels.max()) for index in range(3)] == [1, 2, 3]


@pytest.fixture
def case_files(tmp_path):
    """Files of nnU-Net: two channels of each case."""

    def write(*cases: str) -> list:
        paths = [tmp_path / f"{case}_{channel:04}.nii.gz" for case in cases for channel in (0, 1)]
        for index, path in enumerate(paths):
            pixels = np.arange(60, dtype=np.int16).reshape(5, 4, 3) * (index + 1)
            nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), path)
        return paths

    return write


def test_channel_files_of_a_case_are_offered_together_as_well_as_alone(case_files, tmp_path):
    found = offer(case_files("brain"), Settings(), unpack_to=tmp_path / "zip")
    assert [label for label, _ in studies.choices(found)] == [
        "brain_0000.nii.gz",
        "brain_0001.nii.gz",
        "brain: 2 files as channels of one image (0000, 0001)",
        "All 2, one after the other",
    ]
    assert first_choice(found) == EVERY  # as for any files
    assert chosen(found, EVERY) == found[:2]
    (joined,) = chosen(found, "2")
    assert studies.reading(joined) == f"Reading {joined.name} …"
    image = read_image(joined)
    assert (image.name, image.channel_names, image.channel_bit_depths) == ("brain", ("0000", "0001"), (16, 16))


def test_the_channel_files_of_each_case_are_one_choice(case_files, tmp_path):
    found = offer(case_files("a", "b"), Settings(), unpack_to=tmp_path / "zip")
    assert [label.split(":")[0] for label, _ in studies.choices(found)[4:6]] == ["a", "b"]
    assert studies.choices(found)[-1] == ("All 4, one after the other", EVERY)


def test_modalities_of_a_case_are_offered_together_and_numbered_images_are_not(tmp_path):
    for name, rows in (("pat_t1", 5), ("pat_flair", 5), ("scan_1", 5), ("scan_2", 5), ("odd_t1", 5), ("odd_t2", 6)):
        pixels = np.arange(12 * rows, dtype=np.int16).reshape(3, rows, 4)
        nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), tmp_path / f"{name}.nii.gz")
    found = offer(sorted(tmp_path.glob("*.nii.gz")), Settings(), unpack_to=tmp_path / "zip")
    joined = [study for study in found if study not in studies.apart(found)]
    assert studies.labels(joined) == ["pat: 2 files as channels of one image (flair, t1)"]
    assert read_image(joined[0]).channel_names == ("flair", "t1")
    assert first_choice(found) == EVERY


def test_of_several_series_the_one_with_most_slices_is_first(series):
    found = (series("scout", 2), series("chest", 40), series("thin", 12))
    assert studies.choices(found)[1] == ("chest: CT, axial, 8 × 8 × 40", "1")
    assert chosen(found, first_choice(found)) == found[1:2]
    assert chosen(found, EVERY) == found
    assert chosen(found, "7") == found
    assert studies.reading(found[1]) == "Reading 40 DICOM slices …"


def test_ordinary_files_are_all_meant(picture, tmp_path):
    found = offer([picture("a"), picture("b")], Settings(), unpack_to=tmp_path)
    assert studies.choices(found) == []
    assert chosen(found, first_choice(found)) == found
    assert [study.stem for study in found] == ["a", "b"]


def test_a_zip_is_opened(picture, tmp_path):
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as archive:
        archive.write(picture("a"), "inside/a.png")
    (study,) = offer([tmp_path / "scans.zip"], Settings(), unpack_to=tmp_path / "zip")
    assert study.name == "a.png"
    assert study.item.is_relative_to(tmp_path / "zip")


def test_volumes_are_told_from_those_of_another_file(times, picture, tmp_path):
    found = offer([times, picture("a")], Settings(), unpack_to=tmp_path / "zip")
    assert studies.labels(found)[:1] == ["times.nii.gz: volume 1 of 3"]
    assert studies.labels(found)[3:] == ["a.png", "times.nii.gz: all 3 volumes as channels of one image"]


def test_equal_names_get_the_folders_that_a_zip_had(picture, tmp_path, monkeypatch):
    monkeypatch.setattr("medseg_demo.ui.session.get_upload_folder", lambda: str(tmp_path))
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for inside in ("S1/scan.png", "S2/scan.png", "S2/other.png"):
            archive.write(picture("a"), inside)
    unpack_to = Session("visitor").folder / "upload-1"
    found = offer([tmp_path / "export.zip"], Settings(), unpack_to=unpack_to)
    assert studies.item_names(found) == ["S1_scan", "other.png", "S2_scan"]


def test_a_bad_zip_among_others_is_a_study_that_cannot_be_read(picture, tmp_path):
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 no zip")
    bad, good = offer([tmp_path / "bad.zip", picture("a")], Settings(), unpack_to=tmp_path / "zip")
    assert read_image(good).shape == (64, 64)
    with pytest.raises(DamagedFileError, match=r"bad\.zip: the zip cannot be unpacked"):
        read_image(bad)
    with pytest.raises(DamagedFileError, match=r"bad\.zip"):
        offer([tmp_path / "bad.zip"], Settings(), unpack_to=tmp_path / "zip")


def test_a_series_and_a_4d_file_count_as_one_image(times, study_zip, picture, tmp_path):
    settings = Settings(max_upload_files=2)
    found = offer([study_zip, times], settings, unpack_to=tmp_path / "zip")
    assert [study.volume for study in found] == [None, 1, 2, 3, "channels"]
    assert found[0].item.slices == 8
    with pytest.raises(OptionError, match=r"holds 3 images, and 2 are taken.*MEDSEG_MAX_UPLOAD_FILES"):
        offer([study_zip, times, picture("a")], settings, unpack_to=tmp_path / "zip")
