"""The header of a MetaImage file, with its data inside (.mha) or beside it (.mhd).

Source: MetaIO, "MetaIO Documentation", itk.org/Wiki/ITK/MetaIO/Documentation; where it is silent, what ITK does.
"""

import math
import re

import numpy as np

from medseg_demo.errors import UnsupportedImageError
from medseg_demo.reading.itk.header import (
    CONVERTED_NOTE,
    Fields,
    Grid,
    header_lines,
    in_mm,
    is_usable,
    quoted,
    unit_in_mm,
    unknown_unit_note,
)
from medseg_demo.reading.payload import MOST_SKIPPED, Encoding, Payload, data_files, is_list
from medseg_demo.reading.source import Source
from medseg_demo.reading.voxels import COLOUR, SPACE, VOLUME, VoxelHeader

# SimpleITK copies all that another format said: "dim[0] = 3" of NIfTI, "0008|0060 = MR" of DICOM.
FIELD = re.compile(r"\s*([^\s=:][^=:]*?)\s*[=:]")
CONTINUED = re.compile(r"[\s\d.eE+-]*")
# MET_LONG has 32 bits, on every system.
TYPES = {
    **dict.fromkeys(("char", "ascii_char"), "i1"),
    **dict.fromkeys(("int", "long"), "i4"),
    **dict.fromkeys(("uint", "ulong"), "u4"),
    "uchar": "u1",
    "short": "i2",
    "ushort": "u2",
    "long_long": "i8",
    "ulong_long": "u8",
    "float": "f4",
    "double": "f8",
}
# Fields of one meaning.
SPACINGS = ("elementspacing", "elementsize")  # ITK takes the first
OFFSETS = ("offset", "position", "origin")
MATRICES = ("transformmatrix", "rotation", "orientation")
ORDERS = ("binarydatabyteordermsb", "elementbyteordermsb")
SLOPE, INTERCEPT = "elementtointensityfunctionslope", "elementtointensityfunctionoffset"
KNOWN = frozenset((
    "objecttype", "ndims", "dimsize", "elementtype", "elementdatafile", "elementnumberofchannels", "headersize",
    "distanceunits", "compresseddata", "binarydata", *SPACINGS, *OFFSETS, *MATRICES, *ORDERS, SLOPE, INTERCEPT,
))  # fmt: skip
PADDING = " \t\r\0"
LENGTH_TOLERANCE = 1e-3  # of the columns of a direction matrix, which should be 1
COLOUR_NOTE = "Its three channels of 8 bits were taken for red, green and blue; MetaImage cannot say what they are."
SCALING_NOTE = "The header states a function from values to intensities, which was not applied, as in ITK."


def read_header(source: Source) -> VoxelHeader:
    """Read a header to its end, the line ``ElementDataFile``, and check it.

    Raises:
        UnsupportedImageError: It holds something that is not read here, or names data files elsewhere.
        DamagedFileError: It contradicts itself or lacks a field.
    """
    fields, listed, start = _fields(source)
    kind = fields.text("objecttype", "image")
    if kind.lower() != "image":
        raise UnsupportedImageError(f"{source.label}: it is a MetaIO object of type {quoted(kind)}, not an image.")
    sizes = fields.sizes("ndims", "dimsize")
    if len(sizes) < 2:
        raise UnsupportedImageError(f"{source.label}: it has one axis, and images have 2 or 3. Save it as an image.")
    channels = fields.integer("elementnumberofchannels", "1", least=1)
    payload = _payload(fields, listed, start, sizes, channels)
    is_colour = channels == 3 and payload.dtype == np.uint8
    grid = _grid(fields, len(sizes))
    scaling = fields.reals(SLOPE, "1") + fields.reals(INTERCEPT, "0")
    roles = [SPACE] * min(3, len(sizes)) + [VOLUME] * (len(sizes) - 3)
    return VoxelHeader(
        sizes=(channels, *sizes) if channels > 1 else sizes,
        roles=(COLOUR if is_colour else "channel", *roles) if channels > 1 else tuple(roles),
        payload=payload,
        place=grid,
        notes=grid.notes if scaling == (1, 0) else (*grid.notes, SCALING_NOTE),
        image_notes=(COLOUR_NOTE,) if is_colour else (),
    )


def _fields(source: Source) -> tuple[Fields, list[str], int]:
    """The fields, the data files of a LIST, and where the header ends."""
    fields, key = Fields(source, KNOWN), ""
    lines = header_lines(source)
    for line, end in lines:
        found = FIELD.match(line)
        if found is not None:
            key = found[1].lower()
            fields.add(key, line[found.end() :].strip(PADDING))
        elif line.strip():
            if not CONTINUED.fullmatch(line) or not key:
                raise fields.damaged("a line holds no field")
            fields.add(key, line.strip(), is_more=True)  # such as the rows of a matrix
        if key == "elementdatafile":
            is_listed = is_list(fields.text(key))
            return fields, [name.strip() for name, _ in lines if name.strip()] if is_listed else [], end
    raise fields.damaged("it does not end with ElementDataFile")


