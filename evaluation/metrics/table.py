"""The table of metrics: what each is called, means and gives for empty masks, and how a pair is scored.

To add a metric, write its function in the module it belongs to and one record here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from evaluation.metrics.pair import MaskPair
from evaluation.metrics.surface import boundary_iou_of
from evaluation.metrics.topology import centre_line_dice_of
from evaluation.metrics.volume import (
    absolute_volume_error_of,
    predicted_volume_of,
    reference_volume_of,
    volume_error_of,
)

Better = Literal["higher", "lower", "zero"]


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: Key in a row of scores and column of ``scores.csv``.
        long_name: For people.
        definition: Its formula or rule, with every choice that other tools may make otherwise.
        unit: None for a plain number; "distance" and "size" stand for the row's ``distance_unit`` and
            ``size_unit``.
        range: The least and the greatest value.
        better: Which values are better: high ones, low ones or those near zero; None for a size that is no score.
        empty_rule: What it gives when the reference, the prediction or both are empty.
        source: Where it is defined.
        score: Takes a checked pair to the value.
        default: Whether it is scored where nothing else is asked for.
        has_tolerance: Whether the tolerance of the run is part of it.
    """

    name: str
    long_name: str
    definition: str
    unit: Literal["distance", "size"] | None
    range: tuple[float, float]
    better: Better | None
    empty_rule: str
    source: str
    score: Callable[[MaskPair], float]
    default: bool = False
    has_tolerance: bool = False


SHARE = (0.0, 1.0)
DISTANCE = SIZE = (0.0, math.inf)

BOTH_NAN_ONE_ZERO = "Both empty: NaN. One empty: 0."
BOTH_NAN_ONE_INFINITE = "Both empty: NaN. One empty: infinite."
PRECISION_RULE = "Prediction empty: NaN. Only the reference empty: 0."
RECALL_RULE = "Reference empty: NaN. Only the prediction empty: 0."
FORMULA_RULE = "Follows the formula; both empty: 1."
VOLUME_RULE = "Both empty: NaN. Only the reference empty: infinite. Only the prediction empty: -1."
MCC_RULE = "One or both empty: NaN."
DIFFERENCE_RULE = "Follows the formula; both empty: 0."
SIZE_RULE = "An empty mask has the size 0."

BORDER = "Border pixels are those with a face neighbour outside the mask or the image."
LESIONS = (
    "Lesions are components connected through faces, edges and corners; one shared pixel is a match, and one lesion "
    "may match several."
)

DICE_1945 = "Dice 1945, doi:10.2307/1932409"
JACCARD_1912 = "Jaccard 1912, doi:10.1111/j.1469-8137.1912.tb05611.x"
MATTHEWS_1975 = "Matthews 1975, doi:10.1016/0005-2795(75)90109-9"
HUTTENLOCHER_1993 = "Huttenlocher et al. 1993, doi:10.1109/34.232073"
HEIMANN_2009 = "Heimann et al. 2009, doi:10.1109/TMI.2009.2013851"
TAHA_2015 = "Taha & Hanbury 2015, doi:10.1186/s12880-015-0068-x"
CARASS_2017 = "Carass et al. 2017, doi:10.1016/j.neuroimage.2016.12.064"
NIKOLOV_2021 = "Nikolov et al. 2021, doi:10.2196/26151"
CHENG_2021 = "Cheng et al. 2021, doi:10.1109/CVPR46437.2021.01508"
SHIT_2021 = "Shit et al. 2021, doi:10.1109/CVPR46437.2021.01629"
MAIER_HEIN_2024 = "Maier-Hein et al. 2024, doi:10.1038/s41592-023-02151-z"

