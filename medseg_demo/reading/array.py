"""NumPy's NPY and NPZ, without pickles: headers are checked before data are read, objects never loaded."""

import math
import zipfile
from typing import IO

import numpy as np

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.image import MedicalImage
from medseg_demo.reading.intensities import build_image, check_size, settle_channels
from medseg_demo.reading.source import Source, decoding
from medseg_demo.settings import Settings

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK\x03\x04"
MAX_CHANNELS = 16
PREFERRED_NAMES = ("image", "arr_0")
AXES_RULE = (
    "Save (Y, X), (Y, X, channels) with 1, 3 or 4 channels, (Z, Y, X) or (Z, Y, X, 3); a last axis of up to "
    f"{MAX_CHANNELS} is taken for channels."
)


def is_npy(source: Source) -> bool:
    """Whether the file starts as an NPY does."""
    return source.head.startswith(NPY_MAGIC)


def is_npz(source: Source) -> bool:
    """Whether the file is a zip of nothing but arrays."""
    if not source.head.startswith(ZIP_MAGIC) or not _first_member(source.head).endswith(b".npy"):
        return False
    try:
        with zipfile.ZipFile(source.path) as archive:
            return all(name.endswith(".npy") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return True  # it began as one, and reading it says that it is damaged


def _first_member(head: bytes) -> bytes:
    return head[30 : 30 + int.from_bytes(head[26:28], "little")]


def read_npy(source: Source, settings: Settings) -> MedicalImage:
    """Read one array.

    Raises:
        ReadError: See medseg_demo.errors.
    """
    with decoding(source, "NPY"), source.path.open("rb") as file:
        pixels, is_volume = _read_array(file, source, settings)
    return _finish(source, pixels, file_format="NPY", is_volume=is_volume)


def read_npz(source: Source, settings: Settings) -> MedicalImage:
    """Read the only array of an archive, or the one named ``image`` or ``arr_0``.

    Raises:
        ReadError: See medseg_demo.errors.
    """
    with decoding(source, "NPZ"), zipfile.ZipFile(source.path) as archive:
        member = _choose(archive.infolist(), source)
        with archive.open(member) as file:
            pixels, is_volume = _read_array(file, source, settings)
    return _finish(source, pixels, file_format="NPZ", is_volume=is_volume)


def _choose(members: list[zipfile.ZipInfo], source: Source) -> zipfile.ZipInfo:
    arrays = {member.filename.removesuffix(".npy"): member for member in members}
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    for name in PREFERRED_NAMES:
        if name in arrays:
            return arrays[name]
    raise UnsupportedImageError(
        f"{source.label}: it holds {len(arrays)} arrays ({', '.join(sorted(arrays)[:10])}). "
        "Save the image alone, or name it 'image'."
    )


def _read_array(file: IO[bytes], source: Source, settings: Settings) -> tuple[np.ndarray, bool]:
    """One NPY stream as (Y, X), (Y, X, C), (Z, Y, X) or (Z, Y, X, C), and whether the first axis is that of slices."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise UnsupportedImageError(f"{source.label}: NPY version {version} is not read. Save a plain numeric array.")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran_order, dtype = read_header(file)
    _check_dtype(dtype, source)
    is_volume = _check_axes(shape, source)
    check_size(shape[: 3 if is_volume else 2], source, settings)
    pixels = np.empty(math.prod(shape), dtype)
    stored = file.readinto(pixels.data.cast("B"))  # type: ignore[attr-defined]
    if stored != pixels.nbytes:
        raise DamagedFileError(
            f"{source.label}: the header claims {pixels.nbytes} bytes of data, and {stored} are there. Save it again."
        )
    return (pixels.reshape(shape[::-1]).T if fortran_order else pixels.reshape(shape)), is_volume


def _check_dtype(dtype: np.dtype, source: Source) -> None:
    if dtype.hasobject:
        raise UnsupportedImageError(
            f"{source.label}: it holds pickled Python objects, which are never loaded, since they can run any code. "
            "Save a plain numeric array, such as float32."
        )
    if dtype.kind not in "biuf":
        raise UnsupportedImageError(
            f"{source.label}: values of type {dtype} are not intensities. Save real numbers, such as float32."
        )


def _check_axes(shape: tuple[int, ...], source: Source) -> bool:
    """Whether an array is a volume."""
    if len(shape) in (2, 3, 4) and 0 in shape:
        raise UnsupportedImageError(f"{source.label}: the array of shape {shape} is empty. Save it again.")
    if len(shape) == 2:
        return False
    if len(shape) == 3:
        has_channels = shape[2] <= MAX_CHANNELS
        if has_channels and shape[2] not in (1, 3, 4):
            raise UnsupportedImageError(f"{source.label}: shape {shape} means {shape[2]} channels. {AXES_RULE}")
        return not has_channels
    if len(shape) == 4 and shape[3] == 3:
        return True
    raise UnsupportedImageError(f"{source.label}: an array of shape {shape} is no image or volume. {AXES_RULE}")


def _finish(source: Source, pixels: np.ndarray, *, file_format: str, is_volume: bool) -> MedicalImage:
    bits = 1 if pixels.dtype.kind == "b" else pixels.dtype.itemsize * 8
    notes: tuple[str, ...] = ()
    if is_volume and pixels.ndim == 3 and pixels.shape[0] == 3:
        notes = ("Its first axis was taken for 3 slices. If it holds the colours, save them as the last axis.",)
    if not is_volume and pixels.ndim == 3:
        pixels, notes = settle_channels(pixels, source)
    return build_image(source, pixels, file_format=file_format, bit_depth=bits, is_volume=is_volume, notes=notes)
