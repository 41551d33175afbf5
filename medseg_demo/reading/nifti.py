"""NIfTI-1, NIfTI-2 and their .hdr and .img pairs, plain or gzipped.

nibabel parses the header, after its size was checked. The voxels are read here, since nibabel neither reads a gzip
stream to its checksum nor bounds what it unpacks.

Source: NIfTI-1.1 header, https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h; NIfTI-2,
https://nifti.nimh.nih.gov/pub/dist/doc/nifti2.h.
"""

import contextlib
import gzip
import math
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from medseg_demo import names
from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.image import Geometry
from medseg_demo.reading.nifti_geometry import locate
from medseg_demo.reading.raw import Layout, Raw, Samples
from medseg_demo.reading.source import MIB, Source, check_bytes, check_size, open_beside, read_into

# A header's mark, where it stands, and nibabel's class of such files.
MARKS = {
    b"n+1\0": (344, "Nifti1Image"),
    b"ni1\0": (344, "Nifti1Pair"),
    b"n+2\0": (4, "Nifti2Image"),
    b"ni2\0": (4, "Nifti2Pair"),
}
ANALYZE_STARTS = (b"\x5c\1\0\0", b"\0\0\1\x5c")  # 348, in either byte order: as NIfTI-1, and without a mark
HEADER_BYTES = 540  # of the longer one, NIfTI-2's
LINE_ENDS = (bytes(4), b"\r\n\x1a\n")  # NIfTI-2's bytes that a transfer as text would change
GZIP_MAGIC = b"\x1f\x8b"
MAX_INFLATION = 1032  # deflate makes at most 258 bytes of two bits
MAX_OFFSET = MAX_TRAILING = 64 * MIB
MOST_DIMENSIONS = 7
MOST_NAMED = 1000
AXIS_NAMES = ("time", "component", "6th axis", "7th axis")


class Header(NamedTuple):
    """What reading the voxels takes."""

    data_name: str | None  # of the file beside the header that holds them; None where they follow it
    offset: int  # bytes before the first
    volume_bytes: int  # of one volume
    claimed: int  # bytes of all volumes
    scale: tuple[float, float] | None  # slope and intercept; None where the stored values are meant as they are
    geometry: Geometry
    notes: tuple[str, ...]


def is_nifti(source: Source) -> bool:
    """Whether the file starts with a NIfTI header, gzipped or not; also Analyze 7.5's, which is refused by name."""
    head = _plain_head(source.head)
    return _mark(head) is not None or head.startswith(ANALYZE_STARTS)


def data_file_names(source: Source) -> tuple[str, ...]:
    """What the file of the voxels of a pair may be called, the likeliest first; empty for single files."""
    head = _plain_head(source.head)
    if _mark(head) in (b"n+1\0", b"n+2\0") or not is_nifti(source):
        return ()
    name = source.path.name
    stem, is_zipped = re.sub(r"(\.(hdr|nii|img))?(\.gz)?$", "", name, flags=re.IGNORECASE), name[-3:].lower() == ".gz"
    endings = sorted(
        (".img", ".img.gz", ".IMG", ".IMG.GZ"),
        key=lambda ending: (ending.isupper() != (".HDR" in name[len(stem) :]), (len(ending) > 4) != is_zipped),
    )
    return tuple(stem + ending for ending in endings if stem + ending != name)


def _plain_head(head: bytes) -> bytes:
    """The first bytes of the header, unpacked; a gzip file may consist of several short members."""
    plain = b"" if head.startswith(GZIP_MAGIC) else head
    while head.startswith(GZIP_MAGIC) and len(plain) < HEADER_BYTES:
        member = zlib.decompressobj(wbits=31)
        try:
            plain += member.decompress(head, HEADER_BYTES - len(plain))
        except zlib.error:
            break
        head = member.unused_data
    return plain


def _mark(head: bytes) -> bytes | None:
    return next((mark for mark, (at, _) in MARKS.items() if head.startswith(mark, at)), None)


