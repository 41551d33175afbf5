"""NIfTI-1 and NIfTI-2 in one file, plain or gzipped, read without a library.

ITK's NIfTI reader fills the missing part of a truncated gzip with zeros and says nothing, needs the right suffix and
does not know NIfTI-2; so the header is read here and every byte of the data accounted for.

Source: NIfTI-1.1 header, https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h, "METHOD 2" and "METHOD 3".
"""

import gzip
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.image import Geometry, MedicalImage, spacing_of
from medseg_demo.reading.axes import check_right_angles
from medseg_demo.reading.intensities import build_image, check_size, choose_volume, settle_channels
from medseg_demo.reading.nifti_header import GZIP_MAGIC, HEADER_BYTES, Header, Layout, is_pair, lay_out, parse_header
from medseg_demo.reading.source import MIB, Source, decoding
from medseg_demo.settings import Settings

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def count_volumes(source: Source, settings: Settings) -> int:
    """How many volumes the fourth or the vector axis holds; 1 where the last are the three of a colour.

    Raises:
        ReadError: See medseg_demo.errors.
    """
    with _opened(source) as (_, _, layout):
        return layout.volumes


def read(source: Source, settings: Settings) -> MedicalImage:
    """Read an image or a volume; ``source.volume`` chooses one of several.

    Raises:
        ReadError: See medseg_demo.errors.
    """
    with _opened(source) as (file, header, layout):
        shape, index = layout.shape, choose_volume(layout.volumes, source)
        check_size(tuple(reversed(shape)), source, settings)
        if index:  # what lies before it is unpacked as well
            check_size(((index + 1) * math.prod(shape[2:]), shape[1], shape[0]), source, settings)
        pixels = _read_volume(file, header, layout, source, index=index)
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


def read_labels(source: Source) -> tuple[np.ndarray, Geometry]:
    """Read the values of a label map, which may all be the same, and whose axes may lean as those of a tilted series.

    Returns:
        (Y, X) or (Z, Y, X), rescaled, and where they lie.

    Raises:
        UnsupportedImageError: It has several volumes, several components a voxel, or no voxels.
        ReadError: See medseg_demo.errors.
    """
    with _opened(source) as (file, header, layout):
        if header.samples * layout.channels > 1:
            raise UnsupportedImageError(f"{source.label} has several components a voxel. Store one label a voxel.")
        shape = tuple(reversed(layout.shape))
        if layout.volumes != 1 or 0 in shape:
            shape = shape if layout.volumes == 1 else (layout.volumes, *shape)
            raise UnsupportedImageError(f"{source.label} has shape {shape}. Store labels as (Y, X) or (Z, Y, X).")
        values = _read_volume(file, header, layout, source)
        return values, locate(header, len(shape), source, may_lean=True)[0]


@contextmanager
def _opened(source: Source) -> Iterator[tuple[IO[bytes], Header, Layout]]:
    """The file with what its header says.

    Raises:
        ReadError: Whatever fails inside the block.
    """
    if is_pair(source):
        raise UnsupportedImageError(
            f"{source.label}: it is one half of a .hdr and .img pair. Convert it to a single .nii or .nii.gz file."
        )
    is_zipped = source.head.startswith(GZIP_MAGIC)
    with decoding(source, "NIfTI"), gzip.open(source.path) if is_zipped else source.path.open("rb") as file:
        header = parse_header(file.read(HEADER_BYTES[2]), source)
        yield file, header, lay_out(header, source)  # type: ignore[misc]


def _read_volume(file: IO[bytes], header: Header, layout: Layout, source: Source, *, index: int = 0) -> np.ndarray:
    """(Y, X) or (Z, Y, X), with channels last where there are any, rescaled."""
    shape, vectors = layout.shape, layout.channels
    file.seek(header.offset + index * math.prod(shape) * header.samples * header.dtype.itemsize)
    flat = np.empty(math.prod(shape) * vectors * header.samples, header.dtype)
    stored = _fill(file, flat.data.cast("B"))
    file.read(1)  # lets gzip compare its checksum
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


def locate(header: Header, axes: int, source: Source, *, may_lean: bool = False) -> tuple[Geometry, tuple[str, ...]]:
    """Spacing and affine: the sform where it is set, else the qform, else the spacing alone.

    Args:
        header: The header.
        axes: 2 or 3 spatial axes.
        source: The file.
        may_lean: Accept axes that are not at right angles; the spacing is then the distance between the planes.

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
        if not may_lean:
            check_right_angles(affine, source)
        affine[:3] *= header.mm_per_unit
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        spacing = spacing_of(affine) if may_lean else tuple(float(s) for s in lengths[::-1])
        return Geometry(spacing[-axes:], LPS_FROM_RAS @ affine), ()
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
