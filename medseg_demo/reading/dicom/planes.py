"""Where one DICOM image lies, and what tells it from others at the same place: of a file, or of a frame of one.

Source: DICOM PS3.3, C.7.6.2 (image plane), C.7.6.16.2 (functional groups), C.8.4.8 (NM multi-frame: the pointer names
the vectors), C.8.4.11 (NM detector), C.8.8.3.2 (grid frame offsets), C.8.5.5 (ultrasound regions), 10.7.1.3 (spacing at
the detector).
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.image import SourceFrames
from medseg_demo.reading.dicom.dataset import as_numbers, first, items, numbers, value_of, word, words

if TYPE_CHECKING:
    from pydicom import Dataset

DETECTOR_NOTE = "The spacing is that at the detector; lengths in the body are somewhat smaller."
MAGNIFIED_NOTE = "The spacing is that at the detector, divided by the magnification that the file estimates."
SCANNED_NOTE = "The spacing is that of the scanned film or paper."
REGION_NOTE = "The spacing is that of the ultrasound region; other parts of the picture have none."
REGIONS_NOTE = "The file states several ultrasound regions of different spacing, so the spacing is unknown."
ASPECT_NOTE = "The pixels are not square (the file states an aspect ratio), and their size is not stated."
ORTHOGONAL_TOLERANCE = 1e-2
RATIO_TOLERANCE = 1e-3
CENTIMETRES, TWO_DIMENSIONAL = 3, 1
POSITION, ORIENTATION, MEASURES = "PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence"


@dataclass(frozen=True, eq=False, kw_only=True)
class Plane:
    """One image in space.

    Attributes:
        spacing_mm: Of its pixels, (Y, X); None where unknown.
        directions: Unit vectors along x, along y and normal to it, as columns (3, 3), LPS; None where unknown.
        position: Of the first pixel, (3,) LPS mm; None where unknown.
        stack: Images of different stacks never make one volume.
        slot: Its number among the slices, where it has no position but the file numbers them.
        step_mm: Distance between slots, where the file states it.
        traits: What may tell it from others at the same place: the name of each attribute, and a value. Values are
            compared, and never shown.
        number: The order where nothing else tells: the instance number, or that of the frame.
    """

    spacing_mm: tuple[float, float] | None = None
    directions: np.ndarray | None = None
    position: np.ndarray | None = None
    stack: Hashable = None
    slot: float | None = None
    step_mm: float | None = None
    traits: Mapping[str, Hashable] = field(default_factory=dict)
    number: float = 0.0


def unit_directions(dataset: "Dataset", frame: int = 0) -> np.ndarray | None:
    """The unit vectors (3, 3) along x, along y, and normal to the image, as columns; None where unknown."""
    cosines = numbers(dataset, "ImageOrientationPatient", group=ORIENTATION, frame=frame)
    cosines = cosines or numbers(_detector(dataset, frame), "ImageOrientationPatient")
    if len(cosines) != 6:
        return None
    across, down = np.asarray(cosines[:3]), np.asarray(cosines[3:])
    lengths = np.linalg.norm(across), np.linalg.norm(down)
    if not 0 < min(lengths) <= max(lengths) < np.inf or abs(across @ down) > ORTHOGONAL_TOLERANCE * np.prod(lengths):
        return None
    across, down = across / lengths[0], down / lengths[1]
    normal = np.cross(across, down)
    return np.column_stack([across, down, normal / np.linalg.norm(normal)])


def position_of(dataset: "Dataset", frame: int = 0) -> np.ndarray | None:
    """Of the first pixel, (3,) LPS mm, as the object, a frame's group or the detector states it; None where unknown."""
    place = numbers(dataset, "ImagePositionPatient", group=POSITION, frame=frame)
    place = place or numbers(_detector(dataset, frame), "ImagePositionPatient")
    return np.asarray(place) if len(place) == 3 else None


