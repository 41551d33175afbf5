"""Findings of whole images in a training: what the cases say of them, their loss, and their thresholds from ``val``."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.metrics import compute_roc_auc
from segmentation_models_pytorch.base import SegmentationModel
from torch.nn.functional import binary_cross_entropy_with_logits

from medseg_demo.errors import TestSetError
from medseg_demo.models.card import ModelCard, read_card, write_card
from medseg_demo.models.checkpoint import load_folder
from medseg_demo.models.finding import Finding, FindingColumn
from medseg_demo.segmenting.prepare import with_neighbours
from medseg_demo.segmenting.windows import Compute, channels_last, predict
from medseg_demo.test_sets.case import Case
from medseg_demo.training.augmentation import IMAGE, LABEL
from medseg_demo.training.config import TrainingConfig
from medseg_demo.training.data import CASE, Batch, LoadedCase
from medseg_demo.training.loop import SegmentationTask

AUXILIARY = "classification_head"  # what smp calls it


def findings_of(columns: Mapping[str, FindingColumn]) -> tuple[Finding, ...]:
    """The card's findings before their thresholds are chosen."""
    return tuple(
        Finding(name=name, column=one.column or name, present=one.present, absent=one.absent)
        for name, one in columns.items()
    )


def stated(cases: Sequence[Case], findings: Sequence[Finding]) -> torch.Tensor:
    """What cases.csv says of each case: float32 (cases, findings), 1 present, 0 absent, NaN where a cell is empty.

    Raises:
        TestSetError: A column is missing, or a cell says neither; all are named.
    """
    rows = []
    faults = [
        f"cases.csv has no column {finding.source!r}, which says whether there is {finding.name}."
        for finding in findings
        if not any(finding.source in case.metadata for case in cases)
    ]
    for case in cases:
        row = [math.nan] * len(findings)
        for place, finding in enumerate(findings):
            try:
                found = finding.is_present(case.metadata.get(finding.source, ""))
            except ValueError as error:
                where = f"Case {case.case_id!r}, column {finding.source!r}"
                faults.append(f"{where}: {error}. Correct the cell, or findings.")
            else:
                row[place] = math.nan if found is None else float(found)
        rows.append(row)
    if faults:
        raise TestSetError(faults)
    return torch.tensor(rows).reshape(len(cases), len(findings))


def check_both(known: torch.Tensor, findings: Sequence[Finding], split: str) -> None:
    """Refuse a split in which a finding is always present, or never: nothing can be learned or chosen there.

    Raises:
        TestSetError: With every such finding.
    """
    faults = []
    for finding, column in zip(findings, known.T, strict=True):
        present, absent = int((column == 1).sum()), int((column == 0).sum())
        if not (present and absent):
            faults.append(
                f"Split {split!r} has {present} case(s) with {finding.name} and {absent} without; both are needed."
            )
    if faults:
        raise TestSetError(faults)


