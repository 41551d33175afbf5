"""From an image to the tensor that a network takes, and how to undo the change of size.

Two steps: ``to_tensor`` turns intensities into the network's range and channels at the image's own size;
``place`` brings them to the network's size. Training and inference call the same two. A 2-D network gets the slices
of a volume one by one, (Z, C, Y, X); a 3-D network gets the whole in its own orientation, (1, C, Z, Y, X). Networks of
nnU-Net have their own steps instead (``segmenting.nnunet``).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import torch
from torch.nn import functional as F

from medseg_demo.errors import InputMismatchError
from medseg_demo.image import MedicalImage
from medseg_demo.models.card import Denoise, ModelCard, Normalisation
from medseg_demo.segmenting import nnunet
from medseg_demo.segmenting.nnunet import Frame, SplinePlacement, frame_of

LARGEST_PLACED = 2**30  # pixels or voxels: what float32 needs 4 GiB for
LUMINANCE = np.array((0.299, 0.587, 0.114), np.float32)  # ITU-R BT.601, as Pillow's conversion to "L"


Size = tuple[int, ...]


@dataclass(frozen=True)
class Placement:
    """Where an image lies in the network's input. Sizes are (Y, X) for a 2-D network, (Z, Y, X) for a 3-D one.

    Attributes:
        size: Of the image itself.
        resized: After scaling; equal to ``size`` where nothing was scaled.
        offset: The first corner of the scaled image in the input.
        canvas: Of the input.
    """

    size: Size
    resized: Size
    offset: Size
    canvas: Size

    def crop(self, tensor: torch.Tensor) -> torch.Tensor:
        """The part of (..., H, W) or (..., D, H, W) that the image covers, still scaled."""
        for axis, (start, length) in enumerate(zip(self.offset, self.resized, strict=True), -len(self.offset)):
            tensor = tensor.narrow(axis, start, length)
        return tensor

    def restore(self, probabilities: torch.Tensor) -> torch.Tensor:
        """(N, K, ...) in the network's size → (N, K, ...) in the image's own."""
        return _resize(self.crop(probabilities), self.size)

    def restore_classes(self, probabilities: torch.Tensor) -> np.ndarray:
        """(N, K, ...) in the network's size → (K, Z, Y, X) in the image's own; N is Z for a 2-D network, 1 for 3-D."""
        restored = self.restore(probabilities)
        return (restored[0] if len(self.size) == 3 else restored.transpose(0, 1)).numpy()

    def place_labels(self, labels: torch.Tensor) -> torch.Tensor:
        """Integer labels (N, ...) in the image's size → (N, ...) in the network's, padded with background."""
        scaled = F.interpolate(labels[:, None].float(), self.resized, mode="nearest-exact")
        return F.pad(scaled, _as_padding(self.margins))[:, 0].to(labels.dtype)

    @property
    def margins(self) -> tuple[tuple[int, int], ...]:
        """The padding before and after each axis."""
        sizes = zip(self.offset, self.resized, self.canvas, strict=True)
        return tuple((start, whole - length - start) for start, length, whole in sizes)


def to_tensor(
    image: MedicalImage, card: ModelCard, *, denoise: Denoise | None = None, frame: Frame | None = None
) -> torch.Tensor:
    """The intensities as the network knows them, at the image's own size.

    Args:
        image: Colour becomes luminance, or grey is repeated, as the card needs. Channels that are no colours go through
            where the card takes as many, each normalised on its own.
        card: Its ``window`` and ``normalisation`` say how intensities are mapped.
        denoise: A filter of 3 × 3 pixels (Gaussian: sigma of one pixel) before anything else; None is the card's.
        frame: From ``frame_of``, where it is known already.

    Returns:
        float32, (Z, C, Y, X); Z is 1 for an image. For a 3-D card (1, C, Z, Y, X). Turned and cut as the frame says.

    Raises:
        InputMismatchError: The image's channels are no colours, and the card takes another number of them.
    """
    slices = intensities(image, card, denoise=denoise)
    if card.is_3d or card.nnunet:
        turned = (frame or frame_of(image, card)).of(np.moveaxis(slices, -1, 0))
        if card.nnunet:
            volume = torch.from_numpy(nnunet.normalise(turned, card.nnunet))
            return volume[None] if card.is_3d else volume.transpose(0, 1)
        tensor = torch.from_numpy(np.array(turned, dtype=np.float32, order="C"))[None]
    else:
        tensor = torch.from_numpy(np.array(slices, dtype=np.float32)).permute(0, 3, 1, 2).contiguous()
    return _normalised(tensor, image, card)


def intensities(image: MedicalImage, card: ModelCard, *, denoise: Denoise | None = None) -> np.ndarray:
    """The intensities as they were read, (Z, Y, X, C), with as many channels as the card takes.

    Raises:
        InputMismatchError: As of ``check_channels``.
    """
    check_channels(image, card)
    return _with_channels(_denoised(image.slices, denoise or card.denoise), card.in_channels)


def check_channels(image: MedicalImage, card: ModelCard) -> None:
    """Refuse channels that a network does not know: they are neither repeated nor mixed.

    Raises:
        InputMismatchError: The card takes another number of them, and they cannot be made from colours or grey.
    """
    takes_colours = card.in_channels == 1 or (card.in_channels == 3 and not card.channel_names)
    if image.channels == card.in_channels or (takes_colours and (image.channels == 1 or image.is_colour)):
        return
    raise InputMismatchError(
        f"Image {image.name!r} has {image.channels_in_words}, and the checkpoint takes {card.in_channels}. Choose one "
        f"channel, or a checkpoint of {image.channels} input channels."
    )


def place(
    tensor: torch.Tensor, card: ModelCard, *, spacing_mm: tuple[float, ...] | None = None
) -> tuple[torch.Tensor, Placement | SplinePlacement]:
    """Bring slices, or a volume for a 3-D network, to the network's size.

    "resize" scales the whole image into the input with its aspect ratio kept and pads with black. "tile" scales
    only where both the card and the image state a spacing, and pads by reflection to at least one tile.

    Args:
        tensor: (Z, C, Y, X) or (1, C, Z, Y, X), from ``to_tensor``.
        card: Its ``input_size``, ``inference`` and ``spacing_mm`` count.
        spacing_mm: The spacing of the tensor's axes; for a 2-D card the last two values count.

    Returns:
        (Z, C, H, W) or (1, C, D, H, W), and how to undo it.
    """
    if card.nnunet:
        return _place_as_nnunet(tensor, card, spacing_mm)
    placement = placement_in(tuple(tensor.shape[2:]), card, spacing_mm=spacing_mm)
    scaled = _resize(tensor, placement.resized)
    if card.inference == "resize":
        return _pad_with_black(scaled, placement, card), placement
    return _pad_by_reflection(scaled, placement), placement


def placement_in(size: Size, card: ModelCard, *, spacing_mm: tuple[float, ...] | None = None) -> Placement:
    """Where an image of this size will lie in the network's input; the arguments are those of ``place``.

    Raises:
        InputMismatchError: At the spacing that the card asks for, no memory would hold it.
    """
    target = card.input_size
    if card.inference == "resize":
        scale = min(wanted / length for wanted, length in zip(target, size, strict=True))
        resized = tuple(max(1, round(length * scale)) for length in size)
        canvas = target
    else:
        resized = _at_spacing(size, card.spacing_mm, spacing_mm)
        _check_size(resized, size)
        canvas = tuple(map(max, target, resized))
    offset = tuple((whole - length) // 2 for whole, length in zip(canvas, resized, strict=True))
    return Placement(size, resized, offset, canvas)


def place_slices(
    tensor: torch.Tensor, card: ModelCard, start: int, number: int, *, spacing_mm: tuple[float, ...] | None = None
) -> tuple[torch.Tensor, Placement | SplinePlacement]:
    """Some slices of a volume as ``place`` gives them, with the neighbours that the card asks for.

    Args:
        tensor: As of ``place``, the whole.
        card: Its ``neighbours`` count too.
        start: The first slice.
        number: How many at most.
        spacing_mm: As of ``place``.
    """
    beyond = card.neighbours
    first, stop = max(0, start - beyond), min(start + number, len(tensor))
    placed, placement = place(tensor[first : stop + beyond], card, spacing_mm=spacing_mm)
    return with_neighbours(placed, card, range(start - first, stop - first)), placement


def with_neighbours(slices: torch.Tensor, card: ModelCard, at: Sequence[int] | None = None) -> torch.Tensor:
    """Slices with their neighbours as further channels, where the card asks for some.

    Args:
        slices: (Z, C, H, W), from ``place``, in the volume's order; of a 3-D network they come back as they are.
        card: Its ``neighbours``, n, count.
        at: Which slices, where the card asks for neighbours; None for all.

    Returns:
        (N, C × (2n + 1), H, W): slices −n … +n of each channel in turn. Beyond the ends the last slice repeats.
    """
    if not card.neighbours:
        return slices
    middle = torch.tensor(range(len(slices)) if at is None else at)
    places = middle[:, None] + torch.arange(-card.neighbours, card.neighbours + 1)
    return slices[places.clamp_(0, len(slices) - 1)].transpose(1, 2).flatten(1, 2)


def _place_as_nnunet(
    tensor: torch.Tensor, card: ModelCard, spacing_mm: tuple[float, ...] | None
) -> tuple[torch.Tensor, SplinePlacement]:
    assert card.nnunet is not None
    volume = tensor[0] if card.is_3d else tensor.transpose(0, 1)
    placement = nnunet.placement_in(tuple(volume.shape[1:]), card, spacing_mm)
    _check_size(placement.resized, placement.size)
    placed = nnunet.place(volume, placement, card.nnunet.images)
    return placed[None] if card.is_3d else placed.transpose(0, 1), placement


def _check_size(resized: Size, size: Size) -> None:
    if math.prod(resized) > max(LARGEST_PLACED, math.prod(size)):
        raise InputMismatchError(
            f"At the checkpoint's spacing the image would have {' × '.join(map(str, reversed(resized)))} values, "
            "which no memory holds. Check the spacing that the file states, or choose another checkpoint."
        )


def to_picture(image: MedicalImage, card: ModelCard, index: int, *, denoise: Denoise | None = None) -> np.ndarray:
    """What a 2-D network sees of one slice, for people: scaled, but not padded.

    Args:
        image: The image or volume.
        card: Its window is shown from black to white; for "zscore", the whole range of the image is.
        index: Which slice; 0 for an image.
        denoise: As in ``to_tensor``.

    Returns:
        uint8, (H, W) for one channel, (H, W, 3) for colour, (H, W, C) for channels that are no colours.
    """
    plain = card.model_copy(update={"window": None, "normalisation": Normalisation(), "recipe": None})
    windows = _shown_windows(image, card)
    one = replace(
        image,
        pixels=image.slices[index],
        axes="YXC",
        display_window=windows[0],
        channel_windows=windows[1:] and windows,
    )
    placed, placement = place(to_tensor(one, plain, denoise=denoise), plain, spacing_mm=image.geometry.spacing_mm)
    assert isinstance(placement, Placement)  # as the plain card has no recipe
    shown = placement.crop(placed)[0].clamp(0, 1)
    picture = (shown * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return picture[..., 0] if picture.shape[-1] == 1 else picture


def _shown_windows(image: MedicalImage, card: ModelCard) -> tuple[tuple[float, float], ...]:
    """What is shown from black to white, as ``MedicalImage.windows``; never empty ranges."""
    if card.normalisation.method == "zscore" or card.nnunet:
        windows = image.intensity_ranges
    else:
        windows = image.windows if card.window is None else (card.window,) * len(image.windows)
    return tuple((low, max(high, low + 1e-6)) for low, high in windows)


def _normalised(tensor: torch.Tensor, image: MedicalImage, card: ModelCard) -> torch.Tensor:
    """(N, C, ...) intensities in the network's range, changed in place."""
    if card.normalisation.method == "zscore":
        if image.channels == 1 or image.is_colour:
            average, deviation = tensor.mean(), tensor.std()
        else:
            axes = [0, *range(2, tensor.ndim)]
            average, deviation = tensor.mean(axes, keepdim=True), tensor.std(axes, keepdim=True)
        return tensor.sub_(average).div_(deviation.clamp_min(1e-6))
    windows = image.windows if card.window is None else (card.window,)
    for index, (low, high) in enumerate(windows):
        part = tensor if len(windows) == 1 else tensor[:, index]
        part.sub_(low).div_(high - low).clamp_(0, 1)
    mean, std = (_per_channel(values, like=tensor) for values in (card.normalisation.mean, card.normalisation.std))
    return tensor.sub_(mean).div_(std)


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


