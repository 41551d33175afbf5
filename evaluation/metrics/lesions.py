"""Detection of single lesions (or nuclei, or nodules): each counts once, whatever its size.

What a lesion is and when two match stands in ``components.py``. By default one large prediction may find several
lesions, and several predictions may be true for the same lesion.

The functions take two boolean masks, (Y, X) or (Z, Y, X), of the same shape, and raise ValueError for anything else.
"""

from collections.abc import Callable

import numpy as np

from evaluation.metrics.components import LesionCounts
from evaluation.metrics.metric import (
    BOTH_NAN_ONE_ZERO,
    CARASS_2017,
    MAIER_HEIN_2024,
    PRECISION_RULE,
    RECALL_RULE,
    SHARE,
    SIZE,
    Better,
    Metric,
)
from evaluation.metrics.pair import make_pair

LESIONS = (
    "Lesions are components connected through faces, edges and corners, or the objects of an instance map. One shared "
    "pixel is a match, and one lesion may match several; with a threshold of overlap they are paired one to one by IoU."
)
RECALL_OF_SIZE = "NaN where the reference has no lesion of this size; only the prediction empty: 0."
COUNT_RULE = "Follows the count; both empty: 0."
SALUJA_2023 = "Saluja et al. 2023 (BraTS), doi:10.48550/arXiv.2305.17033; without their dilation"
KIRILLOV_2019 = "Kirillov et al. 2019, doi:10.1109/CVPR.2019.00963"


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


def _metric(
    name: str,
    long_name: str,
    definition: str,
    score: Callable[[LesionCounts], float],
    *,
    empty_rule: str = COUNT_RULE,
    source: str = MAIER_HEIN_2024,
    range_: tuple[float, float] = SIZE,
    better: Better | None = None,
) -> Metric:
    return Metric(
        name=f"lesion_{name}",
        long_name=long_name,
        definition=f"{definition} {LESIONS}",
        unit=None,
        range=range_,
        better=better,
        empty_rule=empty_rule,
        source=source,
        score=lambda pair: float(score(pair.lesions)),
    )


def _share(
    name: str, long_name: str, definition: str, score: Callable[[LesionCounts], float], rule: str, source: str
) -> Metric:
    return _metric(name, long_name, definition, score, empty_rule=rule, source=source, range_=SHARE, better="higher")


LESION_METRICS = (
    _share(
        *("precision", "Lesion-wise precision", "Share of predicted lesions that match one of the reference."),
        *(lambda lesions: lesions.precision, PRECISION_RULE, CARASS_2017),
    ),
    _share(
        *("recall", "Lesion-wise recall", "Share of the reference's lesions that match a predicted one."),
        *(lambda lesions: lesions.recall, RECALL_RULE, CARASS_2017),
    ),
    _share(
        *("f1", "Lesion-wise F1", "Harmonic mean of lesion-wise precision and recall."),
        *(lambda lesions: lesions.f1, BOTH_NAN_ONE_ZERO, MAIER_HEIN_2024),
    ),
    _share(
        "dice",
        "Lesion-wise Dice",
        "Sum of the Dice of each reference lesion with what matches it / (reference lesions + false positives).",
        *(lambda lesions: lesions.lesion_dice, BOTH_NAN_ONE_ZERO, SALUJA_2023),
    ),
    _share(
        "pq",
        "Panoptic quality",
        "Sum of the IoU of the pairs whose IoU exceeds one half / (pairs + half of the lesions without one).",
        *(lambda lesions: lesions.panoptic_quality, BOTH_NAN_ONE_ZERO, KIRILLOV_2019),
    ),
    _metric("tp", "Lesions found", "Reference lesions that match a predicted one.", lambda lesions: lesions.found),
    _metric(
        *("fn", "Lesions missed", "Reference lesions that match none."),
        lambda lesions: lesions.reference - lesions.found,
        better="lower",
    ),
    _metric(
        *("fp", "False lesions", "Predicted lesions that match none.", lambda lesions: lesions.false), better="lower"
    ),
    _metric(
        *("true", "True predicted lesions", "Predicted lesions that match one of the reference."),
        lambda lesions: lesions.true,
    ),
    *(
        _share(
            f"recall_{name}",
            f"Lesion-wise recall, {name} lesions",
            f"Share of the reference's {name} lesions that match a predicted one. The limits of the three sizes are "
            "100 and 1000 mm³ (mm² or px of images: 1024 and 9216; voxels as mm³) unless given.",
            *(lambda lesions, place=place: lesions.recall_of_size(place), RECALL_OF_SIZE, CARASS_2017),
        )
        for place, name in enumerate(("small", "medium", "large"))
    ),
)
