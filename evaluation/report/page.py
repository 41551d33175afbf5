"""The report's HTML: a page that holds its style, its scripts and its data. Every text is escaped here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import resources

from evaluation.results.tables import Table
from medseg_demo.rendering.page import NO_REFERRER, POLICY, mounted_viewers, viewer_html, whole_html


@dataclass(frozen=True)
class Plot:
    """A plot of the report: its figure as JSON, or why it cannot be drawn."""

    anchor: str
    title: str
    figure: str
    problem: str = ""


@dataclass(frozen=True, eq=False)
class WorstCase:
    """One of the worst cases.

    Attributes:
        test_set: The test set.
        case_id: The case.
        checkpoint: Whose prediction it is.
        caption: Its scores in words.
        picture: A data URL; empty where the image is not here.
        value: For the viewer; None likewise.
        note: Why there is no picture, or what to know about it.
        outcomes: Whether the picture shows a prediction's outcomes; it is bare where there is no prediction.
    """

    test_set: str
    case_id: str
    checkpoint: str
    caption: str
    picture: str = ""
    value: dict[str, object] | None = None
    note: str = ""
    outcomes: bool = False

    @property
    def anchor(self) -> str:
        """Where it stands in the page; a click on its point goes there."""
        return case_anchor(self.test_set, self.checkpoint, self.case_id)


@dataclass(frozen=True)
class CaseRows:
    """The table of cases."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str


def whole(title: str, head: Sequence[str], sections: Sequence[str], *, is_closed: bool = False) -> str:
    """The page; one that is closed cannot ask for anything, whatever is given to it."""
    rules = POLICY if is_closed else NO_REFERRER
    body = f"""<main>
<h1>{escape(title)}</h1>
{"".join(head)}
{"".join(sections)}
</main>
<aside id="picked" role="status" hidden></aside>
<script>{_script_text(_plotly())}</script>
<script>{_asset("report.js")}</script>
{mounted_viewers()}"""
    return whole_html(title, _asset("report.css"), body, rules=rules)


def section(title: str, *parts: str, anchor: str) -> str:
    """A part of the page with a heading."""
    return f'<section id="{anchor}"><h2>{escape(title)}</h2>{"".join(parts)}</section>'


def note(text: str, *, alarm: bool = False) -> str:
    """A sentence that stands apart."""
    mark = "<b>!</b> " if alarm else ""
    return f'<p class="note{" alarm" if alarm else ""}">{mark}{escape(text)}</p>'


def table(shown: Table) -> str:
    """A table with its title and the sentences under it."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in shown.header)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in shown.rows
    )
    grid = _scrolled(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>", shown.title)
    grid *= bool(shown.rows)
    notes = "".join(f'<p class="small">{escape(text)}</p>' for text in shown.notes)
    return f'<div class="card"><h3>{escape(shown.title)}</h3>{grid}{notes}</div>'


def sentences(title: str, lines: Sequence[str]) -> str:
    """A few sentences with a title."""
    return f'<div class="card"><h3>{escape(title)}</h3>{"".join(f"<p>{escape(line)}</p>" for line in lines)}</div>'


def figures(plots: Sequence[Plot]) -> str:
    """The plots one below the other, drawn when the page is open."""
    return "".join(map(_figure, plots))


def _figure(plot: Plot) -> str:
    title = escape(plot.title, quote=True)
    if plot.problem:
        return f'<div class="card"><h3>{title}</h3><p class="small">{escape(plot.problem)}</p></div>'
    return (
        f'<div class="card"><div class="plot" id="{plot.anchor}" role="group" aria-label="{title}"></div>'
        f'<script type="application/json">{_script_text(plot.figure)}</script></div>'
    )


def worst(cases: Sequence[WorstCase], legend: Sequence[tuple[str, str]]) -> str:
    """The worst cases as pictures, and below each the viewer; with a legend where one of them shows outcomes."""
    items = "".join(f'<li><img src="{url}" width="24" height="16" alt=""> {escape(name)}</li>' for url, name in legend)
    hint = (
        '<p class="small">A click on a picture opens the viewer with the errors against the reference; its key N goes '
        f'to the next one.</p><ul class="legend">{items}</ul>'
    )
    shown = hint if any(case.outcomes for case in cases) else ""
    return f'<div class="card"><h3>Worst cases</h3>{shown}{"".join(map(_case, cases))}</div>'


def _case(case: WorstCase) -> str:
    what = "outcomes against the reference" if case.outcomes else "the image without a prediction"
    alt = escape(f"{case.case_id}: {what}", quote=True)
    picture = f'<img class="tile" src="{case.picture}" alt="{alt}">' if case.picture else ""
    remark = f'<p class="small">{escape(case.note)}</p>' if case.note else ""
    words = f"<h4>{escape(case.case_id)} · {escape(case.checkpoint)}</h4><p>{escape(case.caption)}</p>{remark}"
    head = f'<div class="case-head">{picture}<div>{words}</div></div>'
    if case.value is None:
        return f'<div class="case" id="{case.anchor}">{head}</div>'
    return f'<details class="case" id="{case.anchor}"><summary>{head}</summary>{viewer_html(case.value)}</details>'


def rows(shown: CaseRows) -> str:
    """The table of cases, which can be sorted and filtered."""
    head = "".join(
        f'<th scope="col"><button type="button" data-column="{place}">{escape(name)}</button></th>'
        for place, name in enumerate(shown.header)
    )
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in shown.rows
    )
    grid = _scrolled(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>", "Cases", is_tall=True)
    return (
        '<div class="card cases"><h3>Cases</h3><label>Filter <input type="search" placeholder="part of a row"></label>'
        f'{grid}<p class="small">{escape(shown.note)}</p></div>'
    )


def _scrolled(content: str, title: str, *, is_tall: bool = False) -> str:
    """What may be wider than the page, and can be scrolled by keys."""
    name = escape(title, quote=True)
    return f'<div class="scroll{" tall" * is_tall}" tabindex="0" role="region" aria-label="{name}">{content}</div>'


def case_anchor(test_set: str, checkpoint: str, case_id: str) -> str:
    """The id of a case in the page; report.js builds the same."""
    return f"case-{slug(test_set)}-{slug(checkpoint)}-{slug(case_id)}"


def slug(name: str) -> str:
    """A name as part of an id."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name)


def _script_text(text: str) -> str:
    """Text that no script element can end early."""
    return text.replace("</", "<\\/").replace("<!--", "<\\!--")


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()


@cache
def _asset(name: str) -> str:
    return resources.files("evaluation.report").joinpath("assets", name).read_text(encoding="utf-8")
