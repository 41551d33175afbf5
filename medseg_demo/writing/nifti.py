"""Array → gzipped NIfTI through nibabel: label maps, and parts of volumes.

nibabel's own affine goes into both transforms by its nearest right angles; here each form is stored as it is, and a
NIfTI image's own two are kept, so that its label map lies on it in every program, whichever it follows.

Source: NIfTI-1.1 header, https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h, "METHOD 2" and "METHOD 3".
"""

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from medseg_demo.image import Geometry, NiftiForms

MOST_IN_NIFTI_1 = 32_767  # its sizes are 16-bit integers; ITK reads no NIfTI-2, so it is written only beyond
SCANNER = 1
RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# The greatest cosine between two axes for which the quaternion form, which knows right angles only, is stored too.
RIGHT_ANGLE = 1e-4
# First numbers of quaternions that readers take for 0, or find with too few digits: they work it out from the other
# three, for which the single precision of a header is too little after turns by nearly 180°.
UNCERTAIN = (5e-5, 5e-3)
SAME_PLACE = 1e-4  # relative, between an affine and the transform that it came from


def write_nifti(labels: np.ndarray, geometry: Geometry, path: Path) -> None:
    """Write an array as it is; the same content gives the same bytes.

    Args:
        labels: Integers, (Y, X) or (Z, Y, X); an image with an affine becomes a volume of one slice.
        geometry: Where it has no affine the spacing alone is stored, and where it has neither the unit is unknown.
            The transforms of a NIfTI image are stored with their codes.
        path: The file.

    Raises:
        OSError: It cannot be written.
    """
    forms = _own_forms(geometry)
    if labels.ndim == 2 and geometry.affine is not None and forms is None:
        labels = labels[np.newaxis]
    header = _header(labels, geometry, forms)
    with path.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
        header.write_to(packed)
        packed.write(np.ascontiguousarray(labels, header.get_data_dtype()).data.cast("B"))


def _own_forms(geometry: Geometry) -> NiftiForms | None:
    """The transforms of the image, unless its affine or its spacing has changed since."""
    forms, affine, spacing = geometry.nifti_forms, geometry.affine, geometry.spacing_mm
    if forms is None:
        return None
    if affine is not None:
        ras = RAS_FROM_LPS @ affine
        kept = (form for form in (forms.sform, forms.qform) if form is not None)
        scale = np.abs(ras[:3]).max()
        is_own = any(np.allclose(form, ras, rtol=SAME_PLACE, atol=SAME_PLACE * scale) for form in kept)
    elif spacing is not None and forms.pixdim is not None:
        is_own = np.allclose(np.abs(forms.pixdim[1 : 1 + len(spacing)]), spacing[::-1], rtol=SAME_PLACE, atol=0)
    else:
        is_own = True
    return forms if is_own else None


def _header(labels: np.ndarray, geometry: Geometry, forms: NiftiForms | None) -> Any:
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    header = (Nifti1Header if max(labels.shape) <= MOST_IN_NIFTI_1 else Nifti2Header)(endianness="<")
    header.set_data_dtype(labels.dtype)
    header.set_data_shape(labels.shape[::-1])
    header.set_slope_inter(1, 0)
    header.set_xyzt_units("mm" if geometry.spacing_mm or geometry.affine is not None else "unknown")
    if forms is not None:
        _store_forms(header, forms)
    elif geometry.affine is not None:
        _store_affine(header, RAS_FROM_LPS @ geometry.affine)
    elif geometry.spacing_mm is not None:
        header.set_zooms(geometry.spacing_mm[::-1])
    return header


def _store_forms(header: Any, forms: NiftiForms) -> None:
    """Both transforms, by the fields: nibabel refuses codes that it does not know."""
    if forms.qform is not None:
        header.set_qform(forms.qform, SCANNER)
    elif forms.sform is not None:
        header["pixdim"][1:4] = np.linalg.norm(forms.sform[:3, :3], axis=0)
    if forms.sform is not None:
        header.set_sform(forms.sform, SCANNER)
    header["qform_code"], header["sform_code"] = forms.qform_code, forms.sform_code
    if forms.pixdim is not None:
        header["pixdim"][:4] = forms.pixdim


def _store_affine(header: Any, affine: np.ndarray) -> None:
    """The matrix, and the quaternion where it says the same."""
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    directions = affine[:3, :3] / steps
    header.set_sform(affine, SCANNER)
    header["pixdim"][1:4] = steps
    if np.abs(directions.T @ directions - np.eye(3)).max() >= RIGHT_ANGLE:
        return
    header.set_qform(affine, SCANNER)
    header["pixdim"][1:4] = steps
    if UNCERTAIN[0] < _first_number(directions) < UNCERTAIN[1]:
        header["qform_code"] = 0


def _first_number(directions: np.ndarray) -> float:
    """The first number of the unit quaternion of a turn, mirrored or not."""
    from scipy.spatial.transform import Rotation

    handed = directions * [1, 1, np.sign(np.linalg.det(directions))]
    return abs(float(Rotation.from_matrix(handed).as_quat()[3]))
