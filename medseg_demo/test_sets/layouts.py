"""Folder → cases: image and mask files are found and matched, in each of the layouts that are read as they are.

* plain: ``images/`` and ``masks/``, matched by stem (images, volumes or NumPy arrays);
* nnU-Net (1 and 2): ``imagesTr``, ``labelsTr`` (split "train") and ``imagesTs``, ``labelsTs`` (split "test"), with
  one channel file ``<case>_0000`` a case;
* Medical Segmentation Decathlon: a ``dataset.json`` whose ``training`` lists pairs of image and label.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from medseg_demo.names import stem
from medseg_demo.test_sets.case import Case
from medseg_demo.test_sets.labels import DATASET_FILE

NNUNET_FOLDERS = (("imagesTr", "labelsTr", "train"), ("imagesTs", "labelsTs", "test"))


def find_cases(folder: Path, dataset: Mapping[str, object], faults: list[str]) -> tuple[Case, ...]:
    """The cases of a folder, without those that have faults, which are added to the list.

    Args:
        folder: The test set's.
        dataset: Its ``dataset.json``.
        faults: One sentence each.
    """
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
    twice = repeated(case.case_id for case in cases)
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
    twice = repeated(case.case_id for case in cases)
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


def repeated(names: Iterable[str]) -> list[str]:
    """The names that occur more than once, in their order."""
    seen: set[str] = set()
    twice: dict[str, None] = {}
    for name in names:
        if name in seen:
            twice[name] = None
        seen.add(name)
    return list(twice)
