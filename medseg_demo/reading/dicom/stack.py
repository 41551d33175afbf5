"""Where the slices of a series lie: spacing and affine from their positions, and what is unusual about them.

Slices run along the normal of their plane. The distance between them is measured along it, and the third column of the
affine is the real step from slice to slice, which leans where the gantry was tilted.
"""

from collections.abc import Sequence

import numpy as np

from medseg_demo.image import Geometry
from medseg_demo.reading.dicom.geometry import ROUNDING_MM, SAME_PLACE, judge_lean
from medseg_demo.reading.dicom.slice_headers import SliceHeader

# Gaps count as even where none differs from the median by more than this share of it: positions are often rounded.
EVEN_TOLERANCE = 0.1
# A gap this near to a multiple of the median means missing slices.
MULTIPLE_TOLERANCE = 0.15
# Share of a pixel by which slices may lie beside the line through the first and the last.
SIDEWAYS_TOLERANCE = 0.5

NO_POSITIONS = (
    "The files do not say where the slices lie: they are in the order of their instance numbers, and the distance "
    "between them is unknown."
)
PLANES = ("sagittal", "coronal", "axial")


def plane_name(header: SliceHeader) -> str:
    """The plane's name within 10 degrees, such as "axial", else "oblique"; nothing where it is unknown."""
    if header.directions is None:
        return ""
    along = np.abs(header.directions[:, 2])
    return PLANES[int(along.argmax())] if along.max() > np.cos(np.radians(10)) else "oblique"


def distances(headers: Sequence[SliceHeader]) -> np.ndarray | None:
    """How far along the first one's normal each image lies, in mm; None where one of them does not say."""
    directions = headers[0].directions
    positions = [header.position for header in headers if header.position is not None]
    if directions is None or len(positions) < len(headers):
        return None
    return np.asarray(positions) @ directions[:, 2]


def group_places(headers: Sequence[SliceHeader]) -> list[list[SliceHeader]]:
    """The images at each place, places in the order of the slices and images by their rank."""
    along = distances(headers)
    if along is None:
        return [[header] for header in sorted(headers, key=lambda header: (header.rank[-1], header.rank, header.path))]
    order = np.argsort(along, kind="stable")
    gaps = np.diff(along[order])
    real = gaps[gaps > ROUNDING_MM]
    limit = SAME_PLACE * float(np.median(real)) if real.size else np.inf
    places = [[headers[order[0]]]]
    for index, gap in zip(order[1:], gaps, strict=True):
        if gap > limit:
            places.append([])
        places[-1].append(headers[index])
    return [sorted(place, key=lambda header: (header.rank, header.path)) for place in places]


def lay_out(headers: Sequence[SliceHeader]) -> tuple[Geometry, tuple[str, ...]]:
    """Spacing and affine of a volume, and what is unusual about its slices.

    Args:
        headers: At least two slices of one plane and size, in their order, each at a place of its own.

    Returns:
        The geometry, as far as it is stated, and notes. Where slices are not evenly spaced, their median distance
        counts.
    """
    along, plane = distances(headers), headers[0].spacing_mm
    if along is None:
        return Geometry(), (NO_POSITIONS,)
    positions = np.asarray([header.position for header in headers])
    gaps = np.diff(along)
    between, notes = _judge_gaps(gaps)
    normal = headers[0].directions[:, 2]  # type: ignore[index]
    lean, tilt = judge_lean((positions[-1] - positions[0]) / (along[-1] - along[0]), normal)
    notes += tilt
    sideways = np.linalg.norm(positions - positions[0] - np.outer(along - along[0], lean), axis=1).max()
    if sideways > SIDEWAYS_TOLERANCE * (min(plane) if plane else 1.0):
        notes += (f"Slices are shifted sideways by up to {sideways:.3g} mm, which the volume does not show.",)
    if plane is None:
        return Geometry(), notes
    affine = np.eye(4)
    affine[:3, :2] = headers[0].directions[:, :2] * plane[::-1]  # type: ignore[index]
    affine[:3, 2] = lean * between
    affine[:3, 3] = positions[0]
    return Geometry((between, *plane), affine), notes


def _judge_gaps(gaps: np.ndarray) -> tuple[float, tuple[str, ...]]:
    """The distance between slices that counts, and notes on those that differ."""
    usual = float(np.median(gaps))
    ratios = gaps / usual
    if np.abs(ratios - 1).max() <= EVEN_TOLERANCE:
        return float(gaps.mean()), ()
    multiples = np.rint(ratios)
    if np.abs(ratios - multiples).max() <= MULTIPLE_TOLERANCE and multiples.min() == 1:
        return usual, (_missing_note(gaps, multiples.astype(int), usual),)
    return usual, (
        f"The slices are not evenly spaced: {gaps.min():.3g} to {gaps.max():.3g} mm apart. The median, {usual:.3g} mm, "
        "counts, so volumes and distances are estimates.",
    )


def _missing_note(gaps: np.ndarray, multiples: np.ndarray, usual: float) -> str:
    missing, total = int((multiples - 1).sum()), int(multiples.sum()) + 1
    first = int(np.flatnonzero(multiples > 1)[0]) + 2  # counted from 1, the missing ones too
    which = f"Slice {first} of {total} seems" if missing == 1 else f"{missing} of {total} slices seem"
    start = "" if missing == 1 else f" (the first is slice {first})"
    return (
        f"{which} to be missing{start}: the gap is {gaps.max():.3g} mm, others {usual:.3g} mm. "
        "The volume is too short there, and what lies behind is misplaced."
    )
