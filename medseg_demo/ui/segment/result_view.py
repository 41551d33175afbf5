"""A result as HTML: the table of measurements, time and device, warnings, and what went wrong in which file."""

from collections.abc import Sequence

from medseg_demo import names
from medseg_demo.reading.studies import Study
from medseg_demo.segmenting.measure import ClassMeasurement
from medseg_demo.segmenting.pipeline import Segmentation
from medseg_demo.ui import markup, texts
from medseg_demo.ui.segment.state import Outcome, Run
from medseg_demo.ui.upload_card import size

CLASS_COLUMNS = ("Class", "Size", "Share", "Components", "Mean confidence", "Largest diameter")


def heading(segmentation: Segmentation) -> str:
    """Which image, which checkpoint, how long and on what."""
    steps = " · ".join(f"{step} {texts.seconds(value)}" for step, value in segmentation.seconds.items())
    threshold = [] if segmentation.threshold is None else [(texts.THRESHOLD, f"{segmentation.threshold:.2f}")]
    return markup.card(
        segmentation.image.name,
        markup.facts(
            [
                (texts.CHECKPOINT, segmentation.checkpoint),
                *threshold,
                ("Size", size(segmentation.image)),
                ("Time", texts.seconds(sum(segmentation.seconds.values()))),
                ("Device", segmentation.compute),
            ]
        ),
        markup.small(steps),
        markup.bullets(segmentation.warnings, kind="warning"),
    )


def measurements(outcomes: Sequence[Outcome]) -> str:
    """The table of one image's classes, or of several images' with the image's name first."""
    done = [outcome for outcome in outcomes if outcome.error is None]
    if len(outcomes) == 1 and done:
        rows = [_cells(row) for row in done[0].measurements]
        return markup.card(texts.MEASUREMENTS, markup.table(texts.MEASUREMENTS, CLASS_COLUMNS, rows))
    rows = [[outcome.name, *_cells(row)] for outcome in done for row in outcome.measurements]
    title = texts.measurements_of(len(done))
    return markup.card(title, markup.table(title, ("Image", *CLASS_COLUMNS), rows)) if rows else ""


def verdict(run: Run) -> str:
    """The panels that a finished run calls for: stopped, failures, nothing found; none of them for a plain success."""
    parts, total = [], len(run.studies)
    if run.partial:
        parts.append(
            markup.panel("warning", texts.STOPPED_TITLE, [texts.STOPPED.format(done=len(run.outcomes), total=total)])
        )
    failures = [_named(outcome, run.studies) for outcome in run.outcomes if outcome.error is not None]
    if failures:
        title = texts.FAILED_TITLE.format(failed=len(failures), total=total)
        parts.append(markup.panel("error", title, failures))
    if run.shown is not None and is_empty(run.shown):
        parts.append(markup.panel("info", texts.NOTHING_TITLE, [_why_empty(run.shown)]))
    return "".join(parts)


def is_empty(segmentation: Segmentation) -> bool:
    """Whether no pixel belongs to any class."""
    return not any(row.pixels for row in segmentation.measurements)


def _named(outcome: Outcome, studies: Sequence[Study]) -> str:
    """What went wrong, and in which file; of those that are called alike by the name that its results would have."""
    own, error = names.shown(outcome.source.item.name), outcome.error or ""
    if [study.name for study in studies].count(outcome.source.name) > 1:
        return f"{outcome.name}: {error.removeprefix(f'{own}: ')}"
    return error if own in error else f"{outcome.source.name}: {error}"


def _why_empty(segmentation: Segmentation) -> str:
    highest = [
        (name, float(probability.max()))
        for name, probability in zip(segmentation.label_map.class_names, segmentation.probabilities, strict=True)
    ]
    unit = "voxel" if segmentation.label_map.is_volume else "pixel"
    return texts.nothing_found(segmentation.threshold, highest, unit=unit)


def _cells(row: ClassMeasurement) -> list[str]:
    confidence = "–" if row.mean_confidence is None else f"{row.mean_confidence:.2f}"
    diameter = "–" if row.largest_diameter is None else f"{texts.number(row.largest_diameter)} {row.diameter_unit}"
    return [row.class_name, _extent(row), f"{row.share:.1%}", str(row.components), confidence, diameter]


def _extent(row: ClassMeasurement) -> str:
    if row.volume_ml is not None:
        return f"{texts.number(row.volume_ml)} ml"
    if row.area_mm2 is not None:
        return f"{texts.number(row.area_mm2)} mm²"
    return f"{texts.number(row.pixels)} px"
