"""What the viewer shows, as one record: an image, what none, one or several predictions say of it, a few slices.

The record leaves as JSON (``viewer_value``); the tests draw its JSON schema from these dataclasses and hold it against
what the viewer's ``unpack.js`` reads. Large volumes never travel whole: a value holds the slices that were asked for,
and a later value with the same ``key`` adds more.
"""

import secrets
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.numbers import percent
from medseg_demo.rendering.colours import hex_colour
from medseg_demo.rendering.editing import ShownEditing
from medseg_demo.rendering.intensity_code import ShownChannel, codes_for, describe_channels
from medseg_demo.rendering.planes import PLANES, Plane, PlaneView, plane_view, planes_of
from medseg_demo.rendering.predictions import (
    ClassTotals,
    NamedPrediction,
    ThresholdHistogram,
    class_totals,
    relabelled,
    shared_names,
    threshold_histogram,
    with_classes,
)
from medseg_demo.rendering.slices import PROBABILITY_LEVELS, ModelInput, PackedSlice, pack_slice

MAX_SIDE = 4096
MOST_TOGETHER = 4 * 2**20  # bytes of one slice, up to which all of its channels travel at once

Layout = Literal["single", "side", "swipe", "flicker", "agreement"]
Mode = Literal["fill", "outline", "errors", "off"]
Region = Mapping[str, Any]


@dataclass(frozen=True)
class ShownClass:
    """A class; item i of a value's list is label value i + 1 in every label map of the value."""

    name: str
    colour: str


@dataclass(frozen=True)
class ShownHeat:
    """A heat map: what it is, in words, and its greatest value in the whole image or volume."""

    name: str
    highest: float


@dataclass(frozen=True)
class ShownPrediction:
    """What is true of all slices of a prediction.

    Attributes:
        name: Of the checkpoint, or what else made it.
        threshold: Of the result, for one class with probabilities, else None.
        threshold_label: That class's label value.
        postprocessing: What came after the threshold, in words.
        counted: As in NamedPrediction.
        histogram: Of that class, by its name; None for images and for values that only add slices.
        totals: One for each class of the value; None as the histogram.
        heat: What is shown over the image; None where there is nothing.
    """

    name: str
    threshold: float | None
    threshold_label: int | None
    postprocessing: str
    counted: bool
    histogram: dict[str, ThresholdHistogram] | None
    totals: list[ClassTotals] | None
    heat: ShownHeat | None


@dataclass(frozen=True)
class ShownRegion:
    """Where N and P jump to: a box [z0, y0, x0, z1, y1, x1], ends exclusive, and a voxel [z, y, x] to centre on."""

    class_name: str
    size: str
    box: list[int]
    at: list[int] | None = None


@dataclass(frozen=True)
class Shown:
    """Everything that the viewer needs.

    Attributes:
        key: A new key is a new result. An added value may leave it empty to belong to whatever is shown, if that is the
            same image with predictions of the same names: then ``thresholds`` and ``crop`` count as well.
        adds_slices: Whether only the slices of this value count.
        image_key: The same image keeps zoom, window, plane and slice.
        title: On the stage.
        alternative_text: For whoever does not see it.
        layout: How several predictions are shown at first.
        mode: How label maps are shown at first, of an image that was not shown before; None: as before.
        plane: Which plane opens.
        point: [z, y, x] where the planes cross.
        is_volume: Whether there are slices.
        shape: [z, y, x].
        spacing_mm: As in Geometry.
        affine: As in Geometry.
        planes: How each plane is shown.
        channels: One where the image is grey or in colour.
        classes: Of all label maps.
        probability_levels: Probabilities are whole steps of 1 / levels, rounded up.
        predictions: At least one: an image alone is shown like a prediction of nothing.
        thresholds: Where the sliders stand, one a prediction; None: at the thresholds of the results.
        regions: In the order in which N and P visit them.
        can_crop: Whether a crop box is offered.
        crop: The box that is shown, [z0, y0, x0, z1, y1, x1] in voxels of the array, ends exclusive.
        editing: What can be corrected by hand; None for nothing. Of an added value its revision counts alone.
        slices: Those that travel with it.
    """

    key: str
    adds_slices: bool
    image_key: str
    title: str
    alternative_text: str
    layout: Layout
    mode: Mode | None
    plane: Plane
    point: list[int]
    is_volume: bool
    shape: list[int]
    spacing_mm: list[float] | None
    affine: list[list[float]] | None
    planes: dict[Plane, PlaneView]
    channels: list[ShownChannel]
    classes: list[ShownClass]
    probability_levels: int
    predictions: list[ShownPrediction]
    thresholds: list[float | None] | None
    regions: list[ShownRegion]
    can_crop: bool
    crop: list[int] | None
    editing: ShownEditing | None
    slices: list[PackedSlice]


