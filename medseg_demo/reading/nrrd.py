"""The header of an NRRD file, attached (.nrrd) or detached (.nhdr).

Source: teem, "Definition of NRRD File Format", teem.sourceforge.net/nrrd/format.html.
"""

import math
import re

import numpy as np

from medseg_demo.errors import UnsupportedImageError
from medseg_demo.reading.nrrd_grid import Directions, oriented_grid, read_directions, spaced_grid
from medseg_demo.reading.payload import MOST_FILES, MOST_SKIPPED, TOGETHER, Encoding, Payload, plain_names
from medseg_demo.reading.source import Source
from medseg_demo.reading.voxel_header import (
    COLOUR,
    SPACE,
    VOLUME,
    VoxelHeader,
    check_dimension,
    check_sizes,
    checked_field,
    damaged,
    header_lines,
    integer,
    quoted,
)

MAGIC = re.compile(r"NRRD000[1-5]|NRRD00\.01")
_INTEGERS = {
    "1": ("{}char", "{}int8", "{}int8_t"),
    "2": ("{}short", "{}short int", "{}int16", "{}int16_t"),
    "4": ("{}int", "{}int32", "{}int32_t"),
    "8": ("{}longlong", "{}long long", "{}long long int", "{}int64", "{}int64_t"),
}
TYPES = {name.format(sign): f"i{size}" for size, all_ in _INTEGERS.items() for name in all_ for sign in ("", "signed ")}
TYPES |= {
    name.format(sign): f"u{size}" for size, all_ in _INTEGERS.items() for name in all_ for sign in ("u", "unsigned ")
}
TYPES |= {"float": "f4", "double": "f8"}
del TYPES["char"]  # without a sign it is no type of the format
ENCODINGS: dict[str, Encoding] = {"raw": "raw", "gz": "gzip", "gzip": "gzip", "bz2": "bzip2", "bzip2": "bzip2"}
ENCODINGS |= {"txt": "text", "text": "text", "ascii": "text", "hex": "hex"}

FIELDS = frozenset(
    (
        *("dimension", "sizes", "type", "endian", "encoding", "datafile", "lineskip", "byteskip", "kinds", "space"),
        *(
            "spacedimension",
            "spacedirections",
            "spaceorigin",
            "spaceunits",
            "spacings",
            "units",
            "axismins",
            "centerings",
        ),
    )
)
SPACE_KINDS = ("domain", "space")
COLOUR_KINDS = ("rgb-color", "3-color")
NO_KINDS = ("???", "none")
KIND_NAMES: dict[str, tuple[str, ...]] = {
    "rgba-color": ("red", "green", "blue", "opacity"),
    "hsv-color": ("hue", "saturation", "value"),
    "complex": ("real part", "imaginary part"),
}
ROLES = {"list": "item", "time": "time", "point": "point"}


def read_header(source: Source) -> VoxelHeader:
    """Read a header to its end and check it.

    Raises:
        UnsupportedImageError: It holds something that is not read here, or names data files elsewhere.
        DamagedFileError: It contradicts itself or lacks a field.
    """
    fields, listed, start = _fields(source)
    dimension = check_dimension(_required(fields, "dimension", source), "dimension", source)
    sizes = check_sizes(_required(fields, "sizes", source), "sizes", dimension, source)
    payload = _payload(fields, listed, start, math.prod(sizes), source)
    directions = read_directions(fields, dimension, source)
    kinds = _kinds(fields, dimension, source)
    roles = _roles(kinds, sizes, directions)
    spatial = [axis for axis, role in enumerate(roles) if role == SPACE]
    if len(spatial) < 2:
        raise UnsupportedImageError(
            f"{source.label}: it has {len(spatial)} axes of space, and images have 2 or 3. Save it as a volume."
        )
    if directions is not None:
        grid = oriented_grid(fields, directions, spatial, source)
    else:
        grid = spaced_grid(fields, spatial, dimension, source)
    return VoxelHeader(
        file_format="NRRD",
        sizes=sizes,
        roles=roles,
        components=tuple(
            names if len(names := KIND_NAMES.get(kind, ())) == size else ()
            for kind, size in zip(kinds, sizes, strict=True)
        ),
        payload=payload,
        grid=grid,
        notes=grid.notes,
    )


def _fields(source: Source) -> tuple[dict[str, str], list[str], int]:
    """The fields by their names without spaces, the data files of a LIST, and where the header ends."""
    fields: dict[str, str] = {}
    listed: list[str] = []
    lines = header_lines(source)
    magic, end = next(lines)
    if not MAGIC.fullmatch(magic):
        raise UnsupportedImageError(
            f"{source.label}: {quoted(magic[:12])} is no version of NRRD that is read here (1 to 5). Save it as NRRD 5."
        )
    for line, end in lines:
        if not line:
            return fields, listed, end
        if line.startswith("#"):
            continue
        if _is_list(fields.get("datafile", "")):
            listed.append(line.strip())
            continue
        key, separator, value = line.partition(":")
        if not separator:
            raise damaged(source, "a line holds neither a field nor a key")
        if value.startswith("="):  # a key of the file's own
            continue
        key = "".join(key.lower().split())
        key = "centerings" if key == "centers" else key
        if key in fields and key in FIELDS:
            raise damaged(source, f"{quoted(key)} is stated twice")
        fields[key] = checked_field(key, value.strip(), FIELDS, source)
    if "datafile" not in fields:
        raise damaged(source, "it does not end, or the data are missing")
    return fields, listed, end


