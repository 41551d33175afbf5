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

import numpy as np

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.image import Geometry, MedicalImage, spacing_of
from medseg_demo.reading.dicom.dataset import Header, load, read_pixels, sop_class
from medseg_demo.reading.dicom.elements import whole
from medseg_demo.reading.dicom.frame_places import CHOOSE, NOT_ON_IMAGE, FramePlaces, find_places
from medseg_demo.reading.dicom.pixel_format import PixelFormat
from medseg_demo.reading.dicom.pixels import decode
from medseg_demo.reading.dicom.seg_header import LABEL_MAP, SEGMENTATION, VALUES, SegHeader, read_header
from medseg_demo.reading.dicom.slice_places import NOTED, Place
from medseg_demo.reading.dicom.source_frames import FrameElements
from medseg_demo.reading.source import MIB, Source, check_size, decoding

CHUNK_BYTES = 16 * MIB  # of frames that are decoded at a time
NO_SEGMENT = -1


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
        opened = load(source)
        header = read_header(opened, source)
        frames = FrameElements.of(opened.dataset)
        pixels = header.pixels
        if len(frames.own) != pixels.frames and (pixels.frames > 1 or frames.own):
            raise DamagedFileError(
                f"{source.label}: the DICOM SEG states {pixels.frames} frames and describes {len(frames.own)}. Export "
                "it again."
            )
        places = find_places(frames, pixels.frames, pixels.rows, pixels.columns, image, source)
        if not places.is_of_image:
            check_size(places.slices.shape, source)
        return _paint_all(opened, header, frames, places, image, source)


def _paint_all(
    opened: Header,
    header: SegHeader,
    frames: FrameElements,
    places: FramePlaces,
    image: MedicalImage | None,
    source: Source,
) -> SegContent:
    labels = np.zeros(places.slices.shape, np.uint8)
    fractions = np.zeros_like(labels, header.pixels.dtype) if header.kind == "FRACTIONAL" else None
    overlaps: Counter[tuple[str, str]] = Counter()
    farthest: Place | None = None
    for index, values in _decoded(opened, header.pixels, source):
        painted = _as_labels(values, header, frames, index, source)
        if not painted.any():
            continue
        place = places.place(index)
        part = _under(place, labels, header.pixels, source)
        farthest = place if farthest is None or place.offset > farthest.offset else farthest
        overlaps += _overlapping(part, painted, header.class_names)
        if fractions is not None:
            best = _under(place, fractions, header.pixels, source)
            painted = np.where(values > best, painted, 0)
            np.copyto(best, values, where=painted != 0)
        np.copyto(part, painted, where=painted != 0)
    notes = _notes(header, overlaps, farthest, source)
    return _content(labels, header, places, image, notes)


def _decoded(opened: Header, pixels: PixelFormat, source: Source) -> Iterator[tuple[int, np.ndarray]]:
    """The frames in their order, a few at a time."""
    element = read_pixels(opened, source)
    step = max(1, CHUNK_BYTES // (pixels.rows * pixels.columns * pixels.dtype.itemsize))
    for start in range(0, pixels.frames, step):
        indices = range(start, min(start + step, pixels.frames))
        yield from zip(indices, decode(element, opened.dataset, pixels, indices, source), strict=True)


def _as_labels(values: np.ndarray, header: SegHeader, frames: FrameElements, index: int, source: Source) -> np.ndarray:
    """One frame as label values, uint8 (Y, X)."""
    if header.kind == "LABELMAP":
        return _look_up(values, header, source)
    found = [whole(item, "ReferencedSegmentNumber") for item in frames.group("SegmentIdentificationSequence", index)]
    if len(found) != 1 or found[0] not in header.numbers:
        raise DamagedFileError(
            f"{source.label}: a frame of the DICOM SEG is of no segment that it describes. Export it again."
        )
    is_inside = values > 0 if header.kind == "BINARY" else values * np.float64(2) >= header.most
    return is_inside * np.uint8(header.numbers.index(found[0]) + 1)


def _look_up(values: np.ndarray, header: SegHeader, source: Source) -> np.ndarray:
    table = np.full(VALUES, NO_SEGMENT, np.int16)
    if header.background is not None:
        table[header.background] = 0
    for label, number in enumerate(header.numbers, start=1):
        table[number] = label
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


def _notes(
    header: SegHeader, overlaps: Counter[tuple[str, str]], farthest: Place | None, source: Source
) -> tuple[str, ...]:
    """What to tell.

    Raises:
        UnsupportedImageError: Segments overlap that are no fractions.
    """
    notes = []
    ((one, other), count), *_ = [*overlaps.most_common(1), (("", ""), 0)]
    if header.kind == "FRACTIONAL":
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
    if farthest is not None and farthest.offset > NOTED:
        notes.append(
            f"Frames of the DICOM SEG lie {farthest.offset_mm:.2g} mm ({farthest.offset:.2g} voxels) beside the voxels."
        )
    if header.numbers != tuple(range(1, len(header.numbers) + 1)):
        notes.append(
            f"The segments are numbered {', '.join(map(str, header.numbers))}; their labels are 1 to "
            f"{len(header.numbers)}, in this order."
        )
    return tuple(notes)


def _content(
    labels: np.ndarray, header: SegHeader, places: FramePlaces, image: MedicalImage | None, notes: tuple[str, ...]
) -> SegContent:
    affine = places.slices.affine
    if places.is_of_image and image is not None:
        labels = labels if image.is_volume else labels[0]
        geometry = image.geometry
    elif affine is None:
        labels, geometry = labels[0] if len(labels) == 1 else labels, Geometry()
    else:
        geometry = Geometry(spacing_of(affine), affine)
    return SegContent(labels, header.class_names, geometry, notes, header.numbers)
