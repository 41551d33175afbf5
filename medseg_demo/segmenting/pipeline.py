"""The one place where the order of the steps is written: an image and a checkpoint → a label map."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import ModuleType

import numpy as np
import torch

from medseg_demo.errors import InputMismatchError
from medseg_demo.image import HeatMap, LabelMap, MedicalImage
from medseg_demo.models.backends import prepare
from medseg_demo.models.card import Denoise, ModelCard
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.models.recipes import BundleSteps, TransformersSteps
from medseg_demo.segmenting import bundle, transformers
from medseg_demo.segmenting.channels import arranged, assignment, order_of
from medseg_demo.segmenting.crop import check_inside, cropped, places
from medseg_demo.segmenting.decide import EVEN, clean, kept_as, regions_of, to_labels
from medseg_demo.segmenting.ensemble import average
from medseg_demo.segmenting.failure import doubts
from medseg_demo.segmenting.fit import check_fit
from medseg_demo.segmenting.measure import ClassMeasurement, measure
from medseg_demo.segmenting.nnunet import SplinePlacement, frame_of, spacing_in
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.segmenting.prepare import Placement, check_channels, place_slices, to_picture, to_tensor
from medseg_demo.segmenting.windows import Compute, Progress, Turn, activated, choose_compute, predict
from medseg_demo.settings import Settings

OVERLAP = "Classes may overlap: the label map has the last of them at each place, and each is measured as a whole."
CHUNK = 32  # slices that are in memory as float32 at once


@dataclass(frozen=True, eq=False)
class Segmentation:
    """One finished segmentation, and what it was made with.

    Attributes:
        image: As read.
        label_map: In the image's own size and geometry.
        probabilities: float16, (K, Y, X) or (K, Z, Y, X), of the foreground classes.
        checkpoint: Its name.
        digest: Its hash.
        card: Its model card.
        options: What was chosen.
        threshold: What was applied; None where several classes competed.
        seconds: Time of each step.
        compute: Device and precision, in words.
        has_card: Whether the checkpoint came with a model card.
        notes: What a person should know of how it was computed, in plain sentences.
        findings: Name → probability, where the card has findings; of a volume the greatest of its slices.
        agreement: Of an ensemble: float16, the share of its members with the same label at each place; else None.
        heat: The heat map that the options ask for.
    """

    image: MedicalImage
    label_map: LabelMap
    probabilities: np.ndarray
    checkpoint: str
    digest: str
    card: ModelCard
    options: SegmentOptions
    threshold: float | None
    seconds: dict[str, float]
    compute: str
    has_card: bool = True
    notes: tuple[str, ...] = ()
    findings: Mapping[str, float] = field(default_factory=dict)
    agreement: np.ndarray | None = None
    heat: HeatMap | None = None

    @cached_property
    def measurements(self) -> tuple[ClassMeasurement, ...]:
        """One record a class. Made when asked for."""
        mask_of = self.region if self.card.may_overlap else None
        return measure(self.label_map, self.probabilities, self.image, mask_of=mask_of, agreement=self.agreement)

    def region(self, value: int) -> np.ndarray:
        """Where a class is, boolean in the shape of the label map; also where others lie over it in that."""
        if not self.card.may_overlap:
            return self.label_map.mask(value)
        region = to_labels(self.probabilities[value - 1 : value], threshold=self.threshold)
        box = places(self.options.crop)[3 - region.ndim :]
        region[box] = _cleaned(region[box], self.options, classes=1)
        return region > 0

    @cached_property
    def doubts(self) -> tuple[str, ...]:
        """That it may have failed, where its probabilities speak for that. Found when asked for."""
        return doubts(self)

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know before trusting it. Found when asked for."""
        fit = check_fit(_given_part(self.image, self.card, self.options), self.card, has_card=self.has_card)
        return (*([OVERLAP] if self.card.may_overlap else ()), *self.notes, *fit)

    def model_input(self, index: int) -> np.ndarray:
        """What a 2-D network saw of one slice, without padding: uint8 (H, W), or (H, W, C) of several channels.

        Of a slice outside of the crop box it saw nothing: that is black.
        """
        part = _given_part(self.image, self.card, self.options)
        inside = index - (self.options.crop[0] if self.options.crop else 0)
        if 0 <= inside < len(part.slices):
            return _picture(part, self.card, inside, denoise=self.options.denoise)
        return np.zeros_like(_picture(part, self.card, 0))

    def at_threshold(self, threshold: float) -> "Segmentation":
        """The same with another threshold, decided from the probabilities that are kept: no network runs.

        Raises:
            OptionError: The threshold is not in (0, 1), or several classes compete.
        """
        options = replace(self.options, threshold=threshold)
        options.check(self.card)
        written = self.probabilities[self.card.written]
        labels = to_labels(written, threshold=threshold, regions=regions_of(self.card))
        box = places(options.crop)[3 - labels.ndim :]
        labels[box] = _cleaned(labels[box], options, classes=len(self.card.class_names))
        label_map = replace(self.label_map, labels=labels)
        return replace(self, label_map=label_map, options=options, threshold=threshold)


