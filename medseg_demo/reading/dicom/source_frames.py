"""The DICOM frames that an image was read from, in the order of its slices, by the headers of its files."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.image import MedicalImage
from medseg_demo.reading.dicom.geometry import numbers, stack_frames

if TYPE_CHECKING:
    from pydicom import Dataset

ELEMENTS = (
    *("SOPInstanceUID", "NumberOfFrames", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
    *("GridFrameOffsetVector", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
# DICOM writes positions and directions as decimal text, which programs round.
POSITION_TOLERANCE_MM, PLANE_TOLERANCE = 0.05, 1e-3
PLANE_ELEMENTS = (("ImageOrientationPatient", "PlaneOrientationSequence"), ("PixelSpacing", "PixelMeasuresSequence"))


@dataclass(frozen=True, eq=False)
class SourceFrames:
    """One frame for each slice of an image.

    Attributes:
        instances: Identifies the file of each slice; compared, and never shown.
        frames: (Z,) the frame of each slice in its file, from 1.
        positions: Of the first pixel of each slice, LPS mm; empty where it is not stated.
        header: Of the first file, without its pixels.
    """

    instances: tuple[str, ...]
    frames: tuple[int, ...]
    positions: tuple[tuple[float, ...], ...]
    header: "Dataset"

    @property
    def are_in_one_file(self) -> bool:
        """Whether they are the frames of a multi-frame file."""
        return len(self.frames) > 1 and len(set(self.instances)) == 1


def frame_count(dataset: "Dataset") -> int:
    """How many frames a file has, 1 for a single image."""
    return int(next(iter(numbers(dataset, "NumberOfFrames")), 1))


def read_source_frames(image: MedicalImage) -> SourceFrames | None:
    """The frames of an image; None where it was not read from DICOM files, or these are gone or no longer its own."""
    try:
        headers = [_read_header(path) for path in image.source_files]
        instances = [str(header.SOPInstanceUID) for header in headers]
    except (OSError, AttributeError):
        return None
    slices = image.shape[0] if image.is_volume else 1
    if len(headers) == 1 and slices > 1 and frame_count(headers[0]) == slices:
        frames = stack_frames(headers[0], slices).order
        return SourceFrames(
            instances=tuple(instances * slices),
            frames=tuple(int(frame) + 1 for frame in frames),
            positions=tuple(_position(headers[0], int(frame)) for frame in frames),
            header=headers[0],
        )
    if len(headers) != slices:
        return None
    return SourceFrames(tuple(instances), (1,) * slices, tuple(map(_position, headers)), headers[0])


def in_stored_order(labels: np.ndarray, source: "Dataset") -> np.ndarray:
    """Labels (Z, Y, X) of an image that was read from one file, in the order in which the file stores its frames."""
    return labels[np.argsort(stack_frames(source, len(labels)).order)]


def lies_on(derived: "Dataset", sources: SourceFrames) -> bool:
    """Whether each frame of a derived image, such as a segmentation, names one of these frames and lies where it does.

    Places are compared where both are stated.
    """
    for keyword, group in PLANE_ELEMENTS:
        ours, theirs = (numbers(dataset, keyword, group=group) for dataset in (sources.header, derived))
        if ours and theirs and not np.allclose(ours, theirs, atol=PLANE_TOLERANCE):
            return False
    names = zip(sources.instances, sources.frames, strict=True)
    known: dict[tuple[object, ...], tuple[float, ...]] = dict(zip(names, sources.positions, strict=True))
    for index, frame in enumerate(derived.PerFrameFunctionalGroupsSequence):
        named = _named_frames(frame)
        if len(named) != 1 or named[0] not in known:
            return False
        ours, theirs = known[named[0]], _position(derived, index)
        if ours and theirs and not np.allclose(ours, theirs, rtol=0, atol=POSITION_TOLERANCE_MM):
            return False
    return True


def _named_frames(frame: "Dataset") -> list[tuple[object, ...]]:
    """The source frames that the functional groups of one frame name: the instance and the number in it."""
    return [
        (str(source.ReferencedSOPInstanceUID), *(numbers(source, "ReferencedFrameNumber") or (1,)))
        for derivation in frame.get("DerivationImageSequence", ())
        for source in derivation.get("SourceImageSequence", ())
    ]


def _read_header(path: Path) -> "Dataset":
    import pydicom

    return pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(ELEMENTS))


def _position(header: "Dataset", frame: int = 0) -> tuple[float, ...]:
    return numbers(header, "ImagePositionPatient", group="PlanePositionSequence", frame=frame)
