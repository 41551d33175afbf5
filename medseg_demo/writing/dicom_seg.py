"""DICOM Segmentations (SEG) of label maps, by highdicom: they refer to the DICOM images that these were made from.

A SEG carries the patient's and the study's elements of its source images, since it belongs to that study: whoever may
not see the images may not see it either. Nothing else of a source is copied, and no value of one stands in a message.

Source: DICOM PS3.3, A.51 (Segmentation IOD), C.8.20 (segmentation modules).
"""

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.errors import OptionError, OutputError
from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.reading.dicom.source_frames import frame_count, in_stored_order

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription
    from pydicom import Dataset

SERIES_NUMBER = 9001
# Elements that the standard allows to be empty, and anonymised files often lack.
MAY_BE_EMPTY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"),
    *("AccessionNumber", "ReferringPhysicianName", "PositionReferenceIndicator"),
)
PRIVATE_SCHEME = "99MEDSEG"  # DICOM keeps names that start with 99 for private codes
MAKER = "medseg-demo"


def write_dicom_seg(label_map: LabelMap, image: MedicalImage | None, path: Path, *, algorithm: str) -> None:
    """Write a binary SEG with one segment a class, named by it, that refers to every source image.

    Identifiers of the patient and the study are taken over from the source images. Frames without any label are
    stored too, so that the SEG has the size of its image.

    Args:
        label_map: Of ``image``, in its size.
        image: Read from DICOM files, which must still be there.
        path: The file, or a draft of it: what is there when this fails is removed.
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
    with _quiet_libraries():
        try:
            segmentation = _segmentation(label_map, image, algorithm)
            _check_spacing(segmentation)
            segmentation.save_as(path)
        except OSError:
            raise
        except ImportError:
            raise OutputError(
                "The DICOM SEG cannot be written: it needs the package highdicom (Python under 3.14). Install it "
                "with pip, or choose nifti or nrrd."
            ) from None
        except Exception:  # highdicom raises many kinds, with values of the source in the message
            path.unlink(missing_ok=True)
            raise OutputError(
                f"The DICOM SEG cannot be written: the DICOM images of {image.name!r} lack what a DICOM SEG must state "
                "(such as their study, spacing and positions), or state it in a wrong form. Choose nifti or nrrd."
            ) from None


def _segmentation(label_map: LabelMap, image: MedicalImage, algorithm: str) -> "Dataset":
    import highdicom
    from pydicom.uid import generate_uid

    sources = [_header(file) for file in image.source_files]
    labels = label_map.labels if label_map.is_volume else label_map.labels[np.newaxis]
    if len(sources) == 1 and frame_count(sources[0]) == len(labels) > 1:
        labels = in_stored_order(labels, sources[0])
    return highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=labels,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[
            _segment(value, name, algorithm) for value, name in enumerate(label_map.class_names, start=1)
        ],
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


@contextlib.contextmanager
def _quiet_libraries() -> Iterator[None]:
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
