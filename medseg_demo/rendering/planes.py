"""The three planes of a volume: which pixels lie in them, and how a person wants to look at them.

Planes are those of the array: "axial" is (Y, X) at z, "coronal" (Z, X) at y and "sagittal" (Z, Y) at x, whatever
part of the patient they cut. Where the affine is known, each is flipped so that head, front and the patient's right
lie where radiologists expect them (top, top and left), and named after what it cuts.
"""

from dataclasses import dataclass
from itertools import permutations
from typing import Literal, get_args

import numpy as np

from medseg_demo.image import MedicalImage

Plane = Literal["axial", "coronal", "sagittal"]
PLANES: tuple[Plane, ...] = get_args(Plane)

# The array axes (Z, Y, X = 0, 1, 2) that run across slices, down and to the right.
AXES: dict[Plane, tuple[int, int, int]] = {"axial": (0, 1, 2), "coronal": (1, 0, 2), "sagittal": (2, 0, 1)}

# From the origin of the patient's axes (LPS): the letters of the negative and of the positive direction.
DIRECTION_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))

# What a slice is called whose normal runs along the patient's axes L, P and S.
NAMES = ("Sagittal", "Coronal", "Axial")


@dataclass(frozen=True)
class PlaneView:
    """How the slices of one plane are shown.

    Attributes:
        name: "Axial", "Coronal" or "Sagittal": after the patient where the affine says, else after the array.
        count: Slices.
        size: [height, width] of a slice in pixels, before any reduction.
        spacing_mm: [down, right]; None where unknown.
        orientation: Letters at left, right, top and bottom; None where unknown.
        flips: Whether the picture runs against the array, [down, right].
    """

    name: str
    count: int
    size: list[int]
    spacing_mm: list[float] | None
    orientation: dict[str, str] | None
    flips: list[bool]


def planes_of(image: MedicalImage) -> tuple[Plane, ...]:
    """All three for a volume, the axial one for an image."""
    return PLANES if image.is_volume else PLANES[:1]


def plane_view(image: MedicalImage, plane: Plane) -> PlaneView:
    """How one plane of an image is shown."""
    across, down, right = AXES[plane]
    shape = image.slices.shape
    affine, spacing = image.geometry.affine, image.geometry.spacing_mm
    flips = _flips(image, plane)
    return PlaneView(
        name=plane.capitalize() if affine is None else _names(affine)[plane],
        count=shape[across],
        size=[shape[down], shape[right]],
        spacing_mm=None if spacing is None else [float((1.0, *spacing)[axis - 3]) for axis in (down, right)],
        orientation=None if affine is None else orientation_letters(_shown_affine(affine, plane, flips)),
        flips=flips,
    )


def cut(array: np.ndarray, plane: Plane, index: int) -> np.ndarray:
    """One slice of (Z, Y, X, …) as it lies in the array, a view; (Y, X) is its own only axial slice."""
    if array.ndim == 2:
        return array
    return np.moveaxis(array, AXES[plane][0], 0)[index]


def oriented(picture: np.ndarray, flips: list[bool]) -> np.ndarray:
    """A cut as a person wants to see it, a view."""
    down, right = flips
    return picture[:: -1 if down else 1, :: -1 if right else 1]


def orientation_letters(affine: np.ndarray) -> dict[str, str]:
    """Where left, right, top and bottom of a slice point to in the patient (R, L, A, P, I, S).

    A second letter follows where the direction is more than about 24° off the first axis.

    Args:
        affine: Its first column runs to the right of the picture, its second one down.
    """
    right, bottom = affine[:3, 0], affine[:3, 1]
    return {"left": _letters(-right), "right": _letters(right), "top": _letters(-bottom), "bottom": _letters(bottom)}


def _flips(image: MedicalImage, plane: Plane) -> list[bool]:
    """Slices of a series are stored as they are to be shown, so only a volume's are flipped."""
    affine = image.geometry.affine
    if affine is None or not image.is_volume:
        return [False, False]
    _, down, right = (_direction(affine, axis) for axis in AXES[plane])
    return [_runs_up(down), _runs_left(right)]


def _direction(affine: np.ndarray, axis: int) -> np.ndarray:
    """Of an array axis (Z, Y, X = 0, 1, 2) in the patient; the affine's columns are in the order x, y, z."""
    return affine[:3, 2 - axis]


def _runs_up(direction: np.ndarray) -> bool:
    """Down a picture lie the feet, the back, or the patient's left."""
    axis = int(np.abs(direction).argmax())
    return bool(direction[axis] > 0 if axis == 2 else direction[axis] < 0)


def _runs_left(direction: np.ndarray) -> bool:
    """To the right of a picture lie the patient's left, the back, or the head."""
    return bool(direction[np.abs(direction).argmax()] < 0)


def _shown_affine(affine: np.ndarray, plane: Plane, flips: list[bool]) -> np.ndarray:
    _, down, right = AXES[plane]
    signs = [-1 if flip else 1 for flip in flips]
    return np.stack([signs[1] * _direction(affine, right), signs[0] * _direction(affine, down)], axis=1)


def _names(affine: np.ndarray) -> dict[Plane, str]:
    """Each plane named after the patient's axis that its normal follows most, no name twice."""
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    shares = np.abs(affine[:3, :3] / np.where(lengths == 0, 1, lengths))
    normals = [shares[:, 2 - AXES[plane][0]] for plane in PLANES]
    best = max(
        permutations(range(3)),
        key=lambda order: sum(normal[axis] for normal, axis in zip(normals, order, strict=True)),
    )
    return {plane: NAMES[axis] for plane, axis in zip(PLANES, best, strict=True)}


def _letters(direction: np.ndarray) -> str:
    shares = direction / (np.linalg.norm(direction) or 1)
    axes = [axis for axis in np.argsort(-np.abs(shares)) if abs(shares[axis]) > 0.4]
    return "".join(DIRECTION_LETTERS[axis][int(shares[axis] > 0)] for axis in axes)
