"""Test set → what a training holds: placed inputs with their labels, and batches drawn from them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from monai.transforms import Compose
from monai.utils import convert_to_tensor
from torch.utils.data import Dataset, Sampler

from medseg_demo.errors import MedsegError, TestSetError
from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.models.card import ModelCard
from medseg_demo.orientation import network_orientation
from medseg_demo.reading.labels import compare_geometry
from medseg_demo.segmenting.appearance import appearance
from medseg_demo.segmenting.channels import arranged
from medseg_demo.segmenting.prepare import Placement, check_channels, place, to_tensor, with_neighbours
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import Case, read_case_image, read_case_reference
from medseg_demo.test_sets.test_set import TestSet
from medseg_demo.training.augmentation import BOTH, IMAGE, LABEL
from medseg_demo.training.memory import MIB, UNLIMITED, Memory
from medseg_demo.training.processes import rank_and_size

Batch = dict[str, torch.Tensor]
CASE = "case"  # of a batch: the numbers of its cases


@dataclass(frozen=True, eq=False)
class LoadedCase:
    """A case as the network will take it.

    Attributes:
        case: Where it came from.
        inputs: float16 (Z, C, H, W) or (1, C, D, H, W), as ``place`` gives them: without neighbours.
        placement: How to bring a result back to the image's own size.
        labels: uint8 (Z, Y, X), in the image's own size; for a 3-D network turned as the inputs are.
        extent_mm: Length of the image's axes; None for a single image, and where the spacing is unknown.
        seen: What it looks like, from ``appearance``.
    """

    case: Case
    inputs: torch.Tensor
    placement: Placement
    labels: np.ndarray
    extent_mm: tuple[float, ...] | None = None
    seen: dict[str, float] = field(default_factory=dict)


def load_cases(
    test_set: TestSet, card: ModelCard, *, settings: Settings | None = None, memory: Memory | None = None
) -> tuple[LoadedCase, ...]:
    """Read and place every case, one after the other.

    Args:
        test_set: The cases.
        card: What the network takes.
        settings: The limits.
        memory: Where they lie then; None keeps all in memory.

    Raises:
        TestSetError: With every case that cannot be read or whose mask does not lie on its image.
        TrainingError: Neither memory nor the disk has room.
    """
    memory = memory or Memory(UNLIMITED // MIB)
    loaded, faults = [], []
    for case in test_set.cases:
        try:
            image = arranged(read_case_image(case, settings=settings), card)
            check_channels(image, card)
            mask = read_case_reference(case, class_names=card.class_names, image=image, settings=settings)
        except MedsegError as error:
            faults.append(f"Case {case.case_id!r}: {error}")
            continue
        clauses = [] if image.is_volume or not card.is_3d else ["image is no volume, but the network takes volumes"]
        clauses = clauses or compare_geometry(image, mask)
        if clauses:
            faults.append(
                f"Case {case.case_id!r}: {'; '.join(clauses)}. Export both from the same series, or remove the case "
                "from cases.csv."
            )
        else:
            loaded.append(_load(case, image, mask, card, memory))
    if faults:
        raise TestSetError(faults)
    return tuple(loaded)


def _load(case: Case, image: MedicalImage, mask: LabelMap, card: ModelCard, memory: Memory) -> LoadedCase:
    labels, spacing_mm = mask.labels if mask.is_volume else mask.labels[np.newaxis], image.geometry.spacing_mm
    if card.is_3d:
        orientation = network_orientation(image.geometry.affine)
        labels = np.ascontiguousarray(orientation.turn(labels))
        spacing_mm = orientation.turn_spacing(spacing_mm)
    inputs, placement = place(to_tensor(image, card), card, spacing_mm=spacing_mm)
    assert isinstance(placement, Placement)  # nothing here trains with nnU-Net's steps
    extent_mm = image.extent_mm if image.is_volume else None
    inputs, kept = memory.keep(inputs.half()), memory.keep(torch.from_numpy(labels)).numpy()
    return LoadedCase(case, inputs, placement, kept, extent_mm, appearance(image))


def channel_names(test_set: TestSet, count: int) -> tuple[str, ...]:
    """What the channels of the cases are called, where they are as many and no colours; else empty."""
    named = {case.channel_names for case in test_set.cases}
    names = named.pop() if len(named) == 1 else ()
    colours = {name.casefold() for name in names} in ({"r", "g", "b"}, {"red", "green", "blue"})
    return names if len(names) == count > 1 and not colours else ()


def notes_on(cases: Sequence[LoadedCase], card: ModelCard) -> tuple[str, ...]:
    """What a person should know of the cases that are learned from, in plain sentences."""
    present = {int(value) for case in cases for value in np.unique(case.labels)}
    absent = [name for value, name in enumerate(card.class_names, start=1) if value not in present]
    notes = [f"No training case has the class {name!r}: the network cannot learn it." for name in absent]
    if len(cases) == 1:
        notes.append(f"There is one training case, {cases[0].case.case_id!r}: what is learned fits it alone.")
    if card.neighbours and all(len(case.inputs) == 1 for case in cases):
        notes.append("No training case has neighbouring slices: each image stands in for its own. Set neighbours to 0.")
    return tuple(notes)


def largest_mm(cases: Sequence[LoadedCase]) -> tuple[float, ...] | None:
    """The longest, middle and shortest axis that any of the volumes has; None where no volume states its spacing."""
    extents = [sorted(case.extent_mm, reverse=True) for case in cases if case.extent_mm]
    return tuple(round(max(axis), 1) for axis in zip(*extents, strict=True)) or None


class TrainingSlices(Dataset[Batch]):
    """Augmented slices, or volumes for a 3-D network, numbered through all epochs: number = epoch × length + position.

    The random changes depend on the seed and the number alone, so an item is the same whoever asks for it, in which
    order and in which process; that is what makes a resumed training repeat an uninterrupted one.

    Args:
        cases: From ``load_cases``.
        card: Tiles leave out what ``place`` padded; resized images keep it.
        augmentation: From ``build_augmentation``.
        seed: Of the training.
        memory: Where labels lie that have another size than the cases' own; None keeps all in memory.
    """

    def __init__(
        self,
        cases: Sequence[LoadedCase],
        card: ModelCard,
        augmentation: Compose,
        *,
        seed: int,
        memory: Memory | None = None,
    ) -> None:
        memory = memory or Memory(UNLIMITED // MIB)
        self.card = card
        self.cases = [_to_augment(case, card, memory) for case in cases]
        self.places = [(number, at) for number, (images, _) in enumerate(self.cases) for at in range(len(images))]
        self.augmentation = augmentation
        self.seed = seed

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, number: int) -> Batch:
        """{"image": float32 (C, H, W), "label": float32 (1, H, W), "case": its number}; (C, D, H, W) of volumes."""
        position = number % len(self.places)
        image, label = self.slice_at(position)
        self.augmentation.set_random_state(int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0]))
        changed = self.augmentation({IMAGE: image.float(), LABEL: label.float()})
        # MetaTensor would slow network and loss.
        return {CASE: torch.tensor(self.places[position][0]), **{key: convert_to_tensor(changed[key]) for key in BOTH}}

    def slice_at(self, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        """What is changed at random: (C, H, W) with its neighbours, and (1, H, W); of volumes with D before H."""
        number, at = self.places[position]
        images, labels = self.cases[number]
        image = with_neighbours(images, self.card, [at])[0] if self.card.neighbours else images[at]
        return image, labels[at][None]


class EpochSampler(Sampler[int]):
    """The numbers of one epoch in random order, decided by seed and epoch.

    Args:
        slices: How many slices there are.
        repeats: How often each is drawn in an epoch.
        seed: Of the training.
        batch_size: Of one process, where there are several: together they take what one would with larger batches.
        processes: How many share an epoch; a last batch that does not suffice for all is left out.
    """

    def __init__(self, slices: int, *, repeats: int, seed: int, batch_size: int = 1, processes: int = 1) -> None:
        self.length = slices * repeats
        self.seed = seed
        self.batch_size, self.processes = batch_size, processes
        self.epoch = 0

    def __len__(self) -> int:
        return self.length if self.processes == 1 else self._steps * self.batch_size

    @property
    def _steps(self) -> int:
        return self.length // (self.batch_size * self.processes)

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls it before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.length)
        if self.processes > 1:
            shape = self._steps, self.processes, self.batch_size
            order = order[: math.prod(shape)].reshape(shape)[:, rank_and_size()[0]].ravel()
        return iter((self.epoch * self.length + order).tolist())


def _to_augment(case: LoadedCase, card: ModelCard, memory: Memory) -> tuple[torch.Tensor, torch.Tensor]:
    """The slices of a case (Z, C, H, W) and their labels (Z, H, W); of volumes (1, C, D, H, W) and (1, D, H, W)."""
    labels, placement, inputs = torch.from_numpy(case.labels), case.placement, case.inputs
    labels = labels[None] if card.is_3d else labels
    crops = card.inference == "tile"
    if not crops or placement.resized != placement.size:
        labels = placement.place_labels(labels)
        labels = memory.keep(placement.crop(labels) if crops else labels)
    return placement.crop(inputs) if crops else inputs, labels
