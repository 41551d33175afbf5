"""What a whole volume amounts to, as numbers small enough to travel: the browser only ever holds some of its slices."""

import numpy as np

from medseg_demo.image import LabelMap
from medseg_demo.rendering.slice_data import PROBABILITY_LEVELS, probability_steps

Counts = dict[str, int | None]
Histogram = dict[str, list[int]]


def threshold_histogram(probabilities: np.ndarray, reference: np.ndarray | None) -> Histogram:
    """How many voxels have each step of probability, within the reference and outside it.

    Sums from a threshold's step upwards give the volume and, with the reference, the Dice at that threshold.

    Args:
        probabilities: Of one class in 0..1, (Z, Y, X).
        reference: Boolean, (Z, Y, X); without one every voxel counts as outside.

    Returns:
        {"inside", "outside"}: each PROBABILITY_LEVELS + 1 counts, that of step 0 first.
    """
    levels = PROBABILITY_LEVELS + 1
    counts = np.zeros((2, levels), np.int64)
    for index, plane in enumerate(probabilities):  # slice by slice, for bincount makes 8 bytes of every voxel
        steps = probability_steps(plane)
        inside = np.zeros(levels, np.int64)
        if reference is not None:
            inside = np.bincount(steps[reference[index]], minlength=levels)
        counts += np.stack([inside, np.bincount(steps.ravel(), minlength=levels) - inside])
    return {"inside": counts[0].tolist(), "outside": counts[1].tolist()}


def class_totals(label_map: LabelMap, reference: LabelMap | None) -> list[Counts]:
    """For each class its voxels in the label map, in the reference and in both; the latter None without one."""
    classes = len(label_map.class_names)
    sums = np.zeros((3, 256), np.int64)
    for index, plane in enumerate(label_map.labels):
        sums[0] += np.bincount(plane.ravel(), minlength=256)
        if reference is not None:
            expected = reference.labels[index]
            sums[1] += np.bincount(expected.ravel(), minlength=256)
            sums[2] += np.bincount(plane[plane == expected], minlength=256)
    names = ("predicted", "reference", "both")
    return [
        {
            name: None if reference is None and name != "predicted" else int(sums[row, value])
            for row, name in enumerate(names)
        }
        for value in range(1, classes + 1)
    ]