def segment(
    image: MedicalImage,
    checkpoint: Checkpoint,
    *,
    options: SegmentOptions | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
    turn: Turn = nullcontext,
) -> Segmentation:
    """Segment an image, or a volume: slice by slice in a 2-D network, in overlapping windows in a 3-D one.

    Args:
        image: From ``read_image``.
        checkpoint: From ``load_checkpoint``.
        options: The defaults are the card's threshold and nothing else.
        settings: Device, precision and batch size count.
        progress: Called with (done, total) as the network proceeds; what it raises ends the work.
        turn: Held while the network computes a batch.

    Raises:
        InputMismatchError: The checkpoint cannot take this image.
        OptionError: The device of the settings is absent, or a threshold was given for several classes.
    """
    return segment_batch([image], checkpoint, options=options, settings=settings, progress=progress, turn=turn)[0]


def segment_batch(
    images: Sequence[MedicalImage],
    checkpoint: Checkpoint,
    *,
    options: SegmentOptions | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
    turn: Turn = nullcontext,
) -> list[Segmentation]:
    """Segment several images; in a 2-D network those of one size go through it together.

    Arguments and errors are those of ``segment``; the results are in the order of the images, and differ from
    those of ``segment`` by no more than rounding.
    """
    options, settings = options or SegmentOptions(), settings or Settings()
    if options.explain:
        from medseg_demo.segmenting.explain import explain_each  # which comes back here, asking for no heat map

        return explain_each(images, checkpoint, options=options, settings=settings, progress=progress, turn=turn)
    for image in images:
        _check_input(image, checkpoint, options)
    compute = choose_compute(settings)
    run = _run_members if checkpoint.members else _run_elsewhere if _steps_elsewhere(checkpoint.card) else None
    work = [_Work(image, checkpoint, compute, options) for image in images]
    if run:
        return [run(item, settings, _part_of(progress, at, 1, len(work)), turn) for at, item in enumerate(work)]
    total = len(images) if checkpoint.card.is_3d else sum(item.slices for item in work)
    done, most = 0, 1 if checkpoint.card.is_3d else CHUNK
    for group in _grouped((chunk for item in work for chunk in item.chunks()), most=most):
        slices = sum(len(chunk.placed) for chunk in group)
        start, findings = time.perf_counter(), torch.zeros(slices, len(checkpoint.card.findings))
        scores = predict(
            checkpoint,
            group[0].placed if len(group) == 1 else torch.cat([chunk.placed for chunk in group]),
            compute,
            batch_size=settings.batch_size,
            flips=options.flips,
            progress=_part_of(progress, done, slices, total),
            turn=turn,
            findings=findings,
        )
        seconds, sizes = time.perf_counter() - start, [len(chunk.placed) for chunk in group]
        for chunk, part, found in zip(group, scores.split(sizes), findings.split(sizes), strict=True):
            chunk.work.accept(chunk, part, seconds * len(chunk.placed) / slices)
            chunk.work.findings = torch.maximum(chunk.work.findings, found.amax(0))
        done += slices
    return [item.finish() for item in work]


@dataclass(frozen=True, eq=False)
class _Chunk:
    """Up to CHUNK consecutive slices of one image, or one volume, ready for the network."""

    work: "_Work"
    start: int
    placed: torch.Tensor
    placement: Placement | SplinePlacement


