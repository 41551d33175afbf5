"""From a comparison to the changed parts of the Compare tab, by the names of ``layout.lay_out``."""

from dataclasses import replace
from pathlib import Path

import gradio as gr

from evaluation.comparison.members import Comparison
from evaluation.ui.compare import texts, view
from evaluation.ui.compare.code import compare_code
from evaluation.ui.compare.layout import MOST_SHOWN
from evaluation.ui.compare.state import Given, Request, Result, Work
from evaluation.ui.corrections.view import nothing_chosen
from evaluation.ui.evaluate.messages import message
from medseg_demo.ui import markup
from medseg_demo.ui.texts import OTHER_IMAGE_TITLE

Updates = dict[str, object]

HIDDEN = gr.update(visible=False)


def whole_result(work: Work, result: Result, total: int, address: str) -> Updates:
    """Everything about a finished run.

    Args:
        work: What the page holds; the result need not be in it yet.
        result: With its files, and the pictures of one image.
        total: How many label maps were asked for.
        address: Of this page, for the code that reproduces the result.
    """
    return {
        "status": view.verdict(result, total),
        "stale": stale_mark(work.given, result, result.request),
        **shown(result),
        "means": view.over_images(result.figures),
        **compare_code(result, address),
    }


def partial_result(work: Work, result: Result, *, pictures: bool) -> Updates:
    """What is there while a run goes on: no consensus, nothing to download, and one image in the viewer.

    Args:
        work: What the page holds.
        result: What is there.
        pictures: Whether that image has other pictures than before.
    """
    return {
        "stale": stale_mark(work.given, result, result.request),
        "means": view.over_images(result.figures),
        **(shown(result) if pictures else {}),
        "method": gr.update(interactive=False),
    }


def shown(result: Result) -> Updates:
    """The image in the viewer: its pictures, its tables, its files."""
    found = result.comparison
    if found is None:
        return {}
    return {
        "viewer": view.viewer_value(found),
        "where": view.where(found),
        "tables": view.tables(found),
        "image": _image_choice(result),
        "method": gr.update(value=found.method or "", interactive=len(found.predictions) > 1),
        **nothing_chosen([(one.name, one.name) for one in found.predictions], interactive=result.tables is not None),
        "correct_add": gr.update(visible=False),
        **_files(result, found),
    }


def stale_mark(given: Given, result: Result | None, request: Request) -> str:
    """A mark where the images or the controls are no longer what the result was made with."""
    if result is None or result.comparison is None:
        return ""
    if given.studies not in ((), result.studies):
        title = OTHER_IMAGE_TITLE.format(name=_called(result))
        return markup.panel("info", title, [texts.STALE])
    if len(result.studies) == 1:  # whose consensus is made anew when it is chosen
        request = replace(request, method=result.request.method)
    if result.request != request:
        return markup.panel("info", texts.STALE_TITLE, [texts.STALE])
    return ""


def problem(result: Result | None, error: Exception) -> str:
    """The panel of an error; it says so where an earlier result stays on the page."""
    lines = message(error).splitlines()
    if result is not None and result.comparison is not None:
        lines.append(texts.KEPT.format(name=_called(result)))
    return markup.panel("error", texts.ERROR_TITLE, lines)


def _called(result: Result) -> str:
    if len(result.studies) > 1 or result.comparison is None:
        return texts.IMAGES.format(count=len(result.studies))
    return result.comparison.image.name


def _image_choice(result: Result) -> object:
    """The list of the images; none for a single one, and while the run goes on."""
    names = [(one.name, str(place)) for place, one in enumerate(result.succeeded)]
    if len(result.studies) < 2 or result.tables is None:
        return gr.update(choices=[], value=None, visible=False)
    return gr.update(choices=names, value=str(result.position), visible=True)


def _files(result: Result, found: Comparison) -> Updates:
    one, tables = result.shown, result.tables
    if one is None or one.files is None or tables is None:
        return {"downloads": gr.update(visible=False)}
    paths = [(member.name, one.files.label_maps[member.name]) for member in found.members]
    slots = [*paths, *[None] * (MOST_SHOWN - len(paths))]
    consensus = one.files.label_maps[found.consensus.name] if found.consensus else None
    return {
        "downloads": gr.update(visible=True),
        **{f"label_map_{place}": _download(*one) if one else HIDDEN for place, one in enumerate(slots)},
        "consensus_file": _download(texts.CONSENSUS_FILE, consensus) if consensus else HIDDEN,
        "means_csv": _download(texts.MEANS_CSV, tables.means) if tables.means else HIDDEN,
        "members_csv": str(tables.members),
        "pairs_csv": str(tables.pairs),
        "document": str(tables.document),
        "everything": str(result.archive),
    }


def _download(label: str, path: Path) -> object:
    return gr.update(label=label, value=str(path), visible=True)
