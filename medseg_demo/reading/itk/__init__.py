"""NRRD and MetaImage (MHA, MHD): headers checked to their end, values by NumPy, and the grid as SimpleITK places it.

ITK never sees a user's header, since it follows whatever data file that names, and trusts its sizes. It gets one of
ours, of a single voxel, for what it knows best: how directions, origins and spaces become LPS mm.
"""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medseg_demo.errors import ReadError, UnsupportedImageError
from medseg_demo.image import Geometry, spacing_of
from medseg_demo.reading.itk import metaimage, nrrd
from medseg_demo.reading.itk.header import Grid
from medseg_demo.reading.raw import Layout, Raw
from medseg_demo.reading.source import Source
from medseg_demo.reading.voxels import VoxelHeader, inspect_voxels, read_voxels

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
    return inspect_voxels(source, _read_header(source))


def read(source: Source, layout: Layout, volumes: Sequence[int]) -> Raw:
    """See ``Format.read``."""
    geometry = _geometry(layout.header.place, len(layout.shape), source)
    file_format = "NRRD" if is_nrrd(source) else "MetaImage"
    return read_voxels(source, layout, volumes, file_format=file_format, geometry=geometry)


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
