"""Results made elsewhere, as the same tidy table: nnU-Net's summary.json, MONAI's metric CSVs, a long CSV.

Only numbers whose convention is ours, or that follow from counts, take our metrics' names; others keep a name of their
own. Of paths only the file's stem is kept, as the case's id.
"""

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from evaluation.errors import DamagedResultsError, ResultsError, UnknownLayoutError
from evaluation.results.import_classes import check_chosen, name_classes
from evaluation.results.table import CaseResult, Results, Run, collect
from evaluation.runs.store import CaseScores
from medseg_demo.names import shown

Layout = Literal["nnunet", "monai", "long"]

LONG_COLUMNS = ("case", "checkpoint", "class", "metric", "value")
NO_TEST_SET = "imported"
NOT_IN_FILE = "The imported file holds no value for this case."

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
MONAI_METRICS = {
    "surface_dice": "nsd",
    "normalized_surface": "nsd",
    "generalized_dice": "generalized_dice",
    "dice": "dice",
    "iou": "iou",
}


@dataclass(frozen=True)
class _Value:
    """One number of a file; its class is called as the file calls it: a label or a name."""

    checkpoint: str
    case_id: str
    class_name: str
    metric: str
    value: float
    test_set: str
    size_unit: str = ""


def import_results(
    path: Path,
    layout: Layout,
    *,
    name: str | None = None,
    test_set: str = NO_TEST_SET,
    classes: Sequence[str] | None = None,
    class_names: Mapping[str, str] | None = None,
) -> Results:
    """Read results that another program wrote.

    A case that the file has for one checkpoint, but not for another, becomes a failed row of the other. What the
    file's classes were taken for stands in the settings of the runs, under ``file_classes``.

    Args:
        path: ``summary.json``; a MONAI ``<metric>_raw.csv`` or the folder of several; a CSV with the columns case,
            checkpoint, class, metric and value (test_set may be one more).
        layout: Which of these it is.
        name: The checkpoint's name; None takes the folder's. A long CSV has its own.
        test_set: The test set's name, where the file has none.
        classes: The test set's classes, item i that of label value i + 1; see ``name_classes``. None where they are
            not known: then labels are called ``class_<label>``, and names stay as they are.
        class_names: The file's labels or names of classes to the test set's names, before any other rule.

    Raises:
        OptionError: ``class_names`` names a class that the file lacks, or calls two of them the same.
        ResultsError: There is no such file, or nothing in it.
        UnknownLayoutError: The file has another layout.
        DamagedResultsError: The file is truncated, or a value is no number.
    """
    path = Path(path)
    if not path.exists():
        raise ResultsError(f"{path}: does not exist. Name the file that holds the results.")
    name = name or shown((path.resolve().name if path.is_dir() else path.resolve().parent.name) or path.stem)
    match layout:
        case "nnunet":
            values = _read_nnunet(path, name, test_set)
        case "monai":
            values = _read_monai(path, name, test_set)
        case _:
            values = _read_long(path, test_set)
    if not values:
        raise ResultsError(f"{path}: holds no case. Export the results again.")
    found: dict[str, dict[str, None]] = {}
    for value in values:
        found.setdefault(value.test_set, {})[value.class_name] = None
    check_chosen(class_names or {}, _distinct(value.class_name for value in values))
    names = {
        one: name_classes(
            tuple(theirs), classes if one == test_set else None, class_names or {}, labels=layout == "nnunet"
        )
        for one, theirs in found.items()
    }
    return _to_results(path, [replace(one, class_name=names[one.test_set][one.class_name]) for one in values], names)


def _to_results(path: Path, values: Sequence[_Value], file_classes: Mapping[str, dict[str, str]]) -> Results:
    """One row for every case, class and checkpoint of a test set, whether the file has it or not."""
    found: dict[tuple[str, str, str], dict[str, dict[str, object]]] = {}
    for value in values:
        row = found.setdefault((value.test_set, value.checkpoint, value.case_id), {}).setdefault(value.class_name, {})
        if value.metric in row:
            raise DamagedResultsError(
                f"{path}: case {value.case_id!r}, class {value.class_name!r} has two values of {value.metric} for "
                f"{value.checkpoint!r}. Leave one of them."
            )
        row |= {value.metric: value.value, "size_unit": value.size_unit}
    runs = dict.fromkeys((test_set, checkpoint) for test_set, checkpoint, _ in found)
    cases = [
        CaseResult(test_set, checkpoint, case_id, _scores(found.get((test_set, checkpoint, case_id), {}), classes))
        for test_set, checkpoint in runs
        for classes in [_distinct(value.class_name for value in values if value.test_set == test_set)]
        for case_id in _distinct(value.case_id for value in values if value.test_set == test_set)
    ]
    return collect(
        cases,
        [
            Run(checkpoint, test_set, source="import", settings={"file_classes": file_classes[test_set]})
            for test_set, checkpoint in runs
        ],
    )


