"""What the viewer shows, as one value fit for JSON: an image, what several predictions say of it, a few slices.

Large volumes never travel whole: a value holds the slices that were asked for, and a later value with the same
``key`` adds more; of such a later value (``adds_slices``) only the slices count. The other keys are::

    key, image_key      A new key is a new result; the same image key keeps zoom, window, plane and slice.
    title, alternative_text
    layout              "single", "side", "swipe", "flicker" or "agreement"
    mode                (optional) "fill", "outline", "errors" or "off", for an image that was not shown before
    plane, slice_index  What opens: a plane and its slice; point: [z, y, x] where the planes cross
    spacing_mm, affine  As in Geometry, or null
    shape               [z, y, x]; is_volume
    planes              {plane: {name, axes, count, size, spacing_mm, orientation, flips, reduction}}, see planes.py;
                        reduction: how many pixels one shown pixel stands for, per axis
    channels            [{name, intensity: {scale, offset, unit, window, range}, presets: [{name, low, high}]}]: one,
                        without a name, where the image is grey or in colour
    classes             [{name, colour}], item i being label value i + 1 in every label map of the value
    probability_levels  Probabilities are whole steps of 1 / levels, rounded up
    predictions         [{name, threshold, threshold_label, postprocessing, counted, histogram, totals}]; threshold:
                        of the result, for one class with probabilities, else null; threshold_label: that class's
                        value; postprocessing: what came after it, in words; counted: as in NamedPrediction
                        histogram: {class name: {inside, outside}} and totals: [{predicted, reference, both}] are
                        those of volume_figures.py, and null for images and for values that only add slices
    regions             [{class_name, size, box, at}]: where N and P jump to, in their order
    slices              [{plane, index, images, reference, model_input, predictions: [{labels, probabilities}]}],
                        packed (see packing.py) as they are shown, turned and flipped; images: one a channel, null for
                        those that were not asked for (where all are small, they are sent anyway)
"""

import secrets
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np

from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.rendering.colours import hex_colour
from medseg_demo.rendering.intensity_code import codes_for, describe_channels
from medseg_demo.rendering.planes import PLANES, Plane, PlaneView, plane_view, planes_of
from medseg_demo.rendering.shared_classes import relabelled, reordered, shared_names
from medseg_demo.rendering.slice_data import PROBABILITY_LEVELS, ModelInput, pack_slice, reduction_of
from medseg_demo.rendering.volume_figures import class_totals, threshold_histogram

MAX_SIDE = 4096
MOST_TOGETHER = 4 * 2**20  # bytes of one slice, up to which all of its channels travel at once

Layout = Literal["single", "side", "swipe", "flicker", "agreement"]
Region = dict[str, object]


@dataclass(frozen=True, eq=False)
class NamedPrediction:
    """One of the label maps that are shown together.

    Attributes:
        name: Of the checkpoint, or what else made it.
        label_map: Of the image's size; None where an image is shown alone.
        probabilities: Of the foreground classes in 0..1, (K, Y, X) or (K, Z, Y, X), in the order of the label map's
            classes; None where they are not known.
        threshold: What made the label map from the probabilities of one class; None where classes competed.
        postprocessing: In words, what was done to the label map afterwards, such as "components under 20 px removed".
        counted: Whether it has a vote where the agreement is shown; a consensus of the others has none.
    """

    name: str
    label_map: LabelMap | None
    probabilities: np.ndarray | None = None
    threshold: float | None = None
    postprocessing: str = ""
    counted: bool = True


