"""Folder → test set: cases with image, mask, split, group and metadata, every fault reported at once.

Four layouts are read as they are:

* plain: ``images/`` and ``masks/``, matched by stem (images, volumes or NumPy arrays);
* nnU-Net (1 and 2): ``imagesTr``, ``labelsTr`` (split "train") and ``imagesTs``, ``labelsTs`` (split "test"), with
  one channel file ``<case>_0000`` a case;
* Medical Segmentation Decathlon: a ``dataset.json`` whose ``training`` lists pairs of image and label;
* any of them with a ``cases.csv`` (``case_id``, and optionally ``split``, ``group`` and metadata columns).

Where there is a ``cases.csv``, it says which cases belong: pairs of files that it leaves out are left out, and a
note says so. Class names come from ``labels`` in ``dataset.json``.
"""

import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from medseg_demo.errors import TestSetError
from medseg_demo.reading.source import stem

CASES_FILE = "cases.csv"
DATASET_FILE = "dataset.json"
NNUNET_FOLDERS = (("imagesTr", "labelsTr", "train"), ("imagesTs", "labelsTs", "test"))


@dataclass(frozen=True)
class Case:
    """One study with its reference.

    Attributes:
        case_id: Unique in its test set; the stem of its files.
        image_path: The image or volume.
        mask_path: Its reference label map.
        split: Such as "train", "val" or "test"; None where the test set has no splits.
        group: What must not be torn apart by splits or resampling, such as a patient; the case itself by default.
        metadata: Further columns of ``cases.csv``, as text.
    """

    case_id: str
    image_path: Path
    mask_path: Path
    split: str | None = None
    group: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TestSet:
    """Cases that are trained on or scored together.

    Attributes:
        name: From ``dataset.json``, else the folder's name.
        folder: Where it lies.
        class_names: Item i names label value i + 1; None where the test set does not say.
        cases: In the order of ``cases.csv``, else of their ids.
        notes: What a person should know about how the folder was read, in plain sentences.
    """

    __test__ = False  # pytest would take the name for a test class

    name: str
    folder: Path
    class_names: tuple[str, ...] | None
    cases: tuple[Case, ...]
    notes: tuple[str, ...] = ()

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
    cases = _match(folder, dataset, faults)
    notes: tuple[str, ...] = ()
    if (folder / CASES_FILE).exists():
        cases, notes = _apply_table(folder, cases, faults)
    elif not cases and not faults:
        faults.append(f"Test set {folder.name!r} holds no case. Put images and masks of the same stems into it.")
    class_names = _class_names(dataset, faults)
    name = dataset.get("name")
    test_set = TestSet(
        name if isinstance(name, str) and name else folder.resolve().name, folder, class_names, cases, notes
    )
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
        for path in (case.image_path, case.mask_path):
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


def _class_names(dataset: Mapping[str, object], faults: list[str]) -> tuple[str, ...] | None:
    """Names from ``{"vessel": 1}`` (nnU-Net) or ``{"1": "vessel"}`` (Decathlon)."""
    labels = dataset.get("labels")
    if labels is None:
        return None
    if isinstance(labels, dict) and labels and all(key.isdecimal() for key in labels):
        labels = {name: int(key) for key, name in labels.items()}
    if not isinstance(labels, dict) or sorted(labels.values(), key=repr) != list(range(len(labels))):
        faults.append(
            f"labels in {DATASET_FILE} must number the classes 0, 1, 2, … without a gap, 0 being the background "
            '(regions of several labels are not supported). Write them as {"background": 0, "vessel": 1}.'
        )
        return None
    return tuple(sorted((str(name) for name in labels if labels[name] > 0), key=lambda name: labels[name])) or None


def _match(folder: Path, dataset: Mapping[str, object], faults: list[str]) -> tuple[Case, ...]:
    listed = dataset.get("training")
    if isinstance(listed, list) and not _is_nnunet_1(folder, listed):
        return _decathlon_cases(folder, listed, faults)
    if any((folder / images).is_dir() for images, _, _ in NNUNET_FOLDERS):
        return _nnunet_cases(folder, faults)
    missing = [name for name in ("images", "masks") if not (folder / name).is_dir()]
    if missing:
        faults.append(
            f"Test set {folder.name!r} has no folder {' and no folder '.join(missing)}. Put the images into images/ "
            "and their masks, of the same stems, into masks/ (nnU-Net and Decathlon folders are read as they are)."
        )
        return ()
    images = _by_stem(folder / "images", _files(folder / "images"), faults)
    return tuple(_pair(folder / "images", images, folder / "masks", None, faults))


