"""Measurements → files, as JSON and CSV."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from medseg_demo import names
from medseg_demo.segmenting.measure import ClassMeasurement
from medseg_demo.writing.whole import whole_file

if TYPE_CHECKING:  # torch comes with it, and whoever only writes label maps should not wait
    from medseg_demo.segmenting.pipeline import Segmentation

FORMAT_VERSION = 1


def summary(segmentation: "Segmentation", name: str | None = None) -> dict[str, object]:
    """A segmentation's measurements and what made it, as plain values.

    Args:
        segmentation: The result.
        name: What its files are called; None takes the image's name, which another image may share.
    """
    image = segmentation.image
    return {
        "name": names.shown(image.name) if name is None else name,
        "shape": list(image.shape),
        "spacing_mm": None if image.geometry.spacing_mm is None else list(image.geometry.spacing_mm),
        "checkpoint": segmentation.checkpoint,
        "checkpoint_sha256": segmentation.digest,
        "threshold": segmentation.threshold,
        "flips": segmentation.options.flips,
        "denoise": segmentation.options.denoise or segmentation.card.denoise,
        "smallest_component": segmentation.options.smallest_component,
        "fill_holes": segmentation.options.fill_holes,
        "crop": None if segmentation.options.crop is None else list(segmentation.options.crop),
        "channels": None if segmentation.options.channels is None else list(segmentation.options.channels),
        "compute": segmentation.compute,
        "seconds": {step: round(seconds, 4) for step, seconds in segmentation.seconds.items()},
        "findings": [
            {
                "name": finding.name,
                "probability": round(probability, 6),
                "threshold": finding.threshold,
                "present": probability >= finding.threshold,
            }
            for finding in segmentation.card.findings
            if (probability := segmentation.findings.get(finding.name)) is not None
        ],
        "classes": [measurement.as_dict() for measurement in segmentation.measurements],
        **({} if segmentation.heat is None else {"heat_map": _about(segmentation)}),
        "notes": [*image.notes, *segmentation.doubts, *segmentation.warnings],
    }


def _about(segmentation: "Segmentation") -> dict[str, object]:
    """What the heat map is that came with a result."""
    assert segmentation.heat is not None
    return {
        "explain": segmentation.options.explain,
        "name": segmentation.heat.name,
        "highest": round(segmentation.heat.highest, 4),
    }


def write_json(summaries: Iterable[dict[str, object]], path: Path) -> None:
    """Write summaries as one JSON document.

    Raises:
        OutputError: The file cannot be written.
    """
    document = {"format_version": FORMAT_VERSION, "images": list(summaries)}
    with whole_file(path) as draft:
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
        draft.write_text(f"{text}\n", encoding="utf-8", errors="replace")


def write_csv(measurements: Iterable[tuple[str, str, ClassMeasurement]], path: Path) -> None:
    """Write one row for each (image name, checkpoint name, measurement of a class).

    Intensities are columns such as ``intensity_mean``, of named channels ``intensity_mean_T1``.

    Raises:
        OutputError: The file cannot be written.
    """
    with whole_file(path) as draft, draft.open("w", newline="", encoding="utf-8", errors="replace") as file:
        rows = [
            {"name": names.as_cell(names.shown(name)), "checkpoint": checkpoint, **_cells(measurement)}
            for name, checkpoint, measurement in measurements
        ]
        columns = dict.fromkeys(["name", "checkpoint", *ClassMeasurement.__dataclass_fields__])
        del columns["intensities"]
        columns |= dict.fromkeys(column for row in rows for column in row)
        writer = csv.DictWriter(file, list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _cells(measurement: ClassMeasurement) -> dict[str, object]:
    """A measurement as the cells of one row."""
    cells = measurement.as_dict()
    del cells["intensities"]
    for one in measurement.intensities:
        ending = "" if one.channel is None else f"_{names.shown(one.channel)}"
        for figure in ("mean", "sd", "median", "minimum", "maximum"):
            cells[f"intensity_{figure}{ending}"] = getattr(one, figure)
        cells["intensity_unit"] = one.unit
    return cells
