"""nnU-Net's own steps, for networks that learned with them: how an image reaches their grid, and logits the image's.

Everything is done in the order, the precision and the rounding of nnU-Net v2, since each difference costs accuracy.

Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z; nnunetv2 2.8 was run beside it (tests/oracles).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np
import torch

from medseg_demo.image import MedicalImage
from medseg_demo.models.card import ModelCard
from medseg_demo.models.recipes import ChannelNormalisation, NnUNetSteps, Resampling
from medseg_demo.orientation import Orientation, network_orientation

OVERLAP = 0.5  # of a tile's side that it shares with the next
LARGEST_WEIGHT = 10.0
BETWEEN_SLICES = 999.0  # the spacing that a single slice is given across it, as a multiple
EPSILON = 1e-8

Spacing = tuple[float, ...]
Sides = tuple[int, ...]


@dataclass(frozen=True)
class Frame:
    """The part of a volume that a network gets, and how it lies.

    Attributes:
        orientation: How the volume is turned.
        box: Of the turned (Z, Y, X); None for all of it.
    """

    orientation: Orientation
    box: tuple[slice, slice, slice] | None = None

    def of(self, array: np.ndarray) -> np.ndarray:
        """That part of (..., Z, Y, X), turned: a view, through which results are written, too."""
        turned = self.orientation.turn(array)
        return turned if self.box is None else turned[..., *self.box]


def frame_of(image: MedicalImage, card: ModelCard) -> Frame:
    """What a network gets of a volume: of nnU-Net's, the box around what is not 0 in any channel.

    Args:
        image: An image is a volume of one slice.
        card: Of any origin. Where nnU-Net has no part in it, a 3-D network gets the whole in the patient's orientation.
    """
    steps = card.nnunet
    if steps is None:
        return Frame(network_orientation(image.geometry.affine) if card.is_3d else Orientation())
    orientation = _orientation(image, steps)
    turned = orientation.turn(np.moveaxis(image.slices, -1, 0))
    box = []
    for axis in range(3):
        others = tuple(other for other in range(4) if other != axis + 1)
        found = np.flatnonzero((turned != 0).any(others))
        box.append(slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, turned.shape[axis + 1]))
    return Frame(orientation, (box[0], box[1], box[2]))


def normalise(volume: np.ndarray, steps: NnUNetSteps) -> np.ndarray:
    """The intensities as the network knows them.

    Args:
        volume: (C, Z, Y, X), within the frame.
        steps: Those of each channel count.

    Returns:
        float32, the same shape.
    """
    result = np.array(volume, np.float32, order="C")
    inside = None
    if any(channel.nonzero for channel in steps.channels):
        from scipy import ndimage

        inside = ndimage.binary_fill_holes((result != 0).any(0))
    for plane, channel in zip(result, steps.channels, strict=True):
        _normalise_channel(plane, channel, inside if channel.nonzero else None)
    return result


@dataclass(frozen=True)
class SplinePlacement:
    """Where a volume lies in a network's input, and how logits come back.

    Attributes:
        size: Of the volume, (Z, Y, X).
        resized: At the network's spacing.
        canvas: At least a tile; of a 2-D network Z stays.
        spacing: Of the volume's axes and of the network's, in mm; the same where one is unknown.
        how: Resampling of the logits.
    """

    size: Sides
    resized: Sides
    canvas: Sides
    spacing: tuple[Spacing, Spacing]
    how: Resampling

    def restore_classes(self, logits: torch.Tensor) -> np.ndarray:
        """(1, K, *canvas) of a 3-D network, or (Z, K, H, W) of a 2-D one → (K, Z, Y, X) at the volume's own size."""
        found = logits[0] if logits.ndim == 5 else logits.transpose(0, 1)
        for axis, (start, length) in enumerate(zip(self.offset, self.resized, strict=True), 1):
            found = found.narrow(axis, start, length)
        return resample(found.numpy(), self.size, self.spacing[::-1], self.how)

    @property
    def offset(self) -> Sides:
        """The first corner of the volume in the canvas."""
        return tuple((whole - length) // 2 for whole, length in zip(self.canvas, self.resized, strict=True))


def placement_in(size: Sides, card: ModelCard, spacing_mm: Spacing | None) -> SplinePlacement:
    """Where a volume will lie in the network's input.

    Args:
        size: (Z, Y, X), within the frame.
        card: Its ``input_size``, ``spacing_mm`` and ``nnunet`` count.
        spacing_mm: Of the axes; None where it is unknown, and (Y, X) of a single slice.
    """
    assert card.nnunet is not None
    own = spacing_mm or (1.0,) * 3
    wanted = card.spacing_mm if spacing_mm and card.spacing_mm else own
    wanted = (*own[: 3 - len(wanted)], *wanted)  # a 2-D network leaves the slices where they are
    resized = tuple(round(mine / theirs * length) for mine, theirs, length in zip(own, wanted, size, strict=True))
    resized = tuple(max(1, length) for length in resized)
    tile = (*resized[: 3 - len(card.input_size)], *card.input_size)
    return SplinePlacement(size, resized, tuple(map(max, tile, resized)), (own, wanted), card.nnunet.logits)


def place(volume: torch.Tensor, placement: SplinePlacement, how: Resampling) -> torch.Tensor:
    """A volume at the network's spacing, with zeros around it up to a tile.

    Args:
        volume: float32, (C, Z, Y, X).
        placement: Of it.
        how: Resampling of intensities.

    Returns:
        float32, (C, *canvas).
    """
    found = torch.from_numpy(resample(volume.numpy(), placement.resized, placement.spacing, how))
    canvas = torch.zeros(len(found), *placement.canvas)
    inner = tuple(slice(at, at + side) for at, side in zip(placement.offset, placement.resized, strict=True))
    canvas[:, *inner] = found
    return canvas


def resample(volume: np.ndarray, size: Sides, spacing: tuple[Spacing, Spacing], how: Resampling) -> np.ndarray:
    """A volume of another size, by splines; apart along the axis of much greater spacing, if there is one.

    Args:
        volume: (C, Z, Y, X).
        size: (Z, Y, X).
        spacing: Before and after, in mm; it decides whether an axis is apart.
        how: Orders of the splines.

    Returns:
        In the same precision; the same array where the size is.
    """
    if volume.shape[1:] == tuple(size):
        return volume
    axis = axis_apart(*spacing, how)
    result = np.empty((len(volume), *size), volume.dtype)
    for plane, into in zip(volume, result, strict=True):
        into[:] = _resized(plane, size, how.order) if axis is None else _resized_apart(plane, size, axis, how)
    return result


def axis_apart(before: Spacing, after: Spacing, how: Resampling) -> int | None:
    """The axis that is resampled apart from the others; None where there is none, or more than one has the spacing."""
    if how.apart is None:
        uneven = (spacing for spacing in (before, after) if max(spacing) / min(spacing) > how.apart_above)
        spacing = next(uneven, None)
    else:
        spacing = before if how.apart else None
    if spacing is None:
        return None
    axes = [axis for axis, one in enumerate(spacing) if one == max(spacing)]
    return axes[0] if len(axes) == 1 else None


def weights(tile: Sides) -> torch.Tensor:
    """Of a tile's pixels, in half precision: a Gaussian of an eighth of each side, cut at four deviations."""
    from scipy import ndimage

    centre = np.zeros(tile)
    centre[tuple(side // 2 for side in tile)] = 1
    found = ndimage.gaussian_filter(centre, [side / 8 for side in tile], mode="constant")
    half = torch.from_numpy(found / (found.max() / LARGEST_WEIGHT)).half()
    return half.masked_fill(half == 0, half[half > 0].min().item())


def mirrored_views(steps: NnUNetSteps, dimensions: int) -> tuple[tuple[int, ...], ...]:
    """The axes of a batch (N, C, …), counted from its end, over which each view is mirrored; the plain view first."""
    axes = tuple(axis - dimensions for axis in steps.mirrored)
    return tuple(chain.from_iterable(combinations(axes, count) for count in range(len(axes) + 1)))


def spacing_in(image: MedicalImage, frame: Frame) -> Spacing | None:
    """The spacing of a frame's axes, in mm; across a single slice it is that of nothing near."""
    spacing_mm = image.geometry.spacing_mm
    if spacing_mm is not None and len(spacing_mm) == 2:
        spacing_mm = (max(spacing_mm) * BETWEEN_SLICES, *spacing_mm)
    return frame.orientation.turn_spacing(spacing_mm)


def _orientation(image: MedicalImage, steps: NnUNetSteps) -> Orientation:
    first = network_orientation(image.geometry.affine) if steps.turned else Orientation()
    order = tuple(first.order[axis] for axis in steps.axes)
    return Orientation(order, tuple(axis for axis, before in enumerate(steps.axes) if before in first.flipped))


def _normalise_channel(plane: np.ndarray, how: ChannelNormalisation, inside: np.ndarray | None) -> None:
    """In place; ``inside`` is where mean and deviation are taken, and what is changed, for "zscore"."""
    if how.method == "ct":
        np.clip(plane, *how.window, out=plane)
        plane -= how.mean
        plane /= max(how.std, EPSILON)
    elif how.method == "byte":
        plane /= 255.0
    elif how.method == "range":
        plane -= plane.min()
        plane /= max(plane.max(), EPSILON)
    elif how.method == "zscore" and inside is None:
        average, deviation = plane.mean(), plane.std()
        plane -= average
        plane /= max(deviation, EPSILON)
    elif how.method == "zscore" and inside is not None and inside.any():
        values = plane[inside]
        plane[inside] = (values - values.mean()) / max(values.std(), EPSILON)


def _resized(plane: np.ndarray, size: Sequence[int], order: int) -> np.ndarray:
    from skimage.transform import resize

    return resize(plane.astype(np.float64), tuple(size), order, mode="edge", anti_aliasing=False)


def _resized_apart(volume: np.ndarray, size: Sides, axis: int, how: Resampling) -> np.ndarray:
    """Plane by plane, and then from plane to plane: by the nearest where the order is 0."""
    from scipy import ndimage

    plane_size = [side for other, side in enumerate(size) if other != axis]
    planes = np.stack([_resized(plane, plane_size, how.order) for plane in np.moveaxis(volume, axis, 0)])
    length, wanted = len(planes), size[axis]
    if length != wanted and how.order_apart == 0:
        at = length / wanted * (np.arange(wanted) + 0.5) - 0.5
        planes = planes[np.floor(at + 0.5).astype(int).clip(0, length - 1)]
    elif length != wanted:
        planes = ndimage.zoom(planes, (wanted / length, 1, 1), order=how.order_apart, mode="nearest", grid_mode=True)
    return np.moveaxis(planes, 0, axis)


def mean_of_folds(logits: torch.Tensor, folds: int) -> torch.Tensor:
    """(N, folds · K, …) → (N, K, …), in the precision that is given."""
    first, *others = logits.chunk(folds, 1)
    for other in others:
        first = first.add_(other)
    return first.div_(folds) if others else first


def held(sums: torch.Tensor) -> bool:
    """Whether sums stayed within what half precision holds."""
    return bool(torch.isfinite(sums).all())
