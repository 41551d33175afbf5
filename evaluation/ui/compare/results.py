"""From a comparison to the changed parts of the Compare tab, by the names of ``layout.lay_out``."""

from dataclasses import replace
from pathlib import Path

import gradio as gr

from evaluation.comparison.members import MOST, Comparison
from evaluation.ui.compare import texts, view
from evaluation.ui.compare.code import compare_code
from evaluation.ui.compare.state import Given, Request, Result, Work
from evaluation.ui.evaluate.messages import message
from medseg_demo.ui import markup
from medseg_demo.ui.texts import OTHER_IMAGE_TITLE

Updates = dict[str, object]

HIDDEN = gr.update(visible=False)


def whole_result(work: Work, result: Result, total: int, address: str) -> Updates:
    """Everything about a finished comparison.

    Args:
        work: What the page holds; the result need not be in it yet.
        result: With its files.
        total: How many label maps were asked for.
        address: Of this page, for the code that reproduces the result.
    """
    comparison = result.comparison
    return {
        "status": view.verdict(comparison, total),
        "stale": stale_mark(work.given, result, result.request),
        **_shown(comparison),
        "method": gr.update(value=comparison.method or "", interactive=len(comparison.predictions) > 1),
        **_files(result),
        **compare_code(result, address),
    }


def partial_result(work: Work, result: Result) -> Updates:
    """What is there of a comparison while it goes on: no consensus and nothing to download."""
    return {
        "stale": stale_mark(work.given, result, result.request),
        **_shown(result.comparison),
        "method": gr.update(interactive=False),
        **_files(result),
    }


def stale_mark(given: Given, result: Result | None, request: Request) -> str:
    """A mark where the image or the controls are no longer what the result was made with."""
    if result is None:
        return ""
    if given.source not in (None, result.source):
        title = OTHER_IMAGE_TITLE.format(name=result.comparison.image.name)
        return markup.panel("info", title, [texts.STALE])
    if replace(result.request, method=None) != replace(request, method=None):
        return markup.panel("info", texts.STALE_TITLE, [texts.STALE])
    return ""


def _shown(comparison: Comparison) -> Updates:
    """The pictures and the tables."""
    return {
        "viewer": view.viewer_value(comparison),
        "where": view.where(comparison),
        "tables": view.tables(comparison),
    }


def problem(result: Result | None, error: Exception) -> str:
    """The panel of an error; it says so where an earlier result stays on the page."""
    lines = message(error).splitlines()
    if result is not None:
        lines.append(texts.KEPT.format(name=result.comparison.image.name))
    return markup.panel("error", texts.ERROR_TITLE, lines)


def _files(result: Result) -> Updates:
    files, comparison = result.files, result.comparison
    if files is None:
        return {"downloads": gr.update(visible=False)}
    paths = [(member.name, files.label_maps[member.name]) for member in comparison.members]
    consensus = files.label_maps[comparison.consensus.name] if comparison.consensus else None
    return {
        "downloads": gr.update(visible=True),
        **{f"label_map_{place}": _download(*paths[place]) if place < len(paths) else HIDDEN for place in range(MOST)},
        "consensus_file": _download(texts.CONSENSUS_FILE, consensus) if consensus else HIDDEN,
        "members_csv": str(files.members),
        "pairs_csv": str(files.pairs),
        "document": str(files.document),
        "everything": str(result.archive),
    }


def _download(label: str, path: Path) -> object:
    return gr.update(label=label, value=str(path), visible=True)