def _per_channel(values: tuple[float, ...], *, like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).view(1, -1, *[1] * (like.ndim - 2))


def _at_spacing(size: Size, wanted: tuple[float, ...] | None, given: tuple[float, ...] | None) -> Size:
    if wanted is None or given is None:
        return size
    lengths = zip(size, given[-len(size) :], wanted[-len(size) :], strict=True)
    return tuple(max(1, round(min(length * own / other, 1e9))) for length, own, other in lengths)


def _resize(tensor: torch.Tensor, size: Size) -> torch.Tensor:
    """Linear interpolation of all axes but the first two, each smoothed first where it shrinks."""
    if tensor.shape[-2:] != size[-2:]:
        flat = tensor.flatten(0, -4) if tensor.ndim == 5 else tensor
        tensor = _resize_plane(flat, size[-2:]).view(*tensor.shape[:-2], *size[-2:])
    if tensor.ndim == 5 and tensor.shape[2] != size[0]:
        # torch smooths planes only; the depth beside all the rest makes one.
        plane = _resize_plane(tensor.flatten(3), (size[0], size[1] * size[2]))
        tensor = plane.view(*tensor.shape[:2], *size)
    return tensor


def _resize_plane(tensor: torch.Tensor, size: Size) -> torch.Tensor:
    shrinks = size[0] < tensor.shape[-2] or size[1] < tensor.shape[-1]
    return F.interpolate(tensor, size, mode="bilinear", antialias=shrinks)


