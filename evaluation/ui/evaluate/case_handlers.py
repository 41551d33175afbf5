"""The drawer: a case that was picked in a plot, the table or a tile, and the next and previous worst ones."""

import json
from collections.abc import Sequence
from dataclasses import replace
from html import escape

import gradio as gr
import numpy as np
import pandas as pd

from evaluation.comparison.error_regions import error_regions
from evaluation.metrics import METRICS
from evaluation.results.answers import names_in, worst_cases
from evaluation.results.origins import CasePrediction, OpenedCase, Segment, open_case
from evaluation.results.terms import label
from evaluation.results.words import number
from evaluation.ui.corrections.texts import REFERENCE
from evaluation.ui.corrections.view import nothing_chosen
from evaluation.ui.evaluate import case_table, gallery, tags, texts
from evaluation.ui.evaluate.board import Board, CaseKey
from evaluation.ui.evaluate.messages import message
from evaluation.ui.evaluate.views import Updates
from medseg_demo.errors import TestSetError
from medseg_demo.image import MedicalImage
from medseg_demo.rendering import NamedPrediction, Plane, viewer_value
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui import markup
from medseg_demo.ui.correct.corrections import Corrected
from medseg_demo.ui.session import Running

Opening = tuple[CaseKey, OpenedCase]

MOST_PANES = 4
OF_REFERENCE = "reference/"  # no name of a checkpoint holds a slash


def open_picked(
    engine: Engine, board: Board, pick: list[str], shown: Opening | None, running: Running | None = None
) -> Updates:
    """Open the drawer on the case that a click named; another checkpoint of the open case is only shown.

    What is open is read again where it does not hold the predictions of just the checkpoints that are chosen now.

    Args:
        engine: Makes predictions again that were not kept.
        board: The visitor's page.
        pick: Test set, checkpoint, case and class.
        shown: The case that is open, with its arrays.
        running: Ends what the engine makes, when the visitor leaves.
    """
    found = board.answer
    if found is None or len(pick) != 4:
        return {}
    key, on_page = CaseKey(*map(str, pick)), board.latest.answer
    board = replace(board, case=key)
    updates: Updates = {
        "board": board,
        "drawer": gr.update(visible=True),
        "case_head": _head(board, key),
        "case_scores": _scores(board, key),
        "tags": tags.choices(board),
        "cases": case_table.table_html(found, board.table, key),
    }
    try:
        case = shown[1] if shown and _holds(shown, board, key) else _open(engine, board, key, running)
    except Exception as error:
        updates |= _missing(engine, key, error) | offer(None)
    else:
        updates |= {"shown": (key, case)} | _pictures(board, key, case) | offer(case)
    return updates if board.latest.answer is on_page else {}  # meanwhile other runs may have been opened


def open_neighbour(
    engine: Engine, board: Board, step: int, shown: Opening | None, running: Running | None = None
) -> Updates:
    """The next (1) or previous (-1) worst case of the checkpoint in the viewer."""
    if board.answer is None or board.case is None:
        return {}
    order = _order(board, board.case)
    if board.case.case_id not in order:
        return {}
    place = (order.index(board.case.case_id) + step) % len(order)
    key = replace(board.case, case_id=order[place])
    pick = [key.test_set, key.checkpoint, key.case_id, key.class_name]
    return open_picked(engine, board, pick, shown, running)


def offer(case: OpenedCase | None) -> Updates:
    """What of a case that was just opened can be corrected by hand: its predictions and its reference."""
    there = [one for one in case.predictions if one.label_map is not None] if case else []
    choices = [(one.checkpoint, one.checkpoint) for one in there]
    choices += [(REFERENCE, OF_REFERENCE)] if case else []
    hidden = gr.update(visible=False)
    return {**nothing_chosen(choices), "as_reference": hidden, "reference_confirm": hidden}


