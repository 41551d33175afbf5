"""Borders of masks, and the distance of each border pixel to the border of another mask.

The distance is that to the nearest border pixel of the other mask, centre to centre. Most borders run close to
each other, so the nearest neighbours are looked up first, shell by shell; a search tree serves the pixels that
are left over. Both are exact.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

# The shells hold offsets of at most this many pixels along each axis.
REACH = 3

# A look-up of one offset takes some microseconds for any number of pixels, the tree about one for each pixel.
# Below this number of pixels for each offset the tree is the faster one.
PIXELS_PER_OFFSET = 64

# "Within a distance" must not hang on rounding: three steps of 0.1 mm are within 0.3 mm.
ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """The distances between the borders of two masks; infinite where the other mask is empty.

    Attributes:
        reference: Float64, one for each border pixel of the reference: to the prediction's border.
        prediction: Float64, one for each border pixel of the prediction: to the reference's border.
    """

    reference: np.ndarray
    prediction: np.ndarray

    def hausdorff(self, percentile: float) -> float:
        """The greater of the two directed percentiles, by linear interpolation."""
        return self._unless_empty(lambda: max(float(np.percentile(d, percentile)) for d in self._directions))

    def pooled_mean(self) -> float:
        """The mean over the distances of both directions together."""
        return self._unless_empty(lambda: float(np.concatenate(self._directions).mean()))

    def mean_of_means(self) -> float:
        """The mean of the two directed means."""
        return self._unless_empty(lambda: float(np.mean([d.mean() for d in self._directions])))

    def share_within(self, tolerance: float) -> float:
        """The share of the border pixels of both masks whose distance is at most the tolerance."""
        near = [np.count_nonzero(d <= tolerance * (1 + ROUNDING)) for d in self._directions]
        pixels = self.reference.size + self.prediction.size
        return float(sum(near) / pixels) if pixels else math.nan

    @property
    def _directions(self) -> tuple[np.ndarray, np.ndarray]:
        return self.reference, self.prediction

    def _unless_empty(self, summary: Callable[[], float]) -> float:
        if self.reference.size and self.prediction.size:
            return summary()
        return math.inf if self.reference.size or self.prediction.size else math.nan


def border(mask: np.ndarray) -> np.ndarray:
    """The mask minus its erosion with the face-connected element; the image edge counts as outside.

    Args:
        mask: Boolean, any number of dimensions.

    Returns:
        Boolean, the mask's shape: foreground pixels with a face neighbour in the background or beyond the edge.
    """
    interior = mask.copy()
    for axis in range(mask.ndim):
        inner, outer = np.moveaxis(interior, axis, 0), np.moveaxis(mask, axis, 0)
        inner[1:] &= outer[:-1]
        inner[:-1] &= outer[1:]
        inner[:1] = inner[-1:] = False
    return mask ^ interior


def border_distances(
    reference: np.ndarray, prediction: np.ndarray, spacing: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Measure the distances between the borders of two masks, in both directions.

    Args:
        reference: Boolean mask with at least one pixel.
        prediction: The same, of the same shape.
        spacing: Distance between pixel centres along each axis.

    Returns:
        Two float64 arrays in the unit of the spacing: one distance for each border pixel of the reference, to
        the prediction's border; and one for each border pixel of the prediction, to the reference's.
    """
    # The margin lets an offset be added to a flat index without leaving the array or wrapping into a row.
    borders = [np.pad(border(mask), REACH) for mask in (reference, prediction)]
    pixels = [np.flatnonzero(each) for each in borders]
    return (
        _distances(pixels[0], borders[1], pixels[1], spacing),
        _distances(pixels[1], borders[0], pixels[0], spacing),
    )


def _distances(sources: np.ndarray, target: np.ndarray, targets: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """The distance of each source pixel to the nearest target pixel; all indices are flat ones into ``target``."""
    is_target = target.ravel()
    distances = np.zeros(sources.size)
    left = np.flatnonzero(~is_target[sources])
    for distance, steps in _shells(spacing, target.shape):
        if left.size < PIXELS_PER_OFFSET * len(steps):
            break
        found = _any_target(is_target, sources[left], steps)
        distances[left[found]] = distance
        left = left[~found]
    if left.size:
        distances[left] = _tree_distances(sources[left], targets, target.shape, spacing)
    return distances


def _any_target(is_target: np.ndarray, pixels: np.ndarray, steps: tuple[int, ...]) -> np.ndarray:
    found = is_target[pixels + steps[0]]
    for step in steps[1:]:
        found |= is_target[pixels + step]
    return found


@lru_cache(maxsize=64)
def _shells(spacing: tuple[float, ...], shape: tuple[int, ...]) -> tuple[tuple[float, tuple[int, ...]], ...]:
    """Distances in rising order, each with the flat steps to all the pixels at that distance.

    An offset beyond the reach along some axis is at least (REACH + 1) times the least spacing long, so below
    that no offset is missing.
    """
    offsets = np.stack(np.meshgrid(*[np.arange(-REACH, REACH + 1)] * len(spacing), indexing="ij"), -1)
    offsets = offsets.reshape(-1, len(spacing))
    lengths = np.sqrt(np.square(offsets * np.array(spacing)).sum(1))
    strides = np.cumprod((1, *shape[:0:-1]))[::-1]
    steps = offsets @ strides
    return tuple(
        (float(length), tuple(int(step) for step in steps[lengths == length]))
        for length in np.unique(lengths)
        if 0 < length < (REACH + 1) * min(spacing)
    )


def _tree_distances(
    sources: np.ndarray, targets: np.ndarray, shape: tuple[int, ...], spacing: tuple[float, ...]
) -> np.ndarray:
    from scipy.spatial import KDTree

    # Splitting at the middle of a cell instead of the median builds the tree in a third of the time.
    tree = KDTree(_points(targets, shape, spacing), leafsize=32, balanced_tree=False, compact_nodes=False)
    return tree.query(_points(sources, shape, spacing))[0]


def _points(pixels: np.ndarray, shape: tuple[int, ...], spacing: tuple[float, ...]) -> np.ndarray:
    return np.stack(np.unravel_index(pixels, shape), -1) * np.array(spacing)
