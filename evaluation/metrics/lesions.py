"""Detection of single lesions (or nuclei, or nodules): each connected component counts once, whatever its size.

Matching rule: components are connected through faces, edges and corners. A reference lesion is found when at least
one of its pixels is predicted; a predicted lesion is true when at least one of its pixels lies in the reference.
One large prediction may thus find several lesions, and several predictions may be true for the same lesion.

All take two boolean masks, (Y, X) or (Z, Y, X), of the same shape, and raise ValueError for anything else.
"""

from dataclasses import dataclass

import numpy as np

from evaluation.metrics.counts import ratio
from evaluation.metrics.pair import MaskPair, make_pair


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


def lesion_precision(reference: np.ndarray, prediction: np.ndarray) -> float:
    """Share of predicted lesions that are true, in [0, 1].

    Empty masks: NaN when the prediction is, 0 when only the reference is.

    Source:
        Carass et al. 2017, doi:10.1016/j.neuroimage.2016.12.064 (one minus the false positive rate).
    """
    return count_lesions(make_pair(reference, prediction)).precision


def lesion_recall(reference: np.ndarray, prediction: np.ndarray) -> float:
    """Share of reference lesions that are found, in [0, 1].

    Empty masks: NaN when the reference is, 0 when only the prediction is.

    Source:
        Carass et al. 2017, doi:10.1016/j.neuroimage.2016.12.064 (the true positive rate).
    """
    return count_lesions(make_pair(reference, prediction)).recall


def lesion_f1(reference: np.ndarray, prediction: np.ndarray) -> float:
    """Harmonic mean of lesion precision and lesion recall, in [0, 1].

    Empty masks: NaN when both are, 0 when one is.

    Source:
        Maier-Hein et al. 2024, doi:10.1038/s41592-023-02151-z.
    """
    return count_lesions(make_pair(reference, prediction)).f1


def count_lesions(pair: MaskPair) -> LesionCounts:
    """Count the lesions of both masks of a checked pair, and those that match."""
    reference, found = _components_touching(pair.reference, pair.prediction)
    predicted, true = _components_touching(pair.prediction, pair.reference)
    return LesionCounts(reference=reference, found=found, predicted=predicted, true=true)


def _components_touching(mask: np.ndarray, other: np.ndarray) -> tuple[int, int]:
    """The number of components of a mask, and of those with a pixel in the other mask."""
    from scipy.ndimage import label

    components, number = label(mask, structure=np.ones((3,) * mask.ndim))
    return int(number), int(np.count_nonzero(np.bincount(components[other & mask])))