def close(board: Board) -> Updates:
    """Close the drawer."""
    board = replace(board, case=None)
    cases = case_table.table_html(board.answer, board.table, None) if board.answer else ""
    return {"board": board, "cases": cases, **closed()}


def closed() -> Updates:
    """The drawer without a case: neither its arrays nor itself stay."""
    return {"shown": None, "drawer": gr.update(visible=False)}


def segment_with(engine: Engine, running: Running | None = None) -> Segment:
    """What makes predictions again that were not kept: with the checkpoints of this computer."""

    def segment(image: MedicalImage, checkpoint: str) -> tuple[np.ndarray, str]:
        result = (running or Running("evaluate", "")).segment(engine, image, checkpoint)
        return result.label_map.labels, result.digest

    return segment


def _holds(shown: Opening, board: Board, key: CaseKey) -> bool:
    """Whether what is open is this case, with the predictions of the chosen checkpoints and no others."""
    was, case = shown
    names = tuple(one.checkpoint for one in case.predictions)
    return (was.test_set, was.case_id, names) == (key.test_set, key.case_id, _names(board, key))


def _open(engine: Engine, board: Board, key: CaseKey, running: Running | None = None) -> OpenedCase:
    assert board.opened is not None
    return open_case(
        key.test_set, key.case_id, _names(board, key), runs=board.opened.runs_on(key.test_set, key.case_id),
        settings=board.settings(engine.settings), segment=segment_with(engine, running),
    )  # fmt: skip


def _names(board: Board, key: CaseKey) -> tuple[str, ...]:
    """The chosen checkpoints that the case was given."""
    return names_in(_rows(board, key)["checkpoint"])


def _rows(board: Board, key: CaseKey) -> pd.DataFrame:
    """The case's rows of the chosen checkpoints, all classes."""
    assert board.opened is not None
    assert board.answer is not None
    table = board.opened.results.table
    rows = table[(table["case_id"] == key.case_id).to_numpy() & (table["test_set"] == key.test_set).to_numpy()]
    chosen = board.answer.question.checkpoints
    return rows[rows["checkpoint"].isin(chosen)] if chosen else rows


def _order(board: Board, key: CaseKey) -> list[str]:
    assert board.answer is not None
    question = board.answer.question
    worst = worst_cases(board.answer.table, question.metric, checkpoint=key.checkpoint, policy=question.policy)
    return [case_id for case_id, _ in worst]


def _head(board: Board, key: CaseKey) -> str:
    order = _order(board, key)
    place = texts.place(order.index(key.case_id), len(order), key.checkpoint) if key.case_id in order else ""
    buttons = "".join(
        f'<button type="button" class="ms-button" {attribute} title="{hint}">{name}</button>'
        for attribute, name, hint in (
            ('data-step="-1"', f"<span>‹ </span>{texts.PREVIOUS}", "Previous worst case (K)"),
            ('data-step="1"', f"{texts.NEXT}<span> ›</span>", "Next worst case (J)"),
            ("data-close", f"{texts.CLOSE}<span> ×</span>", "Close (Esc)"),
        )
    )
    where = f"{texts.marked(key.test_set)} · {key.checkpoint} · {place}"
    data = escape(json.dumps([key.test_set, key.checkpoint, key.case_id], ensure_ascii=False), quote=True)
    return (
        f'<div class="ev-case-head" data-case="{data}"><h2>{escape(key.case_id)}</h2>{buttons}'
        f"<p>{escape(where)}</p></div>"
    )


