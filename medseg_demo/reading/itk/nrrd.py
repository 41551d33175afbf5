"""The header of an NRRD file, attached (.nrrd) or detached (.nhdr), and the grid that it states, in mm.

Source: teem, "Definition of NRRD File Format", teem.sourceforge.net/nrrd/format.html.
"""

import math
import re
from fractions import Fraction

import numpy as np

from medseg_demo.errors import UnsupportedImageError
from medseg_demo.reading.itk.header import (
    CONVERTED_NOTE,
    MOST_DIMENSIONS,
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
from medseg_demo.reading.voxels import COLOUR, COMPONENT_NAMES, SPACE, VOLUME, VoxelHeader

MAGIC = re.compile(r"NRRD000[1-5]|NRRD00\.01")
_INTEGERS = {
    "1": ("{}char", "{}int8", "{}int8_t"),
    "2": ("{}short", "{}short int", "{}int16", "{}int16_t"),
    "4": ("{}int", "{}int32", "{}int32_t"),
    "8": ("{}longlong", "{}long long", "{}long long int", "{}int64", "{}int64_t"),
}
TYPES = {
    name.format(sign): kind + size
    for size, spellings in _INTEGERS.items()
    for name in spellings
    for sign, kind in (("", "i"), ("signed ", "i"), ("u", "u"), ("unsigned ", "u"))
} | {"float": "f4", "double": "f8"}
del TYPES["char"]  # without a sign it is no type of the format
ENCODINGS: dict[str, Encoding] = {"raw": "raw", "gz": "gzip", "gzip": "gzip", "bz2": "bzip2", "bzip2": "bzip2"}
ENCODINGS |= {"txt": "text", "text": "text", "ascii": "text", "hex": "hex"}
KNOWN = frozenset((
    "dimension", "sizes", "type", "endian", "encoding", "datafile", "lineskip", "byteskip", "kinds", "space",
    "spacedimension", "spacedirections", "spaceorigin", "spaceunits", "spacings", "units", "axismins", "centerings",
))  # fmt: skip

UNKNOWN_KINDS, SPACE_KINDS, COLOUR_KINDS = ("???", "none"), ("domain", "space"), ("rgb-color", "3-color")
ROLES = {"list": "item", "time": "time", "point": "point"} | {kind: kind for kind in COMPONENT_NAMES}

# The names of spaces that ITK knows how to turn; it takes the numbers of any other for left, posterior, superior.
PATIENT_SPACES = {
    "lps": "left-posterior-superior",
    "ras": "right-anterior-superior",
    "las": "left-anterior-superior",
}
OTHER_SPACES = ("scanner-xyz", "3d-right-handed", "3d-left-handed")
NO_PATIENT = (
    "The file does not say how its axes lie in a patient; they were taken for left, posterior and superior, as in ITK."
)
Directions = list[tuple[float, ...] | None]


def read_header(source: Source) -> VoxelHeader:
    """Read a header to its end and check it.

    Raises:
        UnsupportedImageError: It holds something that is not read here, or names data files elsewhere.
        DamagedFileError: It contradicts itself or lacks a field.
    """
    fields, listed, start = _fields(source)
    sizes = fields.sizes("dimension", "sizes")
    payload = _payload(fields, listed, start, math.prod(sizes))
    directions = _directions(fields, len(sizes))
    roles = _roles(fields, sizes, directions)
    spatial = [axis for axis, role in enumerate(roles) if role == SPACE]
    if len(spatial) < 2:
        raise UnsupportedImageError(
            f"{source.label}: it has {len(spatial)} axes of space, and images have 2 or 3. Correct its kinds or its "
            "space directions, or save it as an image."
        )
    if directions is not None:
        grid = _oriented_grid(fields, directions, spatial)
    else:
        grid = _spaced_grid(fields, spatial, len(sizes))
    return VoxelHeader(sizes=sizes, roles=roles, payload=payload, place=grid, notes=grid.notes)


def _fields(source: Source) -> tuple[Fields, list[str], int]:
    """The fields by their names without spaces, the data files of a LIST, and where the header ends."""
    fields, listed = Fields(source, KNOWN), list[str]()
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
        if is_list(fields.text("datafile", "")):
            listed.append(line.strip())
            continue
        key, separator, value = line.partition(":")
        if not separator:
            raise fields.damaged("a line holds neither a field nor a key")
        if not value.startswith("="):  # a key of the file's own
            key = "".join(key.lower().split())
            fields.add("centerings" if key == "centers" else key, value.strip())
    if "datafile" not in fields:
        raise fields.damaged("it does not end, or the data are missing")
    return fields, listed, end


def _payload(fields: Fields, listed: list[str], start: int, count: int) -> Payload:
    label, stated = fields.source.label, " ".join(fields.text("type").lower().split())
    if stated not in TYPES:
        raise UnsupportedImageError(
            f"{label}: values of type {quoted(stated)} are not read. Save integers, float or double."
        )
    encoding = ENCODINGS.get(fields.text("encoding").lower())
    if encoding is None:
        raise UnsupportedImageError(
            f"{label}: the encoding {quoted(fields.text('encoding'))} is not read. Save it raw or with gzip."
        )
    order = {"little": "<", "big": ">"}.get(fields.text("endian", "").lower(), "")
    dtype = np.dtype(f"{order or '='}{TYPES[stated]}")
    if dtype.itemsize > 1 and encoding != "text" and not order:
        raise fields.damaged("the field 'endian' (little or big) is missing")
    files = data_files(fields.text("datafile"), listed, fields.source) if "datafile" in fields else ()
    if "datafile" in fields and (not files or count % len(files)):
        raise fields.damaged(f"the values cannot be shared by its {len(files)} data files")
    byte_skip = fields.integer("byteskip", "0", least=-1)
    if (byte_skip == -1 and encoding != "raw") or byte_skip > MOST_SKIPPED:
        raise UnsupportedImageError(f"{label}: this 'byte skip' is read of raw data alone. Save it without.")
    return Payload(
        dtype=dtype,
        count=count,
        encoding=encoding,
        files=files,
        start=start,
        line_skip=fields.integer("lineskip", "0"),
        byte_skip=byte_skip,
    )


def _roles(fields: Fields, sizes: tuple[int, ...], directions: Directions | None) -> tuple[str, ...]:
    """What each axis is, from its kind, or from whether it has a direction in space."""
    kinds = fields.text("kinds", " ".join(["???"] * len(sizes))).lower().split()
    if len(kinds) != len(sizes):
        raise fields.damaged(f"there are {len(kinds)} kinds for {len(sizes)} axes")
    roles = list[str]()
    for axis, kind in enumerate(kinds):
        has_direction = directions is None or any(directions[axis] or ())
        if kind in COLOUR_KINDS and sizes[axis] == 3 and COLOUR not in roles:
            roles.append(COLOUR)
        elif kind not in (*SPACE_KINDS, *UNKNOWN_KINDS):
            roles.append(ROLES.get(kind, "component"))
        else:
            roles.append(SPACE if has_direction and roles.count(SPACE) < 3 else VOLUME)
    return tuple(roles)


def _world_axes(fields: Fields) -> int:
    """How many numbers the file gives for a place; the fourth is of time."""
    if "space" not in fields:
        return fields.integer("spacedimension", least=1) if "spacedimension" in fields else 0
    name = _space(fields)
    if name not in (*PATIENT_SPACES, *PATIENT_SPACES.values(), *OTHER_SPACES):
        raise UnsupportedImageError(
            f"{fields.source.label}: the space {quoted(fields.text('space', ''))} is not known. Use "
            "left-posterior-superior."
        )
    return 3 if name == fields.text("space").lower() else 4


def _space(fields: Fields) -> str:
    """The name of the space, without an axis of time."""
    name = fields.text("space", "").lower()
    return name[:-1] if name in ("rast", "last", "lpst") else name.removesuffix("-time")


def _vectors(fields: Fields, key: str, length: int) -> Directions:
    """Vectors such as "(1,0,0) none (0,0,1)"; None where one is none, or not a number."""
    text = fields.text(key, "none")
    if re.sub(r"\([^()]*\)|none", "", text, flags=re.IGNORECASE).strip():
        raise fields.damaged(f"{key} holds no vectors")
    vectors: Directions = []
    for word in re.findall(r"\(([^()]*)\)|none", text, flags=re.IGNORECASE):
        values = fields.parse_reals(key, word.replace(",", " "))
        if values and len(values) != length:
            raise fields.damaged(f"{key} has a vector of {len(values)} numbers in a space of {length}")
        vectors.append(values if values and not any(math.isnan(value) for value in values) else None)
    return vectors


def _directions(fields: Fields, dimension: int) -> Directions | None:
    """The step along each axis as the file states it, without a fourth axis of time; None where there are none."""
    world = _world_axes(fields)
    if "spacedirections" not in fields:
        return None
    if world not in (2, 3, 4):
        raise fields.damaged("'space directions' needs a space, or a space dimension of 2 or 3")
    vectors = _vectors(fields, "spacedirections", world)
    if len(vectors) != dimension:
        raise fields.damaged(f"there are {len(vectors)} space directions for {dimension} axes")
    if world == 4:  # a direction in time alone becomes (0, 0, 0), which is none in space
        return [vector and vector[:3] for vector in vectors]
    return vectors if any(vectors) else None


def _units(fields: Fields, key: str) -> list[str]:
    """The units that a field states, and "" for whatever axis follows."""
    stated = re.findall(r'"((?:[^"\\]|\\.)*)"', fields.text(key, ""))
    return [*stated, *[""] * MOST_DIMENSIONS]


def _factors(words: list[str]) -> tuple[list[Fraction], tuple[str, ...]]:
    """How many mm each unit has; none, and a note, where one is unknown."""
    factors = [unit_in_mm(word) for word in words]
    known = [factor for factor in factors if factor is not None]
    if len(known) < len(words):
        return [], (unknown_unit_note(words[factors.index(None)]),)
    return known, ()


def _scaled(vector: tuple[float, ...], factors: list[Fraction]) -> tuple[float, ...]:
    return tuple(in_mm(value, factor) for value, factor in zip(vector, factors, strict=False))


def _oriented_grid(fields: Fields, directions: Directions, spatial: list[int]) -> Grid:
    """The grid of an image with directions in space."""
    world = min(3, _world_axes(fields))
    if len(spatial) > world:
        raise fields.damaged(f"{len(spatial)} axes have directions in a space of {world}")
    words = _units(fields, "spaceunits")
    words = [words[0]] * world if len(words) == MOST_DIMENSIONS + 1 else words[:world]  # one counts for all
    if "spaceunits" not in fields and "units" in fields:
        words = [_units(fields, "units")[axis] for axis in spatial]
        words = [words[0] if len({unit_in_mm(word) for word in words}) == 1 else "several units"] * world
    factors, notes = _factors(words)
    if not factors:
        return Grid(notes=notes)
    steps = np.transpose([_scaled(directions[axis] or (), factors) for axis in spatial])
    origin = (_vectors(fields, "spaceorigin", _world_axes(fields)) or [None])[0] or (0.0,) * world
    known = PATIENT_SPACES.get(_space(fields), _space(fields))
    is_known = known in PATIENT_SPACES.values()
    is_converted = set(factors) != {Fraction(1)}
    return Grid(
        steps=steps,
        origin=_scaled(origin, factors),
        space=known if is_known else PATIENT_SPACES["lps"],
        is_placed=True,
        is_converted=is_converted,
        notes=(CONVERTED_NOTE,) if is_converted else () if is_known or world == 2 else (NO_PATIENT,),
    )


def _spaced_grid(fields: Fields, spatial: list[int], dimension: int) -> Grid:
    """The grid of an image with at most a spacing of its axes; teem puts the first voxel's edge at an axis' minimum."""
    if "spacings" not in fields:
        return Grid()
    spacings = fields.reals("spacings", count=dimension)
    factors, notes = _factors([_units(fields, "units")[axis] for axis in spatial])
    steps = _scaled(tuple(spacings[axis] for axis in spatial), factors)
    if not is_usable(steps):
        return Grid(notes=notes)
    origin, has_start = (0.0,) * len(spatial), False
    if "axismins" in fields:
        least = fields.reals("axismins", count=dimension)
        starts = _scaled(tuple(least[axis] for axis in spatial), factors)
        has_start = not any(math.isnan(start) for start in starts)
    if has_start:
        centerings = fields.text("centerings", "").lower().split()
        are_nodes = [len(centerings) == dimension and centerings[axis] == "node" for axis in spatial]
        halves = (0 if is_node else step / 2 for is_node, step in zip(are_nodes, steps, strict=True))
        origin = tuple(start + half for start, half in zip(starts, halves, strict=True))
    is_converted = set(factors) != {Fraction(1)} and (has_start or min(steps) < 0)
    return Grid(
        steps=np.diag(steps),
        origin=origin,
        spacing=tuple(map(abs, steps)),
        is_converted=is_converted,
        notes=(CONVERTED_NOTE,) if is_converted else (),
    )
