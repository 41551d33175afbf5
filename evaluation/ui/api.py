"""The web API of the evaluation: ``/evaluate``, thin over the same functions as the page."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import gradio as gr

from evaluation.ui.cluster import cluster_of
from evaluation.ui.evaluate import texts
from evaluation.ui.evaluate.messages import message
from medseg_demo.errors import OptionError
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.turns import Turns
from medseg_demo.test_sets.test_set import read_test_set
from medseg_demo.ui.api import checkpoint_names, client_run, described_by
from medseg_demo.ui.session import API, Running, Sessions
from medseg_demo.ui.tab import RUNS_AT_ONCE

if TYPE_CHECKING:
    from evaluation.results.table import Results

Answer = tuple[dict[str, object], str]


def add_evaluate_endpoint(engine: Engine, sessions: Sessions, turns: Turns) -> None:
    """Add the endpoint to the open block; nothing of it shows on the page. ``turns`` lets evaluations in."""

    @described_by(evaluate_test_set)
    def evaluate(
        request: gr.Request, checkpoints: list[str], test_set: str = "", file: str | None = None, split: str = ""
    ) -> Answer:
        with client_run(sessions, request, message) as running, running.job(turns):
            return evaluate_test_set(engine, checkpoints, test_set=test_set, file=file, split=split, running=running)

    names, test_set = gr.JSON(label="checkpoints", visible=False), gr.Textbox("", label="test_set", visible=False)
    file, split = gr.File(label="file", visible=False), gr.Textbox("", label="split", visible=False)
    table, csv = gr.JSON(label="scores", visible=False), gr.File(label="scores_csv", visible=False)
    gr.Button(visible=False).click(
        evaluate,
        [names, test_set, file, split],
        [table, csv],
        api_name="evaluate",
        concurrency_id="evaluate",
        concurrency_limit=RUNS_AT_ONCE,
    )


def evaluate_test_set(
    engine: Engine,
    checkpoints: list[str] | str,
    *,
    test_set: str = "",
    file: str | None = None,
    split: str = "",
    workers: int | None = None,
    running: Running | None = None,
) -> Answer:
    """Score checkpoints on a test set, case by case and class by class: a table, and as CSV. May take minutes.

    Args:
        engine: Knows the checkpoints and the test sets.
        checkpoints: Names of usable checkpoints that /checkpoints lists.
        test_set: The name of a test set of this computer, such as simulated-nuclei; an unknown one lists them.
        file: A zip of a test-set folder (images/, masks/), instead of a name.
        split: Only the cases of this split, such as test; empty takes every case.
        workers: Processes that score; None chooses by the processor.
        running: Ends it early, which keeps nothing.

    Returns:
        The scores: rows (one a case and class: test_set, checkpoint, case_id, class_name, status, error, a column a
        metric, distance_unit, size_unit), runs (what each was made with) and failures (cases with their reasons). Dice
        and the like are in 0 to 1, higher is better; hd95 and assd in distance_unit, lower is better. "nan" is a class
        that is rightly absent, "inf" one that was missed. The same rows as scores.csv.

    Raises:
        MedsegError: A name, the zip or the test set cannot be used.
        Cancelled: Its client has gone.
    """
    from evaluation.runs.request import RunOptions
    from evaluation.runs.runner import run

    settings, names = engine.settings, checkpoint_names(checkpoints)
    if not names:
        raise OptionError(texts.NOTHING_TO_SCORE)
    loaded = [engine.loaded(name) for name in names]
    running = running or Running(API, "")
    with running.new_folder() as folder, TemporaryDirectory() as loose:
        source = _test_set_folder(engine, test_set, file, Path(loose) / "test_set")
        found = read_test_set(source, split=split or None)
        with cluster_of(engine, [] if file else loaded, running.stopped) as executor:  # which does not see the zip
            outcome = run(
                [found], loaded, Path(loose) / "run", options=RunOptions(workers=workers), settings=settings,
                progress=lambda _: running.check(), stop=running.stopped, engine=engine, owner=running.owner,
                executor=executor,
            )  # fmt: skip
        table = folder / "scores.csv"
        shutil.copyfile(Path(loose) / "run" / "scores.csv", table)  # images and predictions do not stay
    return _as_json(outcome.results, outcome.failures), str(table)


def _test_set_folder(engine: Engine, name: str, file: str | None, unpack_to: Path) -> Path:
    """The folder that a name or a zip stands for; a path is no name."""
    from evaluation.results.origins import available_test_sets, find_test_set

    if bool(name) == bool(file):
        raise OptionError("Give either the name of a test set or a zip of one.")
    if file:
        from evaluation.ui.evaluate.own_test_sets import unpacked

        return unpacked(Path(file), engine.settings, unpack_to)
    known = available_test_sets(engine.settings)
    if name not in known:
        raise OptionError(f"There is no test set {name!r} here. Choose one of: {', '.join(known)}.")
    return find_test_set(name, engine.settings).folder


def _as_json(results: "Results", failures: Sequence[str]) -> dict[str, object]:
    from dataclasses import asdict

    from evaluation.results.table import json_ready

    document = {
        "rows": results.table.to_dict("records"),
        "runs": [asdict(entry) for entry in results.runs],
        "failures": list(failures),
    }
    return json_ready(document)  # type: ignore[return-value]
