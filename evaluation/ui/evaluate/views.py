"""From what a visitor's page holds to the changed parts of the tab, by the names of ``layout.lay_out``."""

from dataclasses import replace

import gradio as gr

from evaluation.plots import as_json
from evaluation.results.answers import Answer, answer, metric_choices, names_in, worst_cases
from evaluation.results.figures import FIGURES, draw_figure, pair_of
from evaluation.results.origins import available_test_sets
from evaluation.results.tags import with_tags
from evaluation.results.words import metric_title
from evaluation.statistics import stratum_columns
from evaluation.ui.evaluate import case_table, fragments, gallery, texts
from evaluation.ui.evaluate.board import Asked, Board
from evaluation.ui.evaluate.messages import message
from evaluation.ui.evaluate.run_folders import Opened, RunFolder, list_runs
from medseg_demo.errors import MedsegError
from medseg_demo.segmenting.engine import Engine
from medseg_demo.settings import Settings
from medseg_demo.ui import markup

Updates = dict[str, object]
GROUPED = "groups"
PAIRED = "pairs"


def start_choices(engine: Engine, visitor: str, chosen: tuple[RunFolder, ...]) -> Updates:
    """What can be evaluated and opened, as it is now."""
    checkpoints = [(f"{entry.name} · {entry.card.task}", entry.name) for entry in engine.usable() if entry.card]
    return {
        "runs": run_choices(engine.settings, visitor, chosen),
        "own_run": own_choices(engine.settings, visitor),
        "test_sets": gr.update(choices=test_set_choices(engine.settings)),
        "checkpoints": gr.update(choices=checkpoints),
        "plot": gr.update(choices=[(figure.title, figure.name) for figure in FIGURES], value=FIGURES[0].name),
    }


def test_set_choices(settings: Settings) -> list[tuple[str, str]]:
    """The test sets that can be evaluated, as a person and as the page calls them."""
    return [(texts.marked(name), name) for name in available_test_sets(settings)]


def run_choices(settings: Settings, visitor: str, chosen: tuple[RunFolder, ...]) -> object:
    """The runs that can be opened, with those that are open."""
    found = [(folder.label, folder.key) for folder in list_runs(settings, visitor)]
    return gr.update(choices=found, value=[folder.key for folder in chosen])


def first_runs(folders: tuple[RunFolder, ...]) -> tuple[RunFolder, ...]:
    """Those that are open at first: the visitor's own, else the reference runs, else any."""
    own = tuple(folder for folder in folders if folder.kind == "mine")
    return own or tuple(folder for folder in folders if folder.kind == "reference") or folders[:1]


def own_choices(settings: Settings, visitor: str, chosen: str | None = None) -> object:
    """The visitor's own runs, to rename or delete."""
    found = [(folder.label, folder.key) for folder in list_runs(settings, visitor) if folder.kind == "mine"]
    return gr.update(choices=found, value=chosen or next((key for _, key in found), None))


def settle(opened: Opened, asked: Asked) -> Asked:
    """The same choices, with defaults in place of what these results do not have."""
    test_sets = names_in(opened.results.table["test_set"])
    test_set = asked.test_set if asked.test_set in test_sets else (test_sets[0] if test_sets else None)
    rows = opened.results.table[opened.results.table["test_set"] == test_set]
    classes, checkpoints = names_in(rows["class_name"]), names_in(rows["checkpoint"])
    metrics = metric_choices(opened.results)
    return replace(
        asked,
        test_set=test_set,
        class_name=asked.class_name if asked.class_name in classes and len(classes) > 1 else "",
        metric=asked.metric if asked.metric in metrics else (metrics[0] if metrics else asked.metric),
        checkpoints=tuple(name for name in asked.checkpoints if name in checkpoints),
    )


def page_of(board: Board, asked: Asked) -> tuple[Board, Updates]:
    """Everything that the results say to what is asked, with the controls that fit."""
    opened = board.opened
    if opened is None:
        return board, nothing_yet()
    opened = opened.with_methods(asked.methods)
    board, asked = replace(board, opened=opened), settle(opened, asked)
    try:
        known = board.answer
        same = known is not None and known.results is opened.results and known.question == asked.question
        found = known if known is not None and same else with_tags(answer(opened.results, asked.question), board.tags)
    except MedsegError as error:
        shown = {"status": markup.panel("error", texts.ERROR_TITLE, [str(error)])}
        return board.with_answer(None), _controls(opened, asked, None) | shown
    board = replace(board.with_answer(found), table=replace(board.table, page=0))
    asked = _with_pair(found, asked)
    return board, {
        **_controls(opened, asked, found),
        **numbers(board, asked),
        **figure(board, asked),
        **listing(board),
    }


