import numpy as np
import pytest
from voxel_files import nrrd

from medseg_demo.errors import DamagedFileError, ReadError, UnsupportedImageError
from medseg_demo.reading import count_volumes, read_image
from medseg_demo.reading.itk import inspect
from medseg_demo.reading.itk.nrrd import TYPES
from medseg_demo.reading.source import open_source
from medseg_demo.settings import Settings

ARRAY = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
DIRECTIONS = "space directions: (0.5,0,0) (0,0.7,0) (0,0,2)"
ORIGIN = "space origin: (1,2,3)"


def geometry(write, *lines, array=ARRAY, **fields):
    image = read_image(write("a.nrrd", nrrd(array, *lines, **fields)))
    return image.geometry, image.notes


def layout_of(path):
    with open_source(path, Settings()) as source:
        return inspect(source)


def test_all_types(write):
    # The spellings of the format's definition; "char" alone has no sign there.
    assert {"signed char", "uint8_t", "unsigned long long int", "longlong", "ulonglong", "signed short int"} <= set(
        TYPES
    )
    for name, code in TYPES.items():
        array = np.arange(24).reshape(2, 3, 4).astype(code)
        spelled = nrrd(array.astype("f8"), body=array.tobytes(), type=name.upper())
        assert layout_of(write("a.nrrd", spelled)).dtype == np.dtype(code)
        assert np.array_equal(read_image(write("a.nrrd", spelled)).pixels, array)


@pytest.mark.parametrize("name", ["block", "half", "float16", "long double", "char", "complex"])
def test_other_types_are_refused_by_name(write, name):
    with pytest.raises(UnsupportedImageError, match=f"type '{name}' are not read"):
        read_image(write("a.nrrd", nrrd(ARRAY, type=name)))


def test_byte_order_must_be_stated_where_it_counts(write):
    with pytest.raises(DamagedFileError, match="endian"):
        read_image(write("a.nrrd", nrrd(ARRAY, endian=None)))
    assert read_image(write("a.nrrd", nrrd(ARRAY.astype(np.uint8), endian=None))).bit_depth == 8


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        *((name, (1, 1)) for name in ("left-posterior-superior", "LPS", "lps")),
        *((name, (-1, -1)) for name in ("right-anterior-superior", "RAS", "Right-Anterior-Superior")),
        *((name, (1, -1)) for name in ("left-anterior-superior", "LAS")),
        *((name, (1, 1)) for name in ("scanner-xyz", "3D-right-handed", "3D-left-handed")),
    ],
)
def test_spaces(write, space, signs):
    found, notes = geometry(write, DIRECTIONS, ORIGIN, space=space)
    x, y = signs
    expected = [[0.5 * x, 0, 0, x], [0, 0.7 * y, 0, 2 * y], [0, 0, 2, 3], [0, 0, 0, 1]]
    assert found.affine == pytest.approx(np.array(expected))
    assert found.spacing_mm == pytest.approx((2, 0.7, 0.5))
    assert any("in a patient" in note for note in notes) == (space[0] in "s3")


def test_spaces_with_time(write):
    array = np.stack([ARRAY, ARRAY + 1])
    lines = ["space directions: (0.5,0,0,0) (0,0.7,0,0) (0,0,2,0) (0,0,0,9)", "space origin: (1,2,3,4)"]
    for space in ("right-anterior-superior-time", "RAST"):
        path = write("a.nrrd", nrrd(array, *lines, space=space))
        assert count_volumes(path) == 2
        image = read_image(path, volume=2)
        assert np.array_equal(image.pixels, ARRAY + 1)
        assert image.geometry.affine[:3].tolist() == [[-0.5, 0, 0, -1], [0, -0.7, 0, -2], [0, 0, 2, 3]]


