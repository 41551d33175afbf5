"""Label values → a file of the format that another file of label values has, by its suffix."""

import gzip
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from medseg_demo import names
from medseg_demo.errors import OptionError
from medseg_demo.image import Geometry
from medseg_demo.writing.label_map import write_nrrd
from medseg_demo.writing.nifti import write_nifti


def check_stored_format(path: Path, labels: np.ndarray) -> None:
    """Refuse a format in which these labels cannot be stored.

    Args:
        path: The file, of which only the name counts.
        labels: (Y, X) or (Z, Y, X).

    Raises:
        OptionError: It is none that is written here, or one of pictures for a volume.
    """
    suffix = names.suffix(path).lower()
    known = [one for one in WRITERS if labels.ndim == 2 or one not in PICTURES]
    if suffix not in known:
        raise OptionError(
            f"{names.shown(path.name)}: label maps like it are not written in this format ({suffix or 'no suffix'}). "
            f"Convert it to one of: {', '.join(known)}."
        )


def write_stored_labels(labels: np.ndarray, geometry: Geometry, path: Path) -> None:
    """Write label values as they are, in the format of the file's suffix; see ``check_stored_format``.

    Args:
        labels: uint8 or uint16, (Y, X) or (Z, Y, X); or uint8 (Y, X, 3), a picture whose colours are the classes.
        geometry: Where they lie; pictures and arrays do not keep it.
        path: The file.

    Raises:
        OSError: It cannot be written.
    """
    WRITERS[names.suffix(path).lower()](labels, geometry, path)


def _write_picture(labels: np.ndarray, geometry: Geometry, path: Path) -> None:
    Image.fromarray(labels).save(path)


def _write_array(labels: np.ndarray, geometry: Geometry, path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, labels, allow_pickle=False)


def _write_plain_nifti(labels: np.ndarray, geometry: Geometry, path: Path) -> None:
    write_nifti(labels, geometry, path)
    path.write_bytes(gzip.decompress(path.read_bytes()))


def _write_meta_image(labels: np.ndarray, geometry: Geometry, path: Path) -> None:
    import SimpleITK as sitk  # noqa: N813

    affine = geometry.affine
    image = sitk.GetImageFromArray(labels if affine is None or labels.ndim == 3 else labels[np.newaxis])
    if affine is not None:
        steps = np.linalg.norm(affine[:3, :3], axis=0)
        image.SetSpacing(steps.tolist())
        image.SetDirection((affine[:3, :3] / steps).ravel().tolist())
        image.SetOrigin(affine[:3, 3].tolist())
    elif geometry.spacing_mm is not None:
        image.SetSpacing(geometry.spacing_mm[::-1])
    sitk.WriteImage(image, str(path), useCompression=True)


PICTURES = (".png", ".bmp", ".tif", ".tiff")
WRITERS: Mapping[str, Callable[[np.ndarray, Geometry, Path], None]] = {
    **dict.fromkeys(PICTURES, _write_picture),
    ".nii.gz": write_nifti,
    ".nii": _write_plain_nifti,
    ".nrrd": write_nrrd,
    ".mha": _write_meta_image,
    ".npy": _write_array,
}
