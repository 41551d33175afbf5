"""Borders of masks, and the distance of each border pixel to the border of another mask.

The distance is that to the nearest border pixel of the other mask, centre to centre. Most borders run close to
each other, so the neighbourhood is searched first: the distance along the row is known for each pixel of the
array, and rows are visited from the nearest outwards. A search tree serves the pixels that are left over. Both
are exact.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

# The neighbourhood reaches this many pixels along each axis; one less than a power of two.
REACH = 15

# What the two searches take, in microseconds, as measured: a visit to one row, and each pixel's part of it; building
# the tree, for each pixel of the other border, and asking it, for each pixel.
VISIT, VISIT_PIXEL = 6.0, 0.005
BUILD_PIXEL, ASK_PIXEL = 0.2, 2.0

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
        before = (slice(None),) * axis
        interior[(*before, np.s_[1:])] &= mask[(*before, np.s_[:-1])]
        interior[(*before, np.s_[:-1])] &= mask[(*before, np.s_[1:])]
        interior[(*before, np.s_[:1])] = interior[(*before, np.s_[-1:])] = False
    return mask ^ interior


def _known_border(mask: np.ndarray, ignored: np.ndarray | None) -> np.ndarray:
    """The border as far as it is known: whether a mask goes on in what nobody annotated is not."""
    return border(mask) if ignored is None else border(mask | ignored) & ~ignored


def border_distances(
    reference: np.ndarray,
    prediction: np.ndarray,
    spacing: tuple[float, ...],
    ignored: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Measure the distances between the borders of two masks, in both directions.

    Args:
        reference: Boolean mask with at least one pixel.
        prediction: The same, of the same shape.
        spacing: Distance between pixel centres along each axis.
        ignored: What nobody annotated: no border runs there, nor along it. None where all is annotated.

    Returns:
        Two float64 arrays in the unit of the spacing: one distance for each border pixel of the reference, to
        the prediction's border; and one for each border pixel of the prediction, to the reference's.
    """
    borders = [_known_border(mask, ignored) for mask in (reference, prediction)]
    # With the margin a step to another row never leaves the array.
    shape = (*(size + 2 * REACH for size in reference.shape[:-1]), reference.shape[-1] + REACH)
    pixels = [_flat_indices(each, shape) for each in borders]
    if not (pixels[0].size and pixels[1].size):  # all of a mask lies against what nobody annotated
        return np.full(0, np.inf), np.full(0, np.inf)
    return (
        _distances(pixels[0], borders[1], pixels[1], shape, spacing),
        _distances(pixels[1], borders[0], pixels[0], shape, spacing),
    )


