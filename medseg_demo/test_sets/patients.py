"""Cases whose files are told apart by their names: a folder a patient, or one folder of all files.

``<case>/<case>_seg.nii.gz`` beside ``<case>_t1.nii.gz`` and ``<case>_t2.nii.gz`` (BraTS), ``<case>/seg.nrrd`` beside a
folder of DICOM files, or ``<case>_image.png`` and ``<case>_mask.png`` in one folder. What is no mask is a channel.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from medseg_demo.names import SUFFIXES, stem
from medseg_demo.reading.labels import plain_name
from medseg_demo.test_sets.case import Case

Item = TypeVar("Item")

REPLACED_FOLDER = "replaced_references"  # beside references that were corrected here: those before, with their dates
# Hidden, or added by archives, disks, systems and us.
NO_CASE = re.compile(rf"(?i)\..*|__macosx|@eadir|thumbs\.db|desktop\.ini|{REPLACED_FOLDER}")

MASK_WORDS = (
    *("segmentation", "seg", "masks", "mask", "labels", "label", "gt", "ground[-_ ]?truth", "reference"),
    *("annotation", "manual1?", "rtss", "prediction", "pred"),
)
IMAGE_WORDS = ("image", "img", "im", "volume", "vol", "scan", "0000")
SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
# The header of a detached format → what the files beside it are usually called that hold its data.
DATA_OF = {
    ".mhd": (".raw", ".zraw"),
    ".nhdr": (".raw", ".raw.gz"),
    ".hdr": (".img",),
    ".hdr.gz": (".img.gz",),
}


def _pattern(words: Sequence[str]) -> re.Pattern[str]:
    """A case's name with such a word behind it, or in front of it where it begins with a digit or a separator."""
    either = "|".join(words)
    return re.compile(rf"(?i)(?P<case>.+?)[-_. ](?:{either})|(?:{either})(?:[-_. ]+(?P<after>.+)|(?P<number>\d.*))")


OF_MASK, OF_IMAGE = _pattern(MASK_WORDS), _pattern(IMAGE_WORDS)
ONLY_MASK = re.compile(rf"(?i)(?:{'|'.join(MASK_WORDS)})")


def case_of_mask(name: str) -> str | None:
    """The case that a stem such as ``liver_3_seg`` is the label map of; None where no word says so."""
    return _case_of(OF_MASK, name)


def case_of_image(name: str) -> str | None:
    """The case that a stem such as ``liver_3_image`` or ``liver_3_0000`` is the image of; None without such a word."""
    return _case_of(OF_IMAGE, name)


def _case_of(pattern: re.Pattern[str], name: str) -> str | None:
    found = pattern.fullmatch(name)
    return next(filter(None, found.groups()), None) if found else None


def case_name(path: Path) -> str:
    """What a case is called by its file, or by the folder or zip of its series."""
    name = stem(path.name)
    return name[: -len(".zip")] if name.lower().endswith(".zip") and len(name) > len(".zip") else name


def files_of(folder: Path) -> list[Path]:
    """The files of a folder, without those that a header beside them keeps its data in."""
    paths = sorted(folder.iterdir(), key=lambda path: path.name)
    files = [path for path in paths if path.is_file() and not NO_CASE.fullmatch(path.name)]
    data = {
        path.name[: -len(header)] + ending
        for path in files
        for header, endings in DATA_OF.items()
        if path.name.lower().endswith(header)
        for ending in endings
    }
    return [path for path in files if path.name not in data]


def case_files(folder: Path) -> list[Path]:
    """The files of a folder, and the folders in it: of DICOM series."""
    return [*files_of(folder), *folders_of(folder)]


def folders_of(folder: Path) -> list[Path]:
    """The folders in a folder, without hidden ones and those that archives and disks add."""
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not NO_CASE.fullmatch(path.name)]


