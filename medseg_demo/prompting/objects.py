"""What there is to click at in a test set: the connected pieces of each class, in single planes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from medseg_demo.models.card import ModelCard
from medseg_demo.prompting.simulation import ANY_NEIGHBOUR
from medseg_demo.segmenting.prepare import to_tensor
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import Case, read_case_image, read_case_reference
from medseg_demo.test_sets.test_set import TestSet

CRUMB = 0.1  # of the largest piece of its class in the plane
SMALLEST = 20  # pixels; less is no object that a person would click at


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane of a case with its labels.

    Attributes:
        case: Of which it is.
        image: float16 (C, H, W), normalised; grey images have one channel, which stands for three.
        labels: uint8 (H, W).
        pieces: int32 (H, W), the connected pieces numbered from 1, each of one class.
        sizes: Pixels of each piece.
        name: Of test set, case and plane; unique.
    """

    case: Case
    image: np.ndarray
    labels: np.ndarray
    pieces: np.ndarray
    sizes: np.ndarray
    name: str

    def mask(self, number: int) -> np.ndarray:
        """The pixels of one piece, bool (H, W)."""
        return self.pieces == number

    @property
    def objects(self) -> list[int]:
        """Numbers of the pieces that a person would click at, the largest first: no crumbs beside much larger ones."""
        order = np.argsort(-self.sizes, kind="stable")
        classes = self.classes
        largest = np.zeros(int(classes.max(initial=0)) + 1)
        np.maximum.at(largest, classes, self.sizes)
        least = np.maximum(SMALLEST, CRUMB * largest[classes])
        return [int(place) + 1 for place in order if self.sizes[place] >= least[place]]

    @property
    def classes(self) -> np.ndarray:
        """The label value of each piece."""
        firsts = np.unique(self.pieces.ravel(), return_index=True)[1][-len(self.sizes) :]
        return self.labels.ravel()[firsts]


def planes_of(
    test_set: TestSet, cases: Sequence[Case], card: ModelCard, *, settings: Settings, axes: Sequence[int] = (0,)
) -> Iterator[Plane]:
    """The planes of cases that have something to click at.

    Args:
        test_set: Of which they are.
        cases: Those to read.
        card: How intensities are normalised; three channels are made of grey by repeating it.
        settings: The limits.
        axes: Of a volume, those across which it is cut: 0 for axial planes, 1, 2.

    Raises:
        ReadError: A file cannot be read.
    """
    grey = card.model_copy(update={"in_channels": 1, "prompts": ()})
    colour = card.model_copy(update={"prompts": ()})
    for case in cases:
        image = read_case_image(case, settings=settings)
        reference = read_case_reference(case, class_names=test_set.class_names, image=image, settings=settings)
        tensor = to_tensor(image, colour if image.is_colour else grey).half().numpy()
        labels = reference.labels if reference.is_volume else reference.labels[np.newaxis]
        for axis in axes if image.is_volume else (0,):
            for index, plane in enumerate(np.moveaxis(labels, axis, 0)):
                pieces, sizes = _pieces(plane)
                if len(sizes) and sizes.max() >= SMALLEST:
                    pixels = tensor[index] if axis == 0 else tensor.take(index, axis + 1).swapaxes(0, 1)
                    name = f"{test_set.name}/{case.case_id}/{axis}-{index}"
                    yield Plane(case, np.ascontiguousarray(pixels), np.ascontiguousarray(plane), pieces, sizes, name)


@dataclass(frozen=True, eq=False)
class Target:
    """One object that is clicked at.

    Attributes:
        case: Whose ID is the object's name, since a case may have several objects.
        plane: Where it lies.
        number: Of the piece.
    """

    case: Case
    plane: Plane
    number: int

    @property
    def mask(self) -> np.ndarray:
        """Its pixels, bool (H, W)."""
        return self.plane.mask(self.number)


def chosen_targets(planes: Sequence[Plane], count: int, *, seed: int) -> list[Target]:
    """Objects by chance, as few of one case as possible, so that cases of many objects do not outvote the others.

    Args:
        planes: Of one split.
        count: How many are taken; fewer where there are no more.
        seed: Of the choice.
    """
    rng = np.random.default_rng(seed)
    by_case: dict[str, list[tuple[Plane, int]]] = {}
    for plane in planes:
        by_case.setdefault(plane.case.case_id, []).extend((plane, number) for number in plane.objects)
    waiting = [[those[place] for place in rng.permutation(len(those))] for those in by_case.values()]
    chosen: list[Target] = []
    while len(chosen) < count and any(waiting):
        for place in rng.permutation(len(waiting)):
            if waiting[place] and len(chosen) < count:
                plane, number = waiting[place].pop()
                chosen.append(Target(replace(plane.case, case_id=f"{plane.name}/{number}"), plane, number))
    return chosen


def _pieces(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The connected pieces of each class: their numbers (H, W), and their sizes."""
    pieces, count = np.zeros(labels.shape, dtype=np.int32), 0
    for value in np.unique(labels[labels > 0]):
        found, number = ndimage.label(labels == value, ANY_NEIGHBOUR)
        pieces[found > 0] = found[found > 0] + count
        count += number
    return pieces, np.bincount(pieces.ravel(), minlength=count + 1)[1:]
