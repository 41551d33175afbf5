"""NIfTI-1 and NIfTI-2 in one file, plain or gzipped, read without a library.

ITK's NIfTI reader fills the missing part of a truncated gzip with zeros and says nothing, needs the right suffix and
does not know NIfTI-2; so the header is read here and every byte of the data accounted for.

Source: NIfTI-1.1 header, https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h, "METHOD 2" and "METHOD 3".
"""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from typing import IO

import numpy as np

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.readers.axes import check_right_angles
from medseg_demo.readers.intensities import build_image, check_size, choose_volume, settle_channels
from medseg_demo.readers.source import MIB, Source, decoding
from medseg_demo.settings import Settings

GZIP_MAGIC = b"\x1f\x8b"
HEADER_BYTES = {1: 348, 2: 540}
MAGICS = {1: (344, b"n+1\0"), 2: (4, b"n+2\0")}
PAIR_MAGICS = {1: b"ni1\0", 2: b"ni2\0"}
# Places of dim, datatype, bitpix, pixdim, vox_offset, scl_slope (and scl_inter), the transform codes, the quaternion
# (and its offsets), the rows of the affine, and the units, as struct formats.
LAYOUT = {
    1: {
        "dim": (40, "8h"), "datatype": (70, "h"), "pixdim": (76, "8f"), "vox_offset": (108, "f"),
        "scale": (112, "2f"), "codes": (252, "2h"), "quaternion": (256, "6f"), "rows": (280, "12f"),
        "units": (123, "b"),
    },
    2: {
        "dim": (16, "8q"), "datatype": (12, "h"), "pixdim": (104, "8d"), "vox_offset": (168, "q"),
        "scale": (176, "2d"), "codes": (344, "2i"), "quaternion": (352, "6d"), "rows": (400, "12d"),
        "units": (500, "i"),
    },
}  # fmt: skip
# NIfTI's code: NumPy's type, and the samples of one voxel.
DATATYPES = {
    2: ("u1", 1), 4: ("i2", 1), 8: ("i4", 1), 16: ("f4", 1), 64: ("f8", 1), 256: ("i1", 1), 512: ("u2", 1),
    768: ("u4", 1), 1024: ("i8", 1), 1280: ("u8", 1), 128: ("u1", 3), 2304: ("u1", 4),
}  # fmt: skip
MM_PER_UNIT = {1: 1000.0, 2: 1.0, 3: 0.001}
MAX_OFFSET = 64 * MIB
LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Header:
    """The fields of a NIfTI header that an image is made of; ``shape`` is (X, Y, Z, ...) as stored."""

    shape: tuple[int, ...]
    dtype: np.dtype
    samples: int
    offset: int
    slope: float
    intercept: float
    pixdim: tuple[float, ...]
    qform_code: int
    sform_code: int
    quaternion: tuple[float, ...]
    rows: tuple[float, ...]
    mm_per_unit: float


def is_nifti(source: Source) -> bool:
    """Whether the file starts with a NIfTI header, gzipped or not."""
    head = _plain_head(source.head)
    return _version(head) is not None or _is_pair(head)


def _plain_head(head: bytes) -> bytes:
    if not head.startswith(GZIP_MAGIC):
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEADER_BYTES[2])
    except zlib.error:
        return b""


def _version(head: bytes) -> int | None:
    return next((v for v, (place, magic) in MAGICS.items() if head[place : place + 4] == magic), None)


def _is_pair(head: bytes) -> bool:
    return any(head[MAGICS[v][0] : MAGICS[v][0] + 4] == magic for v, magic in PAIR_MAGICS.items())


def count_volumes(source: Source, settings: Settings) -> int:
    """How many volumes the fourth or the vector axis holds; 1 where the last are the three of a colour.

    Raises:
        ReadError: See medseg_demo.errors.
    """
    with decoding(source, "NIfTI"), _open(source) as file:
        return _layout(parse_header(file.read(HEADER_BYTES[2]), source), source).volumes


