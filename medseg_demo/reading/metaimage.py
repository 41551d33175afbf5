"""The header of a MetaImage file, with its data inside (.mha) or beside it (.mhd).

Source: MetaIO, "MetaIO Documentation", itk.org/Wiki/ITK/MetaIO/Documentation; where it is silent, what ITK does.
"""

import math
import re

import numpy as np

from medseg_demo.errors import UnsupportedImageError
from medseg_demo.reading.nrrd import expand
from medseg_demo.reading.payload import MOST_SKIPPED, Encoding, Payload, plain_names
from medseg_demo.reading.source import Source
from medseg_demo.reading.voxel_header import (
    COLOUR,
    CONVERTED_NOTE,
    SPACE,
    VOLUME,
    Grid,
    VoxelHeader,
    check_dimension,
    check_sizes,
    checked_field,
    damaged,
    header_lines,
    in_mm,
    integer,
    integers,
    is_usable,
    quoted,
    reals,
    unit_in_mm,
    unknown_unit_note,
)

FIELD = re.compile(r"\s*([A-Za-z]\w*)\s*[=:]")
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
# Fields of one meaning; ITK takes the last of each row that is there.
OFFSETS = ("offset", "position", "origin")
MATRICES = ("transformmatrix", "rotation", "orientation")
ORDERS = ("binarydatabyteordermsb", "elementbyteordermsb")
FIELDS = frozenset(
    (
        *("objecttype", "ndims", "dimsize", "elementtype", "elementdatafile", "elementnumberofchannels", "headersize"),
        *(
            "elementspacing",
            "elementsize",
            "distanceunits",
            "compresseddata",
            "binarydata",
            *OFFSETS,
            *MATRICES,
            *ORDERS,
        ),
        *("elementtointensityfunctionslope", "elementtointensityfunctionoffset"),
    )
)
PADDING = " \t\r\0"
COLOUR_NOTE = "Its three channels of 8 bits were taken for red, green and blue; MetaImage cannot say what they are."
SCALING_NOTE = "The header states a function from values to intensities, which was not applied, as in ITK."


def read_header(source: Source) -> VoxelHeader:
    """Read a header to its end, the line ``ElementDataFile``, and check it.

    Raises:
        UnsupportedImageError: It holds something that is not read here, or names data files elsewhere.
        DamagedFileError: It contradicts itself or lacks a field.
    """
    fields, listed, start = _fields(source)
    if fields.get("objecttype", "image").lower() != "image":
        raise UnsupportedImageError(
            f"{source.label}: it is a MetaIO object of type {quoted(fields['objecttype'])}, not an image."
        )
    dimension = check_dimension(_required(fields, "ndims", source), "NDims", source)
    sizes = check_sizes(_required(fields, "dimsize", source), "DimSize", dimension, source)
    if dimension < 2:
        raise UnsupportedImageError(f"{source.label}: it has one axis, and images have 2 or 3. Save it as an image.")
    channels = integer(fields.get("elementnumberofchannels", "1"), "ElementNumberOfChannels", source, least=1)
    payload = _payload(fields, listed, start, sizes, channels, source)
    is_colour = channels == 3 and payload.dtype == np.uint8
    roles = [SPACE] * min(3, dimension) + [VOLUME] * (dimension - 3)
    if channels > 1:
        sizes, roles = (channels, *sizes), [COLOUR if is_colour else "channel", *roles]
    grid = _grid(fields, dimension, source)
    return VoxelHeader(
        file_format="MetaImage",
        sizes=sizes,
        roles=tuple(roles),
        components=((),) * len(sizes),
        payload=payload,
        grid=grid,
        notes=(*grid.notes, *_scaling_note(fields, source)),
        image_notes=(COLOUR_NOTE,) if is_colour else (),
    )


