"""From what happened to the changed parts of the Segment tab, by the names of ``layout.lay_out``."""

from collections.abc import Sequence

import gradio as gr

from medseg_demo.models.card import ModelCard
from medseg_demo.models.catalog import CatalogEntry
from medseg_demo.segmenting.pipeline import Segmentation
from medseg_demo.ui import checkpoint_view, markup, texts
from medseg_demo.ui.faults import explain
from medseg_demo.ui.segment import correct_handlers, given_view, result_view
from medseg_demo.ui.segment.downloads import RunFiles
from medseg_demo.ui.segment.exports import format_choices
from medseg_demo.ui.segment.state import Choices, Given, Outcome, Run, Work

Updates = dict[str, object]


def whole_result(work: Work, run: Run, files: RunFiles, *, point: Sequence[int] | None = None) -> Updates:
    """Everything about a finished run, which need not be the work's yet.

    Args:
        work: Of this visitor.
        run: What was finished.
        files: What it wrote.
        point: [z, y, x] where the planes cross in the viewer.
    """
    shown = run.succeeded[run.position]
    return {
        "status": result_view.verdict(run),
        "stale": stale_mark(work.given, run, run.choices),
        **view(work, run.shown, point=point),
        **listing(run),
        **chosen_files(shown),
        "measurements_json": str(files.measurements_json),
        "measurements_csv": str(files.measurements_csv),
        "everything": str(files.everything),
        "downloads": gr.update(visible=True),
    }


def view(work: Work, segmentation: Segmentation | None, *, point: Sequence[int] | None = None) -> Updates:
    """One segmentation in the viewer, what made it, and what else can be made of it."""
    if segmentation is None:
        return {}
    value = given_view.result_value(work, segmentation, point=point)
    segmentation = correct_handlers.as_corrected(work, segmentation)
    formats = format_choices(segmentation)
    return {
        "viewer": value,
        "heading": result_view.heading(segmentation),
        "correction": correct_handlers.note(work),
        "format": gr.update(choices=formats, value=formats[0][1]),
        "export": gr.update(value=None, visible=False),
        "export_note": "",
        "surface_panel": gr.update(visible=segmentation.label_map.is_volume),
        "surface": None,
        "surface_note": "",
    }


def listing(run: Run) -> Updates:
    """The table of measurements, and the gallery where there are several files."""
    pictures = [(str(outcome.thumbnail), outcome.name) for outcome in run.succeeded]
    several = len(run.outcomes) > 1
    return {
        "gallery": gr.update(value=pictures if several else None, visible=several),
        "measurements": result_view.measurements(run.outcomes),
    }


def chosen_files(shown: Outcome) -> Updates:
    """The downloads that belong to the one image in the viewer."""
    files = {name: path and str(path) for name, path in (("label_map", shown.label_map), ("overlay", shown.overlay))}
    heat_map = shown.heat_map and str(shown.heat_map)
    return {**files, "heat_map": gr.update(value=heat_map, visible=heat_map is not None)}


def stale_mark(given: Given, run: Run | None, choices: Choices) -> str:
    """A mark where what is given or the controls are no longer what the result was made of and with."""
    if run is None:
        return ""
    if given.studies not in ((), run.studies):
        name = run.studies[0].stem if len(run.studies) == 1 else texts.IMAGES.format(count=len(run.studies))
        return markup.panel("info", texts.OTHER_IMAGE_TITLE.format(name=name), [texts.STALE])
    if run.choices != choices:
        return markup.panel("info", texts.STALE_TITLE, [texts.STALE])
    return ""


def checkpoint(entry: CatalogEntry | None, explain: str = "") -> Updates:
    """The card of a checkpoint, its threshold, its filter, its heat maps; one that was chosen stays where it can."""
    if entry is None or entry.card is None:
        return {"card": "", "weaknesses": "", "explain": gr.update(choices=[(texts.NO_HEAT_MAP, "")], value="")}
    slider = (
        gr.update(interactive=True, info=texts.THRESHOLD_HINT, value=entry.card.threshold or 0.5)
        if entry.card.takes_threshold
        else gr.update(interactive=False, info=texts.THRESHOLD_OFF)
    )
    return {
        "card": checkpoint_view.entry_card(entry),
        "weaknesses": checkpoint_view.weaknesses(entry),
        "threshold": slider,
        "denoise": entry.card.denoise,
        "explain": gr.update(
            choices=(heat := heat_maps(entry.card)), value=explain if explain in dict(heat).values() else ""
        ),
    }


def heat_maps(card: ModelCard) -> list[tuple[str, str]]:
    """(words, option) of each heat map that there may be beside a result."""
    named = [*card.class_names, *(one.name for one in card.findings)]
    found = [(texts.GRADCAM.format(name=name), f"gradcam:{name}") for name in named]
    if len(card.class_names) > 1:
        found.append((texts.GRADCAM.format(name=texts.EVERY_CLASS), "gradcam"))
    members = [(texts.ENSEMBLE_HEAT, "ensemble")] if card.ensemble else []
    runs_elsewhere = card.ensemble or card.recipe or (card.exported and card.exported.format != "onnx")
    return [(texts.NO_HEAT_MAP, ""), *([] if runs_elsewhere else found), (texts.FLIPS_HEAT, "flips"), *members]


def problem(work: Work, error: Exception) -> str:
    """The panel of an error; it says so where an earlier result stays on the page."""
    lines = [explain(error)]
    if work.run is not None and work.run.shown is not None:
        lines.append(texts.ERROR_KEPT.format(name=work.run.shown.image.name))
    return markup.panel("error", texts.ERROR_TITLE, lines)
