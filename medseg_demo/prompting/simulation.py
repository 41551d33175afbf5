"""Clicks as a person would make them: where most is wrong; used in training and to measure."""

import numpy as np
from scipy import ndimage

from medseg_demo.prompting.prompts import Click

ANY_NEIGHBOUR = np.ones((3, 3), dtype=int)


def next_click(reference: np.ndarray, found: np.ndarray) -> Click | None:
    """A click into the middle of the largest connected region that is wrong; None where nothing is.

    The middle is the pixel that lies furthest from the region's border, as in the evaluation of Xu et al. 2016,
    doi:10.1109/CVPR.2016.47.

    Args:
        reference: bool (H, W).
        found: bool (H, W).
    """
    wrong = reference != found
    regions, count = ndimage.label(wrong & reference, ANY_NEIGHBOUR)
    invented, others = ndimage.label(wrong & ~reference, ANY_NEIGHBOUR)
    if not count + others:
        return None
    sizes = np.concatenate([np.bincount(regions.ravel())[1:], np.bincount(invented.ravel())[1:]])
    largest = int(sizes.argmax())
    region = regions == largest + 1 if largest < count else invented == largest - count + 1
    y, x = deepest(region)
    return Click(y, x, bool(reference[y, x]))


def deepest(region: np.ndarray) -> tuple[int, int]:
    """The pixel (y, x) of a region, bool (H, W), that lies furthest from its border; the image's edge is one, too."""
    rows, columns = (np.flatnonzero(region.any(axis)) for axis in (1, 0))
    part = np.pad(region[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 1)
    depth = ndimage.distance_transform_edt(part)
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(y) - 1 + int(rows[0]), int(x) - 1 + int(columns[0])
