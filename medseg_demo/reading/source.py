"""A file that is about to be read: opened once, its first bytes, and how a failure of a decoder is put into words."""

import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from medseg_demo import names
from medseg_demo.errors import DamagedFileError, ImageTooLargeError, ReadError, UnsupportedImageError
from medseg_demo.reading.stack import is_item, open_item
from medseg_demo.settings import Settings

HEAD_BYTES = 16_384
MIB = 2**20


@dataclass(frozen=True, eq=False)
class Source:
    """One file on disk, open for as long as it is inspected or read.

    Attributes:
        path: Where it lies. What a detached header names is looked for in its folder, and nowhere else.
        file: Its bytes, from the first on; readers move in it as they like.
        head: Its first bytes, enough to tell its kind.
        size: Its length in bytes.
        settings: The limits.
    """

    path: Path
    file: BinaryIO
    head: bytes
    size: int
    settings: Settings

    @property
    def label(self) -> str:
        """The file's name, for messages."""
        return names.shown(self.path.name)

    @property
    def name(self) -> str:
        """The file's stem."""
        return names.stem(self.path)


@contextmanager
def open_source(path: str | Path, settings: Settings) -> Iterator[Source]:
    """Open a file and look at its first bytes.

    Raises:
        ReadError: It does not exist, is a folder or no regular file (a pipe, a device), or may not be read.
        DamagedFileError: It is empty.
        ImageTooLargeError: It is longer than ``settings.max_file_mb``.
    """
    path = Path(path)
    if is_item(path):
        with open_item(path) as item:
            yield as_source(path, item, item.getbuffer().nbytes, settings)
        return
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise OSError(0, "it is a folder" if stat.S_ISDIR(state.st_mode) else "it is no regular file")
        file = path.open("rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable file name"
        label = names.shown(path.name)
        raise ReadError(f"{label}: the file cannot be opened ({reason}). Check its path and permissions.") from None
    with file:
        yield as_source(path, file, state.st_size, settings)


def as_source(path: Path, file: BinaryIO, size: int, settings: Settings) -> Source:
    """A file that is open already, at its first byte.

    Raises:
        ReadError: It cannot be read.
        DamagedFileError: It is empty.
        ImageTooLargeError: It is longer than ``settings.max_file_mb``.
    """
    try:
        head = file.read(HEAD_BYTES)
    except OSError as error:  # of what is called a file and is none, such as an attribute of a process
        label, reason = names.shown(path.name), error.strerror or "no reason was given"
        raise ReadError(f"{label}: the file cannot be read ({reason}). Check its path and permissions.") from None
    source = Source(path, file, head, size, settings)
    if not source.head:
        raise DamagedFileError(f"{source.label}: the file is empty. Export or copy it again.")
    if source.size > settings.max_file_mb * MIB:
        raise ImageTooLargeError(
            f"{source.label}: the file has {source.size / MIB:.0f} MiB, and at most {settings.max_file_mb} MiB are "
            "read. Crop or compress it, or raise MEDSEG_MAX_FILE_MB."
        )
    file.seek(0)
    return source


def is_folder(path: Path) -> bool:
    """Whether a folder lies there; of a name that no file can have it is False, where pathlib raises an error."""
    return os.path.isdir(path)  # noqa: PTH112


@contextmanager
def open_beside(source: Source, name: str) -> Iterator[Source]:
    """Open the file that a detached header names, in the header's own folder and nowhere else.

    Args:
        source: The header.
        name: The other file's name.

    Raises:
        UnsupportedImageError: The name leads out of the folder, be it by a path or by a symbolic link.
        ReadError: As ``open_source``.
    """
    folder, path = source.path.parent, source.path.parent / name
    try:
        is_inside = Path(name).name == name and path.resolve().parent == folder.resolve()
    except (OSError, RuntimeError, ValueError):
        is_inside = False
    if not is_inside:
        raise UnsupportedImageError(
            f"{source.label}: its data are said to lie in another folder, and only files beside it are read. "
            "Put both into one folder."
        )
    with open_source(path, source.settings) as data:
        yield data


def read_into(file: IO[bytes], buffer: memoryview) -> int:
    """Fill a buffer of bytes, however large, from a file that may return less than it is asked for.

    Returns:
        How many bytes there were; fewer than the buffer holds where the file ends.
    """
    stored = 0
    while stored < len(buffer):
        count = file.readinto(buffer[stored : stored + 16 * MIB])  # type: ignore[attr-defined]
        if not count:
            break
        stored += count
    return stored


def check_size(shape: tuple[int, ...], source: Source) -> None:
    """Refuse an image of more than ``max_megapixels`` and a volume of more than ``max_megavoxels``.

    Raises:
        ImageTooLargeError: It is.
    """
    is_volume = len(shape) > 2
    limit = source.settings.max_megavoxels if is_volume else source.settings.max_megapixels
    if math.prod(shape) > limit * 1_000_000:
        sizes = " × ".join(str(size) for size in reversed(shape))
        unit, variable = ("voxels", "MAX_MEGAVOXELS") if is_volume else ("pixels", "MAX_MEGAPIXELS")
        raise ImageTooLargeError(
            f"{source.label}: {sizes} {unit} are claimed, and at most {limit} million are read. "
            f"Crop or shrink it, or raise MEDSEG_{variable}."
        )


def check_bytes(size: int, source: Source) -> None:
    """Refuse what takes more than ``max_decoded_mb`` once it is unpacked and converted.

    Raises:
        ImageTooLargeError: It does.
    """
    check_decoded(size, source.label, source.settings)


def check_decoded(size: int, label: str, settings: Settings) -> None:
    """As ``check_bytes``, for what is no single file."""
    if size > settings.max_decoded_mb * MIB:
        raise ImageTooLargeError(
            f"{label}: unpacked it takes {size / MIB:.0f} MiB, and at most {settings.max_decoded_mb} MiB are read. "
            "Crop it, store it with fewer bits a voxel, or raise MEDSEG_MAX_DECODED_MB."
        )


@contextmanager
def decoding(source: Source, file_format: str) -> Iterator[None]:
    """Turn whatever a decoder raises inside the block into a ReadError.

    Decoders raise nearly every kind of exception on damaged files, and quote the file's content in the message
    (pydicom: tag values, so patient data). Neither the message nor the chain of causes is therefore kept. Readers name
    what they know; this is for the rest, of which nobody can say whether the file or the decoder is at fault.

    Raises:
        ReadError: As raised inside the block.
        ImageTooLargeError: There was not enough memory.
        DamagedFileError: The bytes end too early, or anything else was raised.
    """
    failure: ReadError
    try:
        yield
        return
    except ReadError:
        raise
    except MemoryError:
        failure = ImageTooLargeError(f"{source.label}: there is not enough memory to decode the file. Crop it.")
    except EOFError:
        failure = DamagedFileError(
            f"{source.label}: the {file_format} file is damaged: it ends too early. Export or copy it again."
        )
    except Exception:
        failure = DamagedFileError(
            f"{source.label}: the {file_format} file cannot be decoded. Bytes are missing or contradict each other, or "
            "it uses a feature that is not read here. Export it again, without compression where there is a choice."
        )
    raise failure from None