@pytest.mark.parametrize("lines", [["space: middle"], ["space: LPS", "space dimension: 2"], ["space dimension: 5"]])
def test_spaces_that_are_none(write, lines):
    with pytest.raises(ReadError):
        geometry(write, *lines, "space directions: (1,0) (0,1) (1,1)")


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("mm", 1), ("", 1), ("cm", 10), ("m", 1000), ("um", 1e-3), ("µm", 1e-3), ("microns", 1e-3), ("nm", 1e-6)],
)
def test_units(write, unit, factor):
    expected = pytest.approx((2 * factor, 0.7 * factor, 0.5 * factor))
    oriented, notes = geometry(write, DIRECTIONS, ORIGIN, space="LPS", space_units=" ".join([f'"{unit}"'] * 3))
    assert oriented.spacing_mm == expected
    # ITK takes the numbers for mm: a place in true mm would be another there.
    assert (oriented.affine is None) == (factor != 1) == any("converted" in note for note in notes)
    spaced, _ = geometry(write, f'units: "{unit}" "{unit}" "{unit}"', spacings="0.5 0.7 2")
    assert spaced.spacing_mm == expected


def test_unknown_units_leave_the_spacing_unknown(write):
    for fields in (
        {"space_units": '"pixel" "pixel" "pixel"', "space": "LPS"},
        {"space_units": '"mm" "mm" "furlong"', "space": "LPS"},
        {"units": '"s" "s" "s"', "space": "LPS"},
    ):
        found, notes = geometry(write, DIRECTIONS, **fields)
        assert (found.spacing_mm, found.affine) == (None, None)
        assert any("unit of length" in note for note in notes)
    assert geometry(write, 'units: "px" "px" "px"', spacings="1 1 1")[0].spacing_mm is None


def test_a_slice_in_space_keeps_its_place(write):
    found, _ = geometry(write, "space directions: (0,0.5,0) (0,0,2)", ORIGIN, array=ARRAY[0], space="LPS")
    assert found.spacing_mm == pytest.approx((2, 0.5))
    assert found.affine[:3].tolist() == [[0, 0, 1, 1], [0.5, 0, 0, 2], [0, 2, 0, 3]]


def test_axis_mins_and_negative_spacings_as_in_itk(write):
    found, _ = geometry(write, "axis mins: 1 2 3", "centerings: cell node cell", spacings="0.5 -0.7 2")
    assert found.spacing_mm == pytest.approx((2, 0.7, 0.5))
    assert found.affine[:3] == pytest.approx(np.array([[0.5, 0, 0, 1.25], [0, -0.7, 0, 2], [0, 0, 2, 4]]))


@pytest.mark.parametrize("place", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("list", ("item 1", "item 2", "item 3")),
        ("vector", ("component 1", "component 2", "component 3")),
        ("time", ("time 1", "time 2", "time 3")),
        ("HSV-color", ("hue", "saturation", "value")),
        ("3-gradient", ("component 1", "component 2", "component 3")),
    ],
)
def test_an_axis_that_is_not_of_space_counts_volumes(write, place, kind, names):
    array = np.stack([ARRAY, ARRAY + 100, ARRAY * 2], axis=3 - place)
    kinds, vectors = ["domain"] * 3, ["(0.5,0,0)", "(0,0.7,0)", "(0,0,2)"]
    kinds.insert(place, kind)
    vectors.insert(place, "none")
    fields = {"kinds": " ".join(kinds), "space": "LPS", "space_directions": None}
    path = write("a.nrrd", nrrd(array, f"space directions: {' '.join(vectors)}", **fields))
    assert layout_of(path).volume_names == names
    image = read_image(path, volume=3)
    assert np.array_equal(image.pixels, ARRAY * 2)
    assert image.geometry.spacing_mm == pytest.approx((2, 0.7, 0.5))
    everything = read_image(path, channels=True)
    assert everything.channel_names == names
    assert np.array_equal(everything.pixels[..., 1], ARRAY + 100)


def test_without_kinds_directions_say_what_an_axis_is(write):
    array = np.stack([ARRAY, ARRAY + 100], axis=-1)
    lines = ["space directions: none (0.5,0,0) (0,0.7,0) (0,0,2)"]
    assert np.array_equal(read_image(write("a.nrrd", nrrd(array, *lines, space="LPS")), volume=2).pixels, ARRAY + 100)
    assert count_volumes(write("a.nrrd", nrrd(array))) == 2  # four axes of space: the slowest counts, as in ITK
    assert read_image(write("a.nrrd", nrrd(ARRAY[..., :3]))).axes == "ZYX"


