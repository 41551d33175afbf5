"""What a run is asked to do, what can be wrong with that, what it says meanwhile, and what comes out of it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evaluation.comparison.classes import Stated, check_stated
from evaluation.metrics.components import ANY_OVERLAP, LesionMatching, check_matching
from evaluation.metrics.pair import check_tolerance
from evaluation.metrics.score import choose_metrics
from evaluation.results.table import Results
from evaluation.runs.classes import ClassMatch, match_classes
from evaluation.runs.prediction_folder import FolderPredictor, label_maps_in, own_labels
from evaluation.stress.cases import Stress, check_stress
from medseg_demo.errors import OptionError, TestSetError
from medseg_demo.names import folder_name
from medseg_demo.segmenting.channels import match_channels
from medseg_demo.test_sets.labels import Labels
from medseg_demo.test_sets.test_set import TestSet

if TYPE_CHECKING:
    from medseg_demo.models.checkpoint import Checkpoint


UNSTRESSED = (
    "Images that are made worse need a checkpoint that segments them. Leave out stress, or the predictions that were "
    "made elsewhere."
)


@dataclass(frozen=True)
class Predictions:
    """A folder of label maps that were made elsewhere.

    Attributes:
        folder: Where they lie, named by the cases.
        name: What they are called beside the checkpoints.
        classes: Their name or value of a class → the test set's, where these differ.
    """

    folder: Path
    name: str
    classes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunOptions:
    """How cases are scored.

    Attributes:
        metrics: Names of METRICS; None for the default ones.
        tolerance: Of the surface Dice, in mm, or in px where no spacing is known; or one a class name.
        matching: When lesions match, and which are too small to count.
        classes: What a person says of the checkpoints' classes that are called otherwise in a test set.
        workers: Processes that score; 0 scores in threads, None chooses by the processor.
        resume: Continue what lies in the output folder.
        reuse: Another output folder, whose results are taken over where checkpoint, case and settings are the same.
        stress: What is done to each case beside scoring it as it is; None does nothing.
    """

    metrics: tuple[str, ...] | None = None
    tolerance: float | Mapping[str, float] = 1.0
    matching: LesionMatching = ANY_OVERLAP
    classes: tuple[Stated, ...] = ()
    workers: int | None = None
    resume: bool = False
    reuse: Path | None = None
    stress: Stress | None = None


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
        own_labels: For each prediction folder, by its name, the labels that it states itself.
    """

    matches: tuple[tuple[ClassMatch, ...], ...]
    files: dict[str, dict[str, Path]]
    own_labels: dict[str, Labels | None]


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
        by_class = options.tolerance if isinstance(options.tolerance, Mapping) else {"": options.tolerance}
        for tolerance in by_class.values():
            check_tolerance(tolerance)
        check_matching(options.matching)
    except ValueError as error:
        raise OptionError(str(error)) from None
    if options.stress is not None:
        if predictions:
            raise OptionError(UNSTRESSED)
        check_stress(options.stress)
    given = [*(checkpoint.name for checkpoint in checkpoints), *(item.name for item in predictions)]
    counts = Counter(map(folder_name, given))
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise OptionError(f"Several checkpoints or prediction folders are called {', '.join(twice)}. Rename them.")
    check_stated({checkpoint.name: checkpoint.card.class_names for checkpoint in checkpoints}, options.classes)
    faults: list[str] = []
    matches = tuple(_matches(test_set, checkpoints, options.classes, faults) for test_set in test_sets)
    faults += _tolerance_faults(options, test_sets, matches)
    case_ids = {case.case_id for test_set in test_sets for case in test_set.cases}
    files = {item.name: label_maps_in(item.folder, case_ids) for item in predictions}
    faults += [
        f"Predictions {name!r}: no label map is named like a case (a case is {min(case_ids)!r}). "
        "Name each <case> and its suffix."
        for name, found in files.items()
        if not case_ids & found.keys()
    ]
    faults += [
        f"Test set {test_set.name!r} names no classes, so that there is none to call those of {item.name!r} by. Name "
        "them in labels of its dataset.json."
        for item in predictions
        for test_set in test_sets
        if item.classes and test_set.labels is None
    ]
    if faults:
        raise TestSetError(faults)
    own = {item.name: own_labels(item.folder, item.classes) for item in predictions}
    for name, labels in own.items():  # those that do not fit are said before a case is looked at
        for test_set in test_sets if labels else ():
            if test_set.labels is not None:
                FolderPredictor(files[name], name, test_set.labels, own=labels)
    return CheckedRequest(matches, files, own)


def _matches(
    test_set: TestSet, checkpoints: "Sequence[Checkpoint]", stated: Sequence[Stated], faults: list[str]
) -> tuple[ClassMatch, ...]:
    matches = []
    for checkpoint in checkpoints:
        faults += _channel_faults(test_set, checkpoint)
        try:
            matches.append(
                match_classes(
                    test_set.name,
                    test_set.labels,
                    checkpoint.name,
                    checkpoint.card.class_names,
                    named=checkpoint.has_card,
                    stated=stated,
                )
            )
        except TestSetError as error:
            faults += error.faults
    return tuple(matches)


def _tolerance_faults(
    options: RunOptions, test_sets: Sequence[TestSet], matches: Sequence[Sequence[ClassMatch]]
) -> list[str]:
    """The classes of the tolerance that nothing has; none where a test set does not say which it has."""
    if not isinstance(options.tolerance, Mapping):
        return []
    known: list[str] = []
    for test_set, found in zip(test_sets, matches, strict=True):
        if test_set.class_names is None and not found:
            return []
        known += [*(test_set.class_names or ()), *(name for match in found for name in match.labels.class_names)]
    names = ", ".join(dict.fromkeys(known))
    return [
        f"The tolerance is given for class {name!r}, which no test set has. Its classes: {names}."
        for name in options.tolerance
        if name and name not in known
    ]


def _channel_faults(test_set: TestSet, checkpoint: "Checkpoint") -> list[str]:
    """Where there are no images, or they are of several files, a channel each, and not as many as are taken."""
    without = next((case.case_id for case in test_set.cases if not case.image_paths), None)
    if without is not None:
        return [
            f"Test set {test_set.name!r} has no image of case {without!r}, which checkpoint {checkpoint.name!r} needs. "
            "Add the images, or score predictions that were made elsewhere."
        ]
    names = next((case.channel_names for case in test_set.cases if len(case.image_paths) > 1), ())
    takes = checkpoint.card.in_channels
    if len(names) in (0, takes) or match_channels(names, checkpoint.card.channel_names):
        return []
    return [
        f"Test set {test_set.name!r} has images of {len(names)} channels ({', '.join(names)}), and checkpoint "
        f"{checkpoint.name!r} takes {takes}. Keep the files of the channels that it needs, or choose another "
        "checkpoint."
    ]
