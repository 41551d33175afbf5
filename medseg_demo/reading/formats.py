"""The table of formats: a file's kind is found from its bytes, in this order.

DICOM comes first: its preamble may hold the start of a TIFF, so that the file is both at once.
"""

from functools import partial

from medseg_demo.reading import array, nifti, volume
from medseg_demo.reading import picture as raster
from medseg_demo.reading.dicom import file as dicom
from medseg_demo.reading.nifti_header import is_nifti
from medseg_demo.reading.source import Reader, Source

READERS: tuple[Reader, ...] = (
    Reader("DICOM", dicom.is_dicom, dicom.read),
    Reader("PNG", raster.is_png, partial(raster.read, file_format="PNG")),
    Reader("JPEG", raster.is_jpeg, partial(raster.read, file_format="JPEG")),
    Reader("TIFF", raster.is_tiff, partial(raster.read, file_format="TIFF")),
    Reader("BMP", raster.is_bmp, partial(raster.read, file_format="BMP")),
    Reader("WebP", raster.is_webp, partial(raster.read, file_format="WebP")),
    Reader("NIfTI", is_nifti, nifti.read, nifti.count_volumes),
    Reader("NRRD", volume.is_nrrd, partial(volume.read, file_format="NRRD"), volume.count),
    Reader("MetaImage", volume.is_meta_image, partial(volume.read, file_format="MetaImage"), volume.count),
    Reader("NPY", array.is_npy, array.read_npy),
    Reader("NPZ", array.is_npz, array.read_npz),
)


def find_reader(source: Source) -> Reader | None:
    """The first reader that recognises a file; None where none does."""
    return next((reader for reader in READERS if reader.recognise(source)), None)
