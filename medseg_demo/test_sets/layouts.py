"""Folder → cases: image and mask files are found and matched, in each of the layouts that are read as they are.

* plain: ``images/`` and ``masks/`` (or ``labels/``, …), matched by stem, ``<case>_mask`` and the like, too;
* a folder a split: ``train/``, ``val/`` (``valid/``, ``validation/``) and ``test/``, each of them plain; or the other
  way round, ``images/train/`` beside ``masks/train/``. A split without masks is left out, and that is said;
* nnU-Net (1 and 2): ``imagesTr``, ``labelsTr`` (split "train") and ``imagesTs``, ``labelsTs`` (split "test"), with
  channel files ``<case>_0000``, ``<case>_0001``, …;
* Medical Segmentation Decathlon: a ``dataset.json`` whose ``training`` lists pairs of image and label, an image being
  one file, whose volumes are channels where ``modality`` names several, or a list of files, one a channel;
* stacked arrays: ``images.npy`` (N × H × W, or N × H × W × C) beside ``masks.npy``, in a folder a split or named after
  it (``train_images.npy``); each of the N is a case;
* a folder a patient, and one folder of all files, told apart by their names: see ``patients.py``.

An image may be the folder or the zip of a DICOM series. References without any image make cases too: predictions are
scored on them all the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from medseg_demo.errors import ReadError
from medseg_demo.names import stem
from medseg_demo.reading.stack import SUFFIX, items_of
from medseg_demo.test_sets.case import Case
from medseg_demo.test_sets.labels import DATASET_FILE, channel_names_of
from medseg_demo.test_sets.patients import (
    SPLITS,
    case_files,
    case_name,
    case_of_image,
    case_of_mask,
    files_of,
    find_patients,
    folders_of,
    match_names,
    repeated,
)

NNUNET_FOLDERS = (("imagesTr", "labelsTr", "train"), ("imagesTs", "labelsTs", "test"))
IMAGE_FOLDERS = ("images", "image", "imgs", "img")
MASK_FOLDERS = (
    *("masks", "mask", "labels", "label", "segmentations", "segmentation", "references", "annotations"),
    *("ground_truth", "groundtruth", "gt"),
)
INSTANCES_FOLDER = "instances"


def is_test_set(folder: Path) -> bool:
    """Whether a folder looks like a test set, by the names inside."""
    inside = (*IMAGE_FOLDERS, *MASK_FOLDERS, *(name for row in NNUNET_FOLDERS for name in row[:2]), DATASET_FILE)
    if not folder.is_dir() or folder.name.startswith("."):
        return False
    return any((folder / name).exists() for name in inside) or bool(_split_folders(folder) or _stacks(folder))


def find_cases(
    folder: Path, dataset: Mapping[str, object], faults: list[str], notes: list[str] | None = None
) -> tuple[Case, ...]:
    """The cases of a folder, without those that have faults, which are added to the list.

    Args:
        folder: The test set's.
        dataset: Its ``dataset.json``.
        faults: One sentence each.
        notes: Gets a sentence for what was left out.
    """
    names = channel_names_of(dataset)
    listed = dataset.get("training")
    if isinstance(listed, list) and listed and not _is_nnunet(folder, listed):
        return _decathlon_cases(folder, listed, names, faults)
    if any((folder / masks).is_dir() for _, masks, _ in NNUNET_FOLDERS):
        return _nnunet_cases(folder, names, faults)
    if (stacks := _stacks(folder)) and not _first(folder, MASK_FOLDERS):
        return _stacked_cases(stacks, names if len(names) > 1 else (), faults)
    if splits := _split_folders(folder):
        found = _split_cases(splits, faults, [] if notes is None else notes)
        return tuple(replace(case, channel_names=names if len(names) > 1 else ()) for case in found)
    image_folder, mask_folder = _first(folder, IMAGE_FOLDERS), _first(folder, MASK_FOLDERS)
    instances = mask_folder is None and (folder / INSTANCES_FOLDER).is_dir()
    mask_folder = folder / INSTANCES_FOLDER if instances else mask_folder
    if mask_folder is not None:
        cases = _plain_cases(image_folder, mask_folder, faults)
        cases = [replace(case, instances=instances) for case in cases]
        return tuple(replace(case, channel_names=names) for case in cases) if len(names) > 1 else tuple(cases)
    found = () if image_folder else find_patients(folder, names, faults)
    if not found and not faults:
        missing = [name for name, is_there in (("images", image_folder), ("masks", mask_folder)) if not is_there]
        faults.append(
            f"Test set {folder.name!r} has no folder {' or '.join(missing)}. Put the images into images/ "
            "and their masks, of the same stems, into masks/ (nnU-Net and Decathlon folders are read as they are, and "
            "so is a folder a patient with <case>_seg in it)."
        )
    return found


def _first(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def _split_folders(folder: Path) -> dict[str, tuple[Path, Path | None]]:
    """Split → its folders of images and masks; empty where images do not lie in a folder a split."""
    if not folder.is_dir():
        return {}
    images, masks = _first(folder, IMAGE_FOLDERS), _first(folder, MASK_FOLDERS)
    found: dict[str, tuple[Path, Path | None]] = {}
    for one in folders_of(images or folder):
        split = SPLITS.get(one.name.lower())
        own = one if images else _first(one, IMAGE_FOLDERS)
        if split and own:
            beside = (masks / one.name if masks else None) if images else _first(one, MASK_FOLDERS)
            found[split] = own, beside if beside and beside.is_dir() else None
    return found if any(beside for _, beside in found.values()) else {}


def _stacks(folder: Path) -> dict[str | None, tuple[Path, Path]]:
    """Split → its arrays of images and of masks; empty where nothing is stacked."""
    found: dict[str | None, dict[bool, Path]] = defaultdict(dict)
    inside = [(SPLITS[one.name.lower()], one) for one in folders_of(folder) if one.name.lower() in SPLITS]
    for split, place in [(None, folder), *inside]:
        for path in sorted(place.glob(f"*{SUFFIX}")):
            words = path.stem.lower().split("_")
            of_split = [SPLITS[word] for word in words if word in SPLITS]
            kinds = [word in IMAGE_FOLDERS for word in words if word in (*IMAGE_FOLDERS, *MASK_FOLDERS)]
            if len(kinds) == 1 and len(words) == 1 + len(of_split) <= 2:
                found[of_split[0] if of_split else split][kinds[0]] = path
    return {split: (both[True], both[False]) for split, both in found.items() if len(both) == 2}


def _stacked_cases(
    stacks: Mapping[str | None, tuple[Path, Path]], channel_names: tuple[str, ...], faults: list[str]
) -> tuple[Case, ...]:
    """A case for each item, called after its split and its number."""
    cases: list[Case] = []
    for split, stacked in stacks.items():
        try:
            images, masks = map(items_of, stacked)
        except ReadError as error:
            faults.append(str(error))
            continue
        if len(images) != len(masks):
            one, other = (path.relative_to(path.parents[1]) for path in stacked)
            faults.append(
                f"{one} holds {len(images)} images and {other} {len(masks)} label maps. Save as many of both."
            )
            continue
        for image, mask in zip(images, masks, strict=True):
            name = f"{split or 'case'}_{image.name}"
            cases.append(Case(name, (image,), mask, split, name, channel_names=channel_names))
    return tuple(cases)


def _split_cases(
    splits: Mapping[str, tuple[Path, Path | None]], faults: list[str], notes: list[str]
) -> tuple[Case, ...]:
    """The cases of all splits; a name that several of them have gets its split in front."""
    cases: list[Case] = []
    for split, (images, masks) in splits.items():
        if masks is None:
            notes.append(f"The split {split!r} has images without masks, and is left out.")
            continue
        own: list[str] = []
        cases += (replace(case, split=split) for case in _plain_cases(images, masks, own))
        faults += [f"In split {split!r}: {fault}" for fault in own]
    twice = set(repeated(case.case_id for case in cases))
    ids = [f"{case.split}_{case.case_id}" if case.case_id in twice else case.case_id for case in cases]
    return tuple(replace(case, case_id=name, group=name) for case, name in zip(cases, ids, strict=True))


def _is_nnunet(folder: Path, listed: list[object]) -> bool:
    """Whether channel files lie where Decathlon's listing names images: nnU-Net 1 kept the listing as it was.

    Nor is it a listing for us where none of its images is there, but labels lie in nnU-Net's folders.
    """
    images = [entry["image"] for entry in listed if isinstance(entry, dict) and isinstance(entry.get("image"), str)]
    folders = [folder / images for images, _, _ in NNUNET_FOLDERS if (folder / images).is_dir()]
    stems = {stem(path.name) for each in folders for path in files_of(each)}
    if any(f"{stem(Path(image).name)}_0000" in stems for image in images):
        return True
    has_labels = any((folder / labels).is_dir() for _, labels, _ in NNUNET_FOLDERS)
    return not stems and has_labels and not any(_inside(folder, image) for image in images)


def _nnunet_cases(folder: Path, names: tuple[str, ...], faults: list[str]) -> tuple[Case, ...]:
    pairs = [(folder / images, folder / masks, split) for images, masks, split in NNUNET_FOLDERS]
    pairs = [(images, masks, split) for images, masks, split in pairs if masks.is_dir()]
    found = [_channel_files(images, faults) if images.is_dir() else {} for images, _, _ in pairs]
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
    for path in files_of(folder):
        case_id, _, channel = stem(path.name).rpartition("_")
        if len(channel) != 4 or not channel.isdecimal() or not case_id:
            faults.append(f"{folder.name}/{path.name} has no channel number. Name it <case>_0000 and its suffix.")
        else:
            numbered.append(path)
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    for name, path in _by_name(folder, numbered, faults).items():
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
    has_images = _has_images(folder, entries)
    for number, entry in enumerate(entries):
        files = _listed_files(entry)
        if files is None:
            faults.append(f"Entry {number} of training in {DATASET_FILE} has no image and label. Name both files.")
            continue
        found = {file: _inside(folder, file) for file in files}
        lost = [file for file in (files if has_images else files[-1:]) if found[file] is None]
        if lost:
            faults += [f"{name} of training in {DATASET_FILE} does not exist in the folder." for name in lost]
            continue
        paths = [path for path in found.values() if path is not None]
        cases.append(_decathlon_case(tuple(Path(file) for file in files[:-1]), tuple(paths[:-1]), paths[-1], names))
    twice = repeated(case.case_id for case in cases)
    faults += [f"Case {case_id!r} is listed twice in {DATASET_FILE}. Remove one entry." for case_id in twice]
    return tuple(cases)


def _has_images(folder: Path, entries: list[object]) -> bool:
    """Whether any listed image is there: references alone are enough to score predictions."""
    listed = [files[:-1] for entry in entries if (files := _listed_files(entry))]
    return any(_inside(folder, file) for files in listed for file in files) or not listed


def _listed_files(entry: object) -> list[str] | None:
    """The files of an entry, the label last; MONAI's lists may give an image one file a channel."""
    if not isinstance(entry, dict):
        return None
    image = entry.get("image")
    files = [*(image if isinstance(image, list) else [image]), entry.get("label")]
    return files if len(files) > 1 and all(isinstance(file, str) for file in files) else None


