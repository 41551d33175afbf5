"""The results as HTML: leaderboard, comparison, policy, and the marks that results call for."""

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from evaluation.results import tables
from evaluation.results.answers import GROUP, Answer, Question, Standing, names_in, no_groups
from evaluation.results.changes import changes_table
from evaluation.results.gaps import Gap, largest_gaps
from evaluation.results.methods import method_notes
from evaluation.results.origins import is_simulated
from evaluation.results.table import namesake_notes
from evaluation.results.terms import TERMS
from evaluation.results.words import comparison_sentence, number, summary_caption, tolerance_words
from evaluation.statistics import PairComparison, Summary
from evaluation.ui.evaluate import texts
from evaluation.ui.evaluate.case_table import pick
from evaluation.ui.evaluate.run_folders import Opened
from medseg_demo.ui import markup

BAR_WIDTH = 110
INTERVAL, BESIDE, MISSES, FAILED = 2, 3, 6, 7  # columns of the leaderboard
TERM_OF_COLUMN = {
    "Median": "Median, quartiles",
    "Quartiles": "Median, quartiles",
    "Rank of means": "Ranks",
    "Mean rank": "Ranks",
    "Rank by tests": "Ranks",
}


def leaderboard(found: Answer, beside: Sequence[str] = ()) -> str:
    """One line a checkpoint, the best first, with everything that is not in its mean.

    Args:
        found: The answer.
        beside: Other metrics, whose means stand beside it.
    """
    table = tables.leaderboard(found)
    rows = [_standing(cells, standing, found) for cells, standing in zip(table.rows, found.standings, strict=True)]
    header, notes = table.header, [*table.notes, *_one_cluster(found)]
    more = [name for name in beside if name != found.question.metric and name in found.table]
    if more:
        others = tables.every_metric(found, tuple(more))
        header = (*header[:BESIDE], *others.header[1:], *header[BESIDE:])
        rows = [
            [*row[:BESIDE], *map(escape, cells[1:]), *row[BESIDE:]]
            for row, cells in zip(rows, others.rows, strict=True)
        ]
        notes += others.notes
    where = f"{texts.marked(found.question.test_set)} · {found.question.class_name or texts.ALL_CLASSES}"
    body = _table(table.title, header, rows)
    return markup.card(table.title, body, *map(markup.small, notes), note=where)


def _one_cluster(found: Answer) -> list[str]:
    """That all cases are of one group, where that was chosen."""
    column = found.question.cluster
    chosen = column != GROUP and column in found.table
    return [no_groups(found, column)] if chosen and found.table[column].nunique() < 2 else []


def _standing(cells: Sequence[str], standing: Standing, found: Answer) -> list[str]:
    """A line's cells as HTML: the interval with its picture, misses and failures in bold."""
    shown = [escape(cell) or "n/a" for cell in cells]
    shown[0] = f'<span title="{escape(summary_caption(standing.summary), quote=True)}">{markup.name(cells[0])}</span>'
    shown[INTERVAL] += _bar(standing, found)
    for place in (MISSES, FAILED):
        if cells[place] != "0":
            shown[place] = f'<strong class="ev-alarm">{shown[place]}</strong>'
    return shown


def _bar(standing: Standing, found: Answer) -> str:
    """The interval as a small picture on the range of all intervals."""
    summaries = [one.summary for one in found.standings]
    ends = [end for one in summaries for end in (one.low, one.high) if math.isfinite(end)]
    summary = standing.summary
    centre = summary.mean if summary.interval_of == "mean" else summary.median
    if not ends or not all(map(math.isfinite, (summary.low, summary.high, centre))):
        return ""
    low, width = min(ends), (max(ends) - min(ends)) or 1.0
    x1, x, x2 = (6 + (BAR_WIDTH - 12) * (value - low) / width for value in (summary.low, centre, summary.high))
    return (
        f'<svg class="ev-bar" width="{BAR_WIDTH}" height="14" aria-hidden="true"><line x1="{x1:.1f}" x2="{x2:.1f}" '
        f'y1="7" y2="7"/><line x1="{x1:.1f}" x2="{x1:.1f}" y1="3" y2="11"/><line x1="{x2:.1f}" x2="{x2:.1f}" y1="3" '
        f'y2="11"/><circle cx="{x:.1f}" cy="7" r="3.5"/></svg>'
    )


def every(found: Answer) -> str:
    """Each checkpoint's mean of every metric; of several classes, the metric in each of them, too."""
    if found.results is None:
        return ""
    table = tables.every_metric(found, found.results.metrics)
    parts = [markup.table(table.title, table.header, table.rows), *map(markup.small, table.notes)]
    classes = names_in(found.table["class_name"])
    if len(classes) > 1:
        summaries, names = tables.by_class(found, found.question.metric), [one.checkpoint for one in found.standings]
        rows = [(one, *(_centre(summaries.get((name, one))) for name in names)) for one in classes]
        title = texts.PER_CLASS.format(metric=tables.title_of(found, found.question.metric))
        parts.append(markup.table(title, ("Class", *names), rows))
    return "".join(parts)