def read(source: Source, settings: Settings) -> MedicalImage:
    """Read an image or a volume; ``source.volume`` chooses one of several.

    Raises:
        ReadError: See medseg_demo.errors.
    """
    if _is_pair(_plain_head(source.head)):
        raise UnsupportedImageError(
            f"{source.label}: it is one half of a .hdr and .img pair. Convert it to a single .nii or .nii.gz file."
        )
    with decoding(source, "NIfTI"), _open(source) as file:
        header = parse_header(file.read(HEADER_BYTES[2]), source)
        layout = _layout(header, source)
        shape, index = layout.shape, choose_volume(layout.volumes, source)
        check_size(tuple(reversed(shape)), source, settings)
        if index:  # what lies before it is unpacked as well
            check_size(((index + 1) * math.prod(shape[2:]), shape[1], shape[0]), source, settings)
        file.seek(header.offset + index * math.prod(shape) * header.samples * header.dtype.itemsize)
        pixels = _read_data(file, header, layout, source)
        file.read(1)  # lets gzip compare its checksum
        notes: tuple[str, ...] = ()
        if pixels.ndim > len(shape):
            pixels, notes = settle_channels(pixels, source)
        geometry, more = locate(header, len(shape), source)
    return build_image(
        source,
        pixels,
        file_format="NIfTI",
        bit_depth=header.dtype.itemsize * 8,
        is_volume=len(shape) == 3,
        geometry=geometry,
        notes=notes + more,
    )


def _open(source: Source) -> IO[bytes]:
    is_zipped = source.head.startswith(GZIP_MAGIC)
    return gzip.open(source.path) if is_zipped else source.path.open("rb")  # type: ignore[return-value]


def parse_header(data: bytes, source: Source) -> Header:
    """The fields of a header of either version and byte order.

    Raises:
        DamagedFileError: The header is cut off or contradicts itself.
        UnsupportedImageError: Voxels are of a type that is no intensity or colour.
    """
    version = _version(data)
    if version is None or len(data) < HEADER_BYTES[version]:
        raise DamagedFileError(f"{source.label}: the NIfTI header is cut off. Export or copy the file again.")
    order = "<" if int.from_bytes(data[:4], "little") == HEADER_BYTES[version] else ">"
    fields = {name: struct.unpack_from(order + code, data, at) for name, (at, code) in LAYOUT[version].items()}
    axes, *sizes = fields["dim"]
    offset = fields["vox_offset"][0]
    if not 1 <= axes <= 7 or not HEADER_BYTES[version] <= offset <= MAX_OFFSET or min(sizes[:axes]) < 0:
        raise DamagedFileError(f"{source.label}: the NIfTI header contradicts itself. Export or copy the file again.")
    code = fields["datatype"][0]
    if code not in DATATYPES:
        raise UnsupportedImageError(
            f"{source.label}: NIfTI data type {code} is no intensity or colour. Save it as an integer type or float32."
        )
    kind, samples = DATATYPES[code]
    return Header(
        shape=tuple(sizes[:axes]),
        dtype=np.dtype(order + kind),
        samples=samples,
        offset=int(offset),
        slope=fields["scale"][0],
        intercept=fields["scale"][1],
        pixdim=fields["pixdim"],
        qform_code=fields["codes"][0],
        sform_code=fields["codes"][1],
        quaternion=fields["quaternion"],
        rows=fields["rows"],
        mm_per_unit=MM_PER_UNIT.get(fields["units"][0] & 7, 1.0),
    )


@dataclass(frozen=True)
class _Layout:
    """How the data are divided: ``shape`` is (X, Y) or (X, Y, Z), and a voxel has ``channels`` one after another."""

    shape: tuple[int, ...]
    channels: int
    volumes: int


