"""A comparison on the page: the viewer's value, the tables, and what a finished run calls for."""

import math
from collections.abc import Sequence

from evaluation.comparison.members import Comparison, Member, Score
from evaluation.results.words import number
from evaluation.ui.compare import texts
from medseg_demo import rendering
from medseg_demo.rendering import NamedPrediction, Plane
from medseg_demo.ui import markup
from medseg_demo.ui.texts import number as count
from medseg_demo.ui.texts import seconds


def viewer_value(
    comparison: Comparison,
    *,
    plane: Plane = "axial",
    slices: list[int] | None = None,
    channels: Sequence[int] = (0,),
    key: str | None = None,
) -> dict[str, object]:
    """The comparison as the viewer's value; with a key, only the slices that are asked for."""
    reference = comparison.reference
    return rendering.viewer_value(
        comparison.image,
        [
            NamedPrediction(
                one.name, one.label_map, one.probabilities, one.threshold, counted=one is not comparison.consensus
            )
            for one in comparison.shown
        ],
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
    lines = texts.disagreement(comparison.disagreement, is_volume=comparison.image.is_volume)
    return markup.card(texts.DISAGREEMENT, *map(markup.small, lines))


def tables(comparison: Comparison) -> str:
    """The label maps one by one, and each two of them."""
    warnings = [f"{member.name}: {line}" for member in comparison.members for line in member.warnings]
    reference = comparison.reference
    scores_note = texts.SCORES_NOTE.format(name=reference.name) if reference else texts.NO_SCORES_NOTE
    columns = [*texts.MEMBER_COLUMNS, *(texts.SCORE_COLUMNS if reference else ()), *texts.COST_COLUMNS]
    members = markup.card(
        texts.MEMBERS,
        markup.table(texts.MEMBERS, columns, _member_rows(comparison)),
        markup.small(scores_note),
        markup.small(texts.MEMORY_NOTE),
        markup.bullets(warnings, kind="warning"),
        note=comparison.image.name,
    )
    return members + (_pairs(comparison) if len(comparison.shown) > 1 else "")


def verdict(comparison: Comparison, total: int) -> str:
    """What a finished run calls for: that it was stopped early, and how the consensus was made."""
    parts = []
    if comparison.partial:
        words = texts.STOPPED.format(done=len(comparison.members), total=total)
        parts.append(markup.panel("warning", texts.STOPPED_TITLE, [words]))
    return "".join(parts)


def consensus_note(comparison: Comparison) -> str:
    """How the consensus was made; empty without one."""
    if comparison.method is None:
        return ""
    if comparison.method == "staple":
        return texts.STAPLE_NOTE
    tied = f"{count(comparison.tied)} {'voxels' if comparison.image.is_volume else 'px'}"
    return texts.MAJORITY_NOTE.format(tied=tied)


def _member_rows(comparison: Comparison) -> list[list[str]]:
    scores = {(score.name, score.class_name): score for score in comparison.scores}
    members = {member.name: member for member in comparison.shown}
    rows = []
    for size in comparison.sizes:
        member, score = members[size.name], scores.get((size.name, size.class_name))
        row = [member.name, size.class_name, texts.size(size.size, size.unit)]
        if comparison.reference is not None:
            row += [number(score.dice), _distance(score)] if score else ["–", "–"]
        rows.append([*row, *_costs(member)])
    return rows


def _distance(score: Score) -> str:
    return number(score.hd95) + ("" if math.isnan(score.hd95) else f" {score.distance_unit}")


def _costs(member: Member) -> list[str]:
    cost = member.cost
    return [
        "–" if cost is None or cost.seconds is None else seconds(cost.seconds),
        "–" if cost is None else _millions(cost.parameters),
        "–" if cost is None or cost.memory_mb is None else f"{cost.memory_mb:.1f} MB",
    ]


def _millions(parameters: int) -> str:
    return f"{parameters / 1e6:.2f} M" if parameters >= 10_000 else count(parameters)


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
    lines = [texts.PAIRS_NOTE, *filter(None, [consensus_note(comparison)])]
    return markup.card(texts.PAIRS, markup.table(texts.PAIRS, texts.PAIR_COLUMNS, rows), *map(markup.small, lines))
