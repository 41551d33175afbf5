"""A worst case for the viewer inside a report: all of an image or a small volume, a few slices of a larger one."""

import json
from typing import Literal

import numpy as np

from evaluation.comparison.error_regions import error_regions
from evaluation.results.origins import CasePrediction, OpenedCase
from medseg_demo.image import LabelMap
from medseg_demo.rendering import NamedPrediction, most_labelled_slice, viewer_value

SIDE = 1024  # longer slices are reduced
WHOLE_VOXELS = 2**18  # a volume of so many is embedded with every slice of its three planes
MOST_SLICES = 9
MOST_BYTES = 3 * 2**20  # of one volume; fewer slices are embedded where they would exceed it
SLICES_NOTE = "Slices {first} to {last} of {count}, around the one with most errors; the others are not in this file."


def opening_slice(reference: LabelMap, prediction: LabelMap | None) -> int:
    """The axial slice with most errors; the one with most of the reference where there are none; 0 of an image."""
    if not reference.is_volume:
        return 0
    if prediction is not None:
        errors = np.count_nonzero(reference.labels != prediction.labels, axis=(1, 2))
        if errors.any():
            return int(errors.argmax())
    return most_labelled_slice(reference, len(reference.labels))


def embedded_value(case: OpenedCase, prediction: CasePrediction, *, title: str) -> tuple[dict[str, object], str]:
    """The viewer's value of one prediction, and what to know about it.

    Args:
        case: The case.
        prediction: One of its predictions.
        title: Shown on the stage.

    Returns:
        The value, and for a volume which of its slices it holds; empty for an image.
    """
    regions = error_regions(case.reference, prediction.label_map)
    if not case.image.is_volume:
        return _value(case, prediction, regions, title, None), ""
    count = len(case.image.slices)
    centre = opening_slice(case.reference, prediction.label_map)
    if case.image.pixels.size <= WHOLE_VOXELS:
        return _value(case, prediction, regions, title, "all", centre), ""
    for width in range(min(MOST_SLICES, count), 0, -1):
        first = min(max(centre - width // 2, 0), count - width)
        slices = list(range(first, first + width))
        value = _value(case, prediction, regions, title, slices, centre)
        if len(json.dumps(value)) <= MOST_BYTES or width == 1:
            break
    note = SLICES_NOTE.format(first=first + 1, last=first + width, count=count) if width < count else ""
    return value, note


def _value(
    case: OpenedCase,
    prediction: CasePrediction,
    regions: list[dict[str, object]],
    title: str,
    slices: list[int] | Literal["all"] | None,
    opened: int | None = None,
) -> dict[str, object]:
    here = regions if not isinstance(slices, list) else [one for one in regions if one["at"][0] in slices]  # type: ignore[index]
    return viewer_value(
        case.image, [NamedPrediction("Prediction", prediction.label_map)], reference=case.reference, regions=here,
        mode="errors", title=title, max_side=SIDE, slice_index=opened, slice_indices=slices,
    )  # fmt: skip