def _flag(fields: Fields, key: str) -> bool | None:
    word = fields.text(key, "").lower()
    if word not in ("", "true", "false", "t", "f", "1", "0"):
        raise fields.damaged(f"{key} is neither True nor False")
    return word[0] in "t1" if word else None


def _payload(fields: Fields, listed: list[str], start: int, sizes: tuple[int, ...], channels: int) -> Payload:
    label, stated = fields.source.label, fields.text("elementtype")
    code = TYPES.get(stated.lower().removeprefix("met_").removesuffix("_array"))
    if code is None:
        raise UnsupportedImageError(
            f"{label}: values of type {quoted(stated)} are not read. Save integers, MET_FLOAT or MET_DOUBLE."
        )
    orders = {_flag(fields, key) for key in ORDERS} - {None}
    if len(orders) > 1 and code[1] != "1":
        raise fields.damaged("it states two byte orders")
    is_packed, is_text = _flag(fields, "compresseddata"), _flag(fields, "binarydata") is False
    if is_packed and is_text:
        raise UnsupportedImageError(f"{label}: compressed text is not read. Save binary data.")
    encoding: Encoding = "zlib" if is_packed else "text" if is_text else "raw"
    files = _data_files(fields, listed, sizes)
    skip = fields.integer("headersize", "0", least=-1)
    if skip > MOST_SKIPPED or (skip == -1 and encoding != "raw"):
        raise UnsupportedImageError(f"{label}: this HeaderSize is read of raw data alone. Save it without.")
    if not files and skip > 0:  # ITK counts from the start of the header's own file
        if skip < start:
            raise fields.damaged("HeaderSize ends within it")
        start, skip = skip, 0
    return Payload(
        dtype=np.dtype((">" if orders == {True} else "<") + code),
        count=math.prod(sizes) * channels,
        encoding=encoding,
        files=files,
        start=start,
        byte_skip=skip,
    )


def _data_files(fields: Fields, listed: list[str], sizes: tuple[int, ...]) -> tuple[str, ...]:
    """The names in ``ElementDataFile``: none where the data follow; one, a pattern with numbers, or a list.

    Raises:
        UnsupportedImageError: One is not in the header's folder.
        DamagedFileError: There are not as many as the sizes need.
    """
    stated = fields.text("elementdatafile")
    if stated.lower() == "local":
        return ()
    found = data_files(stated, listed, fields.source, numbers=(1, sizes[-1], 1))
    words = stated.lower().removesuffix("d").split()[1:]  # LIST may state the dimensions of each file
    own = int(words[0]) if is_list(stated) and words and words[0].isdecimal() else len(sizes) - 1
    needed = math.prod(sizes[own:])
    if len(found) != needed and (len(found) > 1 or is_list(stated)):
        raise fields.damaged(f"it names {len(found)} data files, and its sizes need {needed}")
    return found


def _grid(fields: Fields, dimension: int) -> Grid:
    """The grid of the first three axes, in mm."""
    axes = min(3, dimension)
    spacing_key = next((key for key in SPACINGS if key in fields), None)
    if spacing_key is None:
        return Grid()
    unit = unit_in_mm(fields.text("distanceunits", ""))
    if unit is None:
        return Grid(notes=(unknown_unit_note(fields.text("distanceunits")),))
    spacing = tuple(in_mm(step, unit) for step in fields.reals(spacing_key, count=dimension)[:axes])
    if not is_usable(spacing):
        return Grid()
    offset = _agreed(fields, OFFSETS, (0.0,) * dimension)[:axes]
    matrix = np.reshape(_agreed(fields, MATRICES, tuple(np.eye(dimension).ravel())), (dimension, dimension)).T
    if np.isnan([*offset, *matrix.ravel()]).any() or matrix[:axes, axes:].any() or matrix[axes:, :axes].any():
        raise fields.damaged("its axes of space and others are mixed")
    directions = matrix[:axes, :axes]
    if np.abs(np.linalg.norm(directions, axis=0) - 1).max() > LENGTH_TOLERANCE:
        raise UnsupportedImageError(
            f"{fields.source.label}: the columns of its direction matrix are not of length 1, so that the spacing is "
            "stated twice. Correct the matrix, or save the image again."
        )
    is_placed = any(key in fields for key in (*OFFSETS, *MATRICES))
    is_converted = unit != 1 and (is_placed or min(spacing) < 0)
    return Grid(
        steps=directions * spacing,
        origin=tuple(in_mm(value, unit) for value in offset),
        spacing=tuple(map(abs, spacing)),
        is_placed=is_placed,
        is_converted=is_converted,
        notes=(CONVERTED_NOTE,) if is_converted else (),
    )


def _agreed(fields: Fields, keys: tuple[str, ...], default: tuple[float, ...]) -> tuple[float, ...]:
    """The numbers of fields of one meaning.

    Raises:
        DamagedFileError: Two of them differ.
    """
    stated = {fields.reals(key, count=len(default)) for key in keys if key in fields}
    if len(stated) > 1:
        raise fields.damaged(f"{' and '.join(key for key in keys if key in fields)} contradict each other")
    return stated.pop() if stated else default