def linked_value(
    image: MedicalImage,
    predictions: Sequence[NamedPrediction],
    *,
    reference: LabelMap | None = None,
    regions: Sequence[Region] = (),
    layout: Layout = "side",
    plane: Plane = "axial",
    slice_index: int | None = None,
    slice_indices: Sequence[int] | Literal["all"] | None = None,
    channels: Sequence[int] = (0,),
    model_input: ModelInput | None = None,
    title: str | None = None,
    key: str | None = None,
    max_side: int = MAX_SIDE,
) -> dict[str, object]:
    """Everything the viewer needs to show several predictions of one image, linked.

    Args:
        image: The image or volume.
        predictions: At best two to four. Classes of one name are one class, whatever their label values.
        reference: The expert's label map, of the image's size.
        regions: Where the predictions differ, in the order in which to visit them: ``class_name``, ``size`` (in words,
            "12.3 mm²"), ``box`` [z0, y0, x0, z1, y1, x1] (ends exclusive; z is 0 and 1 for an image) and, if it is
            known, ``at`` [z, y, x], a voxel to centre on.
        layout: How they are shown at first; the person changes it in the browser.
        plane: Which plane opens, or which plane's slices are asked for.
        slice_index: The slice to open; the axial one with most of the first prediction where none is given.
        slice_indices: The slices of ``plane`` to send, such as a viewer's request; "all" sends every slice of every
            plane, for pages without a server. Where none are given: the opened slice, and of a volume the slices of
            the other two planes that cross there.
        channels: Of an image whose channels are no colours, those to send; all are sent where a slice of them is small.
        model_input: Of an axial slice's index, what the network saw of it: uint8 (H, W) or (H, W, C).
        title: Shown on the stage; the image's name where none is given.
        key: That of the earlier value, to add slices to it.
        max_side: Slices with a longer side are reduced by a whole factor.

    Raises:
        ValueError: Something has another size than the image, or the slice is not one of the volume's.
    """
    predictions = predictions or [NamedPrediction("", None)]  # an image alone is shown like a prediction of nothing
    _check_sizes(image, predictions, reference)
    names = shared_names([*(one.label_map for one in predictions), reference])
    labels = [1 + names.index(one.label_map.class_names[0]) if one.label_map else 0 for one in predictions]
    predictions = [_with_classes(one, names) for one in predictions]
    reference = None if reference is None else relabelled(reference, names)
    views = {each: plane_view(image, each) for each in planes_of(image)}
    reductions = {each: reduction_of(view, max_side) for each, view in views.items()}
    only_adds = key is not None
    point = _opening_point(image, predictions, reference, plane, slice_index, slice_indices if only_adds else None)
    opened = point[PLANES.index(plane)]
    shown = [(one.label_map, one.probabilities) for one in predictions]
    sent = _sent_channels(image, views, reductions, channels)
    return {
        "key": key or secrets.token_hex(8),
        "adds_slices": only_adds,
        "image_key": _fingerprint(image.pixels),
        "title": image.name if title is None else title,
        "alternative_text": _describe(image, predictions),
        "layout": layout,
        "plane": plane,
        "slice_index": opened,
        "point": point,
        "is_volume": image.is_volume,
        "shape": list(image.slices.shape[:3]),
        **_describe_geometry(image),
        "planes": {each: {**asdict(view), "reduction": reductions[each]} for each, view in views.items()},
        "channels": describe_channels(image),
        "classes": [{"name": name, "colour": hex_colour(value)} for value, name in enumerate(names, start=1)],
        "probability_levels": PROBABILITY_LEVELS,
        "predictions": [
            _describe_prediction(one, label, reference, only_adds)
            for one, label in zip(predictions, labels, strict=True)
        ],
        "regions": [] if only_adds else list(regions),
        "slices": [
            pack_slice(
                image, shown, reference, model_input,
                plane=each, view=views[each], index=index, reduction=reductions[each], channels=sent,
            )
            for each, index in _wanted(views, plane, point, slice_indices)
        ],
    }  # fmt: skip


def most_labelled_slice(label_map: LabelMap | None, slices: int) -> int:
    """The axial slice with most foreground; the middle one where there is none."""
    if label_map is None or not label_map.is_volume:
        return slices // 2 if label_map is None else 0
    counts = np.count_nonzero(label_map.labels, axis=(1, 2))
    return int(counts.argmax()) if counts.any() else slices // 2


def _wanted(
    views: dict[Plane, PlaneView], plane: Plane, point: list[int], indices: Sequence[int] | Literal["all"] | None
) -> Iterator[tuple[Plane, int]]:
    """Which slices a value holds, the opened plane's first."""
    others = [each for each in views if each != plane]
    for each in (plane, *others) if indices is None or indices == "all" else (plane,):
        if indices is None:
            yield each, point[PLANES.index(each)]
        else:
            yield from ((each, index) for index in (range(views[each].count) if indices == "all" else indices))


