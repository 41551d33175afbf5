"""What a metric is: its record, and what many records share."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from evaluation.metrics.pair import MaskPair

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
        of_probabilities: Whether it is scored wherever a prediction comes with probabilities, and nowhere else.
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
    of_probabilities: bool = False


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
PROBABILITY_RULE = "Without probabilities: NaN."
SIZE_RULE = "An empty mask has the size 0."

BORDER = "Border pixels are those with a face neighbour outside the mask or the image."

DICE_1945 = "Dice 1945, doi:10.2307/1932409"
JACCARD_1912 = "Jaccard 1912, doi:10.1111/j.1469-8137.1912.tb05611.x"
MATTHEWS_1975 = "Matthews 1975, doi:10.1016/0005-2795(75)90109-9"
HUTTENLOCHER_1993 = "Huttenlocher et al. 1993, doi:10.1109/34.232073"
HEIMANN_2009 = "Heimann et al. 2009, doi:10.1109/TMI.2009.2013851"
TAHA_2015 = "Taha & Hanbury 2015, doi:10.1186/s12880-015-0068-x"
CARASS_2017 = "Carass et al. 2017, doi:10.1016/j.neuroimage.2016.12.064"
NIKOLOV_2021 = "Nikolov et al. 2021, doi:10.2196/26151"
GUO_2017 = "Guo et al. 2017, doi:10.48550/arXiv.1706.04599"
CHENG_2021 = "Cheng et al. 2021, doi:10.1109/CVPR46437.2021.01508"
SHIT_2021 = "Shit et al. 2021, doi:10.1109/CVPR46437.2021.01629"
BORGES_2024 = "Borges et al. 2024, doi:10.48550/arXiv.2402.10665"
MAIER_HEIN_2024 = "Maier-Hein et al. 2024, doi:10.1038/s41592-023-02151-z"
