"""What the viewer shows, as one value fit for JSON: a few slices and what is true of all of them.

Large volumes never travel whole: a value holds the slices that were asked for, and a later value with the same
``key`` adds more. The keys are::

    key, image_key      A new key is a new result; the same image key keeps zoom, window and slice.
    title, alternative_text
    original_size       [height, width]; reduction: how many of its pixels one shown pixel stands for, per axis
    spacing_mm, affine  As in Geometry, or null; orientation: letters at left, right, top, bottom, or null
    intensity           {scale, offset, unit, window, range}; presets: [{name, low, high}]
    classes             [{name, colour}], item i being label value i + 1
    threshold           Of the result, for one class; else null. postprocessing: what came after it, in words
    probability_levels  Probabilities are whole steps of 1 / levels, rounded up
    slice_index, slice_count
    slices              [{index, image, labels, probabilities, reference, model_input}], packed (see packing.py)
"""

import secrets
import zlib
from collections.abc import Sequence
from functools import cache

import numpy as np

from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.rendering.colours import hex_colour
from medseg_demo.rendering.intensity_code import code_for, encode_slice, presets
from medseg_demo.rendering.packing import PackedArray, pack

MAX_SIDE = 4096
PROBABILITY_LEVELS = 200

# From the origin of the patient's axes (LPS): the letters of the negative and of the positive direction.
DIRECTION_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))


