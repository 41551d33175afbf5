"""Header of NIfTI-1 and NIfTI-2 → its fields, and how the data behind it are divided.

Source: NIfTI-1.1 header, https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h.
"""

import struct
import zlib
from dataclasses import dataclass

import numpy as np

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading.source import MIB, Source

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
    return _version(_plain_head(source.head)) is not None or is_pair(source)


def is_pair(source: Source) -> bool:
    """Whether it is one half of a .hdr and .img pair."""
    head = _plain_head(source.head)
    return any(head[MAGICS[v][0] : MAGICS[v][0] + 4] == magic for v, magic in PAIR_MAGICS.items())


def _plain_head(head: bytes) -> bytes:
    if not head.startswith(GZIP_MAGIC):
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEADER_BYTES[2])
    except zlib.error:
        return b""


def _version(head: bytes) -> int | None:
    return next((v for v, (place, magic) in MAGICS.items() if head[place : place + 4] == magic), None)


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
class Layout:
    """How the data are divided: ``shape`` is (X, Y) or (X, Y, Z), and a voxel has ``channels`` one after another."""

    shape: tuple[int, ...]
    channels: int
    volumes: int


def lay_out(header: Header, source: Source) -> Layout:
    """How the data are divided.

    The vector axis (the fifth) holds colours or volumes, the fourth volumes; axes of one element are taken off.

    Raises:
        UnsupportedImageError: There are more dimensions than these, or only one.
    """
    shape = header.shape
    if len(shape) == 5 and shape[3] == 1 and header.samples == 1:
        is_colour = shape[4] in (3, 4)
        return Layout(shape[:3], shape[4] if is_colour else 1, 1 if is_colour else shape[4])
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (2, 3, 4):
        raise UnsupportedImageError(
            f"{source.label}: the image has {len(shape)} dimensions ({' × '.join(map(str, shape))}), and 2 to 4 are "
            "read. Save one time point or channel as a volume of its own."
        )
    return Layout(shape[:3], 1, shape[3] if len(shape) == 4 else 1)
