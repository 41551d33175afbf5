"""A result as HTML: the table of measurements, time and device, warnings, and what went wrong in which file."""

from collections.abc import Sequence

from medseg_demo import names
from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.reading.studies import Study
from medseg_demo.segmenting.measure import ClassMeasurement, Intensities, measure
from medseg_demo.segmenting.pipeline import Segmentation
from medseg_demo.ui import markup, texts
from medseg_demo.ui.segment.state import Outcome, Run
from medseg_demo.ui.upload_card import size
from medseg_demo.writing.burned_in import burned_in_warnings

INSIDE_COLUMNS = ("Mean intensity", "Deviation", "Median", "Least", "Greatest")
CLASS_COLUMNS = ("Class", "Size", "Share", "Components", "Mean confidence", "Largest diameter")


def heading(segmentation: Segmentation) -> str:
    """Which image, which checkpoint, how long and on what."""
    steps = " · ".join(texts.STEPS[step].format(time=texts.seconds(s)) for step, s in segmentation.seconds.items())
    threshold = [] if segmentation.threshold is None else [(texts.THRESHOLD, texts.number(segmentation.threshold))]
    return markup.card(
        segmentation.image.name,
        markup.facts(
            [
                (texts.CHECKPOINT, segmentation.checkpoint),
                *threshold,
                *_findings(segmentation),
                ("Size", size(segmentation.image)),
                ("Time", texts.seconds(sum(segmentation.seconds.values()))),
                ("Device", segmentation.compute),
            ]
        ),
        markup.small(steps),
        markup.bullets((*segmentation.warnings, *_before_sharing(segmentation)), kind="warning"),
    )


def _findings(segmentation: Segmentation) -> list[tuple[str, str]]:
    """What the image as a whole shows, by name."""
    return [
        (finding.name, texts.finding(segmentation.findings[finding.name], finding.threshold))
        for finding in segmentation.card.findings
        if finding.name in segmentation.findings
    ]


def _before_sharing(segmentation: Segmentation) -> tuple[str, ...]:
    """What new names do not take away; the header's own words stand among the warnings already."""
    image = segmentation.image
    return () if image.pseudonym is None or image.has_burned_in_text else burned_in_warnings(image)


def measurements(outcomes: Sequence[Outcome]) -> str:
    """The tables of one image's classes, or of several images' with the image's name first."""
    done = [outcome for outcome in outcomes if outcome.error is None]
    if not done:
        return ""
    several = len(outcomes) > 1
    title = texts.measurements_of(len(done)) if several else texts.MEASUREMENTS
    return _tables(title, [([outcome.name] * several, row) for outcome in done for row in outcome.measurements])


def laid_over(label_map: LabelMap, name: str, image: MedicalImage) -> str:
    """The tables of a label map that no network made."""
    title = texts.LAID_OVER.format(name=name)
    return _tables(title, [([], row) for row in measure(label_map, None, image)], notes=label_map.notes)


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
    doubted = {outcome.name: outcome.doubts[0] for outcome in run.succeeded if outcome.doubts}
    if doubted and len(run.studies) == 1:
        parts.append(markup.panel("warning", texts.DOUBT_TITLE, [*doubted.values()]))
    elif doubted:
        title = texts.DOUBTED_TITLE.format(doubted=len(doubted), total=len(run.succeeded))
        parts.append(markup.panel("warning", title, [f"{name}: {doubt}" for name, doubt in doubted.items()]))
    if run.shown is not None and is_empty(run.shown):
        title = texts.CLICK_TITLE if run.shown.card.prompts else texts.NOTHING_TITLE
        parts.append(markup.panel("info", title, [_why_empty(run.shown)]))
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
    if not len(segmentation.probabilities):  # what was made by hand has none
        return segmentation.notes[0]
    highest = [
        (name, float(probability.max()))
        for name, probability in zip(segmentation.label_map.class_names, segmentation.probabilities, strict=True)
    ]
    unit = "voxel" if segmentation.label_map.is_volume else "pixel"
    return texts.nothing_found(segmentation.threshold, highest, unit=unit)


def _tables(title: str, rows: Sequence[tuple[list[str], ClassMeasurement]], *, notes: Sequence[str] = ()) -> str:
    """What each class measures, and the intensities inside it; before each row the image's name, or nothing."""
    lead = ["Image"] if any(image for image, _ in rows) else []
    inside = [([*image, row.class_name], one) for image, row in rows for one in row.intensities]
    units = {one.unit for _, one in inside}
    unit = f" ({inside[0][1].unit})" if len(units) == 1 and None not in units else ""
    channel = ["Channel"] if any(one.channel for _, one in inside) else []
    return markup.card(
        title,
        markup.table(title, [*lead, *CLASS_COLUMNS], [[*image, *_cells(row)] for image, row in rows]),
        markup.table(
            texts.INSIDE + unit,
            [*lead, "Class", *channel, *(f"{column}{unit}" for column in INSIDE_COLUMNS)],
            [[*called, *_inside(one, has_channel=bool(channel))] for called, one in inside],
        )
        if inside
        else "",
        markup.bullets(notes),
    )


def _inside(one: Intensities, *, has_channel: bool) -> list[str]:
    figures = [texts.number(value, 4) for value in (one.mean, one.sd, one.median, one.minimum, one.maximum)]
    return [*([one.channel or "–"] if has_channel else []), *figures]


def _cells(row: ClassMeasurement) -> list[str]:
    confidence = "–" if row.mean_confidence is None else f"{row.mean_confidence:.2f}"
    diameter = "–" if row.largest_diameter is None else f"{texts.number(row.largest_diameter)} {row.diameter_unit}"
    return [row.class_name, _extent(row), texts.percent(row.share), str(row.components), confidence, diameter]


def _extent(row: ClassMeasurement) -> str:
    if row.volume_ml is not None:
        return f"{texts.number(row.volume_ml)} ml"
    if row.area_mm2 is not None:
        return f"{texts.number(row.area_mm2)} mm²"
    return f"{texts.number(row.pixels)} px"
