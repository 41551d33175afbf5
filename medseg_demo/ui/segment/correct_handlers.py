"""What happens on the Segment tab when the result in the viewer is corrected by hand.

The network's own result stays (``Run.shown``), so that a correction can be taken back. What is shown, measured, written
and downloaded is the corrected one.
"""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from medseg_demo.correcting.correction import Correction
from medseg_demo.correcting.segmentation import corrected_segmentation
from medseg_demo.rendering.predictions import ClassTotals, class_totals, relabelled, shared_names
from medseg_demo.segmenting.pipeline import Segmentation
from medseg_demo.ui import markup, texts
from medseg_demo.ui.correct import texts as correct_texts
from medseg_demo.ui.correct.corrections import Corrected
from medseg_demo.ui.correct.handlers import as_value
from medseg_demo.ui.faults import explain
from medseg_demo.ui.segment import result_view
from medseg_demo.ui.segment.downloads import RunFiles, write_outcome, write_run
from medseg_demo.ui.segment.state import Outcome, Run, Work
from medseg_demo.ui.viewer import segmentation_value

Updates = dict[str, object]

ENDING = "-corrected"
FILES = ("label_map", "overlay", "measurements_json", "measurements_csv", "everything")


def corrected_of(work: Work, segmentation: Segmentation) -> Corrected:
    """The corrections of a result of the run on the page; none were made at first."""
    name = _outcome(work.run).name if work.run is not None and work.run.succeeded else segmentation.image.name
    found = work.corrected.get(name)
    if found is None:
        found = work.corrected[name] = Corrected(
            Correction(segmentation.label_map, name=segmentation.checkpoint),
            image=segmentation.image,
            clicker=segmentation.checkpoint,
            begins=bool(segmentation.card.prompts),
        )
    return found


def as_corrected(work: Work, segmentation: Segmentation) -> Segmentation:
    """A result as it is after the corrections that were made of it."""
    return corrected_segmentation(segmentation, corrected_of(work, segmentation).correction)


def value_of(work: Work, segmentation: Segmentation, **options: Any) -> dict[str, object]:
    """A result as it is after its corrections, as the viewer's value, which corrects it further.

    Args:
        work: Of this visitor.
        segmentation: As the network made it.
        options: Of ``segmentation_value``. With the key of a value that is shown, slices are added to that.
    """
    key = options.get("key")
    corrected = corrected_of(work, segmentation) if key is None else work.corrections.find(key)
    if corrected is None:
        return segmentation_value(segmentation, **options)
    editing = corrected.shown()  # before the labels, which may be of a later edit by then
    shown = corrected_segmentation(segmentation, corrected.correction)
    value = segmentation_value(shown, editing=editing, **options)
    if key is None:
        work.corrections.show(value["key"], corrected)
    return value


def follow(work: Work, folder: Path, key: object) -> Updates:
    """Measure what was corrected, and write its files: they are those of what is seen.

    Args:
        work: Of this visitor.
        folder: Of the visitor, for files of the example, which are everybody's.
        key: Of the viewer's value that was corrected.
    """
    run, corrected = work.run, work.corrections.find(key)
    if run is None or run.shown is None or corrected is None:
        return {name: gr.update(interactive=True) for name in FILES}  # of what took its place
    try:
        revision, segmentation, written, files = _write(run, corrected, folder)
    except Exception as error:
        return {"correction": markup.panel("error", texts.ERROR_TITLE, [explain(error), correct_texts.UNWRITTEN])}
    work.run = written
    corrected.written = revision
    outcome = _outcome(written)
    return {
        "viewer": as_value(replace(corrected.answer(str(key)), totals=_totals(work, segmentation))),
        "heading": result_view.heading(segmentation),
        "measurements": result_view.measurements(written.outcomes),
        "correction": note(work),
        **_files(outcome, files),
    }


def _totals(work: Work, segmentation: Segmentation) -> list[ClassTotals] | None:
    """Voxels of each class of the viewer's value, of a volume."""
    label_map, reference = segmentation.label_map, work.reference_of(segmentation)
    if not label_map.is_volume:
        return None
    names = shared_names([label_map, reference])
    return class_totals(relabelled(label_map, names), None if reference is None else relabelled(reference, names))


