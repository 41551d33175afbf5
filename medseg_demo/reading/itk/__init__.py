"""NRRD and MetaImage (MHA, MHD): headers checked to their end, values by NumPy, and the grid as SimpleITK places it.

ITK never sees a user's header, since it follows whatever data file that names, and trusts its sizes. It gets one of
ours, of a single voxel, for what it knows best: how directions, origins and spaces become LPS mm.
"""

import math
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medseg_demo.errors import ReadError, UnsupportedImageError
from medseg_demo.image import Geometry, spacing_of
from medseg_demo.reading.itk import metaimage, nrrd
from medseg_demo.reading.itk.header import COLOUR, SPACE, Grid, VoxelHeader
from medseg_demo.reading.itk.payload import check_payload, read_values
from medseg_demo.reading.raw import Layout, Raw, Samples
from medseg_demo.reading.source import Source, check_bytes, check_size

META_START = re.compile(rb"\s*(ObjectType|ObjectSubType|NDims|DimSize|BinaryData|ElementType)\s*[=:]", re.IGNORECASE)
# Words that other texts start with as well.
META_WORD = re.compile(rb"\s*(Comment|Name|ID|ParentID|TransformType|CompressedData)\s*[=:]", re.IGNORECASE)
LEAN_TOLERANCE = 1e-3  # the cosine between two axes below which their steps are the spacing
ROUNDING = 1e-9
FLATTEST = 1e-3  # the sine of the smallest angle between axes that still span a space


def is_nrrd(source: Source) -> bool:
    """Whether the file starts as an NRRD does."""
    return source.head.startswith(b"NRRD00")


def is_meta_image(source: Source) -> bool:
    """Whether the file starts with a MetaImage header."""
    if META_START.match(source.head):
        return True
    return META_WORD.match(source.head) is not None and b"ndims" in source.head.lower()


def data_file_names(source: Source) -> tuple[str, ...]:
    """The names of the files beside it that a header needs.

    Empty where the data are inside, and where the header cannot be used: reading it says why.
    """
    try:
        return _read_header(source).payload.files
    except ReadError:
        return ()


def _read_header(source: Source) -> VoxelHeader:
    return nrrd.read_header(source) if is_nrrd(source) else metaimage.read_header(source)


def inspect(source: Source) -> Layout:
    """See ``Format.inspect``; also finds the data files, and compares their lengths with the claims."""
    header = _read_header(source)
    check_size(header.shape, source)
    check_payload(header.payload, source)
    return Layout(
        shape=header.shape,
        dtype=header.payload.dtype,
        samples=3 if header.axes_of(COLOUR) else 1,
        volumes=header.volumes,
        volume_names=header.volume_names,
        header=header,
    )


def read(source: Source, layout: Layout, volumes: Sequence[int]) -> Raw:
    """See ``Format.read``."""
    header: VoxelHeader = layout.header
    chosen = _read_volumes(header, source, volumes, layout.decoded_bytes(len(volumes)))
    samples: Samples = "channels" if len(volumes) > 1 else "colour" if layout.samples > 1 else "one"
    return Raw(
        array=np.stack(chosen, axis=-1) if samples == "channels" else chosen[0],
        axes=("ZYX" if len(layout.shape) == 3 else "YX") + ("" if samples == "one" else "C"),  # type: ignore[arg-type]
        file_format="NRRD" if is_nrrd(source) else "MetaImage",
        bit_depth=layout.dtype.itemsize * 8,
        samples=samples,
        channel_names=layout.names_of(volumes) if samples == "channels" else (),
        geometry=_geometry(header.grid, len(layout.shape), source),
        notes=header.notes,
        image_notes=header.image_notes,
    )


