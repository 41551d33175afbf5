"""OME-TIFF: which page is which slice, channel and time, by the XML of the first page's description.

Document types and entities are refused before a parser sees the text. Planes in other files are not looked for.

Source: OME Model 2016-06, Pixels (DimensionOrder, PhysicalSize, TiffData).
"""

import math
import re
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

import numpy as np

from medseg_demo import names
from medseg_demo.reading.source import Source
from medseg_demo.reading.tiff.pages import MOST_DIRECTORIES, Page, damaged, refused
from medseg_demo.reading.tiff.planes import Planes, arrange, check_planes, spacing

DECLARATIONS = re.compile(r"<!\s*(DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)
MOST_NAME, MOST_PROLOGUE = 40, 4096


def is_ome(text: str) -> bool:
    """Whether a description is OME-XML, or was before it was cut."""
    return text.startswith("<") and re.search(r"<(\w+:)?OME[\s>]", text[:MOST_PROLOGUE]) is not None


def by_ome(text: str, pages: Sequence[Page], source: Source) -> Planes:
    """The planes of the first image, or of all images where they are of one size.

    Args:
        text: The description.
        pages: All directories of the file, in their order: that is how TiffData counts them.
        source: The file.

    Raises:
        UnsupportedImageError: Planes are missing, lie in other files, or are no slices, channels or times.
        DamagedFileError: It is no XML.
    """
    root = _parse(text, source)
    images = [pixels for image in _all(root, "Image") for pixels in _all(image, "Pixels")]
    if not images:
        raise refused(
            source, "its OME-XML describes no image, but names another file that does", "Open that, or save it as one"
        )
    if "ModuloAlongZ" in text:
        raise refused(
            source, "its OME-XML puts another dimension among the slices (ModuloAlongZ)", "Save the dimensions apart"
        )
    found = [_Pixels(pixels, root, pages, source) for pixels in images]
    first = found[0]
    notes: tuple[str, ...] = ()
    if any((each.sizes, each.axes, each.page.kind) != (first.sizes, first.axes, first.page.kind) for each in found):
        notes = (f"Only the first of {len(found)} images was read, since they differ in size.",)
        found = found[:1]
    planes = [each.planes(number if len(found) > 1 else None) for number, each in enumerate(found, start=1)]
    order = np.concatenate([order for order, *_ in planes])
    kinds = {pages[index].kind for index in order.ravel()} if not first.is_contiguous else set()
    if len(kinds) > 1:
        raise refused(
            source, "its OME-XML calls its pages one image, and they differ in size or kind", "Save each kind alone"
        )
    spacing_mm, more = first.spacing_mm(is_volume=planes[0][1])
    return Planes(
        order=order,
        is_volume=planes[0][1],
        names=tuple(name for *_, each in planes for name in each),
        spacing_mm=spacing_mm,
        is_contiguous=first.is_contiguous,
        notes=(*notes, *more),
    )


def _parse(text: str, source: Source) -> ElementTree.Element:
    if DECLARATIONS.search(text):
        raise refused(source, "its description declares a document type or entities, which no OME-XML needs")
    try:
        return ElementTree.fromstring(re.sub(r"^<\?xml[^>]*\?>", "", text))
    except (ElementTree.ParseError, ValueError, RecursionError):
        raise damaged(source, "its OME-XML is cut off or no XML") from None


def _all(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    """The children of a name, of whatever version of the schema."""
    return (child for child in element if isinstance(child.tag, str) and child.tag.rpartition("}")[2] == name)


class _Pixels:
    """One Pixels element: its axes of planes, slowest first, and the page of each plane."""

    def __init__(
        self, pixels: ElementTree.Element, root: ElementTree.Element, pages: Sequence[Page], source: Source
    ) -> None:
        self.pixels, self.root, self.pages, self.source = pixels, root, pages, source
        order = pixels.get("DimensionOrder", "XYCZT").upper()
        if sorted(order) != sorted("XYCZT") or order[:2] != "XY":
            raise refused(source, "its OME-XML states no usable DimensionOrder")
        self.axes = order[:1:-1]
        self.entries = list(_all(pixels, "TiffData"))
        start = self._number(self.entries[0], "IFD", 0) if self.entries else 0
        self.page = pages[start if start < len(pages) else 0]
        channels = list(_all(pixels, "Channel"))
        samples = [self._number(channel, "SamplesPerPixel", 1) for channel in channels] or [1]
        size_c = self._number(pixels, "SizeC", 1)
        if len(set(samples)) > 1:
            raise refused(source, "its OME-XML mixes channels of one and of several samples", "Save each kind alone")
        each = samples[0] if samples[0] > 1 or size_c % self.page.samples else self.page.samples
        if each not in (1, self.page.samples) or size_c % each:
            raise refused(source, f"its OME-XML states {size_c} channels of {each} samples each")
        sizes = {"C": size_c // each, "Z": self._number(pixels, "SizeZ", 1), "T": self._number(pixels, "SizeT", 1)}
        self.sizes = [sizes[letter] for letter in self.axes]
        self.count = math.prod(self.sizes)
        if self.count > MOST_DIRECTORIES:
            raise refused(source, f"its OME-XML claims {self.count:,} planes", "Save fewer a file")
        stated = (self._number(pixels, "SizeX", 1), self._number(pixels, "SizeY", 1))
        if stated != (self.page.shape[3], self.page.shape[2]):
            raise refused(source, "its OME-XML states another size than its pages have")
        self.labels = [names.shown(" ".join(channel.get("Name", "").split()))[:MOST_NAME] for channel in channels]
        self.is_contiguous = False

    def _number(self, element: ElementTree.Element, name: str, least: int) -> int:
        text = element.get(name, str(least)).strip()
        if not re.fullmatch(r"\d{1,9}", text) or int(text) < least:
            raise refused(self.source, f"its OME-XML states no usable {name}")
        return int(text)

    def planes(self, number: int | None) -> tuple[np.ndarray, bool, tuple[str, ...]]:
        """(volumes, slices) page numbers, whether there is an axis of slices, and the volumes' names.

        Args:
            number: Of the image, where there are several.
        """
        places, is_volume, labels = arrange(self.axes, self.sizes, channels=self.labels)
        table = self._table()
        if (table < 0).any():
            raise refused(
                self.source,
                f"its OME-XML claims {self.count} planes, and {int((table >= 0).sum())} of them are in this file",
                "Save all planes as one file",
            )
        if number is not None:
            labels = tuple(f"image {number}{', ' * bool(name)}{name}" for name in labels or ("",))
        return table[places], is_volume, labels

    def _table(self) -> np.ndarray:
        """The page of each plane in the order of the axes, −1 where there is none."""
        entries = self.entries
        if not entries or (len(entries) == 1 and not entries[0].attrib and not len(entries[0])):
            self.is_contiguous = check_planes(self.count, self.pages, self.source, "its OME-XML")
            return np.arange(self.count)
        table = np.full(self.count, -1)
        for entry in entries:
            if not self._is_here(entry):
                continue
            page = self._number(entry, "IFD", 0)
            default = 1 if "IFD" in entry.attrib else len(self.pages)
            stated = self._number(entry, "PlaneCount" if "PlaneCount" in entry.attrib else "NumPlanes", 0) or default
            start = [self._number(entry, f"First{letter}", 0) for letter in self.axes]
            if any(place >= size for place, size in zip(start, self.sizes, strict=True)):
                raise refused(self.source, "its OME-XML places a page outside of the image")
            plane = int(np.ravel_multi_index(start, self.sizes))
            if len(self.pages) == len(entries) == 1 < self.count <= stated and page == plane == 0:
                # One directory may stand for all planes, as ImageJ and tifffile write large files.
                self.is_contiguous = check_planes(self.count, self.pages, self.source, "its OME-XML")
                return np.arange(self.count)
            end = max(0, min(stated, self.count - plane, len(self.pages) - page))
            table[plane : plane + end] = np.arange(page, page + end)
        return table

    def _is_here(self, entry: ElementTree.Element) -> bool:
        """Whether the pages of a TiffData are in this file: by its UUID, else by its name."""
        uuid, own = next(_all(entry, "UUID"), None), self.root.get("UUID")
        if uuid is None:
            return True
        if own is None:
            return uuid.get("FileName", "").lower() == self.source.path.name.lower()
        return (uuid.text or "").strip() == own.strip()

    def spacing_mm(self, *, is_volume: bool) -> tuple[tuple[float | None, ...], tuple[str, ...]]:
        """(Z, Y, X) in mm, None where it is not stated, and notes."""
        sizes: list[float | None] = []
        for letter in "ZYX":
            try:
                sizes.append(float(self.pixels.get(f"PhysicalSize{letter}", "")))
            except ValueError:
                sizes.append(None)
        units = [self.pixels.get(f"PhysicalSize{letter}Unit", "µm") for letter in "ZYX"]
        return spacing(sizes, units, is_volume=is_volume)
