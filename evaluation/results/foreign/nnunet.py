"""nnU-Net's ``summary.json``, of version 1 and 2: one file, a fold, all folds of a trainer, or several trainers."""

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from evaluation.errors import DamagedResultsError, ResultsError, UnknownLayoutError
from evaluation.results.foreign.value import Value
from medseg_demo.documents import read_document
from medseg_demo.names import shown

SUMMARY = "summary.json"
LARGEST_MIB = 256
FOLD = re.compile(r"fold_\w+")
FOLD_ALL = "fold_all"  # a model of its own, trained on all cases: their "validation" is none beside that of folds
ALL_FOLDS = re.compile(r"crossval_results_folds_\w+|cv_niftis_\w+")
VALIDATION = re.compile(r"validation(_raw|_postprocessed)?")

# nnU-Net 1 computes distances with MedPy, whose HD95 pools both directions and whose ASSD is our MASD.
NNUNET_1_METRICS = {
    "Dice": "dice",
    "Jaccard": "iou",
    "Precision": "precision",
    "Recall": "recall",
    "True Negative Rate": "specificity",
    "Accuracy": "accuracy",
    "Hausdorff Distance": "hd",
    "Hausdorff Distance 95": "hd95_pooled",
    "Avg. Symmetric Surface Distance": "masd",
    "Total Positives Reference": "reference_volume",
    "Total Positives Test": "predicted_volume",
}


def name_of(path: Path) -> str:
    """What the results of a file are called by the folders it lies in: the trainer and the fold of nnU-Net."""
    folder = path.resolve() if path.is_dir() else path.resolve().parent
    if folder.name == "postprocessed" and ALL_FOLDS.fullmatch(folder.parent.name):
        folder = folder.parent
    if ALL_FOLDS.fullmatch(folder.name) and "__" in folder.parent.name:
        return shown(folder.parent.name)
    if VALIDATION.fullmatch(folder.name) and FOLD.fullmatch(folder.parent.name):
        folder = folder.parent
    if FOLD.fullmatch(folder.name) and "__" in folder.parent.name:
        return shown(f"{folder.parent.name} {folder.name}")
    return shown(folder.name or path.stem)


def read_nnunet(path: Path, name: str | None, test_set: str) -> list[Value]:
    """The values of a ``summary.json``, or of those of all folds of a folder, which then are one checkpoint's.

    ``fold_all`` beside numbered folds is a checkpoint of its own.

    Raises:
        ResultsError: There is none.
        DamagedResultsError: A file is truncated, a case has no metrics, or two folds share a case.
        UnknownLayoutError: It is of no version that is known.
    """
    found: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    summaries = _summaries(path)
    numbered = {trainer for trainer, fold, _ in summaries if fold != FOLD_ALL}
    for trainer, fold, file in summaries:
        is_apart = fold == FOLD_ALL and trainer in numbered
        found[f"{name or trainer} {fold}" if is_apart else name or trainer].append((fold, file))
    values: list[Value] = []
    for checkpoint, files in found.items():
        seen: dict[str, str] = {}
        for fold, file in files:
            own = _read_summary(file, checkpoint, test_set, fold)
            twice = sorted({value.case_id for value in own} & seen.keys())
            if twice:
                shared = ", ".join(twice[:10]) + (", …" if len(twice) > 10 else "")
                raise DamagedResultsError(
                    f"{path.name}: {seen[twice[0]]} and {fold} of {checkpoint!r} share {len(twice)} case(s): {shared}. "
                    "Import the folds apart, or leave each case to one of them."
                )
            seen |= dict.fromkeys((value.case_id for value in own), fold)
            values += own
    return values


def _summaries(path: Path) -> list[tuple[str, str, Path]]:
    """(checkpoint, fold or nothing, file) of every summary of a file or folder."""
    if path.is_file():
        return [(name_of(path), "", path)]
    if (path / SUMMARY).is_file():
        return [(name_of(path), "", path / SUMMARY)]
    for trainers in ([path], [each for each in sorted(path.iterdir()) if each.is_dir()]):
        found = [
            (shown(trainer.resolve().name), fold.name, file)
            for trainer in trainers
            for fold in sorted(trainer.iterdir())
            if fold.is_dir() and FOLD.fullmatch(fold.name) and (file := _of_fold(fold))
        ]
        if found:
            return found
    raise ResultsError(
        f"{path}: holds no {SUMMARY}, nor does any fold_0/validation/ in it. Name nnU-Net's folder of a trainer, or "
        "the file."
    )


