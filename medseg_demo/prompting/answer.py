"""The order of the steps from prompts to a mask: which part of the image the network sees, how often, what it gives."""

from collections.abc import Callable

import numpy as np

from medseg_demo.prompting.frame import Frame, extent_of
from medseg_demo.prompting.prompts import Prompts, planes

THRESHOLD = 0.5
CLOSER = 0.6  # what fills less of a part's side is looked at once more from nearby
MOST_LOOKS = 4

# Inputs (C, size, size) → probabilities (size, size).
Look = Callable[[np.ndarray], np.ndarray]


def answer(look: Look, image: np.ndarray, prompts: Prompts, present: np.ndarray | None, size: int) -> np.ndarray:
    """The probability of the object that is meant.

    The network sees what is known of the object with a margin, or all of the image where that is one click; it looks
    again from nearby at what turned out small, as in the zoom of RITM (doi:10.1109/ICIP46576.2022.9897365).

    Args:
        look: Runs the network.
        image: (C, H, W), normalised as the card says.
        prompts: Checked; with something positive or a box.
        present: (H, W), 0 to 1: the mask that is to be corrected; None where there is none.
        size: Of the network's input.

    Returns:
        float32 (H, W), 0 where nothing was looked at.
    """
    height, width = image.shape[1:]
    frame = _first(prompts, present, height, width, size)
    for _ in range(MOST_LOOKS):
        seen = np.concatenate([frame.cut(image, outside=-1.0), planes(prompts, frame, present)])
        found = np.zeros((height, width), dtype=np.float32)
        frame.paste(look(seen), found)
        closer = _closer(frame, found, prompts, height, width)
        if closer is None:
            break
        frame = closer
    return found


def _first(prompts: Prompts, present: np.ndarray | None, height: int, width: int, size: int) -> Frame:
    masked = None if present is None else extent_of(present > THRESHOLD)
    if masked is None and prompts.box is None:
        return Frame.whole(height, width, size)
    known: list[tuple[float, float, float, float]] = [one for one in (masked, prompts.extent) if one is not None]
    top, left, bottom, right = zip(*known, strict=True)
    return Frame.around((min(top), min(left), max(bottom), max(right)), height, width, size)


def _closer(frame: Frame, found: np.ndarray, prompts: Prompts, height: int, width: int) -> Frame | None:
    """A part that shows better what was found, or where there must be something; None where this one is good."""
    extent: tuple[float, float, float, float] | None = extent_of(found > THRESHOLD)
    if prompts.extent is not None:
        extent = prompts.extent if extent is None else _joined(extent, prompts.extent)
    if extent is None or frame.side <= frame.size // 2:
        return None
    nearer = Frame.around(extent, height, width, frame.size)
    if nearer.side < frame.side // 3 and not (found > THRESHOLD).any():
        middle = (extent[0] + extent[2]) / 2, (extent[1] + extent[3]) / 2
        half = frame.side / 4
        around = (middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half)
        nearer = Frame.around(around, height, width, frame.size, margin=1.0)
    return nearer if nearer.side < CLOSER * frame.side else None


def _joined(one: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, float, float, float]:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])