def _fields(source: Source) -> tuple[dict[str, str], list[str], int]:
    """The fields by their names in small letters, the data files of a LIST, and where the header ends."""
    fields: dict[str, str] = {}
    lines, key = header_lines(source), ""
    for line, end in lines:
        found = FIELD.match(line)
        if found is not None:
            key = found[1].lower()
            if key in fields and key in FIELDS:
                raise damaged(source, f"{quoted(found[1])} is stated twice")
            fields[key] = checked_field(key, line[found.end() :].strip(PADDING), FIELDS, source)
        elif line.strip():
            if not CONTINUED.fullmatch(line) or not key:
                raise damaged(source, "a line holds no field")
            # Such as the rows of a matrix.
            fields[key] = checked_field(key, f"{fields[key]} {line.strip()}", FIELDS, source)
        if key == "elementdatafile":
            listed = [name.strip() for name, _ in lines if name.strip()] if _is_list(fields[key]) else []
            return fields, listed, end
    raise damaged(source, "it does not end with ElementDataFile")


def _is_list(data_file: str) -> bool:
    return data_file.split()[:1] == ["LIST"]


def _required(fields: dict[str, str], key: str, source: Source) -> str:
    if not fields.get(key):
        raise damaged(source, f"the field {key!r} is missing")
    return fields[key]


def _flag(fields: dict[str, str], key: str, source: Source) -> bool | None:
    word = fields.get(key, "").lower()
    if word not in ("", "true", "false", "t", "f", "1", "0"):
        raise damaged(source, f"{key} is neither True nor False")
    return None if not word else word[0] in "t1"


def _payload(
    fields: dict[str, str], listed: list[str], start: int, sizes: tuple[int, ...], channels: int, source: Source
) -> Payload:
    stated = _required(fields, "elementtype", source)
    code = TYPES.get(stated.lower().removeprefix("met_").removesuffix("_array"))
    if code is None:
        raise UnsupportedImageError(
            f"{source.label}: values of type {quoted(stated)} are not read. Save integers, MET_FLOAT or MET_DOUBLE."
        )
    stated_orders = {_flag(fields, key, source) for key in ORDERS} - {None}
    if len(stated_orders) > 1 and code[1] != "1":
        raise damaged(source, "it states two byte orders")
    encoding: Encoding = "zlib" if _flag(fields, "compresseddata", source) else "raw"
    if _flag(fields, "binarydata", source) is False:
        if encoding == "zlib":
            raise UnsupportedImageError(f"{source.label}: compressed text is not read. Save binary data.")
        encoding = "text"
    files = _data_files(_required(fields, "elementdatafile", source), listed, sizes, source)
    skip = integer(fields.get("headersize", "0"), "HeaderSize", source, least=-1)
    if skip > MOST_SKIPPED or (skip == -1 and encoding != "raw"):
        raise UnsupportedImageError(f"{source.label}: this HeaderSize is read of raw data alone. Save it without.")
    if not files and skip > 0:  # ITK counts from the start of the header's own file
        if skip < start:
            raise damaged(source, "HeaderSize ends within it")
        start, skip = skip, 0
    count = math.prod(sizes) * channels
    return Payload(
        dtype=np.dtype((">" if stated_orders == {True} else "<") + code),
        count=count,
        encoding=encoding,
        files=files,
        start=start,
        byte_skip=skip,
    )


