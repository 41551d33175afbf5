"""Label maps → files, in the image's own geometry and format.

Source: NRRD, https://teem.sourceforge.net/nrrd/format.html.
"""

import gzip
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image

from medseg_demo.errors import OptionError, OutputError
from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.reading.dicom.seg_sources import can_refer
from medseg_demo.rendering.colours import palette
from medseg_demo.writing.dicom_seg import write_dicom_seg
from medseg_demo.writing.nifti import write_nifti
from medseg_demo.writing.whole import whole_file

MOST_VALUE = 65_535
RUNS = 3  # zlib's strategy for runs of equal bytes: a lung mask comes out half as large, in the same time

LabelMapFormat = Literal["auto", "nifti", "nrrd", "dicom-seg"]
SUFFIXES = {"png": ".png", "nifti": ".nii.gz", "nrrd": ".nrrd", "dicom-seg": ".dcm"}
DICOM_SEG_NOTE = (
    "A DICOM SEG carries the patient's and the study's identifiers of the images it refers to. Treat it as "
    "confidential as these."
)


def label_map_formats(image: MedicalImage) -> tuple[LabelMapFormat, ...]:
    """The formats in which a label map of this image can be written."""
    return ("auto", "nifti", "nrrd", "dicom-seg") if can_refer(image) else ("auto", "nifti", "nrrd")


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
    by_hand: bool = False,
) -> Path:
    """Write a label map in the geometry of its image.

    Args:
        label_map: Of any size.
        image: The image it belongs to, which only a DICOM SEG needs.
        path: The file without its suffix, which is added.
        file_format: "auto" is a palette PNG whose pixel values are the classes, or NIfTI of a volume. NIfTI and NRRD
            keep the affine, leaning or not; "dicom-seg" refers to the DICOM files of the image and carries their
            patient's identifiers (``DICOM_SEG_NOTE``).
        algorithm: What made it, such as the name of the checkpoint; only a DICOM SEG states it.
        by_hand: Whether somebody corrected it, which only a DICOM SEG states.

    Returns:
        The file written.

    Raises:
        OptionError: There is no such format, or a DICOM SEG is asked for an image that was not read from DICOM files.
        OutputError: The file cannot be written.
    """
    kind = _settle(label_map, file_format)
    path = path.parent / f"{path.name}{SUFFIXES[kind]}"
    with whole_file(path) as draft:
        if kind == "png":
            _write_png(as_stored(label_map.labels), draft, label_map.colours)
        elif kind == "nifti":
            write_nifti(as_stored(label_map.labels), label_map.geometry, draft)
        elif kind == "nrrd":
            write_nrrd(as_stored(label_map.labels), label_map.geometry, draft)
        else:
            write_dicom_seg(label_map, image, draft, algorithm=algorithm, by_hand=by_hand)
    return path


def as_stored(labels: np.ndarray) -> np.ndarray:
    """Bytes, or where a value does not fit into one, two bytes each; never others than they are.

    Raises:
        OutputError: A value needs more than two bytes, or is negative.
    """
    if labels.dtype == np.uint8:
        return labels
    least, greatest = int(labels.min(initial=0)), int(labels.max(initial=0))
    if least < 0 or greatest > MOST_VALUE:
        raise OutputError(f"Label values from 0 to {MOST_VALUE} can be written, and these are {least} to {greatest}.")
    return labels.astype(np.uint8 if greatest < 256 else np.uint16)


def _settle(label_map: LabelMap, file_format: LabelMapFormat) -> str:
    if file_format not in get_args(LabelMapFormat):
        known = ", ".join(get_args(LabelMapFormat))
        raise OptionError(f"Label maps are not written as {file_format!r}. Choose one of: {known}.")
    if file_format == "auto":
        return "nifti" if label_map.is_volume else "png"
    return file_format


def _write_png(labels: np.ndarray, path: Path, colours: tuple[str, ...]) -> None:
    picture = Image.fromarray(labels)
    if labels.dtype == np.uint8:  # a palette has 256 colours; more values are 16-bit grey levels
        picture.putpalette(palette(colours).tobytes())
    picture.save(path, compress_level=1, compress_type=RUNS)


def write_nrrd(labels: np.ndarray, geometry: Geometry, path: Path) -> None:
    """Write a gzipped NRRD, without a library: ITK's ends the process where a folder's name is no UTF-8.

    Axes may lean. Without an affine the spacing alone is stored, and without a spacing nothing, so that an unknown one
    does not come back as 1 mm.

    Args:
        labels: uint8 or uint16, (Y, X) or (Z, Y, X).
        geometry: Where they lie.
        path: The file.

    Raises:
        OSError: It cannot be written.
    """
    affine, spacing = geometry.affine, geometry.spacing_mm
    if affine is not None and labels.ndim == 2:
        labels = labels[np.newaxis]
    fields = {
        "type": "uint8" if labels.dtype == np.uint8 else "uint16",
        "dimension": labels.ndim,
        "sizes": " ".join(map(str, reversed(labels.shape))),
        "kinds": " ".join(["domain"] * labels.ndim),
        "endian": "little",
        "encoding": "gzip",
    }
    if affine is not None:
        fields |= {
            "space": "left-posterior-superior",
            "space directions": " ".join(map(_vector, affine[:3, :3].T)),
            "space origin": _vector(affine[:3, 3]),
        }
    elif spacing is not None:
        fields["spacings"] = " ".join(repr(float(step)) for step in reversed(spacing))
    header = "\n".join(["NRRD0004", *(f"{key}: {value}" for key, value in fields.items())]) + "\n\n"
    with path.open("wb") as file:
        file.write(header.encode())
        with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
            packed.write(np.ascontiguousarray(labels, labels.dtype.newbyteorder("<")).data)


def _vector(numbers: np.ndarray) -> str:
    return f"({','.join(repr(float(number)) for number in numbers)})"
