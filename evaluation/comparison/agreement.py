"""Several label maps of one image: how far each two agree, where they differ, and what they say together.

All functions take label maps of one image: of the same shape and of the same classes. Sizes are in mm² (images) or ml
(volumes) with a spacing, in px or voxels without one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from evaluation.metrics.counts import ratio
from evaluation.metrics.volume import SizeUnit, pixel_size, size_unit
from medseg_demo.errors import InputMismatchError
from medseg_demo.image import LabelMap

Method = Literal["majority", "staple"]

MOST_REGIONS = 200
MOST_ITERATIONS = 100  # of STAPLE, which settles within a few dozen


@dataclass(frozen=True)
class ClassSize:
    """How large a class is in one label map.

    Attributes:
        name: The label map's.
        class_name: The class.
        size: In ``unit``.
        unit: "ml", "mm2", "voxels" or "px".
    """

    name: str
    class_name: str
    size: float
    unit: SizeUnit


@dataclass(frozen=True)
class PairAgreement:
    """How far two label maps agree about one class.

    Attributes:
        first: Name of the one.
        second: Name of the other.
        class_name: The class.
        dice: In [0, 1]; NaN where neither holds the class, 0 where only one does.
        size_difference: Size in the second minus size in the first, in ``unit``.
        unit: "ml", "mm2", "voxels" or "px".
    """

    first: str
    second: str
    class_name: str
    dice: float
    size_difference: float
    unit: SizeUnit


@dataclass(frozen=True)
class Region:
    """One connected part of the image where the label maps do not agree about a class.

    Attributes:
        class_name: The class.
        pixels: Pixels or voxels.
        size: In ``unit``.
        unit: "ml", "mm2", "voxels" or "px".
        box: (z0, y0, x0, z1, y1, x1), the ends being one past the last pixel; an image is one slice.
        at: (z, y, x) of a pixel that lies in it: on the slice with most of it, the one nearest to its centre there.
    """

    class_name: str
    pixels: int
    size: float
    unit: SizeUnit
    box: tuple[int, int, int, int, int, int]
    at: tuple[int, int, int]


@dataclass(frozen=True)
class Disagreement:
    """Where label maps differ.

    Attributes:
        regions: The largest first, no more than were asked for.
        found: How many there are in all.
        pixels: Pixels that are not of the same class in every label map.
        share: The same, of all pixels.
    """

    regions: tuple[Region, ...]
    found: int
    pixels: int
    share: float


@dataclass(frozen=True, eq=False)
class Consensus:
    """What several label maps say together.

    Attributes:
        label_map: With the classes and the geometry of the first.
        method: How it was made.
        tied: Pixels that became background because no class was ahead of the others.
    """

    label_map: LabelMap
    method: Method
    tied: int


def check_comparable(label_maps: Mapping[str, LabelMap]) -> None:
    """Refuse label maps that cannot be laid over each other.

    Raises:
        InputMismatchError: They differ in classes or in shape; the two are named.
    """
    names = list(label_maps)
    for name in names[1:]:
        first, other = label_maps[names[0]], label_maps[name]
        if first.class_names != other.class_names:
            raise InputMismatchError(
                f"{names[0]} finds {', '.join(first.class_names)}, but {name} finds {', '.join(other.class_names)}. "
                "Only label maps of the same classes can be compared: choose others."
            )
        if first.labels.shape != other.labels.shape:
            raise InputMismatchError(
                f"{name} has shape {other.labels.shape}, but {names[0]} has {first.labels.shape}. "
                "Only label maps of one image can be compared: export it in the image's own size."
            )


def class_sizes(label_maps: Mapping[str, LabelMap]) -> tuple[ClassSize, ...]:
    """The size of every class in every label map, map by map."""
    return tuple(
        ClassSize(name, class_name, int(count) * _pixel(label_map), _unit(label_map))
        for name, label_map in label_maps.items()
        for class_name, count in zip(label_map.class_names, _counts(label_map)[1:], strict=True)
    )


def compare_pairs(label_maps: Mapping[str, LabelMap]) -> tuple[PairAgreement, ...]:
    """Dice and difference in size of each two label maps, class by class.

    Raises:
        InputMismatchError: The label maps do not belong together.

    Source:
        Dice 1945, doi:10.2307/1932409.
    """
    check_comparable(label_maps)
    found = []
    for (first, one), (second, other) in combinations(label_maps.items(), 2):
        table = _contingency(one, other)
        ours, theirs = table.sum(axis=1), table.sum(axis=0)
        for value, class_name in enumerate(one.class_names, start=1):
            dice = ratio(2 * int(table[value, value]), int(ours[value] + theirs[value]))
            difference = (int(theirs[value]) - int(ours[value])) * _pixel(one)
            found.append(PairAgreement(first, second, class_name, dice, difference, _unit(one)))
    return tuple(found)


def agreement(label_maps: Sequence[LabelMap]) -> np.ndarray:
    """How many label maps give the most frequent label of each pixel: uint8, from 1 to their number (all agree)."""
    stack = [label_map.labels for label_map in label_maps]
    most = np.zeros(stack[0].shape, np.uint8)
    for value in range(len(label_maps[0].class_names) + 1):
        np.maximum(most, sum((labels == value).astype(np.uint8) for labels in stack), out=most)
    return most


def find_disagreement(label_maps: Sequence[LabelMap], *, most: int = MOST_REGIONS) -> Disagreement:
    """The connected regions where label maps differ, largest first; none where all agree, or all are empty.

    A pixel lies in a region of a class where some label maps give it that class and others do not; so one that is of
    class 1 here and of class 2 there lies in a region of each. Regions are connected through faces, edges and
    corners (8 neighbours in an image, 26 in a volume). Of equal ones the first in the order of classes and of the
    array comes first.

    Args:
        label_maps: Two or more of one image.
        most: How many regions are returned at most; ``found`` counts all.
    """
    first = label_maps[0]
    differs = np.zeros(first.labels.shape, bool)
    for other in label_maps[1:]:
        differs |= other.labels != first.labels
    pixels = int(np.count_nonzero(differs))
    regions: list[Region] = []
    found = 0
    for value, name in enumerate(first.class_names, start=1) if pixels else ():
        count, largest = _regions_of(label_maps, value, name, most)
        found += count
        regions += largest
    regions.sort(key=lambda region: -region.pixels)
    return Disagreement(tuple(regions[:most]), found, pixels, pixels / differs.size)


def find_consensus(label_maps: Sequence[LabelMap], method: Method) -> Consensus:
    """One label map from several.

    * "majority": each pixel's most frequent label, background being one of them; a tie is background. So of two
      label maps the pixels remain on which both agree.
    * "staple": STAPLE, which weighs each label map by how well it agrees with the others. One class: where its
      probability is above 0.5. Several classes: multi-label STAPLE, undecided pixels being background.

    Label maps that are all alike are their own consensus, empty ones among them (STAPLE itself is undefined there).

    Source:
        Warfield et al. 2004, doi:10.1109/TMI.2004.828354 (STAPLE); computed by SimpleITK.
    """
    first = label_maps[0]
    if all(np.array_equal(other.labels, first.labels) for other in label_maps[1:]):
        return Consensus(first, method, 0)
    labels, tied = _majority(label_maps) if method == "majority" else (_staple(label_maps), 0)
    return Consensus(LabelMap(labels, first.class_names, first.geometry), method, tied)


def _regions_of(label_maps: Sequence[LabelMap], value: int, name: str, most: int) -> tuple[int, list[Region]]:
    # SciPy's and not cc3d's, which joins pixels across the border of small images when corners count.
    from scipy.ndimage import find_objects, label

    masks = [label_map.mask(value) for label_map in label_maps]
    differs = np.logical_or.reduce(masks) & ~np.logical_and.reduce(masks)
    parts, count = label(differs, structure=np.ones((3,) * differs.ndim))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    boxes = find_objects(parts)
    step, unit, regions = _pixel(label_maps[0]), _unit(label_maps[0]), []
    for place in np.argsort(-sizes, kind="stable")[:most].tolist():
        here = parts[boxes[place]] == place + 1
        box = _box(boxes[place])
        regions.append(Region(name, int(sizes[place]), int(sizes[place]) * step, unit, box, _inside(here, box)))
    return count, regions


def _box(part: tuple[slice, ...]) -> tuple[int, int, int, int, int, int]:
    z, y, x = part if len(part) == 3 else (slice(0, 1), *part)
    return z.start, y.start, x.start, z.stop, y.stop, x.stop


def _inside(region: np.ndarray, box: tuple[int, ...]) -> tuple[int, int, int]:
    """A pixel of a region that fills its box."""
    slices = region if region.ndim == 3 else region[np.newaxis]
    z = int(np.count_nonzero(slices, axis=(1, 2)).argmax())
    pixels = np.argwhere(slices[z])
    y, x = pixels[((pixels - pixels.mean(axis=0)) ** 2).sum(axis=1).argmin()].tolist()
    return box[0] + z, box[1] + y, box[2] + x


def _majority(label_maps: Sequence[LabelMap]) -> tuple[np.ndarray, int]:
    stack = [label_map.labels for label_map in label_maps]
    winner = np.zeros(stack[0].shape, np.uint8)
    votes = sum((labels == 0).astype(np.uint8) for labels in stack)
    tied = np.zeros(winner.shape, bool)
    for value in range(1, len(label_maps[0].class_names) + 1):
        here = sum((labels == value).astype(np.uint8) for labels in stack)
        tied = np.where(here == votes, tied | (here > 0), tied & (here < votes))
        ahead = here > votes
        winner[ahead], votes[ahead] = value, here[ahead]
    winner[tied] = 0
    return winner, int(np.count_nonzero(tied))


def _staple(label_maps: Sequence[LabelMap]) -> np.ndarray:
    import SimpleITK as sitk  # noqa: N813

    images = [sitk.GetImageFromArray(label_map.labels) for label_map in label_maps]
    if len(label_maps[0].class_names) > 1:
        estimate = sitk.MultiLabelSTAPLE(images, 0, 1e-5, MOST_ITERATIONS)
        return sitk.GetArrayFromImage(estimate).astype(np.uint8)
    probability = sitk.STAPLE(images, 1.0, 1.0, MOST_ITERATIONS)
    return (sitk.GetArrayFromImage(probability) > 0.5).astype(np.uint8)  # NaN, where it is undefined, is not


def _contingency(one: LabelMap, other: LabelMap) -> np.ndarray:
    """How many pixels have label i in the one and j in the other: (K + 1, K + 1)."""
    values = len(one.class_names) + 1
    joint = one.labels.astype(np.uint16 if values < 256 else np.uint32) * values + other.labels
    return np.bincount(joint.ravel(), minlength=values * values).reshape(values, values)


def _counts(label_map: LabelMap) -> np.ndarray:
    return np.bincount(label_map.labels.ravel(), minlength=len(label_map.class_names) + 1)


def _pixel(label_map: LabelMap) -> float:
    return pixel_size(label_map.geometry.spacing_mm)


def _unit(label_map: LabelMap) -> SizeUnit:
    return size_unit(label_map.labels.ndim, label_map.geometry.spacing_mm)
