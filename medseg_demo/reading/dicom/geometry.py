"""Where the pixels of a DICOM image lie: spacing and affine, also from the functional groups of enhanced images.

Frames are stacked as the slices of a series are: along the normal of their plane, the distance measured along it.

Source: DICOM PS3.3, C.7.6.2 (image plane), C.7.6.16.2 (functional groups), 10.7.1.3 (pixel spacing at the detector).
"""

import math
from dataclasses import dataclass
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
# Degrees. A smaller lean is the rounding of positions and is straightened; from the second on it is told.
STRAIGHT, TILTED = 0.05, 0.5
# Share of the usual gap below which two images lie at one place; gaps below the second, in mm, are rounding.
SAME_PLACE, ROUNDING_MM = 0.01, 1e-4


@dataclass(frozen=True, eq=False)
class Stack:
    """How the frames of one file make slices.

    Attributes:
        order: (Z,) the frame of each slice, from 0: along the normal; as stored where their places do not tell.
        origin: (3,) of the first slice's first pixel, LPS mm; None where unknown.
        between_mm: Distance between the planes; None where it is unknown or not even.
        step: (3,) from slice to slice, LPS mm, leaning where they are tilted; None where the positions do not tell.
        notes: What is unusual about them.
    """

    order: np.ndarray
    origin: np.ndarray | None = None
    between_mm: float | None = None
    step: np.ndarray | None = None
    notes: tuple[str, ...] = ()


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


def locate(dataset: "Dataset", stack: Stack | None = None) -> tuple[Geometry, tuple[str, ...]]:
    """Spacing and affine of an image, or of the volume that several frames make.

    Args:
        dataset: The image.
        stack: Its frames, from ``stack_frames``; None for a single image.

    Returns:
        The geometry, as far as it is stated, and notes on how it was found.
    """
    plane, notes = _plane_spacing(dataset)
    notes += stack.notes if stack else ()
    if plane is None:
        return Geometry(), notes
    if stack and stack.between_mm is None:
        return Geometry(), notes if stack.notes else (*notes, NO_SLICE_SPACING_NOTE)
    spacing_mm = plane if stack is None else (stack.between_mm, *plane)
    return Geometry(spacing_mm, _affine(dataset, plane, stack)), notes  # type: ignore[arg-type]


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


