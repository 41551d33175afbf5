"""The drawer's corrections by hand: of a prediction or the reference, saved as a file or as the case's reference.

Each handler returns the parts of the page that change, by the names of ``layout.lay_out``.
"""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import gradio as gr

from evaluation.results.origins import OpenedCase, find_test_set
from evaluation.stress.cases import stress_of
from evaluation.ui.corrections import texts as said
from evaluation.ui.corrections import view as corrections
from evaluation.ui.corrections.work import Correcting
from evaluation.ui.evaluate import case_handlers, texts
from evaluation.ui.evaluate.board import Board, CaseKey
from evaluation.ui.evaluate.case_handlers import OF_REFERENCE, Opening, panes
from evaluation.ui.evaluate.views import Updates
from medseg_demo.correcting.reference import replace_reference
from medseg_demo.errors import OptionError, TestSetError
from medseg_demo.image import LabelMap
from medseg_demo.rendering import Plane
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import Case
from medseg_demo.test_sets.test_set import TestSet
from medseg_demo.ui import markup
from medseg_demo.ui.correct.corrections import Corrected
from medseg_demo.ui.slice_requests import wanted_channels, wanted_slices

HIDDEN = gr.update(visible=False)


def choose(work: Correcting, shown: Opening | None, name: str | None, *, may_replace: bool) -> Updates:
    """Correct a prediction of the open case, or its reference, from now on; nothing ends that.

    Args:
        work: What the visitor corrects.
        shown: The case that is open.
        name: The checkpoint's, or ``OF_REFERENCE``.
        may_replace: Whether the page lets references be replaced at all.
    """
    if shown is None:
        return {}
    key, case = shown
    if name != OF_REFERENCE and name not in [one.checkpoint for one in case.predictions if one.label_map is not None]:
        work.close()
        return {"viewer": case_handlers.value_of(key, case), **case_handlers.offer(case)}
    place = (key.test_set, key.case_id, str(name))
    label_maps = _shown(key, case, str(name))
    with work.opening:
        if work.is_open(place, label_maps, [case.reference]):
            return {}
        corrected, dropped = work.open(place, label_maps, 0, [case.reference], image=case.image)
        value = case_handlers.value_of(key, case, corrected)
        work.show(value)
    return {
        "viewer": value,
        **corrections.chosen(corrected, case.image, _against(case, corrected), dropped=dropped),
        "as_reference": gr.update(visible=may_replace),
        "reference_confirm": HIDDEN,
    }


def describe(work: Correcting, shown: Opening | None) -> Updates:
    """After edits: how they change the Dice."""
    if work.current is None or shown is None:
        return {}
    said_of = corrections.described(work.current, _against(shown[1], work.current))
    return {"corrected": said_of, "correct_file": HIDDEN, "reference_confirm": HIDDEN}


def write(work: Correcting, shown: Opening | None, file_format: str, folder: Path) -> Updates:
    """Write the corrected label map for download."""
    if shown is None:
        return {"corrected": corrections.unchanged()}
    return corrections.write(work, shown[1].image, file_format, folder)


def ask(settings: Settings, board: Board, work: Correcting, shown: Opening | None, *, is_owner: bool) -> Updates:
    """Whether the reference is to be replaced: what is replaced by what, and what that means for scores."""
    corrected = work.current
    if corrected is None or shown is None or not corrected.correction.is_changed:
        return {"corrected": corrections.unchanged()}
    try:
        test_set, case = _place(settings, board, shown[0], is_owner=is_owner)
    except Exception as error:
        return {"corrected": corrections.problem(error)}
    line = texts.REPLACE_QUESTION.format(case=case.case_id, test_set=test_set.name, name=corrected.correction.name)
    return {
        "reference_confirm": gr.update(visible=True),
        "reference_question": markup.panel("warning", texts.REPLACE_TITLE, [line, texts.REPLACE_MEANS]),
    }


