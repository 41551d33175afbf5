import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from dicom_series import SeriesWriter, blob, item
from pydicom import Dataset, dcmread
from pydicom.dataelem import DataElement
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from medseg_demo.errors import DamagedFileError, ImageTooLargeError
from medseg_demo.reading import read_image
from medseg_demo.reading.dicom.dataset import (
    UNDEFINED,
    first,
    group_items,
    is_dicom,
    items,
    load,
    modality_code,
    numbers,
    read_pixels,
    value_of,
    whole,
    word,
    words,
)
from medseg_demo.reading.source import Source, open_source
from medseg_demo.settings import Settings


@pytest.fixture
def make(tmp_path):
    """A file of (12, 10) int16 in a transfer syntax, with or without what stands before its elements."""

    def make(syntax=ExplicitVRLittleEndian, *, start="all"):
        writer = SeriesWriter(tmp_path)
        path = writer.slice(blob(1)[0], (1, 2, 3), series="1.2.3", name="image")
        dataset, read = Dataset(), dcmread(path)
        dataset.update(read)  # without the encoding that it had
        pixels = blob(1)[0]
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = pixels.astype(">i2").tobytes()
        if start == "nothing":
            little, implicit = syntax != ExplicitVRBigEndian, syntax == ImplicitVRLittleEndian
            dataset.save_as(path, implicit_vr=implicit, little_endian=little, enforce_file_format=False)
            return path
        dataset.file_meta = read.file_meta
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(path, enforce_file_format=True)
        if start == "meta":
            path.write_bytes(path.read_bytes()[132:])
        return path

    return make


SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)


@pytest.mark.parametrize(
    ("syntax", "start"),
    [
        *((syntax, start) for syntax in SYNTAXES for start in ("all", "meta", "nothing")),
        *((DeflatedExplicitVRLittleEndian, start) for start in ("all", "meta")),
    ],
)
def test_every_way_to_start(make, syntax, start):
    path = make(syntax, start=start)
    with open_source(path, Settings()) as source:
        assert is_dicom(source)
        header = load(source)
        assert (header.keyword, header.length) == ("PixelData", 240)
        assert len(read_pixels(header, source).value) == 240
    assert np.array_equal(read_image(path).pixels, blob(1)[0])


def test_the_header_is_parsed_without_the_pixels(make):
    with open_source(make(), Settings()) as source:
        header = load(source)
        assert "PixelData" not in header.dataset
        assert (header.at + 240, header.available) == (source.size, 240)


def test_a_length_of_the_meta_information_that_is_wrong(make):
    path = make(DeflatedExplicitVRLittleEndian)
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, 140, 7)
    path.write_bytes(content)
    assert np.array_equal(read_image(path).pixels, blob(1)[0])


def test_a_deflated_file_that_is_cut(make):
    path = make(DeflatedExplicitVRLittleEndian)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DamagedFileError, match="ends too early"):
        read_image(path)


def test_a_deflated_bomb(make):
    path = make(DeflatedExplicitVRLittleEndian)
    content = path.read_bytes()
    start = 144 + struct.unpack_from("<I", content, 140)[0]
    packer = zlib.compressobj(9, wbits=-15)
    path.write_bytes(content[:start] + packer.compress(bytes(3 * 2**20)) + packer.flush())
    with pytest.raises(ImageTooLargeError, match="unpacked"):
        read_image(path, settings=Settings(max_file_mb=1))


def test_encapsulated_pixels(dicom_file):
    with open_source(dicom_file("MR_small_RLE.dcm"), Settings()) as source:
        header = load(source)
        assert header.length == UNDEFINED
        assert read_pixels(header, source).value.startswith(b"\xfe\xff\x00\xe0")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (bytes(128) + b"DICM", True),
        (b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100", True),
        (b"\x08\x00\x05\x00\x0a\x00\x00\x00ISO_IR 100", True),
        (b"\x00\x08\x00\x05CS\x00\x0aISO_IR 100", True),
        (b"\x08\x00\x05\x00\xff\xff\xff\xffISO_IR 100", False),
        (b"\x00\x08\x00\x05\x00\x00\x00\x0aISO_IR 100", False),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), False),
        (b"", False),
    ],
)
def test_recognised_by_its_bytes(tmp_path, head, expected):
    assert is_dicom(Source(tmp_path / "a", BytesIO(head), head, len(head), Settings())) is expected


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
