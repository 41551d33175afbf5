import numpy as np
import pytest
from dicom_series import item

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading.dicom.pixel_format import PixelFormat
from medseg_demo.reading.dicom.values import palette, scaling, window


def pixels(**changes):
    usual = {
        "keyword": "PixelData", "syntax": "1.2.840.10008.1.2.1", "frames": 1, "rows": 2, "columns": 2, "samples": 1,
        "photometric": "MONOCHROME2", "allocated": 16, "stored": 12, "shift": 0, "is_signed": False, "planar": 0,
    }  # fmt: skip
    return PixelFormat(**(usual | changes))


STORED = np.array([[[0, 1], [10, 4095]]], np.uint16)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({}, STORED),
        ({"RescaleSlope": "1", "RescaleIntercept": "0"}, STORED),
        ({"RescaleSlope": "2", "RescaleIntercept": "-1"}, STORED * 2.0 - 1),
        ({"RescaleIntercept": "-1024"}, STORED - 1024.0),
        ({"RescaleSlope": "0", "RescaleIntercept": "5"}, STORED + 5.0),  # a slope of 0 is none
        ({"DoseGridScaling": "0.5"}, STORED * 0.5),
    ],
)
def test_scaling(source, elements, expected):
    scale = scaling(item(**elements), pixels(), [0], source)
    values = scale.apply(STORED)
    assert np.array_equal(values, expected)
    assert values.dtype == scale.dtype(STORED.dtype) == (np.uint16 if expected is STORED else np.float32)


def test_every_frame_has_its_own_scaling(source):
    groups = [item(PixelValueTransformationSequence=[item(RescaleSlope=str(s), RescaleIntercept="1")]) for s in (2, 3)]
    dataset = item(PerFrameFunctionalGroupsSequence=groups)
    scale = scaling(dataset, pixels(), [1, 0], source)
    assert scale.apply(np.concatenate([STORED, STORED]))[:, 1, 0].tolist() == [31, 21]


@pytest.mark.parametrize(
    ("elements", "changes", "total"),
    [
        ({}, {}, 4095),
        ({}, {"is_signed": True}, -1),
        ({"RescaleSlope": "2", "RescaleIntercept": "-10"}, {}, 2 * 4095 - 20),
        ({}, {"stored": 8, "allocated": 8}, 255),
    ],
)
def test_polarity(source, elements, changes, total):
    assert scaling(item(**elements), pixels(photometric="MONOCHROME1", **changes), [0], source).polarity == total
    assert scaling(item(**elements), pixels(**changes), [0], source).polarity is None


def table(values, first=0, bits=16):
    data = np.asarray(values, np.uint16 if bits > 8 else np.uint8)
    return {"LUTDescriptor": [len(data), first, bits], "LUTData": data.tobytes()}


def test_a_table_of_the_modality(source):
    dataset = item(ModalityLUTSequence=[item(**table([7, 5, 3], first=1))])
    dataset.set_original_encoding(False, True)
    scale = scaling(dataset, pixels(photometric="MONOCHROME1"), [0], source)
    assert scale.apply(STORED).tolist() == [[[7, 7], [3, 3]]]  # values beyond the table take its ends
    assert scale.polarity == 10
    unsigned = item(ModalityLUTSequence=[item(**table([7, 5, 3], first=2**16 - 1))])  # of signed pixels: from −1 on
    unsigned.set_original_encoding(False, True)
    stored = np.array([[[-1, 0, 1]]], np.int16)
    assert scaling(unsigned, pixels(is_signed=True), [0], source).apply(stored).tolist() == [[[7, 5, 3]]]


def palette_of(red, *, first=0, bits=16, little=True, entries=None):
    data = np.asarray(red, ("<u2" if little else ">u2") if bits > 8 else np.uint8)
    elements = {}
    for colour in ("Red", "Green", "Blue"):
        elements[f"{colour}PaletteColorLookupTableDescriptor"] = [entries or len(data), first, bits]
        elements[f"{colour}PaletteColorLookupTableData"] = data.tobytes()
    dataset = item(**elements)
    dataset.set_original_encoding(False, little)
    return dataset


@pytest.mark.parametrize(
    ("dataset", "colours"),
    [
        (palette_of([0, 0x0102, 0xFFFF]), [0, 0x0102, 0xFFFF]),
        (palette_of([0, 0x0102, 0xFFFF], little=False), [0, 0x0102, 0xFFFF]),
        (palette_of([0, 0x0100, 0xFF00]), [0, 1, 255]),  # 8 bits in the high byte
        (palette_of([0, 0x0101, 0xFFFF]), [0, 1, 255]),  # in both
        (palette_of([0, 1, 255]), [0, 1, 255]),  # in the low one
        (palette_of([0, 1, 2, 255], bits=8), [0, 1, 2, 255]),
    ],
)
def test_palettes(source, dataset, colours):
    found, first = palette(dataset, source)
    assert (found[:, 2].tolist(), first) == (colours, 0)


def test_palettes_that_are_missing_or_short(source):
    assert palette(palette_of([1, 2], first=5), source)[1] == 5
    with pytest.raises(UnsupportedImageError, match="no palette"):
        palette(item(), source)
    with pytest.raises(DamagedFileError, match="table"):
        palette(palette_of([1, 2], entries=200), source)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"WindowCenter": "100", "WindowWidth": "51"}, (74.5, 124.5)),
        ({"WindowCenter": "100", "WindowWidth": "50", "VOILUTFunction": "LINEAR_EXACT"}, (75, 125)),
        ({"WindowCenter": "100"}, None),
    ],
)
def test_window(elements, expected):
    assert window(item(**elements), 0) == expected
