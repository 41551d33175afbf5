"""What is read of a DICOM file to find the series it belongs to: its header up to the pixels, and few elements of it.

Source: DICOM PS3.3, C.7.6.2 (image plane), C.7.6.1.1.2 (image type).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg_demo.errors import ReadError
from medseg_demo.reading.dicom.file import DEFLATED, is_dicom, keep_pydicom_quiet, modality_code
from medseg_demo.reading.dicom.geometry import numbers, unit_directions
from medseg_demo.reading.source import decoding, open_source
from medseg_demo.settings import Settings

# What tells apart images at one place, in this order; the instance number comes last.
ORDER = ("TemporalPositionIdentifier", "EchoTime", "DiffusionBValue", "AcquisitionNumber", "InstanceNumber")
ELEMENTS = (
    *("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "ImageType", "Modality"),
    *("Rows", "Columns", "SamplesPerPixel", "NumberOfFrames", "PixelSpacing"),
    *("ImageOrientationPatient", "ImagePositionPatient", *ORDER),
)
# Of these, images without a stated position are slices all the same.
SLICED_MODALITIES = ("CT", "MR", "PT")


@dataclass(frozen=True, eq=False)
class SliceHeader:
    """One file that may be a slice.

    Attributes:
        path: The file.
        study: Identifies the study; like the next two it is compared, and never shown.
        series: Identifies the series.
        instance: Identifies the image.
        series_number: For the order of several series.
        shape: Rows, columns and samples of a pixel.
        spacing_mm: Of the plane, (Y, X); None where unknown.
        directions: Unit vectors along x, along y and normal to the plane, as columns (3, 3); None where unknown.
        position: Of the first pixel, (3,) LPS mm; None where unknown.
        rank: Orders images at one place.
        modality: DICOM's code.
        is_localizer: Whether it is an overview for planning.
    """

    path: Path
    study: str
    series: str
    instance: str
    series_number: float
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float] | None
    directions: np.ndarray | None
    position: np.ndarray | None
    rank: tuple[float, ...]
    modality: str | None
    is_localizer: bool


def read_header(path: Path, settings: Settings) -> SliceHeader | None:
    """The header of a file that may be a slice of a series; None for all others, and for what cannot be read."""
    try:
        source = open_source(path, settings)
        if not is_dicom(source) or DEFLATED.encode() in source.head:
            return None
        keep_pydicom_quiet()
        with decoding(source, "DICOM"):
            return _parse(path)
    except ReadError:
        return None


def _parse(path: Path) -> SliceHeader | None:
    import pydicom

    dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=list(ELEMENTS))
    size = [int(next(iter(numbers(dataset, keyword)), 0)) for keyword in ("Rows", "Columns", "SamplesPerPixel")]
    series, frames = dataset.get("SeriesInstanceUID"), next(iter(numbers(dataset, "NumberOfFrames")), 1)
    if not series or min(size[:2]) < 1 or frames > 1:
        return None
    spacing, place = numbers(dataset, "PixelSpacing"), numbers(dataset, "ImagePositionPatient")
    directions, modality = unit_directions(dataset), modality_code(dataset)
    is_placed = directions is not None and len(place) == 3
    if not is_placed and modality not in SLICED_MODALITIES:
        return None
    kinds = dataset.get("ImageType") or ()
    return SliceHeader(
        path=path,
        study=str(dataset.get("StudyInstanceUID", "")),
        series=str(series),
        instance=str(dataset.get("SOPInstanceUID", "")),
        series_number=next(iter(numbers(dataset, "SeriesNumber")), 0.0),
        shape=(size[0], size[1], max(1, size[2])),
        spacing_mm=(spacing[0], spacing[1]) if len(spacing) == 2 and min(spacing) > 0 else None,
        directions=directions if is_placed else None,
        position=np.asarray(place) if is_placed else None,
        rank=tuple(next(iter(numbers(dataset, keyword)), 0.0) for keyword in ORDER),
        modality=modality,
        is_localizer="LOCALIZER" in [str(kind).upper() for kind in ([kinds] if isinstance(kinds, str) else kinds)],
    )
