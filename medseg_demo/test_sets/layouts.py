"""Folder → cases: image and mask files are found and matched, in each of the layouts that are read as they are.

* plain: ``images/`` and ``masks/``, matched by stem (images, volumes or NumPy arrays);
* nnU-Net (1 and 2): ``imagesTr``, ``labelsTr`` (split "train") and ``imagesTs``, ``labelsTs`` (split "test"), with
  channel files ``<case>_0000``, ``<case>_0001``, …;
* Medical Segmentation Decathlon: a ``dataset.json`` whose ``training`` lists pairs of image and label, an image being
  one file, whose volumes are channels where ``modality`` names several, or a list of files, one a channel.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from medseg_demo.names import stem
from medseg_demo.test_sets.case import Case
from medseg_demo.test_sets.labels import DATASET_FILE, channel_names_of

NNUNET_FOLDERS = (("imagesTr", "labelsTr", "train"), ("imagesTs", "labelsTs", "test"))
# The header of a detached format → what the files beside it are usually called that hold its data.
DATA_OF = {
    ".mhd": (".raw", ".zraw"),
    ".nhdr": (".raw", ".raw.gz"),
    ".hdr": (".img",),
    ".hdr.gz": (".img.gz",),
}


def find_cases(folder: Path, dataset: Mapping[str, object], faults: list[str]) -> tuple[Case, ...]:
    """The cases of a folder, without those that have faults, which are added to the list.

    Args:
        folder: The test set's.
        dataset: Its ``dataset.json``.
        faults: One sentence each.
    """
    listed = dataset.get("training")
    if isinstance(listed, list) and not _is_nnunet_1(folder, listed):
        return _decathlon_cases(folder, listed, channel_names_of(dataset), faults)
    if any((folder / images).is_dir() for images, _, _ in NNUNET_FOLDERS):
        return _nnunet_cases(folder, channel_names_of(dataset), faults)
    missing = [name for name in ("images", "masks") if not (folder / name).is_dir()]
    if missing:
        faults.append(
            f"Test set {folder.name!r} has no folder {' and no folder '.join(missing)}. Put the images into images/ "
            "and their masks, of the same stems, into masks/ (nnU-Net and Decathlon folders are read as they are)."
        )
        return ()
    images = {name: (path,) for name, path in _by_stem(folder / "images", _files(folder / "images"), faults).items()}
    cases = _pair(folder / "images", images, folder / "masks", None, faults)
    names = channel_names_of(dataset)
    return tuple(replace(case, channel_names=names) for case in cases) if len(names) > 1 else tuple(cases)


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


def _nnunet_cases(folder: Path, names: tuple[str, ...], faults: list[str]) -> tuple[Case, ...]:
    pairs = [(folder / images, folder / masks, split) for images, masks, split in NNUNET_FOLDERS]
    pairs = [(images, masks, split) for images, masks, split in pairs if images.is_dir() and masks.is_dir()]
    found = [_channel_files(images, faults) for images, _, _ in pairs]
    channels = sorted({channel for files in found for paths in files.values() for channel in paths})
    if len(channels) > 1:  # with one file a case, such as a colour picture, names say nothing of files
        channels = sorted({*channels, *(f"{number:04}" for number in range(max(len(names), int(channels[-1]) + 1)))})
        if names and len(names) != len(channels):
            faults.append(
                f"{DATASET_FILE} names {len(names)} channels ({', '.join(names)}), but the files go up to "
                f"_{channels[-1]}. Name all of them in channel_names, or remove the files."
            )
    else:
        names = ()
    cases: list[Case] = []
    for (image_folder, mask_folder, split), files in zip(pairs, found, strict=True):
        images = {case_id: _all_channels(case_id, paths, channels, faults) for case_id, paths in files.items()}
        cases += _pair(image_folder, images, mask_folder, split, faults)
    if not cases and not faults:
        faults.append(f"Test set {folder.name!r} has no case with a label. Put labels into labelsTr/ or labelsTs/.")
    twice = repeated(case.case_id for case in cases)
    faults += [f"Case {case_id!r} lies in imagesTr/ and in imagesTs/. Remove one of them." for case_id in twice]
    named = names if len(names) == len(channels) else tuple(channels)
    return tuple(replace(case, channel_names=named if len(channels) > 1 else ()) for case in cases)


def _channel_files(folder: Path, faults: list[str]) -> dict[str, dict[str, Path]]:
    """Case → channel, such as "0001" → file."""
    numbered = []
    for path in _files(folder):
        case_id, _, channel = stem(path.name).rpartition("_")
        if len(channel) != 4 or not channel.isdecimal() or not case_id:
            faults.append(f"{folder.name}/{path.name} has no channel number. Name it <case>_0000 and its suffix.")
        else:
            numbered.append(path)
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    for name, path in _by_stem(folder, numbered, faults).items():
        found[name[: -len("_0000")]][name[-len("0000") :]] = path
    return found


def _all_channels(
    case_id: str, paths: Mapping[str, Path], channels: Sequence[str], faults: list[str]
) -> tuple[Path, ...]:
    """The files of a case in the order of the channels; a channel that others have and it lacks is a fault."""
    missing = [f"_{channel}" for channel in channels if channel not in paths]
    if missing:
        faults.append(
            f"Case {case_id!r} lacks the channel {', '.join(missing)}. Add {case_id}{missing[0]} and its suffix, or "
            "remove the case."
        )
    return tuple(paths[channel] for channel in channels if channel in paths)


def _decathlon_cases(
    folder: Path, entries: list[object], names: tuple[str, ...], faults: list[str]
) -> tuple[Case, ...]:
    cases = []
    for number, entry in enumerate(entries):
        files = _listed_files(entry)
        if files is None:
            faults.append(f"Entry {number} of training in {DATASET_FILE} has no image and label. Name both files.")
            continue
        paths = [path for file in files if (path := _inside(folder, file)) is not None]
        if len(paths) == len(files):
            cases.append(_decathlon_case(tuple(paths[:-1]), paths[-1], names))
        else:
            lost = [file for file in files if _inside(folder, file) is None]
            faults += [f"{name} of training in {DATASET_FILE} does not exist in the folder." for name in lost]
    twice = repeated(case.case_id for case in cases)
    faults += [f"Case {case_id!r} is listed twice in {DATASET_FILE}. Remove one entry." for case_id in twice]
    return tuple(cases)


def _listed_files(entry: object) -> list[str] | None:
    """The files of an entry, the label last; MONAI's lists may give an image one file a channel."""
    if not isinstance(entry, dict):
        return None
    image = entry.get("image")
    files = [*(image if isinstance(image, list) else [image]), entry.get("label")]
    return files if len(files) > 1 and all(isinstance(file, str) for file in files) else None


