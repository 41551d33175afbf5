"""Probabilities smoothed over the frames of a moving picture, begun anew where the scene changes.

Source of the average: exponentially weighted moving average, Roberts 1959, doi:10.1080/00401706.1959.10489860, with the
weight 2 / (N + 1) by which it has the mean age of N frames averaged equally.
"""

from dataclasses import replace

import numpy as np
import torch

from medseg_demo.errors import OptionError
from medseg_demo.image import MedicalImage
from medseg_demo.segmenting.decide import clean, decided, kept_as
from medseg_demo.segmenting.pipeline import Segmentation

MOST_FRAMES = 100
GRID = 16  # blocks along each side by whose means two frames are compared: noise and small motion hardly change them
LEAST_ALIKE = 0.5  # correlation of two frames of one scene; docs/live.md has measured ones
FLAT = 1e-3  # standard deviation of the blocks, as a share of the range, below which there is nothing to correlate


class Smoother:
    """Smooths the results of one moving picture, frame after frame.

    Args:
        frames: Over how many, N of the source; 1 leaves every result as it is.

    Raises:
        OptionError: It is not from 1 to 100.
    """

    def __init__(self, frames: int = 1) -> None:
        if not 1 <= frames <= MOST_FRAMES:
            raise OptionError(f"Smoothing over {frames} frames is not possible. Choose from 1 (none) to {MOST_FRAMES}.")
        self._weight = 2 / (frames + 1)
        self._blocks: np.ndarray | None = None
        self._mean: np.ndarray | None = None

    def add(self, found: Segmentation) -> tuple[Segmentation, bool]:
        """The next result, smoothed with those before it, and whether a new scene begins with it.

        Args:
            found: Of one frame, in the size of those before.
        """
        blocks = block_means(found.image)
        is_cut = self._blocks is not None and not alike(self._blocks, blocks)
        self._blocks = blocks
        if self._weight == 1:
            return found, is_cut
        own = torch.from_numpy(found.probabilities).float().numpy()  # PyTorch, as in ``kept_as``
        if self._mean is None or is_cut or self._mean.shape != own.shape:
            self._mean = own
            return found, is_cut
        self._mean += np.float32(self._weight) * (own - self._mean)
        return _from(found, self._mean), is_cut


def block_means(image: MedicalImage) -> np.ndarray:
    """The means of a frame's blocks as shares of its display window, float64 (GRID, GRID) or fewer of a small frame."""
    low, high = image.display_window
    plane = image.slices[0].mean(axis=-1, dtype=np.float32)
    rows, columns = (np.linspace(0, size, min(GRID, size), endpoint=False).astype(int) for size in plane.shape)
    sums = np.add.reduceat(np.add.reduceat(plane, rows, axis=0, dtype=np.float64), columns, axis=1)
    heights, widths = (
        np.diff([*starts, size]) for starts, size in zip((rows, columns), plane.shape, strict=True)
    )  # fmt: skip
    return (sums / np.outer(heights, widths) - low) / max(high - low, 1e-6)


def alike(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether two frames show one scene, by the correlation of their blocks; a change of brightness is none.

    Flat frames, such as black ones, are alike among themselves, and like no others.
    """
    if before.shape != after.shape:
        return False
    flat = [float(blocks.std()) < FLAT for blocks in (before, after)]
    if any(flat):
        return all(flat)
    return float(np.corrcoef(before.ravel(), after.ravel())[0, 1]) >= LEAST_ALIKE


def _from(found: Segmentation, mean: np.ndarray) -> Segmentation:
    """A result with other probabilities, decided and cleaned as it was."""
    options, card = found.options, found.card
    labels = clean(
        decided(mean, card, found.threshold), classes=len(card.class_names),
        smallest_component=options.smallest_component, fill_holes=options.fill_holes,
    )  # fmt: skip
    label_map = replace(found.label_map, labels=labels)
    return replace(found, label_map=label_map, probabilities=kept_as(mean, exact=False).numpy())