def _data_files(stated: str, listed: list[str], sizes: tuple[int, ...], source: Source) -> tuple[str, ...]:
    """The names in ``ElementDataFile``: none where the data follow; one, a pattern with numbers, or a list.

    Raises:
        UnsupportedImageError: One is not in the header's folder.
        DamagedFileError: There are not as many as the sizes need.
    """
    if stated.lower() == "local":
        return ()
    own = len(sizes) - 1
    pattern = re.fullmatch(r"(.*%0?\d{0,2}d.*?)((?:\s+-?\d{1,9}){0,3})", stated)
    if _is_list(stated):
        words = stated.lower().removesuffix("d").split()[1:]
        own = integers(words[0], "LIST", source, least=1)[0] if words else own
        names = plain_names(listed, source)
    elif pattern is not None:
        numbers = integers(pattern[2], "ElementDataFile", source, least=-(10**9))
        first, last, step = (*numbers, *(1, sizes[-1], 1)[len(numbers) :])
        if step == 0 or (last - first) * step < 0:
            raise damaged(source, "the numbers of its data files do not count from the first to the last")
        names = plain_names(expand(pattern[1], range(first, last + (1 if step > 0 else -1), step)), source)
    else:
        return plain_names([stated], source)
    needed = math.prod(sizes[own:])
    if len(names) != needed:
        raise damaged(source, f"it names {len(names)} data files, and its sizes need {needed}")
    return names


def _scaling_note(fields: dict[str, str], source: Source) -> tuple[str, ...]:
    slope = reals(fields.get("elementtointensityfunctionslope", "1"), "the slope", source)
    offset = reals(fields.get("elementtointensityfunctionoffset", "0"), "the offset", source)
    return () if (slope, offset) == ((1.0,), (0.0,)) else (SCALING_NOTE,)


def _grid(fields: dict[str, str], dimension: int, source: Source) -> Grid:
    """The grid of the first three axes, in mm."""
    axes = min(3, dimension)
    spacing_key = "elementspacing" if "elementspacing" in fields else "elementsize"
    if spacing_key not in fields:
        return Grid()
    unit = unit_in_mm(fields.get("distanceunits", ""))
    if unit is None:
        return Grid(notes=(unknown_unit_note(fields["distanceunits"]),))
    spacing = _numbers(fields[spacing_key], dimension, "ElementSpacing", source)[:axes]
    spacing = tuple(in_mm(step, unit) for step in spacing)
    if not is_usable(spacing):
        return Grid()
    offset = _agreed(fields, OFFSETS, dimension, source) or (0.0,) * dimension
    offset = tuple(in_mm(value, unit) for value in offset[:axes])
    stated = _agreed(fields, MATRICES, dimension**2, source)
    matrix = np.eye(dimension) if stated is None else np.reshape(stated, (dimension, dimension))
    if np.isnan([*offset, *matrix.ravel()]).any() or matrix[:axes, axes:].any() or matrix[axes:, :axes].any():
        raise damaged(source, "its axes of space and others are mixed")
    lines = {
        "ObjectType": "Image",
        "NDims": axes,
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        "TransformMatrix": " ".join(map(repr, matrix[:axes, :axes].ravel().tolist())),
        "Offset": " ".join(map(repr, offset)),
        "ElementSpacing": " ".join(map(repr, spacing)),
        "DimSize": " ".join("1" * axes),
        "ElementType": "MET_UCHAR",
        "ElementDataFile": "LOCAL",
    }
    is_placed = any(key in fields for key in (*OFFSETS, *MATRICES))
    is_converted = unit != 1 and (is_placed or min(spacing) < 0)
    return Grid(
        header="".join(f"{key} = {value}\n" for key, value in lines.items()),
        is_placed=is_placed,
        is_converted=is_converted,
        notes=(CONVERTED_NOTE,) if is_converted else (),
    )


def _numbers(text: str, count: int, field: str, source: Source) -> tuple[float, ...]:
    values = reals(text, field, source)
    if len(values) != count:
        raise damaged(source, f"{field} has {len(values)} numbers, and {count} are needed")
    return values


def _agreed(fields: dict[str, str], keys: tuple[str, ...], count: int, source: Source) -> tuple[float, ...] | None:
    """The numbers of fields of one meaning; None where there is none.

    Raises:
        DamagedFileError: Two of them differ.
    """
    stated = {_numbers(fields[key], count, key, source) for key in keys if key in fields}
    if len(stated) > 1:
        raise damaged(source, f"{' and '.join(key for key in keys if key in fields)} contradict each other")
    return stated.pop() if stated else None