def _is_nnunet_1(folder: Path, listed: list[object]) -> bool:
    """Whether channel files lie where Decathlon's listing names images: nnU-Net 1 kept the listing as it was."""
    names = {
        stem(Path(entry["image"]).name)
        for entry in listed
        if isinstance(entry, dict) and isinstance(entry.get("image"), str)
    }
    folders = [folder / images for images, _, _ in NNUNET_FOLDERS if (folder / images).is_dir()]
    return any(f"{name}_0000" in stems for stems in map(_stems, folders) for name in names)


def _stems(folder: Path) -> set[str]:
    return {stem(path.name) for path in _files(folder)}


def _nnunet_cases(folder: Path, faults: list[str]) -> tuple[Case, ...]:
    cases: list[Case] = []
    for image_folder, mask_folder, split in NNUNET_FOLDERS:
        if (folder / image_folder).is_dir() and (folder / mask_folder).is_dir():
            images = _channel_files(folder / image_folder, faults)
            cases += _pair(folder / image_folder, images, folder / mask_folder, split, faults)
    if not cases and not faults:
        faults.append(f"Test set {folder.name!r} has no case with a label. Put labels into labelsTr/ or labelsTs/.")
    twice = _repeated(case.case_id for case in cases)
    faults += [f"Case {case_id!r} lies in imagesTr/ and in imagesTs/. Remove one of them." for case_id in twice]
    return tuple(cases)


def _channel_files(folder: Path, faults: list[str]) -> dict[str, Path]:
    first, more = [], defaultdict(list)
    for path in _files(folder):
        case_id, _, channel = stem(path.name).rpartition("_")
        if len(channel) != 4 or not channel.isdecimal():
            faults.append(f"{folder.name}/{path.name} has no channel number. Name it <case>_0000 and its suffix.")
        elif channel == "0000":
            first.append(path)
        else:
            more[case_id].append(path.name)
    for case_id, names in more.items():
        faults.append(
            f"Case {case_id!r} has further channel files ({', '.join(names)}), but one file a case is read. "
            "Keep the channel that the checkpoint needs."
        )
    return {name[: -len("_0000")]: path for name, path in _by_stem(folder, first, faults).items()}


def _decathlon_cases(folder: Path, entries: list[object], faults: list[str]) -> tuple[Case, ...]:
    cases = []
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("image", "label")):
            faults.append(f"Entry {number} of training in {DATASET_FILE} has no image and label. Name both files.")
            continue
        paths = [_inside(folder, entry[key]) for key in ("image", "label")]
        lost = [entry[key] for key, path in zip(("image", "label"), paths, strict=True) if path is None]
        faults += [f"{name} of training in {DATASET_FILE} does not exist in the folder." for name in lost]
        if paths[0] is not None and paths[1] is not None:
            case_id = stem(paths[0].name)
            cases.append(Case(case_id, paths[0], paths[1], "train", case_id))
    twice = _repeated(case.case_id for case in cases)
    faults += [f"Case {case_id!r} is listed twice in {DATASET_FILE}. Remove one entry." for case_id in twice]
    return tuple(cases)


def _inside(folder: Path, name: str) -> Path | None:
    path = folder / name
    return path if path.is_file() and path.resolve().is_relative_to(folder.resolve()) else None


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _by_stem(folder: Path, paths: Iterable[Path], faults: list[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        first = found.setdefault(stem(path.name), path)
        if first is not path:
            faults.append(f"{folder.name}/ holds {first.name} and {path.name} of one stem. Keep one, or rename it.")
    return found


def _pair(
    image_folder: Path, images: Mapping[str, Path], mask_folder: Path, split: str | None, faults: list[str]
) -> list[Case]:
    masks = _by_stem(mask_folder, _files(mask_folder), faults)
    faults += [
        f"{image_folder.name}/{images[name].name} has no mask. Add {mask_folder.name}/{name} with its suffix, or "
        "remove the image."
        for name in sorted(images.keys() - masks.keys())
    ]
    faults += [
        f"{mask_folder.name}/{masks[name].name} has no image. Add {image_folder.name}/{name} with its suffix, or "
        "remove the mask."
        for name in sorted(masks.keys() - images.keys())
    ]
    return [Case(name, images[name], masks[name], split, name) for name in sorted(images.keys() & masks.keys())]


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
    twice = _repeated(row["case_id"] for row in sound)
    faults += [f"Case {case_id!r} stands twice in {CASES_FILE}. Remove one row." for case_id in twice]
    return sound


def _select(test_set: TestSet, split: str, faults: list[str]) -> TestSet:
    if split not in test_set.splits:
        valid = f"Choose one of: {', '.join(test_set.splits)}." if test_set.splits else "It has no splits: name none."
        faults.append(f"Test set {test_set.name!r} has no split {split!r}. {valid}")
    return replace(test_set, cases=tuple(case for case in test_set.cases if case.split == split))


def _repeated(names: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    twice: dict[str, None] = {}
    for name in names:
        if name in seen:
            twice[name] = None
        seen.add(name)
    return list(twice)