def _detector(dataset: "Dataset", frame: int) -> "Dataset":
    """The detector of a frame of nuclear medicine; an empty one elsewhere."""
    from pydicom import Dataset

    detectors = items(dataset, "DetectorInformationSequence")
    vector = as_numbers(value_of(dataset, "DetectorVector"))
    index = int(vector[frame]) - 1 if frame < len(vector) and len(detectors) > 1 else 0
    return detectors[index] if 0 <= index < len(detectors) else Dataset()


def pixel_spacing(dataset: "Dataset", frame: int = 0) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """The spacing (Y, X) in mm from wherever the object keeps it, and a note where it is not that in the body."""
    stated = _pair(numbers(dataset, "PixelSpacing", group=MEASURES, frame=frame))
    if stated:
        return stated, ()
    stated = _pair(numbers(dataset, "ImagerPixelSpacing") or numbers(dataset, "ImagePlanePixelSpacing"))
    if stated:
        factor = first(dataset, "EstimatedRadiographicMagnificationFactor", 1.0)
        if factor > 1 + RATIO_TOLERANCE:
            return (stated[0] / factor, stated[1] / factor), (MAGNIFIED_NOTE,)
        return stated, (DETECTOR_NOTE,)
    stated = _pair(numbers(dataset, "NominalScannedPixelSpacing"))
    if stated:
        return stated, (SCANNED_NOTE,)
    return _of_regions(dataset) or (None, _aspect_notes(dataset))


def _pair(values: tuple[float, ...]) -> tuple[float, float] | None:
    return (values[0], values[1]) if len(values) == 2 and min(values) > 0 else None


def _of_regions(dataset: "Dataset") -> tuple[tuple[float, float] | None, tuple[str, ...]] | None:
    """The spacing of the two-dimensional regions of an ultrasound image; None where it has none."""
    regions = items(dataset, "SequenceOfUltrasoundRegions")
    found = set()
    for region in regions:
        units = {first(region, f"PhysicalUnits{axis}Direction", 0) for axis in "XY"}
        down, across = (10 * abs(first(region, f"PhysicalDelta{axis}", 0)) for axis in "YX")
        if first(region, "RegionSpatialFormat", 0) == TWO_DIMENSIONAL and units == {CENTIMETRES} and down * across > 0:
            found.add((down, across))
    if not found:
        return None
    if not np.allclose(list(found), next(iter(found)), rtol=RATIO_TOLERANCE):
        return None, (REGIONS_NOTE,)
    return next(iter(found)), (REGION_NOTE,) if len(regions) > 1 else ()


def _aspect_notes(dataset: "Dataset") -> tuple[str, ...]:
    ratio = numbers(dataset, "PixelAspectRatio")
    is_square = len(ratio) != 2 or min(ratio) <= 0 or abs(ratio[0] / ratio[1] - 1) <= RATIO_TOLERANCE
    return () if is_square else (ASPECT_NOTE,)


# What may tell the images of files at one place apart. The first come first.
TRAITS = (
    *("StackID", "ImageType", "ComplexImageComponent", "TemporalPositionIdentifier", "EchoNumbers", "EchoTime"),
    *("InversionTime", "FlipAngle", "DiffusionBValue", "DiffusionGradientOrientation", "TriggerTime"),
    *("NominalPercentageOfCardiacPhase", "NominalPercentageOfRespiratoryPhase", "LowRRValue", "FrameReferenceTime"),
    *("TemporalPositionIndex", "KVP", "ConvolutionKernel", "ContrastBolusAgent", "RepetitionTime", "ScanningSequence"),
    *("SequenceName", "ScanOptions", "AcquisitionNumber", "AcquisitionDateTime", "AcquisitionTime", "ContentTime"),
    *("Units", "RescaleType", "CorrectedImage"),
)
# Private elements of GE, Siemens and Philips that hold the b-value or the direction of diffusion.
PRIVATE_TRAITS = {
    (0x0043, 0x1039): "b-value",
    (0x0019, 0x100C): "b-value",
    (0x2001, 0x1003): "b-value",
    (0x0019, 0x100E): "diffusion direction",
    (0x2005, 0x1413): "diffusion direction",
}
# Words of ImageType that may be shown: they say nothing of a patient.
IMAGE_TYPES = (
    *("WATER", "FAT", "IN_PHASE", "OUT_PHASE", "OPP_PHASE", "IN", "OUT", "W", "F", "IP", "OP", "FF", "FAT_FRACTION"),
    *("M", "MAGNITUDE", "P", "PHASE", "PHASE MAP", "R", "REAL", "I", "IMAGINARY", "ADC", "FA", "TRACEW", "T1", "T2"),
)


