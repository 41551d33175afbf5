"""A visitor's runs: own ones are renamed and deleted, by nobody else; any can be hidden from that visitor."""

import shutil
from dataclasses import replace

import gradio as gr

from evaluation.ui.evaluate import result_handlers, texts, views
from evaluation.ui.evaluate.board import Asked, Board
from evaluation.ui.evaluate.run_folders import RunFolder, hide_run, list_runs
from evaluation.ui.evaluate.views import Updates
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui import markup
from medseg_demo.writing.whole import write_text


def rename(engine: Engine, board: Board, key: str | None, name: str) -> Updates:
    """Give an own run another name; an empty one takes it away."""
    folder = _own(engine, board, key)
    if folder is None:
        return _refused()
    write_text(folder.name_file, " ".join((name or "").split())[:60])
    opened = board.opened.folders if board.opened else ()
    return {**views.run_updates(engine, board, opened, folder.key), "status": ""}


def hide(engine: Engine, board: Board, key: str | None) -> Updates:
    """Put a run out of sight, or bring it back; what is open stays open."""
    if key not in {folder.key for folder in list_runs(engine.settings, board.visitor)}:
        return _refused()
    hide_run(engine.settings, board.visitor, key)
    opened = board.opened.folders if board.opened else ()
    return {**views.run_updates(engine, board, opened, key), "status": ""}


def offer(engine: Engine, board: Board, every_run: bool) -> Updates:
    """Offer hidden runs and reference runs, or only the others."""
    board = replace(board, every_run=every_run)
    opened = board.opened.folders if board.opened else ()
    return {"board": board, **views.run_updates(engine, board, opened)}


def delete(engine: Engine, board: Board, key: str | None, asked: Asked, *, busy: bool = False) -> Updates:
    """Delete an own run with its predictions; the page goes on with what else is open, else as it is found."""
    folder = _own(engine, board, key)
    if folder is None:
        return _refused()
    if busy:
        return {"status": markup.panel("warning", texts.ERROR_TITLE, [texts.STOP_FIRST])}
    name = folder.label  # which its files tell
    shutil.rmtree(folder.path, ignore_errors=True)
    left = tuple(one for one in (board.opened.folders if board.opened else ()) if one.key != folder.key)
    left = left or views.first_runs(engine.settings, board.visitor)
    shown = result_handlers.choose_runs(engine, board, [one.key for one in left], replace(asked, checkpoints=()))
    return shown | {
        **views.run_updates(engine, board, left),
        "own_name": gr.update(value=""),
        "status": markup.panel("good", texts.DONE_TITLE, [texts.DELETED.format(name=name)]),
    }


def _own(engine: Engine, board: Board, key: str | None) -> RunFolder | None:
    found = list_runs(engine.settings, board.visitor)
    return next((one for one in found if one.kind == "mine" and one.key == key), None)


def _refused() -> Updates:
    return {"status": markup.panel("info", texts.ERROR_TITLE, [texts.CHOOSE_OWN])}
