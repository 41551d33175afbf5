"""A run and a case that a link names, opened on the Evaluate tab."""

from dataclasses import replace

import gradio as gr

from evaluation.ui.evaluate import result_handlers
from evaluation.ui.evaluate.board import Asked, Board
from evaluation.ui.evaluate.case_handlers import open_picked
from evaluation.ui.evaluate.run_folders import list_runs
from evaluation.ui.evaluate.views import Updates
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui import markup

LONGEST = 60  # characters of a wrong case that are shown
NO_RUN_TITLE = "This run is not in this browser"
NO_RUN = "The link opens a run of one visitor, in the browser where it was made, until it is deleted."
NO_CASE_TITLE = "This case is not there"
NO_CASE = "The run has no case {case!r}. Choose one in the table below."


def open_run(engine: Engine, board: Board, run: str, case: str) -> Updates:
    """Open a run, and the drawer on one of its cases.

    Args:
        engine: Makes predictions again that were not kept.
        board: The visitor's page.
        run: The name of its folder; the key of an own one.
        case: The case's id; empty for none.
    """
    there = list_runs(engine.settings, board.visitor)
    folder = next((one for one in there if run in ((one.key,) if one.kind == "mine" else (one.path.name,))), None)
    if folder is None:
        return {"status": markup.panel("warning", NO_RUN_TITLE, [NO_RUN])}
    chosen = {"runs": gr.update(value=[folder.key])}
    updates = result_handlers.choose_runs(engine, board, [folder.key], Asked()) | chosen
    opened = updates.get("board")
    if not case or not isinstance(opened, Board) or opened.opened is None:
        return updates
    table = opened.opened.results.table
    rows = table[(table["case_id"] == case).to_numpy()]
    if rows.empty:
        words = NO_CASE.format(case=case[:LONGEST])
        return updates | {"status": markup.panel("warning", NO_CASE_TITLE, [words])}
    first = rows.iloc[0]
    asked = Asked(test_set=str(first["test_set"]))
    updates = result_handlers.choose_runs(engine, board, [folder.key], asked) | chosen
    pick = [str(first["test_set"]), str(first["checkpoint"]), case, ""]
    return updates | open_picked(engine, _board(updates), pick, None)


def _board(updates: Updates) -> Board:
    board = updates["board"]
    assert isinstance(board, Board)
    return replace(board)
