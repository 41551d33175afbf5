"""One evaluation that a visitor started: what it needs, and the thread that it runs in."""

import re
import secrets
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from evaluation.comparison.classes import Stated, parse_stated, same_class
from evaluation.results.import_classes import class_notes
from evaluation.results.imports import NO_TEST_SET, Layout, import_results
from evaluation.results.origins import find_test_set
from evaluation.results.table import Results, write_results
from evaluation.runs.request import Predictions, RunOptions, RunOutcome, RunProgress
from evaluation.runs.store import STORE_NAME
from evaluation.stress.cases import Stress
from evaluation.ui.cluster import cluster_of
from evaluation.ui.evaluate import texts
from evaluation.ui.evaluate.board import Choices
from evaluation.ui.evaluate.run_folders import OWN_RUN, RunFolder, is_evaluation, visitor_folder
from medseg_demo.errors import MedsegError, OptionError
from medseg_demo.names import shown
from medseg_demo.reading import collect_files, data_files_beside
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.turns import Turns
from medseg_demo.settings import Settings
from medseg_demo.test_sets.labels import Labels
from medseg_demo.test_sets.test_set import TestSet
from medseg_demo.ui.session import Running

POLL_S = 0.4
RESULT_SUFFIXES = (".json", ".csv", ".tsv")


@dataclass(frozen=True)
class Queued:
    """Where an evaluation stands before it begins.

    Attributes:
        ahead: Evaluations before it.
        seconds_left: Until it begins; None where unknown.
    """

    ahead: int
    seconds_left: float | None


@dataclass(frozen=True, eq=False)
class Job:
    """One evaluation, ready to start.

    Attributes:
        engine: Knows the checkpoints.
        settings: The visitor's, which name the test sets.
        turns: Lets evaluations in, a few at once.
        choices: What to evaluate.
        folder: The visitor's folder.
        name: Of the run's folder in it: an earlier one, to go on with it, or a new one.
        running: Ends it early; what is done is kept.
        workers: Processes that score; None chooses by the processor.
    """

    engine: Engine
    settings: Settings
    turns: Turns
    choices: Choices
    folder: Path
    name: str
    running: Running
    workers: int | None = None

    def run(self) -> Iterator["Queued | RunProgress | RunOutcome"]:
        """Work in a thread of its own: how far it is, now and then, and at the end what came out.

        Raises:
            MedsegError: A choice cannot be used, or results cannot be written.
            Cancelled: It was stopped while it was queued.
        """
        state = _State()
        thread = threading.Thread(target=self._work, args=(state,), name="evaluation", daemon=True)
        thread.start()
        try:
            last: Queued | RunProgress | None = None
            while thread.is_alive():
                thread.join(POLL_S)
                if state.progress is not None and state.progress is not last:
                    last = state.progress
                    yield last
        finally:  # also where the visitor has gone: what is done is kept
            self.running.cancel()
        if state.error is not None:
            raise state.error
        assert state.outcome is not None
        yield state.outcome

    def _work(self, state: "_State") -> None:
        try:
            with self.running.job(self.turns, waiting=lambda *place: setattr(state, "progress", Queued(*place))):
                state.outcome = self._evaluate(state)
        except BaseException as error:
            state.error = error

    def _evaluate(self, state: "_State") -> RunOutcome:
        from evaluation.runs.runner import run

        choices, settings = self.choices, self.settings
        test_sets = [find_test_set(name, settings, split=choices.split or None) for name in choices.test_sets]
        checkpoints = [self.engine.loaded(name) for name in choices.checkpoints]
        on_cluster = [] if choices.upload else checkpoints  # label maps are scored in one process
        with (
            _unpacked(choices, self.folder, settings) as predictions,
            cluster_of(self.engine, on_cluster, self.running.stopped) as executor,
        ):
            outcome = run(
                test_sets,
                checkpoints,
                self.folder / self.name,
                predictions=predictions,
                options=self._options(),
                settings=settings,
                progress=lambda progress: setattr(state, "progress", progress),
                stop=self.running.stopped,
                engine=self.engine,
                owner=self.running.owner,
                executor=executor,
            )
        notes = [note for test_set in test_sets for note in test_set.notes]
        return replace(outcome, notes=(*notes, *outcome.notes))

    def _options(self) -> RunOptions:
        """How to score; what the latest run before has scored alike is taken over."""
        choices = self.choices
        others = [path for path in evaluations(self.folder) if path.name != self.name]
        return RunOptions(
            metrics=choices.metrics or None,
            tolerance=choices.tolerance,
            classes=_stated(choices, of_predictions=False),
            workers=self.workers,
            resume=True,
            reuse=others[-1] if others else None,
            stress=Stress() if choices.stress else None,
        )


def _stated(choices: Choices, *, of_predictions: bool) -> tuple[Stated, ...]:
    """What is said of classes: of the uploaded label maps, or of the checkpoints."""
    said = parse_stated(choices.classes)
    if not choices.checkpoints:
        return said if of_predictions else ()
    return tuple(one for one in said if (one.member == choices.name != "") is of_predictions)


def evaluations(folder: Path) -> list[Path]:
    """A visitor's own evaluations that scores can be taken from, the latest last."""
    found = folder.glob(f"{OWN_RUN}*/{STORE_NAME}")
    return [path.parent for path in sorted(found, key=lambda path: path.stat().st_mtime) if is_evaluation(path.parent)]


