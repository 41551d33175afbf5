"""Order, dates and patients of visits."""

from dataclasses import replace

import numpy as np
import pytest
from dicom_series import PATIENT, SeriesWriter, blob

from medseg_demo.errors import InputMismatchError, OptionError
from medseg_demo.following.visits import date_in_name, date_of, in_order, parse_when
from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.reading import collect_images, read_image
from medseg_demo.writing.deidentify import deidentified_image, pseudonyms


def visit(name, shape=(8, 8), spacing=(1.0, 1.0), **more):
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    axes = "YX" if len(shape) == 2 else "ZYX"
    return MedicalImage(pixels, axes, Geometry(spacing), name, "PNG", 8, (0.0, 255.0), **more)


def ordered(images, *dates):
    return in_order(images, [image.name for image in images], dates)


def test_visits_come_in_the_order_of_their_dates():
    found = ordered([visit("b_2024-03-01"), visit("c_20250301"), visit("a_2023_03_01")])
    assert [one.name for one in found] == ["a_2023_03_01", "b_2024-03-01", "c_20250301"]
    assert [one.day for one in found] == [0, 366, 731]
    assert found[2].years == pytest.approx(731 / 365.25)


def test_typed_dates_count_before_those_of_names():
    found = ordered([visit("b_2024-03-01"), visit("a")], "2020-01-11", "20200101")
    assert [(one.name, one.day) for one in found] == [("a", 0), ("b_2024-03-01", 10)]
    assert [one.day for one in ordered([visit("a"), visit("b")], "90", "30")] == [0, 60]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("scan_2024-03-01", "2024-03-01"),
        ("ses-20240301_T1", "2024-03-01"),
        ("born_1950-01-01_scan_2024-03-01", None),  # which one is it
        ("2024-13-01", None),
        ("series_120240301", None),
        ("2024-03_01", None),
    ],
)
def test_dates_in_names(name, found):
    assert (date_in_name(name) or None) == (None if found is None else parse_when(found))


@pytest.mark.parametrize(
    ("images", "dates", "words"),
    [
        (["a_2024-03-01"], (), "1 study was given"),
        (["a_2024-03-01", "b"], (), "No date is known of b"),
        (["a_2024-03-01", "b_20240301"], (), "a_2024-03-01 and b_20240301 have the same date"),
        (["a", "b"], ("0", "0"), "same date"),
        (["a", "b"], ("0",), "1 dates were given for 2 studies: a, b"),
        (["a", "b"], ("0", "2024-03-01"), "numbers of days"),
        (["a", "b"], ("0", "March"), "'March' is no date"),
        (["a", "b"], ("2024-02-30", "2024-03-01"), "'2024-02-30' is no date"),
    ],
)
def test_dates_that_are_missing_equal_or_wrong(images, dates, words):
    with pytest.raises(OptionError, match=words):
        ordered([visit(name) for name in images], *dates)


def test_studies_whose_sizes_have_no_common_unit_are_refused():
    with pytest.raises(InputMismatchError, match="volumes and others images"):
        ordered([visit("a"), visit("b", (4, 8, 8), (1.0, 1.0, 1.0))], "0", "1")
    with pytest.raises(InputMismatchError, match="unknown in b"):
        ordered([visit("a"), visit("b", spacing=None)], "0", "1")
    with pytest.raises(InputMismatchError, match="unknown in a, b"):
        ordered([visit("a", spacing=None), visit("b", (9, 9), None)], "0", "1")
    assert len(ordered([visit("a", spacing=None), visit("b", spacing=None)], "0", "1")) == 2
    assert len(ordered([visit("a"), visit("b", (9, 9), (0.5, 0.5))], "0", "1")) == 2  # grids may differ


def test_subjects_of_file_names_are_told_apart():
    with pytest.raises(InputMismatchError, match=r"of 2 patients.*: sub-01_a; sub-02_a"):
        ordered([visit("sub-01_a"), visit("sub-02_a")], "0", "1")
    assert len(ordered([visit("sub-01_a"), visit("sub-01_b")], "0", "1")) == 2


@pytest.fixture
def study(tmp_path):
    """Writes and reads a DICOM series of somebody."""

    def read(name, **elements):
        folder = tmp_path / name
        folder.mkdir()
        SeriesWriter(folder).volume(blob(), **elements)
        (item,) = collect_images([folder], unpack_to=tmp_path)
        return read_image(item)

    return read


def test_two_patients_are_refused_by_ids_that_are_not_shown(study, caplog):
    first, other = study("first"), study("other", PatientID="SECRET-5", StudyDate="20210101")
    with pytest.raises(InputMismatchError, match="of 2 patients") as error:
        ordered([first, other])
    told = f"{error.value}{caplog.text}{first!r}{first.patient}{other.patient}"
    assert not any(secret in told for secret in ("SECRET-5", "SECRET-7", PATIENT, "19700101"))


def test_one_patient_is_followed_by_the_dates_of_the_headers(study):
    first, later = study("first"), study("later", StudyDate="20210101", PatientName="Doe^Other")
    assert first.patient == later.patient
    assert date_of(first) == parse_when("2020-01-01")
    assert [one.day for one in ordered([later, first])] == [0, 366]


def test_without_a_number_the_name_and_birth_date_count(study):
    first, other = study("first", PatientID=None), study("other", PatientID=None, PatientName="Roe^Secret")
    same, numbered = study("same", PatientID=None, StudyDate="20220101"), study("numbered", StudyDate="20230101")
    with pytest.raises(InputMismatchError, match="of 2 patients"):
        ordered([first, other], "0", "1")
    assert len(ordered([first, same, numbered])) == 3  # of a number and a name nobody knows whether they are one's
    nobody = study("nobody", PatientID=None, PatientName=None, PatientBirthDate=None)
    assert nobody.patient == ""
    assert len(ordered([first, nobody], "0", "1")) == 2


def test_a_pseudonym_takes_the_key_away(study):
    image = deidentified_image(study("first"), pseudonyms(1)[0])
    assert image.patient == ""
    assert replace(image, name="x").patient == ""
