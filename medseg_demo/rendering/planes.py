"""The three planes of a volume: which pixels lie in them, and how a person wants to look at them.

Planes are those of the array, whatever part of the patient they cut: "axial" lies across z, "coronal" across y and
"sagittal" across x. Where the affine is known, each is named after what it cuts in the patient, and turned and flipped
so that head, front and the patient's right lie where radiologists expect them: the head at the top, or the front in an
axial plane; the right on the left, or the front in a sagittal plane.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from medseg_demo.image import MedicalImage
from medseg_demo.orientation import network_orientation

Plane = Literal["axial", "coronal", "sagittal"]
PLANES: tuple[Plane, ...] = get_args(Plane)

# The array axes (Z, Y, X = 0, 1, 2) that run across slices, down and to the right.
AXES: dict[Plane, tuple[int, int, int]] = {"axial": (0, 1, 2), "coronal": (1, 0, 2), "sagittal": (2, 0, 1)}

# From the origin of the patient's axes (LPS): the letters of the negative and of the positive direction.
DIRECTION_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))

# What a slice is called that lies across the patient's axes S, P and L: the order of ``network_orientation``.
NAMES = ("Axial", "Coronal", "Sagittal")


@dataclass(frozen=True)
class PlaneView:
    """How the slices of one plane are shown.

    Attributes:
        name: "Axial", "Coronal" or "Sagittal" where the affine says how the patient lies, else the array's axis:
            "Across z", "Across y" or "Across x".
        axes: The array axes (Z, Y, X = 0, 1, 2) that run across slices, down and to the right of the picture.
        count: Slices.
        size: [height, width] of a slice in pixels, before any reduction.
        spacing_mm: [down, right]; None where unknown.
        orientation: Letters at left, right, top and bottom; None where unknown.
        flips: Whether the picture runs against the array, [down, right].
        reduction: How many pixels one shown pixel stands for along each axis.
    """

    name: str
    axes: list[int]
    count: int
    size: list[int]
    spacing_mm: list[float] | None
    orientation: dict[str, str] | None
    flips: list[bool]
    reduction: int


def planes_of(image: MedicalImage) -> tuple[Plane, ...]:
    """All three for a volume, the axial one for an image."""
    return PLANES if image.is_volume else PLANES[:1]


def plane_view(image: MedicalImage, plane: Plane, max_side: int | None = None) -> PlaneView:
    """How one plane of an image is shown; one with a side longer than ``max_side`` is reduced by a whole factor."""
    shape = image.slices.shape
    affine, spacing = image.geometry.affine, image.geometry.spacing_mm
    (across, down, right), flips = _lie(image, plane)
    return PlaneView(
        name=_name(image, across),
        axes=[across, down, right],
        count=shape[across],
        size=[shape[down], shape[right]],
        spacing_mm=None if spacing is None else [float((1.0, *spacing)[axis - 3]) for axis in (down, right)],
        orientation=None if affine is None else orientation_letters(_shown_affine(affine, down, right, flips)),
        flips=flips,
        reduction=1 if max_side is None else -(-max(shape[down], shape[right]) // max_side),
    )


def cut(array: np.ndarray, plane: Plane, index: int) -> np.ndarray:
    """One slice of (Z, Y, X, …) as it lies in the array, a view; (Y, X) is its own only axial slice."""
    if array.ndim == 2:
        return array
    return np.moveaxis(array, AXES[plane][0], 0)[index]


def oriented(picture: np.ndarray, view: PlaneView) -> np.ndarray:
    """A cut, (Y, X) or (Y, X, C), as a person wants to see it, a view."""
    _, down, right = view.axes
    turned = picture if down < right else picture.swapaxes(0, 1)
    return turned[:: -1 if view.flips[0] else 1, :: -1 if view.flips[1] else 1]


def orientation_letters(affine: np.ndarray) -> dict[str, str]:
    """Where left, right, top and bottom of a slice point to in the patient (R, L, A, P, I, S).

    A second letter follows where the direction is more than about 24° off the first axis.

    Args:
        affine: Its first column runs to the right of the picture, its second one down.
    """
    right, bottom = affine[:3, 0], affine[:3, 1]
    return {"left": _letters(-right), "right": _letters(right), "top": _letters(-bottom), "bottom": _letters(bottom)}


def _lie(image: MedicalImage, plane: Plane) -> tuple[tuple[int, int, int], list[bool]]:
    """The plane's axes (across, down, right), and whether the picture runs against the array, [down, right].

    A DICOM image is stored as it is to be shown, and one without an affine is shown as it is stored.
    """
    affine = image.geometry.affine
    if affine is None or (not image.is_volume and image.file_format == "DICOM"):
        return AXES[plane], [False, False]
    across = AXES[plane][0]
    # It turns axes towards head, front and right, which is up and to the left in a picture.
    found = network_orientation(affine)
    down, right = (axis for axis in found.order if axis != across)
    return (across, down, right), [found.order.index(axis) not in found.flipped for axis in (down, right)]


def _name(image: MedicalImage, across: int) -> str:
    affine = image.geometry.affine
    if affine is None:
        return f"Across {'zyx'[across]}"
    return NAMES[network_orientation(affine).order.index(across)]


def _shown_affine(affine: np.ndarray, down: int, right: int, flips: list[bool]) -> np.ndarray:
    """Its columns run to the right and down; the affine's own are in the order x, y, z."""
    signs = [-1 if flip else 1 for flip in flips]
    return np.stack([signs[1] * affine[:3, 2 - right], signs[0] * affine[:3, 2 - down]], axis=1)


def _letters(direction: np.ndarray) -> str:
    shares = direction / (np.linalg.norm(direction) or 1)
    axes = [axis for axis in np.argsort(-np.abs(shares)) if abs(shares[axis]) > 0.4]
    return "".join(DIRECTION_LETTERS[axis][int(shares[axis] > 0)] for axis in axes)
