"""One measured ratio and the table of them."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from medseg_demo.segmenting.windows import choose_compute
from medseg_demo.settings import Settings


@dataclass(frozen=True)
class Ratio:
    """What this project takes against what the libraries alone take.

    Attributes:
        name: What is measured.
        ours: With its unit, as text.
        bare: The same work by the libraries alone, as text.
        value: The ratio.
        bound: Whether the target is the most or the least that is allowed.
        target: The ratio aimed at.
    """

    name: str
    ours: str
    bare: str
    value: float
    bound: Literal["at most", "at least"]
    target: float

    @property
    def met(self) -> bool:
        return self.value <= self.target if self.bound == "at most" else self.value >= self.target


def median_ms(seconds: Sequence[float]) -> float:
    return 1000 * statistics.median(seconds)


def table(ratios: Sequence[Ratio]) -> str:
    rows = [("", "this project", "libraries alone", "ratio", "target", "")]
    rows += [
        (r.name, r.ours, r.bare, f"{r.value:.2f}", f"{r.bound} {r.target:g}", "met" if r.met else "MISSED")
        for r in ratios
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def machine() -> str:
    system = f"{platform.system()} {platform.machine()}, {_processor()}, {os.cpu_count()} cores"
    versions = f"Python {platform.python_version()}, PyTorch {torch.__version__}"
    load = f"load average {os.getloadavg()[0]:.1f} before the run"
    return f"{system}; {versions}; {choose_compute(Settings()).name}; {load}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"
