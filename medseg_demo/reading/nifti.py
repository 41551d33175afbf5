"""NIfTI-1, NIfTI-2 and their .hdr and .img pairs, plain or gzipped.

nibabel reads the header, after its sizes were checked. The voxels are read here, since nibabel neither notices that a
gzip stream is damaged behind them nor bounds what it unpacks.

Source: NIfTI-1.1 header, https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h; NIfTI-2,
https://nifti.nimh.nih.gov/pub/dist/doc/nifti2.h.
"""

import gzip
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from medseg_demo import names
from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.image import Geometry
from medseg_demo.reading.nifti_header import (
    VERSIONS,
    data_offset,
    divide,
    find_version,
    is_analyze,
    is_pair,
    locate,
    parse,
    scaling,
    stored_sizes,
    voxel_type,
)
from medseg_demo.reading.raw import Layout, Raw, Samples
from medseg_demo.reading.source import MIB, Source, check_bytes, check_size, open_beside, read_into

GZIP_MAGIC = b"\x1f\x8b"
HEADER_BYTES = 540  # NIfTI-2's; NIfTI-1's has 348
MAX_TRAILING = 64 * MIB
MAX_INFLATION = 1032  # deflate makes at most 258 bytes of two bits


@dataclass(frozen=True, eq=False)
class Header:
    """What reading the voxels takes.

    Attributes:
        data_name: The file beside the header that holds them; None where they follow it.
        offset: Bytes before the first.
        slope: With ``intercept``, for the stored values; 1 and 0 where the header states none.
        intercept: See ``slope``.
        geometry: Where they lie.
        notes: What the header leaves to guess.
    """

    data_name: str | None
    offset: int
    slope: float
    intercept: float
    geometry: Geometry
    notes: tuple[str, ...]

    @property
    def is_scaled(self) -> bool:
        """Whether the stored values are not the meant ones."""
        return (self.slope, self.intercept) != (1, 0)


def is_nifti(source: Source) -> bool:
    """Whether the file starts with a NIfTI header, gzipped or not; also Analyze 7.5's, which is refused by name."""
    head = _plain_head(source.head)
    return find_version(head) is not None or is_analyze(head)


def data_file_names(source: Source) -> tuple[str, ...]:
    """What the file of the voxels of a pair may be called, the likeliest first; empty for single files."""
    head = _plain_head(source.head)
    version = find_version(head)
    if version is None and not is_analyze(head):
        return ()
    if version is not None and not is_pair(head, version):
        return ()
    name = source.path.name
    is_zipped = name.lower().endswith(".gz")
    plain = name[:-3] if is_zipped else name
    stem = plain[:-4] if plain.lower().endswith((".hdr", ".nii", ".img")) else plain
    endings = (".img.gz", ".img") if is_zipped else (".img", ".img.gz")
    upper = tuple(ending.upper() for ending in endings)
    candidates = (stem + ending for ending in (upper + endings if plain.endswith(".HDR") else endings + upper))
    return tuple(candidate for candidate in candidates if candidate != name)


def _plain_head(head: bytes) -> bytes:
    """The first bytes of the header, unpacked; a gzip file may consist of several short members."""
    plain = b""
    if not head.startswith(GZIP_MAGIC):
        return head
    while head.startswith(GZIP_MAGIC) and len(plain) < HEADER_BYTES:
        member = zlib.decompressobj(wbits=31)
        try:
            plain += member.decompress(head, HEADER_BYTES - len(plain))
        except zlib.error:
            break
        head = member.unused_data
    return plain