def inspect(source: Source) -> Layout:
    """See ``Format.inspect``."""
    fields = _parse(source)
    dtype, samples = _voxel_type(fields, source)
    shape, others = _divide(fields, source)
    scale, notes = _scale(fields, samples)
    geometry, more = locate(fields, shape)
    each = math.prod(shape) * samples * dtype.itemsize
    least = fields.single_vox_offset if fields.is_single else 0
    header = Header(
        data_name=None if fields.is_single else _data_name(source),
        offset=_offset(fields, source, least),
        volume_bytes=each,
        claimed=each * math.prod(others),
        scale=scale,
        geometry=geometry,
        notes=(*notes, *more),
    )
    check_size(shape, source)
    _check_data(source, header)
    return Layout(
        shape=shape,
        dtype=dtype,
        samples=samples,
        volumes=math.prod(others),
        volume_names=_volume_names(others),
        decoded_dtype=_decoded_type(dtype, is_scaled=scale is not None),
        header=header,
    )


def _parse(source: Source) -> Any:
    """The header as nibabel sees it, unmended; its byte order is found by the number of dimensions.

    Raises:
        UnsupportedImageError: It is Analyze's.
        DamagedFileError: It is cut off, or bytes were changed on the way.
    """
    import nibabel

    head = _plain_head(source.head)
    mark = _mark(head)
    if mark is None:
        raise UnsupportedImageError(
            f"{source.label}: it is an Analyze 7.5 header (.hdr and .img), or a NIfTI without its mark. Analyze does "
            "not say left from right. Convert the pair to a single NIfTI file (.nii or .nii.gz)."
        )
    kind = getattr(nibabel, MARKS[mark][1]).header_class
    if len(head) < kind.sizeof_hdr:
        raise DamagedFileError(f"{source.label}: the NIfTI header is cut off. Export or copy the file again.")
    fields = kind(head[: kind.sizeof_hdr], check=False)
    if MARKS[mark][0] == 4 and (int(fields["sizeof_hdr"]) != HEADER_BYTES or head[8:12] not in LINE_ENDS):
        raise _contradiction(source, "its size or its line ends were changed, as by a transfer in text mode")
    return fields


def _voxel_type(fields: Any, source: Source) -> tuple[np.dtype, int]:
    """The type of the stored values, and how many a voxel has: three or four in colour.

    Raises:
        UnsupportedImageError: They are no intensities or colours.
    """
    from nibabel.nifti1 import data_type_codes

    code = int(fields["datatype"])
    dtype = fields.get_data_dtype() if code in data_type_codes.dtype else np.dtype("V1")
    if dtype.names:
        return np.dtype(np.uint8), len(dtype.names)
    if dtype.kind not in "iuf" or not 0 < dtype.itemsize <= 8:
        known = data_type_codes.label.get(code, "unknown to NIfTI")
        raise UnsupportedImageError(
            f"{source.label}: its voxels are of data type {code} ({known}), which is not read. Save them as an integer "
            "type or float32."
        )
    return dtype, 1


