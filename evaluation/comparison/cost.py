"""What a checkpoint costs: its weights, the memory that its network takes beside them, and its time.

The first segmentation by a network that was just loaded says little of its speed: weights are read, and the network is
converted and compiled for the device. So a network is timed once it has segmented the image, and what the first time
took longer counts as loading.
"""

import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from evaluation.comparison.members import Comparison, Cost
from medseg_demo.image import MedicalImage
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.segmenting.pipeline import Segmentation
from medseg_demo.segmenting.turns import Job
from medseg_demo.segmenting.windows import Compute, choose_compute, predict
from medseg_demo.settings import Settings

if TYPE_CHECKING:
    from medseg_demo.segmenting.engine import Engine

PASSES = 3  # that are timed, of which the median counts
SLOW_S = 5.0  # what takes longer is timed once

# (checkpoint, share in [0, 1], whether it is of the timing and not of the segmentation)
Progress = Callable[[str, float, bool], None]
# (checkpoint, share in [0, 1])
Share = Callable[[str, float], None]


def find_cost(checkpoint: Checkpoint, settings: Settings) -> Cost:
    """The cost of a checkpoint on the device of the settings; measured once while it is loaded.

    The memory is that of one input of the card's size. That of a whole segmentation says little of the network: for a
    large image it is what resizing takes, and for a volume it grows with the slices that go through at once.
    """
    # OpenVINO does not tell what it takes; PyTorch's tensors are the same network's.
    compute = replace(choose_compute(settings), backend="torch")
    most = checkpoint.prepared.figure(("network bytes", compute), partial(_network_bytes, checkpoint, compute))
    return Cost(checkpoint.parameters, most)


def _network_bytes(checkpoint: Checkpoint, compute: Compute) -> int:
    if checkpoint.members:  # one after the other
        return max(_network_bytes(member, compute) for member in checkpoint.members)
    example = torch.zeros(1, checkpoint.card.input_channels, *checkpoint.card.input_size)
    # The first time may be the one at which the network is laid out for the device, which takes more.
    predict(checkpoint, example, compute)
    return peak_bytes(lambda: predict(checkpoint, example, compute), compute.device)


def segment_each(
    engine: "Engine",
    image: MedicalImage,
    checkpoints: Sequence[str | Checkpoint],
    job: Job,
    progress: Progress | None = None,
) -> Iterator[tuple[Segmentation, Cost]]:
    """Segment an image with each checkpoint; the cost is without time, but for the loading so far.

    Args:
        engine: Runs the networks.
        image: The image.
        checkpoints: Names, or loaded ones.
        job: What it is a part of.
        progress: Told how far each is.

    Raises:
        MedsegError: A checkpoint or the image cannot be used.
        Cancelled: The job was cancelled.
    """
    if engine.runs_elsewhere:  # and is lent for all of them at once
        tell_all = None if progress is None else (lambda name, done, total: progress(name, done / total, False))
        for result in engine.segment_each(image, checkpoints, progress=tell_all, job=job):
            yield result, Cost(engine.loaded(result.checkpoint).parameters)
        return
    for checkpoint in checkpoints:
        tell = progress and partial(_as_share, progress)
        loaded, result, seconds = _segment(engine, image, checkpoint, job, tell)
        with job.turn():
            cost = find_cost(loaded, engine.settings)
        yield result, replace(cost, first_seconds=seconds)


def with_times(
    engine: "Engine",
    comparison: Comparison,
    checkpoints: Mapping[str, str | Checkpoint],
    job: Job,
    progress: Progress | None = None,
    *,
    warm: bool = False,
) -> Comparison:
    """The comparison with the time of each checkpoint, whose networks have segmented the image just now.

    Args:
        engine: What ran them.
        comparison: Of what ``segment_each`` gave.
        checkpoints: What it ran, by name.
        job: What it is a part of.
        progress: Told how far each is.
        warm: Whether the networks had been timed on another image before, so that the pass on this one is their time.

    Raises:
        Cancelled: The job was cancelled.
    """
    members = []
    for member in comparison.members:
        cost = member.cost
        if cost is not None and cost.first_seconds is not None:
            if warm:
                cost = replace(cost, first_seconds=None, seconds=cost.first_seconds, passes=1)
            else:
                cost = _timed(engine, comparison.image, checkpoints[member.name], cost, job, progress)
        members.append(replace(member, cost=cost))
    return replace(comparison, members=tuple(members))


def _timed(
    engine: "Engine",
    image: MedicalImage,
    checkpoint: str | Checkpoint,
    cost: Cost,
    job: Job,
    progress: Progress | None,
) -> Cost:
    passes = PASSES if (cost.first_seconds or 0.0) <= SLOW_S else 1
    taken = []
    for place in range(passes):
        engine.loaded(checkpoint)  # it may have made room for another one meanwhile
        tell = progress and partial(_part, progress, place, passes)
        taken.append(_segment(engine, image, checkpoint, job, tell)[2])
    return replace(cost, seconds=median(taken), passes=passes)


def _as_share(progress: Progress, name: str, share: float) -> None:
    progress(name, share, False)


def _part(progress: Progress, place: int, passes: int, name: str, share: float) -> None:
    progress(name, (place + share) / passes, True)


def _segment(
    engine: "Engine", image: MedicalImage, checkpoint: str | Checkpoint, job: Job, progress: Share | None
) -> tuple[Checkpoint, Segmentation, float]:
    """A checkpoint, its result, and the seconds that both took without the turns of others."""
    waited, start = job.waited_s, time.perf_counter()
    loaded = engine.loaded(checkpoint)
    tell = None if progress is None else (lambda done, total: progress(loaded.name, done / total))
    result = engine.segment(image, loaded, progress=tell, job=job)
    return loaded, result, time.perf_counter() - start - (job.waited_s - waited)


def peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """The most that the tensors which some work makes take at once, in bytes.

    On CUDA it is what the allocator reports, for the whole process. Elsewhere the tensors of this thread are counted:
    the size of the process says nothing, since PyTorch and the system keep what earlier work gave back. What an
    operation takes for itself and gives back before it ends is then not in it.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    with _TensorBytes() as counted:
        work()
    return counted.most


class _TensorBytes(TorchDispatchMode):
    """Counts the bytes of the tensors that operations make, for as long as each lives."""

    def __init__(self) -> None:
        super().__init__()
        self.most = self._now = 0
        self._living: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        # A view, or what is changed in place, is no new memory: weights that are seen so are from before.
        given = {storage.data_ptr() for storage in _storages(args)}
        for storage in _storages(result):
            if storage.data_ptr() not in given:
                self._add(storage)
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        place, size = storage.data_ptr(), storage.nbytes()
        if not size or place in self._living:
            return
        self._living[place] = weakref.ref(storage, lambda _: self._remove(place, size))
        self._now += size
        self.most = max(self.most, self._now)

    def _remove(self, place: int, size: int) -> None:
        del self._living[place]
        self._now -= size


def _storages(value: object) -> Iterator[torch.UntypedStorage]:
    """The memory of every plain tensor in arguments or results."""
    if isinstance(value, tuple | list):
        for one in value:
            yield from _storages(one)
    elif isinstance(value, torch.Tensor) and value.layout is torch.strided:
        yield value.untyped_storage()
