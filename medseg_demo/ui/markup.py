"""The few pieces of HTML that the tabs are made of. Every text is escaped here, so callers pass plain text."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Literal

Kind = Literal["info", "good", "warning", "error"]

# A shape beside each colour, so that the meaning never rests on colour alone.
TAIL = 10  # letters at the end of a long name that are always seen
MARKS: dict[Kind, str] = {"info": "i", "good": "✓", "warning": "!", "error": "×"}


def panel(kind: Kind, title: str, lines: Iterable[str] = ()) -> str:
    """A boxed message. Errors are announced by screen readers at once, the rest when there is time.

    Args:
        kind: Chooses colour, mark and urgency.
        title: What happened, in a few words.
        lines: One paragraph each.
    """
    role = "alert" if kind == "error" else "status"
    body = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return (
        f'<div class="ms-panel ms-{kind}" role="{role}"><span class="ms-mark" aria-hidden="true">{MARKS[kind]}</span>'
        f'<div><p class="ms-title">{escape(title)}</p>{body}</div></div>'
    )


def busy(text: str) -> str:
    """The place where progress is shown."""
    return f'<div class="ms-busy" role="status">{escape(text)}</div>'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values side by side, as a description list."""
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs)
    return f'<dl class="ms-facts">{rows}</dl>'


def bullets(lines: Sequence[str], *, kind: Kind = "info") -> str:
    """A list of sentences, each with the mark of its kind; nothing for no lines."""
    if not lines:
        return ""
    items = "".join(
        f'<li><span class="ms-mark" aria-hidden="true">{MARKS[kind]}</span><span>{escape(line)}</span></li>'
        for line in lines
    )
    return f'<ul class="ms-list ms-{kind}">{items}</ul>'


def small(text: str) -> str:
    """A quiet line under something."""
    return f'<p class="ms-small">{escape(text)}</p>'


def details(title: str, *parts: str) -> str:
    """Parts, already HTML from this module, that are opened by their title."""
    return f'<details class="ms-details"><summary>{escape(title)}</summary>{"".join(parts)}</details>'


def heading(text: str) -> str:
    """The heading of a step."""
    return f'<h2 class="ms-step">{escape(text)}</h2>'


def hint(text: str) -> str:
    """A sentence of help."""
    return f'<p class="ms-hint">{escape(text)}</p>'


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]], *, words: bool = False) -> str:
    """A table whose first column names the row.

    Args:
        caption: For screen readers; the card around it has the title that is seen.
        header: Names of the columns.
        rows: One text a column.
        words: Whether the cells hold words, which start at the left, and not figures.
    """
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    kind = "ms-table ms-words" if words else "ms-table"
    body = "".join(f"<tr>{_row(cells)}</tr>" for cells in rows)
    table = f'<table class="{kind}"><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
    return scroll(caption, f"{table}<tbody>{body}</tbody></table>")


def scroll(name: str, table: str, *, classes: str = "") -> str:
    """The frame in which a table scrolls, by keys too; its edges show where it goes on."""
    return (
        f'<div class="ms-scroll {classes}" tabindex="0" role="region" aria-label="{escape(name, quote=True)}">'
        f"{table}</div>"
    )


def name(text: str) -> str:
    """A name that ends in the middle where there is no room for it, so that what follows a common start is seen."""
    if len(text) <= 2 * TAIL - 4:
        return escape(text)
    head, tail = escape(text[:-TAIL]), escape(text[-TAIL:])
    return f'<span class="ms-name" title="{escape(text, quote=True)}"><span>{head}</span><span>{tail}</span></span>'


def card(title: str, *parts: str, note: str = "") -> str:
    """A titled box of parts that are already HTML from this module."""
    small = f'<span class="ms-note">{escape(note)}</span>' if note else ""
    return f'<section class="ms-card"><h3>{escape(title)}{small}</h3>{"".join(parts)}</section>'


def _row(cells: Sequence[str]) -> str:
    first, *rest = cells
    return f'<th scope="row">{name(first)}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in rest)
