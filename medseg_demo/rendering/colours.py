"""The colours of classes: safe for colour blindness as far as eyes allow, and the same everywhere."""

import colorsys
from collections.abc import Sequence
from functools import cache

import numpy as np

MAX_CLASSES = 255

# Okabe and Ito (2008), "Color Universal Design", without black and grey, which look like the image itself. Sky blue
# leads because it stands out on grey, on red retinas and on stained tissue.
OKABE_ITO = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 158, 115),
    (240, 228, 66),
    (204, 121, 167),
    (213, 94, 0),
    (0, 114, 178),
)

GOLDEN_RATIO = 0.6180339887498949


def class_colour(value: int, chosen: Sequence[str] = ()) -> tuple[int, int, int]:
    """The colour of one label value, as red, green and blue in 0..255.

    The first seven are Okabe and Ito's. Later ones step round the hues by the golden ratio, with three
    brightnesses in turn, so that neighbours in the list never look alike.

    Args:
        value: 1 to 255; 0 is the background, which is black.
        chosen: "#rrggbb" of values 1, 2, …, in place of these.

    Raises:
        ValueError: The value is no label value.
    """
    if not 0 <= value <= MAX_CLASSES:
        raise ValueError(f"Label value {value} has no colour. Label values lie between 0 and {MAX_CLASSES}.")
    if value == 0:
        return (0, 0, 0)
    if value <= len(chosen):
        red, green, blue = bytes.fromhex(chosen[value - 1].removeprefix("#"))
        return red, green, blue
    if value <= len(OKABE_ITO):
        return OKABE_ITO[value - 1]
    step = value - len(OKABE_ITO)
    rgb = colorsys.hsv_to_rgb(step * GOLDEN_RATIO % 1, (0.75, 0.5, 0.95)[step % 3], (0.95, 0.85, 0.7)[step // 3 % 3])
    return (round(255 * rgb[0]), round(255 * rgb[1]), round(255 * rgb[2]))


@cache
def palette(chosen: tuple[str, ...] = ()) -> np.ndarray:
    """Colours of all label values: uint8 (256, 3), of which row 0 is black; not to be written to."""
    colours = np.array([class_colour(value, chosen) for value in range(MAX_CLASSES + 1)], dtype=np.uint8)
    colours.flags.writeable = False
    return colours


def hex_colour(value: int, chosen: Sequence[str] = ()) -> str:
    """The colour of one label value as ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*class_colour(value, chosen))
