"""``python -m benchmarks.training``: an epoch of ``train`` against a plain loop of PyTorch, smp and MONAI, and memory.

Both sides train the network of ``nuclei-unet-lite0`` on the same generated images of 256², with its batch, precision,
memory format, loss and augmentation, epoch by epoch by turns in one process; what is compared is CPU time. The plain
loop has no moving average, schedule, log or guard, and draws its random changes one after the other. Memory is the peak
of a process of its own for each side; ours validates and saves there.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from unittest import mock

import numpy as np
import segmentation_models_pytorch as smp
import torch
from lightning.pytorch import Callback
from monai.data import Dataset
from monai.losses import DiceCELoss
from monai.transforms import Compose, ToTensord
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.ratio import Ratio, machine, table
from medseg_demo.segmenting.windows import choose_compute
from medseg_demo.settings import ROOT, Settings
from medseg_demo.test_sets.simulated import SEED, simulate_field
from medseg_demo.training import run, train
from medseg_demo.training.augmentation import BOTH, build_augmentation
from medseg_demo.training.config import TrainingConfig, read_config, write_config

CHECKPOINT = ROOT / "checkpoints/nuclei-unet-lite0"
SIDE = 256
CASES = 32
MOST_TIME, MOST_MEMORY = 1.1, 1.3


class PlainLoop:
    """What a few lines of the libraries do."""

    def __init__(self, config: TrainingConfig, folder: Path) -> None:
        self.config = config
        network = smp.Unet(**config.network, encoder_weights=None, in_channels=3, classes=1)
        self.network = network.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
        self.loss = DiceCELoss(sigmoid=True, batch=config.loss.whole_batch)
        self.precision = choose_compute(Settings.from_environment()).precision
        augmentation = build_augmentation(config.augmentation, config.input_size)
        data = [_read(path, folder) for path in sorted((folder / "images").iterdir()) if path.stem != "val"]
        # Plain tensors leave the transforms: MONAI's own would slow network and loss.
        data = Dataset(data, Compose([augmentation, ToTensord(BOTH, track_meta=False)]))
        self.batches = DataLoader(data, batch_size=config.batch_size, shuffle=True, drop_last=True)

    def epoch(self) -> None:
        self.network.train()
        for batch in self.batches:
            images = batch["image"].to(memory_format=torch.channels_last)
            self.optimizer.zero_grad()
            with torch.autocast("cpu", self.precision, enabled=self.precision != torch.float32):
                logits = self.network(images)
            self.loss(logits.float(), batch["label"]).backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), self.config.gradient_clip)
            self.optimizer.step()


def _read(path: Path, folder: Path) -> dict[str, torch.Tensor]:
    image = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).movedim(2, 0) / 255
    mask = torch.from_numpy(np.array(Image.open(folder / "masks" / path.name)) > 0)
    return {"image": (image - 0.5) / 0.5, "label": mask[None].float()}


class Turns(Callback):
    """After each epoch of ours, one of the plain loop; the CPU seconds of both."""

    def __init__(self, plain: PlainLoop) -> None:
        self.plain = plain
        self.seconds: list[tuple[float, float]] = []
        self.started = time.process_time()

    def on_train_epoch_end(self, trainer: object, pl_module: object) -> None:
        ours = time.process_time() - self.started
        before = time.process_time()
        self.plain.epoch()
        self.seconds.append((ours, time.process_time() - before))
        self.started = time.process_time()


def write_cases(folder: Path, count: int) -> Path:
    """A test set of generated fields, and one for validation."""
    random = np.random.default_rng(SEED)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    with (folder / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["case_id", "split"])
        for case_id in (*(f"n{number:03}" for number in range(count)), "val"):
            field = simulate_field(case_id, "medium", "low", random)
            Image.fromarray(field.image[:SIDE, :SIDE]).save(folder / f"images/{case_id}.png")
            Image.fromarray(field.mask[:SIDE, :SIDE] * np.uint8(255)).save(folder / f"masks/{case_id}.png")
            writer.writerow([case_id, "val" if case_id == "val" else "train"])
    return folder


def write_configuration(path: Path, *, epochs: int) -> TrainingConfig:
    """The checkpoint's own configuration with random weights, a few epochs and one validation at the end."""
    changes = {"pretrained": None, "epochs": epochs, "validate_every": epochs, "warmup_epochs": 0.5}
    config = read_config(CHECKPOINT / "training.yaml").model_copy(update=changes)
    write_config(config, path)
    return config


def cpu_time(folder: Path, *, rounds: int) -> Ratio:
    """CPU seconds an epoch: the first warms up, the last one of ours validates; neither counts."""
    config = write_configuration(folder / "config.yaml", epochs=rounds + 2)
    turns = Turns(PlainLoop(config, folder / "cases"))
    build = run._trainer

    def beside(config: TrainingConfig, compute: object, callbacks: list, *others: object) -> object:
        return build(config, compute, [*callbacks, turns], *others)

    with mock.patch.object(run, "_trainer", beside):
        train(folder / "cases", folder / "config.yaml", folder / "out")
    ours, plain = (median(column) for column in zip(*turns.seconds[1:-1], strict=True))
    each = median(one / other for one, other in turns.seconds[1:-1])
    images = len(turns.plain.batches.dataset)  # type: ignore[arg-type]
    return Ratio(
        f"an epoch of `train`, {images} images", f"{ours:.1f} CPU s", f"{plain:.1f} CPU s", each, "at most", MOST_TIME
    )


def memory(folder: Path) -> Ratio:
    """The most that a process held, imports and all."""
    ours, plain = (_peak_mb(side, folder) for side in ("ours", "plain"))
    return Ratio("memory of `train`", f"{ours} MB", f"{plain} MB", ours / plain, "at most", MOST_MEMORY)


def _peak_mb(side: str, folder: Path) -> int:
    program = [sys.executable, "-m", "benchmarks.training", "--side", side, "--folder", str(folder)]
    printed = subprocess.run(program, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return int(printed.split()[-1])


def run_side(side: str, folder: Path) -> None:
    """Two epochs of one side; the peak in MB is printed."""
    from medseg_demo.training.records import peak_memory_mb

    config = write_configuration(folder / f"{side}.yaml", epochs=2)
    if side == "ours":
        train(folder / "cases", folder / "ours.yaml", folder / "memory")
    else:
        loop = PlainLoop(config, folder / "cases")
        for _ in range(2):
            loop.epoch()
    print(peak_memory_mb(torch.device("cpu")))


def measure(*, rounds: int, cases: int = CASES) -> Iterator[Ratio]:
    with tempfile.TemporaryDirectory() as folder:
        write_cases(Path(folder) / "cases", cases)
        # First, since Linux counts what the process that starts another held to the other's peak.
        yield memory(Path(folder))
        yield cpu_time(Path(folder), rounds=rounds)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each side (medians are shown)")
    parser.add_argument("--cases", type=int, default=CASES, help="images of an epoch")
    parser.add_argument("--side", choices=("ours", "plain"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        run_side(options.side, options.folder)
        return
    print(machine(), flush=True)
    for ratio in measure(rounds=options.rounds, cases=options.cases):
        print(table([ratio]), flush=True)


if __name__ == "__main__":
    main()
