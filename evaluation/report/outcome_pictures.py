"""A prediction against its reference as a picture: true and false positives and negatives, in colour and pattern."""

import base64
import io

import numpy as np
from PIL import Image

from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.rendering import oriented, plane_view
from medseg_demo.rendering.pictures import shown_slice

# The viewer's own colours and patterns, so that a tile and the viewer look alike.
OUTCOMES = ("True positive", "False positive", "False negative", "Other class")
COLOURS = np.array([(0, 158, 115), (213, 94, 0), (86, 180, 233), (240, 228, 66)], dtype=np.float32)
PATTERNS = (
    ("........",) * 8,
    ("##....##", "#....###", "....###.", "...###..", "..###...", ".###....", "###....#", "##....##"),
    ("........", "..###...", ".#####..", ".#####..", ".#####..", "..###...", "........", "........"),
    ("####....",) * 4 + ("....####",) * 4,
)
PLAIN, MARKED, UNMARKED = 0.72, 1.0, 0.45


def outcomes(reference: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """0 where both are background, 1 + an index of OUTCOMES elsewhere; labels of any shape, the result uint8."""
    found = np.zeros(reference.shape, np.uint8)
    found[(reference > 0) & (prediction == reference)] = 1
    found[(reference == 0) & (prediction > 0)] = 2
    found[(reference > 0) & (prediction == 0)] = 3
    found[(reference > 0) & (prediction > 0) & (prediction != reference)] = 4
    return found


def outcome_picture(
    image: MedicalImage, reference: LabelMap | None, prediction: LabelMap | None, *, slice_index: int, max_side: int
) -> Image.Image:
    """One axial slice as the viewer shows it, with the outcomes over it; the image alone where a label map is missing.

    Args:
        image: The image.
        reference: Of its size.
        prediction: Of its size.
        slice_index: Of a volume; 0 otherwise.
        max_side: The longer side of the picture is reduced to this, or a small one enlarged up to it, by a whole
            factor before patterns are drawn.
    """
    longest, view = max(image.shape[-2:]), plane_view(image, "axial")
    step, grown = -(-longest // max_side), max(max_side // longest, 1)
    shown = oriented(shown_slice(image, slice_index), view)
    shown = np.broadcast_to(_enlarged(shown, grown), (shown.shape[0] * grown, shown.shape[1] * grown, 3))
    picture = Image.fromarray(np.ascontiguousarray(shown)).reduce(step)
    if reference is None or prediction is None:
        return picture
    planes = [
        _enlarged(oriented(_plane(label_map, slice_index), view), grown)[step // 2 :: step, step // 2 :: step]
        for label_map in (reference, prediction)
    ]
    found = outcomes(*planes)
    base = np.asarray(picture, dtype=np.float32)[: found.shape[0], : found.shape[1]]
    return Image.fromarray(_paint(base, found[: base.shape[0], : base.shape[1]]))


def swatch(outcome: int) -> Image.Image:
    """The legend's sample of one outcome (an index of OUTCOMES), 24 × 16 px."""
    return Image.fromarray(_paint(np.zeros((16, 24, 3), np.float32), np.full((16, 24), outcome + 1, np.uint8)))


def as_data_url(picture: Image.Image) -> str:
    """The picture as a PNG inside a URL, so that a page needs no file beside it."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=6)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _enlarged(plane: np.ndarray, factor: int) -> np.ndarray:
    return plane.repeat(factor, axis=0).repeat(factor, axis=1)


def _plane(label_map: LabelMap, index: int) -> np.ndarray:
    return label_map.labels[index] if label_map.is_volume else label_map.labels


def _paint(base: np.ndarray, found: np.ndarray) -> np.ndarray:
    painted = base.copy()
    rows, columns = np.indices(found.shape) & 7
    for outcome, pattern in enumerate(PATTERNS):
        marks = np.array([[cell == "#" for cell in row] for row in pattern])
        strength = np.where(marks[rows, columns], MARKED, UNMARKED if marks.any() else PLAIN)[..., np.newaxis]
        here = (found == outcome + 1)[..., np.newaxis]
        painted = np.where(here, painted * (1 - strength) + COLOURS[outcome] * strength, painted)
    return np.rint(painted).astype(np.uint8)
