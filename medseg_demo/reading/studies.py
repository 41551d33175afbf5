"""Folders and zips as lists of image files; a zip is unpacked under limits, and only into a folder of its own."""

import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, ReadError, UnsupportedImageError
from medseg_demo.reading.dicom.file import is_media_directory
from medseg_demo.reading.dicom.series import group_slices, number_names
from medseg_demo.reading.formats import find_reader
from medseg_demo.reading.source import MIB, Series, Source, open_source
from medseg_demo.settings import Settings

ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
SKIPPED_FOLDER = "__MACOSX"
# Deflate reaches 1000 to 1; images of black background stay far below.
MAX_RATIO = 200
RATIO_COUNTS_FROM = 64 * MIB
# Of all zips together: a series has up to some thousand slices, and empty files cost a zip next to nothing.
MOST_FILES = 10_000
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 0x1


def collect_files(paths: Iterable[str | Path], *, settings: Settings | None = None, unpack_to: Path) -> list[Path]:
    """Files, folders and zips as a list of files.

    Folders are searched with their subfolders, in sorted order. What is hidden or no image is left out of folders
    and zips without a word; a file named directly is always kept, so that reading it can say what is wrong. Zips
    inside folders and zips are not opened.

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
    return [file for batch in _batches(paths, settings, unpack_to) for file in batch.files]


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
    settings, paths = settings or Settings(), list(paths)
    batches = list(_batches(paths, settings, unpack_to, keep_unusable=len(paths) > 1))
    named = [batch for batch in batches if batch.root is None]
    together = _Batch([file for batch in named for file in batch.files])
    items: list[Path | Series] = []
    for batch in batches:
        if batch.root is not None:
            items += group_slices(batch.files, settings, root=batch.root, name=batch.name)
        elif batch is named[0]:
            items += group_slices(together.files, settings)
    return number_names(items)


def find_series(paths: Iterable[str | Path], *, settings: Settings | None = None) -> tuple[Series, ...]:
    """The DICOM series of at least two slices among files and folders; other files are passed over.

    Raises:
        UnsupportedImageError: There is only one input, a folder that holds no image.
    """
    with tempfile.TemporaryDirectory(prefix="medseg-") as unused:
        folders_and_files = [path for path in map(Path, paths) if path.is_dir() or not is_zip(path, settings)]
        items = collect_images(folders_and_files, settings=settings, unpack_to=Path(unused))
    return tuple(item for item in items if isinstance(item, Series))


def is_zip(path: Path, settings: Settings | None = None) -> bool:
    """Whether a file is a zip of files, not of arrays; False also where it cannot be opened."""
    return _zip_source(path, settings or Settings()) is not None


@dataclass(frozen=True)
class _Batch:
    """The image files of one folder or zip, or one file that was named directly."""

    files: list[Path]
    root: Path | None = None
    name: str = ""


def _batches(
    paths: Iterable[str | Path], settings: Settings, unpack_to: Path, *, keep_unusable: bool = False
) -> Iterator[_Batch]:
    unpacked = 0
    for path in map(Path, paths):
        try:
            batch = _batch(path, settings, unpack_to, already=unpacked)
        except ReadError:
            if not keep_unusable:
                raise
            batch = _Batch([path])
        unpacked += len(batch.files) if batch.root not in (None, path) else 0
        yield batch


def _batch(path: Path, settings: Settings, unpack_to: Path, *, already: int) -> _Batch:
    if path.is_dir():
        return _Batch(_images_in(path, path, settings), path, path.resolve().name)
    source = _zip_source(path, settings)
    if source is None:
        return _Batch([path])
    folder = _unpack(source, settings, unpack_to, already=already)
    return _Batch(_images_in(folder, path, settings), folder, path.stem)


def _zip_source(path: Path, settings: Settings) -> Source | None:
    """The file if it is a zip of files, not of arrays; None otherwise, also where it cannot be opened."""
    try:
        source = open_source(path, settings)
    except ReadError:
        return None
    return source if source.head.startswith(ZIP_MAGICS) and find_reader(source) is None else None


def _images_in(folder: Path, shown: Path, settings: Settings) -> list[Path]:
    images = [path for path in _visible_files(folder) if _is_image(path, settings)]
    if not images:
        raise UnsupportedImageError(
            f"{shown.name or shown}: it holds no image that can be read. Put PNG, JPEG, TIFF, DICOM, NIfTI, NRRD, MHA "
            "or NPY files into it; zips inside it are not opened."
        )
    return images


def _visible_files(folder: Path) -> list[Path]:
    files = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        files += [Path(parent, name) for name in names if not _is_hidden(name)]
    return sorted(files, key=lambda path: path.relative_to(folder).parts)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == SKIPPED_FOLDER


def _is_image(path: Path, settings: Settings) -> bool:
    try:
        source = open_source(path, settings)
    except ImageTooLargeError:
        return True  # reading it says why it cannot be taken
    except ReadError:
        return False
    return find_reader(source) is not None and not is_media_directory(source)


def _unpack(source: Source, settings: Settings, unpack_to: Path, *, already: int) -> Path:
    """Write a zip's files into a new folder."""
    folder: Path | None = None
    try:
        with zipfile.ZipFile(source.path) as archive:
            members = _safe_members(archive.infolist(), source, settings, already)
            unpack_to.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=f"{source.name[:40]}-", dir=unpack_to))
            for member in members:
                _write(archive, member, folder)
    except ReadError:
        raise
    except Exception:  # zipfile and zlib raise many kinds on damaged archives
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise DamagedFileError(
            f"{source.label}: the zip cannot be unpacked; it is damaged, or names in it cannot be written here. "
            "Pack it again."
        ) from None
    return folder


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    target = folder / member.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    # A member never yields more than the size it states, on which the limits rest: zipfile stops there.
    with archive.open(member) as packed, target.open("xb") as file:
        shutil.copyfileobj(packed, file)


