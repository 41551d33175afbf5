"""From what a visitor's page holds to the changed parts of the tab, by the names of ``layout.lay_out``."""

from collections.abc import Sequence
from dataclasses import replace

import gradio as gr
import pandas as pd

from evaluation.plots import as_json
from evaluation.results.answers import GROUP, Answer, answer, metric_choices, names_in, worst_cases
from evaluation.results.figures import draw_figure, figures_of, gap_lines, pair_of, stress_lines
from evaluation.results.origins import available_test_sets
from evaluation.results.stress import COLUMNS
from evaluation.results.tables import GROUPS
from evaluation.results.tags import with_tags
from evaluation.results.words import metric_title
from evaluation.statistics import stratum_columns
from evaluation.stress.cases import SUFFIX as STRESSED
from evaluation.ui.evaluate import case_table, fragments, gallery, texts
from evaluation.ui.evaluate.board import Asked, Board
from evaluation.ui.evaluate.messages import message
from evaluation.ui.evaluate.run_folders import Opened, RunFolder, hidden_runs, list_runs
from medseg_demo.errors import MedsegError
from medseg_demo.segmenting.engine import Engine
from medseg_demo.settings import Settings
from medseg_demo.ui import markup

Updates = dict[str, object]
GROUPED, STRESS = "groups", "stress"
BY_COLUMN = (GROUPED, STRESS)  # plots that tell groups apart
PAIRED = "pairs"
MOST_GAPS = 10  # sentences below the plot


def start_choices(engine: Engine, board: Board, chosen: tuple[RunFolder, ...]) -> Updates:
    """What can be evaluated and opened, as it is now."""
    checkpoints = [(f"{entry.name} · {entry.card.task}", entry.name) for entry in engine.usable() if entry.card]
    return {
        **run_updates(engine, board, chosen),
        "test_sets": gr.update(choices=test_set_choices(engine.settings)),
        "checkpoints": gr.update(choices=checkpoints),
        "plot": gr.update(choices=_plot_choices(()), value=Asked.plot),
    }


def test_set_choices(settings: Settings) -> list[tuple[str, str]]:
    """The test sets that can be evaluated, as a person and as the page calls them."""
    return [(texts.marked(name), name) for name in available_test_sets(settings)]


def run_updates(engine: Engine, board: Board, chosen: Sequence[RunFolder], named: str | None = None) -> Updates:
    """The runs that can be opened, with those that are open, and those that can be renamed, hidden and deleted.

    Reference runs step back once there are own ones: like hidden ones they are offered where that is asked for.

    Args:
        engine: Its settings name the folders.
        board: The visitor's page.
        chosen: What is open.
        named: The run to rename; None takes the first.
    """
    order = ("mine", "earlier", "reference")
    found = sorted(list_runs(engine.settings, board.visitor), key=lambda one: order.index(one.kind))
    hidden = hidden_runs(engine.settings, board.visitor)
    has_own = any(one.kind == "mine" for one in found)
    back = {one.key for one in found if one.key in hidden or (has_own and one.kind == "reference")}
    open_keys = [one.key for one in chosen]
    offered = [one for one in found if board.every_run or one.key not in back or one.key in open_keys]
    marked = [(f"{one.label} · {texts.HIDDEN}" if one.key in hidden else one.label, one.key) for one in found]
    return {
        "runs": gr.update(choices=[(one.label, one.key) for one in offered], value=open_keys),
        "every_run": gr.update(visible=bool(back), value=board.every_run),
        "own_run": gr.update(choices=marked, value=named or (found[0].key if found else None)),
    }


def first_runs(settings: Settings, visitor: str) -> tuple[RunFolder, ...]:
    """Those that are open at first: the visitor's own, else the reference runs as they are, else any; no hidden one."""
    hidden = hidden_runs(settings, visitor)
    folders = tuple(one for one in list_runs(settings, visitor) if one.key not in hidden)
    own = tuple(folder for folder in folders if folder.kind == "mine")
    plain = (one for one in folders if one.kind == "reference" and not one.path.name.endswith(STRESSED))
    return own or tuple(plain) or folders[:1]


