"""Whether text is burned into the pixels of an image, which no removal of headers takes away.

The header may say so, and where it does not, pixels are searched for what devices write: strokes thinner than organs,
of one brightness, in pieces of alike height that stand on one line. Letters are not read. What is written by hand,
turned, or smaller than 10 px is mostly missed, so finding nothing proves nothing; docs/privacy.md has measured rates.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from medseg_demo.errors import MedsegError
from medseg_demo.image import MedicalImage
from medseg_demo.reading import read_image
from medseg_demo.segmenting.fit import BURNED_IN
from medseg_demo.settings import Settings

FOUND = (
    "Something like text stands in the pixels. If it names a patient, so will every picture of this image: look at it "
    "at full size, its edges above all, before you share it."
)
# (widest stroke in px, least contrast of a stroke as a share of the window): thick letters need the wide one, and dense
# small ones hang together at a low contrast.
STROKES = ((9, 0.2), (9, 0.35), (9, 0.6), (15, 0.35))
HEIGHTS = (5, 40)  # of letters, px
LEAST_LETTERS = 4
SAME_BRIGHTNESS = 0.12  # of the brightest pixels of two letters, as a share of the window
WIDEST_GAP = 1.5  # between letters of a line, in heights: a letter that hangs lower may be left out
MOST_PIECES = 5_000  # more are a texture

Line = tuple[int, int, int, int]


def burned_in_warnings(image: MedicalImage, *, search: bool = True) -> tuple[str, ...]:
    """What speaks for text in the pixels, in a sentence for whoever wants to share them; empty where nothing does.

    Args:
        image: Of a volume three slices are searched.
        search: Whether the pixels are searched where the header says nothing.
    """
    if image.has_burned_in_text:
        return (BURNED_IN,)
    return (FOUND,) if search and any(map(text_lines, _planes(image))) else ()


def search_files(files: Iterable[Path], settings: Settings) -> Iterator[tuple[str, str]]:
    """The names of images that may hold text, each with a warning; those that cannot be read are passed over."""
    for path in files:
        with suppress(MedsegError):
            image = read_image(path, settings=settings)
            yield from ((path.name, warning) for warning in burned_in_warnings(image))


def text_lines(plane: np.ndarray) -> list[Line]:
    """Lines of text in a plane.

    Args:
        plane: (Y, X), from 0 to 1.

    Returns:
        (top, left, bottom, right) of each in px, as often as it was found.
    """
    from scipy import ndimage

    found: list[Line] = []
    for bright in (plane, 1 - plane):
        strokes = {width: bright - ndimage.grey_opening(bright, (width, width)) for width, _ in STROKES}
        for width, contrast in STROKES:
            found += _lines(*_pieces(bright, strokes[width] > contrast))
    return found


def _planes(image: MedicalImage) -> Iterator[np.ndarray]:
    low, high = image.display_window
    for index in sorted({0, len(image.slices) // 2, len(image.slices) - 1}):
        plane = image.slices[index].mean(axis=-1, dtype=np.float32)
        yield np.clip((plane - low) / max(high - low, 1e-6), 0, 1)


def _pieces(plane: np.ndarray, is_stroke: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pieces of strokes that may be letters, from left to right: (N, 4) boxes and (N,) brightness."""
    from scipy import ndimage

    numbers, count = ndimage.label(is_stroke, np.ones((3, 3)))
    if not count:
        return np.empty((0, 4), int), np.empty(0)
    spans = ndimage.find_objects(numbers)
    boxes = np.array([(y.start, x.start, y.stop, x.stop) for y, x in spans])
    each = np.arange(1, count + 1)
    brightness = ndimage.maximum(plane, numbers, each)
    height, width = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    filled = ndimage.sum_labels(is_stroke, numbers, each) / (height * width)
    kept = (height >= HEIGHTS[0]) & (height <= HEIGHTS[1]) & (width <= 2.5 * height) & (filled >= 0.12)
    order = np.flatnonzero(kept)[np.argsort(boxes[kept, 1], kind="stable")]
    return boxes[order], brightness[order]


def _lines(boxes: np.ndarray, brightness: np.ndarray) -> list[Line]:
    """Chains of pieces, each the nearest to the right of the last one that stands on the line of the first."""
    if not LEAST_LETTERS <= len(boxes) <= MOST_PIECES:
        return []
    top, left, bottom, right = boxes.T
    height, taken, found = bottom - top, np.zeros(len(boxes), bool), []
    for first in range(len(boxes)):
        if taken[first]:
            continue
        alike = np.abs(brightness - brightness[first]) < SAME_BRIGHTNESS
        line, tallest = [first], height[first]
        while True:
            gap = left - right[line[-1]]
            fits = alike & (gap >= -1) & (gap <= WIDEST_GAP * tallest)
            fits &= np.abs(bottom - bottom[first]) <= max(1, 0.1 * tallest)
            fits &= (height >= 0.55 * tallest) & (height <= 1.8 * tallest)
            fits[: line[-1] + 1] = False
            following = np.flatnonzero(fits)
            if not len(following):
                break
            line.append(int(following[0]))  # pieces are in order from the left
            tallest = max(tallest, height[line[-1]])
        if len(line) >= LEAST_LETTERS:
            taken[line] = True
            found.append((int(top[line].min()), int(left[first]), int(bottom[line].max()), int(right[line[-1]])))
    return found
