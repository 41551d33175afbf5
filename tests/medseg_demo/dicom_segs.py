"""Segmentations and contours, the images that they were drawn on, and a SEG as the product writes and reads it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from dicom_series import SeriesWriter, affine_of, blob
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from medseg_demo.image import Geometry, LabelMap, MedicalImage, spacing_of
from medseg_demo.reading.dicom.frames import planes_of_frames
from medseg_demo.reading.dicom.planes import describe_frames, plane_of
from medseg_demo.reading.dicom.seg import read_segmentation
from medseg_demo.reading.source import open_source
from medseg_demo.settings import Settings
from medseg_demo.writing.dicom_seg import write_dicom_seg

NAMES = ("liver", "tumour")
KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")


def series_in(folder):
    """A CT series that is written into a folder, as the image that is read from it."""
    SeriesWriter(folder / "ct").volume(blob())
    return image_of((folder / "ct").iterdir(), affine_of())


def labels_on(image):
    """Two classes on that series."""
    labels = np.zeros(image.shape, np.uint8)
    labels[2:5, 3:6, 2:7] = 1
    labels[5, 7:, :3] = 2
    return LabelMap(labels, NAMES, image.geometry)


def image_of(files, affine, order=None):
    """The image of single-frame files, along the normal, or of one file whose frames have this order."""
    headers = [dcmread(path) for path in files]
    if order is None:
        headers.sort(key=_depth)
        pixels, planes = np.stack([header.pixel_array for header in headers]), [plane_of(header) for header in headers]
    else:
        pixels, every = headers[0].pixel_array[order], planes_of_frames(headers[0], headers[0].NumberOfFrames)
        headers, planes = headers * len(order), [every[frame] for frame in order]
    geometry = Geometry() if affine is None else Geometry(spacing_of(affine), affine)
    return MedicalImage(
        pixels,
        "ZYX",
        geometry,
        "ct",
        "DICOM",
        16,
        (0, 1),
        source_files=tuple(dict.fromkeys(Path(header.filename) for header in headers)),
        source_frames=describe_frames(
            planes, [header.SOPInstanceUID for header in headers], headers[0].FrameOfReferenceUID, order
        ),
    )


def _depth(header):
    cosines = np.array(header.ImageOrientationPatient, float)
    return np.array(header.ImagePositionPatient, float) @ np.cross(cosines[:3], cosines[3:])


def write_seg(path, image, labels, names, *, kind="BINARY", numbers=None, edit=None, **options):
    """A SEG by highdicom of labels (Z, Y, X) in the order of the image's files, or of fractions (Z, Y, X, S).

    ``edit`` changes the dataset before it is stored, for what highdicom does not write.
    """
    import highdicom
    from pydicom.sr.codedict import codes

    numbers = numbers or range(1, len(names) + 1)
    described = [
        highdicom.seg.SegmentDescription(number, name, codes.SCT.Tissue, codes.SCT.Tissue, "MANUAL")
        for number, name in zip(numbers, names, strict=True)
    ]
    sources = [dcmread(file) for file in image.source_files]
    stored = highdicom.seg.Segmentation(
        sources, labels, kind, described, generate_uid(), 1, generate_uid(), 1, "maker", "model", "1", "0", **options
    )
    if edit is not None:
        edit(stored)
    stored.save_as(path)
    return path


def write_contours(path, image, regions, *, names_images=True, space=None):
    """An RTSTRUCT: ``regions`` maps names to contours, each (type, points (N, 3)); ROI numbers are 3, 6, 9, …"""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = RTStructureSetStorage, generate_uid()
    dataset.PatientName, dataset.PatientID, dataset.Modality = "Doe^Secret", "SECRET-7", "RTSTRUCT"
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    frames = image.source_frames if image is not None else None
    for index, (name, contours) in enumerate(regions.items(), start=1):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = 3 * index, name
        if space or frames:
            roi.ReferencedFrameOfReferenceUID = space or frames.frame_of_reference
        drawn.ReferencedROINumber = 3 * index
        drawn.ContourSequence = [_contour(kind, points, frames if names_images else None) for kind, points in contours]
        dataset.StructureSetROISequence.append(roi)
        dataset.ROIContourSequence.insert(0, drawn)  # in another order than the regions
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path, enforce_file_format=True)
    return path


def _contour(kind, points, frames):
    contour = Dataset()
    contour.ContourGeometricType, contour.NumberOfContourPoints = kind, len(points)
    contour.ContourData = [f"{value:.6f}" for value in np.ravel(points)]
    if frames is not None:
        away = np.linalg.norm(frames.positions - np.asarray(points, float)[0], axis=1)
        if frames.directions is not None:
            normal = np.cross(*frames.directions.T)
            away = np.abs((frames.positions - np.asarray(points, float)[0]) @ normal)
        item = Dataset()
        item.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        item.ReferencedSOPInstanceUID = frames.instances[int(away.argmin())]
        contour.ContourImageSequence = [item]
    return contour


def read(path, image=None, **settings):
    """What the product reads of a SEG."""
    with open_source(path, Settings(**settings)) as source:
        return read_segmentation(source, image)


def without_frames(image):
    """The same image as it comes from NIfTI: its affine alone tells where it lies."""
    return replace(image, source_files=(), source_frames=None)


def write(folder, label_map, image):
    """A SEG as the product writes it."""
    write_dicom_seg(label_map, image, folder / "seg.dcm", algorithm="net-a")
    return folder / "seg.dcm"


def edited(path, edit):
    """A stored file, its dataset changed."""
    dataset = dcmread(path)
    edit(dataset)
    dataset.save_as(path)
    return path


def groups(dataset, name):
    """One item of each frame."""
    return [group[name][0] for group in dataset.PerFrameFunctionalGroupsSequence]
