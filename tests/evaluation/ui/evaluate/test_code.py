"""A run and a case of the Evaluate tab as code."""

import shlex
from dataclasses import replace
from html import unescape
from pathlib import Path

from evaluation.__main__ import _parser
from evaluation.ui.evaluate.board import Asked, CaseKey
from evaluation.ui.evaluate.code import Shown, board_code, case_lines, run_lines
from evaluation.ui.evaluate.places import go
from evaluation.ui.links import Place

ADDRESS = "http://127.0.0.1:7860/"


def test_a_run_of_checkpoints_and_of_predictions():
    shown = Shown("lungs", "test", ("a", "b"), ("observer 2",), ("theirs",), ("dice", "cldice"), 2.5)
    first, second, third = run_lines(shown)
    assert shlex.split(first) == [
        "python", "-m", "evaluation", "run", "--test-set", "lungs", "--split", "test", "--checkpoint", "a", "b",
        "--metrics", "dice", "cldice", "--tolerance", "2.5", "--output", "results/lungs",
    ]  # fmt: skip
    assert shlex.split(second)[3:11] == [
        "score", "--test-set", "lungs", "--split", "test", "--predictions", "observer 2", "--name",
    ]  # fmt: skip
    assert third.startswith("# theirs: imported")
    for line in (first, second):
        _parser().parse_args(shlex.split(line)[3:])


def test_the_usual_metrics_are_not_written():
    (line,) = run_lines(Shown("lungs", checkpoints=("a",)))
    assert line == "python -m evaluation run --test-set lungs --checkpoint a --output results/lungs"


def test_a_tolerance_of_each_class_is_written_as_it_is_given():
    (line,) = run_lines(Shown("lungs", checkpoints=("a",), tolerance={"tumour": 2.0, "": 1.0}))
    assert _parser().parse_args(shlex.split(line)[3:]).tolerance == ["tumour=2", "1"]


def test_the_page_has_code_and_a_link(engine, first_paint):
    board = first_paint["board"]
    updates = board_code(board, engine.settings, ADDRESS)
    assert "--test-set lungs" in updates["code_command"]
    assert 'test_set="lungs"' in unescape(updates["code_python"])
    assert f"{ADDRESS}?run=lungs</pre>" in updates["code_link"]
    assert board_code(replace(board, opened=None), engine.settings, ADDRESS)["code_command"] == ""


def test_an_open_case_is_linked_and_compared(engine, first_paint, monkeypatch):
    board = go(engine, first_paint["board"], Asked(), Place(("squares-run",), case="case_01"))["board"]
    updates = board_code(board, engine.settings, ADDRESS)
    assert f"{ADDRESS}?run=squares-run&case=case_01&checkpoint=net<" in unescape(updates["code_link"])
    command = unescape(updates["code_command"]).partition("</pre>")[0].splitlines()[-1]
    options = _parser().parse_args(shlex.split(command)[3:])
    assert options.files == [Path("sets/squares/images/case_01.png")]
    assert options.reference == [Path("sets/squares/masks/case_01.png")]
    assert str(engine.settings.test_sets_dir.parent) not in command


def test_a_case_that_is_not_here_has_no_command(engine):
    assert case_lines(Shown("lungs", checkpoints=("a",)), "x", engine.settings) == []
    assert case_lines(Shown("squares", checkpoints=("a",)), "x", engine.settings) == []


def test_the_link_of_a_visitors_run_names_no_visitor(engine, first_paint):
    board = first_paint["board"]
    mine = tuple(replace(folder, kind="mine") for folder in board.opened.folders)
    board = replace(board, opened=replace(board.opened, folders=mine), case=CaseKey("lungs", "one", "x"))
    link = unescape(board_code(board, engine.settings, ADDRESS)["code_link"])
    assert f"{ADDRESS}?run=mine/lungs&case=x&checkpoint=one<" in link