def traits_of(dataset: "Dataset") -> dict[str, Hashable]:
    """What may tell the image of one file from others at its place."""
    found = {keyword: words(dataset, keyword) for keyword in TRAITS if keyword in dataset}
    for tag, name in PRIVATE_TRAITS.items():
        if tag in dataset:
            value = dataset[tag].value
            kept = tuple(value) if isinstance(value, (list, tuple)) or hasattr(value, "append") else value
            found[name] = (str(kept),)
    return {key: value for key, value in found.items() if any(value)}


def trait_name(key: str) -> str:
    """What the standard calls an attribute, such as "echo time"."""
    from pydicom.datadict import dictionary_description

    try:
        return dictionary_description(key).removesuffix(" Vector").replace("(s)", "").lower()
    except ValueError:  # it is none of the standard's
        return key


def shown_value(value: Hashable) -> str:
    """The words of an ImageType that may be shown; nothing of all others."""
    return "/".join(each for each in value if each in IMAGE_TYPES) if isinstance(value, tuple) else ""


def plane_of(dataset: "Dataset") -> Plane:
    """The plane of a file's only image."""
    directions, position, spacing = unit_directions(dataset), position_of(dataset), pixel_spacing(dataset)[0]
    if directions is None or position is None:
        return Plane(spacing_mm=spacing, traits=traits_of(dataset))
    return Plane(spacing_mm=spacing, directions=directions, position=position, traits=traits_of(dataset))


def describe_frames(
    planes: Sequence[Plane], instances: Sequence[str], frame_of_reference: str, frames: Sequence[int] | None = None
) -> SourceFrames:
    """What segmentations and contours refer to in the images that slices were read from.

    Args:
        planes: Of the slices, in their order, and of one orientation.
        instances: What identifies the file of each.
        frame_of_reference: Identifies the patient's coordinates.
        frames: The frame of each slice in its file, from 0; the only one by default.
    """
    first = planes[0]
    positions = [plane.position for plane in planes if plane.position is not None]
    return SourceFrames(
        instances=tuple(instances),
        frames=(1,) * len(planes) if frames is None else tuple(frame + 1 for frame in frames),
        positions=np.array(positions) if len(positions) == len(planes) else None,
        directions=None if first.directions is None else first.directions[:, :2],
        spacing_mm=first.spacing_mm,
        frame_of_reference=frame_of_reference,
    )


def is_mosaic(dataset: "Dataset") -> bool:
    """Whether the image holds the slices of a volume side by side, as Siemens stores functional MR."""
    return "MOSAIC" in words(dataset, "ImageType")


def is_tiled(dataset: "Dataset") -> bool:
    """Whether the frames are tiles of one plane, as in whole-slide images."""
    total = first(dataset, "TotalPixelMatrixRows", 0), first(dataset, "TotalPixelMatrixColumns", 0)
    frame = first(dataset, "Rows", 0), first(dataset, "Columns", 0)
    is_whole = total == frame or 0 in total
    organised = word(dataset, "DimensionOrganizationType").startswith("TILED")
    return (organised or not is_whole) and not (is_whole and first(dataset, "NumberOfFrames", 1) <= 1)