def viewer_value(
    image: MedicalImage,
    predictions: Sequence[NamedPrediction] = (),
    *,
    reference: LabelMap | None = None,
    regions: Sequence[Region] = (),
    model_input: ModelInput | None = None,
    layout: Layout = "side",
    mode: Mode | None = None,
    plane: Plane = "axial",
    slice_index: int | None = None,
    point: Sequence[int] | None = None,
    slice_indices: Sequence[int] | Literal["all"] | None = None,
    channels: Sequence[int] = (0,),
    thresholds: Sequence[float | None] | None = None,
    can_crop: bool = False,
    crop: Sequence[int] | None = None,
    editing: ShownEditing | None = None,
    title: str | None = None,
    key: str | None = None,
    max_side: int = MAX_SIDE,
) -> dict[str, Any]:
    """A ``Shown`` as JSON: an image alone, or with one prediction, or with several that are linked.

    Args:
        image: The image or volume.
        predictions: At best up to six. Classes of one name are one class, whatever their label values.
        reference: The expert's label map, of the image's size. Without predictions it is shown as they are.
        regions: Where the predictions differ, each with the attributes of ``ShownRegion``, in the order of the visits.
        model_input: Of an axial slice's index, what the network saw of it: uint8 (H, W) or (H, W, C).
        layout: How several are shown at first; the person changes it in the browser.
        mode: How label maps are shown at first.
        plane: Which plane opens, or which plane's slices are asked for.
        slice_index: The slice to open; the axial one with most of the first prediction where none is given.
        point: [z, y, x] where the planes cross instead, such as where the person is looking.
        slice_indices: The slices of ``plane`` to send, such as a viewer's request; "all" sends every slice of every
            plane, for pages without a server. Where none are given: the opened slice, and of a volume the slices of
            the other two planes that cross there.
        channels: Of an image whose channels are no colours, those to send; all are sent where a slice of them is small.
        thresholds: Where the sliders stand, where that is not at the results' thresholds.
        can_crop: Whether a crop box can be drawn.
        crop: The box to show: [z0, y0, x0, z1, y1, x1] in voxels, ends exclusive; z is 0 and 1 for an image.
        editing: What can be corrected; its label values are those of the value (``shared_names``).
        title: Shown on the stage; the image's name where none is given.
        key: That of the earlier value, to add slices to it.
        max_side: Slices with a longer side are reduced by a whole factor.

    Raises:
        ValueError: Something has another size than the image, or the slice is not one of the volume's.
    """
    if reference is not None and not predictions:
        predictions, reference = [NamedPrediction("Reference", reference)], None
    predictions = predictions or [NamedPrediction("", None)]
    _check_sizes(image, predictions, reference)
    maps = [*(one.label_map for one in predictions), reference]
    names = shared_names(maps)
    chosen = {name: colour for one in maps if one for name, colour in zip(one.class_names, one.colours, strict=False)}
    labels = [1 + names.index(one.label_map.class_names[0]) if one.label_map else 0 for one in predictions]
    predictions = [with_classes(one, names) for one in predictions]
    reference = None if reference is None else relabelled(reference, names)
    views = {each: plane_view(image, each, max_side) for each in planes_of(image)}
    only_adds = key is not None
    first = next((one.label_map for one in predictions if one.label_map is not None), reference)
    if point is None and not only_adds:  # what opens does not matter where slices are added
        point = _opening_point(image, first, plane, slice_index)
    point = [0, 0, 0] if point is None else list(point)
    spacing_mm, affine = image.geometry.spacing_mm, image.geometry.affine
    shown = [(one.label_map, one.probabilities, one.heat) for one in predictions]
    sent = _sent_channels(image, views, channels)
    value = Shown(
        key=secrets.token_hex(8) if key is None else key,
        adds_slices=only_adds,
        image_key=_fingerprint(image.pixels),
        title=image.name if title is None else title,
        alternative_text=_describe(image, predictions),
        layout=layout if len(predictions) > 1 else "single",
        mode=mode,
        plane=plane,
        point=point,
        is_volume=image.is_volume,
        shape=list(image.slices.shape[:3]),
        spacing_mm=None if spacing_mm is None else [float(step) for step in spacing_mm],
        affine=None if affine is None else affine.tolist(),
        planes=views,
        channels=describe_channels(image),
        classes=[ShownClass(name, chosen.get(name) or hex_colour(value)) for value, name in enumerate(names, start=1)],
        probability_levels=PROBABILITY_LEVELS,
        predictions=[
            _describe_prediction(one, label, reference, only_adds)
            for one, label in zip(predictions, labels, strict=True)
        ],
        thresholds=None if thresholds is None else list(thresholds),
        regions=[] if only_adds else [ShownRegion(**one) for one in regions],
        can_crop=can_crop,
        crop=None if crop is None else list(crop),
        editing=editing,
        slices=[
            pack_slice(
                image, shown, reference, model_input, plane=each, view=views[each], index=index, channels=sent
            )
            for each, index in _wanted(views, plane, point, slice_indices)
        ],
    )  # fmt: skip
    return asdict(value)


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


