"""From an image to the tensor that a network takes, and how to undo the change of size.

Two steps: ``to_tensor`` turns intensities into the network's range and channels at the image's own size;
``place`` brings them to the network's size. Training and inference call the same two.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch.nn import functional as F

from medseg_demo.image import MedicalImage
from medseg_demo.models.card import ModelCard

Denoise = Literal["none", "mean", "gaussian", "median"]

LUMINANCE = np.array((0.299, 0.587, 0.114), np.float32)  # ITU-R BT.601, as Pillow's conversion to "L"


@dataclass(frozen=True)
class Placement:
    """Where an image lies in the network's input.

    Attributes:
        size: (Y, X) of the image itself.
        resized: (Y, X) after scaling; equal to ``size`` where nothing was scaled.
        offset: (top, left) of the scaled image in the input.
        canvas: (H, W) of the input.
    """

    size: tuple[int, int]
    resized: tuple[int, int]
    offset: tuple[int, int]
    canvas: tuple[int, int]

    def crop(self, tensor: torch.Tensor) -> torch.Tensor:
        """The part of (..., H, W) that the image covers, still scaled."""
        (top, left), (height, width) = self.offset, self.resized
        return tensor[..., top : top + height, left : left + width]

    def restore(self, probabilities: torch.Tensor) -> torch.Tensor:
        """(Z, K, H, W) in the network's size → (Z, K, Y, X) in the image's own."""
        return _resize(self.crop(probabilities), self.size)

    def place_labels(self, labels: torch.Tensor) -> torch.Tensor:
        """Integer labels (Z, Y, X) in the image's size → (Z, H, W), padded with background."""
        scaled = F.interpolate(labels[:, None].float(), self.resized, mode="nearest-exact")
        return F.pad(scaled, self._margins())[:, 0].to(labels.dtype)

    def _margins(self) -> tuple[int, int, int, int]:
        (top, left), (height, width), (canvas_h, canvas_w) = self.offset, self.resized, self.canvas
        return left, canvas_w - width - left, top, canvas_h - height - top


def to_tensor(image: MedicalImage, card: ModelCard, *, denoise: Denoise = "none") -> torch.Tensor:
    """The intensities as the network knows them, at the image's own size.

    Args:
        image: Of any channels; colour becomes luminance, or grey is repeated, as the card needs.
        card: Its ``window`` and ``normalisation`` say how intensities are mapped.
        denoise: A filter of 3 × 3 pixels (Gaussian: sigma of one pixel) before anything else.

    Returns:
        float32, (Z, C, Y, X); Z is 1 for an image.
    """
    slices = _with_channels(_denoised(image.slices, denoise), card.in_channels)
    tensor = torch.from_numpy(np.array(slices, dtype=np.float32)).permute(0, 3, 1, 2).contiguous()
    if card.normalisation.method == "zscore":
        return (tensor - tensor.mean()) / tensor.std().clamp_min(1e-6)
    low, high = card.window or image.display_window
    tensor.sub_(low).div_(high - low).clamp_(0, 1)
    return tensor.sub_(_per_channel(card.normalisation.mean)).div_(_per_channel(card.normalisation.std))


