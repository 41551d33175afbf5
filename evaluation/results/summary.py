"""What ``python -m evaluation summary`` says: one document for programs, the same as tables for people."""

import math
from collections.abc import Sequence

from evaluation.results import tables
from evaluation.results.answers import Answer, Standing
from evaluation.results.changes import changes_table
from evaluation.results.findings import findings_in
from evaluation.results.stress import Curve, is_stressed, stress_curves, stress_table
from evaluation.results.words import comparison_sentence, gap_sentence, metric_title
from evaluation.statistics import GroupGap, PairComparison, Summary, summarise
from medseg_demo.errors import OptionError

Value = str | int | float | None
TOGETHER = (
    "These results are of images as they are and made worse: the leaderboard and the comparisons are of all together, "
    "the table of stress tells them apart."
)


def document(
    found: Answer, metrics: Sequence[str], *, gaps: Sequence[GroupGap] = (), notes: Sequence[str] = ()
) -> dict:
    """An answer as the contract of ``summary --json`` has it: plain values, None for what is not applicable.

    Args:
        found: The answer.
        metrics: Which metrics each class is summarised by.
        gaps: Between groups of cases.
        notes: What is to be known about the methods.
    """
    unit = tables.unit_of(found, found.question.metric)
    return {
        "metric": found.question.metric,
        "test_set": found.question.test_set,
        "convention": tables.convention(found.question),
        "leaderboard": [_line(standing, found) for standing in found.standings],
        "classes": _classes(found, metrics),
        "pairs": [_pair(one, comparison_sentence(one, unit=unit)) for one in found.comparisons],
        "turned": _plain(found.ranking.turned) if found.ranking is not None else None,
        "findings": [one.record for one in findings_in(found)],
        "stress": [_loss(curve) for curve in _curves(found)],
        "gaps": [_gap(one, gap_sentence(one, unit=unit)) for one in gaps],
        "notes": [*notes, *found.notes, *([found.problem] if found.problem else [])],
    }


def as_text(found: Answer, metrics: Sequence[str], *, gaps: Sequence[GroupGap] = (), notes: Sequence[str] = ()) -> str:
    """The same as tables of plain text, with the sentences below."""
    unit = tables.unit_of(found, found.question.metric)
    board, classes, images = tables.leaderboard(found), _class_table(found, metrics), tables.findings(found)
    between, lost = changes_table(found), _stress_table(found)
    sentences = [comparison_sentence(one, unit=unit) for one in found.comparisons]
    parts = [
        *notes,
        TOGETHER if lost else "",
        f"{board.title}: {found.question.test_set}\n{_grid(board)}",
        "\n".join(board.notes),
        f"{classes.title}\n{_grid(classes)}",
        f"{images.title}\n{_grid(images)}\n" + "\n".join(images.notes) if images else "",
        f"{between.title}\n{_grid(between)}\n" + "\n".join(between.notes) if between else "",
        f"{lost.title}\n{_grid(lost)}\n" + "\n".join(lost.notes) if lost else "",
        _listed("Is the difference real?", sentences),
        _listed(tables.GROUPS, [gap_sentence(one, unit=unit) for one in gaps]),
    ]
    return "\n\n".join(part for part in parts if part)


def _curves(found: Answer) -> tuple[Curve, ...]:
    """Under stress; none of other results, and where no loss can be told."""
    try:
        return stress_curves(found) if is_stressed(found.metadata) else ()
    except OptionError:
        return ()


def _stress_table(found: Answer) -> tables.Table | None:
    curves = _curves(found)
    return stress_table(found, curves) if curves else None


def _loss(curve: Curve) -> dict:
    points = zip(curve.points[1:], curve.losses, strict=True)
    return {
        "name": curve.checkpoint,
        "corruption": curve.corruption,
        "degrees": [{"degree": 0, **_numbers(curve.points[0].summary), "lost": 0.0}]
        + [
            {"degree": point.degree, **_numbers(point.summary), "lost": _plain(loss.centre),
             "lost_low": _plain(loss.low), "lost_high": _plain(loss.high), "worst": list(point.worst)}
            for point, loss in points
        ],
        "loses_from": curve.loses_from,
        "worst_group": curve.worst_group or None,
    }  # fmt: skip