def finding_loss(logits: torch.Tensor, known: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each finding on its own, over what is known; 0 where nothing is.

    Args:
        logits: float (N, F).
        known: float32 (N, F), 1, 0, or NaN where nobody knows.
        weights: (F,), of a present finding against an absent one, from ``balance``.
    """
    counts = ~known.isnan()
    losses = binary_cross_entropy_with_logits(
        logits.float(), known.nan_to_num(), pos_weight=weights, weight=counts.float(), reduction="sum"
    )
    return losses / counts.sum().clamp_min(1)


def balance(known: torch.Tensor) -> torch.Tensor:
    """How often each finding is absent for each time that it is present, (F,): cases of both kinds then weigh alike."""
    return (known == 0).sum(0) / (known == 1).sum(0).clamp_min(1)


def choose_threshold(probabilities: np.ndarray, present: np.ndarray) -> float:
    """Where sensitivity and specificity are greatest together, in the middle of the gap between two cases.

    Of several such gaps the widest; where none is better than calling all cases alike, 0.5.

    Source: Youden 1950, doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3
    """
    values = np.unique(probabilities)
    middles, widths = (values[1:] + values[:-1]) / 2, np.diff(values)
    if not len(middles):
        return 0.5
    called = probabilities[None] >= middles[:, None]
    gains = called[:, present].mean(1) - called[:, ~present].mean(1)
    if gains.max() <= 0:
        return 0.5
    best = np.flatnonzero(np.isclose(gains, gains.max()))
    return round(float(np.clip(middles[best[np.argmax(widths[best])]], 0.0001, 0.9999)), 4)


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of the findings of the cases of a training; float32 (cases, F) as of ``stated``."""

    train: torch.Tensor
    val: torch.Tensor

    @classmethod
    def of(cls, config: TrainingConfig, train: Sequence[Case], val: Sequence[Case]) -> "Known":
        """Of both splits, seen to have both kinds.

        Raises:
            TestSetError: A cell is unclear, or a split has one kind alone.
        """
        findings = findings_of(config.findings)
        known = [stated(cases, findings) for cases in (train, val)]
        for one, split in zip(known, (config.train_split, config.val_split), strict=True):
            check_both(one, findings, split)
        return cls(*known)


class FindingTask(SegmentationTask):
    """A training whose network says of the whole image what it shows, too; arguments as of SegmentationTask.

    The best epoch is that of the greatest sum of mean Dice and, weighed, the geometric mean of the probability that is
    given to the truth, over present and absent cases alike: AUC is 1 for many epochs where cases are few.

    Args:
        known: Of the cases.
    """

    def __init__(self, *arguments: object, known: Known) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.known, self.weights = known, balance(known.train)
        if self.config.train_only:
            for name, parameter in self.network.named_parameters():
                parameter.requires_grad_(name.startswith(f"{AUXILIARY}."))
            self.train()  # Lightning leaves every part in the mode in which it comes

    def train(self, mode: bool = True) -> "FindingTask":
        """Leave the statistics of what is not trained as they are."""
        super().train(mode)
        if self.config.train_only:
            for name, part in self.network.named_children():
                part.train(mode and name == AUXILIARY)
        return self

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        """The loss of a batch: of the label maps, unless these stay as they are, and of the findings."""
        images, network = batch[IMAGE].to(memory_format=channels_last(2)), self.network
        if self.config.train_only and type(network).forward is SegmentationModel.forward:
            features = network.encoder(images)[-1]  # type: ignore[operator]  # spares the decoder
            masks, found = None, network.classification_head(features)  # type: ignore[operator]
        else:
            masks, found = network.forward(images)  # past the hook that drops the findings
        known, weights = self.known.train.to(found.device)[batch[CASE]], self.weights.to(found.device)
        loss = self.config.findings_weight * finding_loss(found, known, weights)
        if not self.config.train_only:
            loss = loss + self.loss(masks, batch[LABEL])
        self.losses.append(loss.detach())
        return loss

    @property
    def val_score(self) -> float:
        """As the class says."""
        probabilities, known = self._validated, self.known.val.numpy()
        given = [
            np.log(np.clip(probabilities[known == 1], 1e-7, 1)).mean(),
            np.log(np.clip(1 - probabilities[known == 0], 1e-7, 1)).mean(),
        ]
        return super().val_score + self.config.findings_weight * math.exp(float(np.mean(given)))

    @property
    def figures(self) -> dict[str, float | None]:
        """The area under the curve of each finding."""
        measured = measure(self._validated, self.known.val, self.averaged.card.findings)
        return {f"auc_{name}": found["auc"] for name, found in measured.items()}  # type: ignore[misc]

    @property
    def _validated(self) -> np.ndarray:
        return torch.stack([self.case_findings[one.case.case_id] for one in self.val_cases]).numpy()


def measure(
    probabilities: np.ndarray, known: torch.Tensor, findings: Sequence[Finding]
) -> dict[str, dict[str, float | int]]:
    """Figures of each finding, for ``scores`` of a card: area under the curve, both rates at its threshold, counts.

    Args:
        probabilities: (cases, F).
        known: (cases, F) as of ``stated``, of both kinds.
        findings: With the thresholds.
    """
    figures: dict[str, dict[str, float | int]] = {}
    for place, finding in enumerate(findings):
        column = known[:, place]
        of, called = ~column.isnan(), probabilities[:, place] >= finding.threshold
        present, absent = (column == 1).numpy(), (column == 0).numpy()
        auc = compute_roc_auc(torch.from_numpy(probabilities[:, place])[of], column[of])
        figures[finding.name] = {
            "auc": round(float(auc), 4),  # type: ignore[arg-type]
            "sensitivity": round(float(called[present].mean()), 4),
            "specificity": round(float(1 - called[absent].mean()), 4),
            "present": int(present.sum()),
            "absent": int(absent.sum()),
        }
    return figures


def with_thresholds(card: ModelCard, probabilities: np.ndarray, known: torch.Tensor) -> ModelCard:
    """The card with each finding's threshold, chosen on the validation split, and the figures there.

    Args:
        card: Of the best epoch.
        probabilities: (cases, F).
        known: (cases, F) as of ``stated``.
    """
    chosen = []
    for finding, column, found in zip(card.findings, known.T.numpy(), probabilities.T, strict=True):
        counts = ~np.isnan(column)
        threshold = choose_threshold(found[counts], column[counts] == 1)
        chosen.append(finding.model_copy(update={"threshold": threshold}))
    val = card.scores.get("val")
    figures = {**(val if isinstance(val, Mapping) else {}), "findings": measure(probabilities, known, chosen)}
    return card.model_copy(update={"findings": tuple(chosen), "scores": {**card.scores, "val": figures}})


def choose_thresholds(output: Path, val_cases: Sequence[LoadedCase], known: Known, compute: Compute) -> None:
    """Let the best checkpoint, as it lies in the folder, find what it can in the validation cases, and write its card.

    Args:
        output: The checkpoint folder; nothing happens where no epoch left one.
        val_cases: In the order of ``known.val``.
        known: Of the cases.
        compute: Where the network runs.
    """
    if read_card(output) is None:
        return
    checkpoint = load_folder(output)
    found = torch.zeros(len(val_cases), len(checkpoint.card.findings))
    for place, case in enumerate(val_cases):
        of_slices = torch.zeros(len(case.inputs), found.shape[1])
        predict(checkpoint, with_neighbours(case.inputs, checkpoint.card).float(), compute, findings=of_slices)
        found[place] = of_slices.amax(0)
    write_card(with_thresholds(checkpoint.card, found.numpy(), known.val), output)
