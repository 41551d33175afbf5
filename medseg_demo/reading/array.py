"""NumPy's NPY and NPZ, without pickles: headers are checked before data are read, objects never loaded.

An array does not say what its axes are; the rule is that of most programs: channels last, and few of them.
"""

import contextlib
import math
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

import numpy as np

from medseg_demo import names
from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading.raw import Layout, Raw, Samples
from medseg_demo.reading.source import MIB, Source, check_bytes, check_size, read_into

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK\x03\x04"
ENCRYPTED = 0x1
MAX_CHANNELS = 16
MOST_AXES = 5
MAX_TRAILING = 64 * MIB
# What the image is called beside labels or spacings: by us, by np.savez, in the archives of MedSAM.
PREFERRED_NAMES = ("image", "arr_0", "imgs")
COLOUR_NOTE = "Its last axis of three was taken for red, green and blue."


class Header(NamedTuple):
    """What reading the data takes."""

    member: str | None  # the name of the array in an NPZ; None in an NPY
    shape: tuple[int, ...]  # as stored
    is_fortran: bool  # whether the first axis runs fastest
    kept: tuple[int, ...]  # the shape without axes of one that mean nothing
    volume_axis: int | None  # of these, the one along which volumes are chosen
    notes: tuple[str, ...]  # what was left to guess


def is_npy(source: Source) -> bool:
    """Whether the file starts as an NPY does."""
    return source.head.startswith(NPY_MAGIC)