def _line(standing: Standing, found: Answer) -> dict[str, Value]:
    ranks, run = standing.ranks or (None, None, None), found.runs.get(standing.checkpoint)
    return {
        "name": standing.checkpoint,
        **_numbers(standing.summary),
        "rank_of_means": ranks[0],
        "mean_rank": _plain(standing.mean_rank),
        "rank_by_tests": ranks[2],
        "parameters": run.parameters if run else None,
        "seconds": run.seconds if run else None,
    }


def _numbers(summary: Summary) -> dict[str, Value]:
    names = ("mean", "low", "high", "median", "n", "misses", "failed", "not_applicable")
    return {name: _plain(getattr(summary, name)) for name in names}


def _classes(found: Answer, metrics: Sequence[str]) -> list[dict]:
    """Each class of each method: the asked metric with its interval, and the centre of every other one."""
    question = found.question
    every = {metric: tables.by_class(found, metric) for metric in metrics}
    own = summarise(found.table, question.metric, by=("checkpoint", "class_name"), policy=question.policy)
    places = {standing.checkpoint: place for place, standing in enumerate(found.standings)}
    return [
        {
            "name": summary.group[0],
            "class_name": summary.group[1],
            **_numbers(summary),
            "metrics": {metric: _centres(every[metric][summary.group]) for metric in metrics},
        }
        for summary in sorted(own, key=lambda one: places[one.group[0]])
    ]


def _centres(summary: Summary) -> dict[str, Value]:
    return {name: _plain(getattr(summary, name)) for name in ("mean", "median", "n", "misses")}


def _pair(one: PairComparison, sentence: str) -> dict[str, Value]:
    return {
        "first": one.first,
        "second": one.second,
        "difference": _plain(one.centre),
        "low": _plain(one.low),
        "high": _plain(one.high),
        "p": _plain(one.p),
        "p_adjusted": _plain(one.p_adjusted),
        "wins": one.wins,
        "ties": one.ties,
        "losses": one.losses,
        "cases": one.pairs,
        "groups": one.groups,
        "better": one.better,
        "sentence": sentence,
    }


def _gap(one: GroupGap, sentence: str) -> dict[str, Value]:
    return {
        "name": one.checkpoint,
        "column": one.column,
        "lowest": one.lowest,
        "highest": one.highest,
        "gap": _plain(one.gap),
        "p": _plain(one.p),
        "p_adjusted": _plain(one.p_adjusted),
        "sentence": sentence,
    }


def _plain(value: float) -> Value:
    """A number that JSON can hold: None for NaN, the strings "inf" and "-inf" for infinite ones."""
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else str(value)


def _class_table(found: Answer, metrics: Sequence[str]) -> tables.Table:
    """One row for each method and class, one column for each metric."""
    every = {metric: tables.by_class(found, metric) for metric in metrics}
    classes = list(dict.fromkeys(map(str, found.table["class_name"])))
    groups = [(standing.checkpoint, label) for standing in found.standings for label in classes]
    rows = [
        (*group, *(tables.centre(every[metric][group]) if group in every[metric] else "" for metric in metrics))
        for group in groups
    ]
    header = ("Checkpoint", "Class", *(metric_title(metric, unit=tables.unit_of(found, metric)) for metric in metrics))
    title = "Every metric per class (means; * marks a median, with the number of misses)"
    return tables.Table(title, header, tuple(rows))


def _grid(table: tables.Table) -> str:
    """A table as aligned lines of text."""
    lines = [table.header, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _listed(title: str, sentences: Sequence[str]) -> str:
    return "\n".join([title, *(f"- {sentence}" for sentence in sentences)]) if sentences else ""
