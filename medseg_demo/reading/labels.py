"""Label-map file → ``LabelMap``: references and predictions, which are whole numbers and never a picture.

PNG, BMP, WebP and TIFF (palette indices are labels, pages are slices), NPY and NPZ, NIfTI, NRRD, MHA and DICOM SEG. A
binary one may hold 0 and 255; a float file that holds whole numbers is read.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from medseg_demo.errors import DamagedFileError, ReadError, UnsupportedImageError
from medseg_demo.image import Geometry, LabelMap, MedicalImage, spacing_of
from medseg_demo.reading import nifti
from medseg_demo.reading.dicom.seg import is_dicom_seg, read_dicom_seg
from medseg_demo.reading.nifti_header import is_nifti
from medseg_demo.reading.source import HEAD_BYTES, Source

ARRAY_SUFFIXES = (".npy", ".npz")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
ITK_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
GEOMETRY_TOLERANCE = 1e-3  # mm, and relative for spacing: what formats in single precision cannot keep


def read_label_map(
    path: Path | str, *, class_names: Sequence[str] | None = None, image: MedicalImage | None = None
) -> LabelMap:
    """Read the labels of a file as they are stored, without scaling.

    Args:
        path: The file.
        class_names: Item i names label value i + 1, and greater values are refused; None takes any values up to
            255 and names them class_1, class_2, …, or as a DICOM SEG names its segments.
        image: The image it belongs to, for files that ``needs_image`` names: a DICOM SEG is placed on its slices,
            since it may leave out frames without labels, and a volume of one slice is an image where that is one.

    Returns:
        uint8 labels, (Y, X) or (Z, Y, X). All background is allowed.

    Raises:
        ReadError: The file cannot be read, is a colour picture, or holds values that are no labels.
    """
    path = Path(path)
    if path.is_file() and is_dicom_seg(path):
        return _from_dicom_seg(path, class_names, image)
    values, geometry = _read_values(path)
    if image is not None and values.shape == (1, *image.shape):
        values, geometry = values[0], replace(geometry, spacing_mm=geometry.spacing_mm and geometry.spacing_mm[1:])
    labels = _to_labels(values, path, None if class_names is None else len(class_names))
    names = tuple(class_names) if class_names is not None else _default_names(labels)
    return LabelMap(labels, names, geometry)


def needs_image(path: Path) -> bool:
    """Whether the image decides how a file is read: a DICOM SEG, by its first bytes, and formats of volumes."""
    try:
        return path.name.lower().endswith((*NIFTI_SUFFIXES, *ITK_SUFFIXES)) or is_dicom_seg(path)
    except OSError:
        return False


def compare_geometry(image: MedicalImage, label_map: LabelMap, *, role: str = "reference") -> list[str]:
    """What keeps a label map from lying on an image: clauses for a message, empty where nothing does.

    Shapes must be equal. Spacing and affine are compared where both files state them. ``role`` is what the label map
    is called in the clauses.
    """
    shape = label_map.labels.shape
    if shape != image.shape:
        return [f"{role} has shape {shape} but image has {image.shape}"]
    faults = []
    ours, theirs = image.geometry, label_map.geometry
    if (
        ours.spacing_mm
        and theirs.spacing_mm
        and not np.allclose(ours.spacing_mm, theirs.spacing_mm, rtol=GEOMETRY_TOLERANCE)
    ):
        faults.append(f"{role} has spacing {_shown(theirs.spacing_mm)} mm but image has {_shown(ours.spacing_mm)} mm")
    elif ours.affine is not None and theirs.affine is not None:
        shift = _greatest_shift(ours.affine, theirs.affine, shape)
        if shift > GEOMETRY_TOLERANCE + 0.01 * min(ours.spacing_mm or (0.0,)):
            faults.append(f"{role} lies up to {shift:.3g} mm away from the image, by their affines")
    return faults


def _from_dicom_seg(path: Path, class_names: Sequence[str] | None, image: MedicalImage | None) -> LabelMap:
    content = read_dicom_seg(path, image)
    names = content.class_names if class_names is None else tuple(class_names)
    return LabelMap(_to_labels(content.labels, path, len(names)), names, content.geometry)


def _read_values(path: Path) -> tuple[np.ndarray, Geometry]:
    if not path.is_file():
        raise ReadError(f"{path.name}: there is no such file. Check the path.")
    if path.stat().st_size == 0:
        raise DamagedFileError(f"{path.name} is empty. Export it again.")
    name = path.name.lower()
    if name.endswith(ARRAY_SUFFIXES):
        return _without_channels(_read_array(path)), Geometry()
    if name.endswith(NIFTI_SUFFIXES):
        return _read_nifti(path)
    if name.endswith(ITK_SUFFIXES):
        return _read_with_itk(path)
    return _without_channels(_read_raster(path)), Geometry()


def _read_array(path: Path) -> np.ndarray:
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content
        with content:
            if len(content.files) != 1:
                raise UnsupportedImageError(f"{path.name} holds {len(content.files)} arrays. Keep the label map alone.")
            return content[content.files[0]]
    except (ValueError, OSError, EOFError, KeyError) as error:
        raise DamagedFileError(
            f"{path.name} cannot be read ({_first_line(error)}). Save it again with numpy."
        ) from None


def _without_channels(values: np.ndarray) -> np.ndarray:
    """Without the single channel at the end and the single volume at the start, where an array has them."""
    while values.ndim > 2 and 1 in (values.shape[0] if values.ndim > 3 else 0, values.shape[-1]):
        values = values[..., 0] if values.shape[-1] == 1 else values[0]
    return values


def _read_nifti(path: Path) -> tuple[np.ndarray, Geometry]:
    with path.open("rb") as file:
        source = Source(path, file.read(HEAD_BYTES), path.stat().st_size)
    if not is_nifti(source):
        raise DamagedFileError(_not_of_its_format(path))
    return nifti.read_labels(source)


def _read_with_itk(path: Path) -> tuple[np.ndarray, Geometry]:
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)  # warnings print whole paths
    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        if "orthonormal" in str(error):
            raise UnsupportedImageError(
                f"{path.name}: its axes are not at right angles, as of a tilted series. Use NRRD or DICOM SEG for it."
            ) from None
        raise DamagedFileError(_not_of_its_format(path)) from None
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise UnsupportedImageError(f"{path.name} has several components a voxel. Store one label a voxel.")
    values = SimpleITK.GetArrayFromImage(image)
    while values.ndim > 3 and values.shape[0] == 1:
        values = values[0]
    axes = min(values.ndim, 3)
    spacing = np.array(image.GetSpacing()[:axes])
    affine = np.eye(4)
    affine[:axes, :axes] = np.reshape(image.GetDirection(), (image.GetDimension(), -1))[:axes, :axes] * spacing
    affine[:axes, 3] = image.GetOrigin()[:axes]
    if axes == 3:
        return values, Geometry(spacing_of(affine), affine)
    return values, Geometry(tuple(float(step) for step in spacing[::-1]))


def _read_raster(path: Path) -> np.ndarray:
    from PIL import Image, ImageSequence

    try:
        with Image.open(path) as picture:
            pages = [_page(page, path) for page in ImageSequence.Iterator(picture)]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DamagedFileError(f"{path.name} cannot be read ({_first_line(error)}). Export it again.") from None
    if len({page.shape for page in pages}) != 1:
        raise UnsupportedImageError(f"{path.name} has pages of different sizes. Store one label map a file.")
    return pages[0] if len(pages) == 1 else np.stack(pages)


def _page(page: "Image.Image", path: Path) -> np.ndarray:  # type: ignore[name-defined]  # noqa: F821
    values = np.array(page)
    if values.ndim == 2:
        return values
    grey = values[..., : 1 if page.mode == "LA" else 3]
    if (grey != grey[..., :1]).any():
        raise UnsupportedImageError(f"{path.name} is a colour picture. Store one label a pixel (grey or palette).")
    return grey[..., 0]


def _to_labels(values: np.ndarray, path: Path, classes: int | None) -> np.ndarray:
    if values.dtype == bool:
        values = values.astype(np.uint8)
    if not np.issubdtype(values.dtype, np.number) or np.iscomplexobj(values):
        raise UnsupportedImageError(f"{path.name} holds {values.dtype} values. Store labels as whole numbers.")
    if values.ndim not in (2, 3) or values.size == 0:
        raise UnsupportedImageError(f"{path.name} has shape {values.shape}. Store labels as (Y, X) or (Z, Y, X).")
    present = _present(values)
    if not np.isfinite(present).all() or (present != np.round(present)).any():
        odd = next(value for value in present.tolist() if not np.isfinite(value) or value != round(value))
        raise UnsupportedImageError(f"{path.name} holds the value {odd:g}, which is no label. Store whole numbers.")
    if classes in (None, 1) and present[-1] == 255 and set(present.tolist()) <= {0, 255}:
        return (values == 255).astype(np.uint8)
    limit = 255 if classes is None else classes
    if present[0] < 0 or present[-1] > limit:
        odd = present[0] if present[0] < 0 else present[-1]
        allowed = "0 to 255" if classes is None else f"0 to {classes}" + (", or 0 and 255" if classes == 1 else "")
        raise UnsupportedImageError(f"{path.name} holds the label {odd:g}, but labels here are {allowed}. Correct it.")
    return values.astype(np.uint8)


def _present(values: np.ndarray) -> np.ndarray:
    """The different values, in order; of bytes by counting, which is several times faster."""
    return np.flatnonzero(np.bincount(values.ravel())) if values.dtype == np.uint8 else np.unique(values)


def _default_names(labels: np.ndarray) -> tuple[str, ...]:
    return tuple(f"class_{value}" for value in range(1, max(1, int(labels.max())) + 1))


def _greatest_shift(ours: np.ndarray, theirs: np.ndarray, shape: tuple[int, ...]) -> float:
    """The distance in mm between the two places of the corner that differs most."""
    ends = [(0, length - 1) for length in shape[::-1]] + [(0,)] * (3 - len(shape))
    corners = np.array([(x, y, z, 1) for x in ends[0] for y in ends[1] for z in ends[2]], dtype=float)
    return float(np.linalg.norm((corners @ (ours - theirs).T)[:, :3], axis=1).max())


def _not_of_its_format(path: Path) -> str:
    return f"{path.name} is damaged or not of the format its name says. Export it again."


def _shown(spacing: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{step:g}" for step in spacing) + ")"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__
