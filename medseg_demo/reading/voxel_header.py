"""What the headers of NRRD and MetaImage have in common: lines of bounded length, numbers, units, and one record."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from medseg_demo import names
from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading.payload import Payload
from medseg_demo.reading.source import MIB, Source

MAX_HEADER_BYTES = 8 * MIB
MOST_DIMENSIONS = 10
MOST_NAMES = 512
LONGEST_FIELD = 4096

SPACE, COLOUR, VOLUME = "space", "colour", "volume"

# Millimetres, as fractions: 700 µm become 0.7 and not 0.7000000000000001.
_MM = {"mm": Fraction(1), "cm": Fraction(10), "m": Fraction(1000), "µm": Fraction(1, 1000), "nm": Fraction(1, 10**6)}
_WORDS = {
    "mm": ("mm", "millimeter", "millimeters", "millimetre", "millimetres"),
    "cm": ("cm", "centimeter", "centimeters", "centimetre", "centimetres"),
    "m": ("m", "meter", "meters", "metre", "metres"),
    "µm": ("um", "µm", "μm", "micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres"),
    "nm": ("nm", "nanometer", "nanometers", "nanometre", "nanometres"),
}
UNITS_MM: dict[str, Fraction] = {word: _MM[unit] for unit, words in _WORDS.items() for word in words}
UNITS_MM |= dict.fromkeys(("in", "inch", "inches"), Fraction(254, 10))
CONVERTED_NOTE = (
    "Its lengths are not stated in mm and were converted. Its place and direction were left out, since other programs "
    "take these numbers for mm, and nothing could lie on it there."
)
UNSTATED = ("", "?", "???", "unknown", "none", "unspecified")


@dataclass(frozen=True, eq=False, kw_only=True)
class Grid:
    """Where the voxels lie, as a header states it.

    Attributes:
        header: A header for SimpleITK that states the same grid in mm, of one voxel and of the axes of space alone:
            only names and numbers of ours. None where the spacing is unknown.
        is_placed: Whether a field states an origin or directions.
        is_converted: Whether its lengths were in another unit than mm.
        has_normal: Whether ``header`` has a third axis that the image has not, the normal of a slice in space.
        notes: What a person should know of it.
    """

    header: str | None = None
    is_placed: bool = False
    is_converted: bool = False
    has_normal: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class VoxelHeader:
    """A header, checked to its end.

    Attributes:
        file_format: For people.
        sizes: Of every axis of the values, the fastest first.
        roles: What each of these axes is: "space", "colour" (red, green, blue), or what it counts, such as "time" or
            "component"; "volume" where the file does not say.
        components: The names along each axis that is not of space, where its kind names them; else empty.
        payload: Where the values are and how they are stored.
        grid: Where they lie.
        notes: For images and for label maps.
        image_notes: For images alone.
    """

    file_format: str
    sizes: tuple[int, ...]
    roles: tuple[str, ...]
    components: tuple[tuple[str, ...], ...]
    payload: Payload
    grid: Grid
    notes: tuple[str, ...] = ()
    image_notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """(Y, X) or (Z, Y, X)."""
        return tuple(self.sizes[axis] for axis in reversed(self.axes_of(SPACE)))

    @property
    def volume_axes(self) -> tuple[int, ...]:
        """The axes that count volumes, the fastest first."""
        return tuple(axis for axis, role in enumerate(self.roles) if role not in (SPACE, COLOUR))

    @property
    def volumes(self) -> int:
        """How many volumes there are to choose from."""
        return math.prod(self.sizes[axis] for axis in self.volume_axes)

    @property
    def volume_names(self) -> tuple[str, ...]:
        """Such as "time 2, component 1"; empty where the number says as much, or where there are very many."""
        counted = [axis for axis in self.volume_axes if self.sizes[axis] > 1]
        if not 1 < self.volumes <= MOST_NAMES or [self.roles[axis] for axis in counted] == [VOLUME]:
            return ()
        found = [""]
        for axis in reversed(counted):
            own = self.components[axis] or tuple(
                f"{self.roles[axis]} {number + 1}" for number in range(self.sizes[axis])
            )
            found = [f"{before}, {name}" if before else name for before in found for name in own]
        return tuple(found)

    def axes_of(self, role: str) -> tuple[int, ...]:
        """The axes of one role, the fastest first."""
        return tuple(axis for axis, each in enumerate(self.roles) if each == role)


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


def checked_field(key: str, value: str, known: frozenset[str], source: Source) -> str:
    """The value of a field; empty where it is of no field that is read here.

    Raises:
        UnsupportedImageError: It is longer than any of these needs to be.
    """
    if key in known and len(value) > LONGEST_FIELD:
        raise UnsupportedImageError(
            f"{source.label}: its field {quoted(key)} has {len(value)} characters, which is more than the "
            f"{MOST_DIMENSIONS} dimensions that are read need. Export the file again."
        )
    return value if key in known else ""


def quoted(text: str) -> str:
    """A word of a header for messages: printable, and not long."""
    return repr(names.shown(text[:40]))


def damaged(source: Source, fault: str) -> DamagedFileError:
    """The error of a header that contradicts itself or lacks something."""
    return DamagedFileError(f"{source.label}: the header is damaged: {fault}. Export the file again.")


def integers(text: str, field: str, source: Source, *, least: int = 0) -> tuple[int, ...]:
    """Whole numbers, separated by white space.

    Raises:
        DamagedFileError: One is no whole number, or below ``least``.
    """
    words = text.split()
    if not all(re.fullmatch(r"[+-]?[0-9]{1,18}", word) for word in words):
        raise damaged(source, f"{field} holds no whole numbers")
    values = tuple(int(word) for word in words)
    if any(value < least for value in values):
        raise damaged(source, f"{field} holds a number below {least}")
    return values


def integer(text: str, field: str, source: Source, *, least: int = 0) -> int:
    """A single whole number.

    Raises:
        DamagedFileError: It is none, or below ``least``.
    """
    values = integers(text, field, source, least=least)
    if len(values) != 1:
        raise damaged(source, f"{field} is no single number")
    return values[0]


def check_dimension(text: str, field: str, source: Source) -> int:
    """The number of axes, from 1 to 10.

    Raises:
        DamagedFileError: It is no single number.
        UnsupportedImageError: There are more.
    """
    dimension = integer(text, field, source, least=1)
    if dimension > MOST_DIMENSIONS:
        raise UnsupportedImageError(
            f"{source.label}: {dimension} dimensions are claimed, and at most {MOST_DIMENSIONS} are read. "
            "Save one time point or channel as a volume of its own."
        )
    return dimension


def check_sizes(text: str, field: str, dimension: int, source: Source) -> tuple[int, ...]:
    """The length of each axis.

    Raises:
        DamagedFileError: There are not as many numbers as axes.
        UnsupportedImageError: One is 0.
    """
    sizes = integers(text, field, source)
    if len(sizes) != dimension:
        raise damaged(source, f"{field} has {len(sizes)} numbers for {dimension} axes")
    if 0 in sizes:
        shown = " × ".join(map(str, sizes))
        raise UnsupportedImageError(f"{source.label}: the image has no pixels ({shown}). Export it again.")
    return sizes


def reals(text: str, field: str, source: Source) -> tuple[float, ...]:
    """Numbers, separated by white space; NaN is one, infinity is not.

    Raises:
        DamagedFileError: One is no number.
    """
    try:
        values = tuple(float(word) for word in text.split())
    except ValueError:
        raise damaged(source, f"{field} holds no numbers") from None
    if any(math.isinf(value) for value in values) or "_" in text:
        raise damaged(source, f"{field} holds no usable numbers")
    return values


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