def _flat_indices(border: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The border's pixels as flat indices into the array with a margin."""
    rows, along = np.divmod(np.flatnonzero(border), border.shape[-1])
    if border.ndim == 2:
        return (rows + REACH) * shape[-1] + along
    slices, rows = np.divmod(rows, border.shape[-2])
    return ((slices + REACH) * shape[-2] + rows + REACH) * shape[-1] + along


def _distances(
    sources: np.ndarray,
    target: np.ndarray,
    targets: np.ndarray,
    shape: tuple[int, ...],
    spacing: tuple[float, ...],
) -> np.ndarray:
    """The distance of each source pixel to the nearest target pixel.

    Args:
        sources: Flat indices into an array of this shape.
        target: The other border, without the margin.
        targets: Its pixels, as the sources.
        shape: That of the border, with a margin of REACH: on both sides, but along rows only behind them.
        spacing: Along each axis.
    """
    along_row = _row_distances(target, shape).ravel()
    squares = np.append(np.square(np.arange(REACH + 1) * spacing[-1]), np.inf)
    nearest = np.full(sources.size, np.inf)
    left, pixels, squared = np.arange(sources.size), sources, nearest.copy()
    row_strides = np.cumprod((1, *shape[:0:-1]))[:0:-1]
    spent, since = 0.0, left.size
    for ring in _rings(spacing):
        # Visits go on while they cost no more than the tree would, counted anew whenever half of the pixels are done.
        spent, since = (0.0, left.size) if 2 * left.size < since else (spent, since)
        spent += len(ring.rows) * (VISIT + VISIT_PIXEL * left.size)
        if spent > BUILD_PIXEL * targets.size + ASK_PIXEL * left.size:
            break
        for step, to_row in zip((ring.rows @ row_strides).tolist(), ring.squared, strict=True):
            np.minimum(squared, squares.take(along_row.take(pixels + step)) + to_row, out=squared)
        nearest[left] = squared
        open_ = squared > ring.complete
        left, pixels, squared = left[open_], pixels[open_], squared[open_]
    distances = np.sqrt(nearest)
    if left.size:
        distances[left] = _tree_distances(pixels, targets, shape, spacing)
    return distances


def _row_distances(target: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The distance in pixels of each pixel to the nearest target pixel of its row; REACH + 1 stands for more.

    Args:
        target: Boolean.
        shape: Of the result, with its margins.
    """
    result = np.full(shape, REACH + 1, np.uint8)
    slab = result[REACH:-REACH]
    rows = slab if target.ndim == 2 else slab[:, REACH:-REACH]
    rows[..., : target.shape[-1]][target] = 0
    # One row after the other: the margin between them is as wide as the reach, so that none is seen from the next.
    distances = slab.reshape(-1)
    farther, step = np.empty_like(distances), 1
    while step <= REACH and step < target.shape[-1]:
        # Steps of 1, 2, 4, … add up to each distance within the reach.
        for one, other in ((np.s_[step:], np.s_[:-step]), (np.s_[:-step], np.s_[step:])):
            np.add(distances[other], np.uint8(step), out=farther[other])
            np.minimum(distances[one], farther[other], out=distances[one])
        step *= 2
    return result


@dataclass(frozen=True, eq=False)
class Ring:
    """Rows at about the same distance from a pixel.

    Attributes:
        rows: Their offsets in pixels along all axes but the last, (rows, dimensions − 1).
        squared: The square of each row's distance.
        complete: With this ring and those inside it, no pixel up to this squared distance is missing.
    """

    rows: np.ndarray
    squared: tuple[float, ...]
    complete: float


@lru_cache(maxsize=64)
def _rings(spacing: tuple[float, ...]) -> tuple[Ring, ...]:
    """The rows around a pixel, from the nearest outwards, each ring a third of all within it."""
    offsets = np.stack(np.meshgrid(*[np.arange(-REACH, REACH + 1)] * (len(spacing) - 1), indexing="ij"), -1)
    offsets = offsets.reshape(-1, len(spacing) - 1)
    squared = np.square(offsets * np.array(spacing[:-1])).sum(1)
    # What lies beyond the reach along some axis is at least this far away.
    limit = ((REACH + 1) * min(spacing)) ** 2
    order = np.argsort(squared, kind="stable")
    order = order[squared[order] < limit]
    rings, start = [], 0
    while start < order.size:
        end = start + max(2, start // 3)
        inside = order[start:end]
        complete = float(squared[order[end]]) if end < order.size else limit
        rings.append(Ring(offsets[inside], tuple(squared[inside].tolist()), complete))
        start = end
    return tuple(rings)


def _tree_distances(
    sources: np.ndarray, targets: np.ndarray, shape: tuple[int, ...], spacing: tuple[float, ...]
) -> np.ndarray:
    from scipy.spatial import KDTree

    # Splitting at the middle of a cell instead of the median builds the tree in a third of the time.
    tree = KDTree(_points(targets, shape, spacing), leafsize=32, balanced_tree=False, compact_nodes=False)
    return tree.query(_points(sources, shape, spacing))[0]


def _points(pixels: np.ndarray, shape: tuple[int, ...], spacing: tuple[float, ...]) -> np.ndarray:
    return np.stack(np.unravel_index(pixels, shape), -1) * np.array(spacing)