def settle(opened: Opened, asked: Asked) -> Asked:
    """The same choices, with defaults in place of what these results do not have."""
    test_sets = names_in(opened.results.table["test_set"])
    test_set = asked.test_set if asked.test_set in test_sets else (test_sets[0] if test_sets else None)
    rows = opened.results.table[opened.results.table["test_set"] == test_set]
    classes, checkpoints = names_in(rows["class_name"]), names_in(rows["checkpoint"])
    metrics = metric_choices(opened.results)
    offered = {figure.name for figure in figures_of(_metadata_of(opened, rows))}
    return replace(
        asked,
        test_set=test_set,
        class_name=asked.class_name if asked.class_name in classes and len(classes) > 1 else "",
        metric=asked.metric if asked.metric in metrics else (metrics[0] if metrics else asked.metric),
        beside=tuple(name for name in asked.beside if name in metrics),
        cluster=asked.cluster if asked.cluster in ("", GROUP, *opened.results.metadata) else None,
        checkpoints=tuple(name for name in asked.checkpoints if name in checkpoints),
        plot=asked.plot if asked.plot in offered else Asked.plot,
    )


def _metadata_of(opened: Opened, rows: pd.DataFrame) -> tuple[str, ...]:
    """The metadata columns in which the rows of a test set hold something."""
    return tuple(name for name in opened.results.metadata if (rows[name] != "").any())


def _plot_choices(metadata: Sequence[str]) -> list[tuple[str, str]]:
    return [(figure.title, figure.name) for figure in figures_of(metadata)]


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
        "leaderboard": fragments.leaderboard(found, asked.beside)
        + fragments.findings(found)
        + fragments.changes(found),
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
    """The chosen plot, with what the test says of its groups; or why it cannot be drawn."""
    if board.answer is None:
        return {}
    try:
        drawn = draw_figure(asked.plot, board.answer, asked.view(board.latest.theme))
        gaps = gap_lines(board.answer, asked.column or "")[:MOST_GAPS] if asked.plot == GROUPED else []
        lost = stress_lines(board.answer, asked.column or "") if asked.plot == STRESS else None
    except Exception as error:
        return {"figure": None, "no_figure": markup.panel("info", texts.NO_PLOT_TITLE, [message(error)])}
    below = markup.panel("info", GROUPS, gaps) if gaps else fragments.card(lost)
    return {"figure": as_json(drawn), "no_figure": below}


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


def _group_columns(rows: pd.DataFrame, metadata: Sequence[str]) -> list[str]:
    """The columns that divide the cases, then those that are the same for all, of which a choice says so."""
    dividing = sorted(
        stratum_columns(rows, metadata), key=(*COLUMNS, GROUP).__contains__
    )  # what cases do not tell is last
    cases = rows.drop_duplicates("case_id")
    return [*dividing, *(name for name in metadata if name not in dividing and cases[name].nunique() < 2)]


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
    columns = _group_columns(rows, opened.results.metadata)
    column = asked.column if asked.column in columns else (columns[0] if columns else None)
    clusters = [(texts.BY_ITSELF, ""), *((name, name) for name in columns if name != GROUP)]
    clusters = [(GROUP, GROUP), *clusters] if GROUP in opened.results.metadata else clusters
    chosen = asked.cluster if asked.cluster in [value for _, value in clusters] else clusters[0][1]
    metrics = [(metric_title(name), name) for name in metric_choices(opened.results)]
    return {
        "test_set": gr.update(
            choices=[(texts.marked(name), name) for name in names_in(table["test_set"])], value=asked.test_set
        ),
        "class_name": gr.update(choices=class_choices or [(name, "") for name in classes[:1]], value=asked.class_name),
        "metric": gr.update(choices=metrics, value=asked.metric),
        "beside": gr.update(choices=metrics, value=list(asked.beside)),
        "cluster": gr.update(choices=clusters, value=chosen, visible=len(clusters) > 1),
        "methods": gr.update(visible=(opened.apart or opened).merged is not (opened.apart or opened)),
        "compared": gr.update(choices=list(checkpoints), value=list(asked.checkpoints)),
        "first": gr.update(choices=compared, value=asked.first, visible=len(compared) > 1),
        "second": gr.update(choices=compared, value=asked.second, visible=len(compared) > 1),
        "plot": gr.update(choices=_plot_choices(_metadata_of(opened, rows)), value=asked.plot),
        "column": gr.update(choices=columns, value=column, visible=asked.plot in BY_COLUMN and bool(columns)),
    }