class _Work:
    """One image on its way through the steps."""

    def __init__(self, image: MedicalImage, checkpoint: Checkpoint, compute: Compute, options: SegmentOptions) -> None:
        self.image, self.checkpoint, self.compute, self.options = image, checkpoint, compute, options
        self.part = _given_part(image, checkpoint.card, options)
        self.threshold = _threshold(checkpoint.card, options)
        self.frame = frame_of(self.part, checkpoint.card)
        self.seconds: dict[str, float] = {}
        self.findings = torch.zeros(len(checkpoint.card.findings))
        shape = image.slices.shape[:3]
        self.labels = np.zeros(shape, np.uint8)
        self.probabilities = np.zeros((len(checkpoint.card.class_names), *shape), np.float16)
        self.box = places(options.crop)
        # What the network gets, as it gets it: views, through which results are written.
        self.seen = self.frame.of(self.labels[self.box]), self.frame.of(self.probabilities[:, *self.box])

    @property
    def slices(self) -> int:
        """Of what a 2-D network gets."""
        return len(self.seen[0])

    def chunks(self) -> Iterator[_Chunk]:
        card = self.checkpoint.card
        with self.step("preprocess"):
            tensor = to_tensor(self.part, card, denoise=self.options.denoise, frame=self.frame)
            spacing_mm = spacing_in(self.part, self.frame)
        size = len(tensor) if card.nnunet else CHUNK  # nnU-Net resamples the whole, whatever its network takes
        for start in range(0, len(tensor), size):
            with self.step("preprocess"):
                placed, placement = place_slices(tensor, card, start, size, spacing_mm=spacing_mm)
            yield _Chunk(self, start, placed, placement)

    def accept(self, chunk: _Chunk, scores: torch.Tensor, seconds: float) -> None:
        self.seconds["network"] = self.seconds.get("network", 0.0) + seconds
        card, (labels, probabilities) = self.checkpoint.card, self.seen
        with self.step("postprocess"):
            restored = chunk.placement.restore_classes(scores)
            # Bit by bit, since deciding takes eight bytes a pixel.
            for start in range(0, restored.shape[1], CHUNK):
                planes = restored[:, start : start + CHUNK]
                if card.nnunet:
                    planes = activated(torch.from_numpy(planes).float(), card, dim=0).numpy()
                part = slice(chunk.start + start, chunk.start + start + planes.shape[1])
                classes = planes[1:] if card.has_background else planes
                kept = kept_as(classes, exact=card.nnunet is not None)
                probabilities[card.written, part] = kept.numpy()
                # What a threshold decides is decided by what is kept, so that deciding again gives the same.
                decided = kept.float().numpy() if card.takes_threshold else planes
                labels[part] = to_labels(decided, threshold=self.threshold, regions=regions_of(card))

    def take(self, labels: np.ndarray, probabilities: np.ndarray) -> Segmentation:
        """What other steps found in the crop box, finished."""
        self.labels[self.box] = labels
        part = self.probabilities[:, *self.box]
        part[...] = probabilities.reshape(part.shape)
        return self.finish()

    def finish(self) -> Segmentation:
        image, card, options = self.image, self.checkpoint.card, self.options
        labels = self.labels if image.is_volume else self.labels[0]
        box = self.box if image.is_volume else self.box[1:]
        with self.step("postprocess"):
            labels[box] = _cleaned(labels[box], options, classes=len(card.class_names))
        label_map = LabelMap(labels, card.class_names, image.geometry, colours=card.class_colours)
        probabilities = self.probabilities if image.is_volume else self.probabilities[:, 0]
        return Segmentation(
            image=image,
            label_map=label_map,
            probabilities=probabilities,
            checkpoint=self.checkpoint.name,
            digest=self.checkpoint.digest,
            card=card,
            options=options,
            threshold=self.threshold,
            seconds=self.seconds,
            compute=prepare((self.checkpoint.members or (self.checkpoint,))[0], self.compute).name,
            has_card=self.checkpoint.has_card,
            notes=tuple(filter(None, [assignment(image, card, options.channels)])),
            findings=dict(zip((one.name for one in card.findings), self.findings.tolist(), strict=True)),
        )

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count the time of what is done within."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def _steps_elsewhere(card: ModelCard) -> ModuleType | None:
    """The module of another library's steps, which take an image to its labels; None where they are these here."""
    if isinstance(card.recipe, BundleSteps):
        return bundle
    return transformers if isinstance(card.recipe, TransformersSteps) else None