def is_npz(source: Source) -> bool:
    """Whether the file is a zip of nothing but arrays."""
    first = source.head[30 : 30 + int.from_bytes(source.head[26:28], "little")]
    if not source.head.startswith(ZIP_MAGIC) or not first.endswith(b".npy"):
        return False
    try:
        source.file.seek(0)
        with zipfile.ZipFile(source.file) as archive:
            return all(name.endswith(".npy") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return True  # it began as one, and reading it says that it is damaged


def inspect(source: Source) -> Layout:
    """See ``Format.inspect``."""
    if is_npy(source):
        return _inspect_stream(source.file, source.size, source)
    with _archive(source) as archive:
        member, all_names = _choose(archive.infolist(), source)
        with archive.open(member) as file:
            return _inspect_stream(file, member.file_size, source, member.filename, all_names)


@contextlib.contextmanager
def _archive(source: Source) -> Iterator[zipfile.ZipFile]:
    """The archive of an NPZ.

    Raises:
        DamagedFileError: It, or a member, is damaged.
        UnsupportedImageError: It is packed in a way that zipfile cannot unpack.
    """
    try:
        source.file.seek(0)
        with zipfile.ZipFile(source.file) as archive:
            yield archive
    except NotImplementedError:
        raise UnsupportedImageError(
            f"{source.label}: the NPZ is packed by a method that is not read. Save it with np.savez_compressed."
        ) from None
    except (zipfile.BadZipFile, zlib.error):
        raise DamagedFileError(
            f"{source.label}: the NPZ is damaged: its zip cannot be unpacked, or does not fit its checksum. Export or "
            "copy it again."
        ) from None


def _choose(members: list[zipfile.ZipInfo], source: Source) -> tuple[zipfile.ZipInfo, tuple[str, ...]]:
    """The image, and the names of all arrays where there are several."""
    arrays = {member.filename.removesuffix(".npy"): member for member in members}
    shown = tuple(sorted(map(names.shown, arrays)))
    if len(arrays) < len(members):
        raise UnsupportedImageError(f"{source.label}: it holds two arrays of one name. Save the image alone.")
    chosen = next((arrays[name] for name in PREFERRED_NAMES if name in arrays), members[0])
    if len(arrays) > 1 and chosen.filename.removesuffix(".npy") not in PREFERRED_NAMES:
        raise UnsupportedImageError(
            f"{source.label}: it holds {len(arrays)} arrays ({', '.join(shown[:10])}). "
            "Save the image alone, or name it 'image'."
        )
    if chosen.flag_bits & ENCRYPTED:
        raise UnsupportedImageError(f"{source.label}: the NPZ is encrypted. Save it without a password.")
    return chosen, shown if len(arrays) > 1 else ()


def _inspect_stream(
    file: IO[bytes], size: int, source: Source, member: str | None = None, all_names: tuple[str, ...] = ()
) -> Layout:
    """The claims of one NPY stream of ``size`` bytes."""
    shape, is_fortran, dtype = _parse(file, source)
    _check_type(dtype, source)
    kept, spatial, volume_axis = _divide(shape, dtype, source)
    check_size(spatial, source)
    claimed, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    check_bytes(claimed, source)
    if claimed > there:
        raise _missing(source, claimed, max(0, there))
    if there - claimed > MAX_TRAILING:
        raise DamagedFileError(f"{source.label}: far more bytes are there than its header claims. Save it again.")
    notes = [f"{there - claimed} bytes that follow the array were ignored."] if there > claimed else []
    if member is not None and all_names:
        chosen = names.shown(member).removesuffix(".npy")
        notes.append(f"Of its arrays ({', '.join(all_names[:10])}) {chosen!r} was read.")
    return Layout(
        shape=spatial,
        dtype=dtype,
        samples=3 if volume_axis is None and len(kept) > len(spatial) else 1,
        volumes=1 if volume_axis is None else kept[volume_axis],
        decoded_dtype=np.dtype(np.float32) if dtype.itemsize > 4 else dtype.newbyteorder("="),
        alternatives=all_names,
        header=Header(member, shape, is_fortran, kept, volume_axis, tuple(notes)),
    )


def _parse(file: IO[bytes], source: Source) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and type of an NPY stream, which then stands at its first value."""
    try:
        version = np.lib.format.read_magic(file)
        # The third version differs from the second in the letters that names of fields may have, which are not read.
        parse = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, is_fortran, dtype = parse(file)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        raise DamagedFileError(
            f"{source.label}: the header of the array cannot be read: it is damaged, or longer than that of any plain "
            "array. Save it again with np.save."
        ) from None
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise UnsupportedImageError(f"{source.label}: NPY version {version} is not read. Save it again with np.save.")
    return tuple(int(size) for size in shape), is_fortran, dtype


def _check_type(dtype: np.dtype, source: Source) -> None:
    if dtype.hasobject:
        raise UnsupportedImageError(
            f"{source.label}: it holds pickled Python objects, which are never loaded, since they can run any code. "
            "Save a plain numeric array, such as float32."
        )
    if dtype.kind not in "biuf":
        kind = "a record of fields" if dtype.kind == "V" else str(dtype)
        raise UnsupportedImageError(
            f"{source.label}: values of type {kind} are not intensities. Save real numbers, such as float32."
        )


def _divide(
    shape: tuple[int, ...], dtype: np.dtype, source: Source
) -> tuple[tuple[int, ...], tuple[int, ...], int | None]:
    """The shape without axes of one that mean nothing, that of one volume, and the axis along which volumes lie.

    Where no axis counts volumes, and one is left over, it holds red, green and blue.

    Raises:
        UnsupportedImageError: The axes are none of an image's or volume's.
    """
    if min(shape, default=1) < 1:
        raise UnsupportedImageError(f"{source.label}: the array of shape {shape} is empty. Save it again.")
    kept, is_spatial = shape, len(shape) > 3 and shape[-1] == 1  # what a channel axis follows is none itself
    if 2 < len(kept) <= MOST_AXES and kept[-1] == 1:  # one channel
        kept = kept[:-1]
    while 3 < len(kept) <= MOST_AXES and kept[0] == 1 and not (len(kept) == 4 and kept[-1] <= MAX_CHANNELS):
        kept = kept[1:]  # one volume, or one channel before it
    if len(kept) == 2 or (len(kept) == 3 and (is_spatial or kept[-1] > MAX_CHANNELS)):
        return kept, kept, None
    if len(kept) in (3, 4) and kept[-1] <= MAX_CHANNELS:
        is_colour = kept[-1] == 3 and dtype.str[1:] in ("u1", "u2", "f2", "f4", "f8")
        return kept, kept[:-1], None if is_colour else len(kept) - 1
    if len(kept) == 4 and kept[0] <= MAX_CHANNELS:
        return kept, kept[1:], 0
    raise UnsupportedImageError(
        f"{source.label}: an array of shape {shape} is no image or volume. Save (Y, X), (Z, Y, X), (Y, X, channels), "
        f"(Z, Y, X, channels) or (channels, Z, Y, X); up to {MAX_CHANNELS} are taken for channels."
    )


def _missing(source: Source, claimed: int, stored: int) -> DamagedFileError:
    return DamagedFileError(
        f"{source.label}: the file is damaged: its header claims {claimed} bytes of data, and {stored} are there. Save "
        "it again."
    )


def read(source: Source, layout: Layout, volumes: Sequence[int]) -> Raw:
    """See ``Format.read``."""
    header: Header = layout.header
    if header.member is None:
        array = _read_stream(source.file, source, layout)
    else:
        with _archive(source) as archive, archive.open(header.member) as file:
            array = _read_stream(file, source, layout)
            while file.read(MIB):
                pass  # to its end, for the checksum
    samples: Samples = "colour" if layout.samples > 1 else "channels" if len(volumes) > 1 else "one"
    if header.volume_axis is not None:
        channels = np.moveaxis(array, header.volume_axis, -1)
        array = channels[..., volumes[0]] if samples == "one" else channels[..., list(volumes)]
    guesses = []
    if samples == "colour" and layout.dtype != np.uint8:
        guesses.append(COLOUR_NOTE)
    if samples == "one" and layout.volumes == 1 and len(layout.shape) == 3 and 2 <= layout.shape[0] <= 4:
        guesses.append(
            f"Its first axis was taken for {layout.shape[0]} slices. If it holds colours or channels, save them as the "
            "last axis."
        )
    return Raw(
        array=array,
        axes=("ZYX" if len(layout.shape) == 3 else "YX") + ("" if samples == "one" else "C"),  # type: ignore[arg-type]
        file_format="NPY" if header.member is None else "NPZ",
        bit_depth=1 if layout.dtype.kind == "b" else layout.dtype.itemsize * 8,
        samples=samples,
        channel_names=tuple(f"channel {volume + 1}" for volume in volumes) if samples == "channels" else (),
        notes=header.notes,
        image_notes=tuple(guesses),
    )


def _read_stream(file: IO[bytes], source: Source, layout: Layout) -> np.ndarray:
    """The array without its axes of one."""
    header: Header = layout.header
    _parse(file, source)
    flat = np.empty(math.prod(header.shape), layout.dtype)
    stored = read_into(file, flat.data.cast("B"))
    if stored != flat.nbytes:
        raise _missing(source, flat.nbytes, stored)
    return flat.reshape(header.shape, order="F" if header.is_fortran else "C").reshape(header.kept)
