import contextlib

import numpy as np
import pytest
from voxel_files import meta, nrrd

from medseg_demo.errors import ReadError, UnsupportedImageError
from medseg_demo.reading import read_image
from medseg_demo.reading.itk.header import MAX_HEADER_BYTES, in_mm, unit_in_mm

ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def test_headers_are_read_to_their_end(write):
    padding = [f"key{number}:={'x' * 100}" for number in range(1000)]
    image = read_image(write("a", nrrd(ARRAY, *padding, "spacings: 1 2 3")))
    assert image.geometry.spacing_mm == (3, 2, 1)
    image = read_image(write("a", meta(ARRAY, Comment="x" * 100_000, ElementSpacing="1 2 3")))
    assert image.geometry.spacing_mm == (3, 2, 1)


def test_headers_without_an_end_are_refused(write):
    filler = b"#" * (MAX_HEADER_BYTES + 10)
    for content in (nrrd(ARRAY)[:-25] + filler, b"ObjectType = Image\nComment = " + filler):
        with pytest.raises(UnsupportedImageError, match="longer than 8 MiB"):
            read_image(write("a", content))


@pytest.mark.timeout(30)
@pytest.mark.parametrize("unit", [" ", '"', '\\"', "(", "( ", "1 ", "-", "%0", "\n", "="])
@pytest.mark.parametrize("field", ["units", "space directions", "data file", "sizes", "kinds"])
def test_long_fields_take_no_time(write, unit, field):
    text = unit * (400_000 // len(unit))
    for content in (
        nrrd(ARRAY, f"space: LPS\nspacings: 1 1 1\n{field}: {text}x"),
        b"ObjectType = Image\nNDims = 3\nComment = " + text.encode() + b"x\nElementDataFile = " + text.encode() + b"d",
    ):
        with contextlib.suppress(ReadError):
            read_image(write("a", content))


def test_units():
    assert [unit_in_mm(word) for word in ("mm", "MM", "Micrometers", "µm", "Mm", "furlong")] == [
        1,
        None,
        unit_in_mm("um"),
        unit_in_mm("um"),
        None,
        None,
    ]
    assert in_mm(700.0, unit_in_mm("um")) == 0.7