def _run_elsewhere(work: _Work, settings: Settings, progress: Progress | None, turn: Turn) -> Segmentation:
    """By the steps of another library, from the image to the labels."""
    options, steps = work.options, _steps_elsewhere(work.checkpoint.card)
    assert steps is not None
    with work.step("network"):
        found = steps.run(
            work.part,
            work.checkpoint,
            work.compute,
            flips=options.flips,
            denoise=options.denoise,
            batch_size=settings.batch_size,
            progress=progress,
            turn=turn,
        )
    result = work.take(found.labels, found.probabilities)
    return result if options.threshold is None else result.at_threshold(options.threshold)


def _run_members(work: _Work, settings: Settings, progress: Progress | None, turn: Turn) -> Segmentation:
    """By each member of an ensemble, whose probabilities are averaged before the labels are decided and cleaned."""
    card, members, given, options = work.checkpoint.card, work.checkpoint.members, work.part, work.options
    if given.channels == len(card.channel_names):
        given = replace(given, channel_names=card.channel_names)  # by which each member finds what it knows
    own = SegmentOptions(flips=options.flips, denoise=options.denoise)
    parts = (_part_of(progress, at, 1, len(members)) for at in range(len(members)))
    with work.step("network"):
        each = (segment(given, one, options=own, settings=settings, progress=part, turn=turn)
                for one, part in zip(members, parts, strict=True))  # fmt: skip
        together = average(each, card, threshold=work.threshold)
    agreement = np.ones(work.image.shape, np.float16)
    agreement[work.box if work.image.is_volume else work.box[1:]] = together.agreement
    return replace(work.take(together.labels, together.probabilities), agreement=agreement)


def _grouped(chunks: Iterable[_Chunk], *, most: int) -> Iterator[list[_Chunk]]:
    """Consecutive chunks of one size in the network, at most ``most`` slices or volumes together."""
    group: list[_Chunk] = []
    for chunk in chunks:
        together = sum(len(other.placed) for other in group) + len(chunk.placed)
        if group and (together > most or chunk.placed.shape[1:] != group[0].placed.shape[1:]):
            yield group
            group = []
        group.append(chunk)
    if group:
        yield group


def _picture(part: MedicalImage, card: ModelCard, index: int, *, denoise: Denoise | None = None) -> np.ndarray:
    steps = _steps_elsewhere(card)
    return (steps.seen if steps else to_picture)(part, card, index, denoise=denoise)


def _cleaned(labels: np.ndarray, options: SegmentOptions, *, classes: int) -> np.ndarray:
    return clean(labels, classes=classes, smallest_component=options.smallest_component, fill_holes=options.fill_holes)


def _check_input(image: MedicalImage, checkpoint: Checkpoint, options: SegmentOptions) -> None:
    if checkpoint.card.prompts:
        raise InputMismatchError(
            f"Checkpoint {checkpoint.name!r} waits to be told by clicks which object is meant, and segments nothing on "
            "its own. Use it with the tool Click of the viewer, or choose another checkpoint."
        )
    if checkpoint.card.is_3d and not image.is_volume:
        raise InputMismatchError(
            f"Image {image.name!r} is a single 2-D image, but checkpoint {checkpoint.name!r} is of a 3-D network. "
            "Choose a 2-D checkpoint, or give the whole volume or series."
        )
    if order_of(image, checkpoint.card, options.channels) is None:
        check_channels(image, checkpoint.card)
    if options.crop is not None:
        check_inside(options.crop, image)


def _given_part(image: MedicalImage, card: ModelCard, options: SegmentOptions) -> MedicalImage:
    """What of an image the network gets: the crop box, and the channels in its order."""
    return arranged(cropped(image, options.crop), card, options.channels)


def _part_of(progress: Progress | None, before: int, slices: int, total: int) -> Progress | None:
    """Progress of one group, told in thousandths of the whole."""
    if progress is None:
        return None
    return lambda done, of: progress(round(1000 * (before + slices * done / of) / total), 1000)


def _threshold(card: ModelCard, options: SegmentOptions) -> float | None:
    options.check(card)
    return options.threshold or card.threshold or EVEN if card.takes_threshold else None
