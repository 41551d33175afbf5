"""A NIfTI header → what it says: version, sizes, type, scaling, and where the voxels lie.

There are two transforms with their codes, voxel sizes and a unit. The sform is preferred, as nibabel does; ITK may
prefer the qform, so both are kept for label maps.

Source: NIfTI-1.1 header, https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h, "METHOD 1" to "METHOD 3"; NIfTI-2,
https://nifti.nimh.nih.gov/pub/dist/doc/nifti2.h.
"""

import math
import struct
from typing import Any

import numpy as np

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.image import Geometry, NiftiForms, spacing_of
from medseg_demo.reading.source import MIB, Source

# Bytes of the header, the place of the mark, the mark of a single file and that of a pair.
VERSIONS = {1: (348, 344, b"n+1\0", b"ni1\0"), 2: (540, 4, b"n+2\0", b"ni2\0")}
LINE_ENDS = (0, 0x0D0A1A0A)  # NIfTI-2's bytes that a transfer as text would change
ANALYZE_TYPES = (1, 2, 4, 8, 16, 32, 64, 128)
MOST_DIMENSIONS = 7
MAX_OFFSET = 64 * MIB
MOST_NAMED = 1000
# NIfTI's code: NumPy's type, and the samples of one voxel.
DATATYPES = {
    2: ("u1", 1), 4: ("i2", 1), 8: ("i4", 1), 16: ("f4", 1), 64: ("f8", 1), 256: ("i1", 1), 512: ("u2", 1),
    768: ("u4", 1), 1024: ("i8", 1), 1280: ("u8", 1), 128: ("u1", 3), 2304: ("u1", 4),
}  # fmt: skip
REFUSED_TYPES = {
    1: "single bits", 32: "complex numbers (complex64)", 1536: "128-bit floats",
    1792: "complex numbers (complex128)", 2048: "complex numbers (complex256)",
}  # fmt: skip
AXIS_NAMES = ("time", "component", "6th axis", "7th axis")

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
# xyzt_units: metres, millimetres, micrometres. Many programs leave it at 0 and mean mm, as all readers take it.
MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
CODES = range(1, 6)  # the spaces that NIfTI knows; nibabel ignores a transform of any other
# Half a degree: more than the rounding of a header, less than a gantry tilt.
SHEAR_TOLERANCE = 0.01
CONFLICT_VOXELS = 0.1
SIZE_TOLERANCE = 0.01  # relative
FLATTEST = 1e-3  # volume of the three directions, below which they span no space


def find_version(head: bytes) -> int | None:
    """1 or 2, by the mark; None where there is none."""
    return next((number for number, (_, at, *marks) in VERSIONS.items() if head[at : at + 4] in marks), None)


def is_pair(head: bytes, version: int) -> bool:
    """Whether the voxels lie in a file of their own."""
    _, at, _, mark = VERSIONS[version]
    return head[at : at + 4] == mark


def is_analyze(head: bytes) -> bool:
    """Whether it is the header of Analyze 7.5, from which NIfTI-1 was made: the same fields without a mark."""
    if len(head) < VERSIONS[1][0]:
        return False
    orders = ("<", ">")
    fields = ((struct.unpack_from(order + "i", head), *struct.unpack_from(order + "16h", head, 40)) for order in orders)
    return any(size == (348,) and 1 <= dim <= 7 and rest[14] in ANALYZE_TYPES for size, dim, *rest in fields)


def parse(head: bytes, version: int, source: Source) -> Any:
    """The header as nibabel sees it, unmended; its byte order is found by the number of dimensions.

    Raises:
        DamagedFileError: Bytes were changed on the way.
    """
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    kind = Nifti1Header if version == 1 else Nifti2Header
    fields = kind(head[: VERSIONS[version][0]], check=False)
    if version == 2 and int.from_bytes(head[8:12], "big") not in LINE_ENDS:
        raise DamagedFileError(
            f"{source.label}: its line ends were changed, as by a transfer in text mode. Copy it again in binary mode."
        )
    if version == 2 and int(fields["sizeof_hdr"]) != VERSIONS[2][0]:
        raise _contradiction(source, "its first number is not the size of a header")
    return fields


def stored_sizes(fields: Any, source: Source) -> tuple[int, ...]:
    """The sizes (X, Y, Z, ...) as stored, axes of one beyond the third taken off."""
    dimensions = int(fields["dim"][0])
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise _contradiction(source, f"it claims {dimensions} dimensions")
    stored = tuple(int(size) for size in fields["dim"][1 : dimensions + 1])
    if min(stored) < 0:
        raise _contradiction(source, f"it claims the sizes {' × '.join(map(str, stored))}")
    sizes = tuple(int(size) for size in fields.get_data_shape())  # with FreeSurfer's way to store long axes
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes = sizes[:-1]
    return sizes


