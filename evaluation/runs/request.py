"""What a run is asked to do, what can be wrong with that, what it says meanwhile, and what comes out of it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evaluation.metrics.pair import check_tolerance
from evaluation.metrics.score import choose_metrics
from evaluation.results.table import Results
from evaluation.runs.classes import ClassMatch, match_classes
from evaluation.runs.predictors import label_maps_in
from medseg_demo.errors import OptionError, TestSetError
from medseg_demo.names import folder_name
from medseg_demo.test_sets.test_set import TestSet

if TYPE_CHECKING:
    from medseg_demo.models.checkpoint import Checkpoint


@dataclass(frozen=True)
class Predictions:
    """A folder of label maps that were made elsewhere.

    Attributes:
        folder: Where they lie, named by the cases.
        name: What they are called beside the checkpoints.
    """

    folder: Path
    name: str


@dataclass(frozen=True)
class RunOptions:
    """How cases are scored.

    Attributes:
        metrics: Names of METRICS; None for the default ones.
        tolerance: Of the surface Dice, in mm, or in px where no spacing is known.
        workers: Processes that score; 0 scores in threads, None chooses by the processor.
        resume: Continue what lies in the output folder.
        reuse: Another output folder, whose results are taken over where checkpoint, case and settings are the same.
    """

    metrics: tuple[str, ...] | None = None
    tolerance: float = 1.0
    workers: int | None = None
    resume: bool = False
    reuse: Path | None = None


@dataclass(frozen=True)
class RunProgress:
    """How far a run is.

    Attributes:
        stage: "examine" while the pre-flight looks at the cases, then "score".
        done: Cases that are finished in this stage, the failed ones among them.
        total: Cases in all.
        failed: Cases that could not be scored.
        seconds_left: At the present pace; None while there is none.
        subject: What was finished last: test set, checkpoint and case.
    """

    stage: Literal["examine", "score"]
    done: int
    total: int
    failed: int = 0
    seconds_left: float | None = None
    subject: str = ""


@dataclass(frozen=True, eq=False)
class RunOutcome:
    """What came out of a run.

    Attributes:
        results: The table that was written.
        failures: One sentence for each case that could not be scored.
        notes: What a person should know about how classes were matched, and which earlier scores still stand.
        stopped: Whether it was stopped before the last case.
    """

    results: Results
    failures: tuple[str, ...]
    notes: tuple[str, ...]
    stopped: bool


Progress = Callable[[RunProgress], None]


@dataclass(frozen=True, eq=False)
class CheckedRequest:
    """A request in which nothing was found to be wrong.

    Attributes:
        matches: For each test set, how the classes of each checkpoint are read.
        files: For each prediction folder, by its name, the label maps by case.
    """

    matches: tuple[tuple[ClassMatch, ...], ...]
    files: dict[str, dict[str, Path]]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know about how classes were matched."""
        return tuple(note for row in self.matches for match in row for note in match.notes)


def check_request(
    test_sets: Sequence[TestSet],
    checkpoints: "Sequence[Checkpoint]",
    predictions: Sequence[Predictions],
    options: RunOptions,
) -> CheckedRequest:
    """Find everything that can be known to be wrong without opening a case, before the output folder is touched.

    Raises:
        OptionError: There is nothing to score, or a metric, a folder or a name is unusable.
        TestSetError: A test set has a class that a checkpoint lacks, or none of the predictions is of a case; all
            such faults are listed.
    """
    if not test_sets or not (checkpoints or predictions):
        raise OptionError("There is nothing to score. Choose at least one test set and one checkpoint.")
    try:
        choose_metrics(options.metrics)
        check_tolerance(options.tolerance)
    except ValueError as error:
        raise OptionError(str(error)) from None
    given = [*(checkpoint.name for checkpoint in checkpoints), *(item.name for item in predictions)]
    counts = Counter(map(folder_name, given))
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise OptionError(f"Several checkpoints or prediction folders are called {', '.join(twice)}. Rename them.")
    faults: list[str] = []
    matches = tuple(_matches(test_set, checkpoints, faults) for test_set in test_sets)
    files = {item.name: label_maps_in(item.folder) for item in predictions}
    case_ids = {case.case_id for test_set in test_sets for case in test_set.cases}
    faults += [
        f"Predictions {name!r}: no label map is named like a case (a case is {min(case_ids)!r}). "
        "Name each <case> and its suffix."
        for name, found in files.items()
        if not case_ids & found.keys()
    ]
    if faults:
        raise TestSetError(faults)
    return CheckedRequest(matches, files)


def _matches(test_set: TestSet, checkpoints: "Sequence[Checkpoint]", faults: list[str]) -> tuple[ClassMatch, ...]:
    matches = []
    for checkpoint in checkpoints:
        faults += _channel_faults(test_set, checkpoint)
        try:
            matches.append(
                match_classes(
                    test_set.name,
                    test_set.class_names,
                    checkpoint.name,
                    checkpoint.card.class_names,
                    named=checkpoint.has_card,
                )
            )
        except TestSetError as error:
            faults += error.faults
    return tuple(matches)


def _channel_faults(test_set: TestSet, checkpoint: "Checkpoint") -> list[str]:
    """Where images are of several files, a channel each, and the checkpoint takes another number of them."""
    names = next((case.channel_names for case in test_set.cases if len(case.image_paths) > 1), ())
    takes = checkpoint.card.in_channels
    if len(names) in (0, takes):
        return []
    return [
        f"Test set {test_set.name!r} has images of {len(names)} channels ({', '.join(names)}), and checkpoint "
        f"{checkpoint.name!r} takes {takes}. Keep the files of the channels that it needs, or choose another "
        "checkpoint."
    ]