def inspect(source: Source) -> Layout:
    """See ``Format.inspect``."""
    head = _plain_head(source.head)
    version = find_version(head)
    if version is None:
        raise UnsupportedImageError(
            f"{source.label}: it is an Analyze 7.5 header (.hdr and .img), or a NIfTI without its mark. Analyze does "
            "not say left from right. Convert the pair to a single NIfTI file (.nii or .nii.gz)."
        )
    if len(head) < VERSIONS[version][0]:
        raise DamagedFileError(f"{source.label}: the NIfTI header is cut off. Export or copy the file again.")
    fields = parse(head, version, source)
    sizes = stored_sizes(fields, source)
    dtype, samples = voxel_type(fields, source)
    shape, volumes, volume_names = divide(sizes, source)
    slope, intercept, notes = scaling(fields, samples)
    geometry, more = locate(fields, shape)
    header = Header(
        data_name=_data_name(source) if is_pair(head, version) else None,
        offset=data_offset(fields, version, source, is_pair=is_pair(head, version)),
        slope=slope,
        intercept=intercept,
        geometry=geometry,
        notes=(*notes, *more),
    )
    layout = Layout(
        shape=shape,
        dtype=dtype,
        samples=samples,
        volumes=volumes,
        volume_names=volume_names,
        decoded_dtype=_decoded_type(dtype, header),
        header=header,
    )
    _check_data(source, layout)
    return layout


def _data_name(source: Source) -> str:
    candidates = data_file_names(source)
    # Not following links: what such a name leads to is looked at when it is opened.
    there = (name for name in candidates if (source.path.parent / name).is_symlink() or _exists(source, name))
    found = next(there, None)
    if found is None:
        raise UnsupportedImageError(
            f"{source.label}: it is the header of a .hdr and .img pair, and there is no {names.shown(candidates[0])} "
            "beside it. Give both files together, or convert them to a single .nii or .nii.gz file."
        )
    return found


def _exists(source: Source, name: str) -> bool:
    try:
        return (source.path.parent / name).exists()
    except (OSError, ValueError):
        return False


def _decoded_type(dtype: np.dtype, header: Header) -> np.dtype:
    """The type of the values that are handed over; 64-bit types become 32 bits later, which takes as much again."""
    if header.is_scaled:
        return _scaled_type(dtype)
    return np.dtype(np.float32) if dtype.itemsize > 4 else dtype.newbyteorder("=")


def _scaled_type(dtype: np.dtype) -> np.dtype:
    """Single precision, but for stored values that it would not keep apart."""
    return np.dtype(np.float64 if dtype.itemsize > 4 or (dtype.kind in "iu" and dtype.itemsize == 4) else np.float32)


def _check_data(source: Source, layout: Layout) -> None:
    """Compare the bytes that the header claims with those of the file, as far as can be told without unpacking.

    Raises:
        DamagedFileError: There are fewer, however well they were packed.
        ImageTooLargeError: All volumes together unpack to more than the limit. They have to be, for the checksum.
    """
    check_size(layout.shape, source)
    volume = math.prod(layout.shape) * layout.samples * layout.dtype.itemsize
    claimed = volume * layout.volumes
    with _opened(source, layout.header) as data:
        if data.head.startswith(GZIP_MAGIC):
            if layout.header.offset + claimed > data.size * MAX_INFLATION:
                raise _missing(source, claimed, None)
            check_bytes(claimed, source)
        elif layout.header.offset + claimed > data.size:
            raise _missing(source, claimed, max(0, data.size - layout.header.offset))


def _missing(source: Source, claimed: int, stored: int | None) -> DamagedFileError:
    there = "fewer" if stored is None else str(stored)
    return DamagedFileError(
        f"{source.label}: the file is damaged: its header claims {claimed} bytes of voxels, and {there} are there. "
        "Export or copy it again."
    )


def _opened(source: Source, header: Header) -> Any:
    """The file that holds the voxels, as a context."""
    return nullcontext(source) if header.data_name is None else open_beside(source, header.data_name)


