"""What a prompted network is worth: Dice after so many simulated clicks."""

from collections.abc import Sequence

import numpy as np

from medseg_demo.prompting.answer import THRESHOLD, answer
from medseg_demo.prompting.prompts import Prompts
from medseg_demo.prompting.simulation import next_click
from medseg_demo.segmenting.windows import Look


def dice_by_click(look: Look, image: np.ndarray, mask: np.ndarray, size: int, *, clicks: int) -> list[float]:
    """Dice of the answer after each click; the first is made in the middle of the object, the others where it errs.

    Args:
        look: Runs the network.
        image: float (C, H, W), normalised; one channel stands for three.
        mask: bool (H, W), the object; not empty.
        size: Of the network's input.
        clicks: How many are made; where nothing is wrong any more, the last value repeats.
    """
    image = np.broadcast_to(image, (3, *mask.shape))
    found, prompts, present = np.zeros_like(mask), Prompts(), None
    scores: list[float] = []
    for _ in range(clicks):
        click = next_click(mask, found)
        if click is None:
            scores.append(1.0)
            continue
        prompts = prompts.added(click)
        present = answer(look, image, prompts, present, size)
        found = present > THRESHOLD
        scores.append(dice(mask, found))
    return scores


def dice(mask: np.ndarray, found: np.ndarray) -> float:
    """2 |A ∩ B| / (|A| + |B|) of two masks, bool (H, W), the first of which is not empty."""
    return 2 * float(np.count_nonzero(mask & found)) / float(np.count_nonzero(mask) + np.count_nonzero(found))


def clicks_to(scores: Sequence[float], wanted: float) -> int | None:
    """After how many clicks a Dice was reached; None where it never was."""
    return next((number for number, score in enumerate(scores, start=1) if score >= wanted), None)
