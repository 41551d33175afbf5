"""The tidy table of results, and the folder that holds it: ``scores.csv`` and ``run.json``.

The table has one row per case and class. Its columns are those of IDENTITY, the metadata of the cases, the metrics
and UNITS, in this order; at the end CALIBRATION, where predictions came with probabilities, and the columns of findings
(``finding_…``), where a checkpoint has any. Every metric is
float64: infinity is a miss, NaN is not applicable or, where ``status`` is "failed", never computed. All else is text.
"""

import json
import math
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from evaluation.errors import DamagedResultsError, ResultsError
from evaluation.metrics.calibration import CALIBRATION
from evaluation.results.findings import finding_columns
from evaluation.runs.store import CaseScores
from medseg_demo.documents import read_document
from medseg_demo.names import as_cell, from_cell
from medseg_demo.writing.whole import write_text

IDENTITY = ("test_set", "checkpoint", "case_id", "class_name", "status", "error")
UNITS = ("distance_unit", "size_unit")
OWN_COLUMNS = (*IDENTITY, *UNITS, CALIBRATION)
METHOD = "method"  # metadata that are a run's, not a case's: which runs are compared as one
FORMAT_VERSION = 1
NUMBERED = re.compile(r" \(\d+\)$")  # what merging adds to a name that is there twice
VOLUME = "reference_volume"
TABLE = "scores.csv"
PACKED = f"{TABLE}.gz"  # what a reference run of many rows is kept as


