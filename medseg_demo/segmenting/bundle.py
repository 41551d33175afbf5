"""The steps of a MONAI bundle, carried out by MONAI's own transforms and inferer around this project's network.

Arrays are MONAI's within: channels first, then (x, y) or (x, y, z), with an affine to RAS millimetres.

Source: Cardoso et al. 2022, doi:10.48550/arXiv.2211.02701; ``monai.bundle`` was run beside it (tests/oracles).
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from medseg_demo.errors import InputMismatchError, InvalidCheckpointError
from medseg_demo.image import MedicalImage
from medseg_demo.models.backends import prepare
from medseg_demo.models.card import Denoise, ModelCard
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.models.compute import Compute
from medseg_demo.models.network import Network
from medseg_demo.models.origins.bundle.classes import (
    CLEANING,
    IMAGE,
    POSTPROCESSING,
    PREDICTION,
    PREPROCESSING,
    inferer_of,
    transforms_of,
)
from medseg_demo.models.recipes import BundleSteps, Call
from medseg_demo.orientation import RAS_FROM_LPS
from medseg_demo.segmenting.decide import EVEN
from medseg_demo.segmenting.prepare import LARGEST_PLACED, intensities
from medseg_demo.segmenting.windows import FLIPS, Found, Progress, Turn, told

if TYPE_CHECKING:
    from monai.data import MetaTensor
    from monai.transforms import Compose

WINDOWS = {"cpu": 1, "cuda": 4}  # at once

Data = dict[Any, Any]
Axes = tuple[tuple[int, ...], ...]


def run(
    image: MedicalImage,
    checkpoint: Checkpoint,
    compute: Compute,
    *,
    flips: bool = False,
    denoise: Denoise | None = None,
    batch_size: int = 0,
    progress: Progress | None = None,
    turn: Turn = nullcontext,
) -> Found:
    """Segment an image, or a volume: whole in a 3-D network, slice by slice in a 2-D one.

    Args:
        image: All of what is segmented.
        checkpoint: Its card's recipe is a bundle's.
        compute: Where to run.
        flips: As for ``windows.predict``; what comes out of the network is averaged.
        denoise: A filter before everything.
        batch_size: Windows at once; 0 chooses by device.
        progress: Called with (windows done, windows in all); what it raises ends the work.
        turn: Held while the network computes.

    Raises:
        InputMismatchError: A step does not take this image.
        InvalidCheckpointError: A step or the network does not take what it gets.
    """
    card = checkpoint.card
    assert card.bundle is not None
    with told(checkpoint, compute):
        network = prepare(checkpoint, compute)
    batch = batch_size or WINDOWS.get(network.device.type, 1)
    data = _data(image, card, denoise)
    calls = _Calls(network, _axes(card, flips=flips), turn, progress, parts=len(data))
    results = []
    for one in data:
        with _done_with(checkpoint):
            pre = _preprocessing(card.bundle)
            _check_size(one, card.bundle, image)
            one = pre(one)
        prepared = one[IMAGE] if IMAGE in one else next(iter(one.values()))
        calls.expect(prepared.shape[1:], card.bundle.inferer)
        with told(checkpoint, compute), _done_with(checkpoint), torch.inference_mode():
            found = _like(prepared, inferer_of(card.bundle.inferer, batch)(prepared[None], calls)[0])
        with _done_with(checkpoint), torch.inference_mode():
            results.append(_decided({**one, PREDICTION: found}, pre, card, _shape(image, card)))
        calls.end_part()
    labels, probabilities = (np.concatenate(parts, axis=-3) for parts in zip(*results, strict=True))
    return Found(labels, probabilities)


def seen(image: MedicalImage, card: ModelCard, index: int, *, denoise: Denoise | None = None) -> np.ndarray:
    """What a 2-D network gets of one slice, as a picture from its least to its greatest value.

    Returns:
        uint8, (H, W), or (H, W, C) of three channels.
    """
    assert card.bundle is not None
    volume = card.bundle.is_sliced
    data = _data(image, card, denoise)
    prepared = _preprocessing(card.bundle)(data[0 if volume else index])[IMAGE]
    plane = prepared.as_tensor()[..., min(index, prepared.shape[-1] - 1)] if volume else prepared.as_tensor()
    plane = plane[:3] if len(plane) >= 3 else plane[:1]
    low, high = plane.amin(), plane.amax()
    shown = ((plane - low) / (high - low).clamp_min(1e-6) * 255).round().to(torch.uint8)
    picture = (shown if card.bundle.rows_first else shown.transpose(1, 2)).permute(1, 2, 0).numpy()
    return picture[..., 0] if picture.shape[-1] == 1 else picture


@dataclass(eq=False)
class _Calls:
    """The network as MONAI's inferers call it: one batch of windows at a time."""

    network: Network
    axes: Axes
    turn: Turn
    progress: Progress | None
    parts: int
    windows: int = field(default=1, init=False)
    done: int = field(default=0, init=False)
    part: int = field(default=0, init=False)

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        plain = torch.as_tensor(windows.as_tensor() if hasattr(windows, "as_tensor") else windows).float()
        views = (plain.flip(axis) if axis else plain for axis in self.axes)
        expected = self.windows * self.parts * len(self.axes)
        results = []
        logits = self.network.logits(views, expected=expected)
        with self.turn():
            for axis, result in zip(self.axes, logits, strict=True):
                results.append(result.flip(axis) if axis else result)
        found = results[0] if len(results) == 1 else sum(results[1:], start=results[0]) / len(results)
        self.done += len(windows)
        self._tell()
        return found.cpu()

    def expect(self, size: Sequence[int], inferer: Call) -> None:
        """Say how large the next part is, in pixels or voxels."""
        self.windows, self.done = _windows(size, inferer), 0

    def end_part(self) -> None:
        """Say that a part is done."""
        self.part, self.done = self.part + 1, 0
        self._tell()

    def _tell(self) -> None:
        if self.progress:
            part = min(self.done / self.windows, 0.99)
            self.progress(round(1000 * (self.part + part) / self.parts), 1000)


