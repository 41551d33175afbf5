"""Runs that a server works out: shapes between two slices, what another label map has, and what differs.

Source: Raya, Udupa, Shape-based interpolation of multidimensional objects, IEEE Transactions on Medical Imaging 9(1),
1990, doi:10.1109/42.52959; Herman, Zheng, Bucholtz, Shape-based interpolation, IEEE Computer Graphics and Applications
12(3), 1992, doi:10.1109/38.135915.
"""

from collections.abc import Collection, Sequence

import numpy as np

from medseg_demo.correcting.edits import MOST_RUNS, TOO_MANY_RUNS, Run
from medseg_demo.errors import EditError


def fill_between(
    labels: np.ndarray,
    label: int,
    *,
    axis: int,
    first: int,
    last: int,
    protected: Collection[int] = (),
    spacing_mm: Sequence[float] | None = None,
) -> tuple[Run, ...]:
    """Fill a class between two slices: where the signed distance from its edge, linear between the two, is above 0.

    Args:
        labels: uint8, (Z, Y, X).
        label: The value of the class, from 1.
        axis: Along which the slices are counted: 0 for axial ones.
        first: One slice, from 0.
        last: The other; either may be the lower.
        protected: Values of voxels that are left alone.
        spacing_mm: Of the voxels, (Z, Y, X); None takes all alike.

    Returns:
        The runs of a step; none where all of it has the class already.

    Raises:
        EditError: There is no slice between the two, one of them has nothing of the class, or their shapes do not
            overlap, so that nothing lies between them.
    """
    slices = np.moveaxis(labels, axis, 0)
    if not (0 <= first < len(slices) and 0 <= last < len(slices)):
        raise EditError(f"Slices are 1 to {len(slices)}, and {first + 1} and {last + 1} were asked for. Choose others.")
    first, last = min(first, last), max(first, last)
    if last - first < 2:
        raise EditError(
            f"No slice lies between {first + 1} and {last + 1}. Draw the class in two slices with others between them."
        )
    ends = [slices[index] == label for index in (first, last)]
    for index, mask in zip((first, last), ends, strict=True):
        if not mask.any():
            raise EditError(
                f"Slice {index + 1} has nothing of the class. Draw it there first, or choose another slice."
            )
    box = _box(ends[0] | ends[1])
    steps = None if spacing_mm is None else [step for place, step in enumerate(spacing_mm) if place != axis]
    below, above = (_signed_distance(mask[box], steps) for mask in ends)
    after = labels.copy()
    between = np.moveaxis(after, axis, 0)
    is_found = False
    for index in range(first + 1, last):
        share = (index - first) / (last - first)
        inside = (1 - share) * below + share * above > 0
        is_found |= bool(inside.any())
        part = between[index][box]
        part[inside & ~np.isin(part, list(protected))] = label
    if not is_found:
        raise EditError(
            f"The shapes in slices {first + 1} and {last + 1} do not overlap, so that nothing lies between them. Draw "
            "the class in a slice between."
        )
    return _as_step(labels, after)


def copy_runs(
    labels: np.ndarray,
    other: np.ndarray,
    *,
    label: int | None = None,
    axis: int = 0,
    slices: Sequence[int] | None = None,
    protected: Collection[int] = (),
) -> tuple[Run, ...]:
    """Take from another label map of the same image: one class as it lies there, or everything.

    Args:
        labels: uint8, (Y, X) or (Z, Y, X).
        other: The other, in the same shape and with the same values.
        label: The class: it is added where the other has it, and taken away (0) where only this one has it. None takes
            all values.
        axis: Along which slices are counted.
        slices: Which, from 0; None takes all.
        protected: Values of voxels that are left alone.

    Raises:
        EditError: The two have different shapes, or a slice does not exist.
    """
    if labels.shape != other.shape:
        raise EditError(
            f"This label map has shape {labels.shape} and the other {other.shape}. Choose one of this image."
        )
    wanted = other if label is None else np.where(other == label, label, np.where(labels == label, 0, labels))
    takes = ~np.isin(labels, list(protected))
    if slices is not None:
        count = labels.shape[axis]
        if not all(0 <= index < count for index in slices):
            raise EditError(f"Slices are 1 to {count}. Choose one of them.")
        chosen = np.zeros(count, bool)
        chosen[list(slices)] = True
        takes &= chosen.reshape([-1 if place == axis else 1 for place in range(labels.ndim)])
    return _as_step(labels, np.where(takes, wanted, labels))


def runs_between(before: np.ndarray, after: np.ndarray) -> tuple[Run, ...]:
    """The runs that turn one array into another of the same shape, ascending; as few as there can be."""
    old, new = before.reshape(-1), after.reshape(-1)
    places = np.flatnonzero(old != new)
    if not len(places):
        return ()
    olds, news = old[places], new[places]
    is_next = (np.diff(places) == 1) & (olds[1:] == olds[:-1]) & (news[1:] == news[:-1])
    firsts = np.concatenate([[0], np.flatnonzero(~is_next) + 1])
    lengths = np.diff(firsts, append=len(places))
    columns = (places[firsts], lengths, olds[firsts], news[firsts])
    return tuple(zip(*(column.tolist() for column in columns), strict=True))


def _as_step(before: np.ndarray, after: np.ndarray) -> tuple[Run, ...]:
    runs = runs_between(before, after)
    if len(runs) > MOST_RUNS:
        raise EditError(TOO_MANY_RUNS)
    return runs


def _box(mask: np.ndarray) -> tuple[slice, ...]:
    """Where a mask lies, and one pixel more on each side: distances inside of it are the same in this part alone."""
    found = []
    for axis in range(mask.ndim):
        places = np.flatnonzero(mask.any(axis=1 - axis))
        found.append(slice(max(int(places[0]) - 1, 0), int(places[-1]) + 2))
    return tuple(found)


def _signed_distance(mask: np.ndarray, spacing: Sequence[float] | None) -> np.ndarray:
    """To the nearest pixel of the other side: above 0 inside of a mask, below outside.

    A mask that fills everything has no edge: it is farther inside than any pixel of the other slice is outside.
    """
    from scipy.ndimage import distance_transform_edt

    if mask.all():
        return np.full(mask.shape, float(np.dot(mask.shape, spacing or (1, 1))))
    return np.asarray(distance_transform_edt(mask, sampling=spacing) - distance_transform_edt(~mask, sampling=spacing))
