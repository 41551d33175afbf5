"""Folder → test set: cases with image, mask, split, group and metadata, every fault reported at once.

The layouts of ``layouts.py`` are read as they are, each of them also with a ``cases.csv`` (``case_id``, and optionally
``split``, ``group`` and metadata columns). Where there is one, it says which cases belong: pairs of files that it
leaves out are left out, and a note says so. What ``dataset.json`` may say is in ``labels.py``.
"""

import csv
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from medseg_demo import names
from medseg_demo.errors import TestSetError
from medseg_demo.test_sets.case import Case
from medseg_demo.test_sets.labels import DATASET_FILE, class_names_of, colours_of
from medseg_demo.test_sets.layouts import find_cases, repeated

CASES_FILE = "cases.csv"


@dataclass(frozen=True)
class TestSet:
    """Cases that are trained on or scored together.

    Attributes:
        name: From ``dataset.json``, else the folder's name.
        folder: Where it lies.
        class_names: Item i names label value i + 1; None where the test set does not say.
        colours: Class name → "#rrggbb" of label maps that are colour pictures; None where there is no such table.
        cases: In the order of ``cases.csv``, else of their ids.
        notes: What a person should know about how the folder was read, in plain sentences.
    """

    __test__ = False  # pytest would take the name for a test class

    name: str
    folder: Path
    class_names: tuple[str, ...] | None
    cases: tuple[Case, ...]
    notes: tuple[str, ...] = ()
    colours: Mapping[str, str] | None = None

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits, sorted."""
        return tuple(sorted({case.split for case in self.cases if case.split}))


def read_test_set(folder: Path | str, *, split: str | None = None) -> TestSet:
    """Read a test-set folder; image and mask files are listed, not opened.

    Args:
        folder: In any of the layouts above.
        split: Keep only the cases of this split; None keeps all.

    Raises:
        TestSetError: With every fault that was found: files without a partner, stems that occur twice, rows of
            ``cases.csv`` without files, unreadable ``cases.csv`` or ``dataset.json``, an unknown split, no case.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise TestSetError([f"Test set {folder.name!r}: there is no such folder. Check the path."])
    faults: list[str] = []
    dataset = _read_dataset(folder, faults)
    cases = find_cases(folder, dataset, faults)
    notes: tuple[str, ...] = ()
    if (folder / CASES_FILE).exists():
        cases, notes = _apply_table(folder, cases, faults)
    elif not cases and not faults:
        faults.append(f"Test set {folder.name!r} holds no case. Put images and masks of the same stems into it.")
    class_names = class_names_of(dataset, faults)
    colours = colours_of(dataset, class_names, faults)
    if colours and not class_names:
        class_names = tuple(colours)
    name = dataset.get("name")
    if colours:
        cases = tuple(replace(case, colours=colours) for case in cases)
    name = name if isinstance(name, str) and name else names.shown(folder.resolve().name)
    test_set = TestSet(name, folder, class_names, cases, notes, colours)
    if split is not None and not faults:
        test_set = _select(test_set, split, faults)
    if faults:
        raise TestSetError(faults)
    return test_set


def data_hash(test_set: TestSet) -> str:
    """SHA-256 over case ids, splits and the bytes of all images and masks, hexadecimal.

    It does not depend on where the folder lies, nor on the order of the cases.
    """
    sha = hashlib.sha256()
    for case in sorted(test_set.cases, key=lambda case: case.case_id):
        sha.update(f"{case.case_id}\0{case.split or ''}\0".encode())
        for path in case.files:
            with path.open("rb") as file:
                sha.update(hashlib.file_digest(file, "sha256").digest())
    return sha.hexdigest()


def _read_dataset(folder: Path, faults: list[str]) -> Mapping[str, object]:
    path = folder / DATASET_FILE
    if not path.exists():
        return {}
    try:
        dataset = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError) as error:
        faults.append(f"{DATASET_FILE} cannot be read ({error}). Correct it, or remove it.")
        return {}
    if not isinstance(dataset, dict):
        faults.append(f'{DATASET_FILE} is no JSON object. Write {{"labels": {{"background": 0, …}}}}, or remove it.')
        return {}
    return dataset


def _apply_table(folder: Path, cases: tuple[Case, ...], faults: list[str]) -> tuple[tuple[Case, ...], tuple[str, ...]]:
    by_id = {case.case_id: case for case in cases}
    listed = []
    for row in _read_table(folder, faults):
        case = by_id.get(row["case_id"])
        if case is None:
            faults.append(
                f"Case {row['case_id']!r} stands in {CASES_FILE} but lacks an image or a mask. Add the files, or "
                "remove the row."
            )
            continue
        metadata = {key: value for key, value in row.items() if key not in ("case_id", "split", "group")}
        listed.append(
            replace(case, split=row.get("split") or case.split, group=row.get("group") or case.group, metadata=metadata)
        )
    left_out = sorted(by_id.keys() - {case.case_id for case in listed})
    if not left_out or faults:
        return tuple(listed), ()
    shown = ", ".join(left_out[:5]) + (", …" if len(left_out) > 5 else "")
    return tuple(listed), (f"{len(left_out)} case(s) do not stand in {CASES_FILE} and are left out: {shown}.",)


def _read_table(folder: Path, faults: list[str]) -> list[dict[str, str]]:
    try:
        with (folder / CASES_FILE).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (OSError, ValueError, csv.Error) as error:
        faults.append(f"{CASES_FILE} cannot be read ({error}). Save it as comma-separated text in UTF-8.")
        return []
    if "case_id" not in (reader.fieldnames or ()):
        faults.append(f"{CASES_FILE} has no column case_id. Name the columns in its first line: case_id,split,group.")
        return []
    if not rows:
        faults.append(f"{CASES_FILE} has no rows. List the cases in it, or remove it.")
    sound = []
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values() or not row["case_id"]:
            faults.append(f"Line {number} of {CASES_FILE} does not have one value for each column. Correct it.")
        else:
            sound.append(row)
    twice = repeated(row["case_id"] for row in sound)
    faults += [f"Case {case_id!r} stands twice in {CASES_FILE}. Remove one row." for case_id in twice]
    return sound


def _select(test_set: TestSet, split: str, faults: list[str]) -> TestSet:
    if split not in test_set.splits:
        valid = f"Choose one of: {', '.join(test_set.splits)}." if test_set.splits else "It has no splits: name none."
        faults.append(f"Test set {test_set.name!r} has no split {split!r}. {valid}")
    return replace(test_set, cases=tuple(case for case in test_set.cases if case.split == split))
