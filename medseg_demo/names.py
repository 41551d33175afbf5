"""Names of files: stems, names that can be shown, and names that are safe, free and apart from each other to write."""

import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import PurePath

SUFFIXES = (
    *(
        ".nii.gz",
        ".nii",
        ".hdr.gz",
        ".img.gz",
        ".nrrd",
        ".nhdr",
        ".mha",
        ".mhd",
        ".hdr",
        ".img",
        ".dcm",
        ".dicom",
        ".dic",
        ".ima",
    ),
    *(".ome.tiff", ".ome.tif", ".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".bmp", ".webp", ".npy", ".npz"),
    *(".mp4", ".m4v", ".mov", ".avi", ".gif", ".webm", ".mkv"),
)
MOST_NAME_BYTES = 255  # of one name in UTF-8: ext4, XFS, APFS, and less strict NTFS
MOST_STEM_BYTES = MOST_NAME_BYTES - len(".nii.gz")
# Stems of several files get endings, such as "_measurements.json", and meet in one name.
MOST_SAFE_CHARACTERS, MOST_SAFE_BYTES = 80, 100

# Control characters, halves of surrogate pairs (Python's form of bytes that are no UTF-8), line and paragraph ends, and
# what turns the direction of writing. Joiners are letters' business in Persian, Hindi and emoji.
UNPRINTABLE = {"Cc", "Cs", "Cf", "Zl", "Zp"}
JOINERS = "\u200c\u200d"
RESERVED = re.compile(r'[<>:"/\\|?*]')
NOT_PLAIN = re.compile(r"[^\w.-]+")
FORMULA = re.compile(r"'*[=+\-@]")
NUMBER = re.compile(r"[+-]?[\d.,]+(?:[eE][+-]?\d+)?")
DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(?=\.|$)")


def suffix(path: str | PurePath) -> str:
    """A file's suffix, as it is spelled; ``.nii.gz`` is one. That of no image format is its last part."""
    name = PurePath(path).name
    known = next((each for each in SUFFIXES if name.lower().endswith(each)), PurePath(path).suffix)
    return name[len(name) - len(known) :]


def stem(path: str | PurePath) -> str:
    """A file's name without its image suffix, as text that can be shown; a suffix of no image format stays.

    A DICOM file without an extension is often named by a UID, whose last number is not a suffix.
    """
    name = PurePath(path).name
    known = next((each for each in SUFFIXES if name.lower().endswith(each)), "")
    return shown(name[: len(name) - len(known)] or name)


def shown(name: str) -> str:
    """A name as it can be printed and sent anywhere: control characters and bytes that are no UTF-8 become ``?``."""
    if name.isascii() and name.isprintable():
        return name
    return "".join("?" if _is_unprintable(character) else character for character in name)


def as_cell(text: str) -> str:
    """A text as the cell of a table: with an apostrophe where a spreadsheet would take it for a formula."""
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def from_cell(cell: str) -> str:
    """The text of a cell that ``as_cell``, or a spreadsheet, put an apostrophe before."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def storable(name: str, most: int = MOST_STEM_BYTES) -> str:
    """A stem as every file system takes it: the same where it can be, else with ``_`` for what it may not hold.

    Args:
        name: Any text.
        most: Bytes of UTF-8; the rest is cut off.
    """
    clean = RESERVED.sub("_", shown(name))
    clean = re.sub(r"^[. ]+", "_", clean)  # hidden, or another folder
    clean = DEVICES.sub(r"_\1", clean) if DEVICES.match(clean) else clean
    return _cut(clean, most).rstrip(" ") or "image"


def safe_stem(name: str, taken: Collection[str] = ()) -> str:
    """A stem of letters, digits, ``.``, ``-`` and ``_`` only, for links, downloads and several files; numbered."""
    clean = NOT_PLAIN.sub("_", name).strip("._")[:MOST_SAFE_CHARACTERS]
    return free_name(_cut(clean, MOST_SAFE_BYTES) or "image", taken)


def folder_name(name: str) -> str:
    """A folder's name of the same characters, never numbered: two names may give one, which callers refuse."""
    return _cut(NOT_PLAIN.sub("_", name).strip("._"), MOST_NAME_BYTES) or "_"


def free_name(name: str, taken: Collection[str], most: int = MOST_NAME_BYTES) -> str:
    """A name that none of the others has, upper and lower case being alike: numbered where it is taken.

    Args:
        name: Any text.
        taken: The others.
        most: Bytes of UTF-8; the name is cut off before its number.
    """
    others, free, number = {_key(one) for one in taken}, name, 1
    while _key(free) in others:
        number += 1
        free = f"{_cut(name, most - len(f'-{number}'))}-{number}"
    return free


def unique_stems(
    paths: Sequence[str | PurePath], stems: Sequence[str] | None = None, most: int = MOST_STEM_BYTES
) -> list[str]:
    """One storable stem for each file, no two alike: equal ones get their folders in front, as many as it takes.

    ``CT1/IM000001`` and ``CT2/IM000001`` become ``CT1_IM000001`` and ``CT2_IM000001``. What folders do not tell apart
    is numbered.

    Args:
        paths: As the user knows them; every folder in them may become part of a name.
        stems: What they are called without their folders; None takes the paths' own stems.
        most: Bytes of UTF-8 of each.
    """
    plain = [storable(name, most) for name in (map(stem, paths) if stems is None else stems)]
    groups: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(plain):
        groups[_key(name)].append(index)
    taken = {key for key, group in groups.items() if len(group) == 1}
    for group in (group for group in groups.values() if len(group) > 1):
        folders = [_folders(PurePath(paths[index])) for index in group]
        apart = _with_folders(folders, [plain[index] for index in group], most)
        for index, name in zip(group, apart, strict=True):
            plain[index] = free_name(name, taken, most) if _key(name) in taken else name
            taken.add(_key(plain[index]))
    return plain


def allow_any_text() -> None:
    """Let stdout and stderr take any text: what their encoding lacks is printed as an escape, and never raises."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _is_unprintable(character: str) -> bool:
    return unicodedata.category(character) in UNPRINTABLE and character not in JOINERS


def _key(name: str) -> str:
    """What two names share that are one file on some file system: those of macOS and Windows know no case."""
    return unicodedata.normalize("NFC", name).casefold()


def _cut(name: str, most: int) -> str:
    """The longest beginning of at most so many bytes of UTF-8; halves of surrogate pairs are left out."""
    return name.encode(errors="ignore")[:most].decode(errors="ignore")


def _folders(path: PurePath) -> tuple[str, ...]:
    return tuple(part for part in path.parts[:-1] if part not in (path.anchor, ".."))


def _with_folders(folders: Sequence[tuple[str, ...]], plain: Sequence[str], most: int) -> list[str]:
    """Equal names with the fewest folders in front that tell most of them apart."""
    deepest = max(map(len, folders))
    tried = [
        [
            storable("_".join([*parts[max(len(parts) - depth, 0) :], name]), most)
            for parts, name in zip(folders, plain, strict=True)
        ]
        for depth in range(deepest + 1)
    ]
    return max(tried, key=lambda names: len(set(map(_key, names))))  # the first of the best
