"""Array of bytes → NIfTI-1, written without a library: label maps, and parts of volumes.

ITK's writer straightens the affine of a tilted series without a word, so that the label map no longer lies on its
image; here the affine is stored as it is.

Source: NIfTI-1.1 header, https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h, "METHOD 2" and "METHOD 3".
"""

import gzip
import struct
from pathlib import Path

import numpy as np

from medseg_demo.image import Geometry

HEADER_BYTES, DATA_OFFSET = 348, 352
UINT8, BITS = 2, 8
MILLIMETRES, SCANNER = 2, 1
RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# The greatest cosine between two axes for which the quaternion form, which knows right angles only, is stored too.
RIGHT_ANGLE = 1e-4
UNCERTAIN = (5e-5, 5e-3)  # first numbers of quaternions that readers take for 0, or find with too few digits


def write_nifti(labels: np.ndarray, geometry: Geometry, path: Path) -> None:
    """Write a gzipped NIfTI of unsigned bytes.

    Args:
        labels: uint8, (Y, X) or (Z, Y, X); an image with an affine becomes a volume of one slice.
        geometry: Where it has no affine the spacing alone is stored, and where it has neither the unit is unknown.
        path: The file.

    Raises:
        OSError: It cannot be written.
    """
    if labels.ndim == 2 and geometry.affine is not None:
        labels = labels[np.newaxis]
    with path.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
        packed.write(_header(labels.shape, geometry))
        packed.write(np.ascontiguousarray(labels).data)


def _header(shape: tuple[int, ...], geometry: Geometry) -> bytes:
    header = bytearray(DATA_OFFSET)
    axes, affine = len(shape), geometry.affine
    spacing = (geometry.spacing_mm or (1.0,) * axes)[::-1]
    if affine is not None:
        spacing = tuple(np.linalg.norm(affine[:3, :3], axis=0))
    struct.pack_into("<i", header, 0, HEADER_BYTES)
    struct.pack_into("<8h", header, 40, axes, *reversed(shape), *[1] * (7 - axes))
    struct.pack_into("<2h", header, 70, UINT8, BITS)
    struct.pack_into("<f", header, 108, DATA_OFFSET)
    struct.pack_into("<f", header, 112, 1)
    header[123] = MILLIMETRES if geometry.spacing_mm or affine is not None else 0
    header[344:348] = b"n+1\0"
    handedness = 1.0
    if affine is not None:
        to_ras = RAS_FROM_LPS @ affine
        struct.pack_into("<h", header, 254, SCANNER)
        struct.pack_into("<12f", header, 280, *to_ras[:3].ravel())
        directions = to_ras[:3, :3] / spacing
        if np.abs(directions.T @ directions - np.eye(3)).max() < RIGHT_ANGLE:
            handedness = float(np.sign(np.linalg.det(directions)))
            quaternion = _quaternion(directions * (1, 1, handedness))
            if quaternion is not None:
                struct.pack_into("<h", header, 252, SCANNER)
                struct.pack_into("<6f", header, 256, *quaternion, *to_ras[:3, 3])
    struct.pack_into("<8f", header, 76, handedness, *spacing, *[1] * (7 - axes))
    return bytes(header)


def _quaternion(rotation: np.ndarray) -> np.ndarray | None:
    """The last three numbers of the unit quaternion whose first is not negative.

    None for some turns by nearly 180°: readers work the first number out from the other three, and the single precision
    of a header is too little for it then.
    """
    from scipy.spatial.transform import Rotation

    *last, first = Rotation.from_matrix(rotation).as_quat()
    low, high = UNCERTAIN
    return None if low < abs(first) < high else np.multiply(last, 1 if first >= 0 else -1)
