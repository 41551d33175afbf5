"""The table of metrics: what each is called, means and gives for empty masks, and how a pair is scored.

To add a metric, write its function in the module it belongs to and one record here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from evaluation.metrics import lesions, surface, topology, volume
from evaluation.metrics.pair import MaskPair


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: Key in a row of scores and column of ``scores.csv``.
        long_name: For people.
        unit: None for a plain number; "distance" and "size" stand for the row's ``distance_unit`` and
            ``size_unit``.
        range: The least and the greatest value.
        better: Which values are better: high ones, low ones or those near zero; None for a size that is no score.
        empty_rule: What it gives when the reference, the prediction or both are empty.
        source: Where it is defined.
        score: Takes a checked pair to the value.
        costly: Whether it is left out unless asked for.
    """

    name: str
    long_name: str
    unit: Literal["distance", "size"] | None
    range: tuple[float, float]
    better: Literal["higher", "lower", "zero"] | None
    empty_rule: str
    source: str
    score: Callable[[MaskPair], float]
    costly: bool = False


INFINITE = float("inf")
SHARE = (0.0, 1.0)
DISTANCE = (0.0, INFINITE)

BOTH_NAN_ONE_ZERO = "Both empty: NaN. One empty: 0."
BOTH_NAN_ONE_INFINITE = "Both empty: NaN. One empty: infinite."
PRECISION_RULE = "Prediction empty: NaN. Only the reference empty: 0."
RECALL_RULE = "Reference empty: NaN. Only the prediction empty: 0."
FORMULA_RULE = "Follows the formula; both empty: 1."
SIZE_RULE = "An empty mask has the size 0."

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
    Metric("dice", "Dice coefficient", None, SHARE, "higher", BOTH_NAN_ONE_ZERO, DICE_1945, lambda p: p.counts.dice),
    Metric(
        "iou", "Intersection over union", None, SHARE, "higher", BOTH_NAN_ONE_ZERO, JACCARD_1912, lambda p: p.counts.iou
    ),
    Metric("precision", "Precision", None, SHARE, "higher", PRECISION_RULE, TAHA_2015, lambda p: p.counts.precision),
    Metric("recall", "Recall (sensitivity)", None, SHARE, "higher", RECALL_RULE, TAHA_2015, lambda p: p.counts.recall),
    Metric("specificity", "Specificity", None, SHARE, "higher", FORMULA_RULE, TAHA_2015, lambda p: p.counts.specificity),
    Metric("accuracy", "Accuracy", None, SHARE, "higher", FORMULA_RULE, TAHA_2015, lambda p: p.counts.accuracy),
    Metric(
        "hd95",
        "Hausdorff distance, 95th percentile",
        "distance",
        DISTANCE,
        "lower",
        BOTH_NAN_ONE_INFINITE,
        TAHA_2015,
        lambda p: p.distances.hausdorff(95),
    ),
    Metric(
        "assd",
        "Average symmetric surface distance",
        "distance",
        DISTANCE,
        "lower",
        BOTH_NAN_ONE_INFINITE,
        HEIMANN_2009,
        lambda p: p.distances.pooled_mean(),
    ),
    Metric(
        "nsd",
        "Normalised surface distance (surface Dice)",
        None,
        SHARE,
        "higher",
        BOTH_NAN_ONE_ZERO,
        NIKOLOV_2021,
        lambda p: p.distances.share_within(p.tolerance),
    ),
)
