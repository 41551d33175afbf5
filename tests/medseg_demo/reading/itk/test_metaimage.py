import numpy as np
import pytest
from voxel_files import meta

from medseg_demo.errors import DamagedFileError, ReadError, UnsupportedImageError
from medseg_demo.reading import count_volumes, read_image

ARRAY = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
GRID = {"ElementSpacing": "0.5 0.7 2", "Offset": "1 2 3", "TransformMatrix": "0 1 0 -1 0 0 0 0 1"}


def image_of(write, array=ARRAY, **fields):
    return read_image(write("a.mha", meta(array, **fields)))


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i2", ">u2", "<i4", ">u4", "<i8", ">u8", "<f4", ">f8"])
def test_types_and_byte_orders(write, dtype):
    array = ARRAY.astype(dtype)
    assert np.array_equal(image_of(write, array).pixels, array)
    other = image_of(write, array, BinaryDataByteOrderMSB=None, ElementByteOrderMSB=array.dtype.byteorder == ">")
    assert np.array_equal(other.pixels, array)


def test_a_long_has_32_bits_everywhere(write):
    for name, code in (("MET_LONG", "<i4"), ("MET_ULONG", "<u4"), ("MET_LONG_LONG", "<i8")):
        array = ARRAY.astype(code)
        assert np.array_equal(image_of(write, array, ElementType=name).pixels, array)


@pytest.mark.parametrize("name", ["MET_OTHER", "MET_STRING", "MET_HALF", "MET_FLOAT16", "MET_LONG_DOUBLE", "UCHAR x"])
def test_other_types_are_refused_by_name(write, name):
    with pytest.raises(UnsupportedImageError, match=f"type '{name}' are not read"):
        image_of(write, ElementType=name)


def test_directions_are_columns_in_lps(write):
    geometry = image_of(write, **GRID).geometry
    assert geometry.affine[:3].tolist() == [[0, -0.7, 0, 1], [0.5, 0, 0, 2], [0, 0, 2, 3]]
    assert geometry.spacing_mm == (2, 0.7, 0.5)
    for offset, matrix in (("Origin", "Rotation"), ("Position", "Orientation")):
        fields = {"ElementSpacing": GRID["ElementSpacing"], offset: GRID["Offset"], matrix: GRID["TransformMatrix"]}
        assert np.array_equal(image_of(write, **fields).geometry.affine, geometry.affine)
    with pytest.raises(DamagedFileError, match="contradict"):
        image_of(write, **GRID, Origin="1 2 4")


def test_a_matrix_may_stand_on_several_lines(write):
    matrix = {"TransformMatrix": "0 1 0\n -1 0 0\n0 0 1", "Comment": "a: b = c"}
    assert np.array_equal(image_of(write, **(GRID | matrix)).geometry.affine, image_of(write, **GRID).geometry.affine)


@pytest.mark.parametrize(
    ("unit", "factor"), [("mm", 1), ("?", 1), ("cm", 10), ("um", 1e-3), ("m", 1e3), ("nm", 1e-6), ("in", 25.4)]
)
def test_units(write, unit, factor):
    image = image_of(write, **GRID, DistanceUnits=unit)
    assert image.geometry.spacing_mm == pytest.approx((2 * factor, 0.7 * factor, 0.5 * factor))
    # ITK takes the numbers for mm: a place in true mm would be another there.
    assert (image.geometry.affine is None) == (factor != 1) == any("converted" in note for note in image.notes)


def test_unknown_units_leave_the_spacing_unknown(write):
    image = image_of(write, **GRID, DistanceUnits="pixels")
    assert (image.geometry.spacing_mm, image.geometry.affine) == (None, None)
    assert any("'pixels'" in note for note in image.notes)


def test_element_size_stands_in_for_the_spacing(write):
    assert image_of(write, ElementSize="1 2 3").geometry.spacing_mm == (3, 2, 1)
    assert image_of(write, ElementSize="1 2 3", ElementSpacing="4 5 6").geometry.spacing_mm == (6, 5, 4)
    for spacing in ("0 1 1", "nan 1 1"):
        assert image_of(write, ElementSpacing=spacing).geometry.spacing_mm is None


