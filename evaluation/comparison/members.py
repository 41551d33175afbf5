"""Checkpoints, label maps and a reference on one image, compared: who takes part, and what came out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from evaluation.comparison.agreement import (
    ClassSize,
    Disagreement,
    Method,
    PairAgreement,
    class_sizes,
    compare_pairs,
    find_consensus,
    find_disagreement,
)
from evaluation.comparison.classes import ClassMatch, Stated, match_classes
from evaluation.metrics.score import score_case
from medseg_demo import names
from medseg_demo.errors import InputMismatchError, OptionError
from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.models.card import ModelCard
from medseg_demo.reading.labels import compare_geometry, read_label_map

if TYPE_CHECKING:  # torch comes with it
    from medseg_demo.segmenting.pipeline import Segmentation

Kind = Literal["checkpoint", "label map", "reference", "consensus"]

# The image and the checkpoints' names → each one's result, in that order, with what it costs.
Segment = Callable[[MedicalImage, Sequence[str]], "Iterator[tuple[Segmentation, Cost]]"]

MOST = 6
REFERENCE = "reference"
METRICS = ("dice", "hd95")
CONSENSUS_NAMES: dict[Method, str] = {"majority": "majority", "staple": "STAPLE"}


@dataclass(frozen=True)
class Cost:
    """What a checkpoint costs.

    Attributes:
        parameters: How many weights its network has.
        network_bytes: The most that the network's tensors take at once, beside the weights, for one input of its
            size; None where it could not be measured.
        first_seconds: Time of the first segmentation of this image, with the loading of a network that was not loaded;
            None where it was not measured.
        seconds: The same of the warmed-up network: the median of so many passes.
        passes: How many were timed.
    """

    parameters: int
    network_bytes: int | None = None
    first_seconds: float | None = None
    seconds: float | None = None
    passes: int = 0

    @property
    def load_seconds(self) -> float | None:
        """What the network took to be ready (read, converted, compiled); None where it was ready, or not measured."""
        if self.first_seconds is None or self.seconds is None:
            return None
        return max(0.0, self.first_seconds - self.seconds)

    @property
    def weights_mb(self) -> float:
        """Size of the weights in memory, in single precision, in MB (10⁶ bytes)."""
        return self.parameters * 4 / 1e6

    @property
    def memory_mb(self) -> float | None:
        """Weights and tensors together, in MB; None where it could not be measured."""
        return None if self.network_bytes is None else self.weights_mb + self.network_bytes / 1e6


@dataclass(frozen=True, eq=False)
class Member:
    """One label map of a comparison, and where it came from.

    Attributes:
        name: Unlike those of the others: of the checkpoint, or of the file.
        kind: What it is.
        label_map: In the image's own size.
        probabilities: As in Segmentation; None where it was no checkpoint.
        threshold: What a checkpoint of one class applied.
        cost: Of the checkpoint.
        digest: The checkpoint's hash.
        warnings: What a person should know before trusting it.
        notes: How its file was read, and which of its classes are compared under another name.
    """

    name: str
    kind: Kind
    label_map: LabelMap
    probabilities: np.ndarray | None = None
    threshold: float | None = None
    cost: Cost | None = None
    digest: str = ""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Score:
    """One class of one label map against the reference; what empty masks give stands in ``evaluation.metrics``."""

    name: str
    class_name: str
    dice: float
    hd95: float
    distance_unit: str


@dataclass(frozen=True, eq=False)
class Comparison:
    """Label maps of one image, and how they compare. Everything but the members is computed when asked for.

    Attributes:
        image: The image.
        members: Checkpoints, label maps and the reference, in the order in which they are shown.
        consensus: What the members other than the reference say together, where that was asked for.
        method: How.
        tied: Pixels that became background in the consensus because no class was ahead.
        partial: Whether it was stopped before the last checkpoint.
    """

    image: MedicalImage
    members: tuple[Member, ...]
    consensus: Member | None = None
    method: Method | None = None
    tied: int = 0
    partial: bool = False

    @property
    def shown(self) -> tuple[Member, ...]:
        """The members and, last, the consensus."""
        return self.members if self.consensus is None else (*self.members, self.consensus)

    @property
    def predictions(self) -> tuple[Member, ...]:
        """The members other than the reference."""
        return tuple(member for member in self.members if member.kind != REFERENCE)

    @property
    def reference(self) -> Member | None:
        """The reference, where there is one."""
        return next((member for member in self.members if member.kind == REFERENCE), None)

    @cached_property
    def sizes(self) -> tuple[ClassSize, ...]:
        """The size of every class in every label map that is shown."""
        return class_sizes({member.name: member.label_map for member in self.shown})

    @cached_property
    def pairs(self) -> tuple[PairAgreement, ...]:
        """Each two of the label maps that are shown, class by class."""
        return compare_pairs({member.name: member.label_map for member in self.shown})

    @cached_property
    def disagreement(self) -> Disagreement:
        """Where the members differ; the consensus is none of them."""
        return find_disagreement([member.label_map for member in self.members])

    @cached_property
    def scores(self) -> tuple[Score, ...]:
        """Every label map against the reference; none without one."""
        if self.reference is None:
            return ()
        return tuple(
            Score(member.name, row["class_name"], row["dice"], row["hd95"], row["distance_unit"])
            for member in self.shown
            if member.kind != REFERENCE
            for row in _score(self.reference.label_map, member.label_map)
        )


def run_comparison(
    image: MedicalImage,
    cards: Mapping[str, ModelCard],
    given: Sequence[Member],
    segment: Segment,
    *,
    stated: Sequence[Stated] = (),
) -> Iterator[Comparison]:
    """Segment an image with each checkpoint and compare the results.

    Args:
        image: The image or volume.
        cards: Checkpoints by name, in the order in which they are shown.
        given: Label maps and a reference, from ``read_members``.
        segment: Runs the checkpoints.
        stated: What a person says of classes that are called differently.

    Yields:
        A comparison of what is there after each checkpoint; the last one is of all.

    Raises:
        MedsegError: What was chosen does not go together, before anything is segmented; or what ``segment`` raises.
    """
    check_choice(image, cards, given)
    own = {name: card.class_names for name, card in cards.items()}
    own |= {member.name: member.label_map.class_names for member in given}
    matches = match_classes(own, stated, files=[member.name for member in given])
    given = [_translated(member, matches[member.name]) for member in given]
    done: list[Member] = []
    if not cards:
        yield Comparison(image, tuple(given))
    for segmentation, cost in segment(image, list(cards)) if cards else ():
        done.append(_translated(checkpoint_member(segmentation, cost), matches[segmentation.checkpoint]))
        yield Comparison(image, (*done, *given))


def check_choice(image: MedicalImage, cards: Mapping[str, ModelCard], given: Sequence[Member]) -> None:
    """Refuse what cannot be compared.

    Raises:
        OptionError: There are fewer than two label maps, or more than six beside the reference.
        InputMismatchError: A checkpoint cannot take the image.
    """
    count = len(cards) + len(given)
    if count < 2:
        raise OptionError("There is only one label map. Choose a second checkpoint, or add a reference or a label map.")
    count -= sum(member.kind == REFERENCE for member in given)
    if count > MOST:
        raise OptionError(
            f"There are {count} label maps beside the reference, and at most {MOST} are compared at once. Take some "
            "out."
        )
    for name, card in cards.items():
        if card.is_3d and not image.is_volume:
            raise InputMismatchError(
                f"Checkpoint {name!r} is of a 3-D network, but {image.name} is a 2-D image. Choose a volume, or "
                "checkpoints of 2-D networks."
            )


def checkpoint_member(segmentation: "Segmentation", cost: Cost) -> Member:
    """A checkpoint's result as a member."""
    return Member(
        name=segmentation.checkpoint,
        kind="checkpoint",
        label_map=segmentation.label_map,
        probabilities=segmentation.probabilities,
        threshold=segmentation.threshold,
        cost=cost,
        digest=segmentation.digest,
        warnings=segmentation.warnings,
    )


