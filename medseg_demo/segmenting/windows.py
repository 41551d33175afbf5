"""From the network's input to probabilities: batches, sliding window, flips; on whatever backend the network runs."""

import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import reduce
from itertools import islice, product

import numpy as np
import torch

from medseg_demo.errors import DeviceMemoryError, InvalidCheckpointError
from medseg_demo.models.backends import channels_last, prepare
from medseg_demo.models.card import ModelCard
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.models.compute import Compute, choose_compute, computes_bfloat16
from medseg_demo.models.network import Network
from medseg_demo.segmenting import nnunet

__all__ = [
    "Compute",
    "Found",
    "Look",
    "Progress",
    "Turn",
    "channels_last",
    "choose_compute",
    "computes_bfloat16",
    "predict",
]

# On a CPU larger batches are slower: their activations no longer fit into the cache.
CPU_BATCH, GPU_BATCH = 4, 16
CPU_VOLUMES, GPU_VOLUMES = 1, 4
FLIPS: dict[int, tuple[tuple[int, ...], ...]] = {2: ((), (-1,), (-2,), (-2, -1)), 3: ((), (-1,))}
OVERLAP = 0.25  # of a tile's side that it shares with the next
AHEAD = 2  # batches that a GPU may have before it: one that it computes, one that waits
GPU_SHARE = 0.5  # of a GPU's free memory that input and sums may take, so that the network has the rest

Progress = Callable[[int, int], None]
# Runs a network that is told of an object: float32 (C, size, size) → the object's probabilities, (size, size).
Look = Callable[[np.ndarray], np.ndarray]
Turn = Callable[[], AbstractContextManager[None]]
Window = tuple[slice, ...]
Axes = tuple[tuple[int, ...], ...]
Job = tuple  # the index of a slice or volume, and the slices of a Window


@dataclass(frozen=True, eq=False)
class Found:
    """What another library's steps make of an image, in the image's own size and order.

    Attributes:
        labels: uint8, (Z, Y, X).
        probabilities: float32, (K, Z, Y, X), of the foreground classes.
    """

    labels: np.ndarray
    probabilities: np.ndarray


