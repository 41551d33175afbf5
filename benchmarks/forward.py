"""The bare network: the same weights, precision and memory format, on tensors that are ready."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import nn

from medseg_demo.models.catalog import load_checkpoint
from medseg_demo.segmenting.windows import choose_compute
from medseg_demo.settings import Settings

CHECKPOINT = "lungs-unet-lite0"


def bare_forward(batch_size: int, batches: int = 1) -> Callable[[], float]:
    """A function that runs the network over random batches and returns the seconds it took."""
    settings = Settings.from_environment()
    checkpoint, compute = load_checkpoint(CHECKPOINT, settings.checkpoints_dir), choose_compute(settings)
    network = checkpoint.network.to(compute.device, memory_format=torch.channels_last)
    shape = (batch_size, checkpoint.card.in_channels, *checkpoint.card.input_size)
    tensors = [torch.rand(shape).to(compute.device, memory_format=torch.channels_last) for _ in range(batches)]
    return lambda: _timed(network, tensors, _autocast(compute.device.type, compute.precision))


def _autocast(device: str, precision: torch.dtype) -> Callable[[], AbstractContextManager[None]]:
    return lambda: torch.autocast(device, dtype=precision, enabled=precision != torch.float32)


def _timed(
    network: nn.Module, tensors: list[torch.Tensor], autocast: Callable[[], AbstractContextManager[None]]
) -> float:
    start = time.perf_counter()
    with torch.inference_mode(), autocast():
        for tensor in tensors:
            network(tensor).cpu()
    return time.perf_counter() - start
