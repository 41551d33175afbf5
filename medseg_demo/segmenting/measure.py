"""What a label map amounts to: area, volume, components, diameter and confidence of each class."""

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from medseg_demo.image import LabelMap


@dataclass(frozen=True)
class ClassMeasurement:
    """One class of one label map.

    Attributes:
        class_name: Its name.
        label: Its value in the label map.
        pixels: How many pixels or voxels belong to it.
        share: Of the whole image, 0 to 1.
        area_mm2: Of an image; None for a volume or without spacing.
        volume_ml: Of a volume; None for an image or without spacing.
        components: Face-connected parts.
        largest_diameter: Greatest distance between two pixel centres of the largest part; None where there is
            no pixel.
        diameter_unit: "mm", or "px" without spacing.
        mean_confidence: Mean probability of the class over its pixels, 0 to 1; None where there is no pixel.
    """

    class_name: str
    label: int
    pixels: int
    share: float
    area_mm2: float | None
    volume_ml: float | None
    components: int
    largest_diameter: float | None
    diameter_unit: Literal["mm", "px"]
    mean_confidence: float | None

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON and tables."""
        return asdict(self)


def measure(label_map: LabelMap, probabilities: np.ndarray) -> tuple[ClassMeasurement, ...]:
    """Measure every class.

    Args:
        label_map: Of an image or a volume.
        probabilities: (K, …) of the foreground classes, in the order of ``class_names``.

    Returns:
        One record a class, absent classes included.
    """
    return tuple(
        _measure_class(label_map, value, name, probabilities[value - 1])
        for value, name in enumerate(label_map.class_names, start=1)
    )


def _measure_class(label_map: LabelMap, value: int, name: str, probability: np.ndarray) -> ClassMeasurement:
    mask = label_map.mask(value)
    spacing = label_map.geometry.spacing_mm
    pixels = int(np.count_nonzero(mask))
    size = None if spacing is None else pixels * float(np.prod(spacing))
    components, largest = _components(mask)
    return ClassMeasurement(
        class_name=name,
        label=value,
        pixels=pixels,
        share=pixels / mask.size,
        area_mm2=None if label_map.is_volume else size,
        volume_ml=size / 1000 if label_map.is_volume and size is not None else None,
        components=components,
        largest_diameter=_diameter(largest, spacing) if pixels else None,
        diameter_unit="px" if spacing is None else "mm",
        mean_confidence=float(probability[mask].mean(dtype=np.float64)) if pixels else None,
    )


def _components(mask: np.ndarray) -> tuple[int, np.ndarray]:
    """How many face-connected parts a mask has, and the mask of the largest."""
    import cc3d

    labels, count = cc3d.connected_components(mask, connectivity=4 if mask.ndim == 2 else 6, return_N=True)
    if count <= 1:
        return count, mask
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    return count, labels == sizes.argmax()


def _diameter(mask: np.ndarray, spacing: tuple[float, ...] | None) -> float:
    """The greatest distance between two pixel centres (maximum Feret diameter), by way of the convex hull."""
    from scipy.spatial import ConvexHull
    from scipy.spatial.distance import pdist

    points = _row_ends(mask) * np.asarray(spacing or (1.0,) * mask.ndim)
    points = points[:, np.ptp(points, axis=0) > 0]  # a hull needs extent along every axis
    if points.shape[1] == 0:
        return 0.0
    if points.shape[1] == 1:
        return float(np.ptp(points))
    if len(points) > 16:
        # QJ moves the points by a hair, so that shapes flat along a slope have a hull as well.
        points = points[ConvexHull(points, qhull_options="QJ").vertices]
    return float(pdist(points).max())


def _row_ends(mask: np.ndarray) -> np.ndarray:
    """The first and last pixel of each row: the hull's corners are among them."""
    rows = np.argwhere(mask.any(axis=-1))
    lines = mask[tuple(rows.T)]
    first = lines.argmax(axis=1)
    last = mask.shape[-1] - 1 - lines[:, ::-1].argmax(axis=1)
    return np.concatenate([np.column_stack([rows, first]), np.column_stack([rows, last])]).astype(np.float64)
