"""A 2-D U-Net whose bottleneck remembers: a convolutional GRU runs through the slices of a volume, both ways."""

from collections.abc import Sequence
from typing import Any

import segmentation_models_pytorch as smp
import torch
from torch import nn


class RecurrentUnet(smp.Unet):
    """The U-Net of segmentation-models-pytorch, slice by slice, with a ConvGRU over its deepest features.

    Its tensors have the names of the U-Net's, so that a 2-D checkpoint is a start. Source: Poudel et al. 2016,
    Recurrent fully convolutional neural networks for multi-slice MRI cardiac segmentation,
    doi:10.1007/978-3-319-52280-7_8 (the place of the recurrence; here it looks both ways).

    Args:
        encoder_name: Any encoder of smp.
        encoder_depth: How often slices are halved; the recurrence sees features of that size.
        encoder_weights: Of smp; None for random ones.
        decoder_channels: As many as ``encoder_depth``, the deepest first.
        decoder_use_norm: As of smp's Unet.
        decoder_attention_type: As of smp's Unet.
        decoder_interpolation: As of smp's Unet.
        hidden_channels: Of the memory, in each direction.
        in_channels: Of the volume.
        classes: Channels of the logits.
    """

    requires_divisible_input_shape = False  # the decoder takes any; what pads for the others knows images alone

    def __init__(
        self,
        encoder_name: str = "resnet34",
        encoder_depth: int = 5,
        encoder_weights: str | None = None,
        decoder_channels: Sequence[int] = (256, 128, 64, 32, 16),
        decoder_use_norm: bool | str | dict[str, object] = "batchnorm",
        decoder_attention_type: str | None = None,
        decoder_interpolation: str = "nearest",
        hidden_channels: int = 64,
        in_channels: int = 1,
        classes: int = 1,
    ) -> None:
        super().__init__(
            encoder_name,
            encoder_depth,
            encoder_weights,
            decoder_use_norm=decoder_use_norm,
            decoder_channels=decoder_channels,
            decoder_attention_type=decoder_attention_type,
            decoder_interpolation=decoder_interpolation,
            in_channels=in_channels,
            classes=classes,
        )
        self.recurrence = BidirectionalConvGru(self.encoder.out_channels[-1], hidden_channels)

    def to(self, *args: Any, **kwargs: Any) -> "RecurrentUnet":
        """As of every module; its kernels are those of images, also where volumes have their channels last."""
        if kwargs.get("memory_format") is torch.channels_last_3d:
            kwargs["memory_format"] = torch.channels_last
        return super().to(*args, **kwargs)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """(N, C, D, H, W) → logits (N, K, D, H, W)."""
        number, channels, depth, height, width = volumes.shape
        slices = volumes.transpose(1, 2).reshape(number * depth, channels, height, width)
        features = list(self.encoder(slices))
        deepest = features[-1].unflatten(0, (number, depth))
        features[-1] = self.recurrence(deepest).flatten(0, 1)
        logits = self.segmentation_head(self.decoder(features))
        return logits.unflatten(0, (number, depth)).transpose(1, 2)


class BidirectionalConvGru(nn.Module):
    """Adds to a sequence of feature maps what a memory that runs forwards and one that runs backwards say of each.

    Args:
        channels: Of the feature maps.
        hidden: Of each memory.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.forwards, self.backwards = ConvGru(channels, hidden), ConvGru(channels, hidden)
        self.out = nn.Conv2d(2 * hidden, channels, 1)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, T, C, H, W) → the same shape."""
        memories = torch.cat([self.forwards(maps), self.backwards(maps.flip(1)).flip(1)], dim=2)
        return maps + self.out(memories.flatten(0, 1)).unflatten(0, maps.shape[:2])


class ConvGru(nn.Module):
    """A gated recurrent unit whose products are 3 × 3 convolutions.

    z = σ(Wz∗x + Uz∗h), r = σ(Wr∗x + Ur∗h), h' = (1 − z)·h + z·tanh(W∗x + U∗(r·h)); biases are those of W; h starts
    at 0. Source: Ballas et al. 2016, Delving deeper into convolutional networks for learning video representations,
    arXiv:1511.06432, equations 4 to 7.

    Args:
        channels: Of the input.
        hidden: Of the memory.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.of_input = nn.Conv2d(channels, 3 * hidden, 3, padding=1)
        self.of_memory = nn.Conv2d(hidden, 2 * hidden, 3, padding=1, bias=False)
        self.of_reset = nn.Conv2d(hidden, hidden, 3, padding=1, bias=False)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, T, C, H, W) → the memory after each step, (N, T, hidden, H, W)."""
        # What does not depend on the memory is computed of all steps at once.
        inputs = self.of_input(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])
        memory = torch.zeros_like(inputs[:, 0, : self.hidden])
        memories = []
        for step in inputs.unbind(1):
            update_and_reset = torch.sigmoid(step[:, : 2 * self.hidden] + self.of_memory(memory))
            update, reset = update_and_reset.chunk(2, dim=1)
            proposed = torch.tanh(step[:, 2 * self.hidden :] + self.of_reset(reset * memory))
            memory = memory + update * (proposed - memory)
            memories.append(memory)
        return torch.stack(memories, dim=1)
