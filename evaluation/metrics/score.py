"""All metrics of all classes of a case, with the work between them shared."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.metrics.pair import check_arrays, check_spacing, check_tolerance, crop_pair
from evaluation.metrics.table import METRICS, Metric
from evaluation.metrics.volume import distance_unit, size_unit

# A score is read against the size of what was to be found, so both sizes stand in every row.
SIZES = ("reference_volume", "predicted_volume")


def score_case(
    reference: np.ndarray,
    prediction: np.ndarray,
    *,
    labels: Mapping[int, str],
    spacing: Sequence[float] | None = None,
    metrics: Sequence[str] | None = None,
    tolerance: float = 1.0,
) -> list[dict[str, Any]]:
    """Score each class of a case.

    Each class is cut out once, to the box that holds its reference and its prediction; its confusion table, its
    border distances and its lesions are computed at most once, and only for metrics that need them.

    Args:
        reference: Label map of integers, (Y, X) or (Z, Y, X).
        prediction: Label map of the same shape.
        labels: Label value to class name. Other values in the maps are taken as background.
        spacing: Distance between pixel centres along each axis, in mm; None where it is unknown.
        metrics: Names of METRICS; None for the default ones, "all" for all.
        tolerance: Of the surface Dice, in mm, or in px without a spacing.

    Returns:
        One dict for each class, in the order of ``labels``: ``class_name``, the metrics in the order of METRICS
        (the two sizes always among them), ``distance_unit`` and ``size_unit``. Values are floats; each metric's
        record says what an empty mask gives.

    Raises:
        ValueError: If the label maps are not integer arrays of the same shape and of two or three dimensions, or
            the spacing, the tolerance or a metric's name is unusable.
    """
    maps = np.asarray(reference), np.asarray(prediction)
    check_arrays(*maps, kinds="biu", expected="a label map of integers")
    steps = check_spacing(spacing, maps[0].ndim)
    check_tolerance(tolerance)
    chosen = choose_metrics(metrics)
    units = {"distance_unit": distance_unit(steps), "size_unit": size_unit(maps[0].ndim, steps)}
    rows = []
    for value, class_name in labels.items():
        pair = crop_pair(maps[0] == value, maps[1] == value, spacing=steps, tolerance=tolerance)
        rows.append({"class_name": class_name, **{metric.name: metric.score(pair) for metric in chosen}, **units})
    return rows


def choose_metrics(names: Sequence[str] | None) -> list[Metric]:
    """The records of the named metrics and of the two sizes, in the order of METRICS.

    Args:
        names: Names of METRICS; None for the default ones, "all" for all.

    Raises:
        ValueError: If a name is unknown; the valid ones are listed.
    """
    if names is None:
        return [metric for metric in METRICS.values() if metric.default]
    wanted = METRICS.keys() if names == "all" else {names} if isinstance(names, str) else set(names)
    unknown = sorted(wanted - METRICS.keys())
    if unknown:
        raise ValueError(
            f"Unknown metric: {', '.join(unknown)}. Choose from {', '.join(METRICS)}; "
            'give "all" for all of them, or nothing for the default ones.'
        )
    return [metric for metric in METRICS.values() if metric.name in wanted or metric.name in SIZES]
