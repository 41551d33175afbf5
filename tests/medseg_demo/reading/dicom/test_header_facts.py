import numpy as np
import pytest
from pydicom import Dataset
from pydicom.data import get_testdata_file
from pydicom.datadict import DicomDictionary
from pydicom.valuerep import STR_VR

from medseg_demo.reading import read_image
from medseg_demo.reading.dicom.header_facts import header_facts, unit_of

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of values that break the standard
FREE_TEXT = {"Series description", "Manufacturer", "Model", "Kernel"}


def dataset(**elements):
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def test_a_header_says_how_an_image_was_made():
    facts = dict(read_image(get_testdata_file("MR_small.dcm", download=False)).header_facts)
    assert facts["Date"] == "2004-08-26"
    assert facts["Modality"] == "MR"
    assert facts["Repetition time"] == "4000 ms"
    assert facts["Flip angle"] == "90°"
    assert facts["Pixel spacing"] == "0.3125 × 0.3125 mm"
    assert facts["Window width"] == "1600"


def test_a_header_full_of_identity_shows_none_of_it_but_in_its_free_texts():
    full = Dataset()
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
        if vr in STR_VR - {"DS", "IS"} and keyword and tag >> 16 not in (0, 2):
            full.add_new(tag, vr, "1.2.4711" if vr == "UI" else "DOE JANE 4711")
    assert len(full) > 1500
    facts = header_facts(full)
    assert {title for title, text in facts if "DOE" in text or "4711" in text} == FREE_TEXT
    assert all(title in FREE_TEXT for title, _ in facts)


def test_free_texts_are_short_and_of_one_line():
    (fact,) = header_facts(dataset(SeriesDescription="a\nb \x1b[2J" + "c" * 100))
    assert fact[0] == "Series description"
    assert len(fact[1]) == 64
    assert fact[1].isprintable()


def test_what_cannot_be_converted_is_left_out():
    assert header_facts(dataset(StudyDate="20240231", Modality="Doe Jane", FlipAngle=None)) == ()


def test_facts_are_not_in_what_an_image_prints_as():
    image = read_image(get_testdata_file("CT_small.dcm", download=False))
    assert ("Model", "RHAPSODE") in image.header_facts
    assert "RHAPSODE" not in repr(image)


@pytest.mark.parametrize(
    ("elements", "unit"),
    [
        ({"Modality": "CT", "RescaleIntercept": -1024}, "HU"),
        ({"Modality": "CT", "RescaleIntercept": -1024, "RescaleType": "US"}, None),
        ({"Modality": "CT"}, None),
        ({"Modality": "MR", "RescaleIntercept": 0}, None),
        ({"Modality": "PT", "RescaleIntercept": 0, "Units": "BQML"}, "Bq/ml"),
        ({"Modality": "RTDOSE", "DoseUnits": "GY"}, "Gy"),
    ],
)
def test_values_have_the_unit_that_the_header_states(elements, unit):
    assert unit_of(dataset(**elements)) == unit


def test_a_ct_is_in_hounsfield_units():
    image = read_image(get_testdata_file("CT_small.dcm", download=False))
    assert image.unit == "HU"
    assert image.pixels.dtype == np.float32
