"""A zip is unpacked under limits, and only into a folder of its own."""

import re
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from medseg_demo import names
from medseg_demo.errors import DamagedFileError, ImageTooLargeError, ReadError, UnsupportedImageError
from medseg_demo.reading.source import MIB, Source, open_source
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
DRIVE = re.compile(r"[A-Za-z]:")


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is left out of folders and zips without a word."""
    return name.startswith(".") or name == SKIPPED_FOLDER


def unpack_whole(path: Path, unpack_to: Path, settings: Settings) -> None:
    """Write every file of a zip into a new folder under ``unpack_to``; limits and errors are those of ``unpack``."""
    with open_source(path, settings) as source:
        for _ in unpack(source, unpack_to):
            pass


def unpack(source: Source, unpack_to: Path, *, already: int = 0) -> Iterator[tuple[Path, BinaryIO]]:
    """Write a zip's files into a new folder under ``unpack_to``.

    Args:
        source: The zip.
        unpack_to: Made if missing.
        already: How many files other zips gave; all together are limited.

    Yields:
        Each file's path and its handle, at its first byte and open until the next one is asked for, so that a file can
        be recognised without being opened again.

    Raises:
        UnsupportedImageError: The zip is encrypted, its names point outside of it, or its compression is rare.
        ImageTooLargeError: It exceeds a limit.
        DamagedFileError: It cannot be unpacked; what was written is removed.
    """
    folder: Path | None = None
    try:
        source.file.seek(0)
        with zipfile.ZipFile(source.file) as archive:
            members = _safe_members(archive.infolist(), source, already)
            unpack_to.mkdir(parents=True, exist_ok=True)
            folder = unpack_to / names.safe_stem(source.path.stem, [path.name for path in unpack_to.iterdir()])
            folder.mkdir()  # called as the zip, since names of results may need it
            for member, inside in members:
                target = folder / inside
                target.parent.mkdir(parents=True, exist_ok=True)
                # A member never yields more than the size it states, on which the limits rest: zipfile stops there.
                with archive.open(member) as packed, target.open("x+b") as file:
                    shutil.copyfileobj(packed, file)
                    file.seek(0)
                    yield target, file
    except ReadError:
        raise
    except Exception:  # zipfile and zlib raise many kinds on damaged archives
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise DamagedFileError(
            f"{source.label}: the zip cannot be unpacked. It is damaged, holds one name twice, or names that cannot be "
            "written here. Pack it again."
        ) from None


def _safe_members(
    members: list[zipfile.ZipInfo], source: Source, already: int
) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    inside = [(member, _inside(member, source)) for member in members if not member.is_dir()]
    files = [(member, path) for member, path in inside if not any(map(is_hidden, path.parts))]
    if already + len(files) > MOST_FILES:
        raise ImageTooLargeError(
            f"{source.label}: with its {len(files)} files there are more than the {MOST_FILES} that are unpacked. "
            "Pack fewer files at once."
        )
    unpacked, packed = (sum(getattr(m, size) for m, _ in files) for size in ("file_size", "compress_size"))
    is_bomb = unpacked > RATIO_COUNTS_FROM and unpacked > MAX_RATIO * max(packed, 1)
    if unpacked > source.settings.max_file_mb * MIB or is_bomb:
        raise ImageTooLargeError(
            f"{source.label}: its {source.size / MIB:.1f} MiB would unpack to {unpacked / MIB:.0f} MiB, more than the "
            f"{source.settings.max_file_mb} MiB or {MAX_RATIO} times its size that are unpacked. Pack fewer files at "
            "once."
        )
    return files


def _inside(member: zipfile.ZipInfo, source: Source) -> PurePosixPath:
    """Where a member lies in the zip; Windows programs write backslashes between folders."""
    path = PurePosixPath(member.filename.replace("\\", "/"))
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    if is_link or path.is_absolute() or ".." in path.parts or DRIVE.match(member.filename) or not path.parts:
        raise UnsupportedImageError(
            f"{source.label}: a file in the zip points outside of it, so nothing was unpacked. Pack the files alone."
        )
    if member.flag_bits & ENCRYPTED:
        raise UnsupportedImageError(f"{source.label}: the zip is encrypted. Pack the files without a password.")
    if member.compress_type not in METHODS:
        raise UnsupportedImageError(
            f"{source.label}: the zip uses a rare kind of compression. Pack the files as an ordinary (deflate) zip."
        )
    return path
