"""Files, folders and zips → studies: what is read as one image.

Each file is opened once to say what it is; what its header said goes on to whoever reads it. Slices of a DICOM volume
make a series, files that a header needs are laid beside it, and several files of one case may be the channels of one
image.
"""

import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import NamedTuple

from medseg_demo import names
from medseg_demo.errors import ReadError
from medseg_demo.reading.dicom.series import Series, group_slices, number_names
from medseg_demo.reading.formats import Choice, Found
from medseg_demo.reading.listing import TOGETHER, Looked, holds_files, list_files
from medseg_demo.reading.source import is_folder, open_source
from medseg_demo.settings import Settings

MOST_MODALITIES = 8
MOST_LEFT_OUT = 5  # of which the names are told
# nnU-Net's name of one channel of a case: <case>_0000.
NNUNET_CHANNEL = re.compile(r"(.+)_(\d{4})")


@dataclass(frozen=True)
class Channels:
    """Several files, or series, of one case, each a channel of one image.

    Attributes:
        name: The case's, for files and messages.
        parts: One a channel.
        channel_names: One a channel.
        resample: Whether parts on other grids are resampled onto the first one's; they are refused otherwise.
    """

    name: str
    parts: tuple["Path | Series", ...]
    channel_names: tuple[str, ...]
    resample: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of all parts."""
        return tuple(path for part in self.parts for path in item_paths(part))


Item = Path | Series | Channels


@dataclass(frozen=True)
class Study:
    """One thing that can be segmented.

    Attributes:
        item: A file, the files of one DICOM series, or those of several channels.
        volume: Which volume of a file with several, from 1, or all of them as channels; None of any other.
        volumes: How many that file holds.
        volume_names: One a volume, where the file names them.
        found: What the file is, if it was looked at already.
    """

    item: Item
    volume: Choice = None
    volumes: int = 1
    volume_names: tuple[str, ...] = ()
    found: Found | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """For people: the file's name, or the series'."""
        name = names.shown(self.item.name)
        if self.volume is None:
            return name
        return f"{name}, {self.volumes} channels" if self.volume == "channels" else f"{name}, volume {self.volume}"

    @property
    def stem(self) -> str:
        """What files about it are called."""
        stem = item_stem(self.item)
        return f"{stem}_volume-{self.volume}" if isinstance(self.volume, int) else stem

    @property
    def paths(self) -> tuple[Path, ...]:
        """Its files."""
        return item_paths(self.item)


def item_stem(item: str | Path | Series | Channels) -> str:
    """What files about an item are called: a file's stem, a series' or a case's name."""
    return names.stem(item) if isinstance(item, str | Path) else item.name


def item_paths(item: Item) -> tuple[Path, ...]:
    """The files of an item."""
    return (item,) if isinstance(item, Path) else tuple(item.paths)


def result_stems(items: Sequence[Item | Study], known: Callable[[Path], PurePath] = PurePath) -> list[str]:
    """What files about each item are called: its stem; equal ones get their folders in front (``names.unique_stems``).

    Args:
        items: Of one run, whose results lie in one folder.
        known: What of a folder's path the user knows; nothing else becomes part of a name.
    """
    stems = [item.stem if isinstance(item, Study) else item_stem(item) for item in items]
    bare = [item.item if isinstance(item, Study) else item for item in items]
    return names.unique_stems([known(_folder(item)) / "_" for item in bare], stems)


def _folder(item: Item) -> Path:
    """The folder that an item's name does not tell: most series are called as the one that they lie in."""
    folder = Path(os.path.commonpath([os.path.normpath(path.parent.absolute()) for path in item_paths(item)]))
    named_otherwise = isinstance(item, Series) and names.shown(folder.name) == item.name
    return folder.parent if named_otherwise or folder.name.startswith(TOGETHER) else folder


def size_on_disk(item: Item | Study) -> int:
    """How many bytes the files of an item have; 0 for what is no file."""
    paths = item.paths if isinstance(item, Study) else item_paths(item)
    return sum(path.stat().st_size for path in paths if path.is_file())


def collect_files(paths: Iterable[str | Path], *, settings: Settings | None = None, unpack_to: Path) -> list[Path]:
    """Files, folders and zips as a list of files.

    Folders are searched with their subfolders, in sorted order. What is hidden or no image is left out of folders
    and zips without a word; a file named directly is always kept, so that reading it can say what is wrong. Zips
    inside folders and zips are not opened. Files that the header of another needs are laid beside it.

    Args:
        paths: What the user named.
        settings: ``max_file_mb`` limits the size of a zip, packed and unpacked.
        unpack_to: The folder under which every zip gets a folder of its own.

    Raises:
        UnsupportedImageError: A folder or zip holds no image, or a zip is encrypted or unsafe.
        ImageTooLargeError: A zip exceeds a limit.
        DamagedFileError: A zip cannot be unpacked.
    """
    settings = settings or Settings()
    return [looked.path for batch in list_files(paths, settings, unpack_to) for looked in batch.files]


