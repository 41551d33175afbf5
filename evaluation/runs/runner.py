"""Test sets × checkpoints and prediction folders → scores: read → segment → score → row, for each case.

Each finished case is written durably before the next is counted, so that a run can be stopped or killed at any moment
and continued with ``resume``: nothing is lost and nothing repeated. The table is put together from the store at the
end, in the order of the cases, so that it is the same bytes however often the run was interrupted.

What is kept goes by the hashes of image, reference, weights and settings. A failure is a row too, and is tried again by
the next ``resume``: what was amiss may have been the program, its packages or the memory.
"""

import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.results.foreign.nnunet import name_of
from evaluation.results.table import write_results
from evaluation.runs.local import LocalExecutor
from evaluation.runs.prediction_folder import FolderPredictor
from evaluation.runs.request import (
    CheckedRequest,
    Predictions,
    Progress,
    RunOptions,
    RunOutcome,
    check_request,
)
from evaluation.runs.session import RunSession
from evaluation.runs.stress import under_stress
from evaluation.runs.table import Part, put_together
from evaluation.runs.work import Executor
from medseg_demo.settings import Settings
from medseg_demo.test_sets.test_set import TestSet

if TYPE_CHECKING:
    from medseg_demo.models.checkpoint import Checkpoint
    from medseg_demo.segmenting.engine import Engine


def run(
    test_sets: Sequence[TestSet],
    checkpoints: "Sequence[Checkpoint]",
    output: Path,
    *,
    predictions: Sequence[Predictions] = (),
    options: RunOptions | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
    engine: "Engine | None" = None,
    owner: str = "",
    executor: Executor | None = None,
) -> RunOutcome:
    """Score checkpoints and prediction folders on test sets, and write ``scores.csv`` and ``run.json``.

    Runs of other checkpoints or test sets that lie in the output folder already stay in its table.

    Args:
        test_sets: From ``preflight.read_test_sets``.
        checkpoints: From ``load_checkpoint``.
        output: The output folder; made where it does not exist.
        predictions: Folders of label maps, scored like the checkpoints.
        options: How to score.
        settings: Device, precision, batch size and the limits of the readers.
        progress: Called after each case, in the caller's thread.
        stop: Set it to stop: what is done is kept, and the runs are marked partial. Earlier scores stay in the table
            until the run has scored their cases again.
        engine: Runs the checkpoints, fair with others, with its own settings; None makes one for this run alone.
        owner: Whose run it is, as for ``Engine.job``; ``Engine.cancel`` stops it too.
        executor: Works on the cases elsewhere, with the checkpoints that it was given; None does so in this process.

    Raises:
        TestSetError: A test set has a class that a checkpoint lacks.
        OptionError: A metric, a folder or a name is unusable, or the output holds a run and ``resume`` was not asked.
        ResultsError: The store of the output or of ``reuse`` is damaged or in use.
        OutputError: Results cannot be written, such as on a full disk; the finished cases are kept.
    """
    options, settings, stop = options or RunOptions(), settings or Settings(), stop or threading.Event()
    request = check_request(test_sets, checkpoints, predictions, options)
    if checkpoints and engine is None and executor is None:
        engine = _own_engine(settings, sum(len(test_set.cases) for test_set in test_sets))
    with ExitStack() as stack:
        session = stack.enter_context(RunSession(output, options=options, progress=progress, stop=stop))
        if executor is None:
            executor = stack.enter_context(LocalExecutor(options, settings, engine=engine, owner=owner))
        parts = _parts(session, executor, request, test_sets, checkpoints, predictions, settings)
        session.work_off(parts, executor)
        table = put_together(parts, session.scores_of, output)
        write_results(table.results, output)
        session.log.write("stopped" if table.stopped else "finished")
    notes = dict.fromkeys(note for part in parts for note in (*part.predictor.notes, *part.examined.notes))
    return RunOutcome(table.results, tuple(session.failures.values()), (*notes, *table.notes), table.stopped)


def _own_engine(settings: Settings, cases: int) -> "Engine":
    from medseg_demo.segmenting.engine import Engine

    return Engine.for_many(settings, cases)


def _parts(
    session: RunSession,
    executor: Executor,
    request: CheckedRequest,
    test_sets: Sequence[TestSet],
    checkpoints: "Sequence[Checkpoint]",
    predictions: Sequence[Predictions],
    settings: Settings,
) -> list[Part]:
    """Look at all cases, then pair every test set with everything that predicts."""
    parts = []
    for test_set, matches in zip(test_sets, request.matches, strict=True):
        examined = session.examine(test_set, executor, pixels=bool(checkpoints))
        about: dict[str, object] = {}
        if session.options.stress is not None:
            examined, about = under_stress(examined, session.options.stress, checkpoints, settings)
        predictors = [executor.predictor(*pair) for pair in zip(checkpoints, matches, strict=True)]
        predictors += [
            FolderPredictor(
                request.files[item.name],
                item.name,
                examined.labels,
                settings,
                request.own_labels[item.name] if test_set.labels else None,
                item.classes,
            )
            for item in predictions
        ]
        parts += [Part(examined, predictor, session.options, about) for predictor in predictors]
    return parts


def score(
    test_set: TestSet,
    folder: Path,
    output: Path,
    *,
    name: str | None = None,
    classes: Mapping[str, str] | None = None,
    options: RunOptions | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> RunOutcome:
    """Score a folder of label maps; a case without one is a failed row.

    Arguments and errors are those of ``run``; ``name`` is by default the folder's, of nnU-Net's folders the trainer's
    and the fold's; ``classes`` is their name or value of a class → the test set's, where these differ.
    """
    given = Predictions(folder, name or name_of(folder), classes or {})
    return run(
        [test_set], [], output, predictions=[given], options=options, settings=settings, progress=progress, stop=stop
    )