def nothing_yet() -> Updates:
    """The tab of someone who has no results to look at."""
    folder = "test_sets/"
    return {
        "status": markup.panel("info", texts.EMPTY_TITLE, [texts.EMPTY_TEXT.format(folder=folder)]),
        "leaderboard": "", "every": "", "difference": "", "gaps": "", "policy": "", "figure": None, "no_figure": "",
        "gallery": "", "cases": "", "marks": "",
    }  # fmt: skip


def numbers(board: Board, asked: Asked) -> Updates:
    """Leaderboard, comparison and policy."""
    found, opened = board.answer, board.opened
    if found is None or opened is None:
        return {}
    return {
        "marks": fragments.marks(opened, found.question),
        "leaderboard": fragments.leaderboard(found),
        **comparison(found, asked),
        "policy": fragments.policy(found),
    }


def comparison(found: Answer, asked: Asked) -> Updates:
    """The sentence about the chosen pair, and the cases in which the two differ most."""
    first, second = asked.first or "", asked.second or ""
    compared = found.comparison(first, second)
    gaps = fragments.gaps(found, first, second) if compared is not None else ""
    return {"difference": fragments.difference(found, compared), "gaps": gaps}


def figure(board: Board, asked: Asked) -> Updates:
    """The chosen plot, or why it cannot be drawn."""
    if board.answer is None:
        return {}
    try:
        drawn = draw_figure(asked.plot, board.answer, asked.view(board.latest.theme))
    except Exception as error:
        return {"figure": None, "no_figure": markup.panel("info", texts.NO_PLOT_TITLE, [message(error)])}
    return {"figure": as_json(drawn), "no_figure": ""}


def listing(board: Board) -> Updates:
    """The table of cases, and the worst ones as tiles that have no picture yet."""
    if board.answer is None:
        return {}
    found = board.answer
    worst = worst_cases(found.table, found.question.metric, policy=found.question.policy, most=gallery.MOST)
    return {
        "cases": case_table.table_html(found, board.table, board.case),
        "gallery": gallery.tiles(found, worst, {}),
    }


def _with_pair(found: Answer, asked: Asked) -> Asked:
    if len(found.standings) < 2:
        return replace(asked, first=None, second=None)
    first, second = pair_of(found, asked.view("light"))
    return replace(asked, first=first, second=second)


def _controls(opened: Opened, asked: Asked, found: Answer | None) -> Updates:
    """The controls above the results, with the choices that these results have."""
    table = opened.results.table
    rows = table[table["test_set"] == asked.test_set]
    classes, checkpoints = names_in(rows["class_name"]), names_in(rows["checkpoint"])
    class_choices = [(texts.ALL_CLASSES, ""), *((name, name) for name in classes)] if len(classes) > 1 else []
    compared = [standing.checkpoint for standing in found.standings] if found else list(checkpoints)
    columns = list(stratum_columns(rows, opened.results.metadata))
    column = asked.column if asked.column in columns else (columns[0] if columns else None)
    return {
        "test_set": gr.update(
            choices=[(texts.marked(name), name) for name in names_in(table["test_set"])], value=asked.test_set
        ),
        "class_name": gr.update(choices=class_choices or [(name, "") for name in classes[:1]], value=asked.class_name),
        "metric": gr.update(
            choices=[(metric_title(name), name) for name in metric_choices(opened.results)], value=asked.metric
        ),
        "methods": gr.update(visible=(opened.apart or opened).merged is not (opened.apart or opened)),
        "compared": gr.update(choices=list(checkpoints), value=list(asked.checkpoints)),
        "first": gr.update(choices=compared, value=asked.first, visible=len(compared) > 1),
        "second": gr.update(choices=compared, value=asked.second, visible=len(compared) > 1),
        "column": gr.update(choices=columns, value=column, visible=asked.plot == GROUPED and bool(columns)),
    }
