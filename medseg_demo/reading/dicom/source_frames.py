"""The DICOM frames that an image was read from, in the order of its slices, by the headers of its files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.image import MedicalImage, SourceFrames
from medseg_demo.reading.dicom.geometry import ORTHOGONAL_TOLERANCE, numbers, stack_frames, unit_directions

if TYPE_CHECKING:
    from pydicom import Dataset

ELEMENTS = (
    *("SOPInstanceUID", "FrameOfReferenceUID", "NumberOfFrames", "ImagePositionPatient", "ImageOrientationPatient"),
    *("PixelSpacing", "GridFrameOffsetVector", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)


def frame_count(dataset: "Dataset") -> int:
    """How many frames a file has, 1 for a single image."""
    return int(next(iter(numbers(dataset, "NumberOfFrames")), 1))


def in_stored_order(labels: np.ndarray, source: "Dataset") -> np.ndarray:
    """Labels (Z, Y, X) of an image that was read from one file, in the order in which the file stores its frames."""
    return labels[np.argsort(stack_frames(source, len(labels)).order)]


def describe_frames(headers: Sequence["Dataset"], order: Sequence[int] | None = None) -> SourceFrames:
    """What to keep of the files that an image was read from.

    Args:
        headers: Of each slice's file, in the order of the slices; or of one file of many frames. Without pixels.
        order: The frame of each slice, from 0, where they come from one file of many frames.
    """
    frames = [(header, 0) for header in headers] if order is None else [(headers[0], int(frame)) for frame in order]
    positions = [
        numbers(header, "ImagePositionPatient", group="PlanePositionSequence", frame=frame) for header, frame in frames
    ]
    are_stated = all(len(position) == 3 for position in positions) and order_is_told(headers[0], len(frames))
    spacing = numbers(headers[0], "PixelSpacing", group="PixelMeasuresSequence")
    return SourceFrames(
        instances=tuple(str(header.get("SOPInstanceUID") or "") for header, _ in frames),
        frames=tuple(frame + 1 for _, frame in frames),
        positions=np.array(positions) if are_stated else None,
        directions=_directions(frames),
        spacing_mm=(spacing[0], spacing[1]) if len(spacing) == 2 and min(spacing) > 0 else None,
        frame_of_reference=str(headers[0].get("FrameOfReferenceUID") or ""),
    )


def order_is_told(header: "Dataset", frames: int) -> bool:
    """Whether each frame can have a position of its own: old files of many frames have one for all of them."""
    return frames == 1 or frame_count(header) == 1 or "PerFrameFunctionalGroupsSequence" in header


def read_source_frames(image: MedicalImage) -> SourceFrames | None:
    """The frames of an image; None where it was not read from DICOM files, or these are gone or no longer its own."""
    if image.source_frames is not None:
        return image.source_frames
    slices = image.shape[0] if image.is_volume else 1
    try:
        headers = [_read_header(path) for path in image.source_files]
    except OSError:
        return None
    if len(headers) == 1 and slices > 1 and frame_count(headers[0]) == slices:
        return describe_frames(headers, [int(frame) for frame in stack_frames(headers[0], slices).order])
    return describe_frames(headers) if len(headers) == slices else None


def _directions(frames: Sequence[tuple["Dataset", int]]) -> np.ndarray | None:
    """The directions along x and y, where all frames have the same."""
    group = "PlaneOrientationSequence"
    stated = [numbers(header, "ImageOrientationPatient", group=group, frame=frame) for header, frame in frames]
    if any(len(each) != 6 or not np.allclose(each, stated[0], atol=ORTHOGONAL_TOLERANCE) for each in stated):
        return None
    directions = unit_directions(frames[0][0])
    return None if directions is None else directions[:, :2]


def _read_header(path: Path) -> "Dataset":
    import pydicom

    return pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(ELEMENTS))
