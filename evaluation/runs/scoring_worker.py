"""A process that scores cases for a run: tasks come in as pickles on stdin, rows go out on stdout.

It knows neither torch nor the rest of the project, so that it starts in a tenth of a second. It ends when stdin does,
and also when its parent is killed while a case is being scored.
"""

import contextlib
import os
import pickle
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from evaluation.metrics import score_case
from evaluation.metrics.calibration import Calibration
from evaluation.metrics.components import ANY_OVERLAP, Instances, LesionMatching
from evaluation.metrics.score import choose_metrics

PARENT_CHECK_S = 0.5


@dataclass(frozen=True, eq=False)
class ScoringTask:
    """What ``score_case`` takes.

    Attributes:
        case_id: For messages.
        reference: Label map.
        prediction: Label map of the same shape.
        labels: Label value, or several for their union, to class name.
        spacing: Along each axis, in mm; None where it is unknown.
        metrics: Names of METRICS; None for the default ones.
        tolerance: Of the surface Dice.
        ignored: What nobody annotated; None where all is.
        instances: The object numbers of reference and prediction, where there are some.
        matching: When lesions match.
        calibrations: What the probabilities say of each class; empty where there are none.
    """

    case_id: str
    reference: np.ndarray
    prediction: np.ndarray
    labels: Mapping[int | tuple[int, ...], str]
    spacing: tuple[float, ...] | None
    metrics: tuple[str, ...] | None
    tolerance: float | Mapping[str, float]
    ignored: np.ndarray | None = None
    instances: Instances = (None, None)
    matching: LesionMatching = ANY_OVERLAP
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)


@dataclass(frozen=True)
class NotScored:
    """Why a case has no rows.

    Attributes:
        reason: In words, with what to do.
        passing: Whether another try may succeed, since the reason does not lie in the case.
    """

    reason: str
    passing: bool


Reply = list[dict[str, object]] | NotScored


def _with_diagonal(metrics: tuple[str, ...] | None) -> tuple[str, ...]:
    """The metrics asked for, and the image's diagonal, so that it can stand in for an infinite distance later."""
    return tuple(dict.fromkeys([*(metric.name for metric in choose_metrics(metrics)), "image_diagonal"]))


def score_task(task: ScoringTask) -> Reply:
    """Score a case; what goes wrong is a reply, so that the next case can follow."""
    try:
        return score_case(
            task.reference,
            task.prediction,
            labels=task.labels,
            spacing=task.spacing,
            metrics=_with_diagonal(task.metrics),
            tolerance=task.tolerance,
            ignored=task.ignored,
            instances=task.instances,
            matching=task.matching,
            calibrations=task.calibrations,
        )
    except MemoryError:
        reason = f"Case {task.case_id!r}: memory does not suffice to score it. Free some, and go on with --resume."
        return NotScored(reason, passing=True)
    except ValueError as error:  # what score_case raises for label maps that it cannot take
        return NotScored(f"Case {task.case_id!r} cannot be scored: {error}", passing=False)
    except Exception as error:
        reason = (
            f"Case {task.case_id!r}: unexpected {type(error).__name__} ({error}). Go on with --resume to try again."
        )
        return NotScored(reason, passing=True)


def serve(tasks: BinaryIO, replies: BinaryIO) -> None:
    """Answer tasks until there are no more."""
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            pickle.dump(score_task(pickle.load(tasks)), replies)
            replies.flush()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_S)
    os._exit(1)


def main() -> None:
    """Serve the parent of this process."""
    threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints must not end up among the replies
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    from evaluation.runs import scoring_worker  # the parent does not know the classes of __main__

    scoring_worker.main()