def test_colour_only_where_a_kind_says_so(write):
    colours = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    for kinds in ("RGB-color domain domain", "3-color domain domain"):
        image = read_image(write("a.nrrd", nrrd(colours, kinds=kinds)))
        assert (image.is_colour, image.axes) == (True, "YXC")
    last = nrrd(np.moveaxis(colours, -1, 0), body=np.ascontiguousarray(np.moveaxis(colours, -1, 0)).tobytes())
    image = read_image(write("a.nrrd", last.replace(b"\n\n", b"\nkinds: domain domain RGB-color\n\n", 1)))
    assert np.array_equal(image.pixels, colours)
    four = np.arange(32, dtype=np.uint8).reshape(2, 4, 4)
    path = write("a.nrrd", nrrd(four, kinds="RGBA-color domain domain"))
    assert layout_of(path).volume_names == ("red", "green", "blue", "opacity")
    assert np.array_equal(read_image(path, volume=4).pixels, four[..., 3])


def test_two_axes_that_are_not_of_space(write):
    array = np.arange(48, dtype=np.uint8).reshape(2, 3, 4, 2)  # time, Y, X, component
    path = write("a.nrrd", nrrd(array, kinds="vector domain domain time"))
    names = ("time 1, component 1", "time 1, component 2", "time 2, component 1", "time 2, component 2")
    assert layout_of(path).volume_names == names
    assert np.array_equal(read_image(path, volume=3).pixels, array[1, :, :, 0])


def test_aliases_comments_keys_and_order(write):
    lines = ["# sizes: 9", "own:=spacings: 9 9 9", "DATAFILE: b.raw", "Spacings: 1 2 3", "content: anything"]
    write("b.raw", ARRAY.tobytes())
    image = read_image(write("a.nhdr", nrrd(ARRAY, *lines, body=b"").replace(b"\n", b"\r\n")))
    assert np.array_equal(image.pixels, ARRAY)
    assert image.geometry.spacing_mm == (3, 2, 1)
    detached = read_image(write("a.nhdr", nrrd(ARRAY, *lines, body=b"")[:-2]))  # no empty line at its end
    assert np.array_equal(detached.pixels, ARRAY)


@pytest.mark.parametrize(
    "fields",
    [
        *({"dimension": value} for value in (None, "", "0", "-3", "x", "3 3", "2", "1_0", "9" * 30)),
        *(
            {"sizes": value}
            for value in (None, "4 3", "4 3 2 1", "4 3 -2", "4 3 x", "4 3 2.0", "4 3 99999999999999999999")
        ),
        *({"kinds": value} for value in ("domain", "domain list list", "domain domain domain domain")),
        *({"spacings": value} for value in ("1 1", "1 1 x", "1 1 inf")),
        *({"encoding": value} for value in (None, "zrl", "lzma")),
        {"type": None},
        {"line skip": "x"},
    ],
)
def test_headers_that_contradict_themselves(write, fields):
    with pytest.raises(ReadError, match=r"^a\.nrrd: "):
        read_image(write("a.nrrd", nrrd(ARRAY, **fields)))


@pytest.mark.parametrize(
    "line", ["sizes: 4 3 2", "SIZES: 1 1 1", "a line", "space directions: (1,0", "space origin: 1 2"]
)
def test_lines_that_contradict(write, line):
    with pytest.raises(ReadError):
        read_image(write("a.nrrd", nrrd(ARRAY, line, "spacings: 1 1 1", DIRECTIONS, space="LPS")))


def test_more_dimensions_than_any_library_takes(write):
    for count in (11, 17, 2000):
        content = nrrd(np.zeros(1, np.uint8), dimension=count, sizes=" ".join("1" * count))
        with pytest.raises(UnsupportedImageError, match=f"{count} dimensions"):
            read_image(write("a.nrrd", content))


def test_other_versions(write):
    for magic in (b"NRRD0006", b"NRRD0009", b"NRRD00xy"):
        with pytest.raises(UnsupportedImageError, match="version of NRRD"):
            read_image(write("a.nrrd", nrrd(ARRAY).replace(b"NRRD0005", magic)))
