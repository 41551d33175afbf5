"""All metrics of all classes of a case, with the work between them shared."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from evaluation.metrics.calibration import Calibration
from evaluation.metrics.components import ANY_OVERLAP, Instances, LesionMatching, check_matching
from evaluation.metrics.pair import Boxes, check_arrays, check_spacing, check_tolerance, cut_pair
from evaluation.metrics.table import METRICS, Metric
from evaluation.metrics.volume import distance_unit, size_unit

MOST_BOXES = 2**16  # label values up to which a list of them is no burden
# A score is read against the size of what was to be found, so both sizes stand in every row.
SIZES = ("reference_volume", "predicted_volume")


def score_case(
    reference: np.ndarray,
    prediction: np.ndarray,
    *,
    labels: Mapping[int | tuple[int, ...], str],
    spacing: Sequence[float] | None = None,
    metrics: Sequence[str] | None = None,
    tolerance: float | Mapping[str, float] = 1.0,
    ignored: int | np.ndarray | None = None,
    instances: Instances = (None, None),
    matching: LesionMatching = ANY_OVERLAP,
    calibrations: Mapping[str, Calibration] | None = None,
) -> list[dict[str, Any]]:
    """Score each class of a case.

    Each class is cut out once, to the box that holds its reference and its prediction; its confusion table, its
    border distances and its lesions are computed at most once, and only for metrics that need them.

    Args:
        reference: Label map of integers, (Y, X) or (Z, Y, X).
        prediction: Label map of the same shape.
        labels: Label value, or several for their union, to class name. Other values in the maps are background.
        spacing: Distance between pixel centres along each axis, in mm; None where it is unknown.
        metrics: Names of METRICS; None for the default ones, "all" for all.
        tolerance: Of the surface Dice, in mm, or in px without a spacing; or one a class name, and that
            of "" or 1 for the others.
        ignored: What nobody annotated, as a boolean mask or as a value of the reference: its pixels are in no count and
            in no border.
        instances: The object numbers of reference and prediction, where lesions are numbered; None for either takes
            connected components.
        matching: When lesions match, and which are too small to count.
        calibrations: What the probabilities say of each class, from ``calibrate``; their metrics are then among the
            values, whatever was asked for.

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
    tolerances = {
        name: tolerance.get(name, tolerance.get("", 1.0)) if isinstance(tolerance, Mapping) else tolerance
        for name in labels.values()
    }
    for each in tolerances.values():
        check_tolerance(each)
    check_matching(matching)
    calibrations = calibrations or {}
    chosen = choose_metrics(metrics)
    chosen += [one for one in METRICS.values() if one.of_probabilities and calibrations and one not in chosen]
    units = {"distance_unit": distance_unit(steps), "size_unit": size_unit(maps[0].ndim, steps)}
    unknown = maps[0] == ignored if isinstance(ignored, int) else ignored
    if unknown is not None and not unknown.any():
        unknown = None
    pixels = maps[0].size - (0 if unknown is None else int(np.count_nonzero(unknown)))
    boxes = Boxes(*maps) if len(labels) > 2 and maps[0].size and max(map(np.max, maps)) <= MOST_BOXES else None
    rows = []
    for value, class_name in labels.items():
        values = value if isinstance(value, tuple) else (value,)
        pair = cut_pair(*maps, values, boxes=boxes, ignored=unknown, instances=instances)
        pair = replace(
            pair, spacing=steps, tolerance=tolerances[class_name], pixels=pixels, matching=matching,
            calibration=calibrations.get(class_name),
        )  # fmt: skip
        rows.append({"class_name": class_name, **{metric.name: metric.score(pair) for metric in chosen}, **units})
    return rows


def choose_metrics(names: Sequence[str] | None) -> list[Metric]:
    """The records of the named metrics and of the two sizes, in the order of METRICS.

    Args:
        names: Names of METRICS; None for the default ones, "all" for all that need no probabilities.

    Raises:
        ValueError: If a name is unknown; the valid ones are listed.
    """
    if names is None:
        return [metric for metric in METRICS.values() if metric.default]
    every = [metric.name for metric in METRICS.values() if not metric.of_probabilities]
    wanted = {*every} if names == "all" else {names} if isinstance(names, str) else set(names)
    unknown = sorted(wanted - METRICS.keys())
    if unknown:
        raise ValueError(
            f"Unknown metric: {', '.join(unknown)}. Choose from {', '.join(METRICS)}; "
            'give "all" for all of them, or nothing for the default ones.'
        )
    return [metric for metric in METRICS.values() if metric.name in wanted or metric.name in SIZES]
