"""Results made elsewhere, as the same tidy table: nnU-Net's summary.json, MONAI's metric CSVs, long and wide CSVs.

Only numbers whose convention is ours, or that follow from counts, take our metrics' names; others keep a name of their
own. Of paths only the file's stem is kept, as the case's id.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from evaluation.errors import DamagedResultsError, ResultsError
from evaluation.results.foreign.monai import read_monai
from evaluation.results.foreign.nnunet import name_of, read_nnunet
from evaluation.results.foreign.tables import read_csv
from evaluation.results.foreign.value import Value, as_shares, without_sums
from evaluation.results.import_classes import check_chosen, name_classes
from evaluation.results.methods import FOLD, NOT_IN_FILE
from evaluation.results.table import METHOD, CaseResult, Results, Run, collect
from evaluation.runs.store import CaseScores
from medseg_demo.errors import ReadError
from medseg_demo.names import shown
from medseg_demo.test_sets.case import Case
from medseg_demo.test_sets.case_table import CaseFinder
from medseg_demo.test_sets.labels import Labels

Layout = Literal["nnunet", "monai", "long", "wide"]

NO_TEST_SET = "imported"
MOST_NAMED = 5


@dataclass(frozen=True)
class _Known:
    """What is known of the test set that was scored."""

    name: str
    labels: Labels | None
    cases: Sequence[Case]


def import_results(
    path: Path,
    layout: Layout,
    *,
    name: str | None = None,
    test_set: str = NO_TEST_SET,
    classes: Sequence[str] | Labels | None = None,
    class_names: Mapping[str, str] | None = None,
    cases: Sequence[Case] = (),
) -> Results:
    """Read results that another program wrote.

    A case that the file has for one checkpoint, but not for another, becomes a failed row of the other. What the
    file's classes were taken for stands in the settings of the runs, under ``file_classes``; what else there is to know
    about it under ``notes``.

    Args:
        path: ``summary.json``, or nnU-Net's folder of a fold, a trainer or several; a MONAI ``<metric>_raw.csv`` or the
            folder of several; a CSV, long (case, checkpoint, class, metric, value) or wide (a column a metric).
        layout: Which of these it is; a CSV is long or wide by its columns.
        name: The checkpoint's name; None takes the folder's. A CSV may have its own.
        test_set: The test set's name, where the file has none.
        classes: The test set's labels, or its classes, item i that of label value i + 1; see ``name_classes``. None
            where they are not known: then labels are called ``class_<label>``, and names stay as they are.
        class_names: The file's labels or names of classes to the test set's names, before any other rule.
        cases: Of the test set, where they are known: their groups and metadata are kept, and ids are matched to theirs.

    Raises:
        OptionError: ``class_names`` names a class that the file lacks, or calls two of them the same.
        ResultsError: There is no such file, or nothing in it.
        UnknownLayoutError: The file has another layout.
        DamagedResultsError: The file is truncated, a value is no number, or one cell has two.
    """
    path = Path(path)
    if not path.exists():
        raise ResultsError(f"{path}: does not exist. Name the file that holds the results.")
    labels = classes if isinstance(classes, Labels) else Labels.numbered(classes) if classes else None
    known = _Known(test_set, labels, cases)
    try:
        values = _read(path, layout, name, known)
    except ReadError as error:
        raise DamagedResultsError(str(error)) from None
    if not values:
        raise ResultsError(f"{path.name}: holds no case. Export the results again.")
    values, left_out = without_sums(values)
    values, notes = as_shares(values, path.name)
    notes = (*left_out, *notes)
    found: dict[str, dict[str, None]] = {}
    for value in values:
        found.setdefault(value.test_set, {})[value.class_name] = None
    check_chosen(class_names or {}, _distinct(value.class_name for value in values))
    names = {
        one: name_classes(
            tuple(theirs), known.labels if one == test_set else None, class_names or {}, labels=layout == "nnunet"
        )
        for one, theirs in found.items()
    }
    gathered = _Gathered(path.name, known)
    for one in values:
        gathered.add(replace(one, class_name=names[one.test_set][one.class_name]))
    told = {one: [*notes, *(gathered.unmatched() if one == test_set else ())] for one in names}
    more = {one: {"notes": told[one]} if told[one] else {} for one in names}
    return gathered.results({one: {"file_classes": own, **more[one]} for one, own in names.items()})


def _read(path: Path, layout: Layout, name: str | None, known: _Known) -> list[Value]:
    if layout == "nnunet":
        return read_nnunet(path, name, known.name)
    if path.is_dir() and layout in ("long", "wide"):
        raise ResultsError(f"{path}: is a folder. Name the CSV file.")
    folder = name or name_of(path)
    if layout == "monai":
        return read_monai(path, folder, known.name)
    own = name or shown(path.stem if path.stem != "scores" else folder)
    return read_csv(path, own, known.name, known.labels.class_names if known.labels else ())


class _Gathered:
    """Values by test set, checkpoint and case.

    Args:
        file: The name of their file, for messages.
        known: The test set that was scored.
    """

    def __init__(self, file: str, known: _Known) -> None:
        self._file, self._known = file, known
        self._by_id, self._finder = {case.case_id: case for case in known.cases}, CaseFinder(known.cases)
        self._rows: dict[tuple[str, str, str], dict[str, dict[str, object]]] = {}
        self._places: dict[tuple[str, ...], str] = {}
        self._of_case: dict[tuple[str, str], dict[str, str]] = {}
        self._of_run: dict[tuple[str, str, str], dict[str, str]] = {}
        self._methods: dict[tuple[str, str], str] = {}
        self._errors: dict[tuple[str, str, str], str] = {}
        self._cases: dict[str, dict[str, None]] = {}
        self._classes: dict[tuple[str, str], dict[str, None]] = {}

    def add(self, value: Value) -> None:
        """Take one more.

        Raises:
            DamagedResultsError: There is one of the same case, class, metric and checkpoint already.
        """
        is_known = value.test_set == self._known.name
        case_id = (self._finder.find(value.case_id) if is_known else None) or value.case_id
        key = value.test_set, value.checkpoint, case_id
        row = self._rows.setdefault(key, {}).setdefault(value.class_name, {})
        first = self._places.setdefault((*key, value.class_name, value.metric), value.place)
        if value.metric in row:
            where = f"{first} and {value.place}" if first != value.place else first
            raise DamagedResultsError(
                f"{self._file}: case {case_id!r}, class {value.class_name!r} has two values of {value.metric} for "
                f"{value.checkpoint!r} ({where}). Leave one of them; of several seeds, add a column seed."
            )
        row |= {value.metric: value.value, **value.units}
        about = {name: text for name, text in value.metadata.items() if text and name != METHOD}
        self._of_run.setdefault(key, {}).update(about)
        self._of_case.setdefault((value.test_set, case_id), {}).update(about)
        self._cases.setdefault(value.test_set, {})[case_id] = None
        self._classes.setdefault((value.test_set, value.checkpoint), {})[value.class_name] = None
        if METHOD in value.metadata:
            self._methods[value.test_set, value.checkpoint] = value.metadata[METHOD]
        if value.error:
            self._errors[key] = value.error

    def unmatched(self) -> tuple[str, ...]:
        """Which cases only the file has, and which only the test set, in plain sentences."""
        ours, theirs = dict.fromkeys(self._by_id), self._cases.get(self._known.name, {})
        strange, missing = [one for one in theirs if one not in ours], [one for one in ours if one not in theirs]
        notes = []
        if ours and strange:
            notes.append(
                f"{len(strange)} case(s) of the file are none of test set {self._known.name!r}, and stand beside no "
                f"other run's scores: {_listed(strange)}. Call them as there."
            )
        if missing:
            notes.append(
                f"{len(missing)} case(s) of test set {self._known.name!r} are not in the file: {_listed(missing)}."
            )
        return tuple(notes)

    def results(self, settings: Mapping[str, Mapping[str, object]]) -> Results:
        """One row for every case, class and checkpoint of a test set, whether the file has it or not.

        A fold has its own cases alone: one that it lacks and another fold of its method has is none of its own.

        Args:
            settings: Of the runs, by test set.
        """
        runs = dict.fromkeys((test_set, checkpoint) for test_set, checkpoint, _ in self._rows)
        of_folds = {
            (test_set, FOLD.sub("", checkpoint), case_id)
            for test_set, checkpoint, case_id in self._rows
            if FOLD.search(checkpoint)
        }
        cases = [
            self._case(*run, case_id)
            for run in runs
            for case_id in self._cases[run[0]]
            if (*run, case_id) in self._rows or (run[0], FOLD.sub("", run[1]), case_id) not in of_folds
        ]
        return collect(
            cases,
            [Run(checkpoint, test_set, source="import", settings=settings[test_set]) for test_set, checkpoint in runs],
        )

    def _case(self, test_set: str, checkpoint: str, case_id: str) -> CaseResult:
        rows, classes = self._rows.get((test_set, checkpoint, case_id), {}), tuple(self._classes[test_set, checkpoint])
        error = self._errors.get((test_set, checkpoint, case_id), "" if rows else NOT_IN_FILE)
        scores = (
            CaseScores.failed(error, classes)
            if error
            else CaseScores("ok", "", tuple({"class_name": name, **rows.get(name, {})} for name in classes))
        )
        is_known = test_set == self._known.name and case_id in self._by_id
        metadata = {
            **self._of_case[test_set, case_id],
            **self._of_run.get((test_set, checkpoint, case_id), {}),
            **(self._by_id[case_id].columns if is_known else {}),
        }
        if (test_set, checkpoint) in self._methods:
            metadata[METHOD] = self._methods[test_set, checkpoint]
        return CaseResult(test_set, checkpoint, case_id, scores, metadata)


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")
