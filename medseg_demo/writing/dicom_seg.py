"""DICOM Segmentations (SEG) of label maps, by highdicom: they refer to the DICOM images that these were made from.

A SEG carries the patient's and the study's elements of its source images, since it belongs to that study: whoever may
not see the images may not see it either. Nothing else of a source is copied, and no value of one stands in a message.
That of an image with a pseudonym carries none of them.

Source: DICOM PS3.3, A.51 (Segmentation IOD), C.8.20 (segmentation modules).
"""

import contextlib
import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.errors import OptionError, OutputError
from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.reading.dicom.seg_sources import SegSources, can_refer, read_seg_sources
from medseg_demo.writing.deidentify import replace_identifiers

if TYPE_CHECKING:
    from highdicom import SOPClass
    from highdicom.seg import SegmentDescription
    from pydicom import Dataset
    from pydicom.valuerep import DSfloat

SERIES_NUMBER = 9001
# Elements that the standard allows to be empty, and anonymised files often lack.
NEEDED = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"),
    *("AccessionNumber", "ReferringPhysicianName", "PositionReferenceIndicator"),
)
LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
STAND_IN = "2.25.1."  # and the number of a slice
UNICODE = "ISO_IR 192"
PRIVATE_SCHEME = "99MEDSEG"  # DICOM keeps names that start with 99 for private codes
MAKER = "medseg-demo"
AUTOMATIC, CORRECTED = "Automatic segmentation", "Segmentation corrected by hand"


def write_dicom_seg(
    label_map: LabelMap, image: MedicalImage | None, path: Path, *, algorithm: str, by_hand: bool = False
) -> None:
    """Write a binary SEG with one segment a class, named by it, that refers to every source image.

    Identifiers of the patient and the study are taken over from the source images. Frames without any label are
    stored too, so that the SEG has the size of its image.

    Args:
        label_map: Of ``image``, in its size.
        image: Read from DICOM files, which must still be there.
        path: The file, or a draft of it: what is there when this fails is removed.
        algorithm: What made it, such as the name of the checkpoint.
        by_hand: Whether somebody corrected what that made.

    Raises:
        OptionError: The image was not read from DICOM files, these are gone, or state neither who they are nor where.
        OutputError: The labels have another size, the source is no longer that of the image, or the file cannot be
            written.
    """
    if image is None or not image.source_files:
        raise OptionError("A DICOM SEG refers to DICOM images, and this is none. Choose nifti or nrrd.")
    missing = [file.name for file in image.source_files if not file.is_file()]
    if missing:
        raise OptionError(
            f"The DICOM files of {image.name!r} are no longer there ({len(missing)} of {len(image.source_files)}), and "
            "a DICOM SEG refers to them. Unpack the series and give its folder."
        )
    if not can_refer(image):
        raise OptionError(
            f"The DICOM files of {image.name!r} state neither which instances they are nor where they lie, so that a "
            "DICOM SEG could not tell what it belongs to. Choose nifti or nrrd."
        )
    labels = label_map.labels if label_map.is_volume else label_map.labels[np.newaxis]
    if labels.shape != image.slices.shape[:3]:
        raise OutputError(
            f"A DICOM SEG has the size of its image, and the labels have {_size(labels.shape)} voxels where "
            f"{image.name!r} has {_size(image.slices.shape[:3])}. Choose nifti or nrrd."
        )
    with _quiet_libraries():
        try:
            sources, is_named = read_seg_sources(image), image.pseudonym is None
            segments = [_segment(*one, algorithm, by_hand=by_hand) for one in enumerate(label_map.class_names, start=1)]
            segmentation = _segmentation(labels, segments, sources, algorithm, is_named=is_named)
            segmentation.SeriesDescription = CORRECTED if by_hand else AUTOMATIC
            if image.pseudonym is not None:
                replace_identifiers(segmentation, image.pseudonym)
            segmentation.save_as(path)
        except (OSError, OutputError):
            raise
        except ImportError:
            raise OutputError(
                "The DICOM SEG cannot be written: it needs the package highdicom (Python under 3.14). Install it "
                "with pip, or choose nifti or nrrd."
            ) from None
        except Exception:  # highdicom raises many kinds, with values of the source in the message
            path.unlink(missing_ok=True)
            raise OutputError(
                f"The DICOM SEG cannot be written: the headers of the DICOM images of {image.name!r}, or the labels, "
                "are of a form that a DICOM SEG does not take. Choose nifti or nrrd."
            ) from None


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(str(length) for length in reversed(shape))


