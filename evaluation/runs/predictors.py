"""Where the prediction of a case comes from: a checkpoint that is run, or a folder of label maps."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from evaluation.errors import CaseError, PassingCaseError
from evaluation.runs.cases import CaseData, attempt, check_geometry, file_digest
from evaluation.runs.classes import ClassMatch
from medseg_demo.errors import DeviceMemoryError, InputMismatchError, OptionError
from medseg_demo.image import LabelMap
from medseg_demo.names import SUFFIXES, stem, suffix
from medseg_demo.reading.labels import read_label_map
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import Case
from medseg_demo.test_sets.labels import DATASET_FILE, value_names_of

if TYPE_CHECKING:
    from medseg_demo.models.checkpoint import Checkpoint

STREAMS = 2  # cases in the network at once: while one is prepared or put together, the other computes


class Stopped(Exception):  # noqa: N818 (no error: somebody pressed Stop)
    """The work on a case was given up."""


class Predictor(Protocol):
    """What gives predictions.

    Attributes:
        name: Of the checkpoint, or of the predictions.
        source: How a run says where its scores came from.
        class_names: The classes that are scored; item i is label value i + 1.
        settings: What moves a score, for ``run.json`` and the hash of the settings.
    """

    name: str
    source: Literal["run", "score"]
    class_names: tuple[str, ...]
    settings: Mapping[str, object]

    def digest(self, case: Case) -> str:
        """Of what the prediction is made by; empty where there is no prediction."""

    def run_digest(self, cases: Sequence[Case]) -> str:
        """Of what the predictions of all cases are made by."""

    def predict(self, case: Case, data: CaseData, stop: threading.Event) -> np.ndarray:
        """The labels, uint8, of the image's own shape.

        Raises:
            CaseError: There is no usable prediction.
            Stopped: ``stop`` was set meanwhile.
        """


class CheckpointPredictor:
    """Runs a checkpoint; one case at a time goes through the network, so that no score depends on another case.

    Args:
        checkpoint: From ``load_checkpoint``.
        match: Its classes beside those of the test set.
        settings: Device, precision and batch size count.
        turns: Lets STREAMS cases into the network at once; shared by all checkpoints of a run.
    """

    source: Literal["run", "score"] = "run"

    def __init__(
        self, checkpoint: "Checkpoint", match: ClassMatch, *, settings: Settings, turns: threading.Semaphore
    ) -> None:
        import torch

        from medseg_demo.segmenting.windows import choose_compute

        compute = choose_compute(settings)
        threads = settings.threads or torch.get_num_threads()
        self.name, self.class_names = checkpoint.name, match.class_names
        self.settings: Mapping[str, object] = {
            "classes": list(match.class_names),
            "class_lookup": list(match.lookup),
            "device": compute.device.type,
            "precision": str(compute.precision).removeprefix("torch."),
            "batch_size": settings.batch_size,
            "threshold": checkpoint.card.threshold,
        }
        self._checkpoint, self._match, self._turns = checkpoint, match, turns
        self._compute_settings = replace(settings, threads=max(1, threads // STREAMS))

    def digest(self, case: Case) -> str:
        """The checkpoint's."""
        return self._checkpoint.digest

    def run_digest(self, cases: Sequence[Case]) -> str:
        """The checkpoint's."""
        return self._checkpoint.digest

    def predict(self, case: Case, data: CaseData, stop: threading.Event) -> np.ndarray:
        """Segment the image; see Predictor."""
        from medseg_demo.segmenting.pipeline import segment

        def give_up_when_stopped(done: int, total: int) -> None:
            if stop.is_set():
                raise Stopped

        with self._turns:
            give_up_when_stopped(0, 1)
            try:
                result = segment(
                    data.image, self._checkpoint, settings=self._compute_settings, progress=give_up_when_stopped
                )
            except DeviceMemoryError as error:
                raise PassingCaseError(f"Case {case.case_id!r}: {error}") from None
            except InputMismatchError as error:
                raise CaseError(f"Case {case.case_id!r}: {error}") from None
        return self._match.translate(result.label_map.labels)