def _sent_channels(
    image: MedicalImage, views: dict[Plane, PlaneView], reductions: dict[Plane, int], asked: Sequence[int]
) -> Sequence[int]:
    """All channels where a slice of them is small, else those that were asked for."""
    codes = codes_for(image)
    pixels = max(view.size[0] * view.size[1] // reductions[each] ** 2 for each, view in views.items())
    if pixels * sum(np.dtype(code.dtype).itemsize for code in codes) <= MOST_TOGETHER:
        return range(len(codes))
    return [index for index in asked if 0 <= index < len(codes)] or [0]


def _opening_point(
    image: MedicalImage,
    predictions: Sequence[NamedPrediction],
    reference: LabelMap | None,
    plane: Plane,
    slice_index: int | None,
    added: Sequence[int] | Literal["all"] | None,
) -> list[int]:
    """[z, y, x] where the planes cross at first: where most is labelled, on the slice that was asked for."""
    axis = PLANES.index(plane)
    shape = image.slices.shape[:3]
    if added is not None:  # only adds slices, so what opens does not matter
        return [0, 0, 0]
    point = [length // 2 for length in shape]
    labelled = next((one.label_map for one in predictions if one.label_map is not None), reference)
    if slice_index is None and axis == 0:
        slice_index = most_labelled_slice(labelled, shape[0])
    if slice_index is not None and not 0 <= slice_index < shape[axis]:
        raise ValueError(f"There is no {plane} slice {slice_index}: they run from 0 to {shape[axis] - 1}.")
    point[axis] = point[axis] if slice_index is None else slice_index
    if labelled is None or not labelled.is_volume:
        return point
    plane_labels = np.moveaxis(labelled.labels, axis, 0)[point[axis]] > 0
    for other, sums in zip([a for a in range(3) if a != axis], (plane_labels.sum(1), plane_labels.sum(0)), strict=True):
        if sums.any():
            point[other] = int(sums.argmax())
    return point


def _with_classes(prediction: NamedPrediction, names: tuple[str, ...]) -> NamedPrediction:
    """The prediction with the shared label values; probabilities of several classes in their order."""
    label_map, maps = prediction.label_map, prediction.probabilities
    if label_map is None:
        return prediction
    if maps is not None and len(maps) > 1:
        maps = reordered(maps, label_map.class_names, names)
    return replace(prediction, label_map=relabelled(label_map, names), probabilities=maps)


def _describe_prediction(
    prediction: NamedPrediction, label: int, reference: LabelMap | None, only_adds: bool
) -> dict[str, object]:
    """What is true of all slices of a prediction; ``label`` is the value of its only class, if it has only one."""
    label_map, maps = prediction.label_map, prediction.probabilities
    threshold = prediction.threshold if maps is not None and len(maps) == 1 else None
    has_figures = label_map is not None and label_map.is_volume and not only_adds
    histogram = None
    if has_figures and maps is not None and threshold is not None:
        inside = None if reference is None else reference.mask(label)
        histogram = {label_map.class_names[label - 1]: threshold_histogram(maps[0], inside)}  # type: ignore[union-attr]
    return {
        "name": prediction.name,
        "threshold": threshold,
        "threshold_label": None if threshold is None else label,
        "postprocessing": prediction.postprocessing,
        "counted": prediction.counted,
        "histogram": histogram,
        "totals": class_totals(label_map, reference) if has_figures else None,  # type: ignore[arg-type]
    }


def _check_sizes(image: MedicalImage, predictions: Sequence[NamedPrediction], reference: LabelMap | None) -> None:
    sizes = [("reference", None if reference is None else reference.labels.shape)]
    for one in predictions:
        sizes.append(("label map", None if one.label_map is None else one.label_map.labels.shape))
        sizes.append(("probabilities", None if one.probabilities is None else one.probabilities.shape[1:]))
    for name, shape in sizes:
        if shape not in (None, image.shape):
            raise ValueError(f"The {name} has shape {shape}, the image {image.shape}.")


def _fingerprint(pixels: np.ndarray) -> str:
    """The same for the same image: a checksum of some of its pixels."""
    step = max(1, pixels.size // 65536)
    return f"{zlib.crc32(pixels.ravel()[::step].tobytes()):08x}-{'x'.join(map(str, pixels.shape))}"


def _describe(image: MedicalImage, predictions: Sequence[NamedPrediction]) -> str:
    height, width = image.shape[-2:]
    text = f"{image.name}, {width} × {height} pixels" + (f", {len(image.slices)} slices" if image.is_volume else "")
    if image.channels > 1 and not image.is_colour:
        text += f", {image.channels_in_words}"
    maps = [one.label_map for one in predictions if one.label_map is not None]
    if len(maps) > 1:
        return f"{text}. Segmented by {', '.join(one.name for one in predictions)}."
    if not maps:
        return text + "."
    if image.is_volume:
        return f"{text}. Segmented: {', '.join(maps[0].class_names)}."
    counts = np.bincount(maps[0].labels.ravel(), minlength=256)
    shares = [
        f"{name} {counts[value] / maps[0].labels.size:.1%}" for value, name in enumerate(maps[0].class_names, start=1)
    ]
    return f"{text}. Segmented: {', '.join(shares)} of all pixels."


def _describe_geometry(image: MedicalImage) -> dict[str, object]:
    spacing, affine = image.geometry.spacing_mm, image.geometry.affine
    return {
        "spacing_mm": None if spacing is None else [float(step) for step in spacing],
        "affine": None if affine is None else affine.tolist(),
    }
