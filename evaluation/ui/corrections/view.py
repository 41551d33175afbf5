"""What is said of a correction below its viewer, and its file; by the names of ``layout.lay_out_correcting``."""

import secrets
from collections.abc import Mapping
from pathlib import Path

import gradio as gr

from evaluation.comparison.corrected import dice_changes
from evaluation.ui.corrections import texts
from evaluation.ui.corrections.work import Correcting, others_of
from evaluation.ui.evaluate.messages import message
from medseg_demo.correcting.saving import correction_formats, save_correction
from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.numbers import score
from medseg_demo.ui import markup
from medseg_demo.ui import texts as page
from medseg_demo.ui.correct.corrections import Corrected
from medseg_demo.ui.correct.handlers import as_value

Updates = dict[str, object]

FOLDER = "corrected"
FORMATS = {
    "auto": "PNG",
    "nifti": "NIfTI",
    "nrrd": "NRRD",
    "dicom-seg": "DICOM SEG",
    "stl": page.SURFACE_STL,
    "glb": page.SURFACE_GLB,
}
HIDDEN = gr.update(visible=False)


def nothing_chosen(choices: list[tuple[str, str]], *, interactive: bool = True) -> Updates:
    """The controls where nothing is corrected.

    Args:
        choices: (name, key) of what can be.
        interactive: Whether it can be now.
    """
    offered = [(texts.NOTHING, ""), *choices]
    return {
        "correct": gr.update(choices=offered, value="", interactive=interactive and bool(choices)),
        "corrected": "",
        **dict.fromkeys(("correct_format", "correct_write", "correct_file"), HIDDEN),
    }


def chosen(corrected: Corrected, image: MedicalImage, against: Mapping[str, LabelMap], *, dropped: bool) -> Updates:
    """The controls of what was just chosen."""
    formats = [one for one in correction_formats(corrected.correction, image) if one != "auto" or not image.is_volume]
    names = sorted(((FORMATS[one], one) for one in formats), key=lambda row: row[1] != "auto")
    lines = [texts.REPLACED.format(name=corrected.correction.name)] if dropped else []
    return {
        "corrected": markup.bullets(lines, kind="warning") + described(corrected, against),
        "correct_format": gr.update(choices=names, value=names[0][1], visible=True),
        "correct_write": gr.update(visible=True),
        "correct_file": HIDDEN,
    }


def described(corrected: Corrected, against: Mapping[str, LabelMap]) -> str:
    """How much was corrected in what time, and the Dice before and after against other label maps of the image."""
    correction = corrected.correction
    if not correction.is_changed:
        return markup.hint(texts.READY.format(name=correction.name))
    label_map = correction.label_map
    total = len(label_map.labels) if label_map.is_volume else 1
    rows = [
        [one.against, one.class_name, score(one.before), score(one.after)]
        for one in dice_changes(others_of(corrected, against), correction.original, label_map)
    ]
    line = markup.small(texts.spent(len(correction.changed_slices()), total, correction.seconds))
    table = markup.table(texts.CHANGES, texts.COLUMNS, rows) if rows else ""
    return markup.card(texts.CHANGES, table, line, note=correction.name)


def write(work: Correcting, image: MedicalImage, file_format: str, folder: Path) -> Updates:
    """Write the present label map for download; without room there is a sentence, and an older file stays."""
    corrected = work.current
    if corrected is None or not corrected.correction.is_changed:
        return {"corrected": unchanged()}
    revision = corrected.correction.revision
    try:
        path = save_correction(corrected.correction, image, folder / FOLDER / secrets.token_hex(4), file_format)
    except Exception as error:
        return {"corrected": problem(error)}
    corrected.saved = revision
    return {
        "viewer": as_value(corrected.answer(work.key)),
        "correct_file": gr.update(value=str(path), label=path.name, visible=True),
    }


def unchanged() -> str:
    """That there is nothing to save."""
    return markup.panel("info", texts.UNCHANGED_TITLE, [texts.UNCHANGED])


def problem(error: BaseException) -> str:
    """Why something was not done."""
    return markup.panel("error", texts.PROBLEM_TITLE, message(error).splitlines())
