"""The table of cases: which rows, in which order, and as HTML whose rows open the case."""

import json
from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

from evaluation.metrics.table import METRICS
from evaluation.results.answers import Answer, badness, worst_first
from evaluation.results.filters import matching_rows
from evaluation.results.tables import unit_of
from evaluation.results.tags import COLUMN as TAGS
from evaluation.results.terms import label
from evaluation.results.words import metric_title, number
from evaluation.ui.evaluate import texts
from evaluation.ui.evaluate.board import CaseKey, TableView
from medseg_demo.errors import OptionError
from medseg_demo.ui import markup

PAGE = 50
NAMES = {"case_id": "Case", "checkpoint": "Checkpoint", "class_name": "Class", "status": "Status", "error": "Error"}
SEARCHED = ("case_id", "checkpoint", "class_name", "status", "error")


def columns(found: Answer) -> list[str]:
    """The columns that are shown: the case first, the metric that is asked for before the others."""
    metrics = [name for name in found.table if name in METRICS or pd.api.types.is_float_dtype(found.table[name])]
    ordered = [found.question.metric, *(name for name in metrics if name != found.question.metric)]
    error = ["error"] if (found.table["status"] == "failed").any() else []
    tags, metadata = [[name for name in found.metadata if (name == TAGS) is wanted] for wanted in (True, False)]
    return ["case_id", "checkpoint", "class_name", *tags, "status", *error, *ordered, *metadata]


def shown_rows(found: Answer, view: TableView, *, most: int | None = None) -> np.ndarray:
    """The rows that the filter keeps, in the order that is asked for; of the answer's table, as places.

    ``most`` puts at least so many in order; those after them may be in any.

    Raises:
        OptionError: The filter names no column, or compares it with nothing that is comparable.
    """
    kept = matching_rows(found.table, view.text, (*SEARCHED, *found.metadata))
    if view.sort not in found.table:
        bad = badness(found.table, found.question.metric, found.question.policy)[kept]
        order = worst_first(bad, most=most)
        return np.concatenate([kept[order], np.delete(kept, order)])
    values = found.table[view.sort].iloc[kept]
    order = values.argsort(kind="stable") if pd.api.types.is_float_dtype(values) else values.astype(str).argsort()
    order = np.asarray(order)
    if pd.api.types.is_float_dtype(values):  # missing values last, whichever way
        missing = values.isna().to_numpy()[order]
        whole = order[~missing][::-1] if view.descending else order[~missing]
        return kept[np.concatenate([whole, order[missing]])]
    return kept[order[::-1] if view.descending else order]


def table_html(found: Answer, view: TableView, chosen: CaseKey | None) -> str:
    """One page of rows, with the buttons that sort, turn pages and open cases."""
    try:
        rows, empty = shown_rows(found, view, most=(max(view.page, 0) + 1) * PAGE), texts.NO_ROWS
    except OptionError as error:
        rows, empty = np.arange(0), str(error)
    pages = max(1, -(-len(rows) // PAGE))
    page = min(max(view.page, 0), pages - 1)
    names = columns(found)
    head = "".join(_heading(name, view, found) for name in names)
    part = found.table.iloc[rows[page * PAGE : (page + 1) * PAGE]]
    body = "".join(_row(record, names, chosen) for record in part.to_dict("records"))
    if not len(rows):
        body = f'<tr><td colspan="{len(names)}">{escape(empty)}</td></tr>'
    table = (
        f'<table class="ms-table"><caption>{texts.CASES}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )
    frame = markup.scroll(texts.CASES, table, classes="ev-pinned ev-cases")
    return frame + _pager(page, pages, len(rows), len(found.table))


def _heading(name: str, view: TableView, found: Answer) -> str:
    title = metric_title(name) if name in METRICS else NAMES.get(name, name)
    by_badness = not view.sort and name == found.question.metric
    mark = "▼" if (name == view.sort and view.descending) else "▲" if name == view.sort else "worst first" * by_badness
    state = {"▲": "ascending", "▼": "descending"}.get(mark, "other" if mark else "none")
    short = label(name, unit=unit_of(found, name)) if name in METRICS else title
    words = "" if pd.api.types.is_float_dtype(found.table[name]) else ' class="ev-words"'
    return (
        f'<th scope="col" aria-sort="{state}"{words}><button type="button" data-sort="{escape(name, quote=True)}" '
        f'title="{escape(title, quote=True)}: sort">{escape(short)}<span class="ev-mark"> {mark}</span></button></th>'
    )


def _row(record: dict[str, object], names: Sequence[str], chosen: CaseKey | None) -> str:
    key = (str(record["test_set"]), str(record["checkpoint"]), str(record["case_id"]), str(record["class_name"]))
    is_open = chosen is not None and key[:3] == (chosen.test_set, chosen.checkpoint, chosen.case_id)
    first = f'<button type="button" {pick(key)}>{markup.name(key[2])}</button>'
    cells = "".join(_cell(name, record[name]) for name in names[1:])
    state = ' class="ev-open" aria-current="true"' if is_open else ""
    return f'<tr {pick(key)}{state}><th scope="row">{first}</th>{cells}</tr>'


def pick(key: Sequence[str]) -> str:
    """The attribute that makes an element open a case: test set, checkpoint, case and class."""
    return f"data-pick='{escape(json.dumps(list(key), ensure_ascii=False), quote=True)}'"


def _cell(name: str, value: object) -> str:
    if isinstance(value, float):
        return f"<td>{escape(number(value))}</td>"
    if name == "error":  # a sentence, which says in its middle what is wrong
        return f'<td class="ev-words ev-sentence">{escape(str(value))}</td>'
    return f'<td class="ev-words">{markup.name(str(value))}</td>'


def _pager(page: int, pages: int, rows: int, total: int) -> str:
    count = f"{rows:,} of {total:,} rows" if rows < total else f"{total:,} rows"
    if pages == 1:
        return f'<p class="ms-small">{count}</p>'
    buttons = [("Previous page", page - 1, page > 0), ("Next page", page + 1, page < pages - 1)]
    parts = [
        f'<button type="button" class="ms-button" data-page="{target}"{"" if usable else " disabled"}>{name}</button>'
        for name, target, usable in buttons
    ]
    return f'<p class="ev-pager"><span>{count}, page {page + 1} of {pages}</span>{"".join(parts)}</p>'
