"""Several processes of one training: which one this is, what each takes, and what they tell each other.

Lightning starts them, or torchrun and SLURM do; each runs the whole command, and the first one alone writes.
"""

import os
from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import TypeVar

from torch import distributed
from torch.utils.data import Sampler

Found = TypeVar("Found")

RANKS = ("RANK", "SLURM_PROCID")  # over all nodes, from torchrun and SLURM
RANKS_WITHIN = ("NODE_RANK", "LOCAL_RANK")  # from Lightning


def is_first(processes: int) -> bool:
    """Whether this process is the one that writes; known before the processes have met."""
    if processes == 1:
        return True
    for name in RANKS:
        if os.environ.get(name, "").isdecimal():
            return int(os.environ[name]) == 0
    return all(os.environ.get(name, "0") == "0" for name in RANKS_WITHIN)


def rank_and_size() -> tuple[int, int]:
    """The number of this process and how many there are; (0, 1) while they have not met."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def merged(found: Mapping[str, Found]) -> dict[str, Found]:
    """What all processes found, by name; each calls it at the same moment."""
    parts: list[Mapping[str, Found] | None] = [found] * rank_and_size()[1]
    if len(parts) > 1:
        distributed.all_gather_object(parts, dict(found))
    return {name: value for part in parts if part is not None for name, value in part.items()}


def mean(value: float) -> float:
    """The mean over all processes; each calls it at the same moment."""
    return fmean(merged({str(rank_and_size()[0]): value}).values())


class OwnShare(Sampler[int]):
    """What one process validates of ``number`` cases: every n-th; all of them where they are fewer than processes."""

    def __init__(self, number: int) -> None:
        self.number = number

    def _range(self) -> range:
        rank, processes = rank_and_size()
        return range(rank, self.number, processes) if self.number >= processes else range(self.number)

    def __len__(self) -> int:
        return len(self._range())

    def __iter__(self) -> Iterator[int]:
        return iter(self._range())