def _required(fields: dict[str, str], key: str, source: Source) -> str:
    if not fields.get(key):
        raise damaged(source, f"the field {key!r} is missing")
    return fields[key]


def _is_list(data_file: str) -> bool:
    return data_file.split()[:1] == ["LIST"]


def data_files(data_file: str, listed: list[str], source: Source) -> tuple[str, ...]:
    """The names in a ``data file`` field: one, a pattern with its first and last number and the step, or a list.

    Raises:
        UnsupportedImageError: One is not in the header's folder.
        DamagedFileError: A pattern counts the wrong way.
    """
    if _is_list(data_file):
        if not listed:
            raise damaged(source, "it lists no data file")
        return plain_names(listed, source)
    if data_file.split()[:1] == ["SKIPLIST"]:
        raise UnsupportedImageError(f"{source.label}: a SKIPLIST of data files is not read. {TOGETHER}")
    pattern = re.fullmatch(r"(.*%0?\d{0,2}[du]\S*)\s+(-?\d{1,9})\s+(-?\d{1,9})\s+(-?\d{1,9})(?:\s+\d+)?", data_file)
    if pattern is None:
        return plain_names([data_file], source)
    name, first, last, step = pattern[1], int(pattern[2]), int(pattern[3]), int(pattern[4])
    if step == 0 or (last - first) * step < 0:
        raise damaged(source, "the numbers of its data files do not count from the first to the last")
    return plain_names(expand(name, range(first, last + (1 if step > 0 else -1), step)), source)


def expand(pattern: str, numbers: range) -> list[str]:
    """File names of a pattern with one ``%d`` or ``%03d``; one more than are read where there are too many."""
    place = re.search(r"%(0?\d{0,2})[du]", pattern)
    assert place is not None
    return [
        f"{pattern[: place.start()]}{number:{place[1]}d}{pattern[place.end() :]}"
        for number in numbers[: MOST_FILES + 1]
    ]


def _payload(fields: dict[str, str], listed: list[str], start: int, count: int, source: Source) -> Payload:
    stated = " ".join(_required(fields, "type", source).lower().split())
    if stated not in TYPES:
        raise UnsupportedImageError(
            f"{source.label}: values of type {quoted(stated)} are not read. Save integers, float or double."
        )
    encoding = ENCODINGS.get(_required(fields, "encoding", source).lower())
    if encoding is None:
        raise UnsupportedImageError(
            f"{source.label}: the encoding {quoted(fields['encoding'])} is not read. Save it raw or with gzip."
        )
    order = {"little": "<", "big": ">"}.get(fields.get("endian", "").lower(), "")
    dtype = np.dtype(f"{order or '='}{TYPES[stated]}")
    if dtype.itemsize > 1 and encoding != "text" and not order:
        raise damaged(source, "the field 'endian' (little or big) is missing")
    files = data_files(fields["datafile"], listed, source) if "datafile" in fields else ()
    if count % max(1, len(files)):
        raise damaged(source, f"the values cannot be shared by its {len(files)} data files")
    line_skip = integer(fields.get("lineskip", "0"), "line skip", source)
    byte_skip = integer(fields.get("byteskip", "0"), "byte skip", source, least=-1)
    if (byte_skip == -1 and encoding != "raw") or byte_skip > MOST_SKIPPED:
        raise UnsupportedImageError(f"{source.label}: this 'byte skip' is read of raw data alone. Save it without.")
    return Payload(
        dtype=dtype,
        count=count,
        encoding=encoding,
        files=files,
        start=start,
        line_skip=line_skip,
        byte_skip=byte_skip,
        skips_unpacked=encoding in ("gzip", "bzip2"),
    )


def _kinds(fields: dict[str, str], dimension: int, source: Source) -> tuple[str, ...]:
    kinds = tuple(fields.get("kinds", " ".join(["???"] * dimension)).lower().split())
    if len(kinds) != dimension:
        raise damaged(source, f"there are {len(kinds)} kinds for {dimension} axes")
    return kinds


def _roles(kinds: tuple[str, ...], sizes: tuple[int, ...], directions: Directions | None) -> tuple[str, ...]:
    """What each axis is, from its kind, or from whether it has a direction in space."""
    roles, spatial, has_colour = [], 0, False
    for axis, kind in enumerate(kinds):
        has_direction = directions is None or (directions[axis] is not None and any(directions[axis] or ()))
        if kind in COLOUR_KINDS and sizes[axis] == 3 and not has_colour:
            role, has_colour = COLOUR, True
        elif (kind in SPACE_KINDS or kind in NO_KINDS) and has_direction and spatial < 3:
            role, spatial = SPACE, spatial + 1
        else:
            role = VOLUME if kind in (*SPACE_KINDS, *NO_KINDS) else ROLES.get(kind, "component")
        roles.append(role)
    return tuple(roles)
