"""Images and label maps → ordinary pictures, for downloads and thumbnails."""

from typing import Literal

import numpy as np
from PIL import Image

from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.rendering.colours import palette
from medseg_demo.rendering.planes import oriented, plane_view

OverlayStyle = Literal["fill", "outline"]


def to_uint8(pixels: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Intensities as shades: the window's low end is 0, its high end 255, and what lies outside is clipped.

    Args:
        pixels: Any numbers, any shape, all finite.
        window: (low, high). Where both are equal, what lies above is 255 and the rest 0.

    Returns:
        uint8 of the same shape.
    """
    low, high = window
    if pixels.dtype == np.uint8 and (low, high) == (0, 255):
        return pixels
    if high <= low:
        return np.where(pixels > low, np.uint8(255), np.uint8(0))
    shares = (pixels.astype(np.float32) - low) * (255 / (high - low))
    return np.clip(np.rint(shares), 0, 255).astype(np.uint8)


def overlay_picture(
    image: MedicalImage,
    label_map: LabelMap,
    *,
    slice_index: int = 0,
    channel: int = 0,
    opacity: float = 0.5,
    style: OverlayStyle = "fill",
    max_side: int | None = None,
) -> Image.Image:
    """One axial slice as the viewer shows it, with its label map over it in the colours of the classes.

    Args:
        image: The image, shown through its display window.
        label_map: Of the image's size. Where it is empty, the image alone is shown.
        slice_index: Of a volume.
        channel: Which one is shown where the channels are no colours.
        opacity: 0..1, of the colours.
        style: Whole areas, or borders (wide enough to be seen when the picture is shown 1000 px wide).
        max_side: Pictures with a longer side are reduced to it, such as for a thumbnail.

    Raises:
        ValueError: The label map has another size than the image.
    """
    labels = label_map.labels if label_map.is_volume else label_map.labels[np.newaxis]
    if labels.shape != image.slices.shape[:3]:
        raise ValueError(f"The label map has shape {labels.shape}, the image {image.slices.shape[:3]}.")
    view = plane_view(image, "axial")
    base = oriented(shown_slice(image, slice_index, channel), view)
    shown = oriented(labels[slice_index], view)
    shown = shown if style == "fill" else _borders(shown)
    picture = Image.fromarray(_blend(np.broadcast_to(base, (*base.shape[:2], 3)), shown, opacity, label_map.colours))
    if max_side is not None:
        picture.thumbnail((max_side, max_side), Image.Resampling.BOX)
    return picture


def shown_slice(image: MedicalImage, index: int, channel: int = 0) -> np.ndarray:
    """One axial slice through its display window: uint8 (Y, X, 1), or (Y, X, 3) in colour.

    Args:
        image: The image.
        index: Of a volume; 0 otherwise.
        channel: Which one is shown where the channels are no colours.
    """
    pixels = image.slices[index]
    if image.channels == 1 or image.is_colour:
        return to_uint8(pixels, image.display_window)
    window = image.channel_windows[channel] if image.channel_windows else image.display_window
    return to_uint8(pixels[..., channel : channel + 1], window)


def _blend(base: np.ndarray, labels: np.ndarray, opacity: float, chosen: tuple[str, ...]) -> np.ndarray:
    blended = base.copy()
    where = labels > 0
    colours = palette(chosen)[labels[where]]
    blended[where] = np.rint(base[where] * (1 - opacity) + colours * opacity).astype(np.uint8)
    return blended


def _borders(labels: np.ndarray) -> np.ndarray:
    """Labels within a few pixels of another label or of the edge; 0 elsewhere."""
    width = max(1, round(max(labels.shape) / 500))
    padded = np.pad(labels, width)
    height, breadth = labels.shape
    inside = np.ones(labels.shape, bool)
    for down, across in ((0, width), (2 * width, width), (width, 0), (width, 2 * width)):
        inside &= padded[down : down + height, across : across + breadth] == labels
    return np.where(inside, np.uint8(0), labels)
