"""From the network's input to probabilities: device, precision, batches, sliding window, flips."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from weakref import WeakKeyDictionary

import torch
from torch import nn

from medseg_demo.errors import DeviceMemoryError, InvalidCheckpointError, OptionError
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.models.dividing import pad_where_needed
from medseg_demo.models.folding import fold_batch_norms
from medseg_demo.models.fusing import fuse_convolutions
from medseg_demo.settings import Settings

# On a CPU larger batches are slower: their activations no longer fit into the cache.
CPU_BATCH, GPU_BATCH = 4, 16
CPU_VOLUMES, GPU_VOLUMES = 1, 4
FLIPS: dict[int, tuple[tuple[int, ...], ...]] = {2: ((), (-1,), (-2,), (-2, -1)), 3: ((), (-1,))}
OVERLAP = 0.25  # of a tile's side that it shares with the next

Progress = Callable[[int, int], None]
Window = tuple[slice, ...]
Job = tuple  # the index of a slice or volume, and the slices of a Window

_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Compute:
    """Where and how a network runs.

    Attributes:
        device: Of torch.
        precision: Of the convolutions; weights and results stay float32.
    """

    device: torch.device
    precision: torch.dtype

    @property
    def name(self) -> str:
        """For people, such as "CPU, bfloat16, 2 threads"."""
        precision = str(self.precision).removeprefix("torch.")
        if self.device.type == "cpu":
            threads = torch.get_num_threads()
            return f"CPU, {precision}, {threads} thread{'s' if threads > 1 else ''}"
        if self.device.type == "cuda":
            return f"{torch.cuda.get_device_name(self.device)}, {precision}"
        return f"{'Apple GPU' if self.device.type == 'mps' else self.device}, {precision}"


def choose_compute(settings: Settings) -> Compute:
    """The device and precision that the settings ask for, "auto" resolved to the fastest that is there.

    Raises:
        OptionError: The device is unknown or absent.
    """
    device = _choose_device(settings.device)
    if settings.threads and device.type == "cpu" and torch.get_num_threads() != settings.threads:
        torch.set_num_threads(settings.threads)
    if settings.precision == "auto":
        return Compute(device, _native_precision(device))
    return Compute(device, _PRECISIONS[settings.precision])


def predict(
    checkpoint: Checkpoint,
    tensor: torch.Tensor,
    compute: Compute,
    *,
    batch_size: int = 0,
    flips: bool = False,
    progress: Progress | None = None,
) -> torch.Tensor:
    """Run a network over slices of any size, or over a volume.

    A tensor larger than the card's input size is covered by overlapping tiles (windows in 3-D), whose probabilities
    are blended with Gaussian weights (as nnU-Net does, doi:10.1038/s41592-020-01008-z). Beside the input and a
    batch of tiles, memory holds the sums alone: of the probabilities, and of the weights.

    Args:
        checkpoint: Of a 2-D or 3-D network.
        tensor: (Z, C, H, W) or (1, C, D, H, W) float32, as ``preprocessing.place`` gives it.
        compute: Where to run.
        batch_size: Tiles at once; 0 chooses by device.
        flips: Test-time augmentation: average over the four flips of the plane; of a volume, over left and right
            alone, since a 3-D network that gets all volumes the same way round has learned where front and top are.
        progress: Called with (tiles done, tiles in all) after each batch; what it raises ends the work.

    Returns:
        float32 (Z, K, H, W) or (1, K, D, H, W) on the CPU: the probability of the one class, or of background and
        each class.

    Raises:
        DeviceMemoryError: Memory does not suffice.
        InvalidCheckpointError: The network cannot take inputs as its card describes them.
    """
    tile, size = checkpoint.card.input_size, tuple(tensor.shape[2:])
    windows = _windows(size, tile)
    jobs = [(index, *window) for index in range(len(tensor)) for window in windows]
    batches = tuple(_batched(jobs, batch_size or _default_batch(compute.device, len(tile))))
    single = len(windows) == 1
    weight = torch.ones(tile) if single else _gaussian(tile)
    total = torch.zeros(len(tensor), checkpoint.card.output_channels, *size)
    crops = (torch.stack([tensor[index, :, *window] for index, *window in batch]) for batch in batches)
    done = 0
    for batch, results in zip(batches, _computed(checkpoint, crops, compute, flips=flips), strict=True):
        for (index, *window), result in zip(batch, results, strict=True):
            total[index, :, *window] += result if single else result * weight
        done += len(batch)
        if progress:
            progress(done, len(jobs))
    return total if single else total.div_(_coverage(windows, weight, size))


def _computed(
    checkpoint: Checkpoint, batches: Iterable[torch.Tensor], compute: Compute, *, flips: bool
) -> Iterator[torch.Tensor]:
    try:
        network = _prepared(checkpoint, compute)
        for crops in batches:
            yield _forward(network, crops, compute, flips=flips, multiclass=checkpoint.card.is_multiclass)
    except torch.OutOfMemoryError:
        raise DeviceMemoryError(
            f"The memory of {compute.name} does not suffice for checkpoint {checkpoint.name!r}. "
            "Set MEDSEG_BATCH_SIZE to a smaller number, or MEDSEG_DEVICE to cpu."
        ) from None
    except RuntimeError as error:
        shape = " × ".join(map(str, (checkpoint.card.in_channels, *checkpoint.card.input_size)))
        raise InvalidCheckpointError(
            f"The network of checkpoint {checkpoint.name!r} does not take an input of {shape}: "
            f"{str(error).splitlines()[0]} Correct input_size and in_channels in its medseg.json."
        ) from None


def _choose_device(name: str) -> torch.device:
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise OptionError(
            f"Device {name!r} is not available on this machine. Set MEDSEG_DEVICE to auto, cpu, cuda or mps."
        ) from None
    return device


def _native_precision(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "cpu" and computes_bfloat16():
        return torch.bfloat16
    return torch.float32


def computes_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 natively; elsewhere it is slower than float32."""
    if hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "arm_bf16"))
    return torch.cpu._is_avx512_bf16_supported()


