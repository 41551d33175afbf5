"""Folder → test set: cases with image, mask, split, group and metadata, every fault reported at once.

The layouts of ``layouts.py`` are read as they are, each of them also with a ``cases.csv`` (see ``case_table.py``). What
``dataset.json`` may say is in ``labels.py``; ``"instances": true`` in it says that masks number objects.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medseg_demo import names
from medseg_demo.documents import read_document
from medseg_demo.errors import TestSetError
from medseg_demo.reading.stack import open_bytes
from medseg_demo.test_sets.case import Case
from medseg_demo.test_sets.case_table import CASES_FILE, apply_table
from medseg_demo.test_sets.labels import DATASET_FILE, Labels, colours_of, labels_of
from medseg_demo.test_sets.layouts import find_cases


@dataclass(frozen=True)
class TestSet:
    """Cases that are trained on or scored together.

    Attributes:
        name: From ``dataset.json``, else the folder's name.
        folder: Where it lies.
        class_names: The classes that are scored; None where the test set does not say.
        labels: What the values of its label maps mean; None likewise.
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
    labels: Labels | None = None

    @property
    def has_images(self) -> bool:
        """Whether there is an image of every case, as networks need; predictions are scored without."""
        return all(case.image_paths for case in self.cases)

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
    notes: list[str] = []
    cases = find_cases(folder, dataset, faults, notes)
    if (folder / CASES_FILE).exists():
        cases, said = apply_table(folder / CASES_FILE, cases, faults)
        notes += said
    elif not cases and not faults:
        faults.append(f"Test set {folder.name!r} holds no case. Put images and masks of the same stems into it.")
    labels = labels_of(dataset, faults)
    colours = colours_of(dataset, labels.class_names if labels else None, faults)
    if colours and not labels:
        labels = Labels.numbered(tuple(colours))
    numbered = dataset.get("instances") is True
    cases = tuple(replace(case, colours=colours, labels=labels, instances=case.instances or numbered) for case in cases)
    name = dataset.get("name")
    name = name if isinstance(name, str) and name else names.shown(folder.resolve().name)
    test_set = TestSet(name, folder, labels.class_names if labels else None, cases, tuple(notes), colours, labels)
    if split is not None and not faults:
        test_set = _select(test_set, split, faults)
    if faults:
        raise TestSetError(faults)
    return test_set


def data_hash(test_set: TestSet, digests: Mapping[str, Sequence[bytes]] | None = None) -> str:
    """SHA-256 over case ids, splits and the bytes of all images and masks, hexadecimal.

    It does not depend on where the folder lies, nor on the order of the cases.

    Args:
        test_set: The test set.
        digests: Case → SHA-256 of each of its files, where they are known.
    """
    sha = hashlib.sha256()
    for case in sorted(test_set.cases, key=lambda case: case.case_id):
        sha.update(f"{case.case_id}\0{case.split or ''}\0".encode())
        for digest in (digests or {}).get(case.case_id) or map(_file_digest, case.files):
            sha.update(digest)
    return sha.hexdigest()


def _file_digest(path: Path) -> bytes:
    with open_bytes(path) as file:
        return hashlib.file_digest(file, "sha256").digest()


def _read_dataset(folder: Path, faults: list[str]) -> Mapping[str, object]:
    path = folder / DATASET_FILE
    if not path.exists():
        return {}
    try:
        dataset = read_document(path)
    except (ValueError, OSError, RecursionError) as error:
        faults.append(f"{DATASET_FILE} cannot be read ({error}). Correct it, or remove it.")
        return {}
    if not isinstance(dataset, dict):
        faults.append(f'{DATASET_FILE} is no JSON object. Write {{"labels": {{"background": 0, …}}}}, or remove it.')
        return {}
    return dataset


def _select(test_set: TestSet, split: str, faults: list[str]) -> TestSet:
    if split not in test_set.splits:
        valid = f"Choose one of: {', '.join(test_set.splits)}." if test_set.splits else "It has no splits: name none."
        faults.append(f"Test set {test_set.name!r} has no split {split!r}. {valid}")
    return replace(test_set, cases=tuple(case for case in test_set.cases if case.split == split))
