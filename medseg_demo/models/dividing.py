"""Inputs that a network cannot halve evenly: padded on the way in, cut on the way out."""

import torch
from torch import nn


class PaddedNetwork(nn.Module):
    """A network that takes images of any size.

    Args:
        network: Gives back (N, K, H, W) of the size that it is given.
        multiple: Of height and width that it takes.
    """

    def __init__(self, network: nn.Module, multiple: int) -> None:
        super().__init__()
        self.network, self.multiple = network, multiple

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) → (N, K, H, W); the last row and column are repeated below and to the right."""
        height, width = images.shape[-2:]
        padding = (0, -width % self.multiple, 0, -height % self.multiple)
        return self.network(nn.functional.pad(images, padding, mode="replicate"))[..., :height, :width]


def pad_where_needed(network: nn.Module, size: tuple[int, ...]) -> nn.Module:
    """The network, padded if it refuses inputs of this (height, width), as most of smp's architectures may."""
    if not getattr(network, "requires_divisible_input_shape", False):
        return network
    multiple = network.encoder.output_stride  # type: ignore[union-attr]
    return PaddedNetwork(network, multiple) if any(length % multiple for length in size) else network  # type: ignore[operator, arg-type]