def _axes(card: ModelCard, *, flips: bool) -> Axes:
    """Of windows in MONAI's order, over which views are flipped: left and right of a volume is its first."""
    if not flips:
        return ((),)
    return ((), (-3,)) if card.is_3d else FLIPS[2]


def _windows(size: Sequence[int], inferer: Call) -> int:
    """How many windows an inferer needs, near enough for progress."""
    if inferer.target == "SimpleInferer":
        return 1
    roi, overlap = inferer.arguments.get("roi_size"), inferer.arguments.get("overlap", 0.25)
    sides = list(roi) if isinstance(roi, list) else [roi] * len(size)
    if inferer.target == "SliceInferer":
        sides.insert(int(str(inferer.arguments.get("spatial_dim", 0))), 1)
    shares = overlap if isinstance(overlap, list) else [overlap] * len(size)
    count = 1
    for length, side, share in zip(size, sides, shares, strict=False):
        side = int(side) if isinstance(side, int) and side > 0 else length
        count *= 1 + max(0, math.ceil((length - side) / max(1, int(side * (1 - float(str(share)))))))
    return count


def _data(image: MedicalImage, card: ModelCard, denoise: Denoise | None) -> list[Data]:
    """The image as MONAI's dictionaries: one of a volume, or one of each slice for a 2-D network."""
    steps = card.bundle
    assert steps is not None
    slices = intensities(image, card, denoise=denoise)
    volume = np.moveaxis(slices, -1, 0)  # (C, Z, Y, X)
    affine = _affine(image)
    if card.is_3d or steps.is_sliced:
        return [_entries(volume.transpose(0, 3, 2, 1), affine, steps)]
    order = (0, 1, 2) if steps.rows_first else (0, 2, 1)
    planar = np.diag([*np.diag(affine)[:2], 1.0]) if affine[0, 0] and affine[1, 1] else np.eye(3)
    return [_entries(volume[:, index].transpose(order), planar, steps) for index in range(volume.shape[1])]