def _scores(rows: Mapping[str, Mapping[str, object]], classes: Sequence[str]) -> CaseScores:
    if not rows:
        return CaseScores.failed(NOT_IN_FILE, tuple(classes))
    return CaseScores("ok", "", tuple({"class_name": name, **rows.get(name, {})} for name in classes))


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _read_nnunet(path: Path, name: str, test_set: str) -> list[_Value]:
    path = path / "summary.json" if path.is_dir() else path
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DamagedResultsError(f"{path}: is no complete JSON file. Export it again.") from error
    values = []
    try:
        for file, metrics in _nnunet_cases(path, summary):
            unit = "voxels" if ".nii" in file or file.endswith((".mha", ".nrrd")) else "px"
            for label, measured in metrics.items():
                numbers = _nnunet_2_numbers(measured) if "n_ref" in measured else _nnunet_1_numbers(measured)
                values += [
                    _Value(name, _case_id(file), label, metric, value, test_set, unit)
                    for metric, value in numbers.items()
                ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedResultsError(f"{path}: a case has no readable metrics ({error}). Export it again.") from error
    return values


def _nnunet_cases(path: Path, summary: object) -> list[tuple[str, Mapping[str, Mapping[str, float]]]]:
    """Each case's prediction file and its metrics by label, background left out."""
    layout = summary if isinstance(summary, dict) else {}
    per_case = layout.get("metric_per_case")
    if isinstance(per_case, list):
        return [(str(case["prediction_file"]), case["metrics"]) for case in per_case]
    results = layout.get("results")
    if isinstance(results, dict) and isinstance(results.get("all"), list):
        return [
            (str(case["test"]), {key: item for key, item in case.items() if isinstance(item, dict) and key != "0"})
            for case in results["all"]
        ]
    raise UnknownLayoutError(
        f"{path}: is no summary.json of a version that is known here. Known are nnU-Net 1 (results → all) and "
        f"nnU-Net 2 (metric_per_case); this file has: {', '.join(map(str, layout)) or 'no keys'}."
    )


def _nnunet_1_numbers(measured: Mapping[str, float]) -> dict[str, float]:
    numbers = {ours: _number(measured[theirs]) for theirs, ours in NNUNET_1_METRICS.items() if theirs in measured}
    if {"reference_volume", "predicted_volume"} <= numbers.keys():
        numbers["volume_error"] = _share(
            numbers["predicted_volume"] - numbers["reference_volume"], numbers["reference_volume"]
        )
    return numbers


def _nnunet_2_numbers(measured: Mapping[str, float]) -> dict[str, float]:
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


def _read_monai(path: Path, name: str, test_set: str) -> list[_Value]:
    files = sorted(path.glob("*_raw.csv")) if path.is_dir() else [path]
    if not files:
        raise UnknownLayoutError(
            f"{path}: has no <metric>_raw.csv. MONAI's MetricsSaver writes them; name their folder."
        )
    values = []
    for file in files:
        metric = _monai_metric(file.stem.removesuffix("_raw"))
        header, *rows = _read_table(file)
        if header[:1] != ["filename"] or len(header) < 2:
            raise UnknownLayoutError(
                f"{file}: is no raw report of MONAI. Its first line has to be filename, the classes, mean."
            )
        classes = [name for name in header[1:] if name != "mean"] or ["mean"]
        names = _case_ids([row[0] for row in rows])
        for number, (case_id, row) in enumerate(zip(names, rows, strict=True), start=2):
            values += [
                _Value(name, case_id, label, metric, _cell(file, number, text), test_set)
                for label, text in zip(classes, row[1:], strict=False)
            ]
    return values


def _monai_metric(name: str) -> str:
    return next((ours for theirs, ours in MONAI_METRICS.items() if theirs in name.lower()), name)


def _read_long(path: Path, test_set: str) -> list[_Value]:
    header, *rows = _read_table(path)
    missing = [column for column in LONG_COLUMNS if column not in header]
    if missing:
        raise UnknownLayoutError(
            f"{path}: has no column {', '.join(missing)}. A long CSV has the columns {', '.join(LONG_COLUMNS)}."
        )
    values = []
    for number, row in enumerate(rows, start=2):
        cells = dict(zip(header, row, strict=True))
        case, checkpoint, class_name, metric, value = (cells[column] for column in LONG_COLUMNS)
        number_read = _cell(path, number, value)
        values.append(_Value(checkpoint, case, class_name, metric, number_read, cells.get("test_set") or test_set))
    return values


def _read_table(path: Path) -> list[list[str]]:
    """The rows of a CSV, separated by commas, tabs or semicolons; blank lines left out."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise DamagedResultsError(f"{path}: is no text file. Export it again as CSV.") from error
    first = text.split("\n", 1)[0]
    rows = [row for row in csv.reader(text.splitlines(), delimiter=max("\t,;", key=first.count)) if row]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise DamagedResultsError(
                f"{path}: row {number} has {len(row)} cells, but the first has {len(rows[0])}. Export it again."
            )
    return [[cell.strip() for cell in row] for row in rows] or [[]]


def _cell(path: Path, number: int, text: str) -> float:
    try:
        return _number(text or "nan")
    except ValueError as error:
        raise DamagedResultsError(f"{path}: row {number}: {text!r} is no number. Correct it.") from error


def _number(value: object) -> float:
    return math.nan if value is None else float(str(value))


def _case_id(file: str) -> str:
    name = PurePosixPath(file.replace("\\", "/")).name
    return name.removesuffix(".gz").rsplit(".", 1)[0] if "." in name else name


def _case_ids(files: Sequence[str]) -> list[str]:
    """The files' stems, or, where images of several folders are called alike, their whole names without a root."""
    stems = [_case_id(file) for file in files]
    if len(set(stems)) == len(stems):
        return stems
    parents = [PurePosixPath(file.replace("\\", "/")).parent.name for file in files]
    return [f"{parent}_{stem}" for parent, stem in zip(parents, stems, strict=True)]
