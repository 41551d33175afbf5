"""The DICOM frames that an image was read from, in the order of its slices, by the headers of its files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.image import MedicalImage, SourceFrames
from medseg_demo.reading.dicom.elements import as_numbers, items, value_of
from medseg_demo.reading.dicom.frames import planes_of_frames
from medseg_demo.reading.dicom.planes import ORTHOGONAL_TOLERANCE
from medseg_demo.reading.dicom.volumes import order_of_frames

if TYPE_CHECKING:
    from pydicom import Dataset

ELEMENTS = (
    *("SOPInstanceUID", "FrameOfReferenceUID", "NumberOfFrames", "ImagePositionPatient", "ImageOrientationPatient"),
    *("PixelSpacing", "GridFrameOffsetVector", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)


@dataclass(frozen=True, eq=False)
class FrameElements:
    """The elements of one dataset's frames: its functional groups are looked up once, not for every frame again.

    Attributes:
        dataset: A single image, or one of many frames.
        own: The functional groups of each frame; empty where there are none.
        shared: Those of all frames, one item or none.
    """

    dataset: "Dataset"
    own: list["Dataset"]
    shared: list["Dataset"]

    @classmethod
    def of(cls, dataset: "Dataset") -> "FrameElements":
        """Look up the groups of a dataset."""
        own, shared = (f"{which}FunctionalGroupsSequence" for which in ("PerFrame", "Shared"))
        return cls(dataset, items(dataset, own), items(dataset, shared)[:1])

    def group(self, name: str, frame: int) -> list["Dataset"]:
        """The items of one functional group of a frame, from 0: its own, else those of all frames."""
        own = items(self.own[frame], name) if frame < len(self.own) else []
        return own or [item for shared in self.shared for item in items(shared, name)]

    def numbers(self, keyword: str, group: str, frame: int) -> tuple[float, ...]:
        """The finite numbers of one element: of the frame's functional group, else of the dataset."""
        holders = (*self.group(group, frame)[:1], self.dataset)
        return next(filter(None, (as_numbers(value_of(item, keyword)) for item in holders)), ())


def frame_count(dataset: "Dataset") -> int:
    """How many frames a file has, 1 for a single image."""
    return int(next(iter(as_numbers(value_of(dataset, "NumberOfFrames"))), 1))


def describe_frames(headers: Sequence["Dataset"], order: Sequence[int] | None = None) -> SourceFrames:
    """What to keep of the files that an image was read from.

    Args:
        headers: Of each slice's file, in the order of the slices; or of one file of many frames. Without pixels.
        order: The frame of each slice, from 0, where they come from one file of many frames.
    """
    if order is None:
        frames = [(FrameElements.of(header), 0) for header in headers]
    else:
        every = FrameElements.of(headers[0])
        frames = [(every, int(frame)) for frame in order]
    spacing = frames[0][0].numbers("PixelSpacing", "PixelMeasuresSequence", frames[0][1])
    return SourceFrames(
        instances=tuple(str(header.dataset.get("SOPInstanceUID") or "") for header, _ in frames),
        frames=tuple(frame + 1 for _, frame in frames),
        positions=_positions(frames),
        directions=_directions(frames),
        spacing_mm=(spacing[0], spacing[1]) if len(spacing) == 2 and min(spacing) > 0 else None,
        frame_of_reference=str(headers[0].get("FrameOfReferenceUID") or ""),
    )


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
        return describe_frames(headers, [int(frame) for frame in order_of_frames(headers[0], slices)])
    return describe_frames(headers) if len(headers) == slices else None


def unit_steps(cosines: Sequence[float]) -> np.ndarray | None:
    """The unit vectors (3, 2) along x and y, as columns, of an orientation in six numbers; None where it is none."""
    if len(cosines) != 6:
        return None
    across, down = np.asarray(cosines[:3]), np.asarray(cosines[3:])
    lengths = np.linalg.norm(across), np.linalg.norm(down)
    if min(lengths) == 0 or abs(across @ down) > ORTHOGONAL_TOLERANCE * lengths[0] * lengths[1]:
        return None
    return np.column_stack([across / lengths[0], down / lengths[1]])


def _positions(frames: Sequence[tuple[FrameElements, int]]) -> np.ndarray | None:
    """Where all frames lie, if each has a place of its own."""
    first = frames[0][0]
    count = frame_count(first.dataset)
    if count > 1 and not first.own:  # one place is stated for all, and steps or vectors tell those of the others
        planes = planes_of_frames(first.dataset, count)
        places = [planes[frame].position for _, frame in frames]
        if len(frames) > 1 or places[0] is not None:
            return None if any(place is None for place in places) else np.array(places)
    stated = [header.numbers("ImagePositionPatient", "PlanePositionSequence", frame) for header, frame in frames]
    return np.array(stated) if all(len(position) == 3 for position in stated) else None


def _directions(frames: Sequence[tuple[FrameElements, int]]) -> np.ndarray | None:
    """The directions along x and y, where all frames have the same."""
    stated = [header.numbers("ImageOrientationPatient", "PlaneOrientationSequence", frame) for header, frame in frames]
    if any(len(each) != 6 or not np.allclose(each, stated[0], atol=ORTHOGONAL_TOLERANCE) for each in stated):
        return None
    return unit_steps(stated[0])


def _read_header(path: Path) -> "Dataset":
    import pydicom

    return pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(ELEMENTS))
