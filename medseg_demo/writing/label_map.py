"""Label maps → files, in the image's own geometry and format."""

from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image

from medseg_demo.errors import OptionError, OutputError
from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.reading.dicom.seg import write_dicom_seg
from medseg_demo.rendering.colours import palette
from medseg_demo.writing.nifti import write_nifti

RUNS = 3  # zlib's strategy for runs of equal bytes: a lung mask comes out half as large, in the same time

LabelMapFormat = Literal["auto", "nifti", "nrrd", "dicom-seg"]
SUFFIXES = {"png": ".png", "nifti": ".nii.gz", "nrrd": ".nrrd", "dicom-seg": ".dcm"}
DICOM_SEG_NOTE = (
    "A DICOM SEG carries the patient's and the study's identifiers of the images it refers to. Treat it as "
    "confidential as these."
)


def label_map_formats(image: MedicalImage) -> tuple[LabelMapFormat, ...]:
    """The formats in which a label map of this image can be written."""
    is_dicom = bool(image.source_files) and image.geometry.spacing_mm is not None
    return ("auto", "nifti", "nrrd", "dicom-seg") if is_dicom else ("auto", "nifti", "nrrd")


def label_map_suffix(label_map: LabelMap, file_format: LabelMapFormat = "auto") -> str:
    """The suffix that ``write_label_map`` gives, such as ".png" for an image and ".nii.gz" for a volume.

    Raises:
        OptionError: There is no such format.
    """
    return SUFFIXES[_settle(label_map, file_format)]


def write_label_map(
    label_map: LabelMap,
    image: MedicalImage | None,
    path: Path,
    *,
    file_format: LabelMapFormat = "auto",
    algorithm: str = "",
) -> Path:
    """Write a label map in the geometry of its image.

    Args:
        label_map: Of any size.
        image: The image it belongs to, which only a DICOM SEG needs.
        path: The file without its suffix, which is added.
        file_format: "auto" is a palette PNG whose pixel values are the classes, or NIfTI of a volume. NIfTI and NRRD
            keep the affine; "dicom-seg" refers to the DICOM files of the image and carries their patient's
            identifiers (``DICOM_SEG_NOTE``).
        algorithm: What made it, such as the name of the checkpoint; only a DICOM SEG states it.

    Returns:
        The file written.

    Raises:
        OptionError: There is no such format, or a DICOM SEG is asked for an image that was not read from DICOM files.
        OutputError: The file cannot be written.
    """
    kind = _settle(label_map, file_format)
    path = path.parent / f"{path.name}{SUFFIXES[kind]}"
    try:
        if kind == "png":
            _write_png(label_map.labels, path)
        elif kind == "nifti":
            write_nifti(label_map.labels, label_map.geometry, path)
        elif kind == "nrrd":
            _write_nrrd(label_map, path)
        else:
            write_dicom_seg(label_map, image, path, algorithm=algorithm)
    except (OSError, RuntimeError) as error:
        path.unlink(missing_ok=True)
        raise OutputError(_cannot_write(path, error)) from None
    return path


def _settle(label_map: LabelMap, file_format: LabelMapFormat) -> str:
    if file_format not in get_args(LabelMapFormat):
        known = ", ".join(get_args(LabelMapFormat))
        raise OptionError(f"Label maps are not written as {file_format!r}. Choose one of: {known}.")
    if file_format == "auto":
        return "nifti" if label_map.is_volume else "png"
    return file_format


def _write_png(labels: np.ndarray, path: Path) -> None:
    picture = Image.fromarray(labels)
    picture.putpalette(palette().tobytes())
    picture.save(path, compress_level=1, compress_type=RUNS)


def _write_nrrd(label_map: LabelMap, path: Path) -> None:
    import SimpleITK as sitk  # noqa: N813

    labels, affine, spacing = label_map.labels, label_map.geometry.affine, label_map.geometry.spacing_mm
    volume = sitk.GetImageFromArray(labels if affine is None or label_map.is_volume else labels[np.newaxis])
    if affine is not None:
        steps = np.linalg.norm(affine[:3, :3], axis=0)
        volume.SetSpacing(steps.tolist())
        volume.SetDirection((affine[:3, :3] / steps).ravel().tolist())
        volume.SetOrigin(affine[:3, 3].tolist())
    elif spacing is not None:
        volume.SetSpacing(spacing[::-1])
    sitk.WriteImage(volume, str(path), useCompression=True)


def _cannot_write(path: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or type(error).__name__
    return f"{path.name} cannot be written ({reason}). Check that the output folder exists and has room."
