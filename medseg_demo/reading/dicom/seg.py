"""DICOM Segmentation (SEG): label maps that refer to the DICOM images they were made from.

Binary, fractional and label map segmentations are read with pydicom, frame by frame, and each frame is put on the slice
that it was drawn on: programs write many that highdicom does not read (without dimension indices or slice thickness),
and segments that overlap are to be named. ``writing.dicom_seg`` writes them.

No value of a file stands in a message but the names of its segments.

Source: DICOM PS3.3, A.51 (Segmentation IOD), C.8.20 (segmentation modules).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo import names
from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.image import Geometry, MedicalImage, spacing_of
from medseg_demo.reading.dicom.dataset import (
    PER_FRAME,
    Header,
    first,
    group_items,
    items,
    load,
    read_pixels,
    sop_class,
    value_of,
    whole,
    word,
)
from medseg_demo.reading.dicom.frame_places import CHOOSE, NOT_ON_IMAGE, FramePlaces, find_places
from medseg_demo.reading.dicom.pixel_format import PixelFormat, check_length, describe
from medseg_demo.reading.dicom.pixels import decode
from medseg_demo.reading.dicom.planes import is_tiled
from medseg_demo.reading.dicom.slice_places import NOTED, Place
from medseg_demo.reading.source import MIB, Source, check_bytes, check_size, decoding

if TYPE_CHECKING:
    from pydicom import Dataset

SEGMENTATION, LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
BITS = {"BINARY": (1, 8), "FRACTIONAL": (8, 16), "LABELMAP": (8, 16)}
MOST_SEGMENTS = 255
VALUES = 2**16  # that a pixel of a label map can have
MOST_CHARACTERS = 64  # of a name: DICOM's limit for long strings (LO)
CHUNK_BYTES = 16 * MIB  # of frames that are decoded at a time
BACKGROUND, NO_SEGMENT = "background", -1


@dataclass(frozen=True, eq=False)
class SegContent:
    """What a segmentation or a set of contours holds.

    Attributes:
        labels: uint8, (Z, Y, X), or (Y, X) of a single image: 0 is background, and value i is ``class_names[i - 1]``.
        class_names: What the file calls its segments, in the order of their numbers. Several may have one name.
        geometry: Of the labels: the image's, where they were placed on one.
        notes: What was found or done, in plain sentences.
        numbers: The file's own number of each segment, ascending; there may be gaps.
    """

    labels: np.ndarray
    class_names: tuple[str, ...]
    geometry: Geometry
    notes: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()

    @property
    def segments(self) -> dict[int, str]:
        """Label values → names, for whoever matches them with classes."""
        return dict(enumerate(self.class_names, start=1))


@dataclass(frozen=True, eq=False)
class _Seg:
    """What a SEG says of itself.

    Attributes:
        header: Its elements.
        kind: "BINARY", "FRACTIONAL" or "LABELMAP".
        pixels: How its frames are stored.
        numbers: Of its segments, ascending.
        class_names: Of its segments, in this order.
        most: The stored value of the fraction 1.
        background: The stored value of background in a label map; None where every value is a segment.
    """

    header: Header
    kind: str
    pixels: PixelFormat
    numbers: tuple[int, ...]
    class_names: tuple[str, ...]
    most: float
    background: int | None


def is_segmentation(source: Source) -> bool:
    """Whether a file is a DICOM SEG, of any type, by its SOP class."""
    return sop_class(source) in (SEGMENTATION, LABEL_MAP)


def read_segmentation(source: Source, image: MedicalImage | None = None) -> SegContent:
    """Read a SEG whose frames lie on the slices of the image, or on one regular grid.

    A voxel is of a segment where a binary frame is not 0, where a fraction is at least one half, or where a label map
    holds the segment's number. Of fractions that reach one half together the larger counts, and a note says so.

    Args:
        source: The file.
        image: The image that the labels belong to, on whose slices they are placed; what the SEG leaves out is
            background. Without it the labels have the extent of the SEG's own frames.

    Raises:
        DamagedFileError: It contradicts itself, or bytes are missing.
        ImageTooLargeError: It claims more than the limits of the settings.
        UnsupportedImageError: Segments of different names overlap, the frames lie on no regular grid, or not on that of
            the image, or a feature is not read here.
    """
    with decoding(source, "DICOM SEG"):
        seg = _read_header(load(source), source)
        places = find_places(seg.header.dataset, seg.pixels, image, source)
        if not places.is_of_image:
            check_size(places.slices.shape, source)
        labels, notes = _paint(seg, places, source)
    geometry, affine = Geometry(), places.slices.affine
    if places.is_of_image and image is not None:
        geometry = image.geometry
    elif affine is not None:
        geometry = Geometry(spacing_of(affine), affine)
    is_flat = not image.is_volume if places.is_of_image and image is not None else affine is None and len(labels) == 1
    return SegContent(labels[0] if is_flat else labels, seg.class_names, geometry, notes, seg.numbers)


def _read_header(header: Header, source: Source) -> _Seg:
    """What a SEG says of itself, checked against the limits and the bytes that are there, before a pixel is decoded."""
    dataset = header.dataset
    if header.keyword != "PixelData":
        raise DamagedFileError(f"{source.label}: the DICOM SEG ends before its pixels. Export or copy it again.")
    if "TotalPixelMatrixColumns" in dataset or is_tiled(dataset):
        raise UnsupportedImageError(
            f"{source.label}: the DICOM SEG is made of the tiles of a whole slide, which are not read here. Export it "
            "as one picture."
        )
    pixels = describe(dataset, header.keyword, header.syntax, source)
    kind = word(dataset, "SegmentationType") or ("BINARY" if pixels.allocated == 1 else "")
    if str(dataset.get("SOPClassUID", "")) == LABEL_MAP:
        kind = "LABELMAP"
    if pixels.allocated not in BITS.get(kind, ()) or pixels.samples != 1 or pixels.is_signed:
        raise UnsupportedImageError(
            f"{source.label}: a DICOM SEG is binary with 1 bit a pixel, fractional, or a label map with 8 or 16; this "
            "one is not. Export it again as one of these."
        )
    segments = _segments(dataset, source)
    background = _background(dataset, segments) if kind == "LABELMAP" else None
    numbers = tuple(sorted(segments.keys() - {background}))
    if not 0 < len(numbers) <= MOST_SEGMENTS:
        raise UnsupportedImageError(
            f"{source.label}: the DICOM SEG describes {len(numbers)} segments, and 1 to {MOST_SEGMENTS} are read. "
            "Export fewer."
        )
    most = first(dataset, "MaximumFractionalValue", 0)
    if kind == "FRACTIONAL" and most <= 0:
        raise UnsupportedImageError(
            f"{source.label}: the fractional DICOM SEG does not state which value is the fraction 1 "
            "(MaximumFractionalValue). Export it as binary."
        )
    check_size((pixels.rows, pixels.columns), source)
    check_bytes(pixels.frame_bits * pixels.frames // 8, source)
    check_length(header.length, header.available, pixels, source)
    described = len(items(dataset, PER_FRAME))
    if described != pixels.frames and (pixels.frames > 1 or described):
        raise DamagedFileError(
            f"{source.label}: the DICOM SEG states {pixels.frames} frames and describes {described}. Export it again."
        )
    return _Seg(header, kind, pixels, numbers, tuple(segments[number] for number in numbers), most, background)


def _segments(dataset: "Dataset", source: Source) -> dict[int, str]:
    """The names of the segments by their numbers, background among them where it is described."""
    found: dict[int, str] = {}
    for item in items(dataset, "SegmentSequence"):
        number = whole(item, "SegmentNumber")
        if number is None or not 0 <= number < VALUES or number in found:
            raise DamagedFileError(
                f"{source.label}: the segments of the DICOM SEG are not numbered, or two have one number. Export it "
                "again."
            )
        found[number] = shown_name(item, "SegmentLabel", number)
    return found


def shown_name(item: "Dataset", keyword: str, number: int) -> str:
    """What a file calls a segment or a region, as it can be shown; by its number where it has no name."""
    return names.shown(str(value_of(item, keyword) or "").strip())[:MOST_CHARACTERS] or f"class_{number}"


def _background(dataset: "Dataset", segments: dict[int, str]) -> int | None:
    """The stored value of a label map's background; None where every value is a segment.

    Source: DICOM PS3.3, C.8.20.2: the pixel padding value is that of pixels that belong to no segment. Some programs
    describe background as a segment of its own.
    """
    stated = whole(dataset, "PixelPaddingValue")
    if stated is not None and 0 <= stated < VALUES:
        return stated
    return 0 if segments.get(0, BACKGROUND).casefold() == BACKGROUND else None


def _paint(seg: _Seg, places: FramePlaces, source: Source) -> tuple[np.ndarray, tuple[str, ...]]:
    """The labels (Z, Y, X), and what to tell of them."""
    labels = np.zeros(places.slices.shape, np.uint8)
    fractions = np.zeros_like(labels, seg.pixels.dtype) if seg.kind == "FRACTIONAL" else None
    overlaps: Counter[tuple[str, str]] = Counter()
    farthest = Place((0, 0, 0))
    for index, values in _decoded(seg, source):
        painted = _as_labels(values, seg, index, source)
        if not painted.any():
            continue
        place = places.place(index)
        part = _under(place, labels, seg.pixels, source)
        farthest = max(farthest, place, key=lambda each: each.offset)
        overlaps += _overlapping(part, painted, seg.class_names)
        if fractions is not None:
            best = _under(place, fractions, seg.pixels, source)
            painted = np.where(values > best, painted, 0)
            np.copyto(best, values, where=painted != 0)
        np.copyto(part, painted, where=painted != 0)
    return labels, _notes(seg, overlaps, farthest, source)


def _decoded(seg: _Seg, source: Source) -> Iterator[tuple[int, np.ndarray]]:
    """The frames in their order, a few at a time."""
    element, pixels = read_pixels(seg.header, source), seg.pixels
    step = max(1, CHUNK_BYTES // (pixels.rows * pixels.columns * pixels.dtype.itemsize))
    for start in range(0, pixels.frames, step):
        indices = range(start, min(start + step, pixels.frames))
        yield from zip(indices, decode(element, seg.header.dataset, pixels, indices, source), strict=True)


def _as_labels(values: np.ndarray, seg: _Seg, index: int, source: Source) -> np.ndarray:
    """One frame as label values, uint8 (Y, X)."""
    if seg.kind == "LABELMAP":
        return _look_up(values, seg, source)
    identified = group_items(seg.header.dataset, "SegmentIdentificationSequence", index)
    found = [whole(item, "ReferencedSegmentNumber") for item in identified]
    if len(found) != 1 or found[0] not in seg.numbers:
        raise DamagedFileError(
            f"{source.label}: a frame of the DICOM SEG is of no segment that it describes. Export it again."
        )
    is_inside = values > 0 if seg.kind == "BINARY" else values * np.float64(2) >= seg.most
    return is_inside * np.uint8(seg.numbers.index(found[0]) + 1)


def _look_up(values: np.ndarray, seg: _Seg, source: Source) -> np.ndarray:
    table = np.full(VALUES, NO_SEGMENT, np.int16)
    if seg.background is not None:
        table[seg.background] = 0
    table[list(seg.numbers)] = np.arange(1, len(seg.numbers) + 1)
    labels = table[values]
    if labels.min() == NO_SEGMENT:
        raise DamagedFileError(
            f"{source.label}: the DICOM SEG holds the value {int(values[labels == NO_SEGMENT][0])}, which is none of "
            "its segments. Export it again."
        )
    return labels.astype(np.uint8)


def _under(place: Place, volume: np.ndarray, pixels: PixelFormat, source: Source) -> np.ndarray:
    part = place.view(volume, pixels.rows, pixels.columns)
    if part is None:
        raise UnsupportedImageError(f"{source.label}: {NOT_ON_IMAGE}: it reaches beyond the image. {CHOOSE}")
    return part


def _overlapping(part: np.ndarray, painted: np.ndarray, class_names: Sequence[str]) -> Counter[tuple[str, str]]:
    """How many voxels have a label already, by the two names; equal names are one class."""
    both = (part != 0) & (painted != 0) & (part != painted)
    if not both.any():
        return Counter()
    pairs, counts = np.unique(np.stack([part[both], painted[both]]), axis=1, return_counts=True)
    named = (
        (class_names[a - 1], class_names[b - 1], int(count)) for (a, b), count in zip(pairs.T, counts, strict=True)
    )
    return Counter({(a, b) if a < b else (b, a): count for a, b, count in named if a != b})


def _notes(seg: _Seg, overlaps: Counter[tuple[str, str]], farthest: Place, source: Source) -> tuple[str, ...]:
    """What to tell.

    Raises:
        UnsupportedImageError: Segments overlap that are no fractions.
    """
    notes = []
    ((one, other), count), *_ = [*overlaps.most_common(1), (("", ""), 0)]
    if seg.kind == "FRACTIONAL":
        notes.append("The segments are fractions: what is at least one half counts as inside.")
        if count:
            notes.append(
                f"Fractions of {one!r} and {other!r} reach one half in {count} common voxels: the larger counts."
            )
    elif count:
        raise UnsupportedImageError(
            f"{source.label}: the segments {one!r} and {other!r} of the DICOM SEG overlap in {count} voxels, and a "
            "label map holds one label a voxel. Export them without overlap, or each as a file of its own."
        )
    if farthest.offset > NOTED:
        notes.append(
            f"Frames of the DICOM SEG lie {farthest.offset_mm:.2g} mm ({farthest.offset:.2g} voxels) beside the voxels."
        )
    if seg.numbers != tuple(range(1, len(seg.numbers) + 1)):
        numbers = ", ".join(map(str, seg.numbers))
        notes.append(f"The segments are numbered {numbers}; their labels are 1 to {len(seg.numbers)}, in this order.")
    return tuple(notes)
