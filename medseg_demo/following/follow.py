"""Visits → what changed: segment each, measure it again and again, lay it on the first one, match the lesions.

Networks run through the engine, as everywhere; this is the order of the steps of a follow-up.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medseg_demo.errors import OptionError
from medseg_demo.following.change import Measured, Series, make_series, size_of
from medseg_demo.following.lesions import Lesion, match_lesions
from medseg_demo.following.registration import Registration, as_it_lies, register
from medseg_demo.following.repeats import MOST_REPEATS, REPEATS, counting_variance, repeat
from medseg_demo.following.visits import Dated
from medseg_demo.image import LabelMap
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.segmenting.pipeline import Segmentation
from medseg_demo.segmenting.turns import Job

Tell = Callable[[str, float], None]


@dataclass(frozen=True)
class FollowOptions:
    """What may be chosen for a follow-up.

    Attributes:
        repeats: How often each visit is measured again, 0 to ``MOST_REPEATS``; 0 gives no uncertainty.
        deviation: The relative within-subject deviation of sizes, as somebody has measured it (.05 is 5 %); None takes
            that of the repeats.
        registered: Whether later visits are laid on the first one; False where all have its grid already.
    """

    repeats: int = REPEATS
    deviation: float | None = None
    registered: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.repeats, bool) or not 0 <= self.repeats <= MOST_REPEATS:
            raise OptionError(f"{self.repeats} repeats were asked for. Choose 0 to {MOST_REPEATS}.")
        if self.deviation is not None and not 0 < self.deviation < 1:
            raise OptionError(
                f"The deviation of repeated measurements is {100 * self.deviation:.4g} %. Give one between 0 and 100 %."
            )


@dataclass(frozen=True, eq=False)
class Visit:
    """One visit, segmented.

    Attributes:
        dated: What was read, and when it was.
        label_map: In its own grid.
        measured: Its measurements and repeats.
        laid: How it lies on the first visit; None of the first.
        warnings: What a person should know before trusting it.
    """

    dated: Dated
    label_map: LabelMap
    measured: Measured
    laid: Registration | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class FollowUp:
    """What became of one patient's visits.

    Attributes:
        checkpoint: Its name.
        digest: Its hash.
        visits: In order of date.
        series: Each measure of each class over the visits.
        lesions: Of all classes, by class, number and visit.
        uncounted: Classes with too many lesions to match.
        options: What was chosen.
        segmented_with: What was chosen for each segmentation.
    """

    checkpoint: str
    digest: str
    visits: tuple[Visit, ...]
    series: tuple[Series, ...]
    lesions: tuple[Lesion, ...]
    uncounted: tuple[str, ...]
    options: FollowOptions
    segmented_with: SegmentOptions


def follow(
    dated: Sequence[Dated],
    checkpoint: str | Checkpoint,
    engine: Engine,
    *,
    options: FollowOptions | None = None,
    segment_options: SegmentOptions | None = None,
    job: Job | None = None,
    tell: Tell | None = None,
) -> FollowUp:
    """Follow one patient through visits.

    Args:
        dated: From ``in_order``.
        checkpoint: Name of a checkpoint folder, or one that was loaded.
        engine: Runs it.
        options: Of the follow-up.
        segment_options: Of each segmentation; without a crop box and a heat map.
        job: What it is a part of.
        tell: Called with the name of a visit and the share that is done; what it raises ends the work.

    Raises:
        MedsegError: An image, the checkpoint or an option cannot be used.
        Cancelled: The job was cancelled.
    """
    options, chosen = options or FollowOptions(), segment_options or SegmentOptions()
    if chosen.crop is not None or chosen.explain:
        raise OptionError("A follow-up takes whole images and makes no heat maps. Leave crop and explain out.")
    if not options.registered and len({one.image.shape for one in dated}) > 1:
        raise OptionError(
            "Without registration all visits must have the grid of the first one, and theirs have other shapes. Have "
            "them registered."
        )
    results, visits = [], []
    for place, one in enumerate(dated):
        say = _steps(tell, one.name, place / len(dated), 1 / len(dated))
        say(0.0)
        result = engine.segment(one.image, checkpoint, options=chosen, job=job)
        results.append(result)
        visits.append(_visit(one, result, dated[0], checkpoint, engine, options, job, say))
    first = visits[0]
    series = make_series(
        [visit.measured for visit in visits],
        [one.day for one in dated],
        first.label_map.geometry.spacing_mm,
        options.deviation,
    )
    lesions, uncounted = _lesions(visits)
    name, digest = results[0].checkpoint, results[0].digest
    return FollowUp(name, digest, tuple(visits), series, lesions, uncounted, options, chosen)


def _steps(tell: Tell | None, name: str, start: float, length: float) -> Callable[[float], None]:
    def say(share: float) -> None:
        if tell is not None:
            tell(name, start + share * length)

    return say


def _visit(
    one: Dated,
    result: Segmentation,
    first: Dated,
    checkpoint: str | Checkpoint,
    engine: Engine,
    options: FollowOptions,
    job: Job | None,
    say: Callable[[float], None],
) -> Visit:
    """What there is to know of one visit alone, and how it lies on the first."""
    steps = 2 + options.repeats
    repeats = []
    for number in range(options.repeats):
        say((1 + number) / steps)
        repeats.append(repeat(result, checkpoint, engine, number=number, job=job))
    say((steps - 1) / steps)
    counting = tuple(counting_variance(result.label_map.mask(row.label)) for row in result.measurements)
    measured = Measured(result.measurements, tuple(repeats), counting)
    laid = None
    if one is not first:
        laid = register(one.image, first.image) if options.registered else as_it_lies(first.image)
        if job is not None:
            job.check()
    notes = (laid.note,) if laid is not None and laid.note else ()
    warnings = (*one.image.notes, *result.doubts, *result.warnings, *notes)
    return Visit(one, result.label_map, measured, laid, warnings)


def _lesions(visits: Sequence[Visit]) -> tuple[tuple[Lesion, ...], tuple[str, ...]]:
    """The lesions of every class, and the classes that have too many."""
    found: list[Lesion] = []
    uncounted = []
    for row in visits[0].measured.classes:
        own = [visit.measured.classes[row.label - 1] for visit in visits]
        units = [size_of(each)[0] / each.pixels if each.pixels else 0.0 for each in own]
        laid = [visit.laid for visit in visits]
        lesions = match_lesions([visit.label_map for visit in visits], laid, units, row.label)
        found += lesions
        if not lesions and any(each.pixels for each in own):
            uncounted.append(row.class_name)
    return tuple(found), tuple(uncounted)
