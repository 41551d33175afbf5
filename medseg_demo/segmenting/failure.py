"""Whether a result may have failed: how sure its probabilities are, against a threshold that was found on ``val``.

The look of an image (``appearance.py``) says whether a checkpoint should be trusted with it; this here says so of what
came out. It costs one pass over probabilities that are there already.
"""

from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.models.card import Failure
from medseg_demo.numbers import NOT_APPLICABLE, percent

if TYPE_CHECKING:
    from medseg_demo.segmenting.pipeline import Segmentation

UNSURE = np.array([0.2, 0.8], np.float16).view(np.uint16)  # between them a probability counts as unsure
MAY_HAVE_FAILED = (
    "This result may have failed: the network is sure of {sure} of what it marks, and below {threshold} results are "
    "doubted. Measured: {rates}. Look at it closely before you rely on it."
)
RATES = "{hits} of those with a Dice under {level:.2f}, and {false_alarms} of the others ({cases} cases)"


def sureness(segmentation: "Segmentation") -> float:
    """The share of sure pixels among those that are marked or unsure, the mean over the classes of which there are any.

    Returns:
        0 to 1; 0 where nothing is marked.
    """
    shares = [
        _sure(probability, segmentation.label_map.labels == value)
        for value, probability in enumerate(segmentation.probabilities, start=1)
    ]
    found = [share for share in shares if share is not None]
    return float(np.mean(found)) if found else 0.0


def _sure(probability: np.ndarray, marked: np.ndarray) -> float | None:
    """Of one class; None where it is nowhere marked."""
    low, high = UNSURE
    # Of numbers from 0 to 1 the bits of half precision are in their order, and compare ten times as fast.
    bits = np.ascontiguousarray(probability).view(np.uint16)
    unsure = (bits > low) & (bits < high)
    either = np.count_nonzero(unsure | marked)
    return None if not marked.any() else 1 - np.count_nonzero(unsure) / either


def doubts(segmentation: "Segmentation") -> tuple[str, ...]:
    """In plain words, that a result may have failed; empty where it is sure, or nobody measured how sure is enough.

    What was measured of other weights says nothing, nor does a score that found no more failures than good results.
    """
    known = segmentation.card.failure
    if known is None or known.checkpoint_sha256 != segmentation.digest or not known.tells:
        return ()
    score = sureness(segmentation)
    return () if score >= known.threshold else (_told(known, score),)


def _told(known: Failure, score: float) -> str:
    sure, threshold = percent(score), percent(known.threshold)
    return MAY_HAVE_FAILED.format(sure=sure, threshold=threshold, rates=rates_in_words(known))


def rates_in_words(known: Failure) -> str:
    """What is doubted: on ``test`` where that was measured, since on ``val`` the threshold was chosen."""
    measured = known.test or known
    hits, false_alarms = (
        NOT_APPLICABLE if share is None else percent(share, 0) for share in (measured.hits, measured.false_alarms)
    )
    return RATES.format(hits=hits, level=known.level, false_alarms=false_alarms, cases=measured.cases)