def _sent_channels(image: MedicalImage, views: dict[Plane, PlaneView], asked: Sequence[int]) -> Sequence[int]:
    """All channels where a slice of them is small, else those that were asked for."""
    codes = codes_for(image)
    pixels = max(view.size[0] * view.size[1] // view.reduction**2 for view in views.values())
    if pixels * sum(np.dtype(code.dtype).itemsize for code in codes) <= MOST_TOGETHER:
        return range(len(codes))
    return [index for index in asked if 0 <= index < len(codes)] or [0]


def _opening_point(image: MedicalImage, labelled: LabelMap | None, plane: Plane, slice_index: int | None) -> list[int]:
    """[z, y, x] where the planes cross at first: where most is labelled, on the slice that was asked for."""
    axis = PLANES.index(plane)
    shape = image.slices.shape[:3]
    point = [length // 2 for length in shape]
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


def _describe_prediction(
    prediction: NamedPrediction, label: int, reference: LabelMap | None, only_adds: bool
) -> ShownPrediction:
    """What is true of all slices of a prediction; ``label`` is the value of its only class, if it has only one."""
    label_map, maps = prediction.label_map, prediction.probabilities
    threshold = prediction.threshold if maps is not None and len(maps) == 1 else None
    histogram = totals = None
    if label_map is not None and label_map.is_volume and not only_adds:
        totals = class_totals(label_map, reference)
        if maps is not None and threshold is not None:
            inside = None if reference is None else reference.mask(label)
            histogram = {label_map.class_names[label - 1]: threshold_histogram(maps[0], inside)}
    return ShownPrediction(
        prediction.name,
        threshold,
        None if threshold is None else label,
        prediction.postprocessing,
        prediction.counted,
        histogram,
        totals,
        None if prediction.heat is None else ShownHeat(prediction.heat.name, prediction.heat.highest),
    )


def _check_sizes(image: MedicalImage, predictions: Sequence[NamedPrediction], reference: LabelMap | None) -> None:
    sizes = [("reference", None if reference is None else reference.labels.shape)]
    for one in predictions:
        sizes.append(("label map", None if one.label_map is None else one.label_map.labels.shape))
        sizes.append(("heat map", None if one.heat is None else one.heat.values.shape))
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
        f"{name} {percent(counts[value] / maps[0].labels.size)}"
        for value, name in enumerate(maps[0].class_names, start=1)
    ]
    return f"{text}. Segmented: {', '.join(shares)} of all pixels."
