"""What the pages of a TIFF are: slices, or channels and times to choose from, and how far apart.

A description says so, by OME, ImageJ or tifffile; without one, pages of one kind are slices. Pages that a description
claims and the file does not have are never made up: either all are there, or the file is refused.

Source: ImageJ's FileSaver and TiffDecoder (images=, channels=, slices=, frames=, unit=, spacing=; channels change
first, and one directory may stand for all images, which follow each other). tifffile's JSON with "shape" and "axes".
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from medseg_demo.documents import parse_json
from medseg_demo.reading.source import Source
from medseg_demo.reading.tiff.pages import MOST_DIRECTORIES, Page, damaged, refused

# Of one unit in mm. Others (pixel, frame, an unknown word) leave the spacing unknown.
UNITS_MM = {
    name: factor
    for factor, names in {
        1e3: "m meter metre meters metres",
        1e2: "dm decimeter decimetre",
        10.0: "cm centimeter centimetre centimeters centimetres",
        1.0: "mm millimeter millimetre millimeters millimetres",
        1e-3: "um micron microns micrometer micrometre micrometers micrometres \u00b5m \u03bcm",
        1e-6: "nm nanometer nanometre nanometers nanometres",
        1e-7: "\u00c5 A\u030a \u212b angstrom \u00e5ngstr\u00f6m",
        1e-9: "pm picometer picometre",
        25.4: 'in inch inches "',
        304.8: "ft foot feet",
        0.0254: "thou mil",
    }.items()
    for name in names.split()
}
WORDS = {"C": "channel", "T": "time", "R": "position", "A": "angle", "P": "phase", "L": "lifetime", "I": "image"}
WORDS |= {"Q": "volume", "E": "wavelength", "Z": "plane", "H": "lifetime", "F": "frame", "B": "block", "V": "event"}
UNNAMED = "QI"  # letters for an axis that the metadata do not name


@dataclass(frozen=True, eq=False, kw_only=True)
class Planes:
    """How the pages of a file make volumes.

    Attributes:
        order: (volumes, slices): the number of the page, or of the plane behind each other, that each slice is.
        is_volume: Whether the slices are an axis.
        names: One a volume; empty where there is one only.
        spacing_mm: (Z, Y, X) as far as it is known; None for what is not.
        is_contiguous: Whether one directory stands for all planes, which follow each other in the file.
        notes: For people.
    """

    order: np.ndarray
    is_volume: bool
    names: tuple[str, ...] = ()
    spacing_mm: tuple[float | None, ...] = (None, None, None)
    is_contiguous: bool = False
    notes: tuple[str, ...] = ()


def arrange(
    axes: str, sizes: Sequence[int], *, channels: Sequence[str] = ()
) -> tuple[np.ndarray, bool, tuple[str, ...]]:
    """Which planes are the slices of which volume.

    Args:
        axes: A letter for each axis of planes, slowest first: Z are slices; where there is no Z, the last axis without
            a name is. All others are volumes to choose from.
        sizes: Of these axes.
        channels: Their names, where they are known.

    Returns:
        (volumes, slices) numbers of planes, whether there is an axis of slices, and the names of the volumes.
    """
    wide = [index for index, size in enumerate(sizes) if size > 1]
    slices = next((index for index in wide if axes[index] == "Z"), None)
    if slices is None:
        slices = next((index for index in reversed(wide) if axes[index] in UNNAMED), None)
    planes = np.arange(math.prod(sizes)).reshape(tuple(sizes) or (1,))
    if slices is not None:
        planes = np.moveaxis(planes, slices, -1)
    choices = [index for index in wide if index != slices]
    names = tuple(
        ", ".join(_place(axes[index], place, channels) for index, place in zip(choices, places, strict=True))
        for places in product(*(range(sizes[index]) for index in choices))
    )
    count = sizes[slices] if slices is not None else 1
    return planes.reshape(-1, count), slices is not None, names if choices else ()


def _place(letter: str, place: int, channels: Sequence[str]) -> str:
    given = channels[place] if letter == "C" and place < len(channels) else ""
    return given or f"{WORDS.get(letter, 'axis ' + letter)} {place + 1}"


def in_mm(size: float | None, unit: str) -> float | None:
    """A length in mm; None where the unit is not known, or the length is none."""
    unit = unit.strip()
    # Two letters are told apart by their case (Mm and mm), words are not.
    factor = UNITS_MM.get(unit if len(unit) < 3 else unit.lower())
    if size is None or factor is None or not math.isfinite(size) or size <= 0:
        return None
    return size * factor


def spacing(
    sizes: Sequence[float | None], units: Sequence[str], *, is_volume: bool
) -> tuple[tuple[float | None, ...], tuple[str, ...]]:
    """(Z, Y, X) in mm, None where it is not known, and notes."""
    found = tuple(in_mm(size, unit) for size, unit in zip(sizes, units, strict=True))
    unknown = dict.fromkeys(unit for size, unit in zip(sizes, units, strict=True) if size and not in_mm(1, unit))
    shown = ("".join(letter for letter in unit if letter.isprintable())[:20] for unit in unknown)
    notes = [
        f"The file states its spacing in {unit!r}, which is no unit of length known here: it is left unknown."
        for unit in shown
    ]
    if is_volume and found[0] is None and found[2] is not None and not notes:
        notes.append("The file does not state the distance between its slices, so the spacing is unknown.")
    return found, tuple(notes)


def plain(pages: Sequence[Page], source: Source) -> Planes:
    """Pages of one kind are slices; of several kinds, those of the first."""
    same = [index for index, page in enumerate(pages) if page.kind == pages[0].kind]
    if same[-1] != len(same) - 1:
        raise refused(
            source,
            f"its {len(pages)} pages are of different sizes or kinds, in turn, so that they are no slices of a volume",
            "Save those that belong together as a file of their own",
        )
    rest = len(pages) - len(same)
    part = (
        f"The last {rest} of {len(pages)} pages were left out"
        if len(same) > 1
        else (f"Only the first of {len(pages)} pages was read")
    )
    notes = (f"{part}, since they differ in size or kind.",) if rest else ()
    return Planes(order=np.array([same]), is_volume=len(same) > 1, notes=notes)


def by_imagej(text: str, pages: Sequence[Page], source: Source) -> Planes:
    """ImageJ's description: key=value lines, of which only those that differ from 1 are written."""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    channels, slices, frames, images = (
        _count(values, key, source) for key in ("channels", "slices", "frames", "images")
    )
    if 1 < channels == pages[0].samples and slices * frames in (images, len(pages)):
        channels, images = 1, slices * frames  # Bio-Formats counts the samples of a pixel
    claimed = channels * slices * frames
    if images == claimed == 1:
        planes = plain(pages, source)
    else:
        order = values.get("order", "czt").strip().lower()
        axes = (order if sorted(order) == ["c", "t", "z"] else "czt")[::-1].upper()
        sizes = [{"C": channels, "Z": slices, "T": frames}[letter] for letter in axes]
        if images > claimed and not images % claimed:
            axes, sizes = "I" + axes, [images // claimed, *sizes]
        if images > 1 and math.prod(sizes) != images:
            raise refused(source, f"ImageJ's description contradicts itself ({images} images, {claimed} by axes)")
        contiguous = check_planes(math.prod(sizes), pages, source, "ImageJ's description")
        places, is_volume, names = arrange(axes, sizes)
        planes = Planes(order=places, is_volume=is_volume, names=names, is_contiguous=contiguous)
    # As Java escapes it.
    unit = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), values.get("unit", "").strip())
    x, y = (1 / each for each in pages[0].resolution) if pages[0].resolution else (None, None)
    lengths = (abs(_number(values, "spacing")) or None, y, x)
    if unit.lower() in ("", "pixel", "pixels"):
        lengths = (None, None, None)
    spacing_mm, notes = spacing(lengths, [unit] * 3, is_volume=planes.is_volume)
    if values.get("cf", "").strip() == "0":
        slope, offset = _number(values, "c1") or 1, _number(values, "c0")
        notes += (f"ImageJ's calibration of the intensities ({offset:g} + {slope:g} · value) was not applied.",)
    return replace(planes, spacing_mm=spacing_mm, notes=(*planes.notes, *notes))