def _segmentation(
    labels: np.ndarray, segments: Sequence["SegmentDescription"], sources: SegSources, algorithm: str, *, is_named: bool
) -> "Dataset":
    """The SEG of labels (Z, Y, X), one slice a source frame; its patient's where it is to be named."""
    import highdicom
    from pydicom.uid import generate_uid

    segmentation = highdicom.seg.Segmentation(
        source_images=_stand_ins(sources, labels.shape),
        pixel_array=labels,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
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
    )
    if is_named:
        _copy_patient_and_study(sources.header, segmentation)
    named = "".join([*(one.segment_label for one in segments), algorithm])
    if not named.isascii():  # few of the character sets of the sources hold all names
        segmentation.SpecificCharacterSet = UNICODE
    _refer(segmentation, sources)
    if sources.places.basis is None:
        _leave_out_places(segmentation, sources)
    return segmentation


def _stand_ins(sources: SegSources, shape: tuple[int, ...]) -> list["Dataset"]:
    """One image of a single frame a slice, in memory alone: highdicom knows but few of the ways to state a place.

    It does not place frames of several slices in one file without functional groups, refuses those that lie nowhere,
    and copies what a scanner says of the distance between slices, which may be negative or that of the gaps. So the
    slices are given to it where the reader put them, and what it made is then let refer to their real files.
    """
    from pydicom import Dataset
    from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

    places, (depth, rows, columns) = sources.places, shape
    steps = np.eye(3)[:, :2] if places.basis is None else places.basis[:, :2]
    origins = np.outer(np.arange(depth), [0, 0, 1]) if places.origins is None else places.origins
    cosines = _decimals((steps / np.linalg.norm(steps, axis=0)).T.ravel())
    shared = Dataset()
    for keyword in NEEDED:
        setattr(shared, keyword, "")
    shared.StudyInstanceUID = str(sources.header.get("StudyInstanceUID") or "") or generate_uid()
    shared.SeriesInstanceUID = str(sources.header.get("SeriesInstanceUID") or "") or generate_uid()
    shared.FrameOfReferenceUID = sources.frame_of_reference or generate_uid()
    shared.SOPClassUID = SecondaryCaptureImageStorage
    shared.Rows, shared.Columns = rows, columns
    shared.ImageOrientationPatient, shared.PixelSpacing = cosines, _decimals(sources.spacing_mm or (1, 1))
    shared.SliceThickness = None if sources.thickness_mm is None else _decimals([sources.thickness_mm])[0]
    for keyword in LOSSY:
        if keyword in sources.header:
            shared[keyword] = sources.header[keyword]
    found = []
    for index, origin in enumerate(origins):
        one = Dataset()
        one.update(shared)
        one.SOPInstanceUID, one.ImagePositionPatient = f"{STAND_IN}{index}", _decimals(origin)
        found.append(one)
    return found


def _decimals(values: Iterable[float]) -> list["DSfloat"]:
    from pydicom.valuerep import DSfloat

    return [DSfloat(float(value), auto_format=True) for value in values]


