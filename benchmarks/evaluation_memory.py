"""``python -m benchmarks.evaluation_memory CASES``: how far a run's resident memory grows after its first 200 cases.

The cases are links to a few generated images of 256²; their ids differ, so that each is read, segmented and scored.
Printed is the growth in MB, the scoring processes counted in.
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from torch import nn

from evaluation.runs.request import RunOptions, RunProgress
from evaluation.runs.runner import run
from medseg_demo.models.card import ModelCard
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.test_sets.test_set import read_test_set

SETTLED = 200
DISTINCT = 20
SIDE = 256


class Brightness(nn.Module):
    def forward(self, x):
        return 40 * (nn.functional.avg_pool2d(x, 3, 1, 1) - 0.4)


class Growth:
    """The most memory after the first cases, against what was held then."""

    def __init__(self) -> None:
        self.settled = self.most = 0

    def look(self, progress: RunProgress) -> None:
        if progress.stage == "score" and progress.done >= SETTLED:
            held = resident_bytes()
            self.settled = self.settled or held
            self.most = max(self.most, held)


def resident_bytes() -> int:
    own = psutil.Process()
    return sum(process.memory_info().rss for process in (own, *own.children()))


def write_cases(folder: Path, count: int) -> None:
    random = np.random.default_rng(0)
    for name in ("images", "masks", "made"):
        (folder / name).mkdir(parents=True)
    y, x = np.mgrid[:SIDE, :SIDE]
    for number in range(DISTINCT):
        mask = (y - 128) ** 2 + (x - 128 + number) ** 2 < (40 + number) ** 2
        image = np.clip(random.normal(60 + 120 * mask, 25), 0, 255).astype(np.uint8)
        for name, pixels in (("image", image), ("mask", mask * np.uint8(255))):
            Image.fromarray(pixels).save(folder / "made" / f"{name}_{number}.png")
    for number in range(count):
        for kind in ("image", "mask"):
            os.link(folder / "made" / f"{kind}_{number % DISTINCT}.png", folder / f"{kind}s" / f"case_{number:05}.png")


def measure(cases: int) -> float:
    """Growth in MB."""
    card = ModelCard(class_names=("disc",), in_channels=1, input_size=(SIDE, SIDE), threshold=0.5)
    checkpoint = Checkpoint("brightness", card, Brightness().eval(), "0" * 64)
    growth = Growth()
    with tempfile.TemporaryDirectory() as folder:
        write_cases(Path(folder) / "cases", cases)
        test_set = read_test_set(Path(folder) / "cases")
        outcome = run([test_set], [checkpoint], Path(folder) / "out", options=RunOptions(), progress=growth.look)
        assert len(outcome.results.table) == cases
        assert outcome.failures == ()
        growth.look(RunProgress("score", cases, cases))  # the table was put together after the last case
    return (growth.most - growth.settled) / 1e6


if __name__ == "__main__":
    print(f"{measure(int(sys.argv[1])):.1f}")
