"""What watches a training: a guard against NaN and infinity, and the encoder's freezing."""

from collections.abc import Sequence
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from medseg_demo.errors import TrainingError
from medseg_demo.models.checkpoint import CONFIG_FILE
from medseg_demo.training.config import CONFIG_COPY
from medseg_demo.training.data import CASE, Batch
from medseg_demo.training.records import LOG_FILE

LARGEST = torch.finfo(torch.float16).max  # in which kernels are saved
MOST_NAMED = 8


class DivergedError(TrainingError):
    """A training came to NaN or infinity; what was good before is kept."""


class Guard(Callback):
    """Clips gradients, and ends a training before NaN, infinity or what cannot be saved reaches a weight.

    It stands before whatever keeps an epoch. With float16 on a GPU infinite gradients are usual: PyTorch's scaler
    leaves such a step out, so they are no fault there.

    Args:
        case_ids: Of the training cases, by their numbers in a batch.
        learning_rate: For the advice.
        clip: Greatest norm of the gradient.
    """

    def __init__(self, case_ids: Sequence[str], learning_rate: float, clip: float) -> None:
        self.case_ids, self.learning_rate, self.clip = case_ids, learning_rate, clip
        self.cases: torch.Tensor | None = None

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Remember of which cases the batch is."""
        self.cases = batch[CASE]

    def on_before_backward(self, trainer: Trainer, module: LightningModule, loss: torch.Tensor) -> None:
        """Look at the loss."""
        if not torch.isfinite(loss):
            raise self._error(trainer, f"the loss is {loss.item():g}")

    def on_before_optimizer_step(
        self, trainer: Trainer, module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Clip the gradient, and look at the norm that it had; Lightning would compute it once more."""
        parameters = [one for group in optimizer.param_groups for one in group["params"]]
        norm = nn.utils.clip_grad_norm_(parameters, self.clip)
        is_scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
        if not is_scaled and not torch.isfinite(norm):
            raise self._error(trainer, f"the norm of the gradient is {float(norm):g}")

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Look at all weights and running statistics, those of the moving average too."""
        for name, tensor in module.state_dict().items():
            if not torch.isfinite(tensor).all():
                raise self._error(trainer, f"{name} holds NaN or infinity")
            if tensor.is_floating_point() and tensor.ndim > 1 and (tensor.abs() > LARGEST).any():
                raise self._error(trainer, f"{name} holds {float(tensor.abs().max()):.2g}, more than can be saved")

    def _error(self, trainer: Trainer, what: str) -> DivergedError:
        numbers = [] if self.cases is None else sorted(set(self.cases.flatten().tolist()))
        ids = [self.case_ids[number] for number in numbers[:MOST_NAMED]]
        more = f" and {len(numbers) - MOST_NAMED} more" if len(numbers) > MOST_NAMED else ""
        return DivergedError(
            f"Training diverged in epoch {trainer.current_epoch + 1}, step {trainer.global_step + 1}: {what}. The last "
            f"batch was of {', '.join(ids) or 'no case'}{more}. Lower learning_rate ({self.learning_rate:g}), or look "
            "at these cases."
        )


def leave_what_is_good(error: DivergedError, output: Path, resume: Path) -> DivergedError:
    """Take away what would lead to the same end, and whatever is no use without a checkpoint.

    Args:
        error: What ended the training.
        output: The checkpoint folder; it goes where no epoch was good and nothing else lies in it.
        resume: The file that a training is taken up with.

    Returns:
        The error, with what is left.
    """
    resume.unlink(missing_ok=True)
    if (output / CONFIG_FILE).exists():
        return DivergedError(f"{error} {output.name} keeps the best epoch before.")
    for name in (CONFIG_COPY, LOG_FILE):
        (output / name).unlink(missing_ok=True)
    if not any(output.iterdir()):
        output.rmdir()
    return DivergedError(f"{error} No epoch was good, so nothing is left.")


class Freeze(Callback):
    """Leaves the encoder as it was given in the first epochs: its weights, and its statistics.

    Args:
        epochs: How many.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Freeze it, or let it go."""
        encoder, frozen = module.get_submodule("network.encoder"), trainer.current_epoch < self.epochs
        encoder.requires_grad_(not frozen)
        encoder.train(not frozen)