def _of_fold(fold: Path) -> Path | None:
    places = [fold / "validation", fold, *(each for each in sorted(fold.glob("validation_*")) if each.is_dir())]
    return next((place / SUMMARY for place in places if (place / SUMMARY).is_file()), None)


def _read_summary(path: Path, name: str, test_set: str, fold: str) -> list[Value]:
    try:
        summary = read_document(path, most_mib=LARGEST_MIB)
    except (OSError, ValueError) as error:
        raise DamagedResultsError(f"{path.name}: is no complete JSON file. Export it again.") from error
    values, metadata = [], {"fold": fold} if fold else {}
    try:
        for file, metrics in _cases(path, summary):
            case_id = case_id_of(file)
            unit = {"size_unit": "voxels" if ".nii" in file or file.endswith((".mha", ".nrrd")) else "px"}
            for label, measured in metrics.items():
                numbers = _numbers_of_2(measured) if "n_ref" in measured else _numbers_of_1(measured)
                values += [
                    Value(name, case_id, label, metric, value, test_set, f"case {case_id!r}", unit, metadata)
                    for metric, value in numbers.items()
                ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedResultsError(f"{path.name}: a case has no readable metrics ({error}). Export it again.") from error
    return values


def _cases(path: Path, summary: object) -> list[tuple[str, Mapping[str, Mapping[str, float]]]]:
    """Each case's prediction file and its metrics by label, background left out."""
    layout = summary if isinstance(summary, dict) else {}
    per_case = layout.get("metric_per_case")
    if isinstance(per_case, list):
        return [(str(case["prediction_file"]), _without_background(case["metrics"])) for case in per_case]
    results = layout.get("results")
    if isinstance(results, dict) and isinstance(results.get("all"), list):
        return [
            (
                str(case["test"]),
                _without_background({key: item for key, item in case.items() if isinstance(item, dict)}),
            )
            for case in results["all"]
        ]
    raise UnknownLayoutError(
        f"{path.name}: is no {SUMMARY} of a version that is known here. Known are nnU-Net 1 (results → all) and "
        f"nnU-Net 2 (metric_per_case); this file has: {', '.join(map(str, layout)) or 'no keys'}."
    )


def _without_background(metrics: Mapping[str, Mapping[str, float]]) -> dict[str, Mapping[str, float]]:
    return {label: item for label, item in metrics.items() if label != "0"}


def _numbers_of_1(measured: Mapping[str, float]) -> dict[str, float]:
    numbers = {ours: _number(measured[theirs]) for theirs, ours in NNUNET_1_METRICS.items() if theirs in measured}
    if {"reference_volume", "predicted_volume"} <= numbers.keys():
        numbers["volume_error"] = _share(
            numbers["predicted_volume"] - numbers["reference_volume"], numbers["reference_volume"]
        )
    return numbers


def _numbers_of_2(measured: Mapping[str, float]) -> dict[str, float]:
    """Everything that follows from the counts that nnU-Net 2 writes, by our empty-mask rules."""
    tp, fp, fn, tn = (_number(measured[name]) for name in ("TP", "FP", "FN", "TN"))
    return {
        "dice": _share(2 * tp, 2 * tp + fp + fn),
        "iou": _share(tp, tp + fp + fn),
        "precision": _share(tp, tp + fp),
        "recall": _share(tp, tp + fn),
        "specificity": _share(tn, tn + fp),
        "accuracy": _share(tp + tn, tp + tn + fp + fn),
        "reference_volume": tp + fn,
        "predicted_volume": tp + fp,
        "volume_error": _share(fp - fn, tp + fn),
    }


def _share(part: float, whole: float) -> float:
    if whole:
        return part / whole
    return math.nan if not part else math.copysign(math.inf, part)


def _number(value: object) -> float:
    return math.nan if value is None else float(str(value))


def case_id_of(file: str) -> str:
    """The stem of a file of any origin, whose path may be of another system."""
    name = file.replace("\\", "/").rsplit("/", 1)[-1]
    return shown(name.removesuffix(".gz").rsplit(".", 1)[0] if "." in name else name)
