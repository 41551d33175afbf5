"""A reference mask and its prediction, with the work that several metrics share."""

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from evaluation.metrics.borders import SurfaceDistances, border_distances
from evaluation.metrics.calibration import Calibration
from evaluation.metrics.components import ANY_OVERLAP, Instances, LesionCounts, LesionMatching, count_lesions
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
        ignored: Boolean, the box's part of what nobody annotated, in which both masks are empty; None where all is.
        pixels: Of the whole image, without those that nobody annotated; None takes all of the shape.
        instances: The object numbers of reference and prediction inside the box, where lesions are numbered; None for
            either takes connected components.
        matching: When lesions match, and which are too small to count.
        calibration: What the class's probabilities say; None where the prediction came without any.
    """

    reference: np.ndarray
    prediction: np.ndarray
    shape: tuple[int, ...]
    spacing: tuple[float, ...] | None = None
    tolerance: float = field(default=1.0, kw_only=True)
    ignored: np.ndarray | None = field(default=None, kw_only=True)
    pixels: int | None = field(default=None, kw_only=True)
    instances: Instances = field(default=(None, None), kw_only=True)
    matching: LesionMatching = field(default=ANY_OVERLAP, kw_only=True)
    calibration: Calibration | None = field(default=None, kw_only=True)

    @property
    def steps(self) -> tuple[float, ...]:
        """The spacing, or one pixel along each axis where it is unknown."""
        return self.spacing or (1.0,) * len(self.shape)

    @cached_property
    def counts(self) -> Counts:
        """The confusion table over the whole image, as far as it is annotated."""
        pixels = math.prod(self.shape) if self.pixels is None else self.pixels
        return count(self.reference, self.prediction, pixels=pixels)

    @cached_property
    def lesions(self) -> LesionCounts:
        """The single lesions of both masks."""
        size = math.prod(self.steps)
        return count_lesions(self.reference, self.prediction, self.instances, self.matching, pixel_size=size)

    @cached_property
    def distances(self) -> SurfaceDistances:
        """The distances between the two borders."""
        if self.counts.reference and self.counts.prediction:
            return SurfaceDistances(*border_distances(self.reference, self.prediction, self.steps, self.ignored))
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


class Boxes:
    """The box of every label value of two maps, found in one pass over each.

    Args:
        reference: Label map of integers.
        prediction: The same, of the same shape.
    """

    def __init__(self, reference: np.ndarray, prediction: np.ndarray) -> None:
        from scipy.ndimage import find_objects

        self._boxes = [find_objects(each.astype(np.int32, copy=False)) for each in (reference, prediction)]
        self._ndim = reference.ndim

    def around(self, values: tuple[int, ...]) -> tuple[slice, ...]:
        """The least box that holds all pixels of these values in both maps; empty slices where there are none."""
        found = [boxes[value - 1] for boxes in self._boxes for value in values if 0 < value <= len(boxes)]
        found = [box for box in found if box is not None]
        if not found:
            return (slice(0, 0),) * self._ndim
        return tuple(
            slice(min(one.start for one in axis), max(one.stop for one in axis)) for axis in zip(*found, strict=True)
        )


def cut_pair(
    reference: np.ndarray,
    prediction: np.ndarray,
    values: tuple[int, ...],
    *,
    boxes: Boxes | None,
    ignored: np.ndarray | None,
    instances: Instances,
) -> MaskPair:
    """The masks of one class, the union of these values, out of two label maps.

    Args:
        reference: Label map of integers.
        prediction: The same, of the same shape.
        values: Of the class.
        boxes: Of all values; None looks for that of the class itself.
        ignored: What nobody annotated.
        instances: The object numbers of both, where there are some.
    """
    shape, outer = reference.shape, (slice(None),) * reference.ndim
    if boxes is not None and min(values) > 0:
        outer = boxes.around(values) if ignored is None else _widened(boxes.around(values), shape)
        reference, prediction = reference[outer], prediction[outer]
    masks = [_mask(each, values) for each in (reference, prediction)]
    known = None if ignored is None else ~ignored[outer]
    if known is not None:
        masks = [mask & known for mask in masks]
    box = bounding_box(masks[0] | masks[1])
    if known is not None:
        box = _widened(box, known.shape)
    return MaskPair(
        masks[0][box],
        masks[1][box],
        shape,
        ignored=None if known is None else ~known[box],
        instances=(_inside(instances[0], outer, box), _inside(instances[1], outer, box)),
    )


def _widened(box: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """A box with one pixel more on each side: whether that is annotated decides where borders run."""
    return tuple(slice(max(axis.start - 1, 0), min(axis.stop + 1, size)) for axis, size in zip(box, shape, strict=True))


def _inside(array: np.ndarray | None, outer: tuple[slice, ...], box: tuple[slice, ...]) -> np.ndarray | None:
    return None if array is None else array[outer][box]


def _mask(labels: np.ndarray, values: tuple[int, ...]) -> np.ndarray:
    mask = labels == values[0]
    for value in values[1:]:
        mask |= labels == value
    return mask


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