_ready: WeakKeyDictionary[Checkpoint, tuple[Compute, nn.Module]] = WeakKeyDictionary()
_ready_lock = threading.Lock()


def _prepared(checkpoint: Checkpoint, compute: Compute) -> nn.Module:
    # Once for each checkpoint, not for each image: walking through its tensors alone takes as long as a small image.
    with _ready_lock:
        if checkpoint not in _ready or _ready[checkpoint][0] != compute:
            card = checkpoint.card
            layout = channels_last(len(card.input_size))
            network = checkpoint.network.to(compute.device).to(memory_format=layout)
            network = pad_where_needed(network, card.input_size)
            example = torch.rand(1, card.in_channels, *card.input_size, device=compute.device).to(memory_format=layout)
            network = fold_batch_norms(network, example)
            if compute.device.type == "cpu" and not card.is_3d:
                network = fuse_convolutions(network, example, compute.precision)
            _ready[checkpoint] = compute, network
        return _ready[checkpoint][1]


def _forward(
    network: nn.Module, crops: torch.Tensor, compute: Compute, *, flips: bool, multiclass: bool
) -> torch.Tensor:
    dims = crops.ndim - 2
    crops = crops.to(compute.device, memory_format=channels_last(dims))
    reduced = compute.precision != torch.float32
    with torch.inference_mode(), torch.autocast(compute.device.type, dtype=compute.precision, enabled=reduced):
        axes = FLIPS[dims] if flips else ((),)
        views = (_activated(network(crops.flip(axis)), multiclass).flip(axis) for axis in axes)
        return (sum(views, start=torch.zeros(())) / len(axes)).cpu() if flips else next(views).cpu()


def _activated(logits: torch.Tensor, multiclass: bool) -> torch.Tensor:
    return logits.float().softmax(dim=1) if multiclass else logits.float().sigmoid()


def channels_last(dims: int) -> torch.memory_format:
    """The layout of memory in which convolutions of 2 or 3 dimensions are fast."""
    return torch.channels_last if dims == 2 else torch.channels_last_3d


def _default_batch(device: torch.device, dims: int) -> int:
    if device.type == "cpu":
        return CPU_BATCH if dims == 2 else CPU_VOLUMES
    return GPU_BATCH if dims == 2 else GPU_VOLUMES


def _windows(size: Sequence[int], tile: Sequence[int]) -> list[Window]:
    """The tiles that cover a plane or volume, the last axis fastest."""
    axes = zip(size, tile, strict=True)
    return list(product(*([slice(start, start + side) for start in _starts(length, side)] for length, side in axes)))


def _starts(length: int, side: int) -> list[int]:
    """Evenly spread starts whose windows cover the length with at least OVERLAP."""
    if length <= side:
        return [0]
    steps = -(-(length - side) // max(1, round(side * (1 - OVERLAP))))
    return [round(step * (length - side) / steps) for step in range(steps + 1)]


def _gaussian(tile: Sequence[int]) -> torch.Tensor:
    """Weights of a tile's pixels: 1 at the centre, sigma an eighth of each side, never quite 0."""
    axes = (torch.exp(-0.5 * (((torch.arange(side) + 0.5) / side - 0.5) * 8) ** 2) for side in tile)
    return reduce(lambda product, axis: product[..., None] * axis, axes).clamp_min(1e-3)


def _coverage(windows: Sequence[Window], weight: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    total = torch.zeros(*size)
    for window in windows:
        total[window] += weight
    return total


def _batched(jobs: list[Job], size: int) -> Iterator[list[Job]]:
    for start in range(0, len(jobs), size):
        yield jobs[start : start + size]
