"""What the headers of NRRD and MetaImage have in common: fields and their values, units, and a grid."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from medseg_demo import names
from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading.source import MIB, Source

MAX_HEADER_BYTES = 8 * MIB
MOST_DIMENSIONS = 10
LONGEST_FIELD = 4096

_LENGTHS = (
    (Fraction(1), "mm millimeter millimeters millimetre millimetres"),
    (Fraction(10), "cm centimeter centimeters centimetre centimetres"),
    (Fraction(1000), "m meter meters metre metres"),
    (Fraction(1, 1000), "um µm μm micron microns micrometer micrometers micrometre micrometres"),
    (Fraction(1, 1000_000), "nm nanometer nanometers nanometre nanometres"),
    (Fraction(254, 10), "in inch inches"),
)
UNITS_MM = {word: length for length, words in _LENGTHS for word in words.split()}
UNSTATED = ("", "?", "???", "unknown", "none", "unspecified")
CONVERTED_NOTE = (
    "Its lengths are not stated in mm and were converted. Its place and direction were left out, since other programs "
    "take these numbers for mm, and nothing could lie on it there."
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Grid:
    """Where the voxels lie, as a header states it.

    Attributes:
        steps: (world, axes), the step along each axis of space in mm, world being 2 or 3 and at least axes; None where
            the spacing is unknown.
        origin: (world,), the first voxel's centre in mm.
        spacing: (x, y) or (x, y, z), the lengths of these steps where the file states them by themselves: a direction
            matrix of few digits is not quite of length 1.
        space: In which these numbers are, by its name in NRRD.
        is_placed: Whether a field states an origin or directions.
        is_converted: Whether its lengths were in another unit than mm.
        notes: What a person should know of it.
    """

    steps: np.ndarray | None = None
    origin: tuple[float, ...] = ()
    spacing: tuple[float, ...] | None = None
    space: str = "left-posterior-superior"
    is_placed: bool = False
    is_converted: bool = False
    notes: tuple[str, ...] = ()


def header_lines(source: Source) -> Iterator[tuple[str, int]]:
    """The lines of a file from its start, without their ends, each with the offset of the byte after it.

    Bytes that are no UTF-8 are kept as surrogates, since a header may name a file in any encoding.

    Raises:
        UnsupportedImageError: 8 MiB were read without the caller finding the header's end.
    """
    source.file.seek(0)
    offset = 0
    while line := source.file.readline(MAX_HEADER_BYTES - offset):
        offset += len(line)
        if offset >= MAX_HEADER_BYTES:
            raise UnsupportedImageError(
                f"{source.label}: the header is longer than {MAX_HEADER_BYTES // MIB} MiB. Remove its comments."
            )
        yield line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "surrogateescape"), offset


@dataclass(frozen=True, eq=False)
class Fields:
    """The fields of a header that are read here, by their names in small letters; others are dropped.

    Attributes:
        source: For messages.
        known: The names of these fields.
        values: What they say, as text.
    """

    source: Source
    known: frozenset[str]
    values: dict[str, str] = field(default_factory=dict)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def add(self, key: str, value: str, *, is_more: bool = False) -> None:
        """Keep a field, or more of it.

        Raises:
            DamagedFileError: It is there already.
            UnsupportedImageError: It is longer than any of these needs to be.
        """
        if key not in self.known:
            return
        if key in self.values and not is_more:
            raise self.damaged(f"{quoted(key)} is stated twice")
        self.values[key] = f"{self.values[key]} {value}" if is_more else value
        if len(self.values[key]) > LONGEST_FIELD:
            raise UnsupportedImageError(
                f"{self.source.label}: its field {quoted(key)} has {len(self.values[key])} characters, which is more "
                f"than the {MOST_DIMENSIONS} dimensions that are read need. Export the file again."
            )

    def damaged(self, fault: str) -> DamagedFileError:
        """The error of a header that contradicts itself or lacks something."""
        return DamagedFileError(f"{self.source.label}: the header is damaged: {fault}. Export the file again.")

    def text(self, key: str, default: str | None = None) -> str:
        """What a field says; without a default it must be there."""
        if not self.values.get(key) and default is None:
            raise self.damaged(f"the field {key!r} is missing")
        return self.values.get(key, default or "")

    def integers(self, key: str, default: str | None = None, *, count: int = 1, least: int = 0) -> tuple[int, ...]:
        """So many whole numbers, separated by white space, none of them below ``least``."""
        words = self.text(key, default).split()
        values = tuple(int(word) for word in words if re.fullmatch(r"[+-]?[0-9]{1,18}", word))
        if len(values) != len(words) or len(words) != count or min(values) < least:
            raise self.damaged(f"{key} does not hold {count} whole numbers from {least} on")
        return values

    def integer(self, key: str, default: str | None = None, *, least: int = 0) -> int:
        """A single whole number."""
        return self.integers(key, default, least=least)[0]

    def reals(self, key: str, default: str | None = None, *, count: int = 1) -> tuple[float, ...]:
        """So many numbers."""
        values = self.parse_reals(key, self.text(key, default))
        if len(values) != count:
            raise self.damaged(f"{key} has {len(values)} numbers, and {count} are needed")
        return values

    def parse_reals(self, key: str, text: str) -> tuple[float, ...]:
        """Numbers, separated by white space; NaN is one, infinity is not."""
        try:
            values = tuple(float(word) for word in text.split())
        except ValueError:
            raise self.damaged(f"{key} holds no numbers") from None
        if any(math.isinf(value) for value in values) or "_" in text:
            raise self.damaged(f"{key} holds no usable numbers")
        return values

    def sizes(self, dimension_key: str, key: str) -> tuple[int, ...]:
        """The length of each axis, from 1 to 10 of them.

        Raises:
            DamagedFileError: There are not as many numbers as axes.
            UnsupportedImageError: There are more axes, or one has no length.
        """
        dimension = self.integer(dimension_key, least=1)
        if dimension > MOST_DIMENSIONS:
            raise UnsupportedImageError(
                f"{self.source.label}: {dimension} dimensions are claimed, and at most {MOST_DIMENSIONS} are read. "
                "Save one time point or channel as a volume of its own."
            )
        sizes = self.integers(key, count=dimension)
        if 0 in sizes:
            shown = " × ".join(map(str, sizes))
            raise UnsupportedImageError(f"{self.source.label}: the image has no pixels ({shown}). Export it again.")
        return sizes


def quoted(text: str) -> str:
    """A word of a header for messages: printable, and not long."""
    return repr(names.shown(text[:40]))


def in_mm(value: float, unit: Fraction) -> float:
    """A length in mm, correctly rounded."""
    return value * unit.numerator / unit.denominator


def unit_in_mm(word: str) -> Fraction | None:
    """How many mm a unit of length has; mm where none is stated, as in ITK, and None of an unknown one."""
    word = word.strip()
    if word.lower() in UNSTATED:
        return Fraction(1)
    # A capital M is mega or a metre: only words in full may be written in capitals.
    return UNITS_MM.get(word) or (UNITS_MM.get(word.lower()) if len(word) > 2 else None)


def unknown_unit_note(word: str) -> str:
    """What is said of an image whose spacing is in a unit that is not read."""
    return f"The spacing is stated in {quoted(word)}, which is no known unit of length, and was left out."


def is_usable(spacing: tuple[float, ...]) -> bool:
    """Whether every step is a length; a negative one turns its axis."""
    return bool(spacing) and all(math.isfinite(step) and step != 0 for step in spacing)