def _decathlon_case(images: tuple[Path, ...], mask: Path, names: tuple[str, ...]) -> Case:
    if len(images) == 1:
        case_id = stem(images[0].name)
        return Case(case_id, images, mask, "train", case_id, channel_names=names if len(names) > 1 else ())
    case_id = stem(mask.name)
    own = names if len(names) == len(images) else tuple(stem(path.name) for path in images)
    return Case(case_id, images, mask, "train", case_id, channel_names=own)


def _inside(folder: Path, name: str) -> Path | None:
    path = folder / name
    return path if path.is_file() and path.resolve().is_relative_to(folder.resolve()) else None


def _files(folder: Path) -> list[Path]:
    """The files of a folder, without those that a header beside them keeps its data in."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    data = {
        path.name[: -len(header)] + ending
        for path in files
        for header, endings in DATA_OF.items()
        if path.name.lower().endswith(header)
        for ending in endings
    }
    return [path for path in files if path.name not in data]


def _by_stem(folder: Path, paths: Iterable[Path], faults: list[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        first = found.setdefault(stem(path.name), path)
        if first is not path:
            faults.append(f"{folder.name}/ holds {first.name} and {path.name} of one stem. Keep one, or rename it.")
    return found


def _pair(
    image_folder: Path, images: Mapping[str, tuple[Path, ...]], mask_folder: Path, split: str | None, faults: list[str]
) -> list[Case]:
    masks = _by_stem(mask_folder, _files(mask_folder), faults)
    faults += [
        f"{image_folder.name}/{images[name][0].name} has no mask. Add {mask_folder.name}/{name} with its suffix, or "
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