def predict(
    checkpoint: Checkpoint,
    tensor: torch.Tensor,
    compute: Compute,
    *,
    batch_size: int = 0,
    flips: bool = False,
    progress: Progress | None = None,
    turn: Turn = nullcontext,
    findings: torch.Tensor | None = None,
) -> torch.Tensor:
    """Run a network over slices of any size, or over a volume.

    A tensor larger than the card's input size is covered by overlapping tiles (windows in 3-D), whose probabilities
    are blended with Gaussian weights (as nnU-Net does, doi:10.1038/s41592-020-01008-z). Beside the input and a
    batch of tiles, memory holds the sums alone: of the probabilities, and of the weights. For networks of nnU-Net the
    card says how tiles lie and are mirrored, and logits are blended, in half precision as there.

    Args:
        checkpoint: Of a 2-D or 3-D network.
        tensor: (Z, C, H, W) or (1, C, D, H, W) float32, as ``preprocessing.place`` gives it.
        compute: Where to run.
        batch_size: Tiles at once; 0 chooses by device.
        flips: Test-time augmentation: average over the four flips of the plane; of a volume, over left and right
            alone, since a 3-D network that gets all volumes the same way round has learned where front and top are.
        progress: Called with (tiles done, tiles in all) after each batch; what it raises ends the work.
        turn: Held while a batch is computed, so that others may have theirs in between; what it raises ends the work.
        findings: (Z, F) float32 zeros, to which the probabilities of the card's findings in each slice are added: the
            mean over its tiles, and over the flips of each.

    Returns:
        float32 (Z, K, H, W) or (1, K, D, H, W) on the CPU: the probability of the one class, or of background and
        each class. For networks of nnU-Net float16, their logits.

    Raises:
        DeviceMemoryError: Memory does not suffice.
        InvalidCheckpointError: The network cannot take inputs as its card describes them.
    """
    card = checkpoint.card
    tile, size = card.input_size, tuple(tensor.shape[2:])
    windows = tiles_of(size, card)
    jobs = [(index, *window) for index in range(len(tensor)) for window in windows]
    axes = views_of(card, flips=flips)
    with told(checkpoint, compute):
        network = prepare(checkpoint, compute)
        shape = (len(tensor), card.network_channels, *size)
        place = _place(tensor, shape, network.device)
        precision = torch.float16 if card.nnunet else torch.float32
        tensor, total = _moved(tensor, place), torch.zeros(shape, device=place, dtype=precision)
    batches = tuple(_batched(jobs, batch_size or _default_batch(network.device, len(tile))))
    views = (view for batch in batches for view in _views(tensor, batch, axes, network.device))
    single = len(windows) == 1 and not card.nnunet
    weight = torch.ones(()) if single else (nnunet.weights if card.nnunet else _gaussian)(tile).to(place)
    done, seen = 0, list[torch.Tensor]()
    with closing(_probabilities(checkpoint, compute, network, views, axes, seen, expected=len(jobs))) as computed:
        for batch in batches:
            with turn():
                results = next(computed)
            if findings is not None and seen:
                slices = torch.tensor([index for index, *_ in batch])
                findings.index_add_(0, slices, seen.pop(0).cpu() / len(windows))
            for (index, *window), result in zip(batch, results.to(place), strict=True):
                if single:
                    total[index] = result
                else:
                    total[index, :, *window] += result * weight
            done += len(batch)
            if progress:
                progress(done, len(jobs))
    if not single:
        total.div_(_coverage(windows, weight, size))
    if card.nnunet and not nnunet.held(total):
        raise InvalidCheckpointError(
            f"Checkpoint {checkpoint.name!r} gives logits that half precision, in which nnU-Net adds them, does not "
            "hold. Check that the image is of the kind that it was trained on."
        )
    return (nnunet.mean_of_folds(total, card.nnunet.folds) if card.nnunet else total).cpu()


def views_of(card: ModelCard, *, flips: bool) -> Axes:
    """The axes over which each tile is flipped for its views, the plain one among them."""
    if card.nnunet:
        return nnunet.mirrored_views(card.nnunet, len(card.input_size))
    return FLIPS[len(card.input_size)] if flips else ((),)


def _probabilities(
    checkpoint: Checkpoint,
    compute: Compute,
    network: Network,
    views: Iterable[torch.Tensor],
    axes: Axes,
    findings: list[torch.Tensor],
    *,
    expected: int,
) -> Generator[torch.Tensor, None, None]:
    """The probabilities of each batch, whose views come one after the other, averaged; those of findings likewise."""
    begun: deque[torch.cuda.Event] = deque()
    card, found = checkpoint.card, list[torch.Tensor]()
    computed = network.logits(views, expected=expected * len(axes), findings=found)
    with told(checkpoint, compute), closing(computed) as logits:
        while True:
            turned = zip(axes, islice(logits, len(axes)))  # noqa: B905 (nothing is left at the end)
            results = [_flipped(one if card.nnunet else activated(one, card), axis) for axis, one in turned]
            if not results:
                return
            if found:
                findings.append(torch.stack(found[: len(axes)]).sigmoid().mean(0))
                del found[: len(axes)]
            if network.device.type == "cuda":
                _keep_pace(begun)
            yield results[0] if len(axes) == 1 else sum(results[1:], start=results[0]) / len(axes)


