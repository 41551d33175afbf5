"""Two visits at the same place: side by side, and what is brighter or darker in the later one."""

from dataclasses import replace

import numpy as np
from PIL import Image

from medseg_demo.following.follow import Visit
from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.rendering.pictures import overlay_picture, to_uint8
from medseg_demo.rendering.planes import oriented, plane_view

STRONGEST = 99.5  # percentile of the differences that has the full colour
GAP = 4  # px between pictures
DARKER, BRIGHTER = np.array([0, 114, 178]), np.array([213, 94, 0])  # Okabe and Ito's blue and vermilion


def grey(image: MedicalImage) -> MedicalImage:
    """The channel that visits are compared in: the first of several, the mean of colours."""
    if not image.is_colour:
        return image.channel(0)
    pixels = image.pixels.mean(axis=-1, dtype=np.float32)
    return replace(image, pixels=pixels, axes="ZYX" if image.is_volume else "YX", channel_names=())


def laid_on_first(visit: Visit) -> tuple[MedicalImage, LabelMap]:
    """A visit's image, in the channel that is compared, and its label map, on the first visit's grid."""
    image = grey(visit.dated.image)
    return (
        (image, visit.label_map)
        if visit.laid is None
        else (visit.laid.lay(image), visit.laid.lay_labels(visit.label_map))
    )


def difference(first: MedicalImage, later: MedicalImage, unchanged: np.ndarray) -> np.ndarray:
    """Later − first, in the first one's intensities: float32 in the shape of both.

    What has a unit, such as HU, is subtracted as it is. Other intensities have no scale of their own: before, the later
    ones are given the mean and the deviation of the first where nothing changed its class.

    Args:
        first: Of one channel.
        later: On the same grid.
        unchanged: Boolean, in the shape of both: where the label maps agree.
    """
    ours, theirs = first.pixels.astype(np.float32), later.pixels.astype(np.float32)
    if (first.unit is None or first.unit != later.unit) and unchanged.any():
        own, other = ours[unchanged], theirs[unchanged]
        spread = float(other.std())
        theirs = (theirs - other.mean()) * (float(own.std()) / spread if spread else 1.0) + own.mean()
    return theirs - ours


def side_by_side(first: Visit, later: Visit) -> Image.Image:
    """The first visit, the later one laid on it, and their difference, in the slice whose labels changed most.

    Blue is darker in the later visit, vermilion brighter; the label maps are outlines.
    """
    image, labels = laid_on_first(first)
    other, other_labels = laid_on_first(later)
    slice_index = _slice(labels, other_labels)
    pictures = [
        overlay_picture(image, labels, slice_index=slice_index, style="outline", opacity=1.0),
        overlay_picture(other, other_labels, slice_index=slice_index, style="outline", opacity=1.0),
        _coloured(image, difference(image, other, labels.labels == other_labels.labels), slice_index),
    ]
    width, height = pictures[0].size
    whole = Image.new("RGB", (3 * width + 2 * GAP, height), "white")
    for place, picture in enumerate(pictures):
        whole.paste(picture, (place * (width + GAP), 0))
    return whole


def _slice(first: LabelMap, later: LabelMap) -> int:
    """The slice with most changed labels; the middle where none changed; 0 of an image."""
    if not first.is_volume:
        return 0
    changed = (first.labels != later.labels).sum(axis=(1, 2))
    return int(changed.argmax()) if changed.any() else len(changed) // 2


def _coloured(image: MedicalImage, values: np.ndarray, slice_index: int) -> Image.Image:
    plane = values[slice_index] if image.is_volume else values
    most = float(np.percentile(np.abs(values), STRONGEST)) or 1.0
    strength = np.clip(np.abs(plane) / most, 0, 1)[..., np.newaxis]
    ground = 0.5 * np.broadcast_to(
        to_uint8(_plane(image, slice_index), image.display_window)[..., np.newaxis], (*plane.shape, 3)
    )
    colours = np.where((plane > 0)[..., np.newaxis], BRIGHTER, DARKER)
    mixed = np.rint(ground * (1 - strength) + colours * strength).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(oriented(mixed, plane_view(image, "axial"))))


def _plane(image: MedicalImage, slice_index: int) -> np.ndarray:
    return image.pixels[slice_index] if image.is_volume else image.pixels
