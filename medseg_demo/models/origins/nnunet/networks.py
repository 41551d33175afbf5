"""The two U-Nets of nnU-Net v2, for inference: their parameters are named as in its checkpoints, so that these fit.

A checkpoint names each weight of a convolution twice (``conv`` and ``all_modules.0``), and those of the encoder once
more within the decoder, since nnU-Net registers them so; and it holds the heads of deep supervision, of which the last
alone is run. All of these names are here, too, and a checkpoint loads strictly.

Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z; Isensee et al. 2024, arXiv:2404.09556 (residual encoders).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import nn

Kind = Literal["PlainConvUNet", "ResidualEncoderUNet"]
CONVOLUTIONS: dict[int, type[nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: dict[int, type[nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
POOLINGS: dict[int, type[nn.Module]] = {2: nn.AvgPool2d, 3: nn.AvgPool3d}
NORMS: dict[str, type[nn.Module]] = {
    "InstanceNorm2d": nn.InstanceNorm2d,
    "InstanceNorm3d": nn.InstanceNorm3d,
    "BatchNorm2d": nn.BatchNorm2d,
    "BatchNorm3d": nn.BatchNorm3d,
}
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "LeakyReLU": nn.LeakyReLU,
    "ReLU": nn.ReLU,
    "ELU": nn.ELU,
    "GELU": nn.GELU,
    "SiLU": nn.SiLU,
    "Mish": nn.Mish,
}


@dataclass(frozen=True)
class Architecture:
    """What a U-Net is built from. Each tuple has one entry a resolution, the finest first.

    Attributes:
        kind: The encoder's blocks: plain convolutions, or residual ones after a stem.
        features: Channels.
        kernels: Sizes of the convolutions, along each axis.
        strides: By which each resolution is coarser than the one before, along each axis.
        depths: Convolutions, or residual blocks, of the encoder.
        decoder_depths: Convolutions of the decoder; one entry less, the coarsest first.
        bias: Whether convolutions have one.
        norm: A key of NORMS; None for none.
        norm_options: Of it: eps, affine and the like.
        activation: A key of ACTIVATIONS; None for none.
        activation_options: Of it, such as negative_slope.
        has_dropout: Whether there was one in training, which has its number among the modules.
        activation_first: Before the norm, not after it.
        stem: Channels of the stem; None for those of the finest resolution.
    """

    kind: Kind
    features: tuple[int, ...]
    kernels: tuple[tuple[int, ...], ...]
    strides: tuple[tuple[int, ...], ...]
    depths: tuple[int, ...]
    decoder_depths: tuple[int, ...]
    bias: bool
    norm: str | None
    norm_options: Mapping[str, float | bool]
    activation: str | None
    activation_options: Mapping[str, float | bool]
    has_dropout: bool = False
    activation_first: bool = False
    stem: int | None = None

    @property
    def dimensions(self) -> int:
        """2 or 3."""
        return len(self.kernels[0])

    @property
    def multiple(self) -> tuple[int, ...]:
        """What each side of a patch must be divisible by."""
        return tuple(torch.tensor(self.strides).prod(0).tolist())


class UNet(nn.Module):
    """A U-Net of nnU-Net.

    Args:
        architecture: What it is built from.
        channels: Of its input.
        outputs: Channels of its logits.
    """

    def __init__(self, architecture: Architecture, channels: int, outputs: int) -> None:
        super().__init__()
        encoder = PlainEncoder if architecture.kind == "PlainConvUNet" else ResidualEncoder
        self.encoder = encoder(architecture, channels)
        self.decoder = Decoder(architecture, self.encoder, outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, …) → logits (N, K, …) of the same size."""
        return self.decoder(self.encoder(images))


class PlainEncoder(nn.Module):
    """Stages of convolutions, the first of each with the stride."""

    def __init__(self, made: Architecture, channels: int) -> None:
        super().__init__()
        inputs = (channels, *made.features)
        self.stages = nn.Sequential(
            *(
                nn.Sequential(Stack(made, depth, inputs[level], made.features[level], level, made.strides[level]))
                for level, depth in enumerate(made.depths)
            )
        )

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Features of each resolution, the finest first."""
        return _each(self.stages, images)


class ResidualEncoder(nn.Module):
    """A stem, and stages of residual blocks, the first of each with the stride."""

    def __init__(self, made: Architecture, channels: int) -> None:
        super().__init__()
        stem = made.stem or made.features[0]
        self.stem = Stack(made, 1, channels, stem, 0)
        inputs = (stem, *made.features)
        self.stages = nn.Sequential(*(ResidualStage(made, inputs[level], level) for level in range(len(made.features))))

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Features of each resolution, the finest first."""
        return _each(self.stages, self.stem(images))