def _centre(summary: Summary | None) -> str:
    return tables.centre(summary) if summary is not None else texts.NOT_SCORED


def difference(found: Answer, comparison: PairComparison | None) -> str:
    """The sentence about two checkpoints."""
    if comparison is None:
        return markup.panel("info", texts.DIFFERENCE, [found.problem or texts.ONE_CHECKPOINT])
    kind: markup.Kind = "warning" if comparison.too_few else "good" if comparison.better else "info"
    unit = tables.unit_of(found, found.question.metric)
    where = f"On {texts.marked(found.question.test_set)}, {found.question.class_name or texts.ALL_CLASSES}."
    return markup.panel(kind, texts.DIFFERENCE, [comparison_sentence(comparison, unit=unit), where])


def gaps(found: Answer, first: str, second: str) -> str:
    """The cases in which either of two is better by most, as buttons that open them."""
    sides = []
    for names, cases in zip(((first, second), (second, first)), largest_gaps(found, first, second), strict=True):
        items = "".join(_gap(found, first, second, gap) for gap in cases)
        title = texts.BEATS.format(first=names[0], second=names[1])
        sides.append(f"<div><h4>{escape(title)}</h4>{items}</div>" if items else "")
    return f'<div class="ev-gaps">{"".join(sides)}</div>' if any(sides) else ""


def _gap(found: Answer, first: str, second: str, gap: Gap) -> str:
    worse = second if gap.by > 0 else first
    key = (found.question.test_set, worse, gap.case_id, found.question.class_name)
    values = texts.AGAINST.format(first=number(gap.first), second=number(gap.second))
    return (
        f'<button type="button" class="ev-line" {pick(key)}><strong>{markup.name(gap.case_id)}</strong>'
        f"<span>{escape(values)}</span></button>"
    )


def policy(found: Answer) -> str:
    """What each empty-mask policy makes of each mean."""
    return card(tables.policies(found))


def findings(found: Answer) -> str:
    """How well findings of whole images tell the cases apart."""
    return card(tables.findings(found))


def changes(found: Answer) -> str:
    """The error of sizes beside that of changes between visits."""
    return card(changes_table(found))


def card(table: tables.Table | None) -> str:
    """A table with its title and the sentences under it; nothing where there is none."""
    if table is None:
        return ""
    body = markup.table(table.title, table.header, table.rows) if table.rows else ""
    return markup.card(table.title, body, *map(markup.small, table.notes))


def marks(opened: Opened, question: Question) -> str:
    """What must stand above results: simulated images, methods, runs on other images or not measured alike, partial."""
    parts, test_set = [], question.test_set
    methods = [method for method in opened.methods if method.test_set == test_set]
    if methods and opened.apart is not None:
        notes = method_notes(opened.apart.results, methods, question.metric)
        parts.append(markup.panel("info", texts.METHODS_TITLE, notes))
    if is_simulated(test_set):
        parts.append(markup.panel("info", texts.SIMULATED_TITLE, [texts.SIMULATED_TEXT]))
    if namesakes := namesake_notes(opened.results):
        parts.append(markup.panel("info", texts.VERSIONS_TITLE, namesakes))
    tolerances: dict[str, Any] = {
        name: run.settings["nsd_tolerance"]
        for name, (run, _) in opened.runs_on(test_set).items()
        if "nsd_tolerance" in run.settings
    }
    unit = ", ".join(unit for unit in opened.results.table["distance_unit"].unique() if unit)
    words = {name: tolerance_words(tolerance, unit) for name, tolerance in tolerances.items()}
    if len(set(words.values())) > 1:
        settings = ", ".join(f"{name} with {tolerance}" for name, tolerance in words.items())
        parts.append(markup.panel("warning", texts.MIXED_TITLE, [texts.MIXED.format(settings=settings)]))
    partial = [name for name, (run, _) in opened.runs_on(test_set).items() if run.partial]
    if partial:
        parts.append(markup.panel("warning", texts.PARTIAL_TITLE, [texts.PARTIAL.format(names=", ".join(partial))]))
    return "".join(parts)


def progress(words: str, done: int, total: int, left: str, subject: str) -> str:
    """How far a run is, with a bar that screen readers know too."""
    bar = f'<progress max="{max(total, 1)}" value="{done}" aria-label="{escape(words, quote=True)}"></progress>'
    return (
        f'<div class="ev-progress" role="status"><p><strong>{escape(words)}</strong> · {escape(left)}</p>{bar}'
        f'<p class="ms-small">{escape(subject)}</p></div>'
    )


def _table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Like ``markup.table``, but its cells are HTML already, and its first column stays in sight."""
    head = "".join(f'<th scope="col"{_meaning(name)}>{escape(name)}</th>' for name in header)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>' for first, *rest in rows
    )
    table = (
        f'<table class="ms-table"><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )
    return markup.scroll(caption, table, classes="ev-pinned")


def _meaning(column: str) -> str:
    """What a column's word means, as an attribute; nothing for a word that says it itself."""
    meaning = TERMS.get(TERM_OF_COLUMN.get(column, column), "")
    return f' title="{escape(meaning, quote=True)}"' if meaning else ""