def _layout(header: Header, source: Source) -> _Layout:
    """The vector axis (the fifth) holds colours or volumes, the fourth volumes; axes of one element are taken off."""
    shape = header.shape
    if len(shape) == 5 and shape[3] == 1 and header.samples == 1:
        is_colour = shape[4] in (3, 4)
        return _Layout(shape[:3], shape[4] if is_colour else 1, 1 if is_colour else shape[4])
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (2, 3, 4):
        raise UnsupportedImageError(
            f"{source.label}: the image has {len(shape)} dimensions ({' × '.join(map(str, shape))}), and 2 to 4 are "
            "read. Save one time point or channel as a volume of its own."
        )
    return _Layout(shape[:3], 1, shape[3] if len(shape) == 4 else 1)


def _read_data(file: IO[bytes], header: Header, layout: _Layout, source: Source) -> np.ndarray:
    """(Y, X) or (Z, Y, X), with channels last where there are any, rescaled."""
    shape, vectors = layout.shape, layout.channels
    flat = np.empty(math.prod(shape) * vectors * header.samples, header.dtype)
    stored = _fill(file, flat.data.cast("B"))
    if stored != flat.nbytes:
        raise DamagedFileError(
            f"{source.label}: the header claims {flat.nbytes} bytes of voxels, and {stored} are there. "
            "Export or copy the file again."
        )
    if header.samples > 1:
        return flat.reshape(*reversed(shape), header.samples)
    pixels = flat.reshape(vectors, *reversed(shape))
    pixels = np.moveaxis(pixels, 0, -1) if vectors > 1 else pixels[0]
    slope, intercept = header.slope, header.intercept
    if slope == 0 or not (math.isfinite(slope) and math.isfinite(intercept)) or (slope, intercept) == (1, 0):
        return pixels
    return (pixels * np.float64(slope) + np.float64(intercept)).astype(np.float32)


def _fill(file: IO[bytes], buffer: memoryview) -> int:
    stored = 0
    while stored < len(buffer):
        count = file.readinto(buffer[stored : stored + 16 * MIB])  # type: ignore[attr-defined]
        if not count:
            break
        stored += count
    return stored


def locate(header: Header, axes: int, source: Source) -> tuple[Geometry, tuple[str, ...]]:
    """Spacing and affine: the sform where it is set, else the qform, else the spacing alone.

    Args:
        header: The header.
        axes: 2 or 3 spatial axes.
        source: The file.

    Returns:
        The geometry (its affine to LPS, NIfTI's own is RAS), and a note where a transform was of no use.

    Raises:
        UnsupportedImageError: The axes are not at right angles, so that no spacing describes the pixels.
    """
    sizes = np.abs(np.asarray(header.pixdim[1:4])) * header.mm_per_unit
    notes: tuple[str, ...] = ()
    for code, affine in ((header.sform_code, _sform(header)), (header.qform_code, _qform(header))):
        if code <= 0:
            continue
        if not _is_invertible(affine):
            notes = ("The file's transform to the patient is singular and was ignored.",)
            continue
        check_right_angles(affine, source)
        affine[:3] *= header.mm_per_unit
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        return Geometry(tuple(float(s) for s in lengths[:axes][::-1]), LPS_FROM_RAS @ affine), ()
    known = np.isfinite(sizes[:axes]).all() and sizes[:axes].min() > 0
    return Geometry(tuple(float(s) for s in sizes[:axes][::-1]) if known else None, None), notes


def _sform(header: Header) -> np.ndarray:
    return np.vstack([np.asarray(header.rows, dtype=np.float64).reshape(3, 4), [0, 0, 0, 1]])


def _qform(header: Header) -> np.ndarray:
    b, c, d, *offsets = header.quaternion
    a = math.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d)))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    handedness = -1.0 if header.pixdim[0] < 0 else 1.0
    affine = np.eye(4)
    with np.errstate(invalid="ignore"):  # what is not finite is found by the caller
        affine[:3, :3] = rotation * np.asarray(header.pixdim[1:4]) * [1, 1, handedness]
    affine[:3, 3] = offsets
    return affine


def _is_invertible(affine: np.ndarray) -> bool:
    if not np.isfinite(affine).all():
        return False
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    return bool(lengths.min() > 0 and abs(np.linalg.det(affine[:3, :3] / lengths)) > 1e-3)