_RECORDS = (
    Metric(
        name="dice",
        long_name="Dice coefficient",
        definition="2 tp / (2 tp + fp + fn)",
        unit=None,
        range=SHARE,
        better="higher",
        empty_rule=BOTH_NAN_ONE_ZERO,
        source=DICE_1945,
        score=lambda pair: pair.counts.dice,
        default=True,
    ),
    Metric(
        name="iou",
        long_name="Intersection over union",
        definition="tp / (tp + fp + fn)",
        unit=None,
        range=SHARE,
        better="higher",
        empty_rule=BOTH_NAN_ONE_ZERO,
        source=JACCARD_1912,
        score=lambda pair: pair.counts.iou,
        default=True,
    ),
    Metric(
        name="precision",
        long_name="Precision",
        definition="tp / (tp + fp)",
        unit=None,
        range=SHARE,
        better="higher",
        empty_rule=PRECISION_RULE,
        source=TAHA_2015,
        score=lambda pair: pair.counts.precision,
        default=True,
    ),
    Metric(
        name="recall",
        long_name="Recall (sensitivity)",
        definition="tp / (tp + fn)",
        unit=None,
        range=SHARE,
        better="higher",
        empty_rule=RECALL_RULE,
        source=TAHA_2015,
        score=lambda pair: pair.counts.recall,
        default=True,
    ),
    Metric(
        name="specificity",
        long_name="Specificity",
        definition="tn / (tn + fp)",
        unit=None,
        range=SHARE,
        better="higher",
        empty_rule=FORMULA_RULE,
        source=TAHA_2015,
        score=lambda pair: pair.counts.specificity,
        default=True,
    ),
    Metric(
        name="accuracy",
        long_name="Accuracy",
        definition="(tp + tn) / all pixels",
        unit=None,
        range=SHARE,
        better="higher",
        empty_rule=FORMULA_RULE,
        source=TAHA_2015,
        score=lambda pair: pair.counts.accuracy,
        default=True,
    ),
    Metric(
        name="hd95",
        long_name="Hausdorff distance, 95th percentile",
        definition=f"Greater of the two directed 95th percentiles of border distances, linearly interpolated. {BORDER}",
        unit="distance",
        range=DISTANCE,
        better="lower",
        empty_rule=BOTH_NAN_ONE_INFINITE,
        source=TAHA_2015,
        score=lambda pair: pair.distances.hausdorff(95),
        default=True,
    ),
    Metric(
        name="assd",
        long_name="Average symmetric surface distance",
        definition=f"Mean over the border distances of both directions together. {BORDER}",
        unit="distance",
        range=DISTANCE,
        better="lower",
        empty_rule=BOTH_NAN_ONE_INFINITE,
        source=HEIMANN_2009,
        score=lambda pair: pair.distances.pooled_mean(),
        default=True,
    ),
    Metric(
        name="nsd",
        long_name="Normalised surface distance (surface Dice)",
        definition=f"Share of both borders' pixels that lie within the tolerance (≤) of the other border. {BORDER}",
        unit=None,
        range=SHARE,
        better="higher",
        empty_rule=BOTH_NAN_ONE_ZERO,
        source=NIKOLOV_2021,
        score=lambda pair: pair.distances.share_within(pair.tolerance),
        default=True,
        has_tolerance=True,
    ),
    Metric(
        name="reference_volume",
        long_name="Size of the reference",
        definition="Number of pixels times the size of one",
        unit="size",
        range=SIZE,
        better=None,
        empty_rule=SIZE_RULE,
        source=TAHA_2015,
        score=reference_volume_of,
        default=True,
    ),
    Metric(
        name="predicted_volume",
        long_name="Size of the prediction",
        definition="Number of pixels times the size of one",
        unit="size",
        range=SIZE,
        better=None,
        empty_rule=SIZE_RULE,
        source=TAHA_2015,
        score=predicted_volume_of,
        default=True,
    ),
    Metric(
        name="volume_error",
        long_name="Relative volume error",
        definition="(predicted − reference) / reference",
        unit=None,
        range=(-1.0, math.inf),
        better="zero",
        empty_rule=VOLUME_RULE,
        source=HEIMANN_2009,
        score=volume_error_of,
        default=True,
    ),
    Metric(
        name="absolute_volume_error",
        long_name="Absolute volume error",
        definition="|predicted − reference|",
        unit="size",
        range=SIZE,
        better="lower",
        empty_rule=DIFFERENCE_RULE,
        source=TAHA_2015,
        score=absolute_volume_error_of,
    ),
    Metric(
        name="f_beta",
        long_name="F-measure, recall weighted twice (β = 2)",
        definition="5 tp / (5 tp + 4 fn + fp)",
        unit=None,
        range=SHARE,
        better="higher",
        empty_rule=BOTH_NAN_ONE_ZERO,
        source=MAIER_HEIN_2024,
        score=lambda pair: pair.counts.f_beta(2.0),
    ),
    Metric(
        name="mcc",
        long_name="Matthews correlation coefficient",
        definition="(tp tn − fp fn) / √((tp + fp)(tp + fn)(tn + fp)(tn + fn))",
        unit=None,
        range=(-1.0, 1.0),
        better="higher",
        empty_rule=MCC_RULE,
        source=MATTHEWS_1975,
        score=lambda pair: pair.counts.mcc,
    ),
    Metric(
        name="hd",
        long_name="Hausdorff distance",
        definition=f"Greatest of all border distances, in both directions. {BORDER}",
        unit="distance",
        range=DISTANCE,
        better="lower",
        empty_rule=BOTH_NAN_ONE_INFINITE,
        source=HUTTENLOCHER_1993,
        score=lambda pair: pair.distances.hausdorff(100),
    ),
    Metric(
        name="masd",
        long_name="Mean average surface distance",
        definition=f"Mean of the two directed means of border distances. {BORDER}",
        unit="distance",
        range=DISTANCE,
        better="lower",
        empty_rule=BOTH_NAN_ONE_INFINITE,
        source=MAIER_HEIN_2024,
        score=lambda pair: pair.distances.mean_of_means(),
    ),
    Metric(
        name="boundary_iou",
        long_name="Boundary IoU",
        definition=(
            "Intersection over union of the masks' parts whose Euclidean distance to the nearest pixel outside is at "
            "most 2 % of the image diagonal, or one pixel where that is more"
        ),
        unit=None,
        range=SHARE,
        better="higher",
        empty_rule=BOTH_NAN_ONE_ZERO,
        source=CHENG_2021,
        score=boundary_iou_of,
    ),
    Metric(
        name="cldice",
        long_name="Centre-line Dice",
        definition=(
            "Harmonic mean of the share of the prediction's skeleton inside the reference and that of the reference's "
            "skeleton inside the prediction. Skeletons are scikit-image's: Zhang and Suen's thinning of images, Lee's "
            "of volumes; a component that thinning erases is its own skeleton."
        ),
        unit=None,
        range=SHARE,
        better="higher",
        empty_rule=BOTH_NAN_ONE_ZERO,
        source=SHIT_2021,
        score=centre_line_dice_of,
    ),
    Metric(
        name="lesion_precision",
        long_name="Lesion-wise precision",
        definition=f"Share of predicted lesions that match one of the reference. {LESIONS}",
        unit=None,
        range=SHARE,
        better="higher",
        empty_rule=PRECISION_RULE,
        source=CARASS_2017,
        score=lambda pair: pair.lesions.precision,
    ),
    Metric(
        name="lesion_recall",
        long_name="Lesion-wise recall",
        definition=f"Share of the reference's lesions that match a predicted one. {LESIONS}",
        unit=None,
        range=SHARE,
        better="higher",
        empty_rule=RECALL_RULE,
        source=CARASS_2017,
        score=lambda pair: pair.lesions.recall,
    ),
    Metric(
        name="lesion_f1",
        long_name="Lesion-wise F1",
        definition=f"Harmonic mean of lesion-wise precision and recall. {LESIONS}",
        unit=None,
        range=SHARE,
        better="higher",
        empty_rule=BOTH_NAN_ONE_ZERO,
        source=MAIER_HEIN_2024,
        score=lambda pair: pair.lesions.f1,
    ),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _RECORDS}