def read(source: Source, layout: Layout, volumes: Sequence[int]) -> Raw:
    """See ``Format.read``."""
    header: Header = layout.header
    with _opened(source, header) as data, _unpacked(data) as stream:
        array = _read_volumes(stream, source, layout, volumes)
        notes = header.notes + _read_to_the_end(stream, data, layout)
    samples: Samples = "channels" if len(volumes) > 1 else "one"
    if layout.samples > 1:
        array, more = _without_opacity(array)
        samples, notes = "colour", notes + more
    spatial = "ZYX" if len(layout.shape) == 3 else "YX"
    return Raw(
        array=array,
        axes=spatial if samples == "one" else f"{spatial}C",  # type: ignore[arg-type]
        file_format="NIfTI",
        bit_depth=layout.dtype.itemsize * 8,
        samples=samples,
        channel_names=tuple(_name(layout, volume) for volume in volumes) if samples == "channels" else (),
        geometry=header.geometry,
        notes=notes,
    )


def _name(layout: Layout, volume: int) -> str:
    return layout.volume_names[volume] if layout.volume_names else f"volume {volume + 1}"


@contextmanager
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
    """One volume as it is, several as channels."""
    if len(volumes) == 1:
        return _read_volume(stream, source, layout, volumes[0])
    dtype = _scaled_type(layout.dtype) if layout.header.is_scaled else layout.dtype
    channels = np.empty((*layout.shape, len(volumes)), dtype)
    for channel, volume in enumerate(volumes):
        channels[..., channel] = _read_volume(stream, source, layout, volume)
    return channels


def _read_volume(stream: BinaryIO, source: Source, layout: Layout, volume: int) -> np.ndarray:
    """(Y, X) or (Z, Y, X), the samples of a voxel last where there are several, rescaled."""
    header: Header = layout.header
    flat = np.empty(math.prod(layout.shape) * layout.samples, layout.dtype)
    stream.seek(header.offset + volume * flat.nbytes)
    stored = read_into(stream, flat.data.cast("B"))
    if stored != flat.nbytes:
        raise _missing(source, flat.nbytes * layout.volumes, volume * flat.nbytes + stored)
    if layout.samples > 1:
        return flat.reshape(*layout.shape, layout.samples)
    return (_rescaled(flat, header) if header.is_scaled else flat).reshape(layout.shape)


def _rescaled(flat: np.ndarray, header: Header) -> np.ndarray:
    """In parts, so that the double precision of the product takes little memory."""
    scaled = np.empty(flat.shape, _scaled_type(flat.dtype))
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found when it becomes an image
        for start in range(0, flat.size, MIB):
            part = slice(start, start + MIB)
            scaled[part] = flat[part] * np.float64(header.slope) + np.float64(header.intercept)
    return scaled


def _read_to_the_end(stream: BinaryIO, data: Source, layout: Layout) -> tuple[str, ...]:
    """Read the rest of a gzip stream, for its checksum, and count what follows the voxels.

    Raises:
        DamagedFileError: Voxels of a later volume are missing, or far too much follows.
    """
    volume = math.prod(layout.shape) * layout.samples * layout.dtype.itemsize
    end = layout.header.offset + volume * layout.volumes
    if stream is data.file:
        return _trailing(data.size - end)
    place, notes = stream.tell(), tuple[str, ...]()
    try:
        while chunk := stream.read(MIB):
            place += len(chunk)
            if place > end + MAX_TRAILING:
                raise DamagedFileError(
                    f"{data.label}: far more bytes are there than the voxels that its header claims. Export it again."
                )
    except gzip.BadGzipFile as error:
        if "Not a gzipped file" not in str(error):
            raise
        # As gzip itself says: the stream before it is whole.
        notes = ("What follows its gzip stream is none, and was ignored.",)
    if place < end:
        raise _missing(data, volume * layout.volumes, max(0, place - layout.header.offset))
    return notes + _trailing(place - end)


def _trailing(count: int) -> tuple[str, ...]:
    return (f"{count} bytes that follow the voxels were ignored.",) if count else ()


def _without_opacity(colours: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Colours alone: a volume has no background that could shine through."""
    if colours.shape[-1] == 3:
        return colours, ()
    notes = () if (colours[..., 3] == 255).all() else ("The opacity of its colours (RGBA) was left out.",)
    return colours[..., :3], notes