@dataclass(frozen=True)
class CaseResult:
    """The scores of one case in one run.

    Attributes:
        test_set: The test set's name.
        checkpoint: The checkpoint's name, or that of the predictions.
        case_id: The case's id.
        scores: What came out.
        metadata: The case's columns of ``cases.csv``, ``split`` and ``group`` among them.
    """

    test_set: str
    checkpoint: str
    case_id: str
    scores: CaseScores
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One checkpoint × one test set × one moment.

    Attributes:
        checkpoint: The checkpoint's name.
        test_set: The test set's name.
        checkpoint_hash: Empty where it is not known, such as for imported results.
        test_set_hash: Likewise.
        source: "run", "score" or "import".
        moment: When it was made, ISO 8601; empty where it is not known.
        settings: What moves a score, the NSD tolerance among them. Never an absolute path.
        versions: Of this program and of the libraries that computed.
        partial: Whether it was stopped before the last case.
        parameters: How many weights the network has; None where there is none, or it is not known.
        seconds: Median over the cases of what the network took, without the first one; None likewise.
    """

    checkpoint: str
    test_set: str
    checkpoint_hash: str = ""
    test_set_hash: str = ""
    source: str = "run"
    moment: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    partial: bool = False
    parameters: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, eq=False)
class Results:
    """A tidy table and the runs that it came from.

    Attributes:
        table: One row per case and class; see the module.
        runs: In the order in which they first stand in the table.
        metadata: The table's metadata columns.
        metrics: The table's metric columns.
    """

    table: pd.DataFrame
    runs: tuple[Run, ...]
    metadata: tuple[str, ...]
    metrics: tuple[str, ...]


def collect(cases: Iterable[CaseResult], runs: Sequence[Run]) -> Results:
    """Put cases, in the order in which they come, into a table.

    A metadata column that is called like one of the table's own columns becomes ``case_<name>``.
    """
    metrics: dict[str, None] = {}
    metadata: dict[str, None] = {}
    rows: list[dict[str, object]] = []
    cases = list(cases)
    for case in cases:
        for row in case.scores.rows:
            found = finding_columns(row)
            metrics.update(dict.fromkeys(name for name in row if name not in (*OWN_COLUMNS, *found)))
    for case in cases:
        columns = {_column_name(name, metrics): value for name, value in case.metadata.items() if name != "case_id"}
        metadata.update(dict.fromkeys(columns))
        rows += [{**columns, **row, **_identity(case, row)} for row in case.scores.rows]
    return _arranged(pd.DataFrame(rows), tuple(runs), tuple(metadata), tuple(metrics))


def _identity(case: CaseResult, row: Mapping[str, object]) -> dict[str, object]:
    return {
        "test_set": case.test_set,
        "checkpoint": case.checkpoint,
        "case_id": case.case_id,
        "class_name": row.get("class_name", ""),
        "status": case.scores.status,
        "error": case.scores.error,
    }


def _column_name(name: str, metrics: Iterable[str]) -> str:
    return f"case_{name}" if name in (*OWN_COLUMNS, *metrics) or finding_columns([name]) else name


def _arranged(
    frame: pd.DataFrame, runs: tuple[Run, ...], metadata: tuple[str, ...], metrics: tuple[str, ...]
) -> Results:
    """Give the columns their order and their types."""
    last = [*UNITS, *([CALIBRATION] if CALIBRATION in frame else []), *finding_columns(frame)]
    table = frame.reindex(columns=[*IDENTITY, *metadata, *metrics, *last])
    texts = [*IDENTITY, *metadata, *last]
    table[texts] = table[texts].astype(object).where(table[texts].notna(), "").astype(str)
    if metrics:
        table[list(metrics)] = table[list(metrics)].astype(float)
    return Results(table.reset_index(drop=True), runs, metadata, metrics)


def merge(results: Sequence[Results], *, by_name: bool = False) -> Results:
    """Several results as one table.

    A run that is there twice, with equal scores, is taken once. Where two different runs bear the same names of
    checkpoint and test set, the later checkpoint is renamed ``<name> (2)``, ``<name> (3)``, …. So is a test set whose
    files are others than those of an earlier one of its name.

    Args:
        results: At least one.
        by_name: Whether test sets of one name are the same, whatever their files are.

    Raises:
        ResultsError: There is nothing to merge.
    """
    if not results:
        raise ResultsError("No results were chosen. Choose at least one folder that holds a run.json and a scores.csv.")
    tables: list[pd.DataFrame] = []
    runs: list[Run] = []
    taken: dict[tuple[str, str], list[pd.DataFrame]] = {}
    namesakes = _Namesakes()
    for result in results:
        for run in result.runs:
            rows = _rows_of(result, run)
            test_set = run.test_set if by_name else namesakes.name(run, rows)
            same_name = taken.setdefault((test_set, run.checkpoint), [])
            if any(rows.equals(other) for other in same_name):
                continue
            same_name.append(rows)
            name = run.checkpoint if len(same_name) == 1 else f"{run.checkpoint} ({len(same_name)})"
            tables.append(rows.assign(test_set=test_set, checkpoint=name))
            runs.append(replace(run, test_set=test_set, checkpoint=name))
    metadata = dict.fromkeys(name for result in results for name in result.metadata)
    metrics = dict.fromkeys(name for result in results for name in result.metrics)
    kept = tuple(name for name in metadata if name not in metrics)
    merged = _arranged(pd.concat(tables, ignore_index=True), tuple(runs), kept, tuple(metrics))
    for name in (one for one in kept if one != METHOD) if len(runs) > 1 else ():
        _fill_by_case(merged.table, name)
    return merged


class _Namesakes:
    """Tells test sets of one name apart, by their hashes.

    A split, a fold or a part of a test set has a hash of its own, too. So two hashes are one test set where the cases
    are others, or where those that both have are of the same reference volumes, but not all cases are shared.
    """

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self._first: dict[str, list[pd.DataFrame]] = {}

    def name(self, run: Run, rows: pd.DataFrame) -> str:
        """What the test set of a run is called among those before it."""
        key = run.test_set, run.test_set_hash
        if run.test_set_hash and key not in self._names:
            known = self._first.setdefault(run.test_set, [])
            place = next((place for place, first in enumerate(known) if _may_be_one_test_set(first, rows)), len(known))
            if place == len(known):
                known.append(rows)
            self._names[key] = run.test_set if place == 0 else f"{run.test_set} ({place + 1})"
        return self._names.get(key, run.test_set)


def _may_be_one_test_set(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether the rows of two runs, whose test sets have different hashes, can be of parts of the same one."""
    cases = [set(rows["case_id"]) for rows in (one, other)]
    if not cases[0] & cases[1]:
        return True
    if cases[0] == cases[1] or not all(VOLUME in rows for rows in (one, other)):
        return False
    keys = ["case_id", "class_name"]
    both = one[[*keys, VOLUME]].merge(other[[*keys, VOLUME]], on=keys).dropna()
    return bool(np.allclose(both[f"{VOLUME}_x"], both[f"{VOLUME}_y"]))


def namesake_notes(results: Results) -> list[str]:
    """Which test sets have one name and different files, in plain sentences."""
    names = dict.fromkeys(run.test_set for run in results.runs)
    pairs = ((name, NUMBERED.sub("", name)) for name in names)
    return [
        f"{name!r} is a test set of the same name as {first!r} with other files (by their hashes): the scores of the "
        "two are not compared."
        for name, first in pairs
        if name != first and first in names
    ]


def _fill_by_case(table: pd.DataFrame, column: str) -> None:
    """A case's metadata are the case's: rows that do not know them, such as imported ones, take them from others."""
    known = table[column].where(table[column] != "")
    if known.isna().any() and known.notna().any():
        table[column] = known.fillna(known.groupby([table["test_set"], table["case_id"]]).transform("first")).fillna("")


def _rows_of(result: Results, run: Run) -> pd.DataFrame:
    table = result.table
    return table[(table["test_set"] == run.test_set) & (table["checkpoint"] == run.checkpoint)].reset_index(drop=True)