def divide(sizes: tuple[int, ...], source: Source) -> tuple[tuple[int, ...], int, tuple[str, ...]]:
    """The shape of one volume, how many there are, and their names.

    The fourth axis holds times, the fifth the components of vectors (such as a displacement, or what ITK writes of
    several modalities): volumes to choose from, and never colours.
    """
    if len(sizes) < 2:
        raise UnsupportedImageError(
            f"{source.label}: it holds a list of {sizes[0]} numbers, and no image. Save 2 dimensions or more."
        )
    shape, others = sizes[:3][::-1], sizes[3:]
    volumes = math.prod(others)
    if len(others) < 2 or not 1 < volumes <= MOST_NAMED:
        return shape, volumes, ()
    named = [(place, AXIS_NAMES[place]) for place, size in enumerate(others) if size > 1]
    # The first of these axes runs fastest in the file.
    places = [np.unravel_index(volume, others, order="F") for volume in range(volumes)]
    return shape, volumes, tuple(", ".join(f"{name} {at[axis] + 1}" for axis, name in named) for at in places)


def voxel_type(fields: Any, source: Source) -> tuple[np.dtype, int]:
    """The type of the stored values, and how many a voxel has.

    Raises:
        UnsupportedImageError: They are no intensities or colours.
    """
    code = int(fields["datatype"])
    if code not in DATATYPES:
        held = REFUSED_TYPES.get(code, f"values of data type {code}, which NIfTI does not define")
        raise UnsupportedImageError(
            f"{source.label}: its voxels are {held}, which are not read. Save them as an integer type or float32."
        )
    kind, samples = DATATYPES[code]
    return np.dtype(kind).newbyteorder(fields.endianness), samples


def scaling(fields: Any, samples: int) -> tuple[float, float, tuple[str, ...]]:
    """Slope and intercept, as ITK takes them: no slope where it is 0 or not finite, and no intercept likewise."""
    slope, intercept = float(fields["scl_slope"]), float(fields["scl_inter"])
    if samples > 1 or slope == 0 or not math.isfinite(slope):
        return 1.0, 0.0, ()
    if not math.isfinite(intercept):
        return slope, 0.0, ("Its intercept (scl_inter) is no number, and was taken for 0.",)
    return slope, intercept, ()


def data_offset(fields: Any, version: int, source: Source, *, is_pair: bool) -> int:
    """The bytes before the first voxel.

    Raises:
        DamagedFileError: They are fewer than the header has, or far more than extensions take.
    """
    offset = float(fields["vox_offset"])
    least = 0 if is_pair else VERSIONS[version][0] + 4
    if not (math.isfinite(offset) and least <= offset <= MAX_OFFSET):
        raise _contradiction(
            source,
            f"its voxels are said to begin at byte {offset:g} (vox_offset), which is within the header or far off",
        )
    return int(offset)


def _contradiction(source: Source, what: str) -> DamagedFileError:
    return DamagedFileError(f"{source.label}: the NIfTI header contradicts itself: {what}. Export or copy it again.")


def locate(fields: Any, shape: tuple[int, ...]) -> tuple[Geometry, tuple[str, ...]]:
    """Spacing and affine: by the sform where it is set, else by the qform, else the voxel sizes alone.

    Args:
        fields: nibabel's header of either version; not changed.
        shape: (Y, X) or (Z, Y, X).

    Returns:
        The geometry, its affine to LPS (NIfTI's own is RAS), and notes on what the header contradicts. The spacing is
        unknown where a voxel size that it rests on is 0 or not finite, or where the unit is none of NIfTI's.
    """
    unit = int(fields["xyzt_units"]) & 7
    scale = MM_PER_UNIT.get(unit, 1.0)
    sizes = np.abs(_pixdim(fields)[1:]) * scale
    are_known = bool(np.isfinite(sizes[: len(shape)]).all() and (sizes[: len(shape)] > 0).all())
    found, notes = _usable_forms(fields, scale)
    forms = _forms(fields, found, scale)
    name, affine = next(((n, form) for n, form in found.items() if _code(fields, n) in CODES), (None, None))
    if unit not in MM_PER_UNIT:
        return Geometry(None, None, forms), (*notes, f"NIfTI knows no unit of code {unit}, so the spacing is unknown.")
    if affine is None or (name == "qform" and not are_known):
        spacing = tuple(sizes[: len(shape)][::-1].tolist()) if are_known else None
        unknown = () if are_known else ("A voxel size (pixdim) is 0 or no number, so the spacing is unknown.",)
        return Geometry(spacing, None, forms), (*notes, *unknown)
    spacing = spacing_of(affine)[-len(shape) :]
    notes += _contradictions(affine, found, fields, shape)
    if name == "sform" and are_known:
        notes += _other_sizes(affine, sizes, len(shape))
    return Geometry(spacing, LPS_FROM_RAS @ affine, forms), notes


def _usable_forms(fields: Any, scale: float) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """The transforms that are set and span a space, to RAS mm, the preferred first; a note for each that does not."""
    found, notes = {}, []
    for name, build in (("sform", _sform), ("qform", _qform)):
        if _code(fields, name) <= 0:
            continue
        form = build(fields)
        with np.errstate(over="ignore", invalid="ignore"):
            form[:3] *= scale
        if _spans_space(form):
            found[name] = form
        elif _code(fields, name) in CODES:
            notes.append(f"Its transform to the patient ({name}) is singular or no number, and was ignored.")
    return found, tuple(notes)