def collect_images(
    paths: Iterable[str | Path], *, settings: Settings | None = None, unpack_to: Path
) -> list[Path | Series]:
    """Files, folders and zips as a list of what ``read_image`` reads one by one.

    As ``collect_files``, and the DICOM files that are slices of one volume are joined: those of one folder, of one
    zip, and those that were named directly. A series is called by its folder, zip or first file.

    Among several inputs a folder or zip without a usable image is kept as it is, so that the others can be read, and
    reading it says what is wrong.

    Raises:
        ReadError: As ``collect_files``, where there is only one input.
    """
    return _collect(paths, settings or Settings(), unpack_to).items


def find_studies(
    paths: Iterable[str | Path],
    *,
    settings: Settings | None = None,
    unpack_to: Path,
    channels: bool = False,
    say: Callable[[str], None] | None = None,
) -> tuple[Study, ...]:
    """Everything that can be segmented in files, folders and zips, each file opened once.

    Args:
        paths: What the user named.
        settings: The limits.
        unpack_to: As for ``collect_files``.
        channels: Whether the volumes of a file, nnU-Net's channel files (``<case>_0000``, …) and other files of one
            case (``<case>_t1``, ``<case>_flair``) are the channels of one image.
        say: Told in a sentence which files in folders and zips are no images, where there are some.

    Returns:
        A study for each file, series, or volume of a file; for each case where ``channels`` is set.

    Raises:
        ReadError: As ``collect_images``.
    """
    collected = _collect(paths, settings or Settings(), unpack_to)
    found = collected.found
    if say is not None and collected.left_out:
        say(_left_out(collected.left_out))
    studies: list[Study] = []
    for item in collected.items:
        layout = found[item].layout if isinstance(item, Path) and item in found else None
        if layout is None or layout.volumes == 1:
            studies.append(Study(item, found=found.get(item) if isinstance(item, Path) else None))
            continue
        every: list[Choice] = ["channels"] if channels else list(range(1, layout.volumes + 1))
        studies += [Study(item, one, layout.volumes, layout.volume_names, found[item]) for one in every]  # type: ignore[index]
    return _joined(studies) if channels else tuple(studies)


def _left_out(files: Sequence[str]) -> str:
    """Which files are no images."""
    count = len(files)
    named = ", ".join(names.shown(name) for name in files[:MOST_LEFT_OUT]) + (", …" if count > MOST_LEFT_OUT else "")
    return f"{count} file{'' if count == 1 else 's'} left out, being no image{'' if count == 1 else 's'}: {named}."


def channel_groups(studies: Sequence[Study]) -> tuple[Study, ...]:
    """What could be read as one image of several channels, to be offered beside the studies themselves.

    All volumes of each file with several, nnU-Net's channel files of each case, and files such as ``<case>_t1`` and
    ``<case>_flair``.
    """
    files = {study.item: study for study in studies if isinstance(study.volume, int) and study.found}
    offered = [
        replace(study, volume="channels") for study in files.values() if study.found and study.found.layout.samples == 1
    ]
    alone = [study for study in studies if study.volume is None]
    groups = [(name, group) for name, group in _groups(alone, by_number=True) if len(group) > 1]
    groups += [(name, group) for name, group in _groups(alone) if _are_modalities(group)]
    return (*offered, *(_as_channels(name, group) for name, group in groups))


def _are_modalities(group: Sequence[Study]) -> bool:
    """Whether files of one case look like its modalities or stains: few, of one size, called by words after the case.

    Numbers count images more often than channels, but for nnU-Net's; no more than an offer rests on this.
    """
    layouts = [study.found.layout for study in group if study.found is not None]
    ends = [re.split(r"[_-]", item_stem(study.item))[1:][-1:] for study in group]
    return (
        1 < len(group) == len(layouts) <= MOST_MODALITIES
        and len({layout.shape for layout in layouts}) == 1
        and all(layout.samples == layout.volumes == 1 for layout in layouts)
        and all(end and not end[0].isdecimal() for end in ends)
    )


def find_series(paths: Iterable[str | Path], *, settings: Settings | None = None) -> tuple[Series, ...]:
    """The DICOM series of at least two slices among files and folders; other files are passed over.

    Raises:
        UnsupportedImageError: There is only one input, a folder that holds no image.
    """
    settings = settings or Settings()
    with tempfile.TemporaryDirectory(prefix="medseg-") as unused:
        folders_and_files = [path for path in map(Path, paths) if is_folder(path) or not is_zip(path, settings)]
        items = collect_images(folders_and_files, settings=settings, unpack_to=Path(unused))
    return tuple(item for item in items if isinstance(item, Series))