def test_channels(write):
    array = np.arange(2 * 3 * 4 * 4, dtype=np.float32).reshape(2, 3, 4, 4)
    fields = {"NDims": 3, "DimSize": "4 3 2", "ElementNumberOfChannels": 4}
    path = write("a.mha", meta(array, **fields))
    assert count_volumes(path) == 4
    assert np.array_equal(read_image(path, volume=2).pixels, array[..., 1])
    assert read_image(path, channels=True).channel_names == tuple(f"channel {number}" for number in (1, 2, 3, 4))
    for dtype, is_colour in ((np.uint8, True), (np.int16, False), (np.float32, False)):
        three = np.ascontiguousarray(array[..., :3]).astype(dtype)
        path = write("a.mha", meta(three, **(fields | {"ElementNumberOfChannels": 3})))
        assert count_volumes(path) == (1 if is_colour else 3)
        if is_colour:
            assert any("taken for red, green and blue" in note for note in read_image(path).notes)


def test_a_fourth_axis_counts_volumes(write):
    array = np.stack([ARRAY, ARRAY + 1, ARRAY + 2])
    fields = {
        "ElementSpacing": "0.5 0.7 2 9",
        "Offset": "1 2 3 4",
        "TransformMatrix": "0 1 0 0 -1 0 0 0 0 0 1 0 0 0 0 1",
    }
    path = write("a.mha", meta(array, **fields))
    assert count_volumes(path) == 3
    image = read_image(path, volume=3)
    assert np.array_equal(image.pixels, ARRAY + 2)
    assert np.array_equal(image.geometry.affine, image_of(write, **GRID).geometry.affine)
    mixed = fields | {"TransformMatrix": "0 0 0 1 0 1 0 0 0 0 1 0 1 0 0 0"}
    with pytest.raises(DamagedFileError, match="mixed"):
        read_image(write("a.mha", meta(array, **mixed)), volume=1)


def test_a_function_of_intensities_is_mentioned(write):
    image = image_of(write, ElementToIntensityFunctionSlope="2", ElementToIntensityFunctionOffset="-5")
    assert np.array_equal(image.pixels, ARRAY)
    assert any("not applied" in note for note in image.notes)


def test_spellings_of_the_header(write):
    text = meta(ARRAY).replace(b" = ", b" : ").replace(b"NDims", b"  ndims").replace(b"\n", b"\r\n", 5)
    assert np.array_equal(read_image(write("a", text)).pixels, ARRAY)


def test_what_simpleitk_copies_from_other_formats_is_passed_over(write):
    image = image_of(write, **{"dim[0]": 3, "0008|0060": "MR", "a key of somebody's": "a: b = c"})
    assert np.array_equal(image.pixels, ARRAY)


@pytest.mark.parametrize(
    "fields",
    [
        *({"NDims": value} for value in (None, 0, -1, 1, "x", "3 3", 2, 4)),
        *({"DimSize": value} for value in (None, "4 3", "4 3 2 1", "4 3 0", "4 3 x", "4 -3 2")),
        *({"ElementNumberOfChannels": value} for value in (0, -1, "x", 2, 99999999)),
        *({"TransformMatrix": value, "ElementSpacing": "1 1 1"} for value in ("1 0", "x " * 9, "0 " * 9, "1 " * 9)),
        *({"ElementSpacing": value} for value in ("1 1", "1 1 inf", "1 1 1_0")),
        *({"HeaderSize": value} for value in (-2, "x", 99999, 9999999999999)),
        {"ElementType": None},
        {"ElementDataFile": ""},
        {"BinaryDataByteOrderMSB": True, "ElementByteOrderMSB": False},
        {"BinaryDataByteOrderMSB": "perhaps"},
        {"CompressedData": True, "BinaryData": False},
        {"ObjectType": "Tube"},
        {"A line": "x\nwithout meaning"},
        {"DIMSIZE": "4 3 2"},
    ],
)
def test_headers_that_cannot_be_read(write, fields):
    with pytest.raises(ReadError, match=r"^a\.mha: ") as error:
        image_of(write, **fields)
    assert str(error.value).isprintable()


def test_more_dimensions_than_any_library_takes(write):
    for count in (11, 2000, 9000):
        fields = {"NDims": count, "DimSize": " ".join("1" * count)}
        with pytest.raises(UnsupportedImageError, match=r"10 dimensions|at most 10 are read"):
            image_of(write, **fields)


def test_the_header_ends_with_the_data_file(write):
    with pytest.raises(DamagedFileError, match="ElementDataFile"):
        read_image(write("a", b"NDims = 2\nDimSize = 2 2\nElementType = MET_UCHAR\n"))
