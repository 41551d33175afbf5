"""From a row of results back to the case: its image, its reference and every prediction, as far as they are here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from evaluation.results.table import NUMBERED, Results, Run, merge, read_results
from evaluation.runs.cases import read_case
from evaluation.runs.predictions import find_prediction
from evaluation.stress.cases import SUFFIX, stress_of, stressed_test_set
from medseg_demo.documents import read_document
from medseg_demo.errors import MedsegError, TestSetError
from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.names import shown
from medseg_demo.reading.labels import compare_geometry, read_label_map
from medseg_demo.settings import Settings
from medseg_demo.test_sets.layouts import is_test_set
from medseg_demo.test_sets.simulated import NAME as SIMULATED
from medseg_demo.test_sets.simulated import ensure_simulated_nuclei
from medseg_demo.test_sets.simulated_brain import NAME as SIMULATED_BRAIN
from medseg_demo.test_sets.simulated_brain import ensure_simulated_brain
from medseg_demo.test_sets.test_set import DATASET_FILE, TestSet, read_test_set

# (image, checkpoint's name) → its labels and the checkpoint's digest; raises MedsegError.
Segment = Callable[[MedicalImage, str], tuple[np.ndarray, str]]

# (test set, checkpoint's name in the table) → its run, and the folder that may hold its predictions.
Origins = dict[tuple[str, str], tuple[Run, Path | None]]

# Simulated test sets by their names, each made in the test-sets folder where it is not there yet.
MADE = {SIMULATED: ensure_simulated_nuclei, SIMULATED_BRAIN: ensure_simulated_brain}

NOT_KEPT = "The prediction was made elsewhere, and it was not kept with these results."
NOT_MADE = "The prediction was not kept with these results, and it is not made again here."
CHANGED = "Segmented just now by another version of the checkpoint: it may differ from the scores."


@dataclass(frozen=True)
class VisitorSettings(Settings):
    """The settings as one visitor of the page has them, whose own test sets are found by their names, too.

    Attributes:
        own_test_sets: The folder of these, each called like its folder; None where there are none.
    """

    own_test_sets: Path | None = None


@dataclass(frozen=True, eq=False)
class CasePrediction:
    """What one checkpoint made of a case.

    Attributes:
        checkpoint: Its name.
        label_map: Its prediction; None where there is none.
        note: Why there is none, or what to know about it.
    """

    checkpoint: str
    label_map: LabelMap | None
    note: str = ""


@dataclass(frozen=True, eq=False)
class OpenedCase:
    """A case with all that belongs to it.

    Attributes:
        image: The image.
        reference: The expert's label map.
        predictions: One a checkpoint, in the order that was asked for.
    """

    image: MedicalImage
    reference: LabelMap
    predictions: tuple[CasePrediction, ...]


def find_test_set(name: str, settings: Settings, *, split: str | None = None) -> TestSet:
    """The test set of that name: a visitor's own, or one of the test-sets folder.

    A simulated one is made where it is missing.

    Args:
        name: Its name.
        settings: The test-sets folder; those of a visitor name another.
        split: Keep only the cases of this split; None keeps all.

    Raises:
        TestSetError: There is none of that name, or it has faults, or no such split.
    """
    own = next((folder for folder in _own_folders(settings) if folder.name == name), None)
    if own is not None:
        return own_test_set(own, split=split)
    folder = _folder_of(name, settings.test_sets_dir)
    if folder is None and is_simulated(name):
        folder = MADE[_plain(name)](settings.test_sets_dir)
    if folder is None:
        raise TestSetError([f"The images of test set {name!r} are not on this computer."])
    return read_test_set(folder, split=split)


def own_test_set(folder: Path, *, split: str | None = None) -> TestSet:
    """A visitor's test set under its folder's name, whatever it says itself.

    Raises:
        TestSetError: It has faults, or no such split.
    """
    return replace(read_test_set(folder, split=split), name=folder.name)


def _own_folders(settings: Settings) -> list[Path]:
    root = settings.own_test_sets if isinstance(settings, VisitorSettings) else None
    found = root.iterdir() if root is not None and root.is_dir() else ()
    return sorted(path for path in found if path.is_dir() and not path.name.startswith("."))


def read_together(folders: Sequence[Path], read: Callable[[Path], Results] = read_results) -> tuple[Results, Origins]:
    """The results of several folders as one table, and where each of its runs came from.

    Args:
        folders: Each with a ``run.json`` and a ``scores.csv``.
        read: What reads one.

    Raises:
        ResultsError: There is none, or one holds no results, or damaged ones.
    """
    results = [read(folder) for folder in folders]
    merged = merge(results)
    found = [(run, folder) for folder, one in zip(folders, results, strict=True) for run in one.runs]
    return merged, trace_runs(merged, found)


def trace_runs(merged: Results, found: Sequence[tuple[Run, Path]]) -> Origins:
    """Where each run of merged results came from.

    Args:
        merged: From ``merge``, which numbers names that occur twice.
        found: The runs with their folders, in the order in which they were merged.
    """
    left, origins = list(found), Origins()
    for entry in merged.runs:
        same = (one for one in left if _is_origin(one[0], entry))
        origin = next(same, None)
        if origin is not None:
            left.remove(origin)
        origins[entry.test_set, entry.checkpoint] = origin or (entry, None)
    return origins


def _is_origin(run: Run, entry: Run) -> bool:
    named = replace(run, checkpoint=entry.checkpoint, test_set=entry.test_set)
    return named == entry and NUMBERED.sub("", entry.test_set) == NUMBERED.sub("", run.test_set)


def available_test_sets(settings: Settings) -> tuple[str, ...]:
    """The names of the test sets: a visitor's own, those of the test-sets folder, the simulated nuclei always."""
    root = settings.test_sets_dir
    names = sorted(_name_of(path) for path in root.iterdir() if is_test_set(path)) if root.is_dir() else []
    own = [folder.name for folder in _own_folders(settings)]
    return tuple(dict.fromkeys([*own, *names, *([] if SIMULATED in map(_plain, names) else [SIMULATED])]))