def _pad_with_black(tensor: torch.Tensor, placement: Placement, card: ModelCard) -> torch.Tensor:
    if placement.resized == placement.canvas:
        return tensor
    if card.normalisation.method == "window":
        mean, std = (_per_channel(values, like=tensor) for values in (card.normalisation.mean, card.normalisation.std))
        black = -mean / std
    else:
        black = tensor.amin([0, *range(2, tensor.ndim)], keepdim=True)  # of each channel, as each has its own scale
    canvas = black.expand(*tensor.shape[:2], *placement.canvas).clone()
    placement.crop(canvas).copy_(tensor)
    return canvas


def _pad_by_reflection(tensor: torch.Tensor, placement: Placement) -> torch.Tensor:
    if placement.resized == placement.canvas:
        return tensor
    # A reflection cannot be wider than the image itself: what is beyond repeats the edge.
    reflected, repeated = [], []
    for (before, after), length in zip(placement.margins, placement.resized, strict=True):
        inner = min(before, length - 1), min(after, length - 1)
        reflected.append(inner)
        repeated.append((before - inner[0], after - inner[1]))
    return F.pad(F.pad(tensor, _as_padding(reflected), mode="reflect"), _as_padding(repeated), mode="replicate")


def _as_padding(margins: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """Margins of each axis as torch wants them: the last axis first."""
    return tuple(chain.from_iterable(reversed(tuple(margins))))
