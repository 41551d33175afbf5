"""What a label map amounts to: size, components, diameter and confidence of each class, and the image inside it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np

from medseg_demo.image import COLOURS, LabelMap, MedicalImage


@dataclass(frozen=True)
class Intensities:
    """One channel of an image inside one class.

    Attributes:
        channel: Its name; None where there is one channel alone.
        mean: Of the pixels of the class.
        sd: Their standard deviation (divided by their number, so 0 for a single pixel).
        median: Their median.
        minimum: The least of them.
        maximum: The greatest.
        unit: "HU" where the file says so; None for intensities without a unit.
    """

    channel: str | None
    mean: float
    sd: float
    median: float
    minimum: float
    maximum: float
    unit: str | None


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
        mean_confidence: Mean probability of the class over its pixels, 0 to 1; None where there is no pixel, or where
            the label map comes without probabilities.
        intensities: Of the image inside the class, one a channel; none where there is no pixel.
        agreement: Mean share of an ensemble's members that have the same label there, 0 to 1; None of a single network.
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
    intensities: tuple[Intensities, ...] = ()
    agreement: float | None = None

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON and tables; without the agreement where there was no ensemble."""
        values = asdict(self)
        return values if self.agreement is not None else {key: values[key] for key in values if key != "agreement"}


def measure(
    label_map: LabelMap,
    probabilities: np.ndarray | None,
    image: MedicalImage,
    *,
    mask_of: Callable[[int], np.ndarray] | None = None,
    agreement: np.ndarray | None = None,
) -> tuple[ClassMeasurement, ...]:
    """Measure every class.

    Args:
        label_map: Of an image or a volume.
        probabilities: (K, …) of the foreground classes, in the order of ``class_names``; None where there are none.
        image: What the label map is of.
        mask_of: The mask of each class by its label value, where classes overlap; by default the label map's.
        agreement: Of an ensemble's members at each place, 0 to 1.

    Returns:
        One record a class, absent classes included.
    """
    rows = []
    for value, name in enumerate(label_map.class_names, start=1):
        mask = (mask_of or label_map.mask)(value)
        probability = None if probabilities is None else probabilities[value - 1]
        row = _measure_class(label_map, value, name, mask, probability, image)
        agreed = None if agreement is None or not row.pixels else float(agreement[mask].mean(dtype=np.float64))
        rows.append(replace(row, agreement=agreed))
    return tuple(rows)


def _measure_class(
    label_map: LabelMap, value: int, name: str, mask: np.ndarray, probability: np.ndarray | None, image: MedicalImage
) -> ClassMeasurement:
    spacing = label_map.geometry.spacing_mm
    pixels = int(np.count_nonzero(mask))
    size = None if spacing is None else pixels * float(np.prod(spacing))
    components, largest = _components(mask)
    sure = None if probability is None or not pixels else float(probability[mask].mean(dtype=np.float64))
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
        mean_confidence=sure,
        intensities=_intensities(image, mask) if pixels else (),
    )


def _intensities(image: MedicalImage, mask: np.ndarray) -> tuple[Intensities, ...]:
    """Each channel inside a mask that is not empty."""
    inside = image.pixels[mask].reshape(np.count_nonzero(mask), -1).T
    names: tuple[str | None, ...] = (None,)
    if len(inside) > 1:
        names = image.channel_names or (COLOURS if image.is_colour else tuple(str(i + 1) for i in range(len(inside))))
    return tuple(
        Intensities(
            channel=name,
            **_statistics(values),
            unit=image.unit,
        )
        for name, values in zip(names, inside, strict=True)
    )


def _statistics(values: np.ndarray) -> dict[str, float]:
    if values.dtype != np.uint8:
        mean, sd = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
        return {"mean": mean, "sd": sd, "median": float(np.median(values)),
                "minimum": float(values.min()), "maximum": float(values.max())}  # fmt: skip
    # Counting 256 levels takes a fifth of the time.
    counts, levels = np.bincount(values, minlength=256), np.arange(256)
    mean = float(counts @ levels / len(values))
    middle = np.searchsorted(counts.cumsum(), [(len(values) - 1) // 2, len(values) // 2], side="right")
    found = np.flatnonzero(counts)
    return {
        "mean": mean,
        "sd": float(np.sqrt(counts @ (levels - mean) ** 2 / len(values))),
        "median": float(middle.mean()),
        "minimum": float(found[0]),
        "maximum": float(found[-1]),
    }


def _components(mask: np.ndarray) -> tuple[int, np.ndarray]:
    """How many face-connected parts a mask has, and the mask of the largest."""
    import cc3d

    labels, count = cc3d.connected_components(mask, connectivity=4 if mask.ndim == 2 else 6, return_N=True)
    if count <= 1:
        return count, mask
    sizes = np.bincount(labels[mask])
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
