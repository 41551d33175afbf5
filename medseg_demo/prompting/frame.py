"""The square part of an image that a network sees, brought to the size of its input and back."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

MARGIN = 1.4  # side of the part around something, over that something's longer side
SMALLEST = 32  # pixels of an image that are seen at least along a side


@dataclass(frozen=True)
class Frame:
    """A square of an image's pixels, which may reach beyond the image.

    Attributes:
        top: Its first row; negative above the image.
        left: Its first column.
        side: Its rows and columns in the image.
        size: Its rows and columns as the network sees them.
    """

    top: int
    left: int
    side: int
    size: int

    @classmethod
    def whole(cls, height: int, width: int, size: int) -> "Frame":
        """All of an image, in the middle."""
        side = max(height, width)
        return cls((height - side) // 2, (width - side) // 2, side, size)

    @classmethod
    def around(
        cls, extent: tuple[float, float, float, float], height: int, width: int, size: int, *, margin: float = MARGIN
    ) -> "Frame":
        """A part around (top, left, bottom, right), moved into the image where it is no larger than that."""
        top, left, bottom, right = extent
        side = math.ceil(max(SMALLEST, margin * max(bottom - top, right - left)))
        side = min(side, max(height, width))
        start = [round((low + high - side) / 2) for low, high in ((top, bottom), (left, right))]
        for axis, length in enumerate((height, width)):
            start[axis] = (length - side) // 2 if side >= length else min(max(start[axis], 0), length - side)
        return cls(start[0], start[1], side, size)

    def holds(self, extent: tuple[float, float, float, float]) -> bool:
        """Whether all of (top, left, bottom, right) is seen."""
        top, left, bottom, right = extent
        inside = self.top <= top and bottom <= self.top + self.side
        return inside and self.left <= left and right <= self.left + self.side

    def to_input(self, y: float, x: float) -> tuple[float, float]:
        """Where a point of the image lies in the network's input."""
        scale = self.size / self.side
        return (y - self.top + 0.5) * scale - 0.5, (x - self.left + 0.5) * scale - 0.5

    def cut(self, planes: np.ndarray, outside: float = 0.0) -> np.ndarray:
        """Planes (C, H, W) as the network sees them: float32 (C, size, size), smoothed where they shrink."""
        height, width = planes.shape[-2:]
        rows, columns = self._inside(height, width)
        held = np.full((len(planes), self.side, self.side), outside, dtype=np.float32)
        if rows.start < rows.stop and columns.start < columns.stop:
            own = slice(rows.start - self.top, rows.stop - self.top)
            held[:, own, columns.start - self.left : columns.stop - self.left] = planes[:, rows, columns]
        return _resized(held, self.size)

    def paste(self, plane: np.ndarray, onto: np.ndarray) -> None:
        """Put what the network gave of this part, (size, size), into a plane (H, W) of the image."""
        rows, columns = self._inside(*onto.shape)
        if rows.start < rows.stop and columns.start < columns.stop:
            own = slice(rows.start - self.top, rows.stop - self.top)
            back = _resized(plane[None], self.side)[0]
            onto[rows, columns] = back[own, columns.start - self.left : columns.stop - self.left]

    def _inside(self, height: int, width: int) -> tuple[slice, slice]:
        """Rows and columns of the image that are seen; of a part beside the image there are none."""
        rows, columns = (
            slice(min(max(0, start), length), min(max(0, start + self.side), length))
            for start, length in ((self.top, height), (self.left, width))
        )
        return rows, columns


def _resized(planes: np.ndarray, size: int) -> np.ndarray:
    if planes.shape[-1] == size:
        return planes
    tensor = torch.from_numpy(np.ascontiguousarray(planes, dtype=np.float32))[None]
    return functional.interpolate(tensor, (size, size), mode="bilinear", antialias=True)[0].numpy()


def extent_of(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """(top, left, bottom, right) of what is True, ends exclusive; None where nothing is."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
