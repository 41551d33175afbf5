"""Masks for the tests of metrics: drawings, discs and balls, and random ones."""

from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture
def draw() -> Callable[[str], np.ndarray]:
    """Turn a drawing into a mask: one line a row, "#" is foreground; a blank line starts the next slice."""

    def to_mask(text: str) -> np.ndarray:
        slices = [block.split() for block in text.strip().split("\n\n")]
        mask = np.array([[[character == "#" for character in row] for row in rows] for rows in slices])
        return mask if len(slices) > 1 else mask[0]

    return to_mask


@pytest.fixture
def ball() -> Callable[..., np.ndarray]:
    """Pixels within a distance of a centre."""

    def make(shape: tuple[int, ...], centre: tuple[float, ...], radius: float) -> np.ndarray:
        grid = np.indices(shape)
        squared = sum((axis - middle) ** 2 for axis, middle in zip(grid, centre, strict=True))
        return squared <= radius**2

    return make


@pytest.fixture
def blob_pair() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """A smooth random mask with some 30 % foreground that touches the image edge, and a disturbed copy."""

    def make(shape: tuple[int, ...], seed: int, disturbance: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
        from scipy.ndimage import gaussian_filter

        random = np.random.default_rng(seed)
        field, other = (gaussian_filter(random.standard_normal(shape), 2.5) for _ in range(2))
        return field > np.quantile(field, 0.7), field + disturbance * other > np.quantile(field, 0.7)

    return make
