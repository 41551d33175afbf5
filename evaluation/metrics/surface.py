"""Metrics of the distance between the borders of two masks, and of the region along them.

All take two boolean masks, (Y, X) or (Z, Y, X), of the same shape. Distances are in the unit of ``spacing``, the
distance between pixel centres along each axis, and in px where it is None. The border is the mask minus its
erosion with the face-connected element, and the image edge counts as outside. ValueError is raised for masks of
another kind or of different shapes, and for an unusable option.
"""

import math
from collections.abc import Sequence

import numpy as np

from evaluation.metrics.borders import ROUNDING
from evaluation.metrics.counts import ratio
from evaluation.metrics.pair import MaskPair, make_pair

# The published width of the boundary region: a share of the image diagonal.
BOUNDARY_SHARE = 0.02


def hausdorff_distance(
    reference: np.ndarray,
    prediction: np.ndarray,
    *,
    spacing: Sequence[float] | None = None,
    percentile: float = 95,
) -> float:
    """Hausdorff distance, or a percentile of it: the greater of the two directed percentiles.

    Empty masks: NaN when both are, infinite when one is.

    Args:
        reference: Boolean mask.
        prediction: Boolean mask of the same shape.
        spacing: Distance between pixel centres along each axis.
        percentile: Between 0 and 100, by linear interpolation; 100 gives the Hausdorff distance itself.

    Source:
        Huttenlocher et al. 1993, doi:10.1109/34.232073; Taha & Hanbury 2015, doi:10.1186/s12880-015-0068-x.
    """
    if not 0 <= percentile <= 100:
        raise ValueError(f"The percentile is {percentile!r}. Give a number between 0 and 100.")
    return make_pair(reference, prediction, spacing=spacing).distances.hausdorff(percentile)


def average_symmetric_surface_distance(
    reference: np.ndarray, prediction: np.ndarray, *, spacing: Sequence[float] | None = None
) -> float:
    """ASSD: the mean over the border distances of both directions together.

    Empty masks: NaN when both are, infinite when one is.

    Source:
        Heimann et al. 2009, doi:10.1109/TMI.2009.2013851.
    """
    return make_pair(reference, prediction, spacing=spacing).distances.pooled_mean()


def mean_average_surface_distance(
    reference: np.ndarray, prediction: np.ndarray, *, spacing: Sequence[float] | None = None
) -> float:
    """MASD: the mean of the two directed mean border distances.

    Empty masks: NaN when both are, infinite when one is.

    Source:
        Maier-Hein et al. 2024, doi:10.1038/s41592-023-02151-z.
    """
    return make_pair(reference, prediction, spacing=spacing).distances.mean_of_means()


def surface_dice(
    reference: np.ndarray,
    prediction: np.ndarray,
    *,
    spacing: Sequence[float] | None = None,
    tolerance: float = 1.0,
) -> float:
    """Normalised surface distance (NSD): the share of border pixels within the tolerance of the other border.

    Empty masks: NaN when both are, 0 when one is.

    Args:
        reference: Boolean mask.
        prediction: Boolean mask of the same shape.
        spacing: Distance between pixel centres along each axis.
        tolerance: The greatest distance that counts as right, itself included; a millionth of it is allowed
            for rounding.

    Source:
        Nikolov et al. 2021, doi:10.2196/26151; border pixels are counted here, not surface elements.
    """
    return make_pair(reference, prediction, spacing=spacing, tolerance=tolerance).distances.share_within(tolerance)


def boundary_iou(
    reference: np.ndarray,
    prediction: np.ndarray,
    *,
    spacing: Sequence[float] | None = None,
    width: float | None = None,
) -> float:
    """Boundary IoU: intersection over union of the two regions just inside the borders.

    A region is the part of a mask whose Euclidean distance to the nearest pixel outside is at most the width.
    (The paper's own code takes the chessboard distance.) Empty masks: NaN when both are, 0 when one is.

    Args:
        reference: Boolean mask.
        prediction: Boolean mask of the same shape.
        spacing: Distance between pixel centres along each axis.
        width: Of the region; by default 2 % of the image diagonal, and at least one pixel along each axis.

    Source:
        Cheng et al. 2021, doi:10.1109/CVPR46437.2021.01508.
    """
    if width is not None and not width > 0:
        raise ValueError(f"The width is {width!r}. Give a positive number.")
    return boundary_iou_of(make_pair(reference, prediction, spacing=spacing), width=width)


def boundary_iou_of(pair: MaskPair, *, width: float | None = None) -> float:
    """Boundary IoU of a checked pair."""
    if not (pair.counts.reference and pair.counts.prediction):
        return pair.counts.iou
    if width is None:
        diagonal = math.hypot(*np.multiply(pair.shape, pair.steps))
        width = max(BOUNDARY_SHARE * diagonal, *pair.steps)
    reference, prediction = (_inner_boundary(mask, pair.steps, width) for mask in (pair.reference, pair.prediction))
    return ratio(int(np.count_nonzero(reference & prediction)), int(np.count_nonzero(reference | prediction)))


def _inner_boundary(mask: np.ndarray, steps: tuple[float, ...], width: float) -> np.ndarray:
    from scipy.ndimage import distance_transform_edt

    # The margin stands for the background or the image edge that lies beyond the box.
    depth = distance_transform_edt(np.pad(mask, 1), sampling=steps)[(slice(1, -1),) * mask.ndim]
    return mask & (depth <= width * (1 + ROUNDING))
