"""A comparison on the page: the viewer's value, the tables, and what a finished run calls for."""

import math
from collections.abc import Sequence

from evaluation.comparison.members import Comparison, Cost, Score
from evaluation.comparison.several import Figures, Mean, summarise
from evaluation.ui.compare import texts
from evaluation.ui.compare.state import Result
from medseg_demo import rendering
from medseg_demo.numbers import millions, seconds
from medseg_demo.numbers import number as count
from medseg_demo.numbers import score as number
from medseg_demo.rendering import NamedPrediction, Plane
from medseg_demo.ui import markup
from medseg_demo.ui.correct.corrections import Corrected


def viewer_value(
    comparison: Comparison,
    *,
    plane: Plane = "axial",
    slices: list[int] | None = None,
    channels: Sequence[int] = (0,),
    key: str | None = None,
    corrected: Corrected | None = None,
) -> dict[str, object]:
    """The comparison as the viewer's value; with a key, only the slices that are asked for.

    What is corrected by hand is shown as it is now, without the probabilities that it came from.
    """
    reference = comparison.reference
    editing = None if corrected is None else corrected.shown()
    predictions = [
        NamedPrediction(
            one.name, one.label_map, one.probabilities, one.threshold, counted=one is not comparison.consensus
        )
        for one in comparison.shown
    ]
    if corrected is not None:
        now = corrected.correction.label_map
        predictions[corrected.prediction] = NamedPrediction(predictions[corrected.prediction].name, now)
    return rendering.viewer_value(
        comparison.image,
        predictions,
        editing=editing,
        reference=None if reference is None else reference.label_map,
        regions=[] if key else _regions(comparison),
        layout="side",
        plane=plane,
        slice_indices=slices,
        channels=channels,
        key=key,
    )


def _regions(comparison: Comparison) -> list[dict[str, object]]:
    if len(comparison.members) < 2:
        return []
    return [
        {"class_name": one.class_name, "size": texts.region(one), "box": list(one.box), "at": list(one.at)}
        for one in comparison.disagreement.regions
    ]


def where(comparison: Comparison) -> str:
    """How much they differ, in how many regions."""
    if len(comparison.members) < 2:
        return ""
    found = comparison.disagreement.regions
    lines = texts.disagreement(Figures.of(comparison), found[0] if found else None, len(found))
    return markup.card(texts.DISAGREEMENT, *map(markup.small, lines))


def tables(comparison: Comparison) -> str:
    """The label maps of one image one by one, and each two of them."""
    warnings = [f"{member.name}: {line}" for member in comparison.members for line in member.warnings]
    notes = [f"{member.name}: {line}" for member in comparison.members for line in member.notes]
    reference, figures = comparison.reference, Figures.of(comparison)
    scores_note = texts.scores_note(reference.name) if reference else texts.NO_SCORES_NOTE
    columns = [*texts.MEMBER_COLUMNS, *(texts.SCORE_COLUMNS if reference else ()), *texts.COST_COLUMNS]
    members = markup.card(
        texts.MEMBERS,
        markup.table(texts.MEMBERS, columns, _member_rows(figures, is_scored=reference is not None)),
        markup.small(scores_note),
        markup.bullets(notes),
        markup.bullets(warnings, kind="warning"),
        note=comparison.image.name,
    )
    return members + (_pairs(comparison) if len(comparison.shown) > 1 else "")


def over_images(figures: Sequence[Figures]) -> str:
    """Means over several images, and a row for each; nothing for a single one."""
    if len(figures) < 2:
        return ""
    title = texts.MEANS.format(count=len(figures))
    is_scored = any(one.scores for one in figures)
    rows = [_mean_row(mean, is_scored=is_scored) for mean in summarise(figures)]
    extra = (texts.MEAN_DICE, texts.MEAN_AGREEMENT) if is_scored else (texts.MEAN_AGREEMENT,)
    columns = [*texts.MEAN_COLUMNS, *extra, *texts.COST_COLUMNS]
    return markup.card(title, markup.table(title, columns, rows)) + _each(figures)