def place(
    tensor: torch.Tensor, card: ModelCard, *, spacing_mm: tuple[float, ...] | None = None
) -> tuple[torch.Tensor, Placement]:
    """Bring slices to the network's size.

    "resize" scales the whole image into the input with its aspect ratio kept and pads with black. "tile" scales
    only where both the card and the image state a spacing, and pads by reflection to at least one tile.

    Args:
        tensor: (Z, C, Y, X), from ``to_tensor``.
        card: Its ``input_size``, ``inference`` and ``spacing_mm`` count.
        spacing_mm: The image's spacing; the last two values are those of (Y, X).

    Returns:
        (Z, C, H, W), and how to undo it.
    """
    size = (tensor.shape[-2], tensor.shape[-1])
    target = (card.input_size[-2], card.input_size[-1])
    if card.inference == "resize":
        scale = min(target[0] / size[0], target[1] / size[1])
        resized = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
        canvas = target
    else:
        resized = _at_spacing(size, card.spacing_mm, spacing_mm)
        canvas = (max(target[0], resized[0]), max(target[1], resized[1]))
    offset = ((canvas[0] - resized[0]) // 2, (canvas[1] - resized[1]) // 2)
    placement = Placement(size, resized, offset, canvas)
    scaled = _resize(tensor, resized)
    if card.inference == "resize":
        return _pad_with_black(scaled, placement, card), placement
    return _pad_by_reflection(scaled, placement), placement


def to_picture(tensor: torch.Tensor, card: ModelCard) -> np.ndarray:
    """What the network saw, for people.

    Args:
        tensor: (Z, C, H, W), as given to the network.
        card: Its normalisation is undone.

    Returns:
        uint8, (Z, H, W) for one channel, (Z, H, W, 3) for colour.
    """
    if card.normalisation.method == "window":
        shown = tensor * _per_channel(card.normalisation.std) + _per_channel(card.normalisation.mean)
    else:
        shown = (tensor - tensor.amin()) / (tensor.amax() - tensor.amin()).clamp_min(1e-6)
    picture = (shown.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return picture[..., 0] if picture.shape[-1] == 1 else picture


def _denoised(slices: np.ndarray, denoise: Denoise) -> np.ndarray:
    if denoise == "none":
        return slices
    from scipy import ndimage

    pixels = slices.astype(np.float32)
    window = (1, 3, 3, 1)
    if denoise == "mean":
        return ndimage.uniform_filter(pixels, window)
    if denoise == "gaussian":
        return ndimage.gaussian_filter(pixels, (0, 1, 1, 0))
    return ndimage.median_filter(pixels, window)


def _with_channels(slices: np.ndarray, channels: int) -> np.ndarray:
    if slices.shape[-1] == channels:
        return slices
    if channels == 3:
        return np.repeat(slices, 3, axis=-1)
    return (slices.astype(np.float32) @ LUMINANCE)[..., np.newaxis]


def _per_channel(values: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1)


def _at_spacing(
    size: tuple[int, int], wanted: tuple[float, ...] | None, given: tuple[float, ...] | None
) -> tuple[int, int]:
    if wanted is None or given is None:
        return size
    height, width = (max(1, round(size[axis] * given[axis - 2] / wanted[axis - 2])) for axis in (0, 1))
    return height, width


def _resize(tensor: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    if tensor.shape[-2:] == size:
        return tensor
    shrinks = size[0] < tensor.shape[-2] or size[1] < tensor.shape[-1]
    return F.interpolate(tensor, size, mode="bilinear", antialias=shrinks)


def _pad_with_black(tensor: torch.Tensor, placement: Placement, card: ModelCard) -> torch.Tensor:
    if placement.resized == placement.canvas:
        return tensor
    if card.normalisation.method == "window":
        black = -_per_channel(card.normalisation.mean) / _per_channel(card.normalisation.std)
    else:
        black = tensor.amin().view(1, 1, 1, 1)
    canvas = black.expand(*tensor.shape[:2], *placement.canvas).clone()
    placement.crop(canvas).copy_(tensor)
    return canvas


def _pad_by_reflection(tensor: torch.Tensor, placement: Placement) -> torch.Tensor:
    left, right, top, bottom = placement._margins()
    if not (left or right or top or bottom):
        return tensor
    height, width = placement.resized
    # A reflection cannot be wider than the image itself: what is beyond repeats the edge.
    inner = (min(left, width - 1), min(right, width - 1), min(top, height - 1), min(bottom, height - 1))
    outer = (left - inner[0], right - inner[1], top - inner[2], bottom - inner[3])
    return F.pad(F.pad(tensor, inner, mode="reflect"), outer, mode="replicate")