def _scores(board: Board, key: CaseKey) -> str:
    """Every score of the case, and its metadata."""
    assert board.opened is not None
    rows, results = _rows(board, key), board.opened.results
    metrics = [name for name in results.metrics if not rows[name].isna().all()]
    header = ("Checkpoint", "Class", *map(label, metrics))
    lines = [
        [row["checkpoint"], row["class_name"], *(number(row[name]) for name in metrics)]
        for row in rows.to_dict("records")
    ]
    errors = [f"{row['checkpoint']}: {row['error']}" for row in rows.to_dict("records") if row["error"]]
    units = " · ".join(words.format(units=", ".join(names)) for words, names in _units(rows, metrics) if names)
    parts = [
        markup.card(texts.SCORES, markup.table(texts.SCORES, header, lines), markup.small(units)),
        markup.bullets(list(dict.fromkeys(errors)), kind="error"),
    ]
    facts = [(name, str(rows[name].iloc[0])) for name in results.metadata if len(rows) and rows[name].iloc[0]]
    if facts:
        parts.append(markup.card(texts.ABOUT_CASE, markup.facts(facts)))
    return "".join(parts)


def _units(rows: pd.DataFrame, metrics: list[str]) -> list[tuple[str, list[str]]]:
    kinds = {METRICS[name].unit for name in metrics if name in METRICS}
    return [
        (label, [unit for unit in names_in(rows[f"{kind}_unit"]) if unit])
        for kind, label in (("distance", "Distances in {units}"), ("size", "volumes in {units}"))
        if kind in kinds
    ]


def _pictures(board: Board, key: CaseKey, case: OpenedCase) -> Updates:
    """The linked viewer, why a prediction is not in it, and the buttons that bring in those that find no room."""
    assert board.answer is not None
    _, left = panes(case, key.checkpoint)
    notes = [f"{one.checkpoint}: {one.note}" for one in case.predictions if one.note]
    scores = {one.checkpoint: gallery.score_of(board.answer, key.case_id, one.checkpoint) for one in left}
    return {
        "case_note": markup.bullets(notes),
        "others": gallery.others(key, scores),
        "viewer": gr.update(value=value_of(key, case), visible=True),
    }


def panes(case: OpenedCase, checkpoint: str) -> tuple[list[CasePrediction], list[CasePrediction]]:
    """The predictions that are shown side by side, the chosen checkpoint's first, and those that find no room."""
    there = [one for one in case.predictions if one.label_map is not None]
    there.sort(key=lambda one: one.checkpoint != checkpoint)
    return there[:MOST_PANES], there[MOST_PANES:]


def value_of(
    key: CaseKey,
    case: OpenedCase,
    corrected: Corrected | None = None,
    *,
    plane: Plane = "axial",
    slices: list[int] | None = None,
    channels: Sequence[int] = (0,),
    key_shown: str | None = None,
) -> dict[str, object]:
    """The case as the viewer's value: what is corrected by hand first, as it is now; else the chosen checkpoint."""
    editing = None if corrected is None else corrected.shown()
    name = key.checkpoint if corrected is None else corrected.correction.name
    of_reference = corrected is not None and name == REFERENCE
    shown, _ = panes(case, key.checkpoint if of_reference else name)
    predictions = [NamedPrediction(one.checkpoint, one.label_map) for one in shown]
    if corrected is not None:
        now = NamedPrediction(name, corrected.correction.label_map)
        predictions = [now, *predictions[0 if of_reference else 1 :]]
    chosen = next((one for one in shown if one.checkpoint == key.checkpoint), None)
    return viewer_value(
        case.image,
        predictions or [NamedPrediction(key.checkpoint, None)],
        reference=case.reference,
        regions=error_regions(case.reference, chosen.label_map) if chosen and key_shown is None else (),
        mode="errors",
        plane=plane,
        slice_index=None if slices is not None else gallery.shown_slice(case),
        slice_indices=slices,
        channels=channels,
        editing=editing,
        title=key.case_id,
        key=key_shown,
    )


def _missing(engine: Engine, key: CaseKey, error: Exception) -> Updates:
    lines = [message(error)]
    if isinstance(error, TestSetError):
        lines += texts.how_to_get(key.test_set, f"{engine.settings.test_sets_dir.name}/")
    note = markup.panel("info", texts.NO_IMAGE_TITLE, lines)
    return {"shown": None, "case_note": note, "others": "", "viewer": gr.update(value=None, visible=False)}
