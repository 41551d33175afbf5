"""On which slice of an image each frame of a segmentation lies: by the source frame that it names, and by its position.

Where both are stated they must agree. Without an image, the frames make a volume of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medseg_demo.errors import UnsupportedImageError
from medseg_demo.image import MedicalImage, SourceFrames
from medseg_demo.reading.dicom.elements import as_numbers, value_of
from medseg_demo.reading.dicom.slice_places import (
    REFUSED,
    Place,
    SlicePlaces,
    places_of,
    regular_places,
    slice_of,
)
from medseg_demo.reading.dicom.source_frames import FrameElements, read_source_frames, unit_steps
from medseg_demo.reading.grids import orientation_code
from medseg_demo.reading.source import Source

SAME_PLANE = 1e-3  # of direction cosines, and relative of spacings
NOT_ON_IMAGE = "the DICOM SEG does not lie on the image's pixels"
CHOOSE = "Choose one that was drawn on this image."


@dataclass(frozen=True, eq=False)
class FramePlane:
    """Where a frame lies, in LPS mm: its first pixel (3,), and the steps (3, 2) to the next column and the next row."""

    origin: np.ndarray
    steps: np.ndarray


@dataclass(frozen=True, eq=False)
class FramePlaces:
    """The frames of a segmentation among the slices of an image, or of a volume of their own.

    Attributes:
        slices: Of the image, or of the volume.
        is_of_image: Whether they are the image's.
        planes: Of each frame; None where it states no place.
        named: The source frames (the file, and the frame in it) that each frame names.
        rows: Of a frame.
        columns: Of a frame.
        in_other_space: Whether the segmentation and the image state different frames of reference.
        source: The file, for messages.
    """

    slices: SlicePlaces
    is_of_image: bool
    planes: Sequence[FramePlane | None]
    named: Sequence[Sequence[tuple[str, int]]]
    rows: int
    columns: int
    in_other_space: bool
    source: Source

    def place(self, frame: int) -> Place:
        """Where one frame lies.

        Raises:
            UnsupportedImageError: It does not lie on the voxels, or nothing tells where it lies.
        """
        known, plane = slice_of(self.named[frame], self.slices.named), self.planes[frame]
        if plane is None or self.slices.basis is None:
            return self._by_name(known)
        if known is None and self.in_other_space:
            raise UnsupportedImageError(
                f"{self.source.label}: {NOT_ON_IMAGE}: it states another frame of "
                f"reference, and names none of the image's files. {CHOOSE}"
            )
        place = self.slices.place(plane.origin, plane.steps, self.rows, self.columns)
        if place is None or place.offset > REFUSED:
            raise UnsupportedImageError(self._beside(place, plane))
        if known is not None and known != place.start[2]:
            raise UnsupportedImageError(
                f"{self.source.label}: {NOT_ON_IMAGE}: a frame names another slice "
                f"than the one that it lies on. {CHOOSE}"
            )
        return place

    def _by_name(self, known: int | None) -> Place:
        if known is None:
            raise UnsupportedImageError(
                f"{self.source.label}: the DICOM SEG does not tell on which slices of the image its frames lie. Export "
                "it with positions, or as NIfTI or NRRD."
            )
        if (self.rows, self.columns) != self.slices.shape[1:]:
            raise UnsupportedImageError(
                f"{self.source.label}: {NOT_ON_IMAGE}: its frames have "
                f"{self.columns} × {self.rows} pixels, the image {self.slices.shape[2]} × {self.slices.shape[1]}. "
                f"{CHOOSE}"
            )
        return Place((0, 0, known))

    def _beside(self, place: Place | None, plane: FramePlane) -> str:
        by = "lies at an angle to it" if place is None else f"lies {place.offset_mm:.3g} mm"
        voxels = "" if place is None else f" ({place.offset:.2g} voxels) beside them"
        theirs = orientation_code(_with_normal(plane.steps))
        assert self.slices.basis is not None
        ours = self.slices.basis if self.slices.affine is None else self.slices.affine
        stored = f"it is stored as {theirs}, the image as {orientation_code(ours)}"
        return f"{self.source.label}: {NOT_ON_IMAGE}: it {by}{voxels} ({stored}). {CHOOSE}"


def find_places(
    frames: FrameElements, count: int, rows: int, columns: int, image: MedicalImage | None, source: Source
) -> FramePlaces:
    """Look up where each frame of a segmentation lies.

    Args:
        frames: Its elements.
        count: How many frames it has.
        rows: Of a frame.
        columns: Of a frame.
        image: The image that it was drawn on. Without one, or where neither positions nor names tie the two together,
            the frames make a volume of their own.
        source: The file, for messages.

    Raises:
        UnsupportedImageError: There is no image, and the frames make no regular volume.
    """
    planes = [_plane(frames, frame) for frame in range(count)]
    named = [_named(frames, frame) for frame in range(count)]
    is_other = False
    if image is not None:
        origin = read_source_frames(image)
        slices = places_of(image, origin)
        theirs, ours = str(frames.dataset.get("FrameOfReferenceUID") or ""), origin and origin.frame_of_reference
        is_other = bool(theirs and ours and theirs != ours)
        if slices.basis is not None or any(slice_of(each, slices.named) is not None for each in named):
            return FramePlaces(slices, True, planes, named, rows, columns, is_other, source)
    slices = _own_volume(frames, planes, named, rows, columns, source)
    return FramePlaces(slices, False, planes, named, rows, columns, False, source)


def _plane(frames: FrameElements, frame: int) -> FramePlane | None:
    position = frames.numbers("ImagePositionPatient", "PlanePositionSequence", frame)
    steps = unit_steps(frames.numbers("ImageOrientationPatient", "PlaneOrientationSequence", frame))
    spacing = frames.numbers("PixelSpacing", "PixelMeasuresSequence", frame)
    if len(position) != 3 or steps is None or len(spacing) != 2 or min(spacing) <= 0:
        return None
    return FramePlane(np.array(position), steps * spacing[::-1])


def _named(frames: FrameElements, frame: int) -> list[tuple[str, int]]:
    """The source frames that a frame names. Without a number, the file is one of a single frame."""
    found = []
    for derivation in frames.group("DerivationImageSequence", frame):
        for item in value_of(derivation, "SourceImageSequence") or ():
            numbers = as_numbers(value_of(item, "ReferencedFrameNumber")) or (1,)
            found += [(str(item.get("ReferencedSOPInstanceUID") or ""), int(number)) for number in numbers]
    return found


def _own_volume(
    frames: FrameElements,
    planes: Sequence[FramePlane | None],
    named: Sequence[Sequence[tuple[str, int]]],
    rows: int,
    columns: int,
    source: Source,
) -> SlicePlaces:
    stated = [plane for plane in planes if plane is not None]
    if not stated:
        return _volume_by_names(named, rows, columns, source)
    steps = stated[0].steps
    spacing = np.linalg.norm(steps, axis=0)
    slices = None
    if len(stated) == len(planes) and all(
        np.abs((plane.steps - steps) / spacing).max() < SAME_PLANE for plane in stated
    ):
        positions = np.array([plane.origin for plane in stated])
        slices = regular_places(positions, steps, rows, columns, _thickness_mm(frames))
    if slices is None:
        raise UnsupportedImageError(
            f"{source.label}: the frames of the DICOM SEG lie on no regular grid. Give the image that it was drawn on "
            "with it, or export it as NIfTI or NRRD."
        )
    return slices


def _volume_by_names(
    named: Sequence[Sequence[tuple[str, int]]], rows: int, columns: int, source: Source
) -> SlicePlaces:
    """Frames without a place in the patient, such as of an ultrasound: in the order of the one file that they name."""
    names = sorted({name for each in named for name in each})
    if len({instance for instance, _ in names}) != 1 or any(len(each) != 1 for each in named):
        raise UnsupportedImageError(
            f"{source.label}: the DICOM SEG does not tell where its frames lie. Give the image that it was drawn on "
            "with it, or export it as NIfTI or NRRD."
        )
    origin = SourceFrames(tuple(instance for instance, _ in names), tuple(frame for _, frame in names))
    return SlicePlaces((len(names), rows, columns), frames=origin)


def _thickness_mm(frames: FrameElements) -> float:
    """The distance to the next slice, where there is only one: what is stated, else 1 mm as of any single image."""
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        found = frames.numbers(keyword, "PixelMeasuresSequence", 0)
        if found and found[0] > 0:
            return found[0]
    return 1.0


def _with_normal(steps: np.ndarray) -> np.ndarray:
    return np.column_stack([steps, np.cross(steps[:, 0], steps[:, 1])])
