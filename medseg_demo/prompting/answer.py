"""The order of the steps from prompts to a mask: which part of the image the network sees, how often, what it gives."""

from itertools import product

import numpy as np
from scipy import ndimage

from medseg_demo.prompting.frame import Frame, extent_of
from medseg_demo.prompting.prompts import Click, Prompts, planes
from medseg_demo.prompting.simulation import deepest
from medseg_demo.segmenting.windows import Look

THRESHOLD = 0.5
CLOSER = 0.6  # what fills less of a part's side is looked at once more from nearby
MOST_LOOKS = 4
COARSE = 1.5  # pixels of the image in one of the network, from which it looks at thin things again part by part
THIN = 5  # pixels of the network: half the breadth of what is thin at its broadest place
PART = 0.55  # of the side of what was seen: each of four parts, which overlap
EDGE = 12  # its share of a part lies at the edge, where another part sees more


def answer(look: Look, image: np.ndarray, prompts: Prompts, present: np.ndarray | None, size: int) -> np.ndarray:
    """The probability of the object that is meant.

    The network sees what is known of the object with a margin, or all of the image where that is one click; it looks
    again from nearby at what turned out small, as in the zoom of RITM (doi:10.1109/ICIP46576.2022.9897365), and part by
    part at what is thin, such as vessels.

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
    if frame.side > COARSE * size and _is_thin(found, frame):
        _refine(look, image, prompts, found, frame)
    return found


def _is_thin(found: np.ndarray, frame: Frame) -> bool:
    """Whether what was found is nowhere broad to the network, so that it cannot have seen its borders."""
    mask = found > THRESHOLD
    extent = extent_of(mask)
    if extent is None:
        return False
    top, left, bottom, right = extent
    depth = ndimage.distance_transform_cdt(np.pad(mask[top:bottom, left:right], 1), "chessboard").max()
    return bool(depth * frame.size <= THIN * frame.side)


def _refine(look: Look, image: np.ndarray, prompts: Prompts, found: np.ndarray, frame: Frame) -> None:
    """Look part by part at what was found, each part starting from it, and put the answers in its place."""
    coarse, side = found.copy(), max(frame.size, round(frame.side * PART))
    count = -(-(frame.side - 2 * side // EDGE) // (side - 2 * side // EDGE))
    starts = [round(place * (frame.side - side) / max(count - 1, 1)) for place in range(count)]
    for top, left in product(starts, starts):
        part = Frame(frame.top + top, frame.left + left, side, frame.size)
        told = _told_in(part, prompts, coarse)
        if not told:
            continue
        result = np.zeros_like(found)
        part.paste(look(np.concatenate([part.cut(image, outside=-1.0), planes(told, part, coarse)])), result)
        # Without the edge of the part, unless it is the edge of all.
        kept = []
        for first, place in ((part.top, top), (part.left, left)):
            before, after = (side // EDGE if place > 0 else 0), (side // EDGE if place < starts[-1] else 0)
            kept.append(slice(max(0, first + before), first + side - after))
        found[tuple(kept)] = result[tuple(kept)]


def _told_in(part: Frame, prompts: Prompts, coarse: np.ndarray) -> Prompts:
    """What is said of a part: its own clicks, and one into the middle of what was found there, if none is positive."""
    points = [one for one in prompts.points if part.holds((one[0], one[1], one[0] + 1, one[1] + 1))]
    told = Prompts(tuple(Click(*one) for one in points))
    top, left = max(0, part.top), max(0, part.left)
    own = coarse[top : max(0, part.top + part.side), left : max(0, part.left + part.side)] > THRESHOLD
    if own.any() and not any(positive for *_, positive in points):
        y, x = deepest(own)
        told = told.added(Click(y + top, x + left))
    return told


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