class _State:
    """What the thread tells."""

    def __init__(self) -> None:
        self.progress: Queued | RunProgress | None = None
        self.outcome: RunOutcome | None = None
        self.error: BaseException | None = None


class _unpacked:  # noqa: N801 (used as a with-statement's verb)
    """The uploaded label maps in one folder, for as long as they are needed; the run keeps its own copies."""

    def __init__(self, choices: Choices, folder: Path, settings: Settings) -> None:
        self._choices, self._settings = choices, settings
        self._folder = folder / f".upload-{secrets.token_hex(4)}"

    def __enter__(self) -> list[Predictions]:
        if not self._choices.upload:
            return []
        paths = [Path(path) for path in self._choices.upload]
        flat = self._folder / "flat"
        flat.mkdir(parents=True)
        for path in collect_files(paths, settings=self._settings, unpack_to=self._folder):
            for one in (path, *data_files_beside(path, self._settings)):
                if (flat / one.name).exists():
                    raise OptionError(f"Two uploaded files are called {shown(one.name)}. Keep one label map a case.")
                shutil.copyfile(one, flat / one.name)
        name = self._choices.name or (plain_name(paths[0].stem) if len(paths) == 1 else "predictions")
        classes = {one.own: one.compared_as for one in _stated(self._choices, of_predictions=True)}
        return [Predictions(flat, name, classes)]

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def check(choices: Choices) -> None:
    """Find what is missing before anything is begun.

    Raises:
        OptionError: With what to choose.
    """
    if not choices.test_sets:
        raise OptionError(texts.NO_TEST_SET)
    if not choices.checkpoints and not choices.upload:
        raise OptionError(texts.NOTHING_TO_SCORE)
    if choices.upload and choices.stress:
        raise OptionError(texts.NO_STRESS_FOR_PREDICTIONS)
    if choices.upload and len(choices.test_sets) > 1:
        raise OptionError(texts.ONE_TEST_SET_FOR_PREDICTIONS)
    if not isinstance(choices.tolerance, (int, float)) or choices.tolerance < 0:
        raise OptionError("The tolerance must be a number that is not negative.")


def offered_classes(engine: Engine, settings: Settings, choices: Choices) -> list[str]:
    """Lines that put the classes which a checkpoint calls otherwise beside those of the test set, by their order."""
    try:
        labels = find_test_set(choices.test_sets[0], settings).labels
        known = labels.class_names if labels else ()
        lines = []
        for name in choices.checkpoints:
            own = engine.loaded(name).card.class_names
            left = [one for one in known if not any(same_class(one, other) for other in own)]
            strange = [one for one in own if not any(same_class(one, other) for other in known)]
            lines += [f"{one} = {other}" for one, other in zip(strange, left, strict=False)]
        return list(dict.fromkeys(lines))
    except MedsegError:
        return []


def is_results_file(choices: Choices) -> bool:
    """Whether the upload is results that were scored elsewhere, not label maps.

    Raises:
        OptionError: It is both.
    """
    results = [path for path in choices.upload if path.lower().endswith(RESULT_SUFFIXES)]
    if results and len(choices.upload) > 1:
        raise OptionError(texts.SEVERAL_RESULTS)
    return bool(results)


def import_upload(
    choices: Choices, settings: Settings, visitor: str, *, beside: Results | None = None
) -> tuple[RunFolder, Results, tuple[str, ...]]:
    """Take over an uploaded results file into the visitor's folder.

    Args:
        choices: The file, its name, and the test set that it is about.
        settings: The folders.
        visitor: Whose results they become.
        beside: Results on the page, whose classes it takes where the test set itself names none.

    Returns:
        The folder, the results, and what the file's classes were taken for.

    Raises:
        MedsegError: The file is none that is known, or cannot be kept.
    """
    path = Path(choices.upload[0])
    name = plain_name(choices.name or path.stem.removesuffix("_raw"))
    test_set = choices.test_sets[0] if len(choices.test_sets) == 1 else NO_TEST_SET
    known = None if test_set == NO_TEST_SET else find_test_set(test_set, settings)
    labels = _labels(known, beside) if known else None
    cases = known.cases if known else ()
    results = import_results(path, _layout(path), name=name, test_set=test_set, classes=labels, cases=cases)
    folder = visitor_folder(settings, visitor) / (f"{name}-import" if is_evaluation(Path(name)) else name)
    write_results(results, folder)
    classes = labels.class_names if labels else None
    notes = class_notes((run for run in results.runs if run.test_set == test_set), classes)
    return RunFolder(folder, "mine"), results, notes


def _labels(known: TestSet, beside: Results | None) -> Labels | None:
    """A test set's labels: its own, else the classes of scores of checkpoints on it."""
    if known.labels or beside is None:
        return known.labels
    runs = (run.settings.get("classes") for run in beside.runs if run.test_set == known.name)
    names = next((tuple(map(str, names)) for names in runs if isinstance(names, (list, tuple)) and names), None)
    return Labels.numbered(names) if names else None


def _layout(path: Path) -> Layout:
    if path.suffix.lower() == ".json":
        return "nnunet"
    with path.open("rb") as file:
        return "monai" if file.readline(4096).lower().startswith((b"filename", b"\xef\xbb\xbffilename")) else "long"


def plain_name(name: str) -> str:
    """A name that a folder may have."""
    return re.sub(r"[^\w. -]+", "_", name).strip("._ ")[:60] or "predictions"
