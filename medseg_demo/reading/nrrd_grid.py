"""The grid of an NRRD image: spaces, directions, spacings and units, rewritten in mm for SimpleITK."""

import math
import re
from fractions import Fraction

import numpy as np

from medseg_demo.errors import UnsupportedImageError
from medseg_demo.reading.source import Source
from medseg_demo.reading.voxel_header import (
    CONVERTED_NOTE,
    Grid,
    damaged,
    in_mm,
    integer,
    is_usable,
    quoted,
    reals,
    unit_in_mm,
    unknown_unit_note,
)

Directions = list[tuple[float, ...] | None]

# The names of spaces that ITK knows how to turn; those with a fourth axis of time lose it here.
PATIENT_SPACES = {
    "lps": "left-posterior-superior",
    "ras": "right-anterior-superior",
    "las": "left-anterior-superior",
}
PATIENT_SPACES |= {name: name for name in PATIENT_SPACES.values()}
OTHER_SPACES = ("scanner-xyz", "3d-right-handed", "3d-left-handed")
NO_PATIENT = (
    "The file does not say how its axes lie in a patient; they were taken for left, posterior and superior, as in ITK."
)


def world_axes(fields: dict[str, str], source: Source) -> int:
    """How many numbers the file gives for a place."""
    if "space" in fields:
        name = fields["space"].lower()
        is_short = name in ("rast", "last", "lpst")
        known = name.removesuffix("-time") if not is_short else name[:-1]
        if known not in (*PATIENT_SPACES, *OTHER_SPACES):
            raise UnsupportedImageError(
                f"{source.label}: the space {quoted(fields['space'])} is not known. Use left-posterior-superior."
            )
        return 4 if is_short or name.endswith("-time") else 3
    return integer(fields["spacedimension"], "space dimension", source, least=1) if "spacedimension" in fields else 0


def _vectors(text: str, length: int, field: str, source: Source) -> list[tuple[float, ...] | None]:
    """Vectors such as "(1,0,0) none (0,0,1)"; None where one is none, or not a number."""
    if re.sub(r"\([^()]*\)|none", "", text, flags=re.IGNORECASE).strip():
        raise damaged(source, f"{field} holds no vectors")
    vectors: list[tuple[float, ...] | None] = []
    for word in re.findall(r"\(([^()]*)\)|none", text, flags=re.IGNORECASE):
        values = reals(word.replace(",", " "), field, source)
        if values and len(values) != length:
            raise damaged(source, f"{field} has a vector of {len(values)} numbers in a space of {length}")
        vectors.append(values if values and not any(math.isnan(value) for value in values) else None)
    return vectors


def read_directions(fields: dict[str, str], dimension: int, source: Source) -> Directions | None:
    """The step along each axis as the file states it, without a fourth axis of time; None where there are none."""
    world = world_axes(fields, source)
    if "spacedirections" not in fields:
        return None
    if world not in (2, 3, 4):
        raise damaged(source, "'space directions' needs a space, or a space dimension of 2 or 3")
    vectors = _vectors(fields["spacedirections"], world, "space directions", source)
    if len(vectors) != dimension:
        raise damaged(source, f"there are {len(vectors)} space directions for {dimension} axes")
    if world == 4:  # a direction in time alone becomes (0, 0, 0), which is none in space
        return [vector and vector[:3] for vector in vectors]
    return None if not any(vectors) else vectors


def _strings(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r'"((?:[^"\\]|\\.)*)"', text))


def _factors(words: tuple[str, ...]) -> tuple[list[Fraction] | None, tuple[str, ...]]:
    """How many mm each unit has; None and a note where one is unknown."""
    factors = [unit_in_mm(word) for word in words]
    unknown = next((word for word, factor in zip(words, factors, strict=True) if factor is None), None)
    if unknown is not None:
        return None, (unknown_unit_note(unknown),)
    return [factor for factor in factors if factor is not None], ()


