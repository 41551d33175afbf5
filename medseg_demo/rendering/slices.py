"""One slice of one plane, packed for the viewer: the image once, and what each prediction says of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from medseg_demo.image import HeatMap, LabelMap, MedicalImage
from medseg_demo.rendering.intensity_code import codes_for, encode_slice
from medseg_demo.rendering.packing import PackedArray, pack
from medseg_demo.rendering.planes import Plane, PlaneView, cut, oriented

PROBABILITY_LEVELS = 200
HEAT_STEPS = 255

ModelInput = Callable[[int], np.ndarray]


@dataclass(frozen=True)
class PackedPrediction:
    """What one prediction says of a slice; the probabilities of each class, or of the only one.

    A heat map is in steps of 1/255 of its greatest value in the whole image.
    """

    labels: PackedArray | None
    heat: PackedArray | None
    probabilities: list[PackedArray]


@dataclass(frozen=True)
class PackedSlice:
    """One slice of one plane, turned and flipped as it is shown.

    Attributes:
        plane: Which plane.
        index: Which slice of it.
        images: One a channel; None for those that were not asked for.
        reference: Labels of the reference.
        model_input: What the network saw.
        predictions: In the order of the value's.
    """

    plane: Plane
    index: int
    images: list[PackedArray | None]
    reference: PackedArray | None
    model_input: PackedArray | None
    predictions: list[PackedPrediction]


def pack_slice(
    image: MedicalImage,
    predictions: Sequence[tuple[LabelMap | None, np.ndarray | None, HeatMap | None]],
    reference: LabelMap | None,
    model_input: ModelInput | None,
    *,
    plane: Plane,
    view: PlaneView,
    index: int,
    channels: Sequence[int] = (0,),
) -> PackedSlice:
    """One slice as the viewer takes it.

    Args:
        image: The image.
        predictions: Label map, probabilities and heat map of each; any may be missing.
        reference: The expert's label map.
        model_input: What the network saw of an axial slice; the other planes have none.
        plane: Which plane.
        view: How that plane is shown.
        index: Which slice of it.
        channels: Those that are packed.
    """

    def shown(array: np.ndarray) -> np.ndarray:
        return oriented(cut(array, plane, index), view)

    def packed_labels(label_map: LabelMap | None) -> PackedArray | None:
        return None if label_map is None else pack(_nearest(shown(label_map.labels), view.reduction))

    def packed_probabilities(maps: np.ndarray | None) -> list[PackedArray]:
        return [] if maps is None else [pack(probability_steps(_nearest(shown(one), view.reduction))) for one in maps]

    def packed_heat(heat: HeatMap | None) -> PackedArray | None:
        return None if heat is None else pack(_nearest(heat_steps(shown(heat.values), heat.highest), view.reduction))

    pixels = _average(shown(image.slices), view.reduction)
    seen = model_input(index) if model_input is not None and plane == "axial" else None
    every = range(len(codes_for(image)))
    return PackedSlice(
        plane,
        index,
        images=[pack(encode_slice(image, pixels, each)) if each in channels else None for each in every],
        reference=packed_labels(reference),
        model_input=None if seen is None else pack(oriented(seen, view)),
        predictions=[
            PackedPrediction(packed_labels(labels), packed_heat(heat), packed_probabilities(maps))
            for labels, maps, heat in predictions
        ],
    )


def heat_steps(values: np.ndarray, highest: float) -> np.ndarray:
    """Values from 0 to the highest as uint8 steps, each the nearest."""
    return np.rint(HEAT_STEPS / (highest or 1) * values).astype(np.uint8)


def probability_steps(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities as uint8 steps: step s > k exactly where the probability is above k / PROBABILITY_LEVELS.

    So a threshold on any step gives in the browser the very mask that it gives here.
    """
    if probabilities.dtype == np.float16:
        return _half_table()[np.ascontiguousarray(probabilities).view(np.uint16)]
    levels = np.arange(PROBABILITY_LEVELS) / PROBABILITY_LEVELS
    return np.searchsorted(levels, probabilities, side="left").astype(np.uint8)


@cache
def _half_table() -> np.ndarray:
    """The step of each of the 65536 numbers of half precision, at the place of its bits."""
    every = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32)
    return probability_steps(np.nan_to_num(every, nan=0.0))


def _average(pixels: np.ndarray, reduction: int) -> np.ndarray:
    """(Y, X, C) with each block of reduction × reduction pixels averaged; what fills no block is left out."""
    if reduction == 1:
        return pixels
    height, width = (length // reduction for length in pixels.shape[:2])
    trimmed = pixels[: height * reduction, : width * reduction]
    blocks = trimmed.reshape(height, reduction, width, reduction, -1)
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def _nearest(plane: np.ndarray, reduction: int) -> np.ndarray:
    height, width = (length // reduction for length in plane.shape)
    return plane[reduction // 2 :: reduction, reduction // 2 :: reduction][:height, :width]
