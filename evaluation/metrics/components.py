"""Single lesions as connected components, and which of them match.

Components are connected through faces, edges and corners. A reference lesion is found when at least one of its
pixels is predicted; a predicted lesion is true when at least one of its pixels lies in the reference.
"""

from dataclasses import dataclass

import numpy as np

from evaluation.metrics.counts import ratio


@dataclass(frozen=True)
class LesionCounts:
    """How many lesions there are, and how many of them match.

    Attributes:
        reference: Lesions of the reference.
        found: Those of them that at least one predicted pixel lies in.
        predicted: Lesions of the prediction.
        true: Those of them with at least one pixel in the reference.
    """

    reference: int
    found: int
    predicted: int
    true: int

    @property
    def precision(self) -> float:
        """The share of predicted lesions that are true; 0/0 is NaN."""
        return ratio(self.true, self.predicted)

    @property
    def recall(self) -> float:
        """The share of reference lesions that are found; 0/0 is NaN."""
        return ratio(self.found, self.reference)

    @property
    def f1(self) -> float:
        """Harmonic mean of the two: NaN without any lesion, 0 where none matches."""
        if not (self.true and self.found):
            return 0.0 if self.reference or self.predicted else float("nan")
        return 2 * self.precision * self.recall / (self.precision + self.recall)


def count_lesions(reference: np.ndarray, prediction: np.ndarray) -> LesionCounts:
    """Count the lesions of two boolean masks of the same shape, and those that match."""
    lesions, found = _components_touching(reference, prediction)
    predicted, true = _components_touching(prediction, reference)
    return LesionCounts(reference=lesions, found=found, predicted=predicted, true=true)


def _components_touching(mask: np.ndarray, other: np.ndarray) -> tuple[int, int]:
    """The number of components of a mask, and of those with a pixel in the other mask."""
    from scipy.ndimage import label

    components, number = label(mask, structure=np.ones((3,) * mask.ndim))
    return int(number), int(np.count_nonzero(np.bincount(components[other & mask])))