def read_members(
    image: MedicalImage,
    label_maps: Mapping[str, Path] | Sequence[Path],
    *,
    reference: Path | None = None,
    reference_name: str = "",
    taken: Sequence[str] = (),
) -> tuple[Member, ...]:
    """Read label maps that were made elsewhere, the reference last, each with its own classes.

    Args:
        image: What they must lie on.
        label_maps: Their files, by name where they are not called as their files.
        reference: The expert's.
        reference_name: What it is called; its file's name where nothing is given.
        taken: Names that are not free any more.

    Raises:
        ReadError: One cannot be read.
        InputMismatchError: One is of another shape, or lies elsewhere.
    """
    named = label_maps if isinstance(label_maps, Mapping) else None
    files = list(named.items()) if named is not None else [(names.stem(path), path) for path in label_maps]
    members: list[Member] = []
    for called, path in [*files, *([(reference_name or names.stem(reference), reference)] if reference else [])]:
        label_map = read_label_map(path, image=image)
        faults = compare_geometry(image, label_map, role="it")
        if faults:
            raise InputMismatchError(
                f"{names.shown(path.name)}: {' and '.join(faults)}. Export it in the image's own geometry."
            )
        kind: Kind = "reference" if path is reference else "label map"
        name = names.free_name(called, [*taken, *(member.name for member in members)])
        own = LabelMap(label_map.labels, label_map.class_names, image.geometry)
        members.append(Member(name, kind, own, notes=label_map.notes))
    return tuple(members)


def _translated(member: Member, match: ClassMatch) -> Member:
    return replace(
        member,
        label_map=match.translate(member.name, member.label_map),
        probabilities=match.translate_probabilities(member.probabilities),
        threshold=member.threshold if match.is_plain else None,
        warnings=(*member.warnings, *match.warnings),
        notes=(*member.notes, *match.notes),
    )


def with_consensus(comparison: Comparison, method: Method | None) -> Comparison:
    """The comparison with another consensus, or with none.

    Raises:
        OptionError: There are no two label maps beside the reference.
    """
    if method is None:
        return replace(comparison, consensus=None, method=None, tied=0)
    if len(comparison.predictions) < 2:
        raise OptionError("A consensus needs two label maps beside the reference. Add a checkpoint or a label map.")
    found = find_consensus([member.label_map for member in comparison.predictions], method)
    name = names.free_name(CONSENSUS_NAMES[method], [member.name for member in comparison.members])
    return replace(comparison, consensus=Member(name, "consensus", found.label_map), method=method, tied=found.tied)


def _score(reference: LabelMap, prediction: LabelMap) -> list[dict[str, Any]]:
    labels: dict[int | tuple[int, ...], str] = dict(enumerate(reference.class_names, start=1))
    spacing = reference.geometry.spacing_mm
    return score_case(reference.labels, prediction.labels, labels=labels, spacing=spacing, metrics=METRICS)
