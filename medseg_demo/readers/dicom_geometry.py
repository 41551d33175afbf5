"""Where the pixels of a DICOM image lie: spacing and affine, also from the functional groups of enhanced images.

Source: DICOM PS3.3, C.7.6.2 (image plane), C.7.6.16.2 (functional groups), 10.7.1.3 (pixel spacing at the detector).
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.image import Geometry

if TYPE_CHECKING:
    from pydicom import Dataset

DETECTOR_NOTE = "The spacing is that at the detector; lengths in the body are somewhat smaller."
NO_SLICE_SPACING_NOTE = "The distance between the frames is not stated or not even, so the spacing is unknown."
# Frames count as evenly spaced where no step differs from the first by more than this share of it.
EVEN_TOLERANCE = 0.02
ORTHOGONAL_TOLERANCE = 1e-2


def numbers(dataset: "Dataset", keyword: str, *, group: str = "", frame: int = 0) -> tuple[float, ...]:
    """The finite numbers of one element; empty where it is absent or holds anything else.

    Args:
        dataset: The whole image.
        keyword: The element's keyword.
        group: The functional group that holds it in enhanced images.
        frame: The frame whose functional group is looked at.
    """
    for place in (dataset, *functional_groups(dataset, group, frame)):
        try:
            value = place.get(keyword)
            values = () if value is None else (value,) if isinstance(value, (int, float)) else tuple(value)
            found = tuple(float(v) for v in values)
        except (ValueError, TypeError, OverflowError, AttributeError):
            continue
        if found and all(math.isfinite(v) for v in found):
            return found
    return ()


def functional_groups(dataset: "Dataset", group: str, frame: int) -> list["Dataset"]:
    """The functional group of one frame, its own before the shared one; empty where there is none."""
    found = []
    for sequence, index in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
        items = dataset.get(sequence) if group else None
        inner = items[index].get(group) if items and index < len(items) else None
        if inner:
            found.append(inner[0])
    return found


def locate(dataset: "Dataset", frames: int) -> tuple[Geometry, tuple[str, ...]]:
    """Spacing and affine of an image, or of the volume that several frames make.

    Args:
        dataset: The image.
        frames: 0 for a single image, else the number of slices.

    Returns:
        The geometry, as far as it is stated, and notes on how it was found.
    """
    plane, notes = _plane_spacing(dataset)
    step = _step(dataset, frames) if frames else None
    if plane is None:
        return Geometry(), notes
    if frames and step is None:
        return Geometry(), (*notes, NO_SLICE_SPACING_NOTE)
    normal = unit_directions(dataset)
    spacing_mm = plane if step is None else (step[0], *plane)
    affine = None if normal is None else _affine(dataset, normal, plane, step)
    return Geometry(spacing_mm, affine), notes


def _plane_spacing(dataset: "Dataset") -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    stated = numbers(dataset, "PixelSpacing", group="PixelMeasuresSequence")
    if len(stated) == 2 and min(stated) > 0:
        return (stated[0], stated[1]), ()
    stated = numbers(dataset, "ImagerPixelSpacing")
    if len(stated) == 2 and min(stated) > 0:
        return (stated[0], stated[1]), (DETECTOR_NOTE,)
    return None, ()


def unit_directions(dataset: "Dataset") -> np.ndarray | None:
    """The unit vectors (3, 3) along x, along y, and normal to the image, as columns; None where unknown."""
    cosines = numbers(dataset, "ImageOrientationPatient", group="PlaneOrientationSequence")
    if len(cosines) != 6:
        return None
    across, down = np.asarray(cosines[:3]), np.asarray(cosines[3:])
    lengths = np.linalg.norm(across), np.linalg.norm(down)
    if min(lengths) == 0 or abs(across @ down) > ORTHOGONAL_TOLERANCE * lengths[0] * lengths[1]:
        return None
    across, down = across / lengths[0], down / lengths[1]
    return np.column_stack([across, down, np.cross(across, down)])


def _positions(dataset: "Dataset", frames: int) -> np.ndarray | None:
    found = [
        numbers(dataset, "ImagePositionPatient", group="PlanePositionSequence", frame=frame) for frame in range(frames)
    ]
    return np.asarray(found) if found and all(len(position) == 3 for position in found) else None


def _step(dataset: "Dataset", frames: int) -> tuple[float, np.ndarray | None] | None:
    """The distance between frames in mm, and its vector where the frames' own positions give it."""
    if "PerFrameFunctionalGroupsSequence" in dataset:
        positions = _positions(dataset, frames)
        if positions is not None and frames > 1:
            steps = np.diff(positions, axis=0)
            length = float(np.linalg.norm(steps[0]))
            is_even = np.abs(steps - steps[0]).max() <= EVEN_TOLERANCE * length
            return (length, steps[0]) if length > 0 and is_even else None
    between = numbers(dataset, "SpacingBetweenSlices", group="PixelMeasuresSequence")
    if between and between[0] > 0:
        return between[0], None
    offsets = np.diff(numbers(dataset, "GridFrameOffsetVector"))
    if len(offsets) == frames - 1 > 0 and offsets[0] != 0:
        is_even = np.abs(offsets - offsets[0]).max() <= EVEN_TOLERANCE * abs(offsets[0])
        return (abs(float(offsets[0])), None) if is_even else None
    return None


def _affine(
    dataset: "Dataset",
    directions: np.ndarray,
    plane: tuple[float, float],
    step: tuple[float, np.ndarray | None] | None,
) -> np.ndarray | None:
    """Indices (x, y, z, 1) to LPS mm; a single image gets 1 mm along its normal."""
    position = numbers(dataset, "ImagePositionPatient", group="PlanePositionSequence")
    if len(position) != 3:
        return None
    affine = np.eye(4)
    affine[:3, 0] = directions[:, 0] * plane[1]
    affine[:3, 1] = directions[:, 1] * plane[0]
    affine[:3, 2] = directions[:, 2] * (step[0] if step else 1.0)
    if step and step[1] is not None:
        affine[:3, 2] = step[1]
    affine[:3, 3] = position
    return affine
