"""What several predictions say of one image: with one list of classes, and as figures of a whole volume."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from medseg_demo.image import HeatMap, LabelMap
from medseg_demo.rendering.slices import PROBABILITY_LEVELS, probability_steps


@dataclass(frozen=True, eq=False)
class NamedPrediction:
    """One of the label maps that are shown together.

    Attributes:
        name: Of the checkpoint, or what else made it.
        label_map: Of the image's size; None where an image is shown alone.
        probabilities: Of the foreground classes in 0..1, (K, Y, X) or (K, Z, Y, X), in the order of the label map's
            classes; None where they are not known.
        threshold: What made the label map from the probabilities of one class; None where classes competed.
        postprocessing: In words, what was done to the label map afterwards, such as "components under 20 px removed".
        counted: Whether it has a vote where the agreement is shown; a consensus of the others has none.
        heat: A map of the image's size that is shown over it.
    """

    name: str
    label_map: LabelMap | None
    probabilities: np.ndarray | None = None
    threshold: float | None = None
    postprocessing: str = ""
    counted: bool = True
    heat: HeatMap | None = None


@dataclass(frozen=True)
class ThresholdHistogram:
    """How many voxels have each step of probability, that of step 0 first.

    Sums from a threshold's step upwards give the volume and, with the reference, the Dice at that threshold.

    Attributes:
        inside: PROBABILITY_LEVELS + 1 counts, of the voxels that the reference holds.
        outside: As many, of all others; without a reference every voxel counts as outside.
    """

    inside: list[int]
    outside: list[int]


@dataclass(frozen=True)
class ClassTotals:
    """Voxels of a class in the label map, in the reference and in both; the latter None without a reference."""

    predicted: int
    reference: int | None
    both: int | None


def shared_names(label_maps: Sequence[LabelMap | None]) -> tuple[str, ...]:
    """The names of all classes, in the order in which they first occur; item i is the shared label value i + 1."""
    return tuple(dict.fromkeys(name for one in label_maps if one is not None for name in one.class_names))


def with_classes(prediction: NamedPrediction, names: tuple[str, ...]) -> NamedPrediction:
    """The prediction with the shared label values; probabilities of several classes in their order."""
    label_map, maps = prediction.label_map, prediction.probabilities
    if label_map is None:
        return prediction
    if maps is not None and len(maps) > 1:
        maps = reordered(maps, label_map.class_names, names)
    return replace(prediction, label_map=relabelled(label_map, names), probabilities=maps)


def relabelled(label_map: LabelMap, names: tuple[str, ...]) -> LabelMap:
    """The label map with the shared label values; the same array where its values are those already."""
    if label_map.class_names == names[: len(label_map.class_names)]:
        return replace(label_map, class_names=names)
    table = np.arange(256, dtype=np.uint8)
    for value, name in enumerate(label_map.class_names, start=1):
        table[value] = names.index(name) + 1
    return replace(label_map, labels=table[label_map.labels], class_names=names)


def reordered(probabilities: np.ndarray, own: tuple[str, ...], names: tuple[str, ...]) -> np.ndarray:
    """Probabilities (K, …) of several classes in the order of the shared names; zeros for classes that they lack."""
    if own == names:
        return probabilities
    result = np.zeros((len(names), *probabilities.shape[1:]), probabilities.dtype)
    for name, plane in zip(own, probabilities, strict=True):
        result[names.index(name)] = plane
    return result


def threshold_histogram(probabilities: np.ndarray, reference: np.ndarray | None) -> ThresholdHistogram:
    """How many voxels have each step of probability, within the reference and outside it.

    Args:
        probabilities: Of one class in 0..1, (Z, Y, X).
        reference: Boolean, (Z, Y, X).
    """
    levels = PROBABILITY_LEVELS + 1
    counts = np.zeros((2, levels), np.int64)
    for index, plane in enumerate(probabilities):  # slice by slice, for bincount makes 8 bytes of every voxel
        steps = probability_steps(plane)
        inside = np.zeros(levels, np.int64)
        if reference is not None:
            inside = np.bincount(steps[reference[index]], minlength=levels)
        counts += np.stack([inside, np.bincount(steps.ravel(), minlength=levels) - inside])
    return ThresholdHistogram(counts[0].tolist(), counts[1].tolist())


def class_totals(label_map: LabelMap, reference: LabelMap | None) -> list[ClassTotals]:
    """The totals of each class of a volume; label map and reference share their label values."""
    sums = np.zeros((3, 256), np.int64)
    for index, plane in enumerate(label_map.labels):
        sums[0] += np.bincount(plane.ravel(), minlength=256)
        if reference is not None:
            expected = reference.labels[index]
            sums[1] += np.bincount(expected.ravel(), minlength=256)
            sums[2] += np.bincount(plane[plane == expected], minlength=256)
    counts = sums[:, 1 : len(label_map.class_names) + 1].T.tolist()
    if reference is None:
        return [ClassTotals(predicted, None, None) for predicted, _, _ in counts]
    return [ClassTotals(*row) for row in counts]
