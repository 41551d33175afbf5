"""What stored values mean: rescaling, tables, polarity, palettes and the display window.

Source: DICOM PS3.3, C.11.1 (modality LUT), C.8.8.3 (RT dose), C.7.6.3.1.5 (palettes), C.11.2 (VOI LUT).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading.dicom.dataset import as_numbers, first, items, value_of, word
from medseg_demo.reading.dicom.pixel_format import PixelFormat
from medseg_demo.reading.source import Source

if TYPE_CHECKING:
    from pydicom import Dataset

INVERTED_NOTE = "The file stores bright as dark (MONOCHROME1); the intensities were turned round."
WINDOW_GROUP, RESCALE_GROUP = "FrameVOILUTSequence", "PixelValueTransformationSequence"
PRIMARIES = ("Red", "Green", "Blue")


@dataclass(frozen=True, eq=False)
class Scaling:
    """Stored values → values of the modality.

    Attributes:
        slopes: One a frame.
        intercepts: One a frame.
        table: The modality's table, by which values are looked up instead; None for most files.
        first: The stored value of the table's first entry.
        polarity: As in ``Raw``.
    """

    slopes: tuple[float, ...]
    intercepts: tuple[float, ...]
    table: np.ndarray | None = None
    first: int = 0
    polarity: float | None = None

    @property
    def is_identity(self) -> bool:
        """Whether stored values are those of the modality."""
        return self.table is None and set(self.slopes) == {1.0} and set(self.intercepts) == {0.0}

    def dtype(self, stored: np.dtype) -> np.dtype:
        """The type of what ``apply`` gives."""
        return stored if self.is_identity else np.dtype(np.float32) if self.table is None else self.table.dtype

    def apply(self, stored: np.ndarray) -> np.ndarray:
        """The values of frames (N, Y, X); float32 where they are rescaled."""
        if self.is_identity:
            return stored
        if self.table is not None:
            return self.table[np.clip(stored.astype(np.int64) - self.first, 0, len(self.table) - 1)]
        values = np.empty(stored.shape, np.float32)
        for index, frame in enumerate(stored):  # one at a time: products are double
            values[index] = frame * self.slopes[index] + self.intercepts[index]
        return values


def scaling(dataset: "Dataset", found: PixelFormat, frames: Sequence[int], source: Source) -> Scaling:
    """How the stored values of these frames become those of the modality.

    Raises:
        DamagedFileError: The modality's table is shorter than it says.
    """
    if found.samples > 1 or found.photometric == "PALETTE COLOR":
        return Scaling((1.0,) * len(frames), (0.0,) * len(frames))
    is_inverted = found.photometric == "MONOCHROME1"
    tables = items(dataset, "ModalityLUTSequence")
    if tables and found.dtype.kind != "f":
        descriptor = as_numbers(value_of(tables[0], "LUTDescriptor"))
        table = _entries(tables[0], "LUTData", descriptor, _is_little(dataset), source)
        start = int(descriptor[1])
        if found.is_signed and start >= 2**15:  # some programs write it without its sign
            start -= 2**16
        return Scaling((1.0,), (0.0,), table, start, float(table.min()) + float(table.max()) if is_inverted else None)
    dose = first(dataset, "DoseGridScaling", 0.0)
    if dose > 0:
        slopes, intercepts = [dose] * len(frames), [0.0] * len(frames)
    else:
        slopes = [first(dataset, "RescaleSlope", 1.0, group=RESCALE_GROUP, frame=frame) or 1.0 for frame in frames]
        intercepts = [first(dataset, "RescaleIntercept", 0.0, group=RESCALE_GROUP, frame=frame) for frame in frames]
    # The sum of the least and the greatest value that the stored bits can hold; of floats it is found later.
    span = 0.0 if found.dtype.kind == "f" else -1.0 if found.is_signed else float(2**found.stored - 1)
    total = max(slope * span + 2 * intercept for slope, intercept in zip(slopes, intercepts, strict=True))
    return Scaling(tuple(slopes), tuple(intercepts), polarity=total if is_inverted else None)


def palette_indices(stored: np.ndarray, dataset: "Dataset", source: Source) -> tuple[np.ndarray, np.ndarray]:
    """Indices into a palette, as stored where that can be, and its colours, (N, 3).

    Raises:
        ReadError: See ``palette``.
    """
    colours, start = palette(dataset, source)
    is_unsigned = stored.dtype.kind == "u"
    if start > 0 and is_unsigned:
        colours, start = np.concatenate([np.repeat(colours[:1], start, axis=0), colours]), 0
    colours = colours[: 2 ** (8 * stored.dtype.itemsize)]
    if start == 0 and is_unsigned:
        return stored, colours
    return np.clip(stored.astype(np.int64) - start, 0, len(colours) - 1).astype(np.uint16), colours


def palette(dataset: "Dataset", source: Source) -> tuple[np.ndarray, int]:
    """The colours of a palette, (N, 3), and the stored value of the first.

    Raises:
        UnsupportedImageError: There is none, or of a rare kind.
        DamagedFileError: It is shorter than it says.
    """
    descriptor = as_numbers(value_of(dataset, "RedPaletteColorLookupTableDescriptor"))
    if len(descriptor) != 3:
        raise UnsupportedImageError(
            f"{source.label}: the DICOM file states no palette for its indices. Export it as RGB."
        )
    if all(f"{colour}PaletteColorLookupTableData" in dataset for colour in PRIMARIES):
        keywords = (f"{colour}PaletteColorLookupTableData" for colour in PRIMARIES)
        columns = [_entries(dataset, keyword, descriptor, _is_little(dataset), source) for keyword in keywords]
        return _shortest(np.stack(columns, axis=-1)), int(descriptor[1])
    from pydicom.pixels import apply_color_lut

    count = int(descriptor[0]) or 2**16
    if count > 2 ** int(descriptor[2]):  # pydicom counts entries in their own type
        raise UnsupportedImageError(f"{source.label}: a segmented palette of this size is not read. Export it as RGB.")
    return _shortest(apply_color_lut(np.arange(count) + int(descriptor[1]), dataset)[..., :3]), int(descriptor[1])


def _entries(
    dataset: "Dataset", keyword: str, descriptor: Sequence[float], is_little: bool, source: Source
) -> np.ndarray:
    """The entries of a table, of 8 or 16 bits by the length of its data, since its header is often wrong."""
    data = value_of(dataset, keyword)
    count = (int(descriptor[0]) or 2**16) if len(descriptor) == 3 else -1
    if isinstance(data, bytes):
        words = np.frombuffer(data[: len(data) // 2 * 2], "<u2" if is_little else ">u2").astype("<u2")
        entries = words if len(words) >= count else words.view(np.uint8)
    else:
        entries = np.asarray(as_numbers(data), dtype=np.uint16)
    if not 0 < count <= len(entries):
        raise DamagedFileError(f"{source.label}: a table of values in the DICOM file is damaged. Export it again.")
    return entries[:count].astype(entries.dtype.newbyteorder("="))


def _is_little(dataset: "Dataset") -> bool:
    return dataset.original_encoding[1] is not False


def _shortest(colours: np.ndarray) -> np.ndarray:
    """Palettes of 16 bits often hold 8: in the low byte, in the high one, or in both."""
    if colours.dtype != np.uint16:
        return colours
    low, high = colours & 0xFF, colours >> 8
    if not high.any():
        return low.astype(np.uint8)
    return high.astype(np.uint8) if not low.any() or (low == high).all() else colours


def window(dataset: "Dataset", frame: int) -> tuple[float, float] | None:
    """The first window of a frame as (low, high), in the units of the modality.

    Source: DICOM PS3.3, C.11.2.1.2 (LINEAR is the default; LINEAR_EXACT has no half-pixel shift).
    """
    centre = first(dataset, "WindowCenter", np.nan, group=WINDOW_GROUP, frame=frame)
    width = first(dataset, "WindowWidth", np.nan, group=WINDOW_GROUP, frame=frame)
    if np.isnan(centre + width):
        return None
    if word(dataset, "VOILUTFunction") != "LINEAR_EXACT":
        centre, width = centre - 0.5, width - 1
    return centre - width / 2, centre + width / 2
