"""The steps of an ensemble: each member segments the image by its own steps, and probabilities are averaged."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from medseg_demo.image import LabelMap
from medseg_demo.models.card import ModelCard
from medseg_demo.segmenting.decide import decided

CHUNK = 32  # slices that are averaged at once, eight bytes a pixel


class Found(Protocol):
    """What one member found; see ``pipeline.Segmentation``."""

    @property
    def label_map(self) -> LabelMap:
        """In the image's own size."""

    @property
    def probabilities(self) -> np.ndarray:
        """float16, (K, …), of the foreground classes."""


@dataclass(frozen=True, eq=False)
class Together:
    """What an ensemble found.

    Attributes:
        labels: uint8, from the averaged probabilities.
        probabilities: float16, (K, …), averaged.
        agreement: float16, the share of the members whose own label is the same, 0 to 1.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    agreement: np.ndarray


def average(members: Iterable[Found], card: ModelCard, *, threshold: float | None) -> Together:
    """The mean of all members' probabilities, what it decides, and how many members decide the same.

    Args:
        members: In turn, so that one is computed after the other.
        card: The ensemble's.
        threshold: As for ``to_labels``.
    """
    found: list[np.ndarray] = []
    total = np.zeros(0, np.float32)
    for member in members:
        total = member.probabilities.astype(np.float32) if not found else np.add(total, member.probabilities, out=total)
        found.append(member.label_map.labels)
    total /= len(found)
    labels = np.empty(total.shape[1:], np.uint8)
    for start in range(0, len(labels), CHUNK):
        labels[start : start + CHUNK] = decided(total[:, start : start + CHUNK], card, threshold)
    agreement = sum((one == labels).astype(np.float16) for one in found) / np.float16(len(found))
    return Together(labels, total.astype(np.float16), np.asarray(agreement))
