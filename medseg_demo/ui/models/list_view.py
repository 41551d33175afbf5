"""The list of checkpoints as HTML, and what is said of one beside its card."""

import csv
import io
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import lru_cache
from html import escape
from importlib import resources
from math import isfinite
from pathlib import Path

import gradio as gr

from medseg_demo.models.added import read_added
from medseg_demo.models.catalog import CatalogEntry
from medseg_demo.models.checkpoint import FileStates, digest, file_states
from medseg_demo.numbers import millions, number
from medseg_demo.segmenting.figures import Figures
from medseg_demo.ui import markup
from medseg_demo.ui.models import texts

STYLESHEET = Path(__file__).parent / "models.css"
LOG_FILE = "log.csv"
MOST_LOG_BYTES = 2**20
MOST_EPOCHS = 2000
CURVE = (320, 110)  # px


def List(*, elem_id: str) -> gr.HTML:  # noqa: N802 (used like Gradio's own components)
    """The list. Event ``list.select(handler)``: a row was opened; ``event.name`` is the checkpoint's."""
    script = resources.files("medseg_demo.ui.models").joinpath("list.js").read_text(encoding="utf-8")
    return gr.HTML("", js_on_load=script, apply_default_css=False, elem_id=elem_id)


def table(entries: Sequence[CatalogEntry], open_name: str | None, own: Collection[str] = ()) -> str:
    """The usable checkpoints, one a row, with the menus that filter them.

    Args:
        entries: As the engine lists them.
        open_name: Whose card is open.
        own: Names of those that are this visitor's alone.
    """
    if not entries:
        return markup.panel("info", texts.EMPTY_TITLE, [texts.EMPTY])
    tasks = sorted({entry.card.task for entry in entries if entry.card})
    kinds = sorted({entry.origin for entry in entries})
    menus = _menu("task", texts.TASK, texts.ALL_TASKS, tasks) + _menu("kind", texts.KIND, texts.ALL_KINDS, kinds)
    head = "".join(f'<th scope="col"><button type="button">{escape(name)}</button></th>' for name in texts.COLUMNS)
    body = "".join(_row(entry, is_own=entry.name in own) for entry in entries)
    rows = (
        f'<table class="ms-table ms-words"><caption>{escape(texts.TABLE)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
    return (
        f'<div class="mm-list ms-card" data-open="{escape(open_name or "", quote=True)}">'
        f'<div class="mm-menus">{menus}</div>'
        f"{markup.scroll(texts.TABLE, rows)}"
        f'<p class="mm-none ms-hint" hidden>{escape(texts.NO_MATCH)}</p></div>'
    )


def _menu(name: str, label: str, every: str, choices: Sequence[str]) -> str:
    options = "".join(
        f'<option value="{escape(one, quote=True)}" translate="no">{escape(one)}</option>' for one in choices
    )
    first = f'<option value="">{escape(every)}</option>'
    return f'<label><span>{escape(label)}</span><select name="{name}">{first}{options}</select></label>'


def _row(entry: CatalogEntry, *, is_own: bool) -> str:
    card = entry.card
    assert card is not None
    size = bytes_of(entry)
    mark = f' <span class="ms-note">{escape(texts.MINE)}</span>' if is_own else ""
    cells = (
        f'<th scope="row" data-value="{escape(entry.name, quote=True)}"><button type="button" translate="no">'
        f"{escape(entry.name)}</button>{mark}</th>"
        f'<td translate="no">{escape(card.task)}</td>'
        f'<td translate="no">{escape(_shortened(card.class_names))}</td>'
        f"<td>{escape(entry.origin)}</td>"
        f'<td translate="no">{escape(entry.architecture)}</td>'
        f'<td data-value="{size}">{escape(in_megabytes(size))}</td>'
    )
    name, task, kind = (escape(text, quote=True) for text in (entry.name, card.task, entry.origin))
    return f'<tr data-name="{name}" data-task="{task}" data-kind="{kind}">{cells}</tr>'


def _shortened(classes: Sequence[str], most: int = 4) -> str:
    more = f" + {len(classes) - most}" if len(classes) > most else ""
    return ", ".join(classes[:most]) + more


def bytes_of(entry: CatalogEntry) -> int:
    """Of the files that decide a result."""
    return sum(size for _, _, size in file_states(entry.folder))


def in_megabytes(size: int) -> str:
    """Such as "14.6 MB"."""
    return f"{number(size / 1e6)} MB"


def figures(entry: CatalogEntry, found: Figures | None) -> str:
    """Where it came from, its files and its hash; once measured, what its network costs."""
    facts = [(texts.BYTES, in_megabytes(bytes_of(entry)))]
    if (added := read_added(entry.folder)) is not None:
        at = texts.AT_COMMIT.format(repository=added.source, commit=added.commit)
        facts.append((texts.SOURCE, at if added.commit else added.source))
    if found is not None:
        facts.append((texts.PARAMETERS, millions(found.parameters)))
        facts.append((texts.GFLOPS, "–" if found.gflops is None else f"{number(found.gflops)} GFLOP"))
        facts.append((texts.TIME, f"{number(found.milliseconds)} ms ({found.compute})"))
    facts.append((texts.SHA, _digest(entry.folder, file_states(entry.folder))))
    return markup.card(texts.FIGURES, markup.facts(facts), curve(entry.folder))


@lru_cache(maxsize=256)
def _digest(folder: Path, states: FileStates) -> str:
    """The hash of a folder; once as long as its files stay the same."""
    return digest(folder)


def curve(folder: Path) -> str:
    """Loss and validation Dice over the epochs, as a small picture; nothing where no log of a training lies there."""
    try:
        with (folder / LOG_FILE).open("rb") as file:
            text = file.read(MOST_LOG_BYTES).decode("utf-8", errors="replace")
        rows = list(csv.DictReader(io.StringIO(text)))[:MOST_EPOCHS]
        values = [min(max(float(row["val_dice"]), 0.0), 1.0) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return ""
    if len(values) < 2 or any(value != value for value in values):
        return ""
    words = [
        f"Validation Dice {number(values[0])} to {number(values[-1])} over {len(values)} epochs; "
        f"best {number(max(values))}"
    ]
    classes = [_column(rows, name) for name in rows[0] if name and name.startswith("dice_")]
    shown = [values, *classes] if len(classes) > 1 else [values]
    limits = min(min(one, default=1.0) for one in shown), max(max(one, default=0.0) for one in shown)
    lines = [_line(values, *limits, "mm-mean"), *(_line(one, *limits, "mm-class") for one in shown[1:])]
    if len(shown) > 1:
        words.append(texts.CLASS_LINES)
    if len(loss := _column(rows, "loss")) > 1:
        lines.append(_line(loss, min(loss), max(loss), "mm-loss"))
        words.append(f"Dashed: the loss, {number(loss[0])} to {number(loss[-1])}")
    width, height = CURVE
    return (
        f'<h4>{escape(texts.CURVE)}</h4><svg class="mm-curve" viewBox="-4 -4 {width + 8} {height + 8}" role="img" '
        f'aria-label="{escape(words[0])}">{"".join(lines)}</svg>{"".join(map(markup.small, words))}'
    )


def _column(rows: Sequence[dict[str, str]], name: str) -> list[float]:
    """The numbers of a column; what is none is left out."""
    found = []
    for row in rows:
        with suppress(ValueError, TypeError, KeyError):
            found.append(float(row[name]))
    return [value for value in found if isfinite(value)]


def _line(values: Sequence[float], low: float, high: float, kind: str) -> str:
    (width, height), last, span = CURVE, max(1, len(values) - 1), (high - low) or 1.0
    points = " ".join(
        f"{index * width / last:.1f},{height - (value - low) / span * height:.1f}" for index, value in enumerate(values)
    )
    return f'<polyline class="{kind}" points="{points}" vector-effect="non-scaling-stroke"/>'
    best = max(values)
    words = (
        f"Validation Dice {number(values[0])} to {number(values[-1])} over {len(values)} epochs; best {number(best)}"
    )
    return (
        f'<h4>{escape(texts.CURVE)}</h4><svg class="mm-curve" viewBox="-4 -4 {width + 8} {height + 8}" role="img" '
        f'aria-label="{escape(words)}"><polyline points="{points}" fill="none" stroke="currentColor" '
        f'stroke-width="2" vector-effect="non-scaling-stroke"/></svg>{markup.small(words)}'
    )