@contextmanager
def keep_threads() -> Iterator[None]:
    """Leave torch's number of threads as it was.

    A thread that sets its own number also sets that of all threads that begin later, those of the app among them.
    """
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


class FolderPredictor:
    """Reads predictions that were made elsewhere, matched to the cases by the stem of their files.

    Args:
        files: From ``label_maps_in``; predictions of other cases are ignored.
        name: What the predictions are called.
        class_names: The test set's.
        limits: Of the reader.

    Raises:
        OptionError: Their own ``dataset.json`` cannot be used.
    """

    source: Literal["run", "score"] = "score"

    def __init__(
        self, files: Mapping[str, Path], name: str, class_names: tuple[str, ...], limits: Settings | None = None
    ) -> None:
        self.name, self.class_names = name, class_names
        self._files, self._limits = files, limits
        self._own_names = _own_names(files)
        named = {} if self._own_names is None else {"value_names": list(map(list, self._own_names.items()))}
        self.settings: Mapping[str, object] = {"classes": list(class_names), **named}

    def digest(self, case: Case) -> str:
        """Of the prediction's file."""
        path = self._files.get(case.case_id)
        return attempt(case, "prediction", lambda: file_digest(path)).hex() if path else ""

    def run_digest(self, cases: Sequence[Case]) -> str:
        """Of the files of all cases."""
        digests = (f"{case.case_id}\0{self.digest(case)}\0" for case in sorted(cases, key=lambda case: case.case_id))
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    def predict(self, case: Case, data: CaseData, stop: threading.Event) -> np.ndarray:
        """Read the prediction's file; see Predictor."""
        path = self._files.get(case.case_id)
        if path is None:
            raise CaseError(
                f"Case {case.case_id!r} has no prediction. Add a label map named {case.case_id} and its suffix."
            )
        prediction = attempt(case, "prediction", lambda: self._read(path, case, data))
        check_geometry(case, data.image, prediction, role="prediction")
        return prediction.labels

    def _read(self, path: Path, case: Case, data: CaseData) -> LabelMap:
        return read_label_map(
            path,
            class_names=self.class_names,
            image=data.image,
            settings=self._limits,
            value_names=self._own_names,
            colours=case.colours,
        )


def _own_names(files: Mapping[str, Path]) -> dict[int, str] | None:
    """What the predictions' own values mean, by a ``dataset.json`` in their folder (nnU-Net writes one).

    Raises:
        OptionError: It is there and cannot be used.
    """
    folder = next((path.parent for path in files.values()), None)
    if folder is None or not (folder / DATASET_FILE).is_file():
        return None
    try:
        return value_names_of(json.loads((folder / DATASET_FILE).read_text(encoding="utf-8-sig")))
    except (OSError, ValueError, RecursionError) as error:
        raise OptionError(
            f"Predictions {folder.name!r}: their {DATASET_FILE} cannot be used ({error}). Correct it, or remove it "
            "where the values are those of the test set."
        ) from None


def label_maps_in(folder: Path) -> dict[str, Path]:
    """The label maps of a folder by the stem of their files; files of other kinds are ignored.

    Raises:
        OptionError: There is no such folder, or it holds two label maps of one stem.
    """
    if not folder.is_dir():
        raise OptionError(f"Predictions {folder.name!r}: there is no such folder. Check the path.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.name.lower().endswith(SUFFIXES) or not path.is_file():
            continue
        first = found.setdefault(stem(path), path)
        if first is not path and not _is_pair(first, path):
            raise OptionError(
                f"Predictions {folder.name!r}: {first.name} and {path.name} are of one case. Keep one of them."
            )
    return found


def _is_pair(header: Path, voxels: Path) -> bool:
    """Whether two files of one stem are the header and the voxels of one image (``.hdr`` and ``.img``)."""
    return suffix(header).lower().startswith(".hdr") and suffix(voxels).lower().startswith(".img")
