"""What happens below a result: other formats and the surface, for the image in the viewer.

Each handler returns the parts of the page that change, by the names of ``segment_layout.lay_out``.
"""

import secrets
from pathlib import Path

import gradio as gr

from medseg_demo.errors import OptionError
from medseg_demo.names import safe_stem
from medseg_demo.segmenting.pipeline import Segmentation
from medseg_demo.ui import markup, texts
from medseg_demo.ui.faults import explain
from medseg_demo.ui.segment import correct_handlers, exports
from medseg_demo.ui.segment.state import Work
from medseg_demo.ui.segment.surface_view import surface_value
from medseg_demo.ui.segment.updates import Updates
from medseg_demo.writing.label_map import DICOM_SEG_NOTE


def write(work: Work, key: str | None, folder: Path) -> Updates:
    """Write the shown result in another format; a DICOM SEG comes with a word of care."""
    try:
        network, shown = _shown(work)
        corrected = correct_handlers.corrected_of(work, network)
        revision, ending = corrected.correction.revision, "" if shown is network else correct_handlers.ENDING
        stem = safe_stem(shown.image.name) + ending
        path = exports.write_export(shown, key or "", folder / secrets.token_hex(4), stem)
    except Exception as error:
        return {"export": gr.update(value=None, visible=False), "export_note": _problem(error)}
    names_patient = key == exports.DICOM_SEG and shown.image.pseudonym is None
    note = markup.panel("warning", path.name, [DICOM_SEG_NOTE]) if names_patient else ""
    saved = correct_handlers.mark_saved(work, revision) if exports.holds_labels(key) else {}
    return {"export": gr.update(value=str(path), visible=True), "export_note": note, **saved}


def show_surface(work: Work) -> Updates:
    """The surface of the shown result, for the 3-D view."""
    try:
        return {"surface": surface_value(_shown(work)[1].label_map), "surface_note": ""}
    except Exception as error:
        return {"surface": None, "surface_note": _problem(error)}


def _shown(work: Work) -> tuple[Segmentation, Segmentation]:
    """The result in the viewer as the network made it, and as it was corrected."""
    if work.run is None or work.run.shown is None:
        raise OptionError(texts.NO_RESULT)
    return work.run.shown, correct_handlers.as_corrected(work, work.run.shown)


def _problem(error: Exception) -> str:
    return markup.panel("error", texts.ERROR_TITLE, [explain(error)])
