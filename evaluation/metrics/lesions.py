"""Detection of single lesions (or nuclei, or nodules): each connected component counts once, whatever its size.

Matching rule: components are connected through faces, edges and corners. A reference lesion is found when at least
one of its pixels is predicted; a predicted lesion is true when at least one of its pixels lies in the reference.
One large prediction may thus find several lesions, and several predictions may be true for the same lesion.

All take two boolean masks, (Y, X) or (Z, Y, X), of the same shape, and raise ValueError for anything else.
"""

import numpy as np

from evaluation.metrics.pair import make_pair


def lesion_precision(reference: np.ndarray, prediction: np.ndarray) -> float:
    """Share of predicted lesions that are true, in [0, 1].

    Empty masks: NaN when the prediction is, 0 when only the reference is.

    Source:
        Carass et al. 2017, doi:10.1016/j.neuroimage.2016.12.064 (one minus the false positive rate).
    """
    return make_pair(reference, prediction).lesions.precision


def lesion_recall(reference: np.ndarray, prediction: np.ndarray) -> float:
    """Share of reference lesions that are found, in [0, 1].

    Empty masks: NaN when the reference is, 0 when only the prediction is.

    Source:
        Carass et al. 2017, doi:10.1016/j.neuroimage.2016.12.064 (the true positive rate).
    """
    return make_pair(reference, prediction).lesions.recall


def lesion_f1(reference: np.ndarray, prediction: np.ndarray) -> float:
    """Harmonic mean of lesion precision and lesion recall, in [0, 1].

    Empty masks: NaN when both are, 0 when one is.

    Source:
        Maier-Hein et al. 2024, doi:10.1038/s41592-023-02151-z.
    """
    return make_pair(reference, prediction).lesions.f1
