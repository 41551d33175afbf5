"""The training loop: a Lightning module, and the callback that keeps the best checkpoint and what resuming needs."""

import contextlib
import csv
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from monai.metrics import DiceMetric
from torch import nn
from torch.optim.swa_utils import AveragedModel

from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.segmenting.decide import to_labels
from medseg_demo.segmenting.windows import Compute, channels_last, predict
from medseg_demo.training.augmentation import IMAGE, LABEL
from medseg_demo.training.config import TrainingConfig
from medseg_demo.training.data import Batch, LoadedCase
from medseg_demo.training.losses import WeightedLoss

RESUME_FILE = "resume.ckpt"
LOG_FILE = "log.csv"

CaseDice = dict[str, tuple[float, ...]]


class SegmentationTask(LightningModule):
    """Training steps on the network, validation of its moving average.

    Args:
        checkpoint: Holds the network that learns, with its card.
        config: Of the training.
        val_cases: What is validated on; ``validation_step`` takes an index into them.
        compute: Where validation runs.
        total_steps: Optimiser steps of the whole training, for the schedule.
        class_weights: Of each label in the loss, background first; None weighs all alike.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        config: TrainingConfig,
        val_cases: tuple[LoadedCase, ...],
        compute: Compute,
        total_steps: int,
        class_weights: tuple[float, ...] | None = None,
    ) -> None:
        super().__init__()
        self.config, self.val_cases, self.compute, self.total_steps = config, val_cases, compute, total_steps
        self.network = checkpoint.module
        self.average = AveragedModel(self.network, avg_fn=_moving_average(config.average), use_buffers=True)
        self.loss = WeightedLoss(config.loss, classes=len(checkpoint.card.class_names), class_weights=class_weights)
        card = checkpoint.card
        self.averaged = Checkpoint(checkpoint.name, card, self.average.module, digest="")
        self.losses: list[float] = []
        self.case_dice: CaseDice = {}

    def on_train_epoch_start(self) -> None:
        """Make whatever draws from torch's own generator, such as dropout, the same after an interruption."""
        torch.manual_seed(self.config.seed + self.current_epoch)
        self.losses = []

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        """The loss of a batch."""
        images = batch[IMAGE]
        images = images.to(memory_format=channels_last(images.ndim - 2))
        loss = self.loss(self.network(images), batch[LABEL])
        self.losses.append(float(loss.detach()))
        self.log("loss", loss.detach(), prog_bar=True, logger=False)
        return loss

    def on_train_batch_end(self, outputs: object, batch: Batch, index: int) -> None:
        """Move the average."""
        self.average.update_parameters(self.network)

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self.average.eval()
        # Inference keeps the network that it prepared for a checkpoint, so other weights need another checkpoint.
        self.averaged = replace(self.averaged)
        self.case_dice = {}

    def validation_step(self, index: int, batch_index: int) -> None:
        """Dice of one case in the image's own size."""
        case = self.val_cases[int(index)]
        probabilities = case.placement.restore_classes(predict(self.averaged, case.inputs.float(), self.compute))
        labels = to_labels(probabilities, threshold=self.averaged.card.threshold)
        self.case_dice[case.case.case_id] = case_dice(case.labels, labels, classes=len(self.averaged.card.class_names))

    def on_validation_epoch_end(self) -> None:
        """Show the mean."""
        self.log("val_dice", mean_dice(self.case_dice), prog_bar=True, logger=False)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW, without decay of biases and normalisation, under a warm-up and a cosine fall."""
        decayed = [weight for weight in self.network.parameters() if weight.ndim > 1]
        others = [weight for weight in self.network.parameters() if weight.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": self.config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.config.learning_rate)
        warmup = self.config.warmup_epochs / self.config.epochs * self.total_steps
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _warmup_and_cosine(warmup, self.total_steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Keeper(Callback):
    """Writes the log, the best checkpoint so far and the resume file after every validation.

    Args:
        output: The checkpoint folder.
        save_best: Called with (Dice of each case, the best epoch, minutes so far) when the mean has risen.
    """

    def __init__(self, output: Path, save_best: Callable[[CaseDice, int, float], None]) -> None:
        self.output, self.save_best = output, save_best
        self.history: list[dict[str, float]] = []
        self.best = -1.0
        self.unpublished: CaseDice = {}  # of the best epoch, while nothing proves that its checkpoint is whole
        self.seconds_before = 0.0
        self.started = time.monotonic()

    @property
    def minutes(self) -> float:
        """Time that the training took, that before an interruption included."""
        return (self.seconds_before + time.monotonic() - self.started) / 60

    def state_dict(self) -> dict[str, object]:
        """What a resumed training must know: plain types only."""
        return {
            "history": self.history,
            "best": self.best,
            "seconds": self.minutes * 60,
            "unpublished": {case_id: list(dice) for case_id, dice in self.unpublished.items()},
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Take up what ``state_dict`` gave."""
        self.history = list(state["history"])  # type: ignore[call-overload]
        self.best = float(state["best"])  # type: ignore[arg-type]
        self.seconds_before = float(state["seconds"])  # type: ignore[arg-type]
        unpublished: Mapping[str, list[float]] = state.get("unpublished", {})  # type: ignore[assignment]
        self.unpublished = {case_id: tuple(dice) for case_id, dice in unpublished.items()}

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Publish once more what an interruption may have cut short; its weights are those that were taken up."""
        self._publish(len(self.history))

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Keep what the epoch brought; Lightning has validated by now."""
        if not isinstance(module, SegmentationTask) or not module.case_dice:
            return
        epoch, dice = trainer.current_epoch + 1, mean_dice(module.case_dice)
        self.history.append(
            {
                "epoch": epoch,
                "loss": round(fmean(module.losses), 6),
                "learning_rate": round(trainer.optimizers[0].param_groups[0]["lr"], 8),
                "val_dice": round(dice, 6),
                "minutes": round(self.minutes, 3),
            }
        )
        if dice > self.best:
            self.best, self.unpublished = dice, module.case_dice
        module.case_dice = {}
        # First, so that a folder never holds a checkpoint of a training that cannot be taken up.
        temporary = self.output / f".{RESUME_FILE}"
        trainer.save_checkpoint(temporary)
        temporary.replace(self.output / RESUME_FILE)
        _write_log(self.history, self.output / LOG_FILE)
        self._publish(epoch)

    def _publish(self, epoch: int) -> None:
        if self.unpublished:
            self.save_best(self.unpublished, epoch, self.minutes)
        self.unpublished = {}


