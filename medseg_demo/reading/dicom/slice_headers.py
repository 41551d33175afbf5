"""What is read of a DICOM file to find the series it belongs to: few elements of its header.

Source: DICOM PS3.3, C.7.6.2 (image plane), C.7.6.1.1.2 (image type).
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medseg_demo.errors import ReadError
from medseg_demo.reading.dicom.dataset import is_dicom, load
from medseg_demo.reading.dicom.elements import first, item_of, modality_code, value_of, whole, words
from medseg_demo.reading.dicom.frames import PER_FRAME, planes_of_frames
from medseg_demo.reading.dicom.planes import PRIVATE_TRAITS, TRAITS, Plane, is_mosaic, is_tiled, plane_of
from medseg_demo.reading.source import Source, decoding

if TYPE_CHECKING:
    from pydicom import Dataset

ELEMENTS = (
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "InstanceNumber"),
    *("Modality", "Rows", "Columns", "SamplesPerPixel", "NumberOfFrames", "SharedFunctionalGroupsSequence"),
    *("PixelSpacing", "ImagerPixelSpacing", "EstimatedRadiographicMagnificationFactor", "NominalScannedPixelSpacing"),
    *("ImageOrientationPatient", "ImagePositionPatient", "DetectorInformationSequence", "SegmentSequence"),
    *("PerFrameFunctionalGroupsSequence", "TotalPixelMatrixRows", "TotalPixelMatrixColumns"),
    "DimensionOrganizationType",
)
WANTED: tuple[int | str, ...] = (
    *ELEMENTS,
    *(keyword for keyword in TRAITS if keyword not in ELEMENTS),
    *(group << 16 | element for group, element in PRIVATE_TRAITS),
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
        plane: Where it lies, and what tells it from others there.
        modality: DICOM's code.
        is_localizer: Whether it is an overview for planning.
    """

    path: Path
    study: str
    series: str
    instance: str
    series_number: float
    shape: tuple[int, int, int]
    plane: Plane
    modality: str | None
    is_localizer: bool


def parse_slice(source: Source) -> SliceHeader | None:
    """The header of a file that may be a slice of a series; None for all others, and for what cannot be read."""
    try:
        if not is_dicom(source):
            return None
        with decoding(source, "DICOM"):
            return _parse(source)
    except ReadError:
        return None


def _plane(dataset: "Dataset") -> Plane:
    """Of the only frame of a file, be it an enhanced one."""
    number = first(dataset, "InstanceNumber", 0.0)
    plane = plane_of(dataset, number=number)
    if item_of(dataset, PER_FRAME, 0) is None:
        return plane
    return replace(plane, traits={**plane.traits, **planes_of_frames(dataset, 1)[0].traits})


def _parse(source: Source) -> SliceHeader | None:
    header = load(source, WANTED)
    dataset = header.dataset
    size = [whole(dataset, keyword) or 0 for keyword in ("Rows", "Columns", "SamplesPerPixel")]
    series = value_of(dataset, "SeriesInstanceUID")
    frames = whole(dataset, "NumberOfFrames") or 1
    if not header.keyword or not series or min(size[:2]) < 1 or frames > 1 or is_mosaic(dataset) or is_tiled(dataset):
        return None
    plane, modality = _plane(dataset), modality_code(dataset)
    if modality == "SEG" or "SegmentSequence" in dataset:
        return None
    if plane.position is None and modality not in SLICED_MODALITIES:
        return None
    return SliceHeader(
        path=source.path,
        study=str(value_of(dataset, "StudyInstanceUID") or ""),
        series=str(series),
        instance=str(value_of(dataset, "SOPInstanceUID") or ""),
        series_number=first(dataset, "SeriesNumber", 0.0),
        shape=(size[0], size[1], max(1, size[2])),
        plane=plane,
        modality=modality,
        is_localizer="LOCALIZER" in words(dataset, "ImageType"),
    )
