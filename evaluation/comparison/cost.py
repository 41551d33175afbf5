"""What a checkpoint costs: how many weights it has, and how much memory its network takes beside them."""

import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from evaluation.comparison.members import Cost
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.segmenting.windows import Compute, choose_compute, predict
from medseg_demo.settings import Settings

_measured: WeakKeyDictionary[Checkpoint, tuple[Compute, int]] = WeakKeyDictionary()


def find_cost(checkpoint: Checkpoint, settings: Settings) -> Cost:
    """The cost of a checkpoint on the device of the settings; measured once while it is loaded.

    The memory is that of one input of the card's size. That of a whole segmentation says little of the network: for a
    large image it is what resizing takes, and for a volume it grows with the slices that go through at once.
    """
    # OpenVINO does not tell what it takes; PyTorch's tensors are the same network's.
    compute = replace(choose_compute(settings), backend="torch")
    if checkpoint not in _measured or _measured[checkpoint][0] != compute:
        card = checkpoint.card
        example = torch.zeros(1, card.in_channels, *card.input_size)
        # The first time may be the one at which the network is laid out for the device, which takes more.
        predict(checkpoint, example, compute)
        _measured[checkpoint] = compute, peak_bytes(lambda: predict(checkpoint, example, compute), compute.device)
    return Cost(checkpoint.parameters, _measured[checkpoint][1])


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