@contextmanager
def told(checkpoint: Checkpoint, compute: Compute) -> Iterator[None]:
    """What a backend raises becomes an error of this project."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError):
        raise DeviceMemoryError(
            f"The memory of {compute.name} does not suffice for checkpoint {checkpoint.name!r}. "
            "Set MEDSEG_BATCH_SIZE to a smaller number, or MEDSEG_DEVICE to cpu."
        ) from None
    except RuntimeError as error:
        shape = " × ".join(map(str, (checkpoint.card.input_channels, *checkpoint.card.input_size)))
        raise InvalidCheckpointError(
            f"The network of checkpoint {checkpoint.name!r} does not take an input of {shape}: "
            f"{str(error).splitlines()[0]} Correct input_size and in_channels in its medseg.json."
        ) from None


def _place(tensor: torch.Tensor, shape: Sequence[int], device: torch.device) -> torch.device:
    """Where input and sums lie: with the network where its memory has room for them, else on the CPU."""
    if device.type != "cuda":
        return torch.device("cpu")
    needed = 4 * (tensor.numel() + 2 * math.prod(shape))
    return device if needed < GPU_SHARE * torch.cuda.mem_get_info(device)[0] else torch.device("cpu")


def _moved(tensor: torch.Tensor, place: torch.device) -> torch.Tensor:
    if place.type != "cuda":
        return tensor
    return tensor.pin_memory().to(place, non_blocking=True)


def _views(tensor: torch.Tensor, batch: list[Job], axes: Axes, device: torch.device) -> Iterator[torch.Tensor]:
    """A batch as the network gets it, once for each flip."""
    crops = torch.stack([tensor[index, :, *window] for index, *window in batch])
    if device.type == "cuda" and crops.device.type == "cpu":
        crops = crops.pin_memory()  # so that it is copied while the batch before it is computed
    for axis in axes:
        yield _flipped(crops, axis)


def _flipped(tensor: torch.Tensor, axis: tuple[int, ...]) -> torch.Tensor:
    return tensor.flip(axis) if axis else tensor  # which would be copied


def _keep_pace(begun: "deque[torch.cuda.Event]") -> None:
    """Wait for a GPU that is more than AHEAD batches behind, so that progress tells what was done and Stop stops it."""
    event = torch.cuda.Event()
    event.record()
    begun.append(event)
    if len(begun) > AHEAD:
        begun.popleft().synchronize()


def activated(logits: torch.Tensor, card: ModelCard, *, dim: int = 1) -> torch.Tensor:
    """The probabilities of logits: of background and the classes along ``dim``, or of each class on its own."""
    if card.activated:
        return logits
    return logits.softmax(dim) if card.has_background else logits.sigmoid()


def _default_batch(device: torch.device, dims: int) -> int:
    if device.type == "cpu":
        return CPU_BATCH if dims == 2 else CPU_VOLUMES
    return GPU_BATCH if dims == 2 else GPU_VOLUMES


def tiles_of(size: Sequence[int], card: ModelCard) -> list[Window]:
    """The tiles by which a network covers a plane or volume."""
    return windows_of(size, card.input_size, overlap=nnunet.OVERLAP if card.nnunet else OVERLAP)


def windows_of(size: Sequence[int], tile: Sequence[int], *, overlap: float = OVERLAP) -> list[Window]:
    """The tiles that cover a plane or volume, the last axis fastest."""
    sides = zip(size, tile, strict=True)
    axes = ([slice(at, at + side) for at in _starts(length, side, overlap)] for length, side in sides)
    return list(product(*axes))


def _starts(length: int, side: int, overlap: float = OVERLAP) -> list[int]:
    """Evenly spread starts whose windows cover the length with at least that overlap."""
    if length <= side:
        return [0]
    steps = math.ceil((length - side) / (side * (1 - overlap)))
    return [round(step * (length - side) / steps) for step in range(steps + 1)]


def _gaussian(tile: Sequence[int]) -> torch.Tensor:
    """Weights of a tile's pixels: 1 at the centre, sigma an eighth of each side, never quite 0."""
    axes = (torch.exp(-0.5 * (((torch.arange(side) + 0.5) / side - 0.5) * 8) ** 2) for side in tile)
    return reduce(lambda product, axis: product[..., None] * axis, axes).clamp_min(1e-3)


def _coverage(windows: Sequence[Window], weight: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    total = torch.zeros(*size, device=weight.device, dtype=weight.dtype)
    for window in windows:
        total[window] += weight
    return total


def _batched(jobs: list[Job], size: int) -> Iterator[list[Job]]:
    for start in range(0, len(jobs), size):
        yield jobs[start : start + size]
