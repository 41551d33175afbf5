"""What lies in files, folders and zips: each file opened once, and what its header said kept for whoever reads it."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from medseg_demo import names
from medseg_demo.errors import ImageTooLargeError, ReadError, UnsupportedImageError
from medseg_demo.reading import archive, itk, nifti
from medseg_demo.reading.dicom.file import is_media_directory
from medseg_demo.reading.dicom.series import SliceHeader, parse_slice
from medseg_demo.reading.formats import Found, find_format, inspect
from medseg_demo.reading.source import Source, as_source, is_folder, open_source
from medseg_demo.settings import Settings

MEDIA_DIRECTORY = "DICOMDIR"  # belongs to the images beside it
TOGETHER = "together-"  # what the folders of files that were given together begin with


@dataclass(frozen=True)
class Looked:
    """One file, as far as it was looked at while it was listed.

    Attributes:
        path: Where it lies.
        is_image: Whether it is of a format that is read, or too large to tell.
        is_zip: Whether it is a zip of files, not of arrays.
        found: What its header claims; None where that cannot be used: reading it says why.
        header: Where it may be a slice of a DICOM series.
        needs: The names of the files beside it that it needs.
    """

    path: Path
    is_image: bool = False
    is_zip: bool = False
    found: Found | None = None
    header: SliceHeader | None = None
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """The image files of one folder or zip, or one file that was named directly.

    ``left_out`` names what else the folder or zip holds, but for what its headers need.
    """

    files: list[Looked]
    root: Path | None = None
    name: str = ""
    left_out: tuple[str, ...] = ()


def list_files(
    paths: Iterable[str | Path], settings: Settings, unpack_to: Path, *, keep_unusable: bool = False
) -> Iterator[Batch]:
    """The files of each input: those of a folder or zip that are images, and every file that was named directly.

    Args:
        paths: What the user named.
        settings: The limits.
        unpack_to: The folder under which every zip gets a folder of its own.
        keep_unusable: Whether a folder or zip without a usable image is kept as it is: reading it says what is wrong.

    Raises:
        ReadError: A folder or zip holds no image, or a zip cannot be unpacked.
    """
    batches, unpacked = [], 0
    for path in map(Path, paths):
        try:
            batch = _batch(path, settings, unpack_to, already=unpacked)
        except ReadError:
            if not keep_unusable:
                raise
            batch = Batch([Looked(path)])
        unpacked += len(batch.files) if batch.root not in (None, path) else 0
        batches.append(batch)
    yield from _with_data_beside(batches, unpack_to)


def _batch(path: Path, settings: Settings, unpack_to: Path, *, already: int) -> Batch:
    if is_folder(path):
        inside = [look(file, settings) for file in _visible_files(path)]
        return Batch(_images(inside, path), path, path.resolve().name, _left_out(inside))
    looked = look(path, settings)
    if not looked.is_zip:
        return Batch([looked])
    with open_source(path, settings) as source:
        members = [_look_at_member(*member, settings) for member in archive.unpack(source, unpack_to, already=already)]
    folder = _folder_of(members, unpack_to)
    members.sort(key=lambda looked: looked.path.parts)
    return Batch(_images(members, path), folder, path.stem, _left_out(members))


def _folder_of(members: Sequence[Looked], unpack_to: Path) -> Path:
    """The folder that a zip was unpacked into."""
    if not members:
        return unpack_to
    return unpack_to / members[0].path.relative_to(unpack_to).parts[0]


def look(path: Path, settings: Settings) -> Looked:
    """What a file is, opened once; whatever is wrong with it is said when it is read."""
    try:
        with open_source(path, settings) as source:
            return _look(source)
    except ImageTooLargeError:
        return Looked(path, is_image=True)  # reading it says why it cannot be taken
    except ReadError:
        return Looked(path)


def _look_at_member(path: Path, file: BinaryIO, settings: Settings) -> Looked:
    try:
        return _look(as_source(path, file, os.fstat(file.fileno()).st_size, settings))
    except ImageTooLargeError:
        return Looked(path, is_image=True)
    except ReadError:
        return Looked(path)


def _look(source: Source) -> Looked:
    if holds_files(source):
        return Looked(source.path, is_zip=True)
    found = find_format(source)
    if found is None or is_media_directory(source):
        return Looked(source.path)
    source.file.seek(0)
    header = parse_slice(source) if found.name == "DICOM" else None
    if header is not None:
        return Looked(source.path, is_image=True, header=header)
    needs = nifti.data_file_names if found.name == "NIfTI" else itk.data_file_names
    try:
        beside = needs(source) if found.name in ("NIfTI", "NRRD", "MetaImage") else ()
    except ReadError:
        beside = ()
    try:
        return Looked(source.path, is_image=True, found=inspect(source), needs=beside)
    except ReadError:
        return Looked(source.path, is_image=True, needs=beside)


def _images(looked: Iterable[Looked], shown: Path) -> list[Looked]:
    images = [one for one in looked if one.is_image]
    if not images:
        raise UnsupportedImageError(
            f"{names.shown(shown.name or str(shown))}: it holds no image that can be read. Put PNG, JPEG, TIFF, DICOM, "
            "NIfTI, NRRD, MHA or NPY files into it; zips inside it are not opened."
        )
    return images


def _left_out(looked: Sequence[Looked]) -> tuple[str, ...]:
    needed = {name for one in looked for name in one.needs}
    others = [one.path.name for one in looked if not one.is_image and one.path.name not in needed]
    return tuple(name for name in others if name != MEDIA_DIRECTORY)


def _visible_files(folder: Path) -> list[Path]:
    files = []
    for parent, folders, inside in os.walk(folder):
        folders[:] = [name for name in folders if not archive.is_hidden(name)]
        files += [Path(parent, name) for name in inside if not archive.is_hidden(name)]
    return sorted(files, key=lambda path: path.relative_to(folder).parts)


def _with_data_beside(batches: list[Batch], unpack_to: Path) -> list[Batch]:
    """Lay the data files that were named directly beside the headers that need them.

    A page puts every upload into a folder of its own, so a dropped ``.mhd`` and its ``.raw`` lie apart. Data files are
    then no inputs of their own any more.
    """
    named = {looked.path.name: looked for batch in batches if batch.root is None for looked in batch.files}
    used: set[Path] = set()
    moved: dict[Path, Looked] = {}
    for batch in batches:
        for looked in batch.files if batch.root is None else ():
            given = [named[name].path for name in looked.needs if name in named]
            used.update(path for path in given if path != looked.path)
            if any(path.parent != looked.path.parent for path in given):
                moved[looked.path] = _beside(looked, given, unpack_to)
    laid = []
    for batch in batches:
        files = [moved.get(looked.path, looked) for looked in batch.files if looked.path not in used]
        if files:
            laid.append(replace(batch, files=files))
    return laid


def _beside(looked: Looked, given: Sequence[Path], unpack_to: Path) -> Looked:
    unpack_to.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=TOGETHER, dir=unpack_to))
    for path in (looked.path, *given):
        try:
            os.link(path.resolve(), folder / path.name)
        except OSError:  # another file system, or one without links
            shutil.copyfile(path, folder / path.name)
    return Looked(folder / looked.path.name, looked.is_image, needs=looked.needs)


def lay_together(paths: Iterable[str | Path], settings: Settings, unpack_to: Path) -> list[Path]:
    """Files that were named directly, each beside the data files that its header needs; these are left out."""
    batches = [Batch([look(Path(path), settings)]) for path in paths]
    return [looked.path for batch in _with_data_beside(batches, unpack_to) for looked in batch.files]


def data_files_beside(path: Path, settings: Settings) -> list[Path]:
    """The files in a file's own folder that its header needs for its data."""
    found = [path.parent / name for name in look(path, settings).needs]
    return [one for one in found if one.parent == path.parent and one.is_file()]


def holds_files(source: Source) -> bool:
    """Whether a file is a zip of files, not of arrays."""
    return source.head.startswith(archive.ZIP_MAGICS) and find_format(source) is None
