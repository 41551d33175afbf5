"""Where the prediction of a case comes from: a checkpoint that is run, or a folder of label maps."""

import threading
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np

from evaluation.errors import CaseError, PassingCaseError
from evaluation.metrics.calibration import Calibration, calibrate
from evaluation.results.findings import columns_of
from evaluation.runs.cases import CaseData
from evaluation.runs.classes import ClassMatch
from medseg_demo.errors import DeviceMemoryError, InputMismatchError
from medseg_demo.image import LabelMap
from medseg_demo.test_sets.case import Case
from medseg_demo.test_sets.labels import Labels

if TYPE_CHECKING:
    from medseg_demo.models.checkpoint import Checkpoint
    from medseg_demo.models.compute import Compute
    from medseg_demo.segmenting.engine import Engine
    from medseg_demo.segmenting.pipeline import Segmentation


class Stopped(Exception):  # noqa: N818 (no error: somebody pressed Stop)
    """The work on a case was given up."""


class Predicted(NamedTuple):
    """The prediction of a case.

    Attributes:
        labels: uint8, of the image's own shape; the numbers of objects where the case's reference has them.
        seconds: That the network took; None where none ran.
        calibrations: What the probabilities say of each class; empty where there are none.
        findings: Columns of what the image as a whole shows; empty where the checkpoint says nothing of it.
    """

    labels: np.ndarray
    seconds: float | None = None
    calibrations: Mapping[str, Calibration] = MappingProxyType({})
    findings: Mapping[str, str] = MappingProxyType({})


class Predictor(Protocol):
    """What gives predictions.

    Attributes:
        name: Of the checkpoint, or of the predictions.
        source: How a run says where its scores came from.
        class_names: The classes that are scored.
        labels: Which of the predictions' values, 1, 2, …, these are.
        settings: What moves a score, for ``run.json`` and the hash of the settings.
        notes: What a person should know about how classes were matched, in plain sentences.
        parameters: How many weights its network has; None where there is none.
    """

    name: str
    source: Literal["run", "score"]
    class_names: tuple[str, ...]
    labels: Labels
    settings: Mapping[str, object]
    notes: tuple[str, ...]
    parameters: int | None

    def digest(self, case: Case) -> str:
        """Of what the prediction is made by; empty where there is no prediction."""

    def run_digest(self, cases: Sequence[Case]) -> str:
        """Of what the predictions of all cases are made by."""

    def predict(self, case: Case, data: CaseData, stop: threading.Event) -> Predicted:
        """Predict a case.

        Raises:
            CaseError: There is no usable prediction.
            Stopped: ``stop`` was set meanwhile.
        """


class CheckpointPredictor:
    """Runs a checkpoint; each case goes through the network alone, so that no score depends on another case.

    Args:
        checkpoint: From ``load_checkpoint``, or one that the engine loaded.
        match: Its classes beside those of the test set.
        engine: Runs it; its device, precision, backend and batch size are among the settings.
        owner: Whose run it is, as for ``Engine.job``.
        compute: Where and by what the network runs, where that is known; None asks the engine.
    """

    source: Literal["run", "score"] = "run"

    def __init__(
        self,
        checkpoint: "Checkpoint",
        match: ClassMatch,
        *,
        engine: "Engine",
        owner: str = "",
        compute: "Compute | None" = None,
    ) -> None:
        compute = compute or engine.compute_of(checkpoint)
        self.name, self.class_names, self.labels = checkpoint.name, match.labels.class_names, match.labels
        self.notes = match.notes
        self.parameters: int | None = checkpoint.parameters
        self.settings: Mapping[str, object] = {
            "classes": list(match.labels.class_names),
            "class_lookup": list(match.lookup),
            "device": compute.device.type,
            "precision": str(compute.precision).removeprefix("torch."),
            "backend": compute.backend,
            "backend_version": version(compute.backend),
            "batch_size": engine.settings.batch_size,
            "threshold": checkpoint.card.threshold,
            **({"stated_classes": dict(match.stated)} if match.stated else {}),
        }
        self.match = match
        self._checkpoint, self._engine, self._owner = checkpoint, engine.here, owner

    def digest(self, case: Case) -> str:
        """The checkpoint's."""
        return self._checkpoint.digest

    def run_digest(self, cases: Sequence[Case]) -> str:
        """The checkpoint's."""
        return self._checkpoint.digest

    def predict(self, case: Case, data: CaseData, stop: threading.Event) -> Predicted:
        """Segment the image; see Predictor."""
        from medseg_demo.segmenting.turns import Cancelled

        def give_up_when_stopped(*step: object) -> None:
            if stop.is_set():
                raise Stopped

        give_up_when_stopped()
        is_large, image = data.image.is_volume, data.image
        try:
            with self._engine.job(self._owner, is_large=is_large, waiting=give_up_when_stopped) as job:
                result = self._engine.segment(image, self._checkpoint, progress=give_up_when_stopped, job=job)
        except Cancelled:
            stop.set()  # for the other cases too
            raise Stopped from None
        except DeviceMemoryError as error:
            raise PassingCaseError(f"Case {case.case_id!r}: {error}") from None
        except InputMismatchError as error:
            raise CaseError(f"Case {case.case_id!r}: {error}") from None
        labels = self.match.translate(result.label_map.labels)
        return Predicted(
            labels,
            result.seconds.get("network"),
            self._calibrations(result, labels, data.reference),
            columns_of(result.card.findings, result.findings, case.metadata),
        )

    def _calibrations(self, result: "Segmentation", labels: np.ndarray, reference: LabelMap) -> dict[str, Calibration]:
        """Of each class that the checkpoint has: its probabilities beside the reference."""
        found = {}
        for values, name in self.match.labels.scored.items():
            members = [place for place, value in enumerate(self.match.lookup[1:]) if value in np.atleast_1d(values)]
            if members:
                probability = _union(result.probabilities[members], may_overlap=result.card.may_overlap)
                masks = np.isin(reference.labels, values), np.isin(labels, values)
                found[name] = calibrate(probability, *masks, reference.ignored)
        return found


def _union(probabilities: np.ndarray, *, may_overlap: bool) -> np.ndarray:
    """The probability of any of several classes (K, …): of those that exclude each other the sum, else the highest."""
    if len(probabilities) == 1 or may_overlap:
        return probabilities.max(axis=0)
    return probabilities.sum(axis=0, dtype=np.float32).clip(0, 1)
