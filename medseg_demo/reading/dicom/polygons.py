"""Polygons → pixels: those whose centres lie inside, or on the outline."""

from collections.abc import Iterator, Sequence

import numpy as np

# Pixels up to which a centre counts as on the outline: programs that follow the centres of border pixels write them in
# mm, as rounded text.
ON_OUTLINE = 1e-3
ROWS_AT_A_TIME = 2_000_000


def area(polygon: np.ndarray) -> float:
    """The area that a polygon (N, 2) encloses, by Gauss's formula."""
    x, y = (polygon - polygon[0]).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def fill(polygons: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """The pixels inside an odd number of polygons, or on the outline of one.

    A pixel's centre is its index. Every edge is crossed with the rows of pixels that it spans; what lies right of an
    odd number of crossings is inside. The time grows with the length of the outlines, not with corners × pixels.

    Args:
        polygons: Each (N, 2) of x and y, in pixels, closed from its last corner to the first; of any size and place.
        shape: (Y, X) of the result.

    Returns:
        Boolean (Y, X).
    """
    mask = np.zeros(shape, bool)
    corners = np.concatenate(polygons)
    start = np.clip(np.floor(corners.min(axis=0)) - 1, 0, shape[::-1]).astype(int)
    end = np.clip(np.ceil(corners.max(axis=0)) + 2, 0, shape[::-1]).astype(int)
    columns, rows = end - start
    if min(rows, columns) < 1:
        return mask
    crossings = np.zeros((rows, columns + 1), np.uint8)  # counts pass 255 without harm: even and odd stay apart
    outline = np.zeros((rows, columns), bool)
    for polygon in polygons:
        for edges in _edges(polygon - start, rows):
            _cross(*edges, crossings)
            _trace(*edges, outline)
    inside = (np.cumsum(crossings[:, :columns], axis=1, dtype=np.uint8) & 1).astype(bool)
    mask[start[1] : end[1], start[0] : end[0]] = inside | outline
    return mask


def _edges(polygon: np.ndarray, rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The ends of a number of edges at a time, whose crossings fit into memory."""
    ends = np.roll(polygon, -1, axis=0)
    step = max(1, ROWS_AT_A_TIME // rows)
    for index in range(0, len(polygon), step):
        yield polygon[index : index + step], ends[index : index + step]


def _cross(start: np.ndarray, end: np.ndarray, crossings: np.ndarray) -> None:
    """Count each edge's crossings with rows at the first pixel to the right of them.

    The lower end of an edge belongs to it and the upper one does not, so that a corner is crossed once.
    """
    rows, columns = crossings.shape
    row, x = _follow(start, end, np.ceil(np.minimum(start, end)[:, 1]), np.ceil(np.maximum(start, end)[:, 1]), rows)
    np.add.at(crossings, (row, np.clip(np.ceil(x), 0, columns - 1).astype(np.int64)), 1)


def _trace(start: np.ndarray, end: np.ndarray, outline: np.ndarray) -> None:
    """Mark the centres that edges run through: of steep edges row by row, of level ones column by column."""
    slope = np.abs(end - start)
    is_steep = slope[:, 1] >= slope[:, 0]
    for of_kind, turn, marks in ((is_steep, 1, outline), (~is_steep, -1, outline.T)):
        one, other = start[of_kind, ::turn], end[of_kind, ::turn]
        low, high = np.minimum(one, other)[:, 1] - ON_OUTLINE, np.maximum(one, other)[:, 1] + ON_OUTLINE
        row, x = _follow(one, other, np.ceil(low), np.floor(high) + 1, len(marks))
        nearest = np.rint(x)
        is_on = (np.abs(x - nearest) <= ON_OUTLINE) & (nearest >= 0) & (nearest < marks.shape[1])
        marks[row[is_on], nearest[is_on].astype(np.int64)] = True


def _follow(
    start: np.ndarray, end: np.ndarray, first: np.ndarray, last: np.ndarray, rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Each row from ``first`` to before ``last`` of each edge, and the x at which the edge runs through it."""
    first, last = (np.clip(each, 0, rows).astype(np.int64) for each in (first, last))
    counts = np.maximum(last - first, 0)
    edge = np.repeat(np.arange(len(counts)), counts)
    row = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    height = end[edge, 1] - start[edge, 1]
    along = np.divide(row - start[edge, 1], height, out=np.zeros(len(edge)), where=height != 0)
    return row, start[edge, 0] + np.clip(along, 0, 1) * (end[edge, 0] - start[edge, 0])