def oriented_grid(fields: dict[str, str], stated: Directions, spatial: list[int], source: Source) -> Grid:
    """The grid of an image with directions in space, in mm."""
    world = min(3, world_axes(fields, source))
    steps = [stated[axis] for axis in spatial]
    if len(steps) > world:
        raise damaged(source, f"{len(steps)} axes have directions in a space of {world}")
    words = _strings(fields.get("spaceunits", "")) or ("",)
    factors, notes = _factors((words * world)[:world] if len(words) == 1 else (*words, *[""] * world)[:world])
    if factors is None:
        return Grid(notes=notes)
    if "spaceunits" not in fields and "units" in fields:
        units = (*_strings(fields["units"]), *[""] * len(stated))
        factors, notes = _factors(tuple(units[axis] for axis in spatial))
        if factors is None or len(set(factors)) > 1:
            return Grid(notes=notes or (unknown_unit_note("several units"),))
        factors = [factors[0]] * world
    columns = [_scaled(step or (), factors) for step in steps]
    origins = _vectors(fields.get("spaceorigin", "none"), world_axes(fields, source), "space origin", source)
    origin = _scaled((origins[0] if origins else None) or (0.0,) * world, factors)
    has_normal = len(columns) == 2 and world == 3
    if has_normal:
        normal = np.cross(columns[0], columns[1])
        length = float(np.linalg.norm(normal))
        columns.append(tuple((normal / length).tolist()) if length else (0.0, 0.0, 0.0))
    name = fields.get("space", "").lower().removesuffix("-time")
    known = PATIENT_SPACES.get(name[:3] if len(name) == 4 else name)
    space = f"space: {known}" if known else f"space dimension: {world}"
    is_converted = set(factors) != {Fraction(1)}
    notes = (CONVERTED_NOTE,) if is_converted else () if known or world == 2 else (NO_PATIENT,)
    written = " ".join(f"({','.join(map(repr, column))})" for column in columns)
    place = f"space origin: ({','.join(map(repr, origin))})"
    return Grid(
        header=_header(len(columns), space=space, geometry=[f"space directions: {written}", place]),
        is_placed=True,
        is_converted=is_converted,
        has_normal=has_normal,
        notes=notes,
    )


def _scaled(vector: tuple[float, ...], factors: list[Fraction]) -> tuple[float, ...]:
    return tuple(in_mm(value, factor) for value, factor in zip(vector, factors, strict=False))


def spaced_grid(fields: dict[str, str], spatial: list[int], dimension: int, source: Source) -> Grid:
    """The grid of an image with at most a spacing of its axes, in mm."""
    if "spacings" not in fields:
        return Grid()
    spacings = _per_axis(fields, "spacings", dimension, source)
    units = (*_strings(fields.get("units", "")), *[""] * dimension)
    factors, notes = _factors(tuple(units[axis] for axis in spatial))
    if factors is None:
        return Grid(notes=notes)
    steps = _scaled(tuple(spacings[axis] for axis in spatial), factors)
    if not is_usable(steps):
        return Grid()
    lines = [f"spacings: {' '.join(map(repr, steps))}"]
    if "axismins" in fields:
        least = _per_axis(fields, "axismins", dimension, source)
        starts = _scaled(tuple(least[axis] for axis in spatial), factors)
        if not any(math.isnan(start) for start in starts):
            lines.append(f"axis mins: {' '.join(map(repr, starts))}")
            centerings = fields.get("centerings", "").lower().split()
            if len(centerings) == dimension:
                own = ("node" if centerings[axis] == "node" else "cell" for axis in spatial)
                lines.append(f"centerings: {' '.join(own)}")
    is_converted = set(factors) != {Fraction(1)} and (len(lines) > 1 or min(steps) < 0)
    notes = (CONVERTED_NOTE,) if is_converted else ()
    return Grid(header=_header(len(spatial), geometry=lines), is_converted=is_converted, notes=notes)


def _per_axis(fields: dict[str, str], key: str, dimension: int, source: Source) -> tuple[float, ...]:
    values = reals(fields[key], key, source)
    if len(values) != dimension:
        raise damaged(source, f"{key} has {len(values)} numbers for {dimension} axes")
    return values


def _header(axes: int, *, space: str = "", geometry: list[str]) -> str:
    """A canonical header of one voxel, for SimpleITK, in which a space comes before its directions."""
    lines = ["NRRD0004", "type: uchar", f"dimension: {axes}", *([space] if space else [])]
    lines += [f"sizes: {' '.join('1' * axes)}", f"kinds: {' '.join(['domain'] * axes)}", "encoding: raw", *geometry]
    return "\n".join([*lines, "", ""])
