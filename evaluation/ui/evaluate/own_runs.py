"""A visitor's own runs: renamed and deleted, by nobody else."""

import shutil
from dataclasses import replace

import gradio as gr

from evaluation.ui.evaluate import result_handlers, texts, views
from evaluation.ui.evaluate.board import Asked, Board
from evaluation.ui.evaluate.run_folders import RunFolder, list_runs
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
    return {
        "runs": views.run_choices(engine.settings, board.visitor, opened),
        "own_run": views.own_choices(engine.settings, board.visitor, folder.key),
        "status": "",
    }


def delete(engine: Engine, board: Board, key: str | None, asked: Asked, *, busy: bool = False) -> Updates:
    """Delete an own run with its predictions; the page goes on with what else is open, else as it is found."""
    folder = _own(engine, board, key)
    if folder is None:
        return _refused()
    if busy:
        return {"status": markup.panel("warning", texts.ERROR_TITLE, [texts.STOP_FIRST])}
    shutil.rmtree(folder.path, ignore_errors=True)
    left = tuple(one for one in (board.opened.folders if board.opened else ()) if one.key != folder.key)
    left = left or views.first_runs(list_runs(engine.settings, board.visitor))
    shown = result_handlers.choose_runs(engine, board, [one.key for one in left], replace(asked, checkpoints=()))
    return shown | {
        "runs": views.run_choices(engine.settings, board.visitor, left),
        "own_run": views.own_choices(engine.settings, board.visitor),
        "own_name": gr.update(value=""),
        "status": markup.panel("good", texts.DONE_TITLE, [texts.DELETED.format(name=folder.label)]),
    }


def _own(engine: Engine, board: Board, key: str | None) -> RunFolder | None:
    found = list_runs(engine.settings, board.visitor)
    return next((one for one in found if one.kind == "mine" and one.key == key), None)


def _refused() -> Updates:
    return {"status": markup.panel("info", texts.ERROR_TITLE, [texts.CHOOSE_OWN])}
