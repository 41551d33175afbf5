"""Where and how networks run: the device, the precision, the backend and the threads that the settings ask for."""

import math
import os
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch

from medseg_demo.errors import OptionError
from medseg_demo.settings import Settings

CONTAINER_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # microseconds of processor in each period, of control groups v2
_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# ARM's processors are left out: OpenVINO multiplies no bfloat16 there, and falls back to float32 without a word.
_X86_BFLOAT16 = ("avx512_bf16", "amx_bf16")


@dataclass(frozen=True)
class Compute:
    """Where and how a network runs.

    Attributes:
        device: Of torch.
        precision: Of the convolutions; weights and results stay float32.
        backend: What runs it; OpenVINO on the CPU alone.
        threads: Of one call on a CPU; 0 takes one for each processor of this process. Calls at the same time have
            threads of their own.
        cache_dir: Where converted networks are kept; None keeps none.
        note: What a person should know, such as that OpenVINO is missing; empty where there is nothing to say.
        automatic: Whether nobody chose the precision, so that a network may be computed in a finer one.
    """

    device: torch.device
    precision: torch.dtype
    backend: Literal["torch", "openvino"] = "torch"
    threads: int = 0
    cache_dir: Path | None = None
    note: str = ""
    automatic: bool = False

    @property
    def threads_of_a_call(self) -> int:
        """How many threads one call takes on a CPU."""
        return self.threads or processors()

    @property
    def name(self) -> str:
        """For people, such as "CPU, bfloat16, 2 threads, OpenVINO"."""
        precision = str(self.precision).removeprefix("torch.")
        if self.device.type == "cpu":
            threads = self.threads_of_a_call
            backend = "OpenVINO" if self.backend == "openvino" else "PyTorch"
            return f"CPU, {precision}, {threads} thread{'s' if threads > 1 else ''}, {backend}"
        if self.device.type == "cuda":
            return f"{torch.cuda.get_device_name(self.device)}, {precision}"
        return f"{'Apple GPU' if self.device.type == 'mps' else self.device}, {precision}"


def choose_compute(settings: Settings) -> Compute:
    """The device, precision and backend that the settings ask for, "auto" resolved to the fastest that is there.

    Raises:
        OptionError: The device is unknown or absent, or OpenVINO was asked for where it is not.
    """
    device = _choose_device(settings)
    installed = find_spec("openvino") is not None
    _check_backend(settings, device, installed=installed)
    wanted = settings.backend != "torch" and device.type == "cpu"
    # OpenVINO multiplies float16 on few processors; where it was asked for by name, it is tried all the same.
    suits = settings.precision != "float16" or settings.backend == "openvino"
    backend: Literal["torch", "openvino"] = "openvino" if wanted and installed and suits else "torch"
    precision = _PRECISIONS.get(settings.precision) or _native_precision(device, backend)
    note = "" if installed or not wanted else "OpenVINO is not installed; networks are faster with it on this CPU."
    automatic = settings.precision == "auto"
    return Compute(device, precision, backend, settings.threads, settings.cache_dir, note, automatic)


class ThreadLimit:
    """PyTorch's threads for what the calling thread runs; ``torch.set_num_threads`` would be for the whole process."""

    def __init__(self, threads: int) -> None:
        from threadpoolctl import ThreadpoolController

        self._threads, self._controller = threads, ThreadpoolController()

    def apply(self) -> AbstractContextManager:
        """Limit them from now on, or, as a context manager, until its end."""
        torch.get_num_threads()  # PyTorch sets the number itself when a thread asks for the first time
        return self._controller.limit(limits=self._threads, user_api="openmp")


def processors() -> int:
    """How many processors this process may use, the share of its container included."""
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(seen or 1, _container_share()))


def _container_share() -> int:
    """Processors that Linux lets this container use; a Space of two sees all of its host's otherwise."""
    try:
        quota, period = CONTAINER_LIMIT.read_text().split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):  # another system, or no limit, which is written as "max"
        return sys.maxsize


def computes_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 natively; elsewhere it is slower than float32."""
    return _has_any((*_X86_BFLOAT16, "arm_bf16"))


def _has_any(names: tuple[str, ...]) -> bool:
    if hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in names)
    return torch.cpu._is_avx512_bf16_supported()


def _choose_device(settings: Settings) -> torch.device:
    name = settings.device
    if name == "auto" and settings.backend == "openvino":
        return torch.device("cpu")
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


def _check_backend(settings: Settings, device: torch.device, *, installed: bool) -> None:
    if settings.backend != "openvino":
        return
    if device.type != "cpu":
        raise OptionError(
            f"MEDSEG_BACKEND is openvino, which runs on the CPU, but MEDSEG_DEVICE is {settings.device!r}. Set one of "
            "them to auto."
        )
    if not installed:
        raise OptionError("MEDSEG_BACKEND is openvino, but it is not installed. Run: pip install openvino")


def _native_precision(device: torch.device, backend: str) -> torch.dtype:
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type != "cpu":
        return torch.float32
    native = _has_any(_X86_BFLOAT16) if backend == "openvino" else computes_bfloat16()
    return torch.bfloat16 if native else torch.float32
