"""DICOM series for tests, written with pydicom: a known volume in slices, with whatever is wrong about them."""

from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

PATIENT = "Doe^Secret"
# A turn about two axes: columns run along x, along y and along the normal.
OBLIQUE = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]]) @ [[1, 0, 0], [0, 0.96, -0.28], [0, 0.28, 0.96]]


def blob(slices=8, rows=12, columns=10):
    """(Z, Y, X) int16 without symmetry: what is turned, shifted or reversed differs."""
    z, y, x = np.mgrid[:slices, :rows, :columns]
    return (100 * z + 10 * y + x - 500).astype(np.int16)


class SeriesWriter:
    """Writes slices of one study into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.study, self.frame_of_reference = generate_uid(), generate_uid()
        self.written = 0

    def slice(self, pixels, position, *, series, directions=OBLIQUE, spacing=(0.75, 0.5), name=None, **elements):
        """One file; the elements given last replace or add to the usual ones, and None removes."""
        self.written += 1
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = self.study, series
        dataset.FrameOfReferenceUID = self.frame_of_reference
        dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = PATIENT, "SECRET-7", "19700101"
        dataset.PatientSex, dataset.AccessionNumber, dataset.StudyID = "O", "SECRET-8", "SECRET-9"
        dataset.StudyDate, dataset.StudyTime = "20200101", "101010"
        dataset.ReferringPhysicianName, dataset.SeriesDescription = "Secret^Doctor", "secret description"
        dataset.PositionReferenceIndicator = ""
        dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "CT", 1, self.written
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.ImageOrientationPatient = [*map(float, directions[:, 0]), *map(float, directions[:, 1])]
        dataset.ImagePositionPatient = [f"{value:.8f}" for value in position]
        dataset.PixelSpacing, dataset.SliceThickness = list(spacing), 1
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, int(pixels.dtype.kind == "i")
        dataset.PixelData = np.ascontiguousarray(pixels).tobytes()
        for keyword, value in elements.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        path = self.folder / (name or f"IM{(self.written * 7919) % 10007:05d}")  # names in no order of the slices
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)
        return path

    def volume(
        self, pixels, *, step=3.0, origin=(-20.0, 15.0, 40.0), at=None, directions=OBLIQUE, lean=None, **options
    ):
        """A series; ``at`` are the places along the normal in steps, ``lean`` the direction of stacking."""
        series = options.pop("series", None) or generate_uid()
        places = range(len(pixels)) if at is None else at
        lean = directions[:, 2] if lean is None else lean
        for index, (part, place) in enumerate(zip(pixels, places, strict=True)):
            each = {key: value(index) if callable(value) else value for key, value in options.items()}
            self.slice(part, np.asarray(origin) + place * step * lean, series=series, directions=directions, **each)
        return series


def write_enhanced(path, pixels, positions, *, directions=OBLIQUE, spacing=(0.75, 0.5), **elements):
    """One multi-frame file whose frames state their own positions, in the order that is given."""
    writer = SeriesWriter(path.parent)
    writer.slice(pixels[0], positions[0], series=generate_uid(), directions=directions, spacing=spacing, name=path.name)
    dataset = dcmread(path)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(dataset, keyword)
    measures, orientation, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = list(spacing), 1
    orientation.ImageOrientationPatient = [*map(float, directions[:, 0]), *map(float, directions[:, 1])]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = [_frame_at(position) for position in positions]
    dataset.NumberOfFrames, dataset.PixelData = len(pixels), np.ascontiguousarray(pixels).tobytes()
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def item(**elements):
    """A dataset of these elements alone, such as the item of a sequence."""
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def _frame_at(position):
    place, frame = Dataset(), Dataset()
    place.ImagePositionPatient = [f"{value:.8f}" for value in position]
    frame.PlanePositionSequence = [place]
    return frame


def affine_of(directions=OBLIQUE, spacing=(0.75, 0.5), step=3.0, origin=(-20.0, 15.0, 40.0)):
    """The affine of ``SeriesWriter.volume``: indices (x, y, z, 1) to LPS mm."""
    affine = np.eye(4)
    affine[:3, :3] = directions * (spacing[1], spacing[0], step)
    affine[:3, 3] = origin
    return affine


def write_sparse_seg(mask, image, path):
    """A DICOM SEG of one segment, "thing", without the frames that have no labels, as other programs write it."""
    import highdicom
    from pydicom.sr.codedict import codes

    sources = [dcmread(file) for file in image.source_files]
    described = highdicom.seg.SegmentDescription(1, "thing", codes.SCT.Tissue, codes.SCT.Tissue, "MANUAL")
    highdicom.seg.Segmentation(
        sources, np.asarray(mask, np.uint8), "BINARY", [described], generate_uid(), 1, generate_uid(), 1, "maker",
        "model", "1", "0", omit_empty_frames=True,
    ).save_as(path)  # fmt: skip
    return path


def write_sparse_test_set(folder):
    """A test set of one volume, "v", and its labels: a DICOM SEG that holds one frame of five."""
    from medseg_demo.reading import read_image

    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    image = folder / "images" / "v.dcm"
    write_enhanced(image, blob(5), [(0, 0, 2 * z) for z in range(5)], directions=np.eye(3))
    labels = np.zeros((5, 12, 10), np.uint8)
    labels[2, 3:6, 3:6] = 1
    write_sparse_seg(labels, read_image(image), folder / "masks" / "v.dcm")
    return labels