def _read_volumes(header: VoxelHeader, source: Source, volumes: Sequence[int], size: int) -> list[np.ndarray]:
    """Some volumes as (Z, Y, X) or (Y, X), colours last.

    Where volumes lie one after the other only those between the first and the last that are wanted are kept; where
    their values alternate, all are unpacked.
    """
    sizes, counting = header.sizes[::-1], [len(header.sizes) - 1 - axis for axis in header.volume_axes[::-1]]
    inner = [len(sizes) - 1 - axis for axis in (*header.axes_of(SPACE)[::-1], *header.axes_of(COLOUR))]
    lead = len(counting)
    if counting == list(range(lead)):
        each, first, last = math.prod(sizes[lead:]), min(volumes), max(volumes) + 1
        check_bytes((last - first) * each * header.payload.dtype.itemsize + (size if len(volumes) > 1 else 0), source)
        values = read_values(header.payload, source, first * each, (last - first) * each)
        values = values.reshape(-1, *sizes[lead:]).transpose(0, *(axis - lead + 1 for axis in inner))
        return [values[volume - first] for volume in volumes]
    check_bytes(header.payload.size + size, source)
    values = read_values(header.payload, source, 0, header.payload.count)
    values = values.reshape(sizes).transpose(*counting, *inner)
    counts = [sizes[axis] for axis in counting]
    return [values[np.unravel_index(volume, counts)] for volume in volumes]


def _geometry(grid: Grid, shown_axes: int, source: Source) -> Geometry:
    """Spacing and affine, as ITK places the grid; an affine only where the file places the image."""
    if grid.steps is None:
        return Geometry()
    steps, is_slice_in_space = grid.steps, len(grid.steps) > grid.steps.shape[1]
    if is_slice_in_space:  # its third axis is the normal
        normal = np.cross(steps[:, 0], steps[:, 1])
        steps = np.column_stack([steps, normal / (np.linalg.norm(normal) or 1)])
    lengths = np.linalg.norm(steps, axis=0)
    if min(lengths) == 0 or abs(np.linalg.det(steps / lengths)) < FLATTEST:
        raise UnsupportedImageError(
            f"{source.label}: its axes are not independent of each other. Resample it to a regular grid and save it "
            "again."
        )
    spacing, direction, origin = _place(steps, grid)
    axes = len(spacing)
    affine = np.eye(4)
    affine[:axes, :axes], affine[:axes, 3] = direction * spacing, origin
    cosines = (direction.T @ direction)[np.triu_indices(axes, 1)]
    is_leaning = axes == 3 and np.abs(cosines).max() > LEAN_TOLERANCE
    spacing_mm = spacing_of(affine) if is_leaning else (grid.spacing or tuple(spacing.tolist()))[::-1]
    is_moved = not np.allclose(direction, np.eye(axes), rtol=0, atol=ROUNDING) or origin.any()
    is_placed = is_moved or is_slice_in_space or (grid.is_placed and shown_axes > 2)
    return Geometry(spacing_mm[-shown_axes:], affine if is_placed and not grid.is_converted else None)


def _place(steps: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spacing (x, y, z), direction (columns) and origin, by SimpleITK from a header of ours."""
    import SimpleITK as sitk  # noqa: N813

    axes = len(steps)
    columns = [f"({','.join(map(repr, column))})" for column in steps.T.tolist()]
    lines = [
        *("NRRD0004", "type: uchar", f"dimension: {axes}"),
        f"space: {grid.space}" if axes == 3 else f"space dimension: {axes}",
        *(f"sizes: {' '.join('1' * axes)}", f"kinds: {' '.join(['domain'] * axes)}", "encoding: raw"),
        f"space directions: {' '.join(columns)}",
        f"space origin: ({','.join(map(repr, grid.origin))})",
    ]
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    with tempfile.TemporaryDirectory(prefix="medseg-") as folder:
        path = Path(folder, "grid.nrrd")
        path.write_text("\n".join([*lines, "", "\0"]), encoding="ascii")
        placed = sitk.ReadImage(str(path), imageIO="NrrdImageIO")
    direction = np.reshape(placed.GetDirection(), (axes, axes))
    return np.array(placed.GetSpacing()), direction, np.array(placed.GetOrigin())
