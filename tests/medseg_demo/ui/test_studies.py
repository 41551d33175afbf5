import zipfile

import nibabel
import numpy as np
import pytest
from dicom_series import SeriesWriter, blob

from medseg_demo.errors import DamagedFileError, OptionError
from medseg_demo.reading import Series
from medseg_demo.settings import Settings
from medseg_demo.ui import studies
from medseg_demo.ui.studies import EVERY, Study, chosen, find_studies, first_choice


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


def test_each_volume_of_a_4d_file_is_a_study(times, tmp_path):
    found = find_studies([times], Settings(), unpack_to=tmp_path / "zip")
    assert [study.name for study in found] == [f"times.nii.gz, volume {number}" for number in (1, 2, 3)]
    assert found[1].stem == "times_volume-2"
    assert found[1].read(Settings()).pixels.max() == 2
    assert [label for label, _ in studies.choices(found)] == [
        "times.nii.gz: volume 1 of 3",
        "times.nii.gz: volume 2 of 3",
        "times.nii.gz: volume 3 of 3",
        "All 3, one after the other",
    ]
    assert chosen(found, first_choice(found)) == found[:1]


def test_of_several_series_the_one_with_most_slices_is_first(series):
    found = (series("scout", 2), series("chest", 40), series("thin", 12))
    assert studies.choices(found)[1] == ("chest: CT, axial, 8 × 8 × 40", "1")
    assert chosen(found, first_choice(found)) == found[1:2]
    assert chosen(found, EVERY) == found
    assert chosen(found, "7") == found
    assert found[1].reading == "Reading 40 DICOM slices …"


def test_ordinary_files_are_all_meant(picture, tmp_path):
    found = find_studies([picture("a"), picture("b")], Settings(), unpack_to=tmp_path)
    assert studies.choices(found) == []
    assert chosen(found, first_choice(found)) == found
    assert [study.stem for study in found] == ["a", "b"]


def test_a_zip_is_opened(picture, tmp_path):
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as archive:
        archive.write(picture("a"), "inside/a.png")
    (study,) = find_studies([tmp_path / "scans.zip"], Settings(), unpack_to=tmp_path / "zip")
    assert study.name == "a.png"
    assert study.item.is_relative_to(tmp_path / "zip")


def test_a_bad_zip_among_others_is_a_study_that_cannot_be_read(picture, tmp_path):
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 no zip")
    bad, good = find_studies([tmp_path / "bad.zip", picture("a")], Settings(), unpack_to=tmp_path / "zip")
    assert good.read(Settings()).shape == (64, 64)
    with pytest.raises(DamagedFileError, match=r"bad\.zip: the zip cannot be unpacked"):
        bad.read(Settings())
    with pytest.raises(DamagedFileError, match=r"bad\.zip"):
        find_studies([tmp_path / "bad.zip"], Settings(), unpack_to=tmp_path / "zip")


def test_a_series_and_a_4d_file_count_as_one_image(times, study_zip, picture, tmp_path):
    settings = Settings(max_upload_files=2)
    found = find_studies([study_zip, times], settings, unpack_to=tmp_path / "zip")
    assert [study.volume for study in found] == [None, 1, 2, 3]
    assert found[0].item.slices == 8
    with pytest.raises(OptionError, match=r"holds 3 images, and 2 are taken.*MEDSEG_MAX_UPLOAD_FILES"):
        find_studies([study_zip, times, picture("a")], settings, unpack_to=tmp_path / "zip")
