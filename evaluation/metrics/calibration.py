"""How far probabilities can be believed: reliability by bins, the expected calibration error, a case's confidence.

Everything is of one class against all others, over all annotated pixels, background among them.

Sources: reliability and its error over bins of equal width, Guo et al. 2017, arXiv:1706.04599, by class as in Nixon et
al. 2019, arXiv:1904.01685; the confidence of a mask, Borges et al. 2024, arXiv:2402.10665.
"""

from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np

BINS = 20  # of probability, (0, .05], (.05, .1], …; 0 is in the first one
CALIBRATION = "calibration"  # the column of a table of results that holds a case's bins
CHUNK = 2**20  # pixels that are counted at once, which takes eight times their memory
VALUES = int(np.float16(1).view(np.uint16)) + 1  # different values of float16 from 0 to 1, in order
EMPTY_CONFIDENCE = "Of an empty prediction: 1 − the highest probability."


@dataclass(frozen=True, eq=False)
class Calibration:
    """The probabilities of one class in one case, or in several, beside what the reference says.

    Attributes:
        pixels: float64 (BINS,), how many pixels have a probability in each bin.
        positives: The same of those that the reference has in the class.
        sums: The sum of the probabilities in each bin.
        confidence: How sure the network is of its mask, 0 to 1; NaN of several cases.
    """

    pixels: np.ndarray
    positives: np.ndarray
    sums: np.ndarray
    confidence: float = np.nan

    @property
    def expected_error(self) -> float:
        """|mean probability − share of positives| of the bins, weighted by their pixels; NaN without any pixel."""
        total = self.pixels.sum()
        return float(np.abs(self.sums - self.positives).sum() / total) if total else np.nan

    @property
    def text(self) -> str:
        """``bin:pixels:positives:sum`` of the bins that have pixels; texts joined by spaces are the sum of both."""
        entries = zip(self.pixels, self.positives, self.sums, strict=True)
        return " ".join(
            f"{place}:{n:.0f}:{hits:.0f}:{total:.7g}" for place, (n, hits, total) in enumerate(entries) if n
        )

    @classmethod
    def from_text(cls, text: str) -> Self:
        """What ``text`` of one or of several cases says.

        Raises:
            ValueError: It is no such text.
        """
        entries = np.array([entry.split(":") for entry in text.split()] or np.empty((0, 4)), dtype=float)
        if entries.ndim != 2 or entries.shape[1] != 4 or not np.isin(entries[:, 0], np.arange(BINS)).all():
            raise ValueError("is no list of bin:pixels:positives:sum")
        places = entries[:, 0].astype(int)
        pixels, positives, sums = (np.bincount(places, column, minlength=BINS) for column in entries[:, 1:].T)
        return cls(pixels, positives, sums)


def calibrate(
    probability: np.ndarray, reference: np.ndarray, prediction: np.ndarray, ignored: np.ndarray | None = None
) -> Calibration:
    """Count the probabilities of a class.

    Args:
        probability: Of the class, 0 to 1, (Y, X) or (Z, Y, X); as float16, in which segmentations keep it.
        reference: Boolean, where the class is.
        prediction: Boolean, where it was predicted.
        ignored: Boolean, what nobody annotated; None where all is.
    """
    halves = np.ascontiguousarray(probability, np.float16).view(np.uint16)
    if ignored is None:
        every, positives = _count(halves.reshape(-1)), _count(halves[reference])
    else:
        every, positives = _count(halves[~ignored]), _count(halves[reference & ~ignored])
    predicted = _count(halves[prediction if ignored is None else prediction & ~ignored])
    places, values = _bins()
    pixels, hits, sums = (
        np.bincount(places, counted, minlength=BINS) for counted in (every, positives, every * values)
    )
    return Calibration(pixels, hits, sums, _confidence(every, predicted, values))


def _confidence(every: np.ndarray, predicted: np.ndarray, values: np.ndarray) -> float:
    """The soft Dice of the probabilities and the mask that was made of them, 2 Σ_mask p / (Σ p + pixels of the mask).

    It stands for the Dice that is to be expected. A mask without pixels has none: 1 − the highest probability.
    """
    if predicted.sum():
        return float(2 * (predicted @ values) / (every @ values + predicted.sum()))
    return float(1 - values[every > 0].max()) if every.any() else np.nan


def _count(halves: np.ndarray) -> np.ndarray:
    """How often each value from 0 to 1 is there, (VALUES,); what is no probability is not counted."""
    counts = np.zeros(VALUES)
    for start in range(0, halves.size, CHUNK):
        counts += np.bincount(halves[start : start + CHUNK], minlength=VALUES)[:VALUES]
    return counts


@cache
def _bins() -> tuple[np.ndarray, np.ndarray]:
    """The bin and the value of each bit pattern of float16 from 0 to 1, (VALUES,) each."""
    values = np.arange(VALUES, dtype=np.uint16).view(np.float16).astype(float)
    return (np.ceil(values * BINS).astype(int) - 1).clip(0), values
