"""The results as HTML: leaderboard, comparison, policy, and the marks that results call for."""

import math
from collections.abc import Sequence
from html import escape

from evaluation.answers import Answer, Standing
from evaluation.metrics.table import METRICS
from evaluation.simulation import NAME as SIMULATED
from evaluation.statistics import PairComparison
from evaluation.ui import texts
from evaluation.ui.run_folders import Opened
from evaluation.wording import (
    comparison_sentence,
    metric_title,
    number,
    policy_caption,
    ranking_caption,
    summary_caption,
)
from medseg_demo.ui import markup

BAR_WIDTH = 150


def leaderboard(found: Answer) -> str:
    """One line a checkpoint, the best first, with everything that is not in its mean."""
    ranked = found.ranking is not None
    header = [*texts.LEADERBOARD_COLUMNS, *(texts.SCHEME_COLUMNS if ranked else ())]
    rows = [_standing(standing, found) for standing in found.standings]
    question = found.question
    where = [texts.marked(question.test_set), question.class_name or texts.ALL_CLASSES]
    notes = [f"{metric_title(question.metric, unit=unit_of(found))}. {policy_caption(question.policy, question.order)}"]
    if question.metric in METRICS:
        notes.append(f"Empty masks: {METRICS[question.metric].empty_rule}")
    if found.ranking is not None:
        notes.append(f"{texts.STABILITY_NOTE} {ranking_caption(found.ranking)}")
    notes += [found.problem] if found.problem else []
    return markup.card(
        texts.LEADERBOARD, _table(texts.LEADERBOARD, header, rows), *map(markup.small, notes), note=" · ".join(where)
    )


def unit_of(found: Answer) -> str:
    """The unit of the metric in these rows; empty for a plain number."""
    record = METRICS.get(found.question.metric)
    column = f"{record.unit}_unit" if record and record.unit else ""
    return ", ".join(unit for unit in found.table[column].unique() if unit) if column in found.table else ""


def _standing(standing: Standing, found: Answer) -> list[str]:
    summary = standing.summary
    interval = "n/a" if math.isnan(summary.low) else f"{number(summary.low)} – {number(summary.high)}"
    of = "" if summary.interval_of == "mean" or math.isnan(summary.low) else " (median)"
    ranks = [
        f"{escape(str(rank))} <small>({share:.0%})</small>"
        for rank, share in zip(standing.ranks, standing.stability, strict=True)
    ]
    plain = [
        number(summary.mean), f"{interval}{of}", number(summary.median),
        f"{number(summary.lower_quartile)} – {number(summary.upper_quartile)}",
        f"{summary.n:,}", str(summary.misses), str(summary.failed), str(summary.not_applicable),
    ]  # fmt: skip
    caption = escape(summary_caption(summary), quote=True)
    name = f'<span title="{caption}">{escape(standing.checkpoint)}</span>'
    cells = [escape(cell) for cell in plain]
    cells[1] += _bar(standing, found)
    for place in (5, 6):  # misses and failures stand out, in weight and not in colour alone
        if plain[place] != "0":
            cells[place] = f'<strong class="ev-alarm">{cells[place]}</strong>'
    return [name, *cells, *ranks]


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


def difference(found: Answer, comparison: PairComparison | None) -> str:
    """The sentence about two checkpoints."""
    if comparison is None:
        return markup.panel("info", texts.DIFFERENCE, [found.problem or texts.ONE_CHECKPOINT])
    kind: markup.Kind = "warning" if comparison.too_few else "good" if comparison.better else "info"
    where = f"{texts.marked(found.question.test_set)}, {found.question.class_name or texts.ALL_CLASSES}."
    return markup.panel(kind, texts.DIFFERENCE, [comparison_sentence(comparison), f"On {where}"])


def policy(found: Answer) -> str:
    """What each empty-mask policy makes of each mean."""
    if not found.effects:
        return ""
    by_name: dict[str, dict[str, str]] = {}
    for effect in found.effects:
        shift = "" if effect.policy == "skip" else f" ({'+' if effect.shift >= 0 else ''}{number(effect.shift)})"
        by_name.setdefault(effect.group[0], {})[effect.policy] = f"{number(effect.mean)}{shift}, n = {effect.n}"
    if all(effect.shift == 0 or math.isnan(effect.shift) for effect in found.effects):
        return markup.card(texts.POLICY, markup.small(texts.POLICY_NOTHING))
    rows = [[name, *(cells[one] for one in ("skip", "one", "zero"))] for name, cells in by_name.items()]
    return markup.card(texts.POLICY, markup.table(texts.POLICY, texts.POLICY_COLUMNS, rows))


def marks(opened: Opened, test_set: str) -> str:
    """What must stand above results: simulated images, partial runs."""
    parts = []
    if test_set == SIMULATED:
        parts.append(markup.panel("info", texts.SIMULATED_TITLE, [texts.SIMULATED_TEXT]))
    partial = [name for name, (run, _) in opened.runs_on(test_set).items() if run.partial]
    if partial:
        parts.append(markup.panel("warning", texts.PARTIAL_TITLE, [texts.PARTIAL.format(names=", ".join(partial))]))
    return "".join(parts)


def progress(words: str, done: int, total: int, left: str, subject: str) -> str:
    """How far a run is, with a bar that screen readers know too."""
    share = f'<progress max="{max(total, 1)}" value="{done}" aria-label="{escape(words, quote=True)}"></progress>'
    return (
        f'<div class="ev-progress" role="status"><p><strong>{escape(words)}</strong> · {escape(left)}</p>{share}'
        f'<p class="ms-small">{escape(subject)}</p></div>'
    )


def _table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Like ``markup.table``, but its cells are HTML already."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>' for first, *rest in rows
    )
    return (
        f'<div class="ms-scroll ev-pinned" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f'<table class="ms-table"><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
