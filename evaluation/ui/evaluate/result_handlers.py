"""What happens on the Evaluate tab when results are opened, asked and listed.

Each handler returns the parts of the page that change, by the names of ``layout.lay_out``.
"""

from dataclasses import replace
from pathlib import Path

import gradio as gr

from evaluation.plots import Theme
from evaluation.results.answers import names_in, worst_cases
from evaluation.results.origins import available_test_sets, find_test_set
from evaluation.ui.evaluate import case_table, exports, fragments, gallery, texts, views
from evaluation.ui.evaluate.board import Asked, Board, CaseKey
from evaluation.ui.evaluate.case_handlers import closed
from evaluation.ui.evaluate.messages import message
from evaluation.ui.evaluate.run_folders import list_runs, open_runs
from evaluation.ui.evaluate.tags import kept_tags
from evaluation.ui.evaluate.views import Updates
from medseg_demo.errors import MedsegError
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui import markup
from medseg_demo.ui.session import Running


def choose_runs(engine: Engine, board: Board, keys: list[str], asked: Asked) -> Updates:
    """Open other runs; the drawer closes, for its case is one of the runs that were open before."""
    return {"status": "", **_open(engine, board, tuple(keys or ()), asked)}


def _open(engine: Engine, board: Board, keys: tuple[str, ...], asked: Asked) -> Updates:
    known = {folder.key: folder for folder in list_runs(engine.settings, board.visitor)}
    folders = tuple(known[key] for key in keys if key in known)
    if not folders:
        board = replace(board.with_answer(None), opened=None, case=None)
        return {"board": board, **closed(), **views.nothing_yet()}
    try:
        opened, tags = open_runs(folders, board.references), {**board.tags, **kept_tags(folders)}
        board = replace(board, opened=opened, tags=tags, case=None, table=replace(board.table, page=0))
    except Exception as error:
        return {"status": markup.panel("error", texts.ERROR_TITLE, [message(error)])}
    board, updates = views.page_of(board, asked)
    return {"board": board, **closed(), **updates}


def ask(board: Board, asked: Asked) -> Updates:
    """Answer another question to the same results; the drawer closes where its case is not part of it."""
    board, updates = views.page_of(board, asked)
    if board.case is not None and not _is_about(board, board.case):
        board, updates = replace(board, case=None), updates | closed()
    return {"status": "", **updates, "board": board}


def _is_about(board: Board, case: CaseKey) -> bool:
    found = board.answer
    if found is None or found.question.test_set != case.test_set:
        return False
    return any(standing.checkpoint == case.checkpoint for standing in found.standings)


def lead(board: Board, asked: Asked) -> Updates:
    """Show other metrics beside the one that ranks."""
    return {"leaderboard": fragments.leaderboard(board.answer, asked.beside)} if board.answer else {}


def compare(board: Board, asked: Asked) -> Updates:
    """Compare another pair; the plot follows where it shows the pair."""
    if board.answer is None:
        return {}
    return {
        **views.comparison(board.answer, asked),
        **(views.figure(board, asked) if asked.plot == views.PAIRED else {}),
    }


def draw(board: Board, asked: Asked) -> Updates:
    """Draw another plot."""
    return {"column": gr.update(visible=asked.plot in views.BY_COLUMN), **views.figure(board, asked)}


def turn(board: Board, theme: Theme, asked: Asked) -> Updates:
    """The page became light or dark."""
    board.latest.theme = theme
    return views.figure(board, asked) if board.is_current else {}


def add_pictures(engine: Engine, board: Board) -> Updates:
    """Give the worst cases their pictures, as far as the images are here, and the tables that are not in sight.

    Nothing if the page shows others by now.
    """
    found = board.answer
    if found is None or board.opened is None:
        return {}
    worst = worst_cases(found.table, found.question.metric, policy=found.question.policy, most=gallery.MOST)
    tiles = gallery.tiles(found, worst, gallery.pictures(found, board.opened, worst, board.settings(engine.settings)))
    return {"gallery": tiles, "every": fragments.every(found)} if board.is_current else {}


def sort_table(board: Board, column: str) -> Updates:
    """Sort by a column; by the same one again the other way, and then by the worst first again."""
    view = board.table
    if column != view.sort:
        view = replace(view, sort=column, descending=False, page=0)
    elif not view.descending:
        view = replace(view, descending=True, page=0)
    else:
        view = replace(view, sort="", descending=False, page=0)
    return _listed(replace(board, table=view))


def filter_table(board: Board, text: str) -> Updates:
    """Keep the rows that hold a text."""
    return _listed(replace(board, table=replace(board.table, text=text or "", page=0)))


def turn_page(board: Board, page: int) -> Updates:
    """Another page of rows."""
    return _listed(replace(board, table=replace(board.table, page=page)))


def _listed(board: Board) -> Updates:
    if board.answer is None:
        return {}
    return {"board": board, "cases": case_table.table_html(board.answer, board.table, board.case)}


def add_test_set(engine: Engine, board: Board, path: str | None, root: Path, chosen: list[str]) -> Updates:
    """Take the zip of a test set that the visitor brings, and choose it beside those that are chosen."""
    from evaluation.ui.evaluate.own_test_sets import add_test_set

    if not path:
        return {}
    board = replace(board, own_test_sets=root)
    settings = board.settings(engine.settings)
    scored = names_in(board.opened.results.table["test_set"]) if board.opened else ()
    shared = (folder.path.name for folder in list_runs(engine.settings, ""))
    try:
        found = add_test_set(Path(path), root, settings, {*available_test_sets(settings), *scored, *shared})
    except Exception as error:
        return {"status": markup.panel("error", texts.ERROR_TITLE, message(error).splitlines())}
    lines = [texts.added(found.name, len(found.cases), found.class_names, found.splits), *found.notes]
    names = [*(name for name in chosen or () if name in available_test_sets(settings)), found.name]
    return choose_test_sets(engine, board, names) | {
        "board": board,
        "test_sets": gr.update(choices=views.test_set_choices(settings), value=names),
        "status": markup.panel("good", texts.ADDED_TITLE, lines),
    }


def choose_test_sets(engine: Engine, board: Board, names: list[str]) -> Updates:
    """The splits that all of the chosen test sets have."""
    try:
        settings = board.settings(engine.settings)
        splits = [set(find_test_set(name, settings).splits) for name in names or ()]
    except MedsegError as error:
        shown = {"status": markup.panel("error", texts.ERROR_TITLE, str(error).splitlines())}
        return {"split": gr.update(choices=[(texts.EVERY_CASE, "")], value=""), **shown}
    shared = sorted(set.intersection(*splits)) if splits else []
    default = "test" if "test" in shared else ""
    return {"split": gr.update(choices=[(texts.EVERY_CASE, ""), *((name, name) for name in shared)], value=default)}


def export(engine: Engine, running: Running, board: Board, kind: str, folder: Path) -> Updates:
    """Write a file of what is on the page."""
    try:
        if board.answer is None or board.opened is None:
            raise MedsegError(texts.EMPTY_TITLE + ".")
        files = exports.write(
            kind,
            board.opened,
            board.answer,
            folder,
            engine=engine,
            settings=board.settings(engine.settings),
            running=running,
        )
    except Exception as error:
        note = markup.panel("error", texts.ERROR_TITLE, [message(error)])
        return {"files": gr.update(visible=False), "export_note": note}
    return {"files": gr.update(value=[str(path) for path in files], visible=True), "export_note": ""}
