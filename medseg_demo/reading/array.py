"""NumPy's NPY and NPZ, without pickles: headers are checked before data are read, objects never loaded."""

import zipfile
from collections.abc import Sequence

from medseg_demo.reading.raw import Layout, Raw
from medseg_demo.reading.source import Source

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK\x03\x04"


def is_npy(source: Source) -> bool:
    """Whether the file starts as an NPY does."""
    return source.head.startswith(NPY_MAGIC)


def is_npz(source: Source) -> bool:
    """Whether the file is a zip of nothing but arrays."""
    if not source.head.startswith(ZIP_MAGIC) or not _first_member(source.head).endswith(b".npy"):
        return False
    try:
        source.file.seek(0)
        with zipfile.ZipFile(source.file) as archive:
            return all(name.endswith(".npy") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return True  # it began as one, and reading it says that it is damaged


def _first_member(head: bytes) -> bytes:
    return head[30 : 30 + int.from_bytes(head[26:28], "little")]


def inspect(source: Source) -> Layout:
    """See ``Format.inspect``."""
    raise NotImplementedError


def read(source: Source, layout: Layout, volumes: Sequence[int]) -> Raw:
    """See ``Format.read``."""
    raise NotImplementedError