def _copy_patient_and_study(header: "Dataset", segmentation: "SOPClass") -> None:
    """As they are stated, in a wrong form or not: it is not for a segmentation to correct them."""
    from pydicom import Dataset
    from pydicom.uid import SecondaryCaptureImageStorage

    source = Dataset()
    source.update(header)
    for keyword in ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID"):  # elements are shared: others replace them
        source.pop(keyword, None)
    source.SOPInstanceUID, source.SOPClassUID = f"{STAND_IN}0", SecondaryCaptureImageStorage
    source.StudyInstanceUID = segmentation.StudyInstanceUID
    segmentation.copy_patient_and_study_information(source)
    segmentation.copy_specimen_information(source)
    for keyword in ("SpecificCharacterSet", "PositionReferenceIndicator"):
        if keyword in header:
            segmentation[keyword] = header[keyword]


def _refer(segmentation: "Dataset", sources: SegSources) -> None:
    """Let frames refer to the source frames that stand-ins stood for; nothing where these have no identifiers."""
    for frame in segmentation.PerFrameFunctionalGroupsSequence:
        (derivation,) = frame.DerivationImageSequence
        if not sources.references:
            frame.DerivationImageSequence = []
            continue
        (stand_in,) = derivation.SourceImageSequence  # the same object in the frames of all segments
        derivation.SourceImageSequence = [_source_image(stand_in, sources)]
    images = list(dict.fromkeys((each.sop_class, each.instance) for each in sources.references))
    segmentation.SourceImageSequence = [_reference(*each) for each in images]
    del segmentation.ReferencedSeriesSequence
    series = sources.header.get("SeriesInstanceUID")
    if images and series:
        segmentation.ReferencedSeriesSequence = [_referenced_series(str(series), images)]


def _source_image(stand_in: "Dataset", sources: SegSources) -> "Dataset":
    reference = sources.references[int(stand_in.ReferencedSOPInstanceUID.removeprefix(STAND_IN))]
    item = _reference(reference.sop_class, reference.instance)
    for keyword in ("PurposeOfReferenceCodeSequence", "SpatialLocationsPreserved"):
        item[keyword] = stand_in[keyword]
    if reference.frame is not None:
        item.ReferencedFrameNumber = reference.frame
    return item


def _reference(sop_class: str, instance: str) -> "Dataset":
    from pydicom import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
    return item


def _referenced_series(series: str, images: Sequence[tuple[str, str]]) -> "Dataset":
    from pydicom import Dataset

    item = Dataset()
    item.SeriesInstanceUID = series
    item.ReferencedInstanceSequence = [_reference(*each) for each in images]
    return item


def _leave_out_places(segmentation: "Dataset", sources: SegSources) -> None:
    """Frames that lie nowhere in the patient: each is its source frame's, and they are numbered as a stack.

    Source: DICOM PS3.3, A.51.3 and A.51.5 (frame of reference and planes are needed only where frames refer to none),
    C.7.6.16.2.2 (frame content: stack and position in it).
    """
    from pydicom.datadict import tag_for_keyword

    for keyword in ("FrameOfReferenceUID", "PositionReferenceIndicator", "DimensionOrganizationType"):
        segmentation.pop(keyword, None)
    (shared,) = segmentation.SharedFunctionalGroupsSequence
    del shared.PlaneOrientationSequence
    if sources.spacing_mm is None or sources.thickness_mm is None:  # highdicom reads no measures without a thickness
        del shared.PixelMeasuresSequence
    else:
        shared.PixelMeasuresSequence[0].pop("SpacingBetweenSlices", None)
    place = segmentation.DimensionIndexSequence[-1]
    place.DimensionIndexPointer = tag_for_keyword("InStackPositionNumber")
    place.FunctionalGroupPointer = tag_for_keyword("FrameContentSequence")
    place.DimensionDescriptionLabel = "In-Stack Position Number"
    for frame in segmentation.PerFrameFunctionalGroupsSequence:
        del frame.PlanePositionSequence
        (content,) = frame.FrameContentSequence
        content.StackID, content.InStackPositionNumber = "1", content.DimensionIndexValues[-1]


def _segment(value: int, name: str, algorithm: str, *, by_hand: bool) -> "SegmentDescription":
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
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues["SEMIAUTOMATIC" if by_hand else "AUTOMATIC"],
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
