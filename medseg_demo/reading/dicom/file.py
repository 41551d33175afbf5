"""DICOM images, through pydicom; nothing but the modality's code is kept of what a file says about a patient."""

import logging
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, UnknownFormatError, UnsupportedImageError
from medseg_demo.image import MedicalImage
from medseg_demo.reading.dicom.geometry import locate, numbers, stack_frames
from medseg_demo.reading.dicom.pixels import check_frames, decode, first
from medseg_demo.reading.raw import Layout, Raw
from medseg_demo.reading.source import MIB, Source, decoding
from medseg_demo.settings import Settings

if TYPE_CHECKING:
    from pydicom import Dataset

PIXEL_ELEMENTS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"
MEDIA_DIRECTORY = b"1.2.840.10008.1.3.10"
DEFLATED = "1.2.840.10008.1.2.1.99"
# MPEG-2, MPEG-4 and HEVC; JPEG XL and HTJ2K come after them.
VIDEO = tuple(f"1.2.840.10008.1.2.4.{code}" for code in range(100, 109))
INVERTED_NOTE = "The file stores bright as dark (MONOCHROME1); the intensities were turned round."
META_GROUP, IDENTIFYING_GROUP = b"\x02\x00", b"\x08\x00"
# The preamble, DICOM's mark, and the element that holds the length of the rest of the file's meta information.
META_START = 128 + 4 + 12


def is_dicom(source: Source) -> bool:
    """Whether the file has DICOM's mark after the preamble, or starts at once with a plausible first element."""
    head = source.head
    if head[128:132] == b"DICM":
        return True
    if len(head) < 16 or not head.startswith((META_GROUP, IDENTIFYING_GROUP)):
        return False
    element, representation = struct.unpack_from("<H", head, 2)[0], head[4:6]
    is_explicit = representation.isalpha() and representation.isupper()
    return element < 0x100 and (is_explicit or struct.unpack_from("<I", head, 4)[0] <= 64)


def is_media_directory(source: Source) -> bool:
    """Whether the file is a DICOMDIR, a list of the images beside it."""
    return is_dicom(source) and MEDIA_DIRECTORY in source.head[:512]


def inspect(source: Source) -> Layout:
    """See ``Format.inspect``."""
    raise NotImplementedError


def read(source: Source, layout: Layout, volumes: Sequence[int]) -> Raw:
    """See ``Format.read``."""
    raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Slice:
    """One file of a series, decoded.

    Attributes:
        pixels: (Y, X) intensities, more being brighter, or (Y, X, 3) colours.
        bit_depth: Bits that the file stores for each sample.
        window: The file's own display window.
        notes: What was done to the values.
    """

    pixels: np.ndarray
    bit_depth: int
    window: tuple[float, float] | None
    notes: tuple[str, ...]


def read_slice(source: Source, settings: Settings) -> Slice:
    """Read the pixels of a single image, which need not be varied, as part of a volume.

    Raises:
        ReadError: See medseg_demo.errors.
    """
    keep_pydicom_quiet()
    with decoding(source, "DICOM"):
        dataset = _load(source, settings)
        _check_is_image(dataset, source)
        check_frames(dataset, source, settings)
        pixels, window, notes = _values(decode(dataset, source, settings), dataset)
        return Slice(pixels, int(first(dataset, "BitsStored", pixels.dtype.itemsize * 8)), window, notes)


def modality_code(dataset: "Dataset") -> str | None:
    """The modality, if it is a code such as "CT" and no free text."""
    modality = dataset.get("Modality")
    return modality if isinstance(modality, str) and _is_code(modality) else None


def keep_pydicom_quiet() -> None:
    """Pydicom's warnings quote values, so what belongs to a patient would reach logs."""
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"pydicom\b")


def _is_code(text: str) -> bool:
    return 0 < len(text) <= 16 and text.replace("_", "").isalnum() and text.isupper()


def _load(source: Source, settings: Settings) -> "Dataset":
    import pydicom
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    _check_inflated_size(source, settings)
    dataset = pydicom.dcmread(source.path, force=True)
    if "TransferSyntaxUID" not in dataset.file_meta:
        is_implicit, is_little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if is_implicit else explicit
    return dataset


def _check_inflated_size(source: Source, settings: Settings) -> None:
    """Pydicom inflates a deflated dataset whole, whatever its size."""
    from pydicom.filereader import read_file_meta_info

    if source.head[128:132] != b"DICM":
        if source.head.startswith(META_GROUP) and DEFLATED.encode() in source.path.read_bytes():
            raise DamagedFileError(f"{source.label}: a deflated DICOM file needs its preamble. Export it again.")
        return
    meta = read_file_meta_info(source.path)
    if str(meta.get("TransferSyntaxUID", "")) != DEFLATED:
        return
    with source.path.open("rb") as file:
        file.seek(META_START + int(meta.FileMetaInformationGroupLength))
        inflater, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while (block := file.read(MIB)) or inflater.unconsumed_tail:
            size += len(inflater.decompress(inflater.unconsumed_tail + block, 16 * MIB))
            if size > settings.max_file_mb * MIB:
                raise ImageTooLargeError(
                    f"{source.label}: unpacked, the file has more than the {settings.max_file_mb} MiB that are read. "
                    "Crop it, or raise MEDSEG_MAX_FILE_MB."
                )
            if inflater.eof:
                return


