"""DICOM Segmentation (SEG): label maps that refer to the DICOM images they were made from, through highdicom.

A SEG carries the patient's and the study's elements of its source images, since it belongs to that study: whoever may
not see the images may not see it either. Nothing else of a source is copied, and no value of one stands in a message.

Source: DICOM PS3.3, A.51 (Segmentation IOD), C.8.20 (segmentation modules).
"""

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg_demo.errors import DamagedFileError, OptionError, OutputError, UnsupportedImageError
from medseg_demo.image import Geometry, LabelMap, MedicalImage, spacing_of
from medseg_demo.reading.dicom.source_frames import frame_count, in_stored_order, lies_on, read_source_frames

if TYPE_CHECKING:
    from highdicom.seg import Segmentation, SegmentDescription
    from pydicom import Dataset

SOP_CLASSES = (b"1.2.840.10008.5.1.4.1.1.66.4", b"1.2.840.10008.5.1.4.1.1.66.7")  # segmentation and label map
HEAD_BYTES = 4096
SERIES_NUMBER = 9001
# Elements that the standard allows to be empty, and anonymised files often lack.
MAY_BE_EMPTY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"),
    *("AccessionNumber", "ReferringPhysicianName", "PositionReferenceIndicator"),
)
PRIVATE_SCHEME = "99MEDSEG"  # DICOM keeps names that start with 99 for private codes
MAKER = "medseg-demo"
# An index of the label map's grid in the image's grid is a whole number up to this.
GRID_TOLERANCE = 0.05


@dataclass(frozen=True, eq=False)
class SegContent:
    """What a SEG holds: labels (Z, Y, X), the names of values 1, 2, …, and their place."""

    labels: np.ndarray
    class_names: tuple[str, ...]
    geometry: Geometry