def case_dice(reference: np.ndarray, prediction: np.ndarray, *, classes: int) -> tuple[float, ...]:
    """Dice of each class by MONAI; NaN where both are empty, 0 where one is.

    Args:
        reference: Labels (Z, Y, X).
        prediction: Labels (Z, Y, X).
        classes: Foreground classes.
    """
    values = torch.arange(1, classes + 1).view(1, -1, 1, 1, 1)
    metric = DiceMetric(include_background=True, reduction="none", ignore_empty=False)
    scores = metric(
        torch.from_numpy(prediction)[None, None] == values, torch.from_numpy(reference)[None, None] == values
    )
    absent = [not ((reference == value).any() or (prediction == value).any()) for value in range(1, classes + 1)]
    return tuple(math.nan if gone else float(score) for score, gone in zip(scores[0], absent, strict=True))


def mean_dice(scores: CaseDice) -> float:
    """Mean over cases in each class, then over classes; cases in which a class is rightly absent are skipped."""
    by_class = [[value for value in column if not math.isnan(value)] for column in zip(*scores.values(), strict=True)]
    means = [fmean(column) for column in by_class if column]
    return fmean(means) if means else 0.0


def _moving_average(decay: float) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor | int], torch.Tensor]:
    """Exponential, with a shorter memory in the beginning so that the first weights are soon forgotten."""

    def average(kept: torch.Tensor, current: torch.Tensor, steps: torch.Tensor | int) -> torch.Tensor:
        share = 1 - min(decay, (1 + int(steps)) / (10 + int(steps)))
        return kept + (current - kept) * share if kept.is_floating_point() else current

    return average


def _warmup_and_cosine(warmup: float, total: int) -> Callable[[int], float]:
    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1.0, total - warmup))))

    return factor


def _write_log(history: list[dict[str, float]], path: Path) -> None:
    temporary = path.with_name(f".{path.name}")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, history[0].keys())
        writer.writeheader()
        writer.writerows(history)
    with contextlib.suppress(FileNotFoundError):
        temporary.replace(path)


def parameter_count(network: nn.Module) -> int:
    """How many weights a network has."""
    return sum(parameter.numel() for parameter in network.parameters())
