import pytest
from dicom_series import item
from pydicom.dataelem import DataElement

from medseg_demo.reading.dicom.elements import (
    first,
    group_items,
    items,
    modality_code,
    numbers,
    value_of,
    whole,
    word,
    words,
)


def test_numbers():
    assert numbers(item(PixelSpacing=["0.5", "2"]), "PixelSpacing") == (0.5, 2)
    assert numbers(item(Rows=7), "Rows") == (7,)
    assert numbers(item(), "Rows") == ()
    assert numbers(item(PatientName="Doe"), "PatientName") == ()
    assert numbers(item(DiffusionBValue=float("nan")), "DiffusionBValue") == ()
    assert first(item(), "Rows", 3) == 3


def test_whole_numbers():
    assert whole(item(NumberOfFrames="7"), "NumberOfFrames") == 7
    assert whole(item(NumberOfFrames=None), "NumberOfFrames") is None
    assert whole(item(SliceThickness="1.5"), "SliceThickness") is None


def test_words_are_in_capitals():
    assert words(item(ImageType=["Derived", "primary "]), "ImageType") == ("DERIVED", "PRIMARY")
    assert (word(item(), "Modality"), word(item(Modality="mr"), "Modality")) == ("", "MR")


def test_a_frame_has_the_first_word():
    shared = item(PixelMeasuresSequence=[item(PixelSpacing=["1", "1"])])
    own = item(PixelMeasuresSequence=[item(PixelSpacing=["2", "2"])])
    image = item(SharedFunctionalGroupsSequence=[shared], PerFrameFunctionalGroupsSequence=[item(), own])
    assert numbers(image, "PixelSpacing", group="PixelMeasuresSequence", frame=0) == (1, 1)
    assert numbers(image, "PixelSpacing", group="PixelMeasuresSequence", frame=1) == (2, 2)
    image.PixelSpacing = ["9", "9"]  # the groups count
    assert numbers(image, "PixelSpacing", group="PixelMeasuresSequence", frame=1) == (2, 2)
    assert list(group_items(image, "FrameVOILUTSequence", 0)) == []


def test_values_of_the_wrong_kind_are_absent():
    image = item()
    image.add(DataElement(0x00280030, "DS", "0,7\\0,5", already_converted=True))
    assert numbers(image, "PixelSpacing") == ()
    image.add(DataElement(0x00280010, "UN", b"\x01\x00\x02", already_converted=True))
    assert items(image, "Rows") == []
    assert value_of(image, "Columns") is None


@pytest.mark.parametrize("text", ["Jane Doe", "mr", "A" * 17, "É", ""])
def test_free_text_is_no_modality(text):
    assert modality_code(item(Modality=text)) is None
    assert modality_code(item(Modality="MR")) == "MR"