def _count(values: Mapping[str, str], key: str, source: Source) -> int:
    text = values.get(key, "1").strip()
    if not re.fullmatch(r"\d{1,9}(\.0*)?", text) or int(float(text)) < 1:
        raise refused(source, f"ImageJ's description states no usable number of {key}")
    return int(float(text))


def _number(values: Mapping[str, str], key: str) -> float:
    """0 where it is not stated."""
    try:
        number = float(values.get(key, "0"))
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def by_tifffile(text: str, pages: Sequence[Page], source: Source) -> Planes | None:
    """Tifffile's description: JSON with "shape" and, where they were named, "axes". None where it says nothing."""
    shape, axes = _shape(text)
    page = pages[0]
    planes = math.prod(shape) // math.prod(page.shape)
    lengths = (length for length in range(len(shape) + 1) if math.prod(shape[:length]) == planes)
    length = next(lengths, None)
    if not shape or length is None or math.prod(shape) != planes * math.prod(page.shape):
        raise refused(source, "tifffile's description does not fit the size of its pages", "Save the pixels anew")
    if planes == 1:
        return None  # written page by page
    sizes = shape[:length]
    letters = axes[:length] if len(axes) == len(shape) else "Q" * length
    notes: tuple[str, ...] = ()
    starts = [index for index, each in enumerate(pages) if described_by_tifffile(each)]
    if len(starts) > 1 and starts[1] == planes:  # several arrays behind each other
        same = [index for index in starts if pages[index].descriptions == page.descriptions]
        if same == list(range(0, len(pages), planes)):
            letters, sizes, planes = "R" + letters, [len(same), *sizes], len(pages)
        else:
            notes = (f"Only the first {planes} of {len(pages)} pages were read: the others are an image of their own.",)
            pages = pages[:planes]
    contiguous = check_planes(planes, pages, source, "tifffile's description")
    order, is_volume, names = arrange(letters, sizes)
    return Planes(order=order, is_volume=is_volume, names=names, is_contiguous=contiguous, notes=notes)