def _safe_members(
    members: list[zipfile.ZipInfo], source: Source, settings: Settings, already: int
) -> list[zipfile.ZipInfo]:
    for member in members:
        _check_member(member, source)
    files = [m for m in members if not m.is_dir() and not any(map(_is_hidden, PurePosixPath(m.filename).parts))]
    if already + len(files) > MOST_FILES:
        raise ImageTooLargeError(
            f"{source.label}: with its {len(files)} files there are more than the {MOST_FILES} that are unpacked. "
            "Pack fewer images at once."
        )
    unpacked, packed = sum(m.file_size for m in files), sum(m.compress_size for m in files)
    is_bomb = unpacked > RATIO_COUNTS_FROM and unpacked > MAX_RATIO * max(packed, 1)
    if unpacked > settings.max_file_mb * MIB or is_bomb:
        raise ImageTooLargeError(
            f"{source.label}: its {source.size / MIB:.1f} MiB would unpack to {unpacked / MIB:.0f} MiB, more than the "
            f"{settings.max_file_mb} MiB or {MAX_RATIO} times its size that are unpacked. Pack fewer images at once."
        )
    return files


def _check_member(member: zipfile.ZipInfo, source: Source) -> None:
    name = PurePosixPath(member.filename)
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    if is_link or name.is_absolute() or ".." in name.parts or "\\" in member.filename or ":" in member.filename:
        raise UnsupportedImageError(
            f"{source.label}: a file in the zip points outside of it, so nothing was unpacked. Pack the images alone."
        )
    if member.flag_bits & ENCRYPTED:
        raise UnsupportedImageError(f"{source.label}: the zip is encrypted. Pack the images without a password.")
    if member.compress_type not in METHODS:
        raise UnsupportedImageError(
            f"{source.label}: the zip uses a rare kind of compression. Pack the images as an ordinary (deflate) zip."
        )