def _entries(array: np.ndarray, affine: np.ndarray, steps: BundleSteps) -> Data:
    from monai.data import MetaTensor

    tensor = torch.from_numpy(np.array(array, np.float32, order="C"))
    parts = [tensor] if len(steps.inputs) == 1 else tensor.split(1)
    return {
        key: MetaTensor(part, affine=torch.from_numpy(affine), meta={"original_affine": affine, "space": "RAS"})
        for key, part in zip(steps.inputs, parts, strict=True)
    }


def _affine(image: MedicalImage) -> np.ndarray:
    """(4, 4), indices (x, y, z, 1) to RAS millimetres; MONAI takes one of 1 mm where nothing is known."""
    if image.geometry.affine is not None:
        return np.diag([*RAS_FROM_LPS, 1.0]) @ image.geometry.affine
    spacing_mm = (1.0, 1.0, *(image.geometry.spacing_mm or ()))[-3:] if image.geometry.spacing_mm else (1.0,) * 3
    return np.diag([*reversed(spacing_mm), 1.0])


def _preprocessing(steps: BundleSteps) -> "Compose":
    from monai.transforms import Compose

    return Compose(transforms_of(steps.preprocessing, PREPROCESSING), lazy=steps.lazy)


def _check_size(data: Data, steps: BundleSteps, image: MedicalImage) -> None:
    """Refuse a volume that would outgrow any memory at the spacing that the bundle brings it to."""
    from monai.data import affine_to_spacing

    tensor = next(iter(data.values()))
    for call in steps.preprocessing:
        pixdim = call.arguments.get("pixdim") if call.target == "Spacingd" else None
        if pixdim is None:
            continue
        own = affine_to_spacing(tensor.affine, r=tensor.ndim - 1).tolist()
        wanted = pixdim if isinstance(pixdim, list) else [pixdim] * len(own)
        ratios = (mine / float(str(one)) for mine, one in zip(own, wanted, strict=False) if float(str(one)) > 0)
        voxels = tensor[0].numel() * math.prod(ratios)
        if voxels > LARGEST_PLACED:
            raise InputMismatchError(
                f"Image {image.name!r} would have {voxels:.0e} voxels at the spacing of {pixdim} mm that this "
                "checkpoint works at. Check the spacing that its file states, or choose another checkpoint."
            )


