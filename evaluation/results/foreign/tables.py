"""CSV files of results: long, one value a row, or wide, one metric a column; ``scores.csv`` of this program is wide.

Columns may stand in any order and be called otherwise in any case. What is none of ours says something of the case and
is kept: ``group``, ``split``, ``site`` and others.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.errors import DamagedResultsError, UnknownLayoutError
from evaluation.metrics.table import METRICS
from evaluation.results.foreign.value import Value, read_number, spell_metric, split_unit, sums_up
from medseg_demo.names import stem
from medseg_demo.reading.labels import plain_name
from medseg_demo.reading.table import read_table
from medseg_demo.test_sets.case_table import GROUP_NAMES, PATIENT_NAMES

LONG_COLUMNS = ("case", "checkpoint", "class", "metric", "value")
OF_RUNS = ("group", "split", "fold")
ONLY_CLASS = "class_1"
NAMES = {
    "case": ("case id", "case", "caseid", "image id", "image", "image name", "filename", "file name", "file", "id",
             "scan", "study", "sample", *PATIENT_NAMES, "name"),
    "checkpoint": ("checkpoint", "model", "algorithm", "network", "net", "run", "experiment", "team", "method"),
    "class": ("class name", "class", "structure", "organ", "label", "region", "roi", "target", "category", "tissue"),
    "metric": ("metric", "measure", "metric name", "score name"),
    "value": ("value", "score", "result", "val"),
    "test set": ("test set", "testset", "dataset", "data set"),
    "seed": ("seed", "random seed", "replicate"),
    "status": ("status",),
    "error": ("error",),
    "distance unit": ("distance unit",),
    "size unit": ("size unit",),
}  # fmt: skip


@dataclass(frozen=True)
class _Columns:
    """Which column is what; the places of what there is, and the names of the others."""

    places: Mapping[str, int]
    others: Mapping[int, str]

    def cell(self, row: Sequence[str], name: str, default: str = "") -> str:
        place = self.places.get(name)
        return row[place] if place is not None and row[place] else default


def read_csv(path: Path, name: str, test_set: str, classes: Sequence[str]) -> list[Value]:
    """The values of a long or wide CSV.

    Args:
        path: The file.
        name: The checkpoint's, where the file names none.
        test_set: The test set's, likewise.
        classes: Of the test set: what the only one is called where the file names none.

    Raises:
        UnknownLayoutError: A column is missing.
        DamagedResultsError: A row does not fit the heading, or a cell is no number.
    """
    (_, heading), *rows = read_table(path) or [(1, [])]
    columns = _columns(heading)
    is_long = {"metric", "value"} <= columns.places.keys()
    metrics = {} if is_long else _metric_columns(columns.others)
    missing = [column for column in LONG_COLUMNS if column not in columns.places and (is_long or column == "case")]
    missing = [column for column in missing if column in ("case", "metric", "value")]
    if missing or not (is_long or metrics):
        raise UnknownLayoutError(
            f"{path.name}: has no column {', '.join(missing or LONG_COLUMNS[3:])}. A long CSV has the columns "
            f"{', '.join(LONG_COLUMNS)}; a wide one case, checkpoint, class and one a metric, such as dice, hd95."
        )
    only = classes[0] if len(classes) == 1 else ONLY_CLASS
    values = []
    kept = metrics if "class" in columns.places else _without_sums(metrics)
    # Columns with unknown names are scores, under these, only where they vary within a case.
    varying = {} if is_long else _varying(rows, columns, known=metrics)
    metrics, kept = {**metrics, **varying}, {**kept, **varying}
    for line, row in rows:
        place = f"line {line}"
        make = _maker(path, columns, row, place, name=name, test_set=test_set, only=only, metrics=metrics)
        if is_long:
            values.append(make(columns.cell(row, "metric"), columns.cell(row, "value"), ""))
        else:
            values += [make(metric, row[at], class_name) for at, (metric, class_name) in kept.items()]
    return values


def _maker(
    path: Path,
    columns: _Columns,
    row: Sequence[str],
    place: str,
    *,
    name: str,
    test_set: str,
    only: str,
    metrics: Mapping[int, object],
) -> Callable[[str, str, str], Value]:
    """Makes the values of a row of metric, text and, where the column says it, class."""
    checkpoint, seed = columns.cell(row, "checkpoint", name), columns.cell(row, "seed")
    metadata = {label: row[at] for at, label in columns.others.items() if at not in metrics and label}
    if seed:
        metadata["method"] = checkpoint
        checkpoint = f"{checkpoint} seed_{re.sub(r'(?i)^seed[-_ ]*', '', seed)}"
    error = columns.cell(row, "error") if columns.cell(row, "status").lower() == "failed" else ""
    units = {f"{kind}_unit": unit for kind in ("distance", "size") if (unit := columns.cell(row, f"{kind} unit"))}
    case_id = stem(columns.cell(row, "case").replace("\\", "/").rsplit("/", 1)[-1])
    if not case_id:
        raise DamagedResultsError(f"{path.name}: {place} names no case. Correct it.")

    def make(metric: str, text: str, class_name: str) -> Value:
        ours, unit = spell_metric(metric)
        if not (ours or metric):
            raise DamagedResultsError(f"{path.name}: {place} names no metric. Correct it.")
        try:
            number = read_number(text)
        except ValueError:
            raise DamagedResultsError(f"{path.name}: {place}: {text!r} is no number. Correct it.") from None
        known = {f"{METRICS[ours].unit}_unit": unit} if ours and METRICS[ours].unit and unit not in ("", "%") else {}
        return Value(
            checkpoint,
            case_id,
            class_name or columns.cell(row, "class", only),
            ours or metric,
            number / 100 if unit == "%" and "%" not in text else number,
            columns.cell(row, "test set", test_set),
            place,
            {**units, **known},
            metadata,
            error,
        )

    return make


def _columns(heading: Sequence[str]) -> _Columns:
    plain = [plain_name(column) for column in heading]
    places: dict[str, int] = {}
    for column, names in NAMES.items():
        found = next(
            (plain.index(name) for name in names if name in plain and plain.index(name) not in places.values()), None
        )
        if found is not None:
            places[column] = found
    others = {place: name for place, name in enumerate(heading) if place not in places.values()}
    if "group" not in plain:
        patient = next((place for name in GROUP_NAMES for place in others if plain[place] == name), None)
        others |= {} if patient is None else {patient: "group"}
    return _Columns(places, {place: "group" if plain[place] == "group" else name for place, name in others.items()})


def _varying(
    rows: Sequence[tuple[int, Sequence[str]]], columns: _Columns, *, known: Collection[int]
) -> dict[int, tuple[str, str]]:
    """The columns of numbers that differ between the rows of one case: of a class or a checkpoint, not of the case."""
    found = {}
    for at, label in columns.others.items():
        if at in known or label in OF_RUNS:
            continue
        cells: dict[tuple[str, str], set[str]] = {}
        for _, row in rows:
            cells.setdefault((columns.cell(row, "test set"), columns.cell(row, "case")), set()).add(row[at])
        varies = any(len(some) > 1 for some in cells.values())
        if varies and all(map(_is_number, set().union(*cells.values()))):
            found[at] = label, ""
    return found


def _is_number(text: str) -> bool:
    try:
        read_number(text)
    except ValueError:
        return False
    return True


def _without_sums(metrics: Mapping[int, tuple[str, str]]) -> dict[int, tuple[str, str]]:
    """The columns of metrics without those that sum up others: ``dice_std``, and ``dice`` beside ``dice_liver``."""
    single = {at: column for at, column in metrics.items() if not sums_up(column[1])} or dict(metrics)
    by_class = {spell_metric(metric)[0] for metric, class_name in single.values() if class_name}
    return {at: column for at, column in single.items() if column[1] or spell_metric(column[0])[0] not in by_class}


def _metric_columns(others: Mapping[int, str]) -> dict[int, tuple[str, str]]:
    """The columns of metrics: place → the metric as it is spelled, and the class, where the heading says it, too.

    ``dice``, ``Dice (%)``, ``dice_liver`` and ``liver dice`` are such columns.
    """
    found: dict[int, tuple[str, str]] = {}
    for place, heading in others.items():
        if spell_metric(heading)[0]:
            found[place] = heading, ""
            continue
        bare, unit = split_unit(heading)
        parts = [(bare[: cut.start()], bare[cut.end() :]) for cut in re.finditer(r"[\s_./-]+", bare)]
        pairs = [(left, right) for left, right in parts if left and right]
        first = next(((left, right) for left, right in reversed(pairs) if spell_metric(left)[0]), None)
        last = next(((right, left) for left, right in pairs if spell_metric(right)[0]), None)
        if both := first or last:
            found[place] = f"{both[0]} ({unit})" if unit else both[0], both[1]
    return found
