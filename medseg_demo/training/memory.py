"""Where the cases of a training lie: in memory up to a limit, beyond it in files that vanish with the process."""

import contextlib
import mmap
import os
import tempfile
from pathlib import Path

import numpy as np
import torch

from medseg_demo.errors import TrainingError

MIB = 2**20
SHARE = 0.5  # of what is free, for the cases: the network, its gradients and other programs need the rest
UNLIMITED = 2**62


class Memory:
    """Keeps tensors, and counts what they take.

    Args:
        limit_mb: MiB; None is half of what is free now.
    """

    def __init__(self, limit_mb: int | None = None) -> None:
        self.left = int(free_bytes() * SHARE) if limit_mb is None else limit_mb * MIB
        self.in_files = 0

    def keep(self, tensor: torch.Tensor) -> torch.Tensor:
        """The same values, in memory or, where the limit does not allow that, in a file that is mapped.

        The file has no name, so that it is gone with the last tensor on it, however the process ends.

        Raises:
            TrainingError: The disk has no room for it.
        """
        if tensor.nbytes <= self.left:
            self.left -= tensor.nbytes
            return tensor
        self.in_files += tensor.nbytes
        array = tensor.contiguous().numpy()
        try:
            with tempfile.TemporaryFile(prefix="medseg-") as file:
                array.tofile(file)
                file.flush()
                mapped = np.frombuffer(mmap.mmap(file.fileno(), 0), array.dtype).reshape(array.shape)
        except OSError as error:
            raise TrainingError(
                f"The cases do not fit into memory_mb, and the temporary folder cannot take them ({error.strerror}). "
                "Name a folder with room in TMPDIR, or raise memory_mb."
            ) from None
        return torch.from_numpy(mapped)


def free_bytes() -> int:
    """Memory that programs can still take: of the machine, or of the container where that has less."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")] if hasattr(os, "sysconf") else []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024)
    with contextlib.suppress(OSError, ValueError):  # "max" is no number
        limit, used = (int(Path(f"/sys/fs/cgroup/memory.{name}").read_text()) for name in ("max", "current"))
        found.append(max(0, limit - used))
    return min(found, default=UNLIMITED)
