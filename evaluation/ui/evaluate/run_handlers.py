"""What happens on the Evaluate tab from the Evaluate button on: the run, and imports.

Each handler returns the parts of the page that change, by the names of ``layout.lay_out``.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from evaluation.results.origins import find_test_set
from evaluation.results.table import Results
from evaluation.runs.request import RunOutcome, RunProgress
from evaluation.stress.cases import stressed_name
from evaluation.ui.evaluate import fragments, result_handlers, run_job, texts, views
from evaluation.ui.evaluate.board import Asked, Board, Choices
from evaluation.ui.evaluate.messages import message
from evaluation.ui.evaluate.run_folders import OWN_RUN, RunFolder, forget_old_visitors, visitor_folder
from evaluation.ui.evaluate.run_job import Queued
from evaluation.ui.evaluate.views import Updates
from medseg_demo.errors import TestSetError
from medseg_demo.names import free_name
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.turns import Cancelled, Turns
from medseg_demo.ui import markup
from medseg_demo.ui.session import Running
from medseg_demo.ui.texts import queued

MOST_FAILURES = 6
CLASSES_OPTION = "--classes"  # in messages about classes with other names


def evaluate(
    engine: Engine,
    turns: Turns,
    running: Running,
    board: Board,
    choices: Choices,
    asked: Asked,
    *,
    workers: int | None = None,
) -> Iterator[Updates]:
    """Evaluate, streaming how far it is; an error leaves the results on the page in place.

    Args:
        engine: Runs the checkpoints.
        turns: Lets evaluations in.
        running: The visitor's run.
        board: What is on the page.
        choices: What to evaluate.
        asked: What the controls above the results say.
        workers: Processes that score; None chooses by the processor.
    """
    try:
        if choices.upload and run_job.is_results_file(choices):
            yield _imported(engine, board, choices, asked)
            return
        run_job.check(choices)
        folder = visitor_folder(engine.settings, board.visitor)
        forget_old_visitors(engine.settings)
        settings = board.settings(engine.settings)
        name = _run_name(board, choices, folder)
        for said in run_job.Job(engine, settings, turns, choices, folder, name, running, workers).run():
            if isinstance(said, Queued):
                yield {"status": markup.busy(queued(texts.THIS_EVALUATION, said.ahead, said.seconds_left))}
            elif isinstance(said, RunProgress):
                yield {"status": _progress(said)}
            else:
                yield _finished(engine, replace(board, run=name), choices, asked, said)
    except Cancelled:
        yield {"status": markup.panel("warning", texts.STOPPED_TITLE, [texts.STOPPED_QUEUED])}
    except TestSetError as error:
        yield _refused(engine, board, choices, error)
    except Exception as error:
        yield {"status": markup.panel("error", texts.ERROR_TITLE, message(error).splitlines())}


def _run_name(board: Board, choices: Choices, folder: Path) -> str:
    """The folder of the same evaluation, to go on with it; else a new one."""
    taken = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return board.run if board.choices == choices and board.run in taken else free_name(OWN_RUN, taken)


def _refused(engine: Engine, board: Board, choices: Choices, error: TestSetError) -> Updates:
    """What is wrong; where classes have other names, a mapping is offered."""
    status = markup.panel("error", texts.ERROR_TITLE, message(error).splitlines())
    lines = [] if choices.classes else run_job.offered_classes(engine, board.settings(engine.settings), choices)
    if not lines or CLASSES_OPTION not in str(error):
        return {"status": status}
    offer = texts.CLASSES_OFFERED.format(lines="; ".join(lines))
    offered = markup.panel("info", texts.CLASSES_OFFERED_TITLE, [offer])
    return {"status": offered + status, "classes": "; ".join(lines)}


def stale_mark(board: Board, choices: Choices) -> str:
    """A mark where the controls no longer say what the evaluation was made with."""
    if board.choices is None or board.choices == choices:
        return ""
    return markup.panel("info", texts.STALE_TITLE, [texts.STALE])


def _progress(said: RunProgress) -> str:
    words = texts.running(said.stage, said.done, said.total, said.failed)
    left = texts.remaining(said.seconds_left) if said.stage == "score" else said.subject
    return fragments.progress(words, said.done, said.total, left, said.subject if said.stage == "score" else "")


def _finished(engine: Engine, board: Board, choices: Choices, asked: Asked, outcome: RunOutcome) -> Updates:
    mine = RunFolder(visitor_folder(engine.settings, board.visitor) / board.run, "mine")
    board = replace(board, choices=choices)
    test_set = find_test_set(choices.test_sets[0], board.settings(engine.settings)).name
    asked = replace(asked, test_set=test_set, checkpoints=())
    if choices.stress:
        asked = replace(asked, test_set=stressed_name(test_set), plot=views.STRESS)
    return _show(engine, board, mine, asked, outcome.results) | {
        "status": _verdict(outcome),
        "stale": "",
    }


def _imported(engine: Engine, board: Board, choices: Choices, asked: Asked) -> Updates:
    beside = board.opened.results if board.opened else None
    folder, results, notes = run_job.import_upload(
        choices, board.settings(engine.settings), board.visitor, beside=beside
    )
    asked = replace(asked, test_set=results.runs[0].test_set, checkpoints=())
    lines = [f"{len(results.table):,} rows of {results.runs[0].checkpoint} were taken over.", *notes]
    return _show(engine, board, folder, asked, results) | {"status": markup.panel("good", texts.DONE_TITLE, lines)}


def _show(engine: Engine, board: Board, folder: RunFolder, asked: Asked, results: Results) -> Updates:
    """Open a folder beside those that are open, first of them; of reference runs only those on its test sets stay."""
    test_sets = {run.test_set for run in results.runs}

    def stays(one: RunFolder) -> bool:
        assert board.opened is not None
        on = {run.test_set for run in board.opened.runs_in(one)}
        return one.key != folder.key and (one.kind != "reference" or bool(on & test_sets))

    folders = (folder, *filter(stays, board.opened.folders if board.opened else ()))
    shown = result_handlers.choose_runs(engine, board, [one.key for one in folders], asked)
    return shown | views.run_updates(engine, board, folders, folder.key)


def _verdict(outcome: RunOutcome) -> str:
    """What the end of a run calls for: stopped, failures, how classes were matched; that it is done."""
    parts = []
    table = outcome.results.table
    cases = table.drop_duplicates(["test_set", "checkpoint", "case_id"])
    if outcome.stopped:
        parts.append(markup.panel("warning", texts.STOPPED_TITLE, [texts.STOPPED]))
    if outcome.failures:
        title = texts.FAILED_TITLE.format(failed=len(outcome.failures), total=len(cases))
        more = len(outcome.failures) - MOST_FAILURES
        lines = [*outcome.failures[:MOST_FAILURES], *([texts.MORE_FAILURES.format(count=more)] if more > 0 else [])]
        parts.append(markup.panel("error", title, lines))
    if not parts:
        parts.append(markup.panel("good", texts.DONE_TITLE, [f"{len(cases):,} cases are scored.", *outcome.notes]))
    elif outcome.notes:
        parts.append(markup.panel("info", "Notes on this evaluation", outcome.notes))
    return "".join(parts)
