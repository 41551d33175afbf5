"""Where slices lie: their order, spacing and affine, and what is unusual about them.

The same rules for the slices of a series and the frames of a file. Slices run along the normal of their plane; the
distance between them is measured along it, and the third column of the affine is the real step from slice to slice,
which leans where the gantry was tilted.
"""

from collections.abc import Sequence

import numpy as np

from medseg_demo.image import Geometry
from medseg_demo.reading.dicom.planes import Plane

# Two planes lie at one place where their gap is below a share of the usual one. Gaps below a share of a pixel, or in
# mm where that is unknown, are the rounding of positions, and none between slices.
SAME_PLACE, ROUNDING, ROUNDING_MM = 0.01, 0.02, 1e-4
# Gaps count as even where none differs from the median by more than this share of it: positions are often rounded.
EVEN_TOLERANCE = 0.1
# A gap this near to a multiple of the median means missing slices.
MULTIPLE_TOLERANCE = 0.15
# Share of a pixel by which slices may lie beside the line through the first and the last.
SIDEWAYS_TOLERANCE = 0.5
# Degrees. A smaller lean is the rounding of positions and is straightened; from the second on it is told.
STRAIGHT, TILTED = 0.05, 0.5

NO_POSITIONS = (
    "The files do not say where the slices lie: they are in the order of their instance numbers, and the distance "
    "between them is unknown."
)
NO_DISTANCE = "The distance between the frames is not stated, so the spacing is unknown."
PLANES = ("sagittal", "coronal", "axial")


def plane_name(plane: Plane) -> str:
    """The plane's name within 10 degrees, such as "axial", else "oblique"; nothing where it is unknown."""
    if plane.directions is None:
        return ""
    along = np.abs(plane.directions[:, 2])
    return PLANES[int(along.argmax())] if along.max() > np.cos(np.radians(10)) else "oblique"


def along(planes: Sequence[Plane]) -> np.ndarray | None:
    """How far along the first one's normal each plane lies, in mm or in slots; None where one of them does not say."""
    directions = planes[0].directions
    positions = [plane.position for plane in planes if plane.position is not None]
    if directions is not None and len(positions) == len(planes):
        return np.asarray(positions) @ directions[:, 2]
    slots = [plane.slot for plane in planes if plane.slot is not None]
    return np.asarray(slots) * (planes[0].step_mm or 1.0) if len(slots) == len(planes) else None


def is_even(planes: Sequence[Plane]) -> bool:
    """Whether planes in their order are as far from each other as rounding allows."""
    places_mm = along(planes)
    gaps = np.ones(1) if places_mm is None or len(planes) < 2 else np.diff(places_mm)
    return bool(np.abs(gaps / np.median(gaps) - 1).max() <= EVEN_TOLERANCE)


def places(planes: Sequence[Plane], indices: Sequence[int]) -> list[list[int]]:
    """The planes at each place, places in the order of the slices and planes by their numbers."""
    chosen = [planes[index] for index in indices]
    where = along(chosen)
    if where is None:
        return [[index] for index in sorted(indices, key=lambda index: (planes[index].number, index))]
    order = np.argsort(where, kind="stable")
    gaps = np.diff(where[order])
    spacing = chosen[0].spacing_mm
    real = gaps[gaps > max(ROUNDING_MM, ROUNDING * min(spacing) if spacing else 0.0)]
    limit = SAME_PLACE * float(np.median(real)) if real.size else np.inf
    limit = max(limit, ROUNDING_MM, ROUNDING * min(spacing) if spacing else 0.0)
    found = [[indices[order[0]]]]
    for place, gap in zip(order[1:], gaps, strict=True):
        if gap > limit:
            found.append([])
        found[-1].append(indices[place])
    return [sorted(place, key=lambda index: (planes[index].number, index)) for place in found]


def lay_out(planes: Sequence[Plane]) -> tuple[Geometry, tuple[str, ...]]:
    """Spacing and affine of a volume, and what is unusual about its slices.

    Args:
        planes: Of one size and orientation, in their order, each at a place of its own.

    Returns:
        The geometry, as far as it is stated, and notes. Where slices are not evenly spaced, their median distance
        counts. A single plane has 1 mm along its normal.
    """
    first, where = planes[0], along(planes)
    if len(planes) == 1:
        is_placed = first.spacing_mm is not None and first.position is not None and first.directions is not None
        return Geometry(first.spacing_mm, _affine(first, first.directions[:, 2]) if is_placed else None), ()  # type: ignore[index]
    if where is None:
        return Geometry(), (NO_POSITIONS,)
    if first.position is None and first.step_mm is None:
        return Geometry(), (NO_DISTANCE,)
    between, notes = _judge_gaps(np.diff(where))
    if first.position is None or first.directions is None:
        return Geometry(None if first.spacing_mm is None else (between, *first.spacing_mm)), notes
    positions = np.asarray([plane.position for plane in planes])
    lean, tilt = _judge_lean((positions[-1] - positions[0]) / (where[-1] - where[0]), first.directions[:, 2])
    sideways = np.linalg.norm(positions - positions[0] - np.outer(where - where[0], lean), axis=1).max()
    notes += tilt
    if sideways > SIDEWAYS_TOLERANCE * (min(first.spacing_mm) if first.spacing_mm else 1.0):
        notes += (f"Slices are shifted sideways by up to {sideways:.3g} mm, which the volume does not show.",)
    if first.spacing_mm is None:
        return Geometry(), notes
    return Geometry((between, *first.spacing_mm), _affine(first, lean * between)), notes


def _affine(first: Plane, step: np.ndarray) -> np.ndarray:
    """Indices (x, y, z, 1) to LPS mm of slices a step (3,) apart, the first of which is this one."""
    affine = np.eye(4)
    affine[:3, :2] = first.directions[:, :2] * first.spacing_mm[::-1]  # type: ignore[index]
    affine[:3, 2], affine[:3, 3] = step, first.position
    return affine


def _judge_lean(lean: np.ndarray, normal: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
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


def _judge_gaps(gaps: np.ndarray) -> tuple[float, tuple[str, ...]]:
    """The distance between slices that counts, and notes on those that differ."""
    usual = float(np.median(gaps))
    ratios = gaps / usual
    if np.abs(ratios - 1).max() <= EVEN_TOLERANCE:
        return float(gaps.mean()), ()
    multiples = np.rint(ratios)
    if np.abs(ratios - multiples).max() <= MULTIPLE_TOLERANCE and multiples.min() == 1:
        missing, total = int((multiples - 1).sum()), int(multiples.sum()) + 1
        which = int(np.flatnonzero(multiples > 1)[0]) + 2  # counted from 1, the missing ones too
        some = f"{missing} of {total} slices seem to be missing (the first is slice {which})"
        one = f"Slice {which} of {total} seems to be missing"
        return usual, (
            f"{one if missing == 1 else some}: the gap is {gaps.max():.3g} mm, others {usual:.3g} mm. "
            "The volume is too short there, and what lies behind is misplaced.",
        )
    return usual, (
        f"The slices are not evenly spaced: {gaps.min():.3g} to {gaps.max():.3g} mm apart. The median, {usual:.3g} mm, "
        "counts, so volumes and distances are estimates.",
    )