def _divide(fields: Any, source: Source) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shape of one volume, and the sizes of the axes that count volumes, the fastest first.

    The fourth axis holds times, the fifth the components of vectors (such as a displacement, or what ITK writes of
    several modalities): volumes to choose from, and never colours.
    """
    dimensions = int(fields["dim"][0])
    if not 1 <= dimensions <= MOST_DIMENSIONS or min(fields["dim"][1 : dimensions + 1]) < 0:
        claimed = " × ".join(str(int(size)) for size in fields["dim"][1 : min(dimensions, MOST_DIMENSIONS) + 1])
        raise _contradiction(source, f"it claims {dimensions} dimensions ({claimed})")
    sizes = tuple(int(size) for size in fields.get_data_shape())  # with FreeSurfer's way to store long axes
    if dimensions < 2:
        raise UnsupportedImageError(
            f"{source.label}: it holds a list of {sizes[0]} numbers, and no image. Save 2 dimensions or more."
        )
    return sizes[:3][::-1], sizes[3:]


def _volume_names(others: tuple[int, ...]) -> tuple[str, ...]:
    named = [(axis, AXIS_NAMES[axis]) for axis, size in enumerate(others) if size > 1]
    count = math.prod(others)
    if not 1 < count <= MOST_NAMED or named == [(0, AXIS_NAMES[0])]:
        return ()
    places = [np.unravel_index(volume, others, order="F") for volume in range(count)]
    return tuple(", ".join(f"{name} {at[axis] + 1}" for axis, name in named) for at in places)


def _scale(fields: Any, samples: int) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """Slope and intercept, as ITK takes them: no slope where it is 0 or not finite, and no intercept likewise."""
    slope, intercept = float(fields["scl_slope"]), float(fields["scl_inter"])
    if samples > 1 or slope == 0 or not math.isfinite(slope):
        return None, ()
    notes = () if math.isfinite(intercept) else ("Its intercept (scl_inter) is no number, and was taken for 0.",)
    scale = slope, 0.0 if notes else intercept
    return None if scale == (1, 0) else scale, notes


def _decoded_type(dtype: np.dtype, *, is_scaled: bool) -> np.dtype:
    """Single precision where values are scaled, or of 64 bits; double where scaled ones would not be kept apart."""
    if is_scaled and (dtype.itemsize > 4 or dtype.str[1:] in ("i4", "u4")):
        return np.dtype(np.float64)
    return np.dtype(np.float32) if is_scaled or dtype.itemsize > 4 else dtype.newbyteorder("=")


def _offset(fields: Any, source: Source, least: int) -> int:
    """The bytes before the first voxel."""
    offset = float(fields["vox_offset"])
    if not least <= offset <= MAX_OFFSET:  # nor NaN
        raise _contradiction(
            source,
            f"its voxels are said to begin at byte {offset:g} (vox_offset), which is within the header or far off",
        )
    return int(offset)


def _data_name(source: Source) -> str:
    candidates = data_file_names(source)
    # Where it is a link, ``open_beside`` looks at what it leads to.
    found = next((name for name in candidates if os.path.lexists(source.path.parent / name)), None)
    if found is None:
        raise UnsupportedImageError(
            f"{source.label}: it is the header of a .hdr and .img pair, and there is no {names.shown(candidates[0])} "
            "beside it. Give both files together, or convert them to a single .nii or .nii.gz file."
        )
    return found


def _contradiction(source: Source, what: str) -> DamagedFileError:
    return DamagedFileError(f"{source.label}: the NIfTI header contradicts itself: {what}. Export or copy it again.")


def _check_data(source: Source, header: Header) -> None:
    """Compare the bytes that the header claims with those of the file, as far as can be told without unpacking.

    Raises:
        DamagedFileError: There are fewer, however well they were packed.
        ImageTooLargeError: All volumes together unpack to more than the limit. They have to be, for the checksum.
    """
    with _opened(source, header) as data:
        is_zipped = data.head.startswith(GZIP_MAGIC)
        if header.offset + header.claimed > data.size * (MAX_INFLATION if is_zipped else 1):
            raise _missing(source, header, "fewer" if is_zipped else max(0, data.size - header.offset))
        if is_zipped:
            check_bytes(header.claimed, source)


def _missing(source: Source, header: Header, stored: int | str) -> DamagedFileError:
    return DamagedFileError(
        f"{source.label}: the file is damaged: its header claims {header.claimed} bytes of voxels, and {stored} are "
        "there. Export or copy it again."
    )


def _opened(source: Source, header: Header) -> contextlib.AbstractContextManager[Source]:
    """The file that holds the voxels."""
    return contextlib.nullcontext(source) if header.data_name is None else open_beside(source, header.data_name)


def read(source: Source, layout: Layout, volumes: Sequence[int]) -> Raw:
    """See ``Format.read``."""
    header: Header = layout.header
    with _opened(source, header) as data, _unpacked(data) as stream:
        array = _read_volumes(stream, source, layout, volumes)
        notes = header.notes + _read_to_the_end(stream, data, source, header)
    samples: Samples = "colour" if layout.samples > 1 else "channels" if len(volumes) > 1 else "one"
    if layout.samples == 4:  # a volume has no background that could shine through
        notes += () if (array[..., 3] == 255).all() else ("The opacity of its colours (RGBA) was left out.",)
        array = array[..., :3]
    return Raw(
        array=array,
        axes=("ZYX" if len(layout.shape) == 3 else "YX") + ("" if samples == "one" else "C"),  # type: ignore[arg-type]
        file_format="NIfTI",
        bit_depth=layout.dtype.itemsize * 8,
        samples=samples,
        channel_names=layout.names_of(volumes) if samples == "channels" else (),
        geometry=header.geometry,
        notes=notes,
    )


@contextlib.contextmanager
def _unpacked(data: Source) -> Iterator[BinaryIO]:
    """The bytes of a file, those of a gzip stream unpacked.

    Raises:
        DamagedFileError: The stream is damaged, by its checksum or its structure.
    """
    data.file.seek(0)
    if not data.head.startswith(GZIP_MAGIC):
        yield data.file
        return
    try:
        with gzip.GzipFile(fileobj=data.file, mode="rb") as stream:
            yield stream  # type: ignore[misc]
    except (gzip.BadGzipFile, zlib.error):
        raise DamagedFileError(
            f"{data.label}: the file is damaged: its gzip stream does not fit its checksum, or breaks off. Export or "
            "copy it again."
        ) from None


def _read_volumes(stream: BinaryIO, source: Source, layout: Layout, volumes: Sequence[int]) -> np.ndarray:
    """(Y, X) or (Z, Y, X), rescaled; the samples of a voxel, or several volumes, last."""
    stored = np.empty((len(volumes), *layout.shape, *[layout.samples] * (layout.samples > 1)), layout.dtype)
    for volume, part in zip(volumes, stored, strict=True):
        begin = volume * part.nbytes
        stream.seek(layout.header.offset + begin)
        there = read_into(stream, part.reshape(-1).data.cast("B"))
        if there != part.nbytes:
            raise _missing(source, layout.header, begin + there)
    values = stored
    if layout.header.scale is not None:
        slope, intercept = layout.header.scale
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found when it becomes an image
            values = np.multiply(
                stored, slope, dtype=np.float64, casting="unsafe", out=np.empty(stored.shape, layout.decoded_dtype)
            )
            values += intercept
    return values[0] if len(volumes) == 1 else np.moveaxis(values, 0, -1)


def _read_to_the_end(stream: BinaryIO, data: Source, source: Source, header: Header) -> tuple[str, ...]:
    """Unpack the rest of a gzip stream, for its checksum, and say what follows the voxels.

    Raises:
        DamagedFileError: Voxels of a later volume are missing, or far too much follows.
    """
    end, place, notes = header.offset + header.claimed, data.size, tuple[str, ...]()
    if stream is not data.file and (place := stream.seek(end)) == end:
        try:
            place = stream.seek(end + MAX_TRAILING + 1)
        except gzip.BadGzipFile as error:
            if "Not a gzipped file" not in str(error):
                raise
            # As gzip itself says: the stream before it is whole.
            notes = ("What follows its gzip stream is none, and was ignored.",)
    if place < end:
        raise _missing(source, header, max(0, place - header.offset))
    if stream is not data.file and place > end + MAX_TRAILING:
        raise DamagedFileError(
            f"{data.label}: far more bytes are there than the voxels that its header claims. Export it again."
        )
    return (*notes, f"{place - end} bytes that follow the voxels were ignored.") if place > end else notes
