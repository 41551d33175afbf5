"""A visitor's tags on cases: kept in the session, and in the folder of an own run."""

import json
from collections.abc import Iterable
from dataclasses import replace

import gradio as gr

from evaluation.results.tags import COLUMN, Tags, with_tags, words_in
from evaluation.ui.evaluate import case_table
from evaluation.ui.evaluate.board import Board
from evaluation.ui.evaluate.run_folders import RunFolder
from evaluation.ui.evaluate.views import Updates
from medseg_demo.documents import read_document
from medseg_demo.writing.whole import write_text

FILE = "tags.json"


def kept_tags(folders: Iterable[RunFolder]) -> Tags:
    """The tags that lie in the folders of own runs; none where they cannot be read."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for folder in folders:
        try:
            kept = read_document(folder.path / FILE) if folder.kind == "mine" else []
            found |= {(str(one), str(case)): words_in(map(str, words)) for one, case, words in kept}
        except (OSError, ValueError, TypeError):
            continue
    return found


def tag(board: Board, words: list[str]) -> Updates:
    """Give the case that is open these tags, in place of those that it had; nothing where it has just these."""
    opened, case = board.opened, board.case
    if board.answer is None or opened is None or case is None:
        return {}
    if words_in(words or ()) == board.tags.get((case.test_set, case.case_id), ()):
        return {}
    tags = {**board.tags, (case.test_set, case.case_id): words_in(words or ())}
    board = replace(board.with_answer(with_tags(board.answer, tags)), tags=tags)
    for folder in opened.folders:
        if folder.kind == "mine" and any(run.test_set == case.test_set for run in opened.runs_in(folder)):
            of_run = [[one, name, list(said)] for (one, name), said in tags.items() if one == case.test_set]
            others = [[one, name, list(said)] for (one, name), said in kept_tags([folder]).items()
                      if one != case.test_set]  # fmt: skip
            write_text(folder.path / FILE, json.dumps(others + of_run, ensure_ascii=False), kept=True)
    assert board.answer is not None
    return {
        "board": board,
        "tags": choices(board),
        "cases": case_table.table_html(board.answer, board.table, case),
    }


def choices(board: Board) -> object:
    """The tags of the case that is open, and all that there are, to choose from."""
    found, case = board.answer, board.case
    if found is None or case is None:
        return gr.update(value=[])
    rows = found.table[(found.table["case_id"] == case.case_id).to_numpy()]
    own = words_in(rows[COLUMN].iloc[:1]) if COLUMN in rows else ()
    known = words_in(found.table[COLUMN].unique()) if COLUMN in rows else ()
    everywhere = {word for words in board.tags.values() for word in words}
    return gr.update(choices=sorted({*known, *everywhere}), value=list(own))
