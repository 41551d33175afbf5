"""Agreement of centre lines, for vessels and other tubes."""

import numpy as np

from evaluation.metrics.counts import ratio
from evaluation.metrics.pair import MaskPair, make_pair


def centre_line_dice(reference: np.ndarray, prediction: np.ndarray) -> float:
    """Centre-line Dice (clDice): the harmonic mean of two shares of centre lines, in [0, 1].

    The shares are that of the prediction's skeleton inside the reference, and that of the reference's skeleton
    inside the prediction. Skeletons are scikit-image's: Zhang and Suen's thinning for (Y, X), Lee's for
    (Z, Y, X); a component that thinning erases altogether is its own centre line. Empty masks: NaN when both
    are, 0 when one is.

    Args:
        reference: Boolean mask, (Y, X) or (Z, Y, X).
        prediction: Boolean mask of the same shape.

    Raises:
        ValueError: If the masks are not boolean arrays of the same shape and of two or three dimensions.

    Source:
        Shit et al. 2021, doi:10.1109/CVPR46437.2021.01629.
    """
    return centre_line_dice_of(make_pair(reference, prediction))


def centre_line_dice_of(pair: MaskPair) -> float:
    """Centre-line Dice of a checked pair."""
    if not (pair.counts.reference and pair.counts.prediction):
        return pair.counts.dice
    precision = _share_inside(_skeleton(pair.prediction), pair.reference)
    recall = _share_inside(_skeleton(pair.reference), pair.prediction)
    return ratio(2 * precision * recall, precision + recall) if precision + recall else 0.0


def _skeleton(mask: np.ndarray) -> np.ndarray:
    from scipy.ndimage import label
    from skimage.morphology import skeletonize

    # A margin makes the result independent of where the box was cut.
    skeleton = skeletonize(np.pad(mask, 1))[(slice(1, -1),) * mask.ndim]
    # scikit-image's thinning of volumes erases some components altogether, such as tubes of 2 × 2 voxels.
    components, number = label(mask, structure=np.ones((3,) * mask.ndim))
    erased = np.bincount(components[skeleton], minlength=number + 1) == 0
    return skeleton | (mask & erased[components])


def _share_inside(skeleton: np.ndarray, mask: np.ndarray) -> float:
    return ratio(int(np.count_nonzero(skeleton & mask)), int(np.count_nonzero(skeleton)))