def viewer_value(
    image: MedicalImage,
    label_map: LabelMap | None = None,
    probabilities: np.ndarray | None = None,
    model_input: np.ndarray | None = None,
    reference: LabelMap | None = None,
    *,
    slice_index: int | None = None,
    slice_indices: Sequence[int] | None = None,
    threshold: float | None = None,
    postprocessing: str = "",
    title: str | None = None,
    key: str | None = None,
    max_side: int = MAX_SIDE,
) -> dict[str, object]:
    """Everything the viewer needs to show an image and what belongs to it.

    Args:
        image: The image or volume.
        label_map: The prediction, of the image's size.
        probabilities: Of the foreground classes in 0..1, (K, Y, X) or (K, Z, Y, X).
        model_input: What the network saw: uint8 (Z, H, W) or (Z, H, W, 3).
        reference: The expert's label map, of the image's size.
        slice_index: The slice to open; the one with most of the prediction where none is given.
        slice_indices: The slices to send, such as a viewer's request; only the opened one where none are given.
        threshold: What made the label map from the probabilities of one class; None where classes competed.
        postprocessing: In words, what was done to the label map afterwards, such as "components under 20 px removed".
        title: Shown on the stage; the image's name where none is given.
        key: That of the earlier value, to add slices to it.
        max_side: Slices with a longer side are reduced by a whole factor.

    Raises:
        ValueError: Something has another size than the image.
    """
    _check_sizes(image, label_map, probabilities, model_input, reference)
    if slice_index is None and key is not None and slice_indices:
        slice_index = slice_indices[0]  # only adds slices, so which one opens does not matter
    elif slice_index is None:
        slice_index = most_labelled_slice(label_map or reference, len(image.slices))
    reduction = -(-max(image.shape[-2:]) // max_side)
    return {
        "key": key or secrets.token_hex(8),
        "image_key": _fingerprint(image.pixels),
        "title": image.name if title is None else title,
        "alternative_text": _describe(image, label_map),
        "original_size": list(image.shape[-2:]),
        "reduction": reduction,
        **_describe_geometry(image),
        "intensity": _describe_intensity(image),
        "presets": presets(image),
        "classes": _describe_classes(label_map or reference),
        "threshold": threshold if probabilities is not None and len(probabilities) == 1 else None,
        "postprocessing": postprocessing,
        "probability_levels": PROBABILITY_LEVELS,
        "slice_index": slice_index,
        "slice_count": len(image.slices),
        "slices": [
            _pack_slice(image, label_map, probabilities, model_input, reference, index, reduction)
            for index in ([slice_index] if slice_indices is None else slice_indices)
        ],
    }


def most_labelled_slice(label_map: LabelMap | None, slices: int) -> int:
    """The slice with most foreground; the middle one where there is none."""
    if label_map is None or not label_map.is_volume:
        return slices // 2 if label_map is None else 0
    counts = np.count_nonzero(label_map.labels, axis=(1, 2))
    return int(counts.argmax()) if counts.any() else slices // 2


def probability_steps(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities as uint8 steps: step s > k exactly where the probability is above k / PROBABILITY_LEVELS.

    So a threshold on any step gives in the browser the very mask that it gives here.
    """
    levels = np.arange(PROBABILITY_LEVELS) / PROBABILITY_LEVELS
    if probabilities.dtype == np.float16:
        return _half_table()[probabilities.view(np.uint16)]
    return np.searchsorted(levels, probabilities, side="left").astype(np.uint8)


@cache
def _half_table() -> np.ndarray:
    """The step of each of the 65536 numbers of half precision, at the place of its bits."""
    every = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32)
    return probability_steps(np.nan_to_num(every, nan=0.0))


def _pack_slice(
    image: MedicalImage,
    label_map: LabelMap | None,
    probabilities: np.ndarray | None,
    model_input: np.ndarray | None,
    reference: LabelMap | None,
    index: int,
    reduction: int,
) -> dict[str, object]:
    maps = [] if probabilities is None else [_plane(one, index, image.is_volume) for one in probabilities]
    return {
        "index": index,
        "image": pack(encode_slice(image, _average(image.slices[index], reduction))),
        "labels": _pack_labels(label_map, index, reduction),
        "reference": _pack_labels(reference, index, reduction),
        "probabilities": [pack(probability_steps(_nearest(plane, reduction))) for plane in maps],
        "model_input": None if model_input is None else pack(model_input[index]),
    }


def _pack_labels(label_map: LabelMap | None, index: int, reduction: int) -> PackedArray | None:
    if label_map is None:
        return None
    return pack(_nearest(_plane(label_map.labels, index, label_map.is_volume), reduction))


def _plane(array: np.ndarray, index: int, is_volume: bool) -> np.ndarray:
    return array[index] if is_volume else array


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


def _check_sizes(
    image: MedicalImage,
    label_map: LabelMap | None,
    probabilities: np.ndarray | None,
    model_input: np.ndarray | None,
    reference: LabelMap | None,
) -> None:
    sizes = {
        "label map": None if label_map is None else label_map.labels.shape,
        "probabilities": None if probabilities is None else probabilities.shape[1:],
        "reference": None if reference is None else reference.labels.shape,
    }
    for name, shape in sizes.items():
        if shape not in (None, image.shape):
            raise ValueError(f"The {name} has shape {shape}, the image {image.shape}.")
    if model_input is not None and len(model_input) != len(image.slices):
        raise ValueError(f"The model input has {len(model_input)} slices, the image {len(image.slices)}.")


def _fingerprint(pixels: np.ndarray) -> str:
    """The same for the same image: a checksum of some of its pixels."""
    step = max(1, pixels.size // 65536)
    return f"{zlib.crc32(pixels.ravel()[::step].tobytes()):08x}-{'x'.join(map(str, pixels.shape))}"


def _describe(image: MedicalImage, label_map: LabelMap | None) -> str:
    height, width = image.shape[-2:]
    text = f"{image.name}, {width} × {height} pixels" + (f", {len(image.slices)} slices" if image.is_volume else "")
    if label_map is None:
        return text + "."
    if image.is_volume:
        return f"{text}. Segmented: {', '.join(label_map.class_names)}."
    counts = np.bincount(label_map.labels.ravel(), minlength=len(label_map.class_names) + 1)
    shares = [
        f"{name} {counts[value] / label_map.labels.size:.1%}"
        for value, name in enumerate(label_map.class_names, start=1)
    ]
    return f"{text}. Segmented: {', '.join(shares)} of all pixels."


def _describe_geometry(image: MedicalImage) -> dict[str, object]:
    geometry = image.geometry
    return {
        "spacing_mm": None if geometry.spacing_mm is None else [float(step) for step in geometry.spacing_mm],
        "affine": None if geometry.affine is None else geometry.affine.tolist(),
        "orientation": None if geometry.affine is None else orientation_letters(geometry.affine),
    }


def orientation_letters(affine: np.ndarray) -> dict[str, str]:
    """Where left, right, top and bottom of a slice point to in the patient (R, L, A, P, I, S).

    A second letter follows where the direction is more than about 24° off the first axis.
    """
    right, bottom = affine[:3, 0], affine[:3, 1]
    return {"left": _letters(-right), "right": _letters(right), "top": _letters(-bottom), "bottom": _letters(bottom)}


def _letters(direction: np.ndarray) -> str:
    shares = direction / (np.linalg.norm(direction) or 1)
    axes = [axis for axis in np.argsort(-np.abs(shares)) if abs(shares[axis]) > 0.4]
    return "".join(DIRECTION_LETTERS[axis][int(shares[axis] > 0)] for axis in axes)


def _describe_intensity(image: MedicalImage) -> dict[str, object]:
    code = code_for(image)
    low, high = image.display_window
    least, greatest = image.intensity_range
    return {
        "scale": code.scale,
        "offset": code.offset,
        "unit": "HU" if image.modality == "CT" else "",
        "window": [float(low), float(high)],
        "range": [least, greatest] if greatest > least else [least, least + 1],
    }


def _describe_classes(label_map: LabelMap | None) -> list[dict[str, str]]:
    names = () if label_map is None else label_map.class_names
    return [{"name": name, "colour": hex_colour(value)} for value, name in enumerate(names, start=1)]