def described_by_tifffile(page: Page) -> bool:
    """Whether a page's description is tifffile's."""
    return any(text.startswith("shape=") or (text[:1] == "{" and '"shape"' in text) for text in page.descriptions)


def _shape(text: str) -> tuple[list[int], str]:
    """The shape and the axes of a description; empty where they are none."""
    try:
        found = {"shape": re.findall(r"\d{1,9}", text)} if text.startswith("shape=") else parse_json(text)
        shape, axes = [int(size) for size in found["shape"]], found.get("axes", "")
    except (ValueError, TypeError, KeyError, AttributeError):
        return [], ""
    if not all(0 < size < 2**32 for size in shape) or len(shape) > 16:
        return [], ""
    return shape, axes.upper() if isinstance(axes, str) else ""


def check_planes(claimed: int, pages: Sequence[Page], source: Source, who: str) -> bool:
    """Whether the claimed planes follow each other behind one directory; False where each has its own.

    Raises:
        UnsupportedImageError: There are more or fewer directories than planes, or pages of different kinds.
        DamagedFileError: There is one directory, and the file ends before the last plane.
    """
    if claimed > MOST_DIRECTORIES:
        raise refused(source, f"{who} claims {claimed:,} images", "Save fewer a file")
    if claimed == len(pages):
        if any(page.kind != pages[0].kind for page in pages):
            raise refused(
                source, f"{who} calls its pages one image, and they differ in size or kind", "Save each kind alone"
            )
        return False
    page = pages[0]
    if len(pages) > 1 or not page.start:
        raise refused(source, f"{who} claims {claimed} images, and the file has {len(pages)} TIFF directories")
    if page.start + claimed * page.size > source.size:
        held = max(0, source.size - page.start) // page.size
        raise damaged(source, f"{who} claims {claimed} images, and {held} are there")
    return True
