"""What is recorded of a training: figures of each validation, ``log.csv``, the progress line, and loggers of others."""

import contextlib
import csv
import importlib.util
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from medseg_demo.errors import TrainingError
from medseg_demo.language.terminal import say
from medseg_demo.training.config import TrainingConfig

LOG_FILE = "log.csv"
LOGGER_FOLDER = "logs"  # in the checkpoint folder; the files of a logger that writes any
LOGGER_PACKAGES = {"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow"}
# What is printed may name cases; what else wandb would send are the machine's names and paths.
FIGURES_ALONE = {"console": "off", "disable_code": True, "disable_git": True, "x_disable_meta": True}
PROJECT = "medseg-demo"  # under which wandb and MLflow list the runs


@dataclass(frozen=True)
class ClassScores:
    """Of one class in one case, each 0 to 1; NaN where nothing could be found or missed, as in evaluation.

    Of one class F1 is Dice.
    """

    dice: float
    precision: float
    recall: float
    iou: float


SCORES = tuple(field.name for field in fields(ClassScores))
CaseScores = dict[str, tuple[ClassScores, ...]]
CaseDice = dict[str, tuple[float, ...]]


def case_scores(reference: np.ndarray, prediction: np.ndarray, *, classes: int) -> tuple[ClassScores, ...]:
    """Scores of each class from its pixels that are found (tp), invented (fp) and missed (fn).

    Args:
        reference: Labels (Z, Y, X).
        prediction: Labels (Z, Y, X).
        classes: Foreground classes.
    """
    scores = []
    for value in range(1, classes + 1):
        wanted, found = reference == value, prediction == value
        tp = int(np.count_nonzero(wanted & found))
        fp, fn = int(np.count_nonzero(found)) - tp, int(np.count_nonzero(wanted)) - tp
        dice, iou = _share(2 * tp, 2 * tp + fp + fn), _share(tp, tp + fp + fn)
        scores.append(ClassScores(dice, _share(tp, tp + fp), _share(tp, tp + fn), iou))
    return tuple(scores)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def dice_of(scores: CaseScores) -> CaseDice:
    """The Dice of each class alone."""
    return {case_id: tuple(one.dice for one in by_class) for case_id, by_class in scores.items()}


def mean_dice(scores: CaseDice) -> float:
    """Mean over cases in each class, then over classes; cases in which a class is rightly absent are skipped."""
    means = [mean for column in zip(*scores.values(), strict=True) if (mean := _mean(column)) is not None]
    return fmean(means) if means else 0.0


def columns(scores: CaseScores, class_names: Sequence[str]) -> dict[str, float | None]:
    """``dice_<class>``, ``precision_<class>``, ``recall_<class>`` and ``iou_<class>`` of a line of the log.

    Each is the mean over the cases in which it is defined; None where that is none.
    """
    found = {}
    for name, of_class in zip(class_names, zip(*scores.values(), strict=True), strict=True):
        for score, values in zip(SCORES, zip(*map(astuple, of_class), strict=True), strict=True):
            mean = _mean(values)
            found[f"{score}_{name}"] = None if mean is None else round(mean, 6)
    return found


def _mean(values: Sequence[float]) -> float | None:
    defined = [value for value in values if not math.isnan(value)]
    return fmean(defined) if defined else None


def write_log(history: Sequence[Mapping[str, float | None]], path: Path) -> None:
    """Write the lines so far, whole or not at all."""
    temporary = path.with_name(f".{path.name}")
    names = dict.fromkeys(name for row in history for name in row)
    with temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(names))
        writer.writeheader()
        writer.writerows(history)
    with contextlib.suppress(FileNotFoundError):
        temporary.replace(path)


