"""The checkpoint folder that a training leaves: its best epoch so far, and at the end how the training went."""

import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean

from torch import nn

from medseg_demo.models.card import ModelCard, read_card, write_card
from medseg_demo.models.checkpoint import save_checkpoint
from medseg_demo.training.config import TrainingConfig
from medseg_demo.training.data import LoadedCase
from medseg_demo.training.readme import readme, summarise
from medseg_demo.training.records import CaseDice

DRAFT = ".new-"  # of a checkpoint that is being written


def save_best(
    output: Path,
    network: nn.Module,
    config: TrainingConfig,
    card: ModelCard,
    dice: CaseDice,
    val_cases: tuple[LoadedCase, ...],
    epoch: int,
    minutes: float,
) -> None:
    """Write the best checkpoint so far; every file is replaced at once, never left half written."""
    means = {case_id: fmean(values) for case_id, scores in dice.items() if (values := _present(scores))}
    groups = {
        column: {case.case.case_id: case.case.metadata.get(column, "") for case in val_cases}
        for column in config.card.group_by
    }
    card = card.model_copy(
        update={
            "training": {**card.training, "best_epoch": epoch, "minutes": round(minutes, 1)},
            "scores": {"val": summarise(means, groups, classes=_by_class(card, dice))},
        }
    )
    with _replacing(output) as new:
        save_checkpoint(new, network, card)
        (new / "README.md").write_text(readme(output.name, card, config), encoding="utf-8")


def finish(
    output: Path,
    config: TrainingConfig,
    history: Sequence[Mapping[str, float | None]],
    facts: Mapping[str, object],
) -> None:
    """Add to the card how the whole training went, and its learning curve for people; nothing where none was saved.

    Args:
        output: The checkpoint folder.
        config: Of the training.
        history: The lines of the log.
        facts: What joins ``training`` of the card.
    """
    if (card := read_card(output)) is None:
        return
    card = card.model_copy(update={"training": {**card.training, **facts}})
    with _replacing(output) as new:
        write_card(card, new)
        (new / "README.md").write_text(readme(output.name, card, config, history), encoding="utf-8")


@contextmanager
def _replacing(output: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=DRAFT, dir=output) as folder:
        yield Path(folder)
        for path in sorted(Path(folder).iterdir()):
            path.replace(output / path.name)


def _by_class(card: ModelCard, dice: CaseDice) -> dict[str, list[float]] | None:
    if len(card.class_names) == 1:
        return None
    return {
        name: _present(scores) for name, scores in zip(card.class_names, zip(*dice.values(), strict=True), strict=True)
    }


def _present(scores: Iterable[float]) -> list[float]:
    return [score for score in scores if not math.isnan(score)]
