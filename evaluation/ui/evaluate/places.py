"""The places of the Evaluate tab: how it opens, what its address says, and how it goes where an address leads."""

import json
from collections.abc import Mapping
from dataclasses import replace

from evaluation.ui.evaluate import result_handlers, texts, views
from evaluation.ui.evaluate.board import Asked, Board, Latest
from evaluation.ui.evaluate.case_handlers import close, open_picked
from evaluation.ui.evaluate.run_folders import TOKEN, ReferenceRuns, RunFolder, list_runs
from evaluation.ui.evaluate.views import Updates
from evaluation.ui.links import Place, read_link
from medseg_demo.errors import OptionError
from medseg_demo.segmenting.engine import Engine
from medseg_demo.ui import markup

LONGEST = 60  # characters of a wrong case that are shown
USUAL_METRIC = Asked().metric


def open_tab(
    engine: Engine, visitor: str, theme: str, place: Place | None = None, references: ReferenceRuns | None = None
) -> Updates:
    """The tab as a visitor finds it: where the address leads, else on own runs, else on reference runs, else empty."""
    visitor = visitor if TOKEN.fullmatch(visitor) else ""
    board = Board(visitor=visitor, references=references, latest=Latest(theme="dark" if theme == "dark" else "light"))
    first = views.first_runs(engine.settings, visitor)
    start = views.start_choices(engine, board, first)
    found: Updates = go(engine, board, Asked(), place) if place is not None else {"board": board}
    board = _board(found)
    if board.opened is None:
        found |= result_handlers.choose_runs(engine, board, [folder.key for folder in first], Asked()) | {
            name: found[name] for name in ("status",) if name in found
        }
    return start | found


def asked_place(engine: Engine, parameters: Mapping[str, str]) -> Place | None:
    """Where on the tab an address leads; None where it leads elsewhere, or nowhere."""
    try:
        link = read_link(parameters, engine)
    except OptionError:  # which is told above the tabs
        return None
    return link.place if link else None


def go(engine: Engine, board: Board, asked: Asked, place: Place) -> Updates:
    """Show a place: its runs, its question, and its case in the drawer. What is shown already is not read again.

    Args:
        engine: Makes predictions again that were not kept.
        board: The visitor's page.
        asked: What the controls say, of which the place moves some.
        place: Where to go.
    """
    there = {_name(folder): folder for folder in list_runs(engine.settings, board.visitor)}
    if not set(place.runs) <= set(there):
        return {"board": board, "status": markup.panel("warning", texts.NO_RUN_TITLE, [texts.NO_RUN])}
    asked = replace(
        asked, test_set=place.test_set or None, metric=place.metric or USUAL_METRIC, class_name=place.class_name
    )
    updates = _show(engine, board, [there[name].key for name in place.runs], asked, place)
    board = _board(updates)
    if not place.case:
        return updates | (close(board) if board.case else {})
    return updates | _open_case(engine, board, asked, place)


def _show(engine: Engine, board: Board, keys: list[str], asked: Asked, place: Place) -> Updates:
    shown = place_of(board)
    if shown.runs != place.runs:
        updates = {"board": board} | result_handlers.choose_runs(engine, board, keys, asked)
        opened = _board(updates).opened
        return updates | views.run_updates(engine, board, opened.folders if opened else ())
    if (shown.test_set, shown.metric, shown.class_name) != (place.test_set, place.metric, place.class_name):
        return result_handlers.ask(board, asked)
    return {"board": board}


def _open_case(engine: Engine, board: Board, asked: Asked, place: Place) -> Updates:
    if board.opened is None:
        return {}
    table = board.opened.results.table
    rows = table[(table["case_id"] == place.case).to_numpy()]
    for column, wanted in (("test_set", place.test_set), ("checkpoint", place.checkpoint)):
        rows = rows[(rows[column] == wanted).to_numpy()] if wanted else rows
    if rows.empty:
        words = texts.NO_CASE.format(case=place.case[:LONGEST])
        return {"status": markup.panel("warning", texts.NO_CASE_TITLE, [words])}
    test_set, checkpoint = map(str, rows.iloc[0][["test_set", "checkpoint"]])
    updates: Updates = {}
    if board.answer is None or board.answer.question.test_set != test_set:
        updates = result_handlers.ask(board, replace(asked, test_set=test_set))
        board = _board(updates)
    pick = [test_set, checkpoint, place.case, place.class_name]
    return updates | open_picked(engine, board, pick, None)


def place_of(board: Board) -> Place:
    """What the page shows."""
    if board.opened is None:
        return Place()
    runs = tuple(map(_name, board.opened.folders))
    if board.answer is None:
        return Place(runs)
    question, case = board.answer.question, board.case
    several = len({run.test_set for run in board.opened.results.runs}) > 1
    return Place(
        runs,
        question.test_set if several else "",
        question.metric if question.metric != USUAL_METRIC else "",
        question.class_name,
        case.case_id if case else "",
        case.checkpoint if case else "",
    )


def told(board: Board, visit: int = 0) -> str:
    """The place for the browser, whose address follows it; with the number of the visit that it answers, if any."""
    return json.dumps({"parameters": place_of(board).parameters, "visit": visit}, ensure_ascii=False)


def _name(folder: RunFolder) -> str:
    """What an address calls a run: an own one by its key, so that it is not taken for one of everybody's."""
    return folder.key if folder.kind == "mine" else folder.path.name


def _board(updates: Updates) -> Board:
    board = updates["board"]
    assert isinstance(board, Board)
    return board
