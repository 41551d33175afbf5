"""What an image looks like, in eight figures, and whether those that a checkpoint was trained on looked so too.

Training keeps, beside the card, between which values each figure lay in the training images. An image beyond them is
most likely of another kind, inverted or wrongly exported, which no tag of the file need say.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from medseg_demo.image import MedicalImage
from medseg_demo.models.card import ModelCard, Range
from medseg_demo.numbers import percent
from medseg_demo.segmenting.prepare import LUMINANCE

SIDE, SLICES = 128, 16  # so many pixels a side and slices are looked at, evenly spread
BLACK, WHITE = 0.1, 0.9  # of the display window
RING = 0.05  # of the shorter side: the border
OUTLIERS = 1  # percent of the training images at either end that do not count
UNLIKE = (
    "The image does not look like those that the checkpoint was trained on ({modality}): {reasons}. It may be inverted "
    "or of another kind: do not rely on what is marked before you have checked it."
)


class Figure(NamedTuple):
    """One figure of an image.

    Attributes:
        name: As the checkpoint keeps it.
        margin: How far beyond the training images is still like them.
        above: What is said of an image above; empty where nothing is.
        below: What is said of an image below.
    """

    name: str
    margin: float
    above: str
    below: str = ""


FIGURES = (
    Figure("volume", 0.5, "it has slices, and they were single images"),
    Figure("negative", 0.05, "{share} of its intensities are negative, as in CT"),
    Figure("saturation", 0.15, "it is more colourful", "it has less colour"),
    Figure("border", 0.12, "its border is brighter than its middle", "its border is much darker than its middle"),
    Figure("black", 0.15, "{share} of it is black", "only {share} of it is black"),
    Figure("black_border", 0.2, "{share} of its border is black", "only {share} of its border is black"),
    Figure("white", 0.1, "{share} of it is white"),
    Figure("values", 2, "", "it holds {count:.0f} different values only"),
)


def appearance(image: MedicalImage) -> dict[str, float]:
    """The figures of an image.

    Returns:
        ``volume``: 1 where there are several slices, else 0. ``negative``: the share of intensities below 0.
        ``saturation``: mean of (greatest − least) / greatest colour, 0 for grey. ``border``: mean brightness of the
        outermost ring minus that of the middle, −1 to 1. ``black``, ``black_border``, ``white``: shares. Brightness is
        luminance in the display window. ``values``: log2 of the number of different intensities.
    """
    samples = _samples(image)
    low, high = image.windows[0]
    colours = np.clip((samples.astype(np.float32) - low) / (high - low), 0, 1)
    grey = colours @ LUMINANCE if colours.shape[-1] == 3 else colours[..., 0]
    ring, middle = _ring_and_middle(grey.shape[1:])
    most = colours.max(axis=-1)
    return {
        "volume": float(len(image.slices) > 1),
        "negative": float((samples < 0).mean()),
        "saturation": float(((most - colours.min(axis=-1)) / np.maximum(most, 0.05)).mean()),
        "border": float(grey[:, ring].mean() - grey[:, middle].mean()),
        "black": float((grey < BLACK).mean()),
        "black_border": float((grey[:, ring] < BLACK).mean()),
        "white": float((grey > WHITE).mean()),
        "values": float(np.log2(len(np.unique(samples[..., 0])))),
    }


def spread(seen: Sequence[Mapping[str, float]]) -> dict[str, Range]:
    """Between which values the figures of the training images lay, a percent of outliers at either end left out."""
    if not seen:
        return {}
    ends = {
        figure.name: np.percentile([one[figure.name] for one in seen], (OUTLIERS, 100 - OUTLIERS)) for figure in FIGURES
    }
    return {name: (round(float(low), 3), round(float(high), 3)) for name, (low, high) in ends.items()}


def unlike(image: MedicalImage, card: ModelCard) -> list[str]:
    """In plain words, how an image looks unlike the training images; empty where it does not, or nobody kept how."""
    if not card.appearance:
        return []
    found = appearance(image)
    reasons = [_reason(figure, found[figure.name], card.appearance.get(figure.name)) for figure in FIGURES]
    said = [reason for reason in reasons if reason]
    return [UNLIKE.format(modality=card.modality, reasons=", ".join(said))] if said else []


def _reason(figure: Figure, value: float, known: Range | None) -> str:
    if known is None:
        return ""
    low, high = known
    words = figure.above if value > high + figure.margin else figure.below if value < low - figure.margin else ""
    return words.format(share=percent(value, 0), count=2**value)


def _samples(image: MedicalImage) -> np.ndarray:
    """Evenly spread pixels, (Z, Y, X, C); the first channel alone where they are no colours."""
    slices = image.slices
    steps = [-(-length // most) for length, most in zip(slices.shape, (SLICES, SIDE, SIDE), strict=False)]
    spread_out = slices[:: steps[0], :: steps[1], :: steps[2]]
    return spread_out if image.is_colour else spread_out[..., :1]


def _ring_and_middle(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the outermost ring of a plane, and of its middle half along both axes."""
    height, width = shape
    wide = max(1, round(min(shape) * RING))
    ring = np.ones(shape, bool)
    ring[wide : height - wide, wide : width - wide] = False
    middle = np.zeros(shape, bool)
    middle[height // 4 : height - height // 4, width // 4 : width - width // 4] = True
    return ring, middle
