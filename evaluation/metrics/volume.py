"""Sizes of masks and their errors.

All take two boolean masks, (Y, X) or (Z, Y, X), of the same shape. With a spacing in mm sizes are in ml (volumes)
or mm2 (images), without one in voxels or px. ValueError is raised for masks of another kind or of different
shapes, and for an unusable spacing.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from evaluation.metrics.counts import ratio
from evaluation.metrics.pair import MaskPair, make_pair

DistanceUnit = Literal["mm", "px"]
SizeUnit = Literal["ml", "mm2", "voxels", "px"]

MM3_PER_ML = 1000


def volume_error(reference: np.ndarray, prediction: np.ndarray, *, spacing: Sequence[float] | None = None) -> float:
    """Relative signed volume error, (predicted − reference) / reference, in [−1, ∞).

    Empty masks: NaN when both are, infinite when only the reference is, −1 when only the prediction is. The
    spacing cancels out.

    Source:
        Heimann et al. 2009, doi:10.1109/TMI.2009.2013851.
    """
    return volume_error_of(make_pair(reference, prediction, spacing=spacing))


def absolute_volume_error(
    reference: np.ndarray, prediction: np.ndarray, *, spacing: Sequence[float] | None = None
) -> float:
    """Absolute difference of the two sizes, in ml, mm2, voxels or px.

    Empty masks follow the formula: 0 when both are, the other's size when one is.

    Source:
        Taha & Hanbury 2015, doi:10.1186/s12880-015-0068-x.
    """
    return absolute_volume_error_of(make_pair(reference, prediction, spacing=spacing))


def volume_error_of(pair: MaskPair) -> float:
    """Relative signed volume error of a checked pair."""
    return ratio(pair.counts.prediction - pair.counts.reference, pair.counts.reference)


def absolute_volume_error_of(pair: MaskPair) -> float:
    """Absolute volume error of a checked pair."""
    return abs(pair.counts.prediction - pair.counts.reference) * pixel_size(pair.spacing)


def reference_volume_of(pair: MaskPair) -> float:
    """Size of the reference."""
    return pair.counts.reference * pixel_size(pair.spacing)


def predicted_volume_of(pair: MaskPair) -> float:
    """Size of the prediction."""
    return pair.counts.prediction * pixel_size(pair.spacing)


def pixel_size(spacing: tuple[float, ...] | None) -> float:
    """Size of one pixel in the unit that ``size_unit`` names."""
    if spacing is None:
        return 1.0
    return math.prod(spacing) / (MM3_PER_ML if len(spacing) == 3 else 1)


def size_unit(ndim: int, spacing: tuple[float, ...] | None) -> SizeUnit:
    """The unit of sizes: ml or mm2 with a spacing, voxels or px without."""
    if spacing is None:
        return "voxels" if ndim == 3 else "px"
    return "ml" if ndim == 3 else "mm2"


def distance_unit(spacing: tuple[float, ...] | None) -> DistanceUnit:
    """The unit of distances: mm with a spacing, px without."""
    return "px" if spacing is None else "mm"
