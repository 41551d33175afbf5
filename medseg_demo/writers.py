"""Results → files: label maps in the image's own geometry, measurements as JSON and CSV."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from medseg_demo.errors import OutputError
from medseg_demo.image import LabelMap
from medseg_demo.measurements import ClassMeasurement
from medseg_demo.rendering.colours import palette

if TYPE_CHECKING:  # torch comes with it, and whoever only writes label maps should not wait
    from medseg_demo.segmentation import Segmentation

FORMAT_VERSION = 1


def label_map_suffix(label_map: LabelMap) -> str:
    """The suffix that ``write_label_map`` gives: ".png" for an image, ".nii.gz" for a volume."""
    return ".nii.gz" if label_map.is_volume else ".png"


def write_label_map(label_map: LabelMap, folder: Path, stem: str) -> Path:
    """Write a label map: a palette PNG whose pixel values are the classes, or NIfTI with the image's affine.

    Returns:
        The file written, ``folder/stem`` and its suffix.

    Raises:
        OutputError: The file cannot be written.
    """
    path = folder / f"{stem}{label_map_suffix(label_map)}"
    try:
        if label_map.is_volume:
            _write_nifti(label_map, path)
        else:
            _write_png(label_map.labels, path)
    except (OSError, RuntimeError) as error:
        path.unlink(missing_ok=True)
        raise OutputError(_cannot_write(path, error)) from None
    return path


def summary(segmentation: "Segmentation") -> dict[str, object]:
    """A segmentation's measurements and what made it, as plain values."""
    image = segmentation.image
    return {
        "name": image.name,
        "shape": list(image.shape),
        "spacing_mm": None if image.geometry.spacing_mm is None else list(image.geometry.spacing_mm),
        "checkpoint": segmentation.checkpoint,
        "checkpoint_sha256": segmentation.digest,
        "threshold": segmentation.threshold,
        "flips": segmentation.options.flips,
        "denoise": segmentation.options.denoise,
        "smallest_component": segmentation.options.smallest_component,
        "fill_holes": segmentation.options.fill_holes,
        "compute": segmentation.compute,
        "seconds": {step: round(seconds, 4) for step, seconds in segmentation.seconds.items()},
        "classes": [measurement.as_dict() for measurement in segmentation.measurements],
        "notes": [*image.notes, *segmentation.warnings],
    }


def write_json(summaries: Iterable[dict[str, object]], path: Path) -> None:
    """Write summaries as one JSON document.

    Raises:
        OutputError: The file cannot be written.
    """
    document = {"format_version": FORMAT_VERSION, "images": list(summaries)}
    try:
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(_cannot_write(path, error)) from None


def write_csv(measurements: Iterable[tuple[str, str, ClassMeasurement]], path: Path) -> None:
    """Write one row for each (image name, checkpoint name, measurement of a class).

    Raises:
        OutputError: The file cannot be written.
    """
    columns = ["name", "checkpoint", *ClassMeasurement.__dataclass_fields__]
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            for name, checkpoint, measurement in measurements:
                writer.writerow({"name": name, "checkpoint": checkpoint, **measurement.as_dict()})
    except OSError as error:
        raise OutputError(_cannot_write(path, error)) from None


def _write_png(labels: np.ndarray, path: Path) -> None:
    picture = Image.fromarray(labels)
    picture.putpalette(palette().tobytes())
    picture.save(path, compress_level=1)


def _write_nifti(label_map: LabelMap, path: Path) -> None:
    import SimpleITK as sitk  # noqa: N813

    volume = sitk.GetImageFromArray(label_map.labels)
    spacing, affine = label_map.geometry.spacing_mm, label_map.geometry.affine
    if affine is not None:
        steps = np.linalg.norm(affine[:3, :3], axis=0)
        volume.SetSpacing(steps.tolist())
        volume.SetDirection((affine[:3, :3] / steps).ravel().tolist())
        volume.SetOrigin(affine[:3, 3].tolist())
    elif spacing is not None:
        volume.SetSpacing(spacing[::-1])
    sitk.WriteImage(volume, str(path), useCompression=True)


def _cannot_write(path: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or type(error).__name__
    return f"{path.name} cannot be written ({reason}). Check that the output folder exists and has room."