def is_simulated(test_set: str) -> bool:
    """Whether a test set is one that is made here, by its name or by that of its folder."""
    return _plain(test_set) in MADE


def _plain(test_set: str) -> str:
    return test_set.replace(" ", "-").removesuffix(SUFFIX)


def open_case(
    name: str,
    case_id: str,
    checkpoints: Sequence[str],
    *,
    runs: Mapping[str, tuple[Run, Path | None]],
    settings: Settings,
    segment: Segment | None = None,
) -> OpenedCase:
    """Read a case and every prediction of it.

    Args:
        name: The test set's name.
        case_id: The case.
        checkpoints: Whose predictions are wanted.
        runs: Of each checkpoint, its run on this test set and the folder that may hold its predictions.
        settings: The test-sets folder, and the limits of the readers.
        segment: Makes a prediction again that was not kept; None leaves it out.

    Raises:
        MedsegError: The case is not here, or cannot be read.
    """
    name = next((run.test_set for run, _ in runs.values()), name)  # its own, without what merging added
    test_set = _scored_test_set(name, runs, settings)
    case = next((case for case in test_set.cases if case.case_id == case_id), None)
    if case is None:
        raise TestSetError([f"Test set {name!r} of this computer has no case {case_id!r}. It is another version."])
    names = test_set.labels.piece_names if test_set.labels else _classes(runs)
    data = read_case(case, class_names=names, settings=settings, pixels=bool(case.image_paths))
    predictions = []
    for checkpoint in checkpoints:
        run, folder = runs.get(checkpoint, (None, None))
        path = find_prediction(folder, name, run.checkpoint, case_id) if run and folder else None
        predictions.append(_prediction(checkpoint, data.image, data.reference, run, path, segment))
    return OpenedCase(data.image, data.reference, tuple(predictions))


def _scored_test_set(name: str, runs: Mapping[str, tuple[Run, Path | None]], settings: Settings) -> TestSet:
    """The test set of that name; one under stress is made from its own."""
    stress = next((found for run, _ in runs.values() if (found := stress_of(run.settings))), None)
    if stress is None:
        return find_test_set(name, settings)
    of, corruptions, degrees = stress
    return stressed_test_set(find_test_set(of, settings), corruptions, degrees)


def _prediction(
    checkpoint: str,
    image: MedicalImage,
    reference: LabelMap,
    run: Run | None,
    path: Path | None,
    segment: Segment | None,
) -> CasePrediction:
    try:
        if path is not None:
            return CasePrediction(checkpoint, _read(path, image, reference))
        if run is None or run.source != "run":
            return CasePrediction(checkpoint, None, NOT_KEPT)
        if segment is None:
            return CasePrediction(checkpoint, None, NOT_MADE)
        labels, digest = segment(image, run.checkpoint)
    except MedsegError as error:
        return CasePrediction(checkpoint, None, str(error))
    note = CHANGED if run.checkpoint_hash not in ("", digest) else ""
    return CasePrediction(checkpoint, LabelMap(_translate(labels, run), reference.class_names, image.geometry), note)


def _read(path: Path, image: MedicalImage, reference: LabelMap) -> LabelMap:
    found = read_label_map(path, class_names=reference.class_names, image=image)
    faults = compare_geometry(image, found, role="prediction")
    if faults:
        raise TestSetError([f"{path.name}: {' and '.join(faults)}. The image is another one than was scored."])
    return LabelMap(found.labels, reference.class_names, image.geometry)


def _translate(labels: np.ndarray, run: Run) -> np.ndarray:
    """A checkpoint's labels in the values of the test set, as the run scored them."""
    lookup = run.settings.get("class_lookup")
    if not isinstance(lookup, (list, tuple)) or len(lookup) <= int(labels.max(initial=0)):
        return labels
    return np.asarray(lookup, np.uint8)[labels]


def _classes(runs: Mapping[str, tuple[Run, Path | None]]) -> tuple[str, ...] | None:
    for run, _ in runs.values():
        names = run.settings.get("classes")
        if isinstance(names, (list, tuple)) and names:
            return tuple(map(str, names))
    return None


def _folder_of(name: str, root: Path) -> Path | None:
    """The folder whose test set has that name: by ``dataset.json``, or by its own name."""
    if not root.is_dir():
        return None
    folders = sorted(path for path in root.iterdir() if is_test_set(path))
    return next((path for path in folders if _name_of(path) == name), None)


def _name_of(folder: Path) -> str:
    try:
        name = read_document(folder / DATASET_FILE).get("name")
    except (OSError, ValueError, AttributeError, RecursionError):
        name = None
    return name if isinstance(name, str) and name else shown(folder.name)


def test_set_folder(name: str, settings: Settings) -> Path:
    """The folder that a person named by its path or, in the test-sets folder, by its name.

    A simulated test set is made where it is asked for.
    """
    if not Path(name).is_dir() and name in MADE:
        return MADE[name](settings.test_sets_dir)
    named = settings.test_sets_dir / name
    return named if not Path(name).is_dir() and named.is_dir() else Path(name)
