"""What a correction by hand is worth: the Dice of a label map before and after, against others of the same image."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medseg_demo.image import LabelMap


@dataclass(frozen=True)
class DiceChange:
    """One class of a corrected label map against another label map; NaN where neither of the two has the class."""

    against: str
    class_name: str
    before: float
    after: float


def dice_changes(against: Mapping[str, LabelMap], before: LabelMap, after: LabelMap) -> tuple[DiceChange, ...]:
    """How the Dice of each class changes.

    Args:
        against: Other label maps of the image by their names, in the label values of the corrected one.
        before: As it was.
        after: As it is now, of the same classes.

    Returns:
        One record for each other label map and class, classes that occur in none of them left out.
    """
    changes = []
    for name, other in against.items():
        old, new = (_dice(other.labels, one.labels) for one in (before, after))
        for value, class_name in enumerate(after.class_names, start=1):
            if not np.isnan([old[value], new[value]]).all():
                changes.append(DiceChange(name, class_name, float(old[value]), float(new[value])))
    return tuple(changes)


def _dice(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(256,) of each label value, 2 tp / (2 tp + fp + fn); NaN where both lack it."""
    sizes = np.bincount(one.reshape(-1), minlength=256) + np.bincount(other.reshape(-1), minlength=256)
    both = np.bincount(one[one == other], minlength=256)
    with np.errstate(invalid="ignore"):
        return 2 * both / sizes
