"""NIfTI-1, NIfTI-2 and their .hdr and .img pairs, plain or gzipped.

nibabel parses the header, after its size was checked. The voxels are read as those of other formats are, since nibabel
neither reads a gzip stream to its checksum nor bounds what it unpacks.

Source: NIfTI-1.1 header, https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h; NIfTI-2,
https://nifti.nimh.nih.gov/pub/dist/doc/nifti2.h.
"""

import contextlib
import math
import os
import re
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from medseg_demo import names
from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading.nifti_geometry import locate
from medseg_demo.reading.payload import Payload
from medseg_demo.reading.raw import Layout, Raw
from medseg_demo.reading.source import MIB, Source, check_bytes, open_beside
from medseg_demo.reading.voxels import COLOUR, SPACE, VOLUME, VoxelHeader, inspect_voxels, read_voxels

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
MAX_OFFSET = 64 * MIB
MOST_DIMENSIONS = 7


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
    sizes, roles = _divide(fields, source)
    scale, notes = _scale(fields, samples)
    geometry, more = locate(fields, sizes[2::-1])
    offset = _offset(fields, source)
    name = None if fields.is_single else _data_name(source)
    with contextlib.nullcontext(source) if name is None else open_beside(source, name) as data:
        is_zipped = data.head.startswith(GZIP_MAGIC)
    header = VoxelHeader(
        sizes=sizes if samples == 1 else (samples, *sizes),
        roles=roles if samples == 1 else (COLOUR, *roles),
        payload=Payload(
            dtype=dtype,
            count=math.prod(sizes) * samples,
            encoding="gzip" if is_zipped else "raw",
            files=() if name is None else (name,),
            byte_skip=offset,
            allows_more=True,
        ),
        place=geometry,
        scale=scale,
        notes=(*notes, *more),
    )
    layout = inspect_voxels(source, header)
    if is_zipped:  # all volumes are unpacked, for the checksum
        check_bytes(header.payload.size, source)
    return layout


def read(source: Source, layout: Layout, volumes: Sequence[int]) -> Raw:
    """See ``Format.read``."""
    return read_voxels(source, layout, volumes, file_format="NIfTI", geometry=layout.header.place)


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


def _divide(fields: Any, source: Source) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The sizes of all axes, and what each is, the fastest first.

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
    others = ("time", "component", "6th axis", "7th axis") if math.prod(sizes[4:]) > 1 else (VOLUME,) * 4
    return sizes, (SPACE, SPACE, SPACE, *others)[: len(sizes)]


def _scale(fields: Any, samples: int) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """Slope and intercept, as ITK takes them: no slope where it is 0 or not finite, and no intercept likewise."""
    slope, intercept = float(fields["scl_slope"]), float(fields["scl_inter"])
    if samples > 1 or slope == 0 or not math.isfinite(slope):
        return None, ()
    notes = () if math.isfinite(intercept) else ("Its intercept (scl_inter) is no number, and was taken for 0.",)
    scale = slope, 0.0 if notes else intercept
    return None if scale == (1, 0) else scale, notes


def _offset(fields: Any, source: Source) -> int:
    """The bytes before the first voxel."""
    offset, least = float(fields["vox_offset"]), fields.single_vox_offset if fields.is_single else 0
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
