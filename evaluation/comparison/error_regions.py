"""Where a prediction errs, for the viewer's keys N and P: the regions in which it differs from the reference."""

from evaluation.comparison.agreement import Region, find_disagreement
from evaluation.metrics.volume import SizeUnit
from evaluation.results.words import number
from medseg_demo.image import LabelMap

MOST = 50
UNITS: dict[SizeUnit, str] = {"mm2": "mm²", "ml": "ml", "px": "px", "voxels": "voxels"}


def error_regions(reference: LabelMap, prediction: LabelMap | None) -> list[dict[str, object]]:
    """The largest regions in which a prediction differs from its reference, as ``viewer_value`` takes them."""
    if prediction is None:
        return []
    return [_described(region) for region in find_disagreement([reference, prediction], most=MOST).regions]


def _described(region: Region) -> dict[str, object]:
    size = f"{number(region.size)} {UNITS[region.unit]}"
    return {"class_name": region.class_name, "size": size, "box": list(region.box), "at": list(region.at)}