def judge_lean(lean: np.ndarray, normal: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The direction in which slices are stacked, and a note where it is tilted.

    Args:
        lean: (3,) from slice to slice for each mm along the normal.
        normal: (3,) of the slices, of length 1.

    Returns:
        ``lean``, or the normal where they differ by no more than the rounding of positions.
    """
    angle = float(np.degrees(np.arccos(min(1.0, 1 / float(np.linalg.norm(lean))))))
    if angle < STRAIGHT:
        return normal, ()
    if angle <= TILTED:
        return lean, ()
    return lean, (
        f"The slices are tilted by {angle:.1f}° against the way they are stacked (gantry tilt). The affine keeps the "
        "tilt; distances across slices are measured as if they were stacked straight.",
    )


def stack_frames(dataset: "Dataset", frames: int) -> Stack:
    """The order of a file's frames and the distance between them.

    Frames of several volumes, which repeat their places, stay as they are stored, and a note says so.
    """
    stored, positions, directions = np.arange(frames), _positions(dataset, frames), unit_directions(dataset)
    if positions is None or frames < 2:
        origin = numbers(dataset, "ImagePositionPatient", group="PlanePositionSequence")
        return Stack(stored, np.asarray(origin) if len(origin) == 3 else None, _stated_distance(dataset, frames))
    if directions is None or not _are_parallel(dataset, frames):
        return Stack(stored, positions[0], _even_length(np.diff(positions, axis=0)) if directions is None else None)
    along = positions @ directions[:, 2]
    order = np.argsort(along, kind="stable")
    repeats = _repeats(along[order])
    if repeats:
        return Stack(stored, positions[0], notes=(repeats,))
    positions = positions[order]
    steps = np.diff(positions, axis=0)
    if _even_length(steps) is None:
        return Stack(order, positions[0])
    step = steps.mean(axis=0)
    between = float(step @ directions[:, 2])
    lean, notes = judge_lean(step / between, directions[:, 2])
    return Stack(order, positions[0], between, lean * between, notes)


def _positions(dataset: "Dataset", frames: int) -> np.ndarray | None:
    """(Z, 3) as every frame states its own, or as offsets along the normal state them (dose grids)."""
    if "PerFrameFunctionalGroupsSequence" in dataset:
        group = "PlanePositionSequence"
        found = [numbers(dataset, "ImagePositionPatient", group=group, frame=frame) for frame in range(frames)]
        return np.asarray(found) if all(len(position) == 3 for position in found) else None
    origin, directions = numbers(dataset, "ImagePositionPatient"), unit_directions(dataset)
    offsets = numbers(dataset, "GridFrameOffsetVector")
    if len(origin) != 3 or len(offsets) != frames or directions is None:
        return None
    return np.asarray(origin) + np.outer(np.subtract(offsets, offsets[0]), directions[:, 2])


def _are_parallel(dataset: "Dataset", frames: int) -> bool:
    """Whether all frames have one orientation; only those of enhanced images may differ."""
    if "PerFrameFunctionalGroupsSequence" not in dataset:
        return True
    group = "PlaneOrientationSequence"
    cosines = [numbers(dataset, "ImageOrientationPatient", group=group, frame=frame) for frame in range(frames)]
    return all(np.allclose(each, cosines[0], atol=ORTHOGONAL_TOLERANCE) for each in cosines if len(each) == 6)


def _even_length(steps: np.ndarray) -> float | None:
    """The length of steps (N, 3) or (N, 1) that are all alike."""
    length = float(np.linalg.norm(steps[0]))
    return length if length > 0 and np.abs(steps - steps[0]).max() <= EVEN_TOLERANCE * length else None


def _repeats(along: np.ndarray) -> str:
    """What to say where frames lie at one place; nothing where they do not.

    Args:
        along: (Z,) the frames' places along the normal in mm, sorted.
    """
    gaps = np.diff(along)
    real = gaps[gaps > ROUNDING_MM]
    is_new = gaps > (SAME_PLACE * np.median(real) if real.size else np.inf)
    counts = np.diff(np.flatnonzero([True, *is_new, True]))
    if is_new.all():
        return ""
    if len(counts) == 1:
        return (
            f"All {len(along)} frames lie at one place, such as moments in time, so there is no distance between them."
        )
    if (counts == counts[0]).all():
        return (
            f"The file holds {counts[0]} volumes of {len(counts)} slices at the same places, such as times or echoes. "
            "They are read as one stack in the order of the file, and the distance between slices is unknown. Save "
            "each volume as a file of its own."
        )
    return (
        "Some frames lie at the same place, as where a file holds several volumes (times, echoes). All are read as one "
        "stack in the order of the file, and the distance between slices is unknown."
    )


def _stated_distance(dataset: "Dataset", frames: int) -> float | None:
    """The distance between frames in mm, where the file states it for all of them."""
    between = numbers(dataset, "SpacingBetweenSlices", group="PixelMeasuresSequence")
    if between and between[0] > 0:
        return between[0]
    offsets = numbers(dataset, "GridFrameOffsetVector")
    return _even_length(np.diff(offsets)[:, None]) if len(offsets) == frames > 1 else None


def _affine(dataset: "Dataset", plane: tuple[float, float], stack: Stack | None) -> np.ndarray | None:
    """Indices (x, y, z, 1) to LPS mm; a single image gets 1 mm along its normal."""
    directions = unit_directions(dataset)
    stated = numbers(dataset, "ImagePositionPatient", group="PlanePositionSequence")
    origin = stack.origin if stack else np.asarray(stated) if len(stated) == 3 else None
    if directions is None or origin is None:
        return None
    affine = np.eye(4)
    affine[:3, :2] = directions[:, :2] * plane[::-1]
    affine[:3, 2] = directions[:, 2] * ((stack and stack.between_mm) or 1.0)
    if stack and stack.step is not None:
        affine[:3, 2] = stack.step
    affine[:3, 3] = origin
    return affine
