"""One array that holds the images of many cases, or their label maps: N × H × W, or N × H × W × C.

Item 12 of ``images.npy`` is named by the path ``images.npy/012``, and opened as if it were a file: what reads it is the
reader of NPY, and nothing else of the array is loaded.
"""

import io
from pathlib import Path

import numpy as np

from medseg_demo import names
from medseg_demo.errors import DamagedFileError, UnsupportedImageError

SUFFIX = ".npy"
MOST_ITEMS = 100_000
LEAST_AXES, MOST_AXES = 3, 5  # up to volumes of several channels


def items_of(path: Path) -> tuple[Path, ...]:
    """The paths of an array's items, in its order.

    Raises:
        ReadError: It is no array of several images.
    """
    shape, label = _opened(path).shape, names.shown(path.name)
    if not LEAST_AXES <= len(shape) <= MOST_AXES or 0 in shape:
        raise UnsupportedImageError(
            f"{label}: an array of shape {shape} holds no images one after the other. Save (N, Y, X) or "
            "(N, Y, X, channels)."
        )
    if shape[0] > MOST_ITEMS:
        raise UnsupportedImageError(f"{label}: it holds {shape[0]} images, and at most {MOST_ITEMS} are read.")
    digits = len(str(shape[0] - 1))
    return tuple(path / f"{number:0{digits}}" for number in range(shape[0]))


def is_item(path: Path) -> bool:
    """Whether a path names an item of an array."""
    return path.name.isascii() and path.name.isdecimal() and path.suffix == "" and _is_array(path.parent)


def open_item(path: Path) -> io.BytesIO:
    """An item as the bytes of an NPY of its own.

    Raises:
        ReadError: The array is damaged, or has no such item.
    """
    array, number = _opened(path.parent), int(path.name)
    if array.ndim < LEAST_AXES or number >= len(array):
        raise UnsupportedImageError(f"{names.shown(path.parent.name)}: there is no item {number} in it.")
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array[number]), allow_pickle=False)
    buffer.seek(0)
    return buffer


def open_bytes(path: Path) -> io.BytesIO | io.BufferedReader:
    """A file's bytes, or those of an item.

    Raises:
        OSError: There is no such file.
        ReadError: As of ``open_item``.
    """
    return open_item(path) if is_item(path) else path.open("rb")


def _is_array(path: Path) -> bool:
    return path.suffix.lower() == SUFFIX and path.is_file()


def _opened(path: Path) -> np.memmap:
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, TypeError, SyntaxError, RecursionError, OverflowError):
        raise DamagedFileError(
            f"{names.shown(path.name)}: the array cannot be read: it is damaged, or holds no plain numbers. Save it "
            "again with np.save."
        ) from None