def _decided(data: Data, pre: "Compose", card: ModelCard, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Labels (Z, Y, X) and probabilities (K, Z, Y, X), by the bundle's own steps after the network."""
    steps = card.bundle
    assert steps is not None
    first, rest = _at_decision(steps.postprocessing)
    for call in first:
        data = _applied(call, data, pre)
    raw = scores = data[PREDICTION]
    if not any(call.target == "Activationsd" for call in first):
        scores = scores.softmax(dim=0) if card.has_background else scores.sigmoid()
    discrete = _discrete(raw, scores, card, rest)
    labels, kept = {**data, PREDICTION: discrete}, {**data, PREDICTION: scores}
    for call in rest:
        if call.target == "AsDiscreted":
            continue
        labels = _applied(call, labels, pre)
        if call.target == "Invertd":
            kept = _applied(call, kept, pre)
    probabilities = _on_grid(kept[PREDICTION], data, shape, mode="bilinear")
    values = _written(_on_grid(labels[PREDICTION], data, shape, mode="nearest"), steps)
    probabilities = probabilities[1:] if card.has_background else probabilities[list(steps.channels) or slice(None)]
    return _turned(values, steps)[0].astype(np.uint8), _turned(probabilities, steps)


def _like(prepared: "MetaTensor", scores: torch.Tensor) -> "MetaTensor":
    """What came out of the network, lying where that lies which went in."""
    from monai.data import MetaTensor

    if tuple(scores.shape[1:]) != tuple(prepared.shape[1:]):
        raise ValueError(f"its network makes {tuple(scores.shape[1:])} of {tuple(prepared.shape[1:])}")
    plain = scores.as_tensor() if isinstance(scores, MetaTensor) else scores
    return MetaTensor(plain, meta=dict(prepared.meta), applied_operations=list(prepared.applied_operations))


def _at_decision(calls: tuple[Call, ...]) -> tuple[tuple[Call, ...], tuple[Call, ...]]:
    """What is done to probabilities, and what from the labels on."""
    decides = [call.target == "AsDiscreted" or call.target in CLEANING for call in calls]
    index = decides.index(True) if True in decides else len(calls)
    return calls[:index], calls[index:]


def _applied(call: Call, data: Data, pre: "Compose") -> Data:
    if call.target != "Invertd":
        return transforms_of((call,), POSTPROCESSING)[0](data)
    from monai.transforms import Invertd

    key, nearest = call.arguments.get("orig_keys", IMAGE), bool(call.arguments.get("nearest_interp", True))
    return dict(Invertd(keys=PREDICTION, transform=pre, orig_keys=str(key), nearest_interp=nearest)(dict(data)))


def _discrete(raw: torch.Tensor, scores: torch.Tensor, card: ModelCard, calls: tuple[Call, ...]) -> torch.Tensor:
    """(1, …) labels of a softmax head, or (K, …) masks of a sigmoid one.

    A bundle decides by what it has (``raw``), which may be logits; where it does not say, by probabilities.
    """
    if card.has_background:
        return raw.argmax(dim=0, keepdim=True).float()
    call = next((one for one in calls if one.target == "AsDiscreted"), None)
    if call is not None and call.arguments.get("threshold") is not None:
        return transforms_of((call,), POSTPROCESSING)[0]({PREDICTION: raw})[PREDICTION]
    return (scores >= EVEN).float()


def _on_grid(tensor: "MetaTensor", data: Data, shape: tuple[int, ...], *, mode: str) -> torch.Tensor:
    """On the image's own grid, where the bundle has not brought it back there: as MONAI does when it saves.

    Pictures are brought there by their size, as its writer of pictures does, and volumes by their affines.
    """
    from monai.transforms import SpatialResample

    own = torch.as_tensor(next(iter(data.values())).meta["original_affine"])
    if tuple(tensor.shape[1:]) == shape and torch.allclose(tensor.affine, own.to(tensor.affine), atol=1e-3):
        return tensor.as_tensor()
    if len(shape) == 2:
        return torch.nn.functional.interpolate(tensor.as_tensor()[None].float(), shape, mode=mode)[0]
    resample = SpatialResample(mode=mode, padding_mode="border", align_corners=False, dtype=np.float64)
    return torch.as_tensor(resample(tensor, dst_affine=own, spatial_size=shape))


def _written(values: torch.Tensor, steps: BundleSteps) -> torch.Tensor:
    """(1, …) labels as they are; of (K, …) masks the value of each class, later ones over earlier ones."""
    if len(values) == 1:
        return values.round().clamp(0, 255)
    result = torch.zeros_like(values[:1])
    for value, channel in enumerate(steps.channels or range(len(values)), start=1):
        result[values[channel : channel + 1] > EVEN] = value
    return result


def _turned(tensor: torch.Tensor, steps: BundleSteps) -> np.ndarray:
    """MONAI's (C, X, Y, Z) or (C, X, Y) → (C, Z, Y, X)."""
    array = tensor.float().numpy()
    if array.ndim == 4:
        return array.transpose(0, 3, 2, 1)
    return (array if steps.rows_first else array.transpose(0, 2, 1))[:, np.newaxis]


def _shape(image: MedicalImage, card: ModelCard) -> tuple[int, ...]:
    """The image's own size in MONAI's order."""
    assert card.bundle is not None
    depth, height, width = image.slices.shape[:3]
    if card.is_3d or card.bundle.is_sliced:
        return width, height, depth
    return (height, width) if card.bundle.rows_first else (width, height)


@contextmanager
def _done_with(checkpoint: Checkpoint) -> Iterator[None]:
    """What a step of MONAI raises becomes an error of this project; the place is told, and no value of the image."""
    try:
        yield
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError) as error:
        raise InvalidCheckpointError(
            f"A step of the bundle {checkpoint.name!r} does not take this image: {str(error).splitlines()[0][:200]}. "
            "Correct its configs, or choose another image."
        ) from None