def is_dicom_seg(path: Path) -> bool:
    """Whether a file is a DICOM SEG, from its first bytes."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    return head[128:132] == b"DICM" and any(uid in head for uid in SOP_CLASSES)


def write_dicom_seg(label_map: LabelMap, image: MedicalImage | None, path: Path, *, algorithm: str) -> None:
    """Write a binary SEG with one segment a class, named by it, that refers to every source image.

    Identifiers of the patient and the study are taken over from the source images. Frames without any label are
    stored too, so that the SEG has the size of its image.

    Args:
        label_map: Of ``image``, in its size.
        image: Read from DICOM files, which must still be there.
        path: The file.
        algorithm: What made it, such as the name of the checkpoint.

    Raises:
        OptionError: The image was not read from DICOM files, or these are gone.
        OutputError: The source lacks what a SEG must state, or the file cannot be written.
    """
    if image is None or not image.source_files:
        raise OptionError("A DICOM SEG refers to DICOM images, and this is none. Choose nifti or nrrd.")
    missing = [file.name for file in image.source_files if not file.is_file()]
    if missing:
        raise OptionError(
            f"The DICOM files of {image.name!r} are no longer there ({len(missing)} of {len(image.source_files)}), and "
            "a DICOM SEG refers to them. Unpack the series and give its folder."
        )
    with _quiet():
        try:
            segmentation = _segmentation(label_map, image, algorithm)
            _check_spacing(segmentation)
            segmentation.save_as(path)
        except OSError:
            raise
        except ImportError:
            raise OutputError(
                f"{path.name} cannot be written: DICOM SEG needs the package highdicom (Python under 3.14). Install it "
                "with pip, or choose nifti or nrrd."
            ) from None
        except Exception:  # highdicom raises many kinds, with values of the source in the message
            path.unlink(missing_ok=True)
            raise OutputError(
                f"{path.name} cannot be written: the DICOM images of {image.name!r} lack what a DICOM SEG must state "
                "(such as their study, spacing and positions), or state it in a wrong form. Choose nifti or nrrd."
            ) from None


def _segmentation(label_map: LabelMap, image: MedicalImage, algorithm: str) -> "Dataset":
    import highdicom
    from pydicom.uid import generate_uid

    sources = [_header(file) for file in image.source_files]
    names = label_map.class_names
    labels = label_map.labels if label_map.is_volume else label_map.labels[np.newaxis]
    if len(sources) == 1 and frame_count(sources[0]) == len(labels) > 1:
        labels = in_stored_order(labels, sources[0])
    return highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=labels,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(value, name, algorithm) for value, name in enumerate(names, start=1)],
        series_instance_uid=generate_uid(),
        series_number=SERIES_NUMBER,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name=MAKER,
        software_versions=f"highdicom {highdicom.__version__}",
        device_serial_number="0",
        omit_empty_frames=False,
        content_label="MEDSEG",
        content_description=algorithm[:64] or None,
        series_description="Automatic segmentation",
    )


def _check_spacing(segmentation: "Dataset") -> None:
    """Highdicom writes a SEG with a place but no spacing, and does not read it; some radiographs state none.

    Raises:
        ValueError: There is none.
    """
    for measures in segmentation.SharedFunctionalGroupsSequence[0].get("PixelMeasuresSequence", ()):
        if "PixelSpacing" not in measures or min(measures.PixelSpacing) <= 0:
            raise ValueError


def _header(path: Path) -> "Dataset":
    import pydicom

    dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    for keyword in MAY_BE_EMPTY:
        if keyword not in dataset:
            setattr(dataset, keyword, "")
    return dataset


def _segment(value: int, name: str, algorithm: str) -> "SegmentDescription":
    import highdicom
    from highdicom.sr.coding import CodedConcept
    from pydicom.sr.codedict import codes

    label = name[:64] or f"class_{value}"
    return highdicom.seg.SegmentDescription(
        segment_number=value,
        segment_label=label,
        # What a class is in the terms of anatomy is not known here; "Tissue" is the customary general category.
        segmented_property_category=codes.SCT.Tissue,
        segmented_property_type=CodedConcept(f"CLASS-{value}", PRIVATE_SCHEME, label),
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name=algorithm[:64] or MAKER, family=codes.DCM.ArtificialIntelligence, version="1"
        ),
    )


def read_dicom_seg(path: Path, image: MedicalImage | None = None) -> SegContent:
    """Read a SEG whose frames lie on the slices of the image, or on one regular grid.

    Args:
        path: The file.
        image: The image that the labels belong to, on whose slices they are placed; what the SEG leaves out is
            background. Slices that are uneven or tilted are found by the DICOM frames that the SEG refers to, so the
            image's files must be there. Without it the labels have the extent of the SEG's own frames.

    Raises:
        DamagedFileError: It cannot be decoded.
        UnsupportedImageError: Segments overlap, the frames lie on no regular grid, or not on that of the image.
    """
    import highdicom

    with _quiet():
        try:
            stored = highdicom.seg.segread(path)
        except Exception:  # the same as above
            raise DamagedFileError(f"{path.name}: the DICOM SEG is damaged or incomplete. Export it again.") from None
        names = tuple(stored.get_segment_description(number).segment_label for number in stored.segment_numbers)
        try:
            labels = None if image is None else _labels_of_slices(stored, image)
            if image is not None and labels is not None:
                return SegContent(labels, names, image.geometry)
            labels, geometry = _placed_labels(stored)
        except Exception:
            raise UnsupportedImageError(
                f"{path.name}: segments of the DICOM SEG overlap, or its frames lie on no regular grid. "
                "Export it as NIfTI or NRRD."
            ) from None
    content = SegContent(labels, names, geometry)
    return content if image is None else _on_grid_of(image, content, path)


def _labels_of_slices(stored: "Segmentation", image: MedicalImage) -> np.ndarray | None:
    """The labels by the source frame that each frame names; None where this does not settle where they lie."""
    sources = read_source_frames(image)
    if sources is None or (stored.Rows, stored.Columns) != image.shape[-2:] or not lies_on(stored, sources):
        return None
    options: dict[str, Any] = {
        "combine_segments": True,
        "relabel": True,
        "ignore_spatial_locations": True,  # compared already
        "assert_missing_frames_are_empty": True,
    }
    if sources.are_in_one_file:
        labels = stored.get_pixels_by_source_frame(sources.instances[0], sources.frames, **options)
    else:
        labels = stored.get_pixels_by_source_instance(sources.instances, **options)
    labels = np.asarray(labels, np.uint8)
    return labels if image.is_volume else labels[0]


def _placed_labels(stored: "Segmentation") -> tuple[np.ndarray, Geometry]:
    sources = stored.get_source_image_uids()
    if "FrameOfReferenceUID" not in stored and len(sources) == 1:  # ultrasound, say: it has no place in the patient
        frames = stored.get_pixels_by_source_instance([sources[0][2]], combine_segments=True, relabel=True)
        return np.asarray(frames[0], np.uint8), Geometry()
    volume = stored.get_volume(combine_segments=True, relabel=True)
    labels, affine = np.asarray(volume.array, np.uint8), np.array(volume.affine, float)
    affine[:, :3] = affine[:, 2::-1]  # highdicom's indices run in the order of the array
    if np.linalg.det(affine[:3, :3]) < 0:  # slices from the other end, so that they run along the normal
        labels, affine[:3, 3] = labels[::-1], (affine @ [0, 0, len(labels) - 1, 1])[:3]
        affine[:3, 2] *= -1
    return labels, Geometry(spacing_of(affine), affine)


def _on_grid_of(image: MedicalImage, content: SegContent, path: Path) -> SegContent:
    """The labels at the image's size; frames may be left out or run the other way, but not be turned or resampled."""
    shape = image.shape if image.is_volume else (1, *image.shape)
    ours, theirs = image.geometry.affine, content.geometry.affine
    if ours is None or theirs is None:
        return content
    matrix = np.linalg.inv(ours) @ theirs
    single = np.array(content.labels.shape[::-1]) == 1
    matrix[:3, :3][:, single] = np.eye(3)[:, single]  # the step along an axis of one pixel is anyone's choice
    steps = np.rint(np.diag(matrix)[:3]).astype(int)
    starts = np.rint(matrix[:3, 3]).astype(int)
    ends = starts + (np.array(content.labels.shape[::-1]) - 1) * steps
    is_aligned = np.abs(matrix[:3, :3] - np.diag(steps)).max() < GRID_TOLERANCE / max(content.labels.shape)
    is_aligned &= bool(np.abs(matrix[:3, 3] - starts).max() < GRID_TOLERANCE)
    is_aligned &= (np.abs(steps[:2]) == 1).all() and steps[2] != 0  # slices between may be left out, pixels not
    low, high = np.minimum(starts, ends), np.maximum(starts, ends)
    if not is_aligned or low.min() < 0 or (high >= shape[::-1]).any():
        raise UnsupportedImageError(
            f"{path.name}: the DICOM SEG does not lie on the image's pixels. Choose one that was drawn on this image."
        )
    labels = np.zeros(shape, np.uint8)
    places = zip(low[::-1], high[::-1], np.abs(steps[::-1]), strict=True)
    target = tuple(slice(start, end + 1, step) for start, end, step in places)
    labels[target] = content.labels[tuple(slice(None, None, int(np.sign(step))) for step in steps[::-1])]
    return SegContent(labels if image.is_volume else labels[0], content.class_names, image.geometry)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Warnings of both libraries quote values, so what belongs to a patient would reach logs."""
    loggers: Sequence[logging.Logger] = [logging.getLogger(name) for name in ("pydicom", "highdicom")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
