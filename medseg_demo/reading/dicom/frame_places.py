"""On which slice of an image each frame of a segmentation lies: by the source frame that it names, and by its position.

Where both are stated they must agree. Without an image, the frames make a volume of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.errors import UnsupportedImageError
from medseg_demo.image import MedicalImage, SourceFrames
from medseg_demo.reading.dicom.dataset import as_numbers, first, group_items, items, value_of
from medseg_demo.reading.dicom.pixel_format import PixelFormat
from medseg_demo.reading.dicom.planes import MEASURES, pixel_spacing, position_of, unit_directions
from medseg_demo.reading.dicom.slice_places import REFUSED, Place, SlicePlaces, places_of, regular_places, slice_of
from medseg_demo.reading.grids import orientation_code
from medseg_demo.reading.source import Source

if TYPE_CHECKING:
    from pydicom import Dataset

SAME_PLANE = 1e-3  # of direction cosines, and relative of spacings
NOT_ON_IMAGE = "the DICOM SEG does not lie on the image's pixels"
CHOOSE = "Choose one that was drawn on this image."


# Where a frame lies, in LPS mm: its first pixel (3,), and the steps (3, 2) to the next column and the next row.
FramePlane = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class FramePlaces:
    """The frames of a segmentation among the slices of an image, or of a volume of their own.

    Attributes:
        slices: Of the image, or of the volume.
        is_of_image: Whether they are the image's.
        planes: Of each frame; None where it states no place.
        named: The source frames (the file, and the frame in it) that each frame names.
        pixels: How a frame is stored.
        in_other_space: Whether the segmentation and the image state different frames of reference.
        source: The file, for messages.
    """

    slices: SlicePlaces
    is_of_image: bool
    planes: Sequence[FramePlane | None]
    named: Sequence[Sequence[tuple[str, int]]]
    pixels: PixelFormat
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
            raise self._not_on_image("it states another frame of reference, and names none of the image's files")
        place = self.slices.place(*plane, self.pixels.rows, self.pixels.columns)
        if place is None or place.offset > REFUSED:
            raise self._not_on_image(self._beside(place, plane[1]))
        if known is not None and known != place.start[2]:
            raise self._not_on_image("a frame names another slice than the one that it lies on")
        return place

    def _by_name(self, known: int | None) -> Place:
        if known is None:
            raise UnsupportedImageError(
                f"{self.source.label}: the DICOM SEG does not tell on which slices of the image its frames lie. Export "
                "it with positions, or as NIfTI or NRRD."
            )
        rows, columns = self.slices.shape[1:]
        if (self.pixels.rows, self.pixels.columns) != (rows, columns):
            sizes = f"{self.pixels.columns} × {self.pixels.rows} pixels, the image {columns} × {rows}"
            raise self._not_on_image(f"its frames have {sizes}")
        return Place((0, 0, known))

    def _not_on_image(self, reason: str) -> UnsupportedImageError:
        return UnsupportedImageError(f"{self.source.label}: {NOT_ON_IMAGE}: {reason}. {CHOOSE}")

    def _beside(self, place: Place | None, steps: np.ndarray) -> str:
        ours = self.slices.basis if self.slices.affine is None else self.slices.affine
        assert ours is not None
        theirs = orientation_code(np.column_stack([steps, np.cross(steps[:, 0], steps[:, 1])]))
        stored = f"it is stored as {theirs}, the image as {orientation_code(ours)}"
        if place is None:
            return f"it lies at an angle to it ({stored})"
        return f"it lies {place.offset_mm:.3g} mm ({place.offset:.2g} voxels) beside them ({stored})"


def find_places(dataset: "Dataset", pixels: PixelFormat, image: MedicalImage | None, source: Source) -> FramePlaces:
    """Look up where each frame of a segmentation lies.

    Args:
        dataset: Its header.
        pixels: How its frames are stored.
        image: The image that it was drawn on. Without one, or where neither positions nor names tie the two together,
            the frames make a volume of their own.
        source: The file, for messages.

    Raises:
        UnsupportedImageError: There is no image, and the frames make no regular volume.
    """
    planes = [_plane(dataset, frame) for frame in range(pixels.frames)]
    named = [_named(dataset, frame) for frame in range(pixels.frames)]
    if image is not None:
        slices = places_of(image)
        theirs, ours = str(dataset.get("FrameOfReferenceUID") or ""), slices.frames and slices.frames.frame_of_reference
        is_other = bool(theirs and ours and theirs != ours)
        if slices.basis is not None or any(slice_of(each, slices.named) is not None for each in named):
            return FramePlaces(slices, True, planes, named, pixels, is_other, source)
    return FramePlaces(_own_volume(dataset, planes, named, pixels, source), False, planes, named, pixels, False, source)


def _plane(dataset: "Dataset", frame: int) -> FramePlane | None:
    position, directions = position_of(dataset, frame), unit_directions(dataset, frame)
    spacing, _ = pixel_spacing(dataset, frame)
    if position is None or directions is None or spacing is None:
        return None
    return position, directions[:, :2] * spacing[::-1]


def _named(dataset: "Dataset", frame: int) -> list[tuple[str, int]]:
    """The source frames that a frame names. Without a number, the file is one of a single frame."""
    found = []
    for derivation in group_items(dataset, "DerivationImageSequence", frame):
        for item in items(derivation, "SourceImageSequence"):
            numbers = as_numbers(value_of(item, "ReferencedFrameNumber")) or (1,)
            found += [(str(item.get("ReferencedSOPInstanceUID") or ""), int(number)) for number in numbers]
    return found


def _own_volume(
    dataset: "Dataset",
    planes: Sequence[FramePlane | None],
    named: Sequence[Sequence[tuple[str, int]]],
    pixels: PixelFormat,
    source: Source,
) -> SlicePlaces:
    """The least volume of the frames: by their places, or in the order of the one file that they name.

    A single slice has the thickness that is stated, else 1 mm as any single image.
    """
    stated = [plane for plane in planes if plane is not None]
    if not stated:  # such as of an ultrasound
        names = sorted({name for each in named for name in each})
        if len({instance for instance, _ in names}) == 1 and all(len(each) == 1 for each in named):
            origin = SourceFrames(tuple(instance for instance, _ in names), tuple(frame for _, frame in names))
            return SlicePlaces((len(names), pixels.rows, pixels.columns), frames=origin)
    elif len(stated) == len(planes):
        steps = stated[0][1]
        spacing = np.linalg.norm(steps, axis=0)
        if all(np.abs((each - steps) / spacing).max() < SAME_PLANE for _, each in stated):
            keywords = ("SpacingBetweenSlices", "SliceThickness")
            stated_mm = [first(dataset, keyword, 0.0, group=MEASURES) for keyword in keywords]
            thickness_mm = next((each for each in stated_mm if each > 0), 1.0)
            positions = np.array([origin for origin, _ in stated])
            slices = regular_places(positions, steps, pixels.rows, pixels.columns, thickness_mm)
            if slices is not None:
                return slices
    raise UnsupportedImageError(
        f"{source.label}: the frames of the DICOM SEG lie on no regular grid. Give the image that it was drawn on with "
        "it, or export it as NIfTI or NRRD."
    )