def write_results(results: Results, folder: Path) -> None:
    """Write ``scores.csv`` and ``run.json``, each whole or not at all.

    The same table gives the same bytes: rows as they stand, floats as the shortest text that reads back to the same
    number, infinity as ``inf``, NaN as nothing, lines ending in a line feed.

    Raises:
        OutputError: The folder cannot be written, or the disk is full.
    """
    write_text(folder / TABLE, as_csv(results.table), kept=True)
    description = {
        "format_version": FORMAT_VERSION,
        "metrics": results.metrics,
        "metadata": results.metadata,
        "runs": [{**asdict(run), **_counts(results, run)} for run in results.runs],
    }
    text = json.dumps(json_ready(description), indent=2, ensure_ascii=False)
    write_text(folder / "run.json", text + "\n", kept=True)


def as_csv(table: pd.DataFrame) -> str:
    """The table as ``scores.csv`` has it; what a spreadsheet would take for a formula stands behind an apostrophe."""
    return _with_texts(table, as_cell).to_csv(index=False, lineterminator="\n")


def _with_texts(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """The table with its texts changed; few different ones stand in many rows."""
    changed = {}
    for column in table.select_dtypes(exclude="number"):
        codes, texts = pd.factorize(table[column])
        others = [change(text) for text in texts]
        if others != list(texts):
            changed[column] = np.array(others, dtype=object)[codes]
    return table.assign(**changed)


def _counts(results: Results, run: Run) -> dict[str, int]:
    """How many cases a run has, for those who read ``run.json`` alone."""
    rows = _rows_of(results, run).drop_duplicates("case_id")
    return {"cases": len(rows), "failed_cases": int((rows["status"] == "failed").sum())}


def table_file(folder: Path) -> Path | None:
    """The table in a folder of results, which may be packed by gzip; None where there is none."""
    return next((path for path in (folder / TABLE, folder / PACKED) if path.is_file()), None)


def read_results(folder: Path) -> Results:
    """Read what `write_results` wrote.

    Raises:
        ResultsError: The folder holds no results.
        DamagedResultsError: A file is truncated, or the two do not fit together.
    """
    metrics, metadata, runs, counts = _read_description(folder)
    path = table_file(folder) or folder / TABLE
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (
        ValueError,
        OSError,
        EOFError,
        zlib.error,
    ) as error:  # pandas' parser errors are ValueErrors, as are wrong encodings
        raise DamagedResultsError(_unfit(path, "it is no table")) from error
    missing = [name for name in (*IDENTITY, *metadata, *metrics, *UNITS) if name not in frame]
    if missing:
        raise DamagedResultsError(_unfit(path, f"columns {', '.join(missing)} are missing"))
    try:
        frame[list(metrics)] = frame[list(metrics)].replace("", "nan").astype(float)
    except ValueError as error:
        raise DamagedResultsError(_unfit(path, "a metric is no number")) from error
    results = _arranged(_with_texts(frame, from_cell), runs, metadata, metrics)
    for run, cases in zip(runs, counts, strict=True):
        if _counts(results, run)["cases"] != cases:
            raise DamagedResultsError(_unfit(path, f"it should have {cases} cases of {run.checkpoint!r}"))
    return results


def read_runs(folder: Path) -> tuple[Run, ...]:
    """What was run, without the scores.

    Raises:
        ResultsError: As of `read_results`.
        DamagedResultsError: The description cannot be read.
    """
    return _read_description(folder)[2]


def _read_description(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...], tuple[Run, ...], tuple[int, ...]]:
    """The metrics, the metadata columns, the runs, and how many cases each run has."""
    path = folder / "run.json"
    missing = [name for name, there in (("run.json", path.is_file()), (TABLE, table_file(folder))) if not there]
    if missing:
        raise ResultsError(f"{folder}: has no {missing[0]}. Name the --output folder of a finished run.")
    try:
        description = read_document(path)
        names = Run.__dataclass_fields__.keys()
        runs = tuple(Run(**{key: value for key, value in run.items() if key in names}) for run in description["runs"])
        counts = tuple(int(run["cases"]) for run in description["runs"])
        return tuple(description["metrics"]), tuple(description["metadata"]), runs, counts
    except (ValueError, OSError, KeyError, TypeError, AttributeError) as error:
        raise DamagedResultsError(_unfit(path, "it is no description of a run")) from error


def _unfit(path: Path, reason: str) -> str:
    return f"{path}: is damaged or was not made here ({reason}). Write it again with --resume, or restore a copy."


def json_ready(value: object) -> object:
    """The value with infinite and missing numbers as the strings "inf", "-inf" and "nan", which JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(item) for item in value]
    if isinstance(value, np.generic):
        return json_ready(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