def _decathlon_case(listed: tuple[Path, ...], images: tuple[Path, ...], mask: Path, names: tuple[str, ...]) -> Case:
    if len(listed) == 1:
        case_id = case_name(listed[0])
        return Case(case_id, images, mask, "train", case_id, channel_names=names if len(names) > 1 else ())
    case_id = case_name(mask)
    own = names if len(names) == len(listed) else tuple(stem(path.name) for path in listed)
    return Case(case_id, images, mask, "train", case_id, channel_names=own)


def _inside(folder: Path, name: str) -> Path | None:
    path = folder / name
    return path if path.exists() and path.resolve().is_relative_to(folder.resolve()) else None


def _by_name(folder: Path, paths: Iterable[Path], faults: list[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        first = found.setdefault(case_name(path), path)
        if first is not path:
            faults.append(f"{folder.name}/ holds {first.name} and {path.name} of one stem. Keep one, or rename it.")
    return found


def _plain_cases(image_folder: Path | None, mask_folder: Path, faults: list[str]) -> list[Case]:
    if image_folder is None:
        return _pair(mask_folder, {}, mask_folder, None, faults)
    images = _by_name(image_folder, case_files(image_folder), faults)
    return _pair(image_folder, {name: (path,) for name, path in images.items()}, mask_folder, None, faults)


def _pair(
    image_folder: Path, images: Mapping[str, tuple[Path, ...]], mask_folder: Path, split: str | None, faults: list[str]
) -> list[Case]:
    """Cases of images and masks of one name; where no image is there at all, of the masks alone."""
    masks = _by_name(mask_folder, files_of(mask_folder), faults)
    if not images:
        masks = match_names(masks, (), case_of_mask)
        return [Case(name, (), masks[name], split, name) for name in sorted(masks)]
    masks = match_names(masks, {*images, *filter(None, map(case_of_image, images))}, case_of_mask)
    images = match_names(images, masks, case_of_image)
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
