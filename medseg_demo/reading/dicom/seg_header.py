"""What a DICOM SEG says of itself: its type, its segments and how its frames are stored.

Source: DICOM PS3.3, C.8.20 (segmentation modules).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medseg_demo import names
from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading.dicom.dataset import Header
from medseg_demo.reading.dicom.elements import first, items, value_of, whole, word
from medseg_demo.reading.dicom.pixel_format import PixelFormat, check_length, describe
from medseg_demo.reading.source import Source, check_bytes, check_size

if TYPE_CHECKING:
    from pydicom import Dataset

SEGMENTATION, LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
MOST_SEGMENTS = 255
VALUES = 2**16  # that a pixel of a label map can have
MOST_CHARACTERS = 64  # of a name: DICOM's limit for long strings (LO)
BACKGROUND = "background"


@dataclass(frozen=True, eq=False)
class SegHeader:
    """What a SEG says of itself.

    Attributes:
        kind: "BINARY", "FRACTIONAL" or "LABELMAP".
        pixels: How its frames are stored.
        numbers: Of its segments, ascending.
        class_names: Of its segments, in this order.
        most: The stored value of the fraction 1.
        background: The stored value of background in a label map; None where every value is a segment.
    """

    kind: str
    pixels: PixelFormat
    numbers: tuple[int, ...]
    class_names: tuple[str, ...]
    most: float
    background: int | None


def read_header(header: Header, source: Source) -> SegHeader:
    """What a SEG says of itself, checked against the limits and the bytes that are there, before a pixel is decoded.

    Raises:
        DamagedFileError: It contradicts itself, or bytes are missing.
        ImageTooLargeError: It claims more than the limits of the settings.
        UnsupportedImageError: A feature is not read here, or an element is missing; the message names it.
    """
    dataset = header.dataset
    if header.keyword != "PixelData":
        raise DamagedFileError(f"{source.label}: the DICOM SEG ends before its pixels. Export or copy it again.")
    if "TotalPixelMatrixColumns" in dataset or word(dataset, "DimensionOrganizationType").startswith("TILED"):
        raise UnsupportedImageError(
            f"{source.label}: the DICOM SEG is made of the tiles of a whole slide, which are not read here. Export it "
            "as one picture."
        )
    pixels = describe(dataset, header.keyword, header.syntax, source)
    kind = word(dataset, "SegmentationType") or ("BINARY" if pixels.allocated == 1 else "")
    if str(dataset.get("SOPClassUID", "")) == LABEL_MAP:
        kind = "LABELMAP"
    bits = {"BINARY": (1, 8), "FRACTIONAL": (8, 16), "LABELMAP": (8, 16)}.get(kind, ())
    if pixels.allocated not in bits or pixels.samples != 1 or pixels.is_signed:
        raise UnsupportedImageError(
            f"{source.label}: a DICOM SEG is binary with 1 bit a pixel, fractional, or a label map with 8 or 16; this "
            "one is not. Export it again as one of these."
        )
    segments = _segments(dataset, source)
    background = _background(dataset, segments) if kind == "LABELMAP" else None
    numbers = tuple(sorted(segments.keys() - {background}))
    if not 0 < len(numbers) <= MOST_SEGMENTS:
        raise UnsupportedImageError(
            f"{source.label}: the DICOM SEG describes {len(numbers)} segments, and 1 to {MOST_SEGMENTS} are "
            "read. Export fewer."
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
    class_names = tuple(segments[number] for number in numbers)
    return SegHeader(kind, pixels, numbers, class_names, most, background)


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
        label = names.shown(str(value_of(item, "SegmentLabel") or "").strip())[:MOST_CHARACTERS]
        found[number] = label or f"class_{number}"
    return found


def _background(dataset: "Dataset", segments: Mapping[int, str]) -> int | None:
    """The stored value of a label map's background; None where every value is a segment.

    Source: DICOM PS3.3, C.8.20.2: the pixel padding value is that of pixels that belong to no segment. Some programs
    describe background as a segment of its own.
    """
    stated = whole(dataset, "PixelPaddingValue")
    if stated is not None and 0 <= stated < VALUES:
        return stated
    return 0 if segments.get(0, BACKGROUND).casefold() == BACKGROUND else None
