"""A finished training that goes on: what it had come to, and the configuration of what is added."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from medseg_demo.errors import TrainingError
from medseg_demo.models.card import read_card
from medseg_demo.models.checkpoint import CONFIG_FILE
from medseg_demo.models.narrow import WIDTHS
from medseg_demo.models.origins.smp import read_config as read_network
from medseg_demo.training.config import CONFIG_COPY, TrainingConfig, read_config
from medseg_demo.training.records import LOG_FILE

KEPT = ("epochs", "epochs_run", "best_epoch", "minutes", "minutes_in_all", "seed", "data_hash", "pretrained")


@dataclass(frozen=True)
class Past:
    """What a finished training had come to.

    Attributes:
        history: The lines of its log.
        best: Its best mean Dice in validation.
        facts: ``training`` of its card.
        class_names: What it learned.
    """

    history: tuple[dict[str, float | None], ...]
    best: float
    facts: Mapping[str, object]
    class_names: tuple[str, ...]

    @property
    def before(self) -> list[object]:
        """For the card: a record of each training so far."""
        earlier = self.facts.get("before", [])
        own = {key: self.facts[key] for key in KEPT if key in self.facts}
        return [*(earlier if isinstance(earlier, list | tuple) else ()), own]

    def check(self, data_hash: str, class_names: tuple[str, ...], name: str) -> None:
        """Refuse to go on with other cases, whose scores nothing could be compared with.

        Raises:
            TrainingError: The cases or the classes are others.
        """
        if (data_hash, class_names) != (self.facts.get("data_hash"), self.class_names):
            raise TrainingError(
                f"{name} was trained on other cases or classes than this test set holds. Start a new training from it: "
                f"write pretrained: {name} into a configuration."
            )


def read_past(folder: Path) -> Past:
    """What the training of a checkpoint folder came to.

    Raises:
        TrainingError: The folder is of no training with a card and a log.
    """
    card, log = read_card(folder), folder / LOG_FILE
    try:
        with log.open(encoding="utf-8", newline="") as file:
            rows = [
                {key: float(value) if value else None for key, value in row.items()} for row in csv.DictReader(file)
            ]
        best = max(row["val_dice"] or 0.0 for row in rows)
        rows = [{**row, "epoch": int(row["epoch"] or 0)} for row in rows]
    except (OSError, ValueError, KeyError, TypeError):
        rows = []
    if card is None or not rows:
        raise TrainingError(
            f"{folder.name} cannot be continued: it has no medseg.json, or no {LOG_FILE} of a training. Write "
            f"pretrained: {folder.name} into a configuration to start from its weights."
        )
    return Past(tuple(rows), best, card.training, card.class_names)


def longer_config(folder: Path, epochs: int) -> TrainingConfig:
    """The configuration of what is added: the folder's own, from its weights, with a warm-up and a cosine of its own.

    Raises:
        TrainingError: The folder was not trained here, or so many epochs do not fit its configuration.
    """
    if not (folder / CONFIG_FILE).exists() or not (folder / CONFIG_COPY).exists():
        raise TrainingError(f"{folder.name} cannot be continued: it has no {CONFIG_COPY} of a finished training.")
    config = read_config(folder / CONFIG_COPY)
    if config.findings:
        raise TrainingError(
            f"{folder.name} has findings, by which its best epoch was chosen, too. Start a new training from it: write "
            f"pretrained: {folder.name} into its {CONFIG_COPY}."
        )
    own: dict[str, Any] = {"epochs": epochs, "pretrained": str(folder), "freeze_epochs": 0}
    if config.prune:  # which it was, so that its network has other widths than it started with
        own |= {"prune": 0, "network": {**config.network, WIDTHS: read_network(folder)[1][WIDTHS]}}
    own["warmup_epochs"] = min(config.warmup_epochs, epochs / 2)
    try:
        return TrainingConfig.model_validate({**config.model_dump(), **own})
    except ValidationError as error:
        faults = "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors())
        raise TrainingError(f"{folder.name} cannot be continued by {epochs} epochs ({faults}).") from None
