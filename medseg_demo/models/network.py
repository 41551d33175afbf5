"""What every network is, whatever it came from and whatever runs it."""

import threading
from collections.abc import Callable, Generator, Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn

from medseg_demo.models.compute import Compute

if TYPE_CHECKING:
    from medseg_demo.models.checkpoint import Checkpoint


class Network(Protocol):
    """A network that is ready to run. Safe to use from several threads.

    Attributes:
        channels: Of its input.
        classes: Channels of its logits: 1, or the classes and background.
        dimensions: 2 for images, 3 for volumes.
        parameters: How many weights it has.
        bytes: Memory that its weights take.
        device: Where its inputs are wanted, and where its logits are.
        compute: How it runs, which may be otherwise than was asked for.
        name: The same, for people.
        note: Why it is not run by what was asked for; empty where it is.
    """

    channels: int
    classes: int
    dimensions: int
    parameters: int
    device: torch.device
    compute: Compute
    name: str
    note: str

    @property
    def bytes(self) -> int:
        """Memory that its weights take besides those of the checkpoint that it was made from."""

    def logits(
        self, batches: Iterable[torch.Tensor], *, expected: int = 1, findings: list[torch.Tensor] | None = None
    ) -> Generator[torch.Tensor, None, None]:
        """The logits of each batch, in order; several may be under way at once.

        Args:
            batches: (N, C, H, W) or (N, C, D, H, W) float32, of the card's input size.
            expected: How many images or windows there will be in all, so that many share the threads otherwise.
            findings: Takes float32 (N, F), the logits of the card's findings, of each batch before the batch itself is
                given; nothing where the card has none.

        Yields:
            float32 (N, K, H, W) or (N, K, D, H, W).
        """


class SavedNetwork:
    """A network of PyTorch that is built when it is needed: where OpenVINO has it converted, it never is.

    Args:
        build: Gives the network, in evaluation mode, from what was read already.
        size: Bytes of what was read.
    """

    def __init__(self, build: Callable[[], nn.Module], size: int) -> None:
        self._build, self._size = build, size

    @cached_property
    def module(self) -> nn.Module:
        """The network."""
        return self._build()

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return self._size + (bytes_of(self.module) if "module" in self.__dict__ else 0)


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Several checkpoints of the same classes, whose probabilities are averaged: no network of its own.

    Attributes:
        members: Each with its own card, by which an image reaches it.
    """

    members: "tuple[Checkpoint, ...]"

    @property
    def parameters(self) -> int:
        """How many weights they have together."""
        return sum(member.parameters for member in self.members)

    @property
    def bytes(self) -> int:
        """Memory that they take together."""
        return sum(member.bytes for member in self.members)


class Prepared:
    """Networks made ready from one checkpoint, and figures of it. They go when it goes, and are no part of copies."""

    def __init__(self) -> None:
        self._ready: dict[Hashable, Network] = {}
        self._figures: dict[Hashable, int] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type["Prepared"], tuple[()]]:
        return Prepared, ()

    def get(self, key: Hashable, make: Callable[[], Network]) -> Network:
        """The network of that key, made where it is not there; whoever asks meanwhile waits for it."""
        with self._lock:
            if key not in self._ready:
                self._ready[key] = make()
            return self._ready[key]

    def figure(self, key: Hashable, measure: Callable[[], int]) -> int:
        """A figure that is measured once."""
        if key not in self._figures:
            self._figures[key] = measure()  # without the lock: networks are made ready meanwhile
        return self._figures[key]

    @property
    def bytes(self) -> int:
        """Memory that the weights of all of them take."""
        return sum(network.bytes for network in tuple(self._ready.values()))


def parameters_of(network: nn.Module) -> int:
    """How many weights a network of PyTorch has."""
    return sum(parameter.numel() for parameter in network.parameters())


def bytes_of(network: nn.Module) -> int:
    """The memory that the weights and statistics of a network of PyTorch take."""
    tensors = (*network.parameters(), *network.buffers())
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


class PaddedNetwork(nn.Module):
    """A network that takes inputs that it cannot halve evenly: padded on the way in, cut on the way out.

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


class FindingNetwork(PaddedNetwork):
    """A network of smp with both of its outputs: the logits of the classes, and those of the findings.

    What ``architectures`` builds gives the first one alone, by a hook, so that whoever knows nothing of findings needs
    no other path.
    """

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[override]
        """(N, C, H, W) → (N, K, H, W) and (N, F)."""
        (height, width), network = images.shape[-2:], self.network
        padding = (0, -width % self.multiple, 0, -height % self.multiple)
        masks, findings = network.forward(nn.functional.pad(images, padding, mode="replicate"))
        return masks[..., :height, :width], findings


def with_findings(network: nn.Module) -> FindingNetwork:
    """A network of smp with its auxiliary output, whatever size it takes."""
    padded = getattr(network, "requires_divisible_input_shape", False)
    return FindingNetwork(network, network.encoder.output_stride if padded else 1)  # type: ignore[operator, union-attr, arg-type]


def pad_where_needed(network: nn.Module, size: tuple[int, ...]) -> nn.Module:
    """The network, padded if it refuses inputs of this (height, width), as most of smp's architectures may."""
    if not getattr(network, "requires_divisible_input_shape", False):
        return network
    multiple = network.encoder.output_stride  # type: ignore[union-attr]
    return PaddedNetwork(network, multiple) if any(length % multiple for length in size) else network  # type: ignore[operator, arg-type]
