"""From a comparison to the changed parts of the Compare tab, by the names of ``compare_layout.lay_out``."""

from pathlib import Path

import gradio as gr

from evaluation.compared import MOST, Comparison
from evaluation.ui import compare_texts as texts
from evaluation.ui import compare_view
from evaluation.ui.compare_code import compare_code
from evaluation.ui.compare_state import Work
from evaluation.ui.messages import message
from medseg_demo.ui import markup

Updates = dict[str, object]

HIDDEN = gr.update(visible=False)


def whole_result(work: Work, total: int, address: str) -> Updates:
    """Everything about a finished comparison.

    Args:
        work: With the result and its files.
        total: How many label maps were asked for.
        address: Of this page, for the code that reproduces the result.
    """
    assert work.result is not None
    return {
        "work": work,
        "status": compare_view.verdict(work.result, total),
        "stale": "",
        **_shown(work.result),
        "method": gr.update(value=work.result.method or "", interactive=len(work.result.predictions) > 1),
        **_files(work),
        **compare_code(work, address),
    }


def partial_result(work: Work) -> Updates:
    """What is there of a comparison while it goes on: no consensus and nothing to download.

    The work is part of it, since the viewer asks for slices of a volume as soon as it shows the volume.
    """
    assert work.result is not None
    return {
        "work": work,
        "stale": "",
        **_shown(work.result),
        "method": gr.update(interactive=False),
        **_files(work),
    }


def _shown(comparison: Comparison) -> Updates:
    """The pictures and the tables."""
    return {
        "viewer": compare_view.viewer_value(comparison),
        "where": compare_view.where(comparison),
        "tables": compare_view.tables(comparison),
    }


def problem(work: Work, error: Exception) -> str:
    """The panel of an error; it says so where an earlier result stays on the page."""
    lines = message(error).splitlines()
    if work.result is not None:
        lines.append(texts.KEPT.format(name=work.result.image.name))
    return markup.panel("error", texts.ERROR_TITLE, lines)


def _files(work: Work) -> Updates:
    files, comparison = work.files, work.result
    if files is None or comparison is None:
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
        "everything": str(work.archive),
    }


def _download(label: str, path: Path) -> object:
    return gr.update(label=label, value=str(path), visible=True)
