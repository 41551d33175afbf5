"""NRRD and MetaImage (MHA, MHD): headers checked to their end, values by NumPy, and the grid as SimpleITK places it.

ITK never sees a user's header, since it follows whatever data file that names, and trusts its sizes. It gets one of
ours, of a single voxel, for what it knows best: how directions, origins and spaces of both formats become LPS mm.
"""

import math
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medseg_demo.errors import ReadError, UnsupportedImageError
from medseg_demo.image import Axes, Geometry, spacing_of
from medseg_demo.reading import metaimage, nrrd
from medseg_demo.reading.payload import check_payload, read_values
from medseg_demo.reading.raw import Layout, Raw
from medseg_demo.reading.source import Source, check_bytes, check_size
from medseg_demo.reading.voxel_header import COLOUR, SPACE, VoxelHeader

META_START = re.compile(rb"\s*(ObjectType|ObjectSubType|NDims|DimSize|BinaryData|ElementType)\s*[=:]", re.IGNORECASE)
# Words that other texts start with as well.
META_WORD = re.compile(rb"\s*(Comment|Name|ID|ParentID|TransformType|CompressedData)\s*[=:]", re.IGNORECASE)
IMAGE_IO = {"NRRD": ("NrrdImageIO", "grid.nrrd"), "MetaImage": ("MetaImageIO", "grid.mha")}
LENGTH_TOLERANCE = 1e-3  # of the columns of a direction matrix, which should be 1
LEAN_TOLERANCE = 1e-3  # the cosine between two axes below which their steps are the spacing
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
    is_colour, are_channels = bool(header.axes_of(COLOUR)), len(volumes) > 1
    names = layout.volume_names or tuple(
        f"volume {volume + 1}" for volume in range(layout.volumes if are_channels else 0)
    )
    axes: Axes = "ZYX" if len(header.shape) == 3 else "YX"
    if is_colour or are_channels:
        axes = "ZYXC" if axes == "ZYX" else "YXC"
    return Raw(
        array=np.stack(chosen, axis=-1) if are_channels else chosen[0],
        axes=axes,
        file_format=header.file_format,
        bit_depth=header.payload.dtype.itemsize * 8,
        samples="channels" if are_channels else "colour" if is_colour else "one",
        channel_names=tuple(names[volume] for volume in volumes) if are_channels else (),
        geometry=_geometry(header, source),
        notes=header.notes,
        image_notes=header.image_notes,
    )


def _read_header(source: Source) -> VoxelHeader:
    return nrrd.read_header(source) if is_nrrd(source) else metaimage.read_header(source)


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


def _geometry(header: VoxelHeader, source: Source) -> Geometry:
    """Spacing and affine, as ITK places the canonical header; an affine only where the file places the image."""
    if header.grid.header is None:
        return Geometry()
    spacing, direction, origin = _grid_of(header, source)
    axes = len(spacing)
    lengths = np.linalg.norm(direction, axis=0)
    if np.abs(lengths - 1).max() > LENGTH_TOLERANCE:
        raise UnsupportedImageError(
            f"{source.label}: the columns of its direction matrix are not of length 1, so that the spacing is stated "
            "twice. Correct the matrix, or save the image again."
        )
    if abs(np.linalg.det(direction)) < FLATTEST:
        raise _dependent(source)
    affine = np.eye(4)
    affine[:axes, :axes], affine[:axes, 3] = direction * spacing, origin
    spacing_mm = tuple(spacing[::-1].tolist())
    cosines = (direction.T @ direction)[np.triu_indices(axes, 1)]
    if axes == 3 and np.abs(cosines).max() > LEAN_TOLERANCE:
        spacing_mm = spacing_of(affine)
    is_moved = not np.array_equal(direction, np.eye(axes)) or origin.any()
    is_flat = len(header.shape) == 2
    is_placed = is_moved or (header.grid.is_placed and not is_flat) or header.grid.has_normal
    keeps_place = is_placed and not header.grid.is_converted
    return Geometry(spacing_mm[-2:] if is_flat else spacing_mm, affine if keeps_place else None)


def _grid_of(header: VoxelHeader, source: Source) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spacing (x, y, z), direction (columns) and origin, by SimpleITK."""
    import SimpleITK as sitk  # noqa: N813

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    image_io, name = IMAGE_IO[header.file_format]
    with tempfile.TemporaryDirectory(prefix="medseg-") as folder:
        path = Path(folder, name)
        path.write_bytes((header.grid.header or "").encode("ascii") + b"\0")
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.SetImageIO(image_io)
        try:
            grid = reader.Execute()
        except RuntimeError:
            raise _dependent(source) from None
    axes = grid.GetDimension()
    direction = np.reshape(grid.GetDirection(), (axes, axes))
    return np.array(grid.GetSpacing()), direction, np.array(grid.GetOrigin())


def _dependent(source: Source) -> UnsupportedImageError:
    return UnsupportedImageError(
        f"{source.label}: its axes are not independent of each other, or not at right angles. Resample it to a regular "
        "grid and save it again."
    )