def _forms(fields: Any, found: dict[str, np.ndarray], scale: float) -> NiftiForms:
    return NiftiForms(
        qform=found.get("qform"),
        qform_code=_code(fields, "qform") if "qform" in found else 0,
        sform=found.get("sform"),
        sform_code=_code(fields, "sform") if "sform" in found else 0,
        pixdim=tuple((_mended_pixdim(fields) * [1, scale, scale, scale]).tolist()),  # type: ignore[arg-type]
    )


def _mended_pixdim(fields: Any) -> np.ndarray:
    """With 1 for what is 0 or no number, as nibabel and ITK take it; signed, as stored."""
    pixdim = _pixdim(fields)
    return np.where(np.isfinite(pixdim) & (pixdim != 0), pixdim, 1)


def _code(fields: Any, name: str) -> int:
    return int(fields[f"{name}_code"])


def _pixdim(fields: Any) -> np.ndarray:
    return np.array(fields["pixdim"][:4], dtype=np.float64)


def _sform(fields: Any) -> np.ndarray:
    return np.array(fields.get_sform(), dtype=np.float64)


def _qform(fields: Any) -> np.ndarray:
    """As the standard says, where nibabel takes small first numbers of the quaternion for 0 and refuses signed sizes.

    Rounding can make the quaternion of a half turn longer than 1; its first number is 0 then.
    """
    from nibabel.quaternions import quat2mat

    last = np.array([float(fields[f"quatern_{letter}"]) for letter in "bcd"])
    first = np.sqrt(np.maximum(0, 1 - last @ last))
    form = np.eye(4)
    form[:3, 3] = [float(fields[f"qoffset_{letter}"]) for letter in "xyz"]
    if not np.isfinite(first):
        return form * np.nan
    handedness = -1 if fields["pixdim"][0] == -1 else 1
    form[:3, :3] = quat2mat((first, *last)) * np.abs(_mended_pixdim(fields)[1:]) * [1, 1, handedness]
    return form


def _spans_space(affine: np.ndarray) -> bool:
    if not np.isfinite(affine).all():
        return False
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(lengths).all() or lengths.min() <= 0:
        return False
    return bool(abs(np.linalg.det(affine[:3, :3] / lengths)) > FLATTEST)


def _contradictions(
    affine: np.ndarray, found: dict[str, np.ndarray], fields: Any, shape: tuple[int, ...]
) -> tuple[str, ...]:
    notes = []
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    lean = float(np.abs(directions.T @ directions - np.eye(3)).max())
    if lean > SHEAR_TOLERANCE:
        notes.append(
            f"Its axes are not at right angles, by up to {np.degrees(np.arcsin(min(lean, 1))):.2g}° (the affine is "
            "sheared). Volumes are right; distances are measured as if they were at right angles."
        )
    if len(found) == 2 and all(_code(fields, name) in CODES for name in found):
        shift = _greatest_shift(found["sform"], found["qform"], shape)
        if shift > CONFLICT_VOXELS * min(spacing_of(affine)):
            notes.append(
                f"Its two transforms to the patient (sform and qform) lie up to {shift:.3g} mm apart. The sform "
                "counts here; both are kept in label maps."
            )
    if (_pixdim(fields)[1 : 1 + len(shape)] < 0).any():
        notes.append(
            "A voxel size (pixdim) is negative: its size counts, as in nibabel. Programs of ITK mirror the image."
        )
    if _code(fields, "qform") in CODES and "qform" in found and float(fields["pixdim"][0]) not in (-1, 0, 1):
        notes.append("Its pixdim[0] is neither 1 nor -1, and was taken for 1, as nibabel does.")
    return tuple(notes)


def _other_sizes(affine: np.ndarray, sizes: np.ndarray, axes: int) -> tuple[str, ...]:
    steps = np.linalg.norm(affine[:3, :3], axis=0)[:axes]
    if np.allclose(sizes[:axes], steps, rtol=SIZE_TOLERANCE, atol=0):
        return ()
    stated, counted = (" × ".join(f"{size:.4g}" for size in each[:axes]) for each in (sizes, steps))
    return (f"Its voxel sizes (pixdim, {stated} mm) contradict its sform ({counted} mm), which counts here.",)


def _greatest_shift(first: np.ndarray, second: np.ndarray, shape: tuple[int, ...]) -> float:
    """The distance in mm between the two places of the corner that differs most."""
    ends = [(0, length - 1) for length in shape[::-1]] + [(0,)] * (3 - len(shape))
    corners = np.array([(x, y, z, 1) for x in ends[0] for y in ends[1] for z in ends[2]], dtype=float)
    return float(np.linalg.norm((corners @ (first - second).T)[:, :3], axis=1).max())
