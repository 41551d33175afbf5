"""Several label maps with one list of classes: classes of one name are one class, whatever their label values."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from medseg_demo.image import LabelMap


def shared_names(label_maps: Sequence[LabelMap | None]) -> tuple[str, ...]:
    """The names of all classes, in the order in which they first occur; item i is the shared label value i + 1."""
    return tuple(dict.fromkeys(name for one in label_maps if one is not None for name in one.class_names))


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
