import pytest
from dicom_series import item

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading.dicom.pixel_format import check_length, describe

EXPLICIT, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"
UNDEFINED = 0xFFFFFFFF
USUAL = {
    "Rows": 3, "Columns": 5, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16,
    "BitsStored": 12, "HighBit": 11, "PixelRepresentation": 1,
}  # fmt: skip


def found(source, *, syntax=EXPLICIT, keyword="PixelData", without=(), **changes):
    elements = {key: value for key, value in (USUAL | changes).items() if key not in without}
    return describe(item(**elements), keyword, syntax, source)


def test_usual(source):
    usual = found(source)
    assert (usual.dtype, usual.stored, usual.shift, usual.frames, usual.is_compressed) == ("int16", 12, 0, 1, False)
    assert found(source, HighBit=15).shift == 4
    assert found(source, NumberOfFrames="0").frames == found(source, NumberOfFrames=None).frames == 1


@pytest.mark.parametrize("name", ["BitsAllocated", "BitsStored", "PixelRepresentation", "PhotometricInterpretation"])
def test_what_is_missing_is_named(source, name):
    with pytest.raises(UnsupportedImageError, match=f"states no {name}"):
        found(source, without=[name])


def test_what_follows_from_the_rest_may_be_missing(source):
    assert found(source, without=["SamplesPerPixel"]).samples == 1
    assert (
        found(source, without=["SamplesPerPixel"], PhotometricInterpretation="RGB", PlanarConfiguration=0).samples == 3
    )
    assert found(source, without=["HighBit"]).shift == 0
    floats = found(source, keyword="FloatPixelData", without=["BitsStored", "HighBit", "PixelRepresentation"])
    assert (floats.dtype, floats.stored) == ("float32", 32)


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"BitsAllocated": 12}, UnsupportedImageError, "12 bits allocated"),
        ({"BitsStored": 17}, DamagedFileError, "contradicts"),
        ({"HighBit": 5}, DamagedFileError, "high bit"),
        ({"HighBit": 16}, DamagedFileError, "high bit"),
        ({"PhotometricInterpretation": "CMYK", "SamplesPerPixel": 4}, UnsupportedImageError, "CMYK"),
        ({"PhotometricInterpretation": "ARGB", "SamplesPerPixel": 4}, UnsupportedImageError, "ARGB"),
        ({"PhotometricInterpretation": "DOE^JOHN"}, UnsupportedImageError, "its photometric"),
        ({"SamplesPerPixel": 3, "PlanarConfiguration": 0}, DamagedFileError, "samples"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, UnsupportedImageError, "no PlanarConfiguration"),
        (
            {"SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL", "PlanarConfiguration": 0},
            UnsupportedImageError,
            "YBR colours of 16 bits",
        ),
        ({"syntax": "1.2.840.10008.1.2.4.102"}, UnsupportedImageError, "DICOM as MPEG"),
        ({"syntax": "1.2.840.10008.1.2.4.94"}, UnsupportedImageError, "JPIP"),
        ({"syntax": "1.2.840.10008.1.2.4.110"}, UnsupportedImageError, "JPEG XL"),
        ({"syntax": "1.2.840.10008.1.2.4.55"}, UnsupportedImageError, "JPEG Full Progression"),
        ({"syntax": "1.2.840.113619.5.2"}, UnsupportedImageError, "transfer syntax"),
    ],
)
def test_what_is_not_read_is_named(source, changes, error, match):
    with pytest.raises(error, match=match) as caught:
        found(source, **changes)
    assert "DOE" not in str(caught.value)


@pytest.mark.parametrize(
    ("length", "available", "changes", "match"),
    [
        (30, 30, {}, None),
        (30, 29, {}, "ends before the last"),
        (28, 90, {}, "ends before the last"),
        (60, 60, {}, "more pixels"),
        (32, 32, {}, None),  # padding
        (30, 30, {"NumberOfFrames": 2}, "ends before the last"),
        (UNDEFINED, 90, {}, "contradicts itself"),
        (30, 90, {"syntax": RLE}, "contradicts itself"),
        (UNDEFINED, 90, {"syntax": RLE, "NumberOfFrames": 10_000_000}, "ends before the last"),
        (20, 20, {"PhotometricInterpretation": "YBR_FULL_422", "SamplesPerPixel": 3, "Columns": 4, "BitsAllocated": 8,
                  "BitsStored": 8, "HighBit": 7}, "ends before"),
        (24, 24, {"PhotometricInterpretation": "YBR_FULL_422", "SamplesPerPixel": 3, "Columns": 4, "BitsAllocated": 8,
                  "BitsStored": 8, "HighBit": 7}, None),
    ],
)  # fmt: skip
def test_bytes_that_are_there(source, length, available, changes, match):
    layout = found(source, **changes)
    if match is None:
        check_length(length, available, layout, source)
        return
    with pytest.raises(DamagedFileError, match=match):
        check_length(length, available, layout, source)
