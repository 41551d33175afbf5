"""The training loop: a Lightning module, and the callback that keeps the best checkpoint and what resuming needs."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import nn
from torch.optim.swa_utils import AveragedModel

from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.segmenting.decide import to_labels
from medseg_demo.segmenting.prepare import with_neighbours
from medseg_demo.segmenting.windows import Compute, channels_last, predict
from medseg_demo.training.augmentation import IMAGE, LABEL
from medseg_demo.training.config import TrainingConfig
from medseg_demo.training.data import Batch, LoadedCase
from medseg_demo.training.longer import Past
from medseg_demo.training.losses import WeightedLoss
from medseg_demo.training.network import parameter_groups
from medseg_demo.training.processes import mean, merged, rank_and_size
from medseg_demo.training.records import (
    LOG_FILE,
    CaseDice,
    CaseScores,
    case_scores,
    columns,
    dice_of,
    log_to,
    mean_dice,
    peak_memory_mb,
    write_log,
)

RESUME_FILE = "resume.ckpt"
Tensors = tuple[torch.Tensor, ...] | list[torch.Tensor]


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
        self.average = AveragedModel(self.network, multi_avg_fn=_moving_average(config.average), use_buffers=True)
        self.average.requires_grad_(False)  # several processes wait for the gradient of all that want one
        self.loss = WeightedLoss(config.loss, classes=len(checkpoint.card.class_names), class_weights=class_weights)
        card = checkpoint.card
        self.averaged = Checkpoint(checkpoint.name, card, self.average.module, digest="")
        self.losses: list[torch.Tensor] = []  # of this epoch; read at its end, since reading waits for a GPU
        self.case_scores: CaseScores = {}
        self.last_dice: float | None = None
        self.case_findings: dict[str, torch.Tensor] = {}

    @property
    def val_score(self) -> float:
        """What the best epoch is chosen by: of the last validation."""
        return mean_dice(dice_of(self.case_scores))

    @property
    def figures(self) -> dict[str, float | None]:
        """Further columns of the log."""
        return {}

    def on_train_epoch_start(self) -> None:
        """Make whatever draws from torch's own generator, such as dropout, the same after an interruption."""
        torch.manual_seed(self.config.seed + self.current_epoch)
        self.losses = []

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        """The loss of a batch."""
        images = batch[IMAGE]
        images = images.to(memory_format=channels_last(images.ndim - 2))
        loss = self.loss(self.network(images), batch[LABEL])
        self.losses.append(loss.detach())
        return loss

    def on_train_batch_end(self, outputs: object, batch: Batch, index: int) -> None:
        """Move the average."""
        self.average.update_parameters(self.network)

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self.average.eval()
        # Inference keeps the network that it prepared for a checkpoint, so other weights need another checkpoint.
        self.averaged = replace(self.averaged)
        self.case_scores, self.case_findings = {}, {}
        if rank_and_size()[1] > 1:
            self.compute = replace(self.compute, device=self.device)

    def validation_step(self, index: int, batch_index: int) -> None:
        """Scores of one case in the image's own size."""
        case, card = self.val_cases[int(index)], self.averaged.card
        found = torch.zeros(len(case.inputs), len(card.findings))
        probabilities = predict(self.averaged, with_neighbours(case.inputs, card).float(), self.compute, findings=found)
        labels = to_labels(case.placement.restore_classes(probabilities), threshold=card.threshold)
        self.case_scores[case.case.case_id] = case_scores(case.labels, labels, classes=len(card.class_names))
        self.case_findings[case.case.case_id] = found.amax(0)

    def on_validation_epoch_end(self) -> None:
        """Bring together what each process validated, and keep the mean for the progress line."""
        scores, findings = merged(self.case_scores), merged(self.case_findings)
        ids = [case.case.case_id for case in self.val_cases]
        self.case_scores = {case_id: scores[case_id] for case_id in ids}
        self.case_findings = {case_id: findings[case_id] for case_id in ids}
        self.last_dice = mean_dice(dice_of(self.case_scores))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW, without decay of biases and normalisation, under a warm-up and a cosine fall."""
        optimizer = torch.optim.AdamW(parameter_groups(self.network, self.config))
        warmup = self.config.warmup_epochs / self.config.epochs * self.total_steps
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _warmup_and_cosine(warmup, self.total_steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Keeper(Callback):
    """Writes the log, the best checkpoint so far and the resume file after every validation, and ends a training.

    Args:
        output: The checkpoint folder.
        save_best: Called with (Dice of each case, the best epoch, minutes so far) when the mean has risen.
        patience: Validations without a better mean after which the training ends; None lets it run.
    """

    def __init__(
        self, output: Path, save_best: Callable[[CaseDice, int, float], None], *, patience: int | None = None
    ) -> None:
        self.output, self.save_best, self.patience = output, save_best, patience
        self.history: list[dict[str, float | None]] = []
        self.best = -1.0
        self.before: list[object] = []  # of the trainings that this one lengthens, for the card
        self.epochs_before = 0
        self.validations_since_best = 0
        self.unpublished: CaseDice = {}  # of the best epoch, while nothing proves that its checkpoint is whole
        self.seconds_before = 0.0
        self.started = time.monotonic()

    @property
    def minutes(self) -> float:
        """Time that the training took, that before an interruption included."""
        return (self.seconds_before + time.monotonic() - self.started) / 60

    def go_on_from(self, past: Past) -> None:
        """Number the epochs after those of a finished training, and replace its checkpoint by a better one alone."""
        self.history, self.best, self.before = list(past.history), past.best, past.before
        self.epochs_before = int(past.history[-1]["epoch"] or 0)

    def lengthened(self, epochs: int) -> dict[str, object]:
        """For the card: all epochs, and the trainings before; empty where there was none."""
        return {"epochs": self.epochs_before + epochs, "before": self.before} if self.before else {}

    @property
    def is_over(self) -> bool:
        """Whether the patience is at its end."""
        return self.patience is not None and self.validations_since_best >= self.patience

    def state_dict(self) -> dict[str, object]:
        """What a resumed training must know: plain types only."""
        return {
            "history": self.history,
            "best": self.best,
            "before": self.before,
            "epochs_before": self.epochs_before,
            "validations_since_best": self.validations_since_best,
            "seconds": self.minutes * 60,
            "unpublished": {case_id: list(dice) for case_id, dice in self.unpublished.items()},
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Take up what ``state_dict`` gave."""
        self.history = list(state["history"])  # type: ignore[call-overload]
        self.best = float(state["best"])  # type: ignore[arg-type]
        self.before = list(state.get("before", []))  # type: ignore[call-overload]
        self.epochs_before = int(state.get("epochs_before", 0))  # type: ignore[call-overload]
        self.validations_since_best = int(state.get("validations_since_best", 0))  # type: ignore[call-overload]
        self.seconds_before = float(state["seconds"])  # type: ignore[arg-type]
        unpublished: Mapping[str, list[float]] = state.get("unpublished", {})  # type: ignore[assignment]
        self.unpublished = {case_id: tuple(dice) for case_id, dice in unpublished.items()}

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Publish once more what an interruption may have cut short; its weights are those that were taken up."""
        self._publish(int(self.history[-1]["epoch"] or 0) if self.history else 0)

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Train no further where the training was over before it was interrupted."""
        trainer.should_stop = self.is_over

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Keep what the epoch brought; Lightning has validated by now."""
        if not isinstance(module, SegmentationTask) or not module.case_scores:
            return
        epoch, dice = self.epochs_before + trainer.current_epoch + 1, dice_of(module.case_scores)
        self.history.append(self._row(trainer, module, epoch))
        self.validations_since_best += 1
        if module.val_score > self.best:
            self.best, self.unpublished, self.validations_since_best = module.val_score, dice, 0
        module.case_scores = {}
        # First, so that a folder never holds a checkpoint of a training that cannot be taken up.
        temporary = self.output / f".{RESUME_FILE}"
        trainer.save_checkpoint(temporary)  # by the first process; the others wait for it
        if trainer.is_global_zero:
            temporary.replace(self.output / RESUME_FILE)
            write_log(self.history, self.output / LOG_FILE)
            log_to(trainer.loggers, self.history[-1])
        self._publish(epoch)
        trainer.should_stop = trainer.should_stop or self.is_over

    def _row(self, trainer: Trainer, module: SegmentationTask, epoch: int) -> dict[str, float | None]:
        return {
            "epoch": epoch,
            "loss": round(mean(fmean(torch.stack(module.losses).tolist())), 6),
            "learning_rate": round(trainer.optimizers[0].param_groups[0]["lr"], 8),
            "val_dice": round(mean_dice(dice_of(module.case_scores)), 6),
            "minutes": round(self.minutes, 3),
            **columns(module.case_scores, module.averaged.card.class_names),
            **module.figures,
        }

    def facts(self, device: torch.device) -> dict[str, object]:
        """How the training went, for the card: its length, why it ended, memory."""
        if not self.history:
            return {}
        facts: dict[str, object] = {
            "epochs_run": self.history[-1]["epoch"],
            "minutes_in_all": round(self.minutes, 1),
            "peak_memory_mb": peak_memory_mb(device),
        }
        if self.is_over:
            facts["stopped"] = f"{self.validations_since_best} validations without a better mean Dice"
        return facts

    def _publish(self, epoch: int) -> None:
        if self.unpublished and rank_and_size()[0] == 0:
            self.save_best(self.unpublished, epoch, self.minutes)
        self.unpublished = {}


def _moving_average(decay: float) -> Callable[[Tensors, Tensors, torch.Tensor | int], None]:
    """Exponential, with a shorter memory in the beginning so that the first weights are soon forgotten."""

    def average(kept: Tensors, current: Tensors, steps: torch.Tensor | int) -> None:
        if not kept[0].is_floating_point():  # counters of batches
            torch._foreach_copy_(kept, current)
            return
        share = 1 - min(decay, (1 + int(steps)) / (10 + int(steps)))
        change = torch._foreach_sub(current, kept)
        torch._foreach_mul_(change, share)
        torch._foreach_add_(kept, change)

    return average


def _warmup_and_cosine(warmup: float, total: int) -> Callable[[int], float]:
    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1.0, total - warmup))))

    return factor


def parameter_count(network: nn.Module) -> int:
    """How many weights a network has."""
    return sum(parameter.numel() for parameter in network.parameters())
