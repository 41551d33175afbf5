"""What a DICOM SEG states of the images that it was made from: their identifiers, their place, and whose they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.errors import OutputError
from medseg_demo.image import MedicalImage, SourceFrames
from medseg_demo.reading.dicom.dataset import first, value_of, whole
from medseg_demo.reading.dicom.planes import MEASURES
from medseg_demo.reading.dicom.slice_places import SlicePlaces, places_of

if TYPE_CHECKING:
    from pydicom import Dataset

FRAME_ELEMENTS = ("SOPClassUID", "SOPInstanceUID", "NumberOfFrames", "SliceThickness")


@dataclass(frozen=True)
class FrameReference:
    """One source frame.

    Attributes:
        sop_class: What the object is.
        instance: Identifies the file.
        frame: The frame in it, from 1; None of a file of a single frame.
    """

    sop_class: str
    instance: str
    frame: int | None


@dataclass(frozen=True, eq=False)
class SegSources:
    """The DICOM frames of an image, as its files state them.

    Attributes:
        header: Of the first file, without pixels: whose it is, and of which study.
        references: (Z,) of the slices; empty where a file lacks an identifier.
        places: The slices in the patient, if that is known.
        frame_of_reference: Identifies the patient's coordinates; empty where not stated.
        spacing_mm: Between pixels, (Y, X); None where unknown.
        thickness_mm: Of a slice: what is stated, else their distance, and 1 mm of a single one, as its affine has it;
            None where neither is known, nor the place.
    """

    header: "Dataset"
    references: tuple[FrameReference, ...]
    places: SlicePlaces
    frame_of_reference: str
    spacing_mm: tuple[float, float] | None
    thickness_mm: float | None


def can_refer(image: MedicalImage) -> bool:
    """Whether a segmentation can tell which image it belongs to: by its files' identifiers or its place in the patient.

    Files that are gone, as those of a zip, cannot be asked for the rest.
    """
    frames = image.source_frames
    if not image.source_files:
        return False
    return frames is None or all(frames.instances) or places_of(image).basis is not None


def read_seg_sources(image: MedicalImage) -> SegSources:
    """Read the headers of an image's files.

    Args:
        image: With its source files.

    Raises:
        OutputError: The files are no longer those of the image.
        Exception: pydicom's, of many kinds, where a header has been damaged since.
    """
    frames = image.source_frames
    headers = [_read(path, FRAME_ELEMENTS if index else None) for index, path in enumerate(image.source_files)]
    if frames is None or not _are_of(headers, frames):
        raise OutputError(
            f"The DICOM files of {image.name!r} are no longer those that it was read from, and a DICOM SEG refers to "
            "them. Choose nifti or nrrd, or read the image again."
        )
    header = headers[0]
    places = places_of(image)
    spacing = image.geometry.spacing_mm
    return SegSources(
        header=header,
        references=_references(headers, frames),
        places=places,
        frame_of_reference=frames.frame_of_reference,
        spacing_mm=_pixel_steps(places) or (None if spacing is None else (spacing[-2], spacing[-1])),
        thickness_mm=_thickness(header, frames.frames[0] - 1, image, places),
    )


def _read(path: Path, wanted: Sequence[str] | None = None) -> "Dataset":
    import pydicom

    tags = None if wanted is None else list(wanted)
    return pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=tags)


def _are_of(headers: Sequence["Dataset"], frames: SourceFrames) -> bool:
    """Whether these are the files of the slices, one each or one of all."""
    read = [str(value_of(header, "SOPInstanceUID") or "") for header in headers]
    return tuple(read * len(frames.instances) if len(read) == 1 else read) == frames.instances


def _references(headers: Sequence["Dataset"], frames: SourceFrames) -> tuple[FrameReference, ...]:
    """Of one file of all slices, or of one file a slice."""
    found = []
    for index, frame in enumerate(frames.frames):
        header = headers[min(index, len(headers) - 1)]
        sop_class = value_of(header, "SOPClassUID") or value_of(header.file_meta, "MediaStorageSOPClassUID")
        instance = frames.instances[index] or value_of(header.file_meta, "MediaStorageSOPInstanceUID")
        if not sop_class or not instance:
            return ()
        found.append(
            FrameReference(str(sop_class), str(instance), frame if (whole(header, "NumberOfFrames") or 1) > 1 else None)
        )
    return tuple(found)


def _pixel_steps(places: SlicePlaces) -> tuple[float, float] | None:
    """The spacing (Y, X) of the plane that the slices lie in, which a tilt leaves as it is."""
    if places.basis is None:
        return None
    across, down = np.linalg.norm(places.basis[:, :2], axis=0).tolist()
    return down, across


def _thickness(header: "Dataset", frame: int, image: MedicalImage, places: SlicePlaces) -> float | None:
    stated = first(header, "SliceThickness", 0.0, group=MEASURES, frame=frame)
    if stated > 0:
        return stated
    if image.is_volume and image.geometry.spacing_mm is not None:
        return float(image.geometry.spacing_mm[0])
    return None if places.basis is None else places.gap_mm(0)