def peak_memory_mb(device: torch.device) -> int | None:
    """The most that this process held so far, on the GPU where it trains on one; None where the system does not say."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 1e6)
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)


class ProgressLine(TQDMProgressBar):
    """An epoch's bar with loss, validation Dice, the time left of the whole training, and memory."""

    def __init__(self) -> None:
        super().__init__(refresh_rate=10)
        self.started, self.steps_before = time.monotonic(), 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count from the first step that is made now, not from those before an interruption."""
        super().on_train_start(trainer, pl_module)
        self.started, self.steps_before = time.monotonic(), trainer.global_step

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """What stands after the bar; the module tells its loss, steps and last validation."""
        shown: dict[str, Any] = {}
        if pl_module.losses:
            shown["loss"] = float(pl_module.losses[-1])  # type: ignore[index, arg-type]
        if pl_module.last_dice is not None:
            shown["val_dice"] = pl_module.last_dice
        if (done := trainer.global_step - self.steps_before) > 0:
            each = (time.monotonic() - self.started) / done
            shown["left"] = in_words(each * max(0, int(pl_module.total_steps) - trainer.global_step))  # type: ignore[arg-type]
        if (memory := peak_memory_mb(pl_module.device)) is not None:
            shown["memory"] = f"{memory} MB"
        return shown


def in_words(seconds: float) -> str:
    """Such as "1 h 05 min", "12 min" or "40 s"."""
    minutes = round(seconds / 60)
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


def check_logger(name: str) -> None:
    """Refuse a logger whose package is not there, before anything runs.

    Raises:
        TrainingError: With what to install.
    """
    package = LOGGER_PACKAGES.get(name)
    # A folder of that name, such as the one that wandb leaves, is found as a package without a file.
    if package and ((spec := importlib.util.find_spec(package)) is None or spec.origin is None):
        raise TrainingError(
            f"logger: {name} needs the package {package}, which is not installed. Run: pip install {package} "
            f"(or take logger: csv, whose {LOG_FILE} is always written)."
        )


def build_logger(config: TrainingConfig, output: Path) -> Logger | None:
    """The logger beside ``log.csv``; None where there is none.

    TensorBoard writes to ``logs`` in the checkpoint folder, MLflow to what MLFLOW_TRACKING_URI names or there, and
    wandb to its service where the user is logged in, else there. Neither receives images or weights.

    Args:
        config: Its ``logger`` is built, and told all keys.
        output: The checkpoint folder; its name is the run's.

    Raises:
        TrainingError: The logger does not start.
    """
    if config.logger == "csv":
        return None
    try:
        logger = _start(config.logger, output)
        logger.log_hyperparams(config.model_dump(mode="json"))
    except Exception as error:  # whatever a service answers
        raise TrainingError(
            f"logger: {config.logger} does not start ({_line(error)}). Mend that, or take csv."
        ) from None
    return logger


def _start(name: str, output: Path) -> Logger:
    folder = output / LOGGER_FOLDER
    if name == "tensorboard":
        return TensorBoardLogger(output, name=LOGGER_FOLDER, version="")
    if name == "mlflow":
        with contextlib.suppress(ImportError):  # versions that write into a folder without being asked lack it
            from mlflow.environment_variables import MLFLOW_ALLOW_FILE_STORE

            MLFLOW_ALLOW_FILE_STORE.set(True)
        return MLFlowLogger(experiment_name=PROJECT, run_name=output.name, save_dir=str(folder))
    import wandb

    folder.mkdir(exist_ok=True)
    is_offline = not wandb.api.api_key
    return WandbLogger(
        name=output.name, project=PROJECT, save_dir=folder, offline=is_offline, log_model=False, settings=FIGURES_ALONE
    )


def log_to(loggers: Sequence[Logger], row: Mapping[str, float | None]) -> None:
    """Hand a line of the log to loggers; one that fails is named and costs no training."""
    for logger in loggers:
        try:
            logger.log_metrics(
                {name: value for name, value in row.items() if value is not None}, int(row["epoch"] or 0)
            )
        except Exception as error:
            say(f"warning: {type(logger).__name__} did not take epoch {row['epoch']} ({_line(error)})", file=sys.stderr)


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