def is_zip(path: Path, settings: Settings | None = None) -> bool:
    """Whether a file is a zip of files, not of arrays; False also where it cannot be opened."""
    try:
        with open_source(path, settings or Settings()) as source:
            return holds_files(source)
    except ReadError:
        return False


class _Collected(NamedTuple):
    """The items, what is known of the files among them, and what is no image."""

    items: list[Path | Series]
    found: dict[Path, Found]
    left_out: tuple[str, ...]


def _collect(paths: Iterable[str | Path], settings: Settings, unpack_to: Path) -> _Collected:
    paths = list(paths)
    batches = list(list_files(paths, settings, unpack_to, keep_unusable=len(paths) > 1))
    named = [batch for batch in batches if batch.root is None]
    together = [looked for batch in named for looked in batch.files]
    items: list[Path | Series] = []
    for batch in batches:
        if batch.root is not None:
            items += _grouped(batch.files, root=batch.root, name=batch.name)
        elif batch is named[0]:
            items += _grouped(together)
    looked_at = (looked for batch in batches for looked in batch.files)
    found = {looked.path: looked.found for looked in looked_at if looked.found is not None}
    return _Collected(
        _named_apart(items, unpack_to), found, tuple(name for batch in batches for name in batch.left_out)
    )


def _named_apart(items: Sequence[Path | Series], unpack_to: Path) -> list[Path | Series]:
    """Series of one name get their folders in front where these differ, and are numbered otherwise."""
    items = [item if isinstance(item, Path) else replace(item, name=names.shown(item.name)) for item in items]
    series: dict[str, list[Series]] = defaultdict(list)
    for item in items:
        if isinstance(item, Series):
            series[item.name].append(item)
    apart: dict[Path | Series, Series] = {}
    for name, group in series.items():
        folders = [_folder(item) for item in group]
        if len(set(folders)) == len(group) > 1:
            known = [path.relative_to(unpack_to) if path.is_relative_to(unpack_to) else path for path in folders]
            stems = names.unique_stems([path / "_" for path in known], [name] * len(group))
            apart |= {item: replace(item, name=stem) for item, stem in zip(group, stems, strict=True)}
    return number_names(apart.get(item, item) for item in items)


def _grouped(files: Sequence[Looked], *, root: Path | None = None, name: str = "") -> list[Path | Series]:
    headers = {looked.path: looked.header for looked in files if looked.header is not None}
    return group_slices([looked.path for looked in files], headers, root=root, name=name)


def _joined(studies: Sequence[Study]) -> tuple[Study, ...]:
    """Studies of one case as one study of several channels; those that stand alone stay as they are."""
    alone = [study for study in studies if study.volume is None]
    joined: dict[Study, Study | None] = {}
    for name, group in _groups(alone):
        if len(group) > 1:
            joined |= dict.fromkeys(group, None)
            joined[group[0]] = _as_channels(name, group)
    return tuple(one for study in studies if (one := joined.get(study, study)) is not None)


def _groups(studies: Sequence[Study], *, by_number: bool = False) -> list[tuple[str, list[Study]]]:
    """Studies by the case that their names tell: nnU-Net's channel number, else what stands before the last "_" or "-".

    Args:
        studies: Files and series.
        by_number: Whether only nnU-Net's numbers count.
    """
    found: dict[tuple[Path, str], list[Study]] = defaultdict(list)
    for study in studies:
        stem, folder = item_stem(study.item), study.paths[0].parent
        number = NNUNET_CHANNEL.fullmatch(stem)
        if number:
            found[Path(), number[1]].append(study)
        elif not by_number:
            case = re.split(r"[_-][^_-]*$", stem)[0] if re.search(r"[_-]", stem) else ""
            found[folder if isinstance(study.item, Series) else Path(), case].append(study)
    for (folder, case), group in list(found.items()):
        if folder == Path() and not _are_apart(group):  # a folder a patient, with files of the same names in each
            for study in found.pop((folder, case)):
                found[study.paths[0].parent, case].append(study)
    groups = []
    for (folder, case), group in found.items():
        if _are_apart(group):
            groups.append(
                (case or names.shown(folder.name) or "image", sorted(group, key=lambda study: item_stem(study.item)))
            )
    return groups


def _are_apart(group: Sequence[Study]) -> bool:
    return len({item_stem(study.item) for study in group}) == len(group)


def _as_channels(name: str, group: Sequence[Study]) -> Study:
    parts = tuple(study.item for study in group if not isinstance(study.item, Channels))
    stems = [item_stem(part) for part in parts]
    own = tuple(stem.removeprefix(name).lstrip("_-") or stem for stem in stems)
    return Study(Channels(name, parts, own))
