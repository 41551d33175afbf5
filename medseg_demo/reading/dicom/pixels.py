"""Stored values of a DICOM image, by decoders that survive damaged data.

GDCM's Python package ends the whole process on some damaged JPEG data (an assertion fails in C++), so each transfer
syntax is given to another decoder by name. JPEG Lossless and 12-bit JPEG, which only GDCM decodes under a licence that
is not the GPL, go through the copy that SimpleITK holds, which reports such data as errors.
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.errors import DamagedFileError
from medseg_demo.reading.dicom.codestream import claimed_size
from medseg_demo.reading.dicom.geometry import numbers
from medseg_demo.reading.source import check_size
from medseg_demo.reading.source import Source
from medseg_demo.settings import Settings

if TYPE_CHECKING:
    from pydicom import Dataset

JPEG, JPEG_EXTENDED = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
JPEG_2000 = tuple(f"1.2.840.10008.1.2.4.{code}" for code in (90, 91, 201, 202, 203))
DECODERS = {
    **dict.fromkeys((JPEG, JPEG_EXTENDED), "pillow"),
    **dict.fromkeys(JPEG_LS, "pyjpegls"),
    **dict.fromkeys(JPEG_2000, "pylibjpeg"),
    "1.2.840.10008.1.2.5": "pydicom",  # RLE
}
COPIED = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")


def first(dataset: "Dataset", keyword: str, default: float) -> float:
    """The first number of an element; the default where it is absent or holds anything else."""
    return next(iter(numbers(dataset, keyword)), default)


def check_frames(dataset: "Dataset", source: Source, settings: Settings) -> int:
    """Check every size that is claimed, by the header and by compressed frames, before anything is decoded.

    Returns:
        The number of slices, 0 for a single image.

    Raises:
        ImageTooLargeError: A size exceeds a limit.
        DamagedFileError: A compressed frame claims another size than the header.
    """
    rows, columns = int(first(dataset, "Rows", 0)), int(first(dataset, "Columns", 0))
    frames = int(first(dataset, "NumberOfFrames", 1))
    check_size((frames, rows, columns) if frames > 1 else (rows, columns), source, settings)
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        for frame in _frames(dataset):
            if claimed_size(frame) not in (None, (rows, columns)):
                raise DamagedFileError(
                    f"{source.label}: the compressed pixels have another size than the header states. Export it again."
                )
    return frames if frames > 1 else 0


def decode(dataset: "Dataset", source: Source, settings: Settings) -> np.ndarray:
    """Stored values, (Y, X), (Z, Y, X), (Y, X, 3) or (Z, Y, X, 3); YBR is turned to RGB."""
    from pydicom.pixels import pixel_array

    syntax = str(dataset.file_meta.TransferSyntaxUID)
    is_deep = syntax == JPEG_EXTENDED and first(dataset, "BitsStored", 8) > 8
    if is_deep or syntax in JPEG_LOSSLESS:
        return _decode_with_itk(dataset, source, settings)
    return pixel_array(dataset, decoding_plugin=DECODERS.get(syntax, ""))


def _frames(dataset: "Dataset") -> list[bytes]:
    from pydicom.encaps import generate_frames

    return list(generate_frames(dataset.PixelData, number_of_frames=max(1, int(first(dataset, "NumberOfFrames", 1)))))


def _decode_with_itk(dataset: "Dataset", source: Source, settings: Settings) -> np.ndarray:
    import SimpleITK

    with tempfile.TemporaryDirectory(prefix="medseg-") as folder:
        path = Path(folder, "frame.dcm")
        slices = []
        for frame in _frames(dataset):
            _write_frame(dataset, frame, path)
            alone = Source(path, b"", path.stat().st_size)
            slices.append(SimpleITK.GetArrayFromImage(read_with_itk(alone, "GDCMImageIO", settings))[0])
    return np.stack(slices) if first(dataset, "NumberOfFrames", 1) > 1 else slices[0]


def _write_frame(dataset: "Dataset", frame: bytes, path: Path) -> None:
    """A file of one frame without rescaling, window or palette, which ITK would apply, and without a patient."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

    alone = Dataset()
    for keyword in COPIED:
        setattr(alone, keyword, dataset[keyword].value)
    is_colour = alone.SamplesPerPixel > 1
    alone.PhotometricInterpretation = dataset.PhotometricInterpretation if is_colour else "MONOCHROME2"
    if is_colour:
        alone.PlanarConfiguration = 0
    alone.SOPClassUID, alone.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    alone.PixelData = encapsulate([frame])
    alone["PixelData"].VR = "OB"
    alone.file_meta = FileMetaDataset()
    alone.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    alone.file_meta.MediaStorageSOPClassUID = alone.SOPClassUID
    alone.file_meta.MediaStorageSOPInstanceUID = alone.SOPInstanceUID
    alone.save_as(path, enforce_file_format=True)
