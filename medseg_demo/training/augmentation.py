"""Random changes to a training image and its labels, by MONAI's transforms.

Each change is drawn once and applied by kind: geometry to image and labels with the same numbers, the image
interpolated linearly and the labels by the nearest value, so that they stay whole numbers on their image; intensities
to the image alone.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import (
    Compose,
    MapTransform,
    RandAdjustContrastd,
    RandAffined,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandHistogramShiftd,
    Randomizable,
    RandRotate90d,
    RandScaleIntensityd,
    RandShiftIntensityd,
    RandSpatialCropd,
    SpatialPadd,
    Transform,
)

from medseg_demo.errors import TrainingError
from medseg_demo.training.config_parts import Augmentation

IMAGE, LABEL = "image", "label"
BOTH = (IMAGE, LABEL)


class RandColourd(MapTransform, Randomizable):
    """Scale, shift and mix the channels: what another stain, lamp or camera does.

    Args:
        keys: Of the images.
        amount: Greatest scale and shift of each channel on its own.
        mix: Greatest share of another channel in a channel.
        prob: Probability of changing an image.
    """

    def __init__(self, keys: KeysCollection, *, amount: float, mix: float = 0.0, prob: float) -> None:
        super().__init__(keys)
        self.amount, self.mix, self.prob = amount, mix, prob

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        """Change ``data`` under the keys; each is (C, H, W) or (C, D, H, W)."""
        if self.R.random() >= self.prob:
            return dict(data)
        changed = dict(data)
        for key in self.key_iterator(data):
            shape = (len(data[key]), *[1] * (data[key].ndim - 1))
            scale = torch.from_numpy(1 + self.R.uniform(-self.amount, self.amount, shape).astype(np.float32))
            shift = torch.from_numpy(self.R.uniform(-self.amount, self.amount, shape).astype(np.float32))
            mixed = data[key] if self.mix == 0 else self._mixed(data[key])
            changed[key] = mixed * scale + shift
        return changed

    def _mixed(self, image: torch.Tensor) -> torch.Tensor:
        shares = self.R.uniform(-self.mix, self.mix, (len(image), len(image))).astype(np.float32)
        np.fill_diagonal(shares, 0)
        return image + torch.einsum("oc,c...->o...", torch.from_numpy(shares), torch.as_tensor(image))


class RandForegroundCropd(MapTransform, Randomizable):
    """A crop around a random pixel of some labels, or a crop from anywhere.

    Args:
        size: Of the crop; no image is smaller.
        shares: Labels → how often the crop is centred on one of them, as far as the image's border allows; 1 together
            at most. The rest lies anywhere, as does the crop of an image without these labels.
    """

    def __init__(self, size: Sequence[int], shares: Mapping[tuple[int, ...], float]) -> None:
        super().__init__(BOTH)
        self.size, self.shares = size, shares

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        """Crop both alike; each is (C, H, W) or (C, D, H, W)."""
        label = torch.as_tensor(data[LABEL])[0]
        starts = self._starts(label)
        places = (slice(None), *(slice(at, at + length) for at, length in zip(starts, self.size, strict=True)))
        return {**data, **{key: data[key][places] for key in BOTH}}

    def _starts(self, label: torch.Tensor) -> list[int]:
        free = [whole - length for whole, length in zip(label.shape, self.size, strict=True)]
        ends = np.cumsum([*self.shares.values()])
        drawn = int(np.searchsorted(ends, self.R.random(), side="right"))
        wanted = [*self.shares][drawn] if drawn < len(ends) else ()
        found = np.flatnonzero(np.isin(label.numpy(), wanted))
        if not len(found):
            return [int(self.R.randint(most + 1)) for most in free]
        centre = np.unravel_index(found[self.R.randint(len(found))], label.shape)
        starts = (int(at) - length // 2 for at, length in zip(centre, self.size, strict=True))
        return [min(max(0, at), most) for at, most in zip(starts, free, strict=True)]


def foreground_shares(wanted: float | Mapping[str, float], class_names: Sequence[str]) -> dict[tuple[int, ...], float]:
    """``oversample_foreground`` by label values.

    Raises:
        TrainingError: A name is no class.
    """
    if not isinstance(wanted, Mapping):
        return {tuple(range(1, len(class_names) + 1)): wanted} if wanted else {}
    for name in wanted:
        if name not in class_names:
            raise TrainingError(f"oversample_foreground: {name!r} is no class; the names are {', '.join(class_names)}.")
    return {(class_names.index(name) + 1,): share for name, share in wanted.items() if share}


def build_augmentation(
    config: Augmentation,
    size: tuple[int, ...],
    *,
    foreground: Mapping[tuple[int, ...], float] | None = None,
    seed: int = 0,
) -> Compose:
    """The chain of random changes.

    It takes and returns {"image": float (C, H, W), "label": (1, H, W)}, or (C, D, H, W) and (1, D, H, W). An image
    smaller than ``size`` is mirrored at its border first, as is whatever a change brings in from beyond it. Labels
    take the nearest value, never a blend.

    Args:
        config: What is varied.
        size: (height, width) or (depth, height, width) of the crop that leaves.
        foreground: From ``foreground_shares``; without any the crops lie anywhere.
        seed: Of the first call; ``set_random_state`` sets it again.
    """
    anywhere = RandSpatialCropd(BOTH, roi_size=size, random_size=False)
    crop = RandForegroundCropd(size, foreground) if foreground else anywhere
    return Compose(
        [SpatialPadd(BOTH, size, mode="symmetric"), crop, *_geometry(config, size), *_intensities(config, len(size))]
    ).set_random_state(seed)


def _geometry(config: Augmentation, size: tuple[int, ...]) -> list[Transform]:
    height, width = len(size) - 2, len(size) - 1
    steps: list[tuple[float, Transform]] = [
        (config.flip_horizontal, RandFlipd(BOTH, prob=config.flip_horizontal, spatial_axis=width)),
        (config.flip_vertical, RandFlipd(BOTH, prob=config.flip_vertical, spatial_axis=height)),
        (config.flip_depth, RandFlipd(BOTH, prob=config.flip_depth, spatial_axis=0)),
        (config.quarter_turns, RandRotate90d(BOTH, prob=config.quarter_turns, spatial_axes=(height, width))),
        (config.affine, _affine(config, size)),
    ]
    return [step for probability, step in steps if probability > 0]


def _affine(config: Augmentation, size: tuple[int, ...]) -> Transform:
    dims = len(size)
    return RandAffined(
        BOTH,
        prob=config.affine,
        rotate_range=(float(np.deg2rad(config.rotate_degrees)),) * (1 if dims == 2 else 3),
        shear_range=(config.shear,) * (dims * (dims - 1)),
        scale_range=(config.scale,) * dims,
        translate_range=tuple(config.translate * length for length in size),
        mode=("bilinear", "nearest"),
        padding_mode="reflection",
    )


def _sigmas(config: Augmentation, dims: int) -> dict[str, Any]:
    return {f"sigma_{axis}": config.blur_sigma for axis in "xyz"[:dims]}


def _intensities(config: Augmentation, dims: int) -> list[Transform]:
    often = config.intensity
    steps: list[tuple[float, Transform]] = [
        (often, RandAdjustContrastd(IMAGE, prob=often, gamma=config.gamma)),
        (often, RandScaleIntensityd(IMAGE, prob=often, factors=config.contrast)),
        (often, RandShiftIntensityd(IMAGE, prob=often, offsets=config.brightness)),
        (
            often * (config.colour + config.mix),
            RandColourd(IMAGE, amount=config.colour, mix=config.mix, prob=often),
        ),
        (config.histogram, RandHistogramShiftd(IMAGE, prob=config.histogram, num_control_points=(4, 8))),
        (config.blur, RandGaussianSmoothd(IMAGE, prob=config.blur, **_sigmas(config, dims))),
        (config.noise, RandGaussianNoised(IMAGE, prob=config.noise, std=config.noise_std)),
    ]
    return [step for probability, step in steps if probability > 0]