def replace(
    settings: Settings,
    board: Board,
    work: Correcting,
    shown: Opening | None,
    open_again: Callable[[Board, list[str]], Updates],
    *,
    is_owner: bool,
) -> Updates:
    """Save the corrected label map as the reference of the open case, which is then read again.

    Args:
        settings: Of the page: a visitor's own test sets are none of the server's.
        board: The visitor's page.
        work: What the visitor corrects.
        shown: The case that is open.
        open_again: Opens the case of a pick anew.
        is_owner: Whether the visitor is who started the page.
    """
    corrected = work.current
    if corrected is None or shown is None or not corrected.correction.is_changed:
        return {"corrected": corrections.unchanged(), "reference_confirm": HIDDEN}
    key, opened = shown
    try:
        test_set, case = _place(settings, board, key, is_owner=is_owner)
        kept = replace_reference(
            case, corrected.correction,
            opened=opened.reference, image=opened.image if case.image_paths else None, folder=test_set.folder,
            today=date.today(), settings=settings,
        )  # fmt: skip
    except Exception as error:
        return {"corrected": corrections.problem(error), "reference_confirm": HIDDEN}
    work.forget(corrected)
    pick = [key.test_set, key.checkpoint, key.case_id, key.class_name]
    where = kept.relative_to(test_set.folder).as_posix() if kept.is_relative_to(test_set.folder) else kept.name
    lines = [texts.REPLACED_WHERE.format(where=where), texts.SCORE_ANEW]
    done = markup.panel("good", texts.REPLACED_TITLE.format(case=case.case_id), lines)
    return {**open_again(board, pick), "corrected": done, "reference_confirm": HIDDEN}


def send_slices(
    work: Correcting, shown: Opening | None, plane: Plane, slices: list[int], key: str, channels: object = None
) -> object:
    """Slices of the volume in the viewer that the browser does not have yet, as they are corrected now."""
    if shown is None:
        return gr.skip()
    case_key, case = shown
    wanted, of = wanted_slices(case.image, plane, slices), wanted_channels(case.image, channels)
    corrected = work.corrections.find(key)
    return case_handlers.value_of(case_key, case, corrected, plane=plane, slices=wanted, channels=of, key_shown=key)


def _shown(key: CaseKey, case: OpenedCase, name: str) -> list[tuple[str, LabelMap]]:
    """The predictions of the viewer's value, what is corrected first."""
    of_reference = name == OF_REFERENCE
    in_panes, _ = panes(case, key.checkpoint if of_reference else name)
    own = [(one.checkpoint, one.label_map) for one in in_panes if one.label_map is not None]
    return [(said.REFERENCE, case.reference), *own] if of_reference else own


def _against(case: OpenedCase, corrected: Corrected) -> dict[str, LabelMap]:
    """A prediction is held against the reference, and the reference against the predictions."""
    if corrected.correction.name != said.REFERENCE:
        return {said.REFERENCE: case.reference}
    return {one.checkpoint: one.label_map for one in case.predictions if one.label_map is not None}


def _place(settings: Settings, board: Board, key: CaseKey, *, is_owner: bool) -> tuple[TestSet, Case]:
    """The case as it lies in a test-set folder of the server.

    Raises:
        MedsegError: The visitor may not replace references, or the case is none of such a folder.
    """
    if settings.public or not is_owner:
        raise OptionError(texts.NOT_OWNER)
    assert board.opened is not None
    runs = board.opened.runs_on(key.test_set, key.case_id)
    if any(stress_of(run.settings) for run, _ in runs.values()):
        raise OptionError(texts.UNDER_STRESS)
    name = next((run.test_set for run, _ in runs.values()), key.test_set)
    own = board.own_test_sets
    if own is not None and (own / name).is_dir():
        raise OptionError(texts.OWN_TEST_SET)
    test_set = find_test_set(name, settings)
    case = next((one for one in test_set.cases if one.case_id == key.case_id), None)
    if case is None:
        raise TestSetError([f"Test set {name!r} has no case {key.case_id!r} any more. Open the runs again."])
    return test_set, case