def _write(run: Run, corrected: Corrected, folder: Path) -> tuple[int, Segmentation, Run, RunFiles]:
    assert run.shown is not None
    revision = corrected.correction.revision  # before the labels, which may be of a later one by then
    segmentation = corrected_segmentation(run.shown, corrected.correction)
    before, place = _outcome(run), run.folder or folder / secrets.token_hex(4)
    ending = ENDING if corrected.correction.is_changed else ""
    outcome = replace(write_outcome(segmentation, before.source, f"{before.name}{ending}", place), name=before.name)
    outcomes = tuple(outcome if one is before else one for one in run.outcomes)
    return revision, segmentation, replace(run, outcomes=outcomes, folder=place), write_run(outcomes, place)


def _files(outcome: Outcome, files: RunFiles) -> Updates:
    paths = {
        "label_map": outcome.label_map,
        "overlay": outcome.overlay,
        "measurements_json": files.measurements_json,
        "measurements_csv": files.measurements_csv,
        "everything": files.everything,
    }
    return {name: gr.update(value=str(path), interactive=True) for name, path in paths.items()}


def note(work: Work) -> str:
    """That the result in the viewer was corrected, and that this ends with the session."""
    if work.run is None or work.run.shown is None:
        return ""
    correction = corrected_of(work, work.run.shown).correction
    if not correction.is_changed:
        return ""
    slices, total = len(correction.changed_slices()), len(correction.label_map.labels)
    title = correct_texts.CORRECTED_TITLE
    if correction.label_map.is_volume:
        title = correct_texts.CORRECTED_SLICES_TITLE.format(slices=slices, total=total)
    return markup.panel("info", title, [correct_texts.CORRECTED])


def mark_saved(work: Work, revision: int | None = None) -> Updates:
    """The label map of the result in the viewer was saved, at a revision; None takes that of the written files."""
    if work.run is None or work.run.shown is None:
        return {}
    corrected = corrected_of(work, work.run.shown)
    corrected.saved = max(corrected.saved, corrected.written if revision is None else revision)
    key = work.corrections.key_of(corrected)
    return {} if key is None else {"viewer": as_value(corrected.answer(key))}


def catch_up(work: Work) -> None:
    """Write the files of the result in the viewer now, where they do not hold its last edits yet.

    Raises:
        OutputError: A file cannot be written.
    """
    run, folder = work.run, work.folder
    corrected = None if run is None or run.shown is None else work.corrected.get(_outcome(run).name)
    if run is not None and corrected is not None and folder and corrected.written < corrected.correction.revision:
        corrected.written, _, work.run, _ = _write(run, corrected, folder)


def turn_to(work: Work, segmentation: Segmentation, position: int) -> None:
    """Bring another result of the run into view; of the others only what was corrected is remembered."""
    catch_up(work)
    assert work.run is not None
    work.corrected = {name: one for name, one in work.corrected.items() if one.correction.is_changed}
    work.run = replace(work.run, shown=segmentation, position=position)


def leave(work: Work) -> Updates:
    """The run leaves the page: corrections that nobody saved are kept as files until the session ends."""
    catch_up(work)
    outcomes = work.run.succeeded if work.run is not None else ()
    unsaved = {name for name, corrected in work.corrected.items() if corrected.is_unsaved}
    kept = [one.label_map for one in outcomes if one.name in unsaved and one.label_map is not None]
    work.corrected.clear()
    work.corrections.clear()
    work.kept += kept
    return {"correction": "", **(_kept_files(work.kept) if kept else {})}


def with_corrections(work: Work, run: Run) -> Run:
    """A run that goes on, with what was corrected of its first results meanwhile."""
    if work.run is None or work.run.folder != run.folder:
        return run
    made = {one.name: one for one in work.run.outcomes if one.name in work.corrected}
    return replace(run, outcomes=tuple(made.get(one.name, one) for one in run.outcomes))


def _kept_files(paths: Sequence[Path]) -> Updates:
    """The label maps that were corrected and not saved, to be downloaded."""
    return {
        "kept": gr.update(value=[str(path) for path in paths], visible=bool(paths)),
        "kept_note": markup.panel("warning", correct_texts.KEPT_TITLE, [correct_texts.KEPT]) if paths else "",
    }


def _outcome(run: Run | None) -> Outcome:
    assert run is not None
    return run.succeeded[run.position]