def find_patients(folder: Path, names: Sequence[str], faults: list[str]) -> tuple[Case, ...]:
    """The cases of a folder that holds a folder a patient, or else all files; empty where no mask is told by its name.

    Args:
        folder: The test set's. Folders called train, val and test in it are splits.
        names: Of the channels, by ``dataset.json``: their order, where these are the names of the files.
        faults: Gets a sentence for a channel that a case lacks, and for a case that is there twice.
    """
    found: list[tuple[str, str | None, Path, dict[str, Path]]] = []
    for one, split in [(folder, None), *((each, SPLITS.get(each.name.lower())) for each in folders_of(folder))]:
        if one is folder or split is not None:
            found += [(case_id, split, *files) for case_id, files in _of_one_folder(one).items()]
            found += [(each.name, split, *files) for each in folders_of(one) if (files := _of_patient(each))]
    channels = _in_order({channel for *_, images in found for channel in images}, names)
    twice = repeated(case_id for case_id, *_ in found)
    faults += [f"Case {case_id!r} lies in two folders of the test set. Rename one of them." for case_id in twice]
    cases = []
    for case_id, split, mask, images in sorted(found, key=lambda item: item[0]):
        missing = [channel for channel in channels if channel not in images]
        if missing:
            faults.append(
                f"Case {case_id!r} lacks the image {', '.join(missing)}, which other cases have. Add it, or remove the "
                "case."
            )
        paths = tuple(images[channel] for channel in channels if channel in images)
        cases.append(Case(case_id, paths, mask, split, case_id, channel_names=channels if len(channels) > 1 else ()))
    return tuple(cases)


def _of_patient(folder: Path) -> tuple[Path, dict[str, Path]] | None:
    """The only mask of a patient's folder, and its images by channel; None where there is no one mask."""
    entries = [path for path in case_files(folder) if path.is_dir() or path.name.lower().endswith((*SUFFIXES, ".zip"))]
    masks = [path for path in entries if _is_mask(case_name(path), folder.name)]
    if len(masks) != 1:
        return None
    mask = masks[0]
    if mask.is_dir():
        inside = files_of(mask)
        if len(inside) != 1:
            return None
        mask = inside[0]
    return mask, {_channel(case_name(path), folder.name): path for path in entries if path not in masks}


def _of_one_folder(folder: Path) -> dict[str, tuple[Path, dict[str, Path]]]:
    """Case → its mask and its images, where all files lie in one folder: an image's name begins with the case's."""
    entries = [path for path in files_of(folder) if path.name.lower().endswith((*SUFFIXES, ".zip"))]
    masks = {case: path for path in entries if (case := case_of_mask(case_name(path)))}
    images: dict[str, dict[str, Path]] = defaultdict(dict)
    for path in (path for path in entries if path not in masks.values()):
        name = case_name(path)
        own = [case for case in masks if re.fullmatch(rf"{re.escape(case)}(?:[-_. ].*)?", name)]
        other = case_of_image(name)
        own = own or ([other] if other in masks else [])
        if own:
            case = max(own, key=len)
            images[case][_channel(name, case)] = path
    return {case: (mask, images[case]) for case, mask in masks.items()}


def _is_mask(name: str, case_id: str) -> bool:
    rest = name[len(case_id) :].lstrip("-_. ") if name.startswith(case_id) else name
    return bool(ONLY_MASK.fullmatch(rest)) or case_of_mask(name) is not None


def _channel(name: str, case_id: str) -> str:
    """What a file of a case is called without the case's name: "t1c"; "image" where nothing is left."""
    rest = name[len(case_id) :].strip("-_. ") if name.startswith(case_id) else (case_of_image(name) and "image") or name
    return rest or "image"


def _in_order(channels: set[str], names: Sequence[str]) -> tuple[str, ...]:
    """The channels in the order of the names, where these are the same; else in that of the alphabet."""
    places = {plain_name(name): place for place, name in enumerate(names)}
    if {plain_name(channel) for channel in channels} == places.keys():
        return tuple(sorted(channels, key=lambda channel: places[plain_name(channel)]))
    return tuple(sorted(channels))


def match_names(
    found: Mapping[str, Item], partners: Collection[str], case_of: Callable[[str], str | None]
) -> dict[str, Item]:
    """Files by the names of their cases: ``a_seg`` becomes ``a`` where only that has a partner, or nothing has one.

    Args:
        found: By their stems.
        partners: The names of the cases that are known; empty where none is.
        case_of: Finds a case's name in a stem.
    """
    names = {name: case for name in found if name not in partners and (case := case_of(name)) and case not in found}
    if partners:
        names = {name: case for name, case in names.items() if case in partners}
    else:  # a word that is no part of all names is rather one of a case's own
        names = names if len(names) == len(found) == len(set(names.values())) else {}
    return {names.get(name, name): item for name, item in found.items()}


def repeated(names: Iterable[str]) -> list[str]:
    """The names that occur more than once, in their order."""
    seen: set[str] = set()
    twice: dict[str, None] = {}
    for name in names:
        if name in seen:
            twice[name] = None
        seen.add(name)
    return list(twice)