class Decoder(nn.Module):
    """From the coarsest features to logits: upsampled, joined with those of the encoder, convolved."""

    def __init__(self, made: Architecture, encoder: nn.Module, outputs: int) -> None:
        super().__init__()
        self.encoder = encoder  # as nnU-Net registers it; not run here
        levels = range(len(made.features) - 2, -1, -1)
        self.stages = nn.ModuleList(
            Stack(made, depth, 2 * made.features[level], made.features[level], level)
            for level, depth in zip(levels, made.decoder_depths, strict=True)
        )
        self.transpconvs = nn.ModuleList(
            TRANSPOSED[made.dimensions](
                made.features[level + 1],
                made.features[level],
                made.strides[level + 1],
                made.strides[level + 1],
                bias=made.bias,
            )
            for level in levels
        )
        convolution = partial(CONVOLUTIONS[made.dimensions], kernel_size=1)
        self.seg_layers = nn.ModuleList(convolution(made.features[level], outputs) for level in levels)

    def forward(self, skips: Sequence[torch.Tensor]) -> torch.Tensor:
        """Features of each resolution, the finest first → logits."""
        features = skips[-1]
        for stage, upsample, skip in zip(self.stages, self.transpconvs, reversed(skips[:-1]), strict=True):
            features = stage(torch.cat((upsample(features), skip), 1))
        return self.seg_layers[-1](features)


class Stack(nn.Module):
    """Convolutions one after the other, each with its norm and activation."""

    def __init__(
        self, made: Architecture, depth: int, inputs: int, outputs: int, level: int, stride: tuple[int, ...] | int = 1
    ) -> None:
        super().__init__()
        kernel = made.kernels[level]
        first = Convolution(made, inputs, outputs, kernel, stride)
        self.convs = nn.Sequential(first, *(Convolution(made, outputs, outputs, kernel) for _ in range(1, depth)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, …) → (N, features, …)."""
        return self.convs(images)


class Convolution(nn.Module):
    """A convolution, and what follows it; in the order of ``all_modules``."""

    def __init__(
        self,
        made: Architecture,
        inputs: int,
        outputs: int,
        kernel: tuple[int, ...],
        stride: tuple[int, ...] | int = 1,
        *,
        bias: bool | None = None,
        is_last: bool = False,
    ) -> None:
        super().__init__()
        padding = tuple((side - 1) // 2 for side in kernel)
        convolution = CONVOLUTIONS[made.dimensions]
        self.conv = convolution(inputs, outputs, kernel, stride, padding, bias=made.bias if bias is None else bias)
        parts: list[nn.Module] = [self.conv]
        if made.has_dropout and not is_last:
            parts.append(nn.Identity())
        if made.norm is not None:
            self.norm = NORMS[made.norm](outputs, **made.norm_options)
            parts.append(self.norm)
        if made.activation is not None and not is_last:
            parts.append(_activation(made))
            if made.activation_first and made.norm is not None:
                parts[-2:] = reversed(parts[-2:])
        self.all_modules = nn.Sequential(*parts)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, …) → (N, features, …)."""
        return self.all_modules(images)


class ResidualStage(nn.Module):
    """Residual blocks of one resolution."""

    def __init__(self, made: Architecture, inputs: int, level: int) -> None:
        super().__init__()
        outputs, kernel = made.features[level], made.kernels[level]
        first = ResidualBlock(made, inputs, outputs, kernel, made.strides[level])
        single = (1,) * made.dimensions
        others = (ResidualBlock(made, outputs, outputs, kernel, single) for _ in range(1, made.depths[level]))
        self.blocks = nn.Sequential(first, *others)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, …) → (N, features, …)."""
        return self.blocks(images)


class ResidualBlock(nn.Module):
    """Two convolutions beside a skip, which averages where they have a stride (ResNet-D, He et al. 2019)."""

    def __init__(
        self, made: Architecture, inputs: int, outputs: int, kernel: tuple[int, ...], stride: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.conv1 = Convolution(made, inputs, outputs, kernel, stride)
        self.conv2 = Convolution(made, outputs, outputs, kernel, is_last=True)
        skip: list[nn.Module] = []
        if any(step != 1 for step in stride):
            skip.append(POOLINGS[made.dimensions](stride, stride))
        if inputs != outputs:
            skip.append(Convolution(made, inputs, outputs, (1,) * made.dimensions, bias=False, is_last=True))
        self.skip = nn.Sequential(*skip)
        self.nonlin2 = _activation(made) if made.activation is not None else nn.Identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, …) → (N, features, …)."""
        return self.nonlin2(self.conv2(self.conv1(images)) + self.skip(images))


class SideBySide(nn.Module):
    """Networks that were trained on several folds, as one: their logits one after the other, among the channels.

    They are averaged where tiles have become the whole, in half precision, as nnU-Net does.

    Args:
        members: At least one.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, …) → logits (N, folds · K, …)."""
        return torch.cat([member(images) for member in self.members], 1)


def _each(stages: nn.Sequential, images: torch.Tensor) -> list[torch.Tensor]:
    features = []
    for stage in stages:
        images = stage(images)
        features.append(images)
    return features


def _activation(made: Architecture) -> nn.Module:
    assert made.activation is not None
    return ACTIVATIONS[made.activation](**made.activation_options)
