"""A reference mask and its prediction, with the work that several metrics share."""

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from evaluation.metrics.borders import SurfaceDistances, border_distances
from evaluation.metrics.components import LesionCounts, count_lesions
from evaluation.metrics.counts import Counts, count


@dataclass(frozen=True, eq=False)
class MaskPair:
    """Two masks of one class of a case, cut to the box that holds the foreground of both.

    Attributes:
        reference: Boolean, the reference's part inside the box.
        prediction: Boolean, the prediction's part inside the box.
        shape: That of the whole image.
        spacing: Distance between pixel centres along each axis; None where it is unknown.
        tolerance: Of the surface Dice, in the unit of the spacing, or in px.
    """

    reference: np.ndarray
    prediction: np.ndarray
    shape: tuple[int, ...]
    spacing: tuple[float, ...] | None = None
    tolerance: float = field(default=1.0, kw_only=True)

    @property
    def steps(self) -> tuple[float, ...]:
        """The spacing, or one pixel along each axis where it is unknown."""
        return self.spacing or (1.0,) * len(self.shape)

    @cached_property
    def counts(self) -> Counts:
        """The confusion table over the whole image."""
        return count(self.reference, self.prediction, pixels=math.prod(self.shape))

    @cached_property
    def lesions(self) -> LesionCounts:
        """The single lesions of both masks."""
        return count_lesions(self.reference, self.prediction)

    @cached_property
    def distances(self) -> SurfaceDistances:
        """The distances between the two borders."""
        if self.counts.reference and self.counts.prediction:
            return SurfaceDistances(*border_distances(self.reference, self.prediction, self.steps))
        # With the other mask empty the number of border pixels matters to no metric: one stands for all.
        return SurfaceDistances(
            np.full(min(self.counts.reference, 1), np.inf), np.full(min(self.counts.prediction, 1), np.inf)
        )


def make_pair(
    reference: np.ndarray, prediction: np.ndarray, *, spacing: object = None, tolerance: float = 1.0
) -> MaskPair:
    """Check two masks and cut them to the box that holds the foreground of both.

    Args:
        reference: Boolean, (Y, X) or (Z, Y, X).
        prediction: The same, of the same shape.
        spacing: Distance between pixel centres along each axis, or None.
        tolerance: Of the surface Dice.

    Raises:
        ValueError: If a mask is not a boolean array of two or three dimensions, the shapes differ, or the
            spacing or the tolerance is unusable.
    """
    masks = np.asarray(reference), np.asarray(prediction)
    check_arrays(*masks, kinds="b", expected="a boolean mask, for example labels == 1")
    checked = check_spacing(spacing, masks[0].ndim)
    check_tolerance(tolerance)
    return crop_pair(*masks, spacing=checked, tolerance=tolerance)


def crop_pair(
    reference: np.ndarray, prediction: np.ndarray, *, spacing: tuple[float, ...] | None, tolerance: float
) -> MaskPair:
    """Cut two checked masks to the box that holds the foreground of both.

    A pixel at a side of the box has background or the image edge beyond it, so borders stay what they were.
    """
    box = bounding_box(np.logical_or(reference, prediction))
    return MaskPair(reference[box], prediction[box], reference.shape, spacing, tolerance=tolerance)


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """The least box that holds all the foreground; empty slices where there is none."""
    if not mask.any():
        return (slice(0, 0),) * mask.ndim
    extents = []
    for _ in range(mask.ndim):
        filled = np.flatnonzero(mask.reshape(len(mask), -1).any(1))
        extents.append(slice(int(filled[0]), int(filled[-1]) + 1))
        # Each projection leaves less to scan for the next axis.
        mask = np.any(mask, axis=0)
    return tuple(extents)


def check_arrays(reference: np.ndarray, prediction: np.ndarray, *, kinds: str, expected: str) -> None:
    """Raise unless both arrays have two or three dimensions, the same shape and a dtype of one of the kinds."""
    for name, array in (("reference", reference), ("prediction", prediction)):
        if array.dtype.kind not in kinds:
            raise ValueError(f"The {name} has dtype {array.dtype}. Give {expected}.")
        if array.ndim not in (2, 3):
            raise ValueError(f"The {name} has shape {array.shape}. Give an array (Y, X) or (Z, Y, X).")
    if reference.shape != prediction.shape:
        raise ValueError(
            f"The reference has shape {reference.shape} but the prediction has {prediction.shape}. "
            "Give both in the geometry of the same image."
        )


def check_spacing(spacing: object, ndim: int) -> tuple[float, ...] | None:
    """The spacing as a tuple of floats, one for each axis.

    Raises:
        ValueError: If it is not one positive, finite number for each axis.
    """
    if spacing is None:
        return None
    try:
        values = tuple(float(value) for value in np.asarray(spacing, dtype=float))
    except (TypeError, ValueError):
        values = ()
    if len(values) != ndim or not all(math.isfinite(value) and value > 0 for value in values):
        raise ValueError(f"The spacing is {spacing!r}. Give {ndim} positive numbers, one for each axis of the masks.")
    return values


def check_tolerance(tolerance: float) -> None:
    """Raise unless the tolerance is a finite number of at least 0."""
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise ValueError(f"The tolerance is {tolerance!r}. Give a finite number of at least 0.")