def _check_is_image(dataset: "Dataset", source: Source) -> None:
    has_preamble = source.head[128:132] == b"DICM"
    if not has_preamble and "Rows" not in dataset and "SOPClassUID" not in dataset:
        raise UnknownFormatError(
            f"{source.label}: its bytes are of no image format that is read here. Save it as PNG, TIFF, DICOM or NIfTI."
        )
    if not any(keyword in dataset for keyword in PIXEL_ELEMENTS):
        if "Rows" in dataset or not dataset.keys():  # pydicom drops everything where the last element is cut off
            raise DamagedFileError(f"{source.label}: the DICOM file ends before its pixels. Export or copy it again.")
        raise UnsupportedImageError(
            f"{source.label}: the DICOM file holds no pixels (it may be a report, a plan, contours or a directory, or "
            "be cut off). Choose the images of the study."
        )
    if str(dataset.get("SOPClassUID", "")) == SEGMENTATION_STORAGE:
        raise UnsupportedImageError(
            f"{source.label}: the DICOM file is a segmentation, not an image. Choose the images it was drawn on."
        )
    if str(dataset.file_meta.TransferSyntaxUID) in VIDEO:
        raise UnsupportedImageError(f"{source.label}: DICOM video is not read. Save frames as images of their own.")


def _values(stored: np.ndarray, dataset: "Dataset") -> tuple[np.ndarray, tuple[float, float] | None, tuple[str, ...]]:
    """Stored values as colours or intensities, with the file's display window and notes."""
    if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        return _shortest(apply_color_lut(stored, dataset)[..., :3]), None, ()
    if first(dataset, "SamplesPerPixel", 1) > 1:
        return stored, None, ()
    return _intensities(stored, dataset)


def _shortest(colours: np.ndarray) -> np.ndarray:
    """Palettes of 16 bits often hold 8: in the low byte, in the high one, or in both."""
    if colours.dtype != np.uint16:
        return colours
    low, high = colours & 0xFF, colours >> 8
    if not high.any():
        return low.astype(np.uint8)
    return high.astype(np.uint8) if not low.any() or (low == high).all() else colours


def _rescale(dataset: "Dataset", frame: int) -> tuple[float, float]:
    group = "PixelValueTransformationSequence"
    slope = next(iter(numbers(dataset, "RescaleSlope", group=group, frame=frame)), 1.0)
    intercept = next(iter(numbers(dataset, "RescaleIntercept", group=group, frame=frame)), 0.0)
    return slope or 1.0, intercept


def _intensities(
    stored: np.ndarray, dataset: "Dataset"
) -> tuple[np.ndarray, tuple[float, float] | None, tuple[str, ...]]:
    """Stored values as intensities, more being brighter, with the file's display window in the same units."""
    values, top_and_bottom = _modality_values(stored, dataset)
    window = _window(dataset)
    if dataset.get("PhotometricInterpretation") != "MONOCHROME1":
        return values, window, ()
    turned = _reflect(values, top_and_bottom)
    if window is not None:
        window = top_and_bottom - window[1], top_and_bottom - window[0]
    return turned, window, (INVERTED_NOTE,)


def _reflect(values: np.ndarray, top_and_bottom: float) -> np.ndarray:
    if values.dtype.kind == "f":
        return (np.float64(top_and_bottom) - values).astype(np.float32)
    wide = np.int64 if int(top_and_bottom) > np.iinfo(values.dtype).max else values.dtype
    return np.subtract(int(top_and_bottom), values, dtype=wide).astype(values.dtype, copy=False)


def _modality_values(stored: np.ndarray, dataset: "Dataset") -> tuple[np.ndarray, float]:
    """Values after the modality's table or rescaling, and the sum of the greatest and the least that can occur."""
    if "ModalityLUTSequence" in dataset:
        from pydicom.pixels import apply_modality_lut

        values = apply_modality_lut(stored, dataset)
        return values, float(values.min()) + float(values.max())
    slopes = [_rescale(dataset, frame) for frame in range(stored.shape[0] if stored.ndim == 3 else 1)]
    span = _stored_span(stored, dataset)
    if all(pair == (1, 0) for pair in slopes):
        return stored, span
    slope, intercept = (np.array(column).reshape(-1, *[1] * (stored.ndim - 1)) for column in zip(*slopes, strict=True))
    if stored.ndim == 2:
        slope, intercept = slope[0], intercept[0]
    return (stored * slope + intercept).astype(np.float32), slopes[0][0] * span + 2 * slopes[0][1]


def _stored_span(stored: np.ndarray, dataset: "Dataset") -> float:
    """The sum of the greatest and the least value that the stored bits can hold."""
    if stored.dtype.kind == "f":
        return float(stored.min()) + float(stored.max())
    if stored.dtype.kind == "i":
        return -1.0
    bits = int(first(dataset, "BitsStored", stored.dtype.itemsize * 8))
    return float(max(2**bits - 1, int(stored.max())))


def _window(dataset: "Dataset") -> tuple[float, float] | None:
    """The first window of the file as (low, high), in modality units.

    Source: DICOM PS3.3, C.11.2.1.2 (LINEAR is the default; LINEAR_EXACT has no half-pixel shift).
    """
    centres = numbers(dataset, "WindowCenter", group="FrameVOILUTSequence")
    widths = numbers(dataset, "WindowWidth", group="FrameVOILUTSequence")
    if not centres or not widths:
        return None
    centre, width = centres[0], widths[0]
    if dataset.get("VOILUTFunction") != "LINEAR_EXACT":
        centre, width = centre - 0.5, width - 1
    return centre - width / 2, centre + width / 2