def verdict(result: Result, total: int) -> str:
    """What a finished run calls for: that it was stopped early, and which images failed."""
    parts = []
    if result.partial:
        several = len(result.studies) > 1
        done = len(result.outcomes) if several else len(result.comparison.members) if result.comparison else 0
        words = texts.STOPPED_IMAGES if several else texts.STOPPED
        line = words.format(done=done, total=len(result.studies) if several else total)
        parts.append(markup.panel("warning", texts.STOPPED_TITLE, [line]))
    failed = [f"{one.name}: {one.error}" for one in result.outcomes if one.error]
    if failed:
        title = texts.FAILED_TITLE.format(failed=len(failed), total=len(result.studies))
        parts.append(markup.panel("error", title, failed))
    return "".join(parts)


def _consensus_note(comparison: Comparison) -> str:
    """How the consensus was made; empty without one."""
    if comparison.method is None:
        return ""
    if comparison.method == "staple":
        return texts.STAPLE_NOTE
    tied = f"{count(comparison.tied)} {'voxels' if comparison.image.is_volume else 'px'}"
    return texts.MAJORITY_NOTE.format(tied=tied)


def _member_rows(figures: Figures, *, is_scored: bool) -> list[list[str]]:
    scores = {(score.name, score.class_name): score for score in figures.scores}
    rows = []
    for size in figures.sizes:
        score = scores.get((size.name, size.class_name))
        row = [size.name, size.class_name, texts.size(size.size, size.unit)]
        if is_scored:
            row += [number(score.dice), _distance(score)] if score else ["–", "–"]
        rows.append([*row, *_costs(figures.costs.get(size.name))])
    return rows


def _distance(score: Score) -> str:
    return number(score.hd95) + ("" if math.isnan(score.hd95) else f" {score.distance_unit}")


def _mean_row(mean: Mean, *, is_scored: bool) -> list[str]:
    size = "–" if math.isnan(mean.size) else texts.size(mean.size, mean.unit)
    dice = [_over(mean.dice, mean.scored)] if is_scored else []
    return [mean.name, mean.class_name, size, *dice, _over(mean.agreement, mean.agreed), *_costs(mean.cost)]


def _over(value: float, images: int) -> str:
    """A mean, and over how many images."""
    return f"{number(value)} (n = {images})" if images else "–"


def _each(figures: Sequence[Figures]) -> str:
    """A row an image and class: how each label map does on it."""
    is_scored = any(one.scores for one in figures)
    members = list(dict.fromkeys(name for one in figures for name in _judged(one, is_scored=is_scored)))
    rows = []
    for one in figures:
        judged = _judged(one, is_scored=is_scored)
        for class_name in dict.fromkeys(size.class_name for size in one.sizes):
            values = [judged[name].get(class_name) if name in judged else None for name in members]
            cells = ["–" if value is None else number(value) for value in values]
            rows.append([one.image, class_name, texts.share(one), *cells])
    table = markup.table(texts.EACH, [*texts.EACH_COLUMNS, *members], rows)
    return markup.card(texts.EACH, table, markup.small(texts.EACH_DICE if is_scored else texts.EACH_AGREEMENT))


def _judged(figures: Figures, *, is_scored: bool) -> dict[str, dict[str, float]]:
    """Of each label map its Dice, or its agreement, by class."""
    classes = dict.fromkeys(size.class_name for size in figures.sizes)
    values = {name: (figures.dice(name) if is_scored else figures.agreement(name)) for name in classes}
    return {
        name: {class_name: of_class[name] for class_name, of_class in values.items() if name in of_class}
        for name in figures.kinds
        if any(name in of_class for of_class in values.values())
    }


def _costs(cost: Cost | None) -> list[str]:
    if cost is None:
        return ["–"] * len(texts.COST_COLUMNS)
    return [
        texts.timed(cost.seconds, cost.passes),
        "–" if cost.load_seconds is None else seconds(cost.load_seconds),
        millions(cost.parameters),
        "–" if cost.memory_mb is None else f"{cost.memory_mb:.1f} MB",
    ]


def _pairs(comparison: Comparison) -> str:
    rows = [
        [
            f"{pair.first} – {pair.second}",
            pair.class_name,
            number(pair.dice),
            texts.difference(pair.size_difference, pair.unit),
        ]
        for pair in comparison.pairs
    ]
    lines = [texts.PAIRS_NOTE, *filter(None, [_consensus_note(comparison)])]
    return markup.card(texts.PAIRS, markup.table(texts.PAIRS, texts.PAIR_COLUMNS, rows), *map(markup.small, lines))
