"""What is done for one case, wherever it is done, and what does it for many: threads of this process, or a cluster."""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

import numpy as np

from evaluation.errors import CaseError, PassingCaseError
from evaluation.metrics.calibration import CALIBRATION
from evaluation.runs.cases import CaseData
from evaluation.runs.classes import ClassMatch
from evaluation.runs.predictors import Predictor, Stopped
from evaluation.runs.preflight import ExaminedCase
from evaluation.runs.request import RunOptions
from evaluation.runs.scoring_worker import ScoringTask
from evaluation.runs.store import CaseScores, ScoreKey
from evaluation.runs.table import Part
from medseg_demo.errors import MedsegError, OutputError
from medseg_demo.image import LabelMap
from medseg_demo.test_sets.case import Case

if TYPE_CHECKING:
    import threading

    from evaluation.runs.log import RunLog
    from medseg_demo.models.checkpoint import Checkpoint

Rows = list[dict[str, object]]


@dataclass(frozen=True, eq=False)
class CaseTask:
    """One case of one part.

    Attributes:
        part: Of the run.
        examined: The case as the pre-flight found it.
        key: Under what its scores are stored; None where a file of it cannot be opened.
    """

    part: Part
    examined: ExaminedCase
    key: ScoreKey | None

    @property
    def names(self) -> tuple[str, str, str]:
        """Test set, checkpoint and case."""
        return self.part.test_set.name, self.part.predictor.name, self.examined.case.case_id


@dataclass(frozen=True)
class Scored:
    """What came out of a task.

    Attributes:
        scores: Of the case.
        lasting: Whether another try would give the same.
        trace: Of what nobody foresaw, for the log.
    """

    scores: CaseScores
    lasting: bool = True
    trace: str = ""


class Executor(Protocol):
    """Where the cases of a run are examined, predicted and scored; a context manager.

    It knows nothing of the store: what it yields is written by the process that started the run.
    """

    def predictor(self, checkpoint: "Checkpoint", match: ClassMatch) -> Predictor:
        """What gives the predictions of a checkpoint."""

    def examine(self, cases: Sequence[Case], *, pixels: bool) -> Iterator[ExaminedCase]:
        """Look at cases, in their order; ``pixels`` as for ``preflight.examine``."""

    def work_off(
        self, tasks: Sequence[CaseTask], *, output: Path, log: "RunLog", stop: "threading.Event"
    ) -> Iterator[tuple[CaseTask, Scored]]:
        """Work on tasks, keeping their predictions in the output folder.

        Yields:
            Each task with what came out, in the order in which they end; those that ``stop`` ended are left out.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


class Made(NamedTuple):
    """A case whose prediction is made and not yet scored.

    Attributes:
        prediction: In the case's own geometry.
        scoring: What is scored.
        seconds: That the network took; None where none ran.
        findings: Columns of what the image as a whole shows.
    """

    prediction: LabelMap
    scoring: ScoringTask
    seconds: float | None
    findings: Mapping[str, str]

    def scores(self, rows: Rows) -> CaseScores:
        """The scores of the case, from the rows of its scoring."""
        calibrations = self.scoring.calibrations
        for row in rows:
            if row["class_name"] in calibrations:
                row[CALIBRATION] = calibrations[str(row["class_name"])].text
            row.update(self.findings)
        return CaseScores("ok", "", tuple(rows), self.seconds)


def make_prediction(
    examined: ExaminedCase,
    predictor: Predictor,
    options: RunOptions,
    read: Callable[[], CaseData],
    stop: "threading.Event",
) -> Made:
    """Predict a case.

    Args:
        examined: The case.
        predictor: What predicts it.
        options: How it will be scored.
        read: Reads it.
        stop: Ends the work when it is set.

    Raises:
        CaseError: It cannot be scored.
        Stopped: ``stop`` was set meanwhile.
    """
    fault = examined.fault_for(predictor.labels.piece_names)
    if fault:
        raise CaseError(fault)
    data = read()
    found, reference = predictor.predict(examined.case, data, stop), data.reference
    has_numbers = reference.instances is not None
    labels = (found.labels > 0).astype(np.uint8) if has_numbers else found.labels
    scoring = ScoringTask(
        case_id=examined.case.case_id,
        reference=reference.labels,
        prediction=labels,
        labels=predictor.labels.scored,
        ignored=reference.ignored,
        instances=(reference.instances, _numbered(found.labels)) if has_numbers else (None, None),
        spacing=data.spacing_mm,
        metrics=options.metrics,
        tolerance=options.tolerance,
        matching=options.matching,
        calibrations=dict(found.calibrations),
    )
    prediction = LabelMap(labels, predictor.labels.piece_names, data.image.geometry)
    return Made(prediction, scoring, found.seconds, dict(found.findings))


def _numbered(predicted: np.ndarray) -> np.ndarray | None:
    """The numbers of predicted objects; None where they are all 1, as in a mask, whose components are the objects."""
    return predicted if predicted.max(initial=0) > 1 else None


def failed_by(error: Exception, case_id: str, class_names: tuple[str, ...]) -> Scored | None:
    """What an error makes of a case; None where it was given up for Stop. Call it while the error is handled.

    Raises:
        OutputError: The error was this one, which is no fault of the case.
    """
    if isinstance(error, Stopped):
        return None
    if isinstance(error, OutputError):
        raise error
    if isinstance(error, MedsegError):
        lasting = isinstance(error, CaseError) and not isinstance(error, PassingCaseError)
        return Scored(CaseScores.failed(str(error), class_names), lasting)
    reason = f"Case {case_id!r}: unexpected {type(error).__name__}; run.log beside the scores has more."
    return Scored(CaseScores.failed(reason, class_names), False, traceback.format_exc())
