"""Every file that pydicom and pydicom-data ship is read as pydicom reads it, or refused for a reason that is named."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array
from pydicom.uid import ImplicitVRLittleEndian

from medseg_demo.errors import ReadError
from medseg_demo.reading.dicom import file
from medseg_demo.reading.source import decoding, open_source
from medseg_demo.settings import Settings

FOLDERS = [Path(get_testdata_file(name, download=False)).parent for name in ("CT_small.dcm", "693_UNCI.dcm")]
FILES = sorted(path for folder in FOLDERS for path in folder.rglob("*") if path.is_file() and path.name != "README")
# Where pydicom does less: its palettes take the wrong byte order, it looks for no rescaling in functional groups, has
# no decoder for 12 bits of JPEG, and drops the pixels of a file whose last mark is missing.
NOT_AS_PYDICOM = (
    *("OBXXXX1A_expb.dcm", "OBXXXX1A_expb_2frame.dcm", "eCT_Supplemental.dcm", "JPGExtended.dcm", "JPEG-lossy.dcm"),
    "emri_small_jpeg_2k_lossless_too_short.dcm",
)
# Of JPEG Lossless, for which pydicom's decoders are GPL or end the process.
WITHOUT_DECODER = ("JPEG-LL.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm", "bad_sequence.dcm", "SC_rgb_jpeg_gdcm.dcm")
REASONS = (
    *("not an image, but of the kind", "holds no pixels"),
    *("damaged", "ends before", "another size", "more pixels", "states no"),
)


def read(path):
    """The layout and its volumes, the first of very many; None for what is no DICOM file."""
    with open_source(path, Settings()) as source, decoding(source, "DICOM"):
        if not file.is_dicom(source):
            return None
        layout = file.inspect(source)
        return layout, [file.read(source, layout, [volume]) for volume in range(min(2, layout.volumes))]


def expected(path, frames):
    """(frames, Y, X) or (frames, Y, X, 3), by pydicom alone."""
    dataset = pydicom.dcmread(path, force=True)
    dataset.file_meta.setdefault("TransferSyntaxUID", ImplicitVRLittleEndian)
    values = np.stack([pixel_array(dataset, index=frame) for frame in frames])
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        values = apply_color_lut(values, dataset) >> 8
    elif "DoseGridScaling" in dataset:
        values = values * float(dataset.DoseGridScaling)
    else:
        values = apply_modality_lut(values, dataset)
    return values


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_read_right_or_refused(path):
    found, refused = None, ""
    try:
        found = read(path)
    except ReadError as error:
        refused = str(error)
    assert not refused or any(reason in refused for reason in REASONS), refused
    if refused:
        return
    if found is None:
        assert path.read_bytes()[128:132] != b"DICM"
        return
    if path.name in (*NOT_AS_PYDICOM, *WITHOUT_DECODER):
        return
    layout, volumes = found
    for part, raw in zip(layout.header.volumes, volumes, strict=False):
        values = raw.array if raw.palette is None else raw.palette[raw.array]
        right = expected(path, part.planes)
        if raw.palette is not None:
            right = right.astype(values.dtype)
        assert np.allclose(values.reshape(right.shape), right, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("end", ["", "_2frame"])
def test_palettes_of_either_byte_order(end):
    paths = [get_testdata_file(f"OBXXXX1A{order}{end}.dcm", download=False) for order in ("", "_expb")]
    little, big = ([raw.palette[raw.array] for raw in read(Path(path))[1]] for path in paths)
    assert np.array_equal(little, big)


def test_rescaling_of_functional_groups():
    path = Path(get_testdata_file("eCT_Supplemental.dcm", download=False))
    (raw,) = read(path)[1]
    assert raw.array.min() < -900  # air, in Hounsfield units


@pytest.mark.parametrize("name", ["JPGExtended.dcm", "JPEG-lossy.dcm"])
def test_jpeg_of_12_bits_as_simpleitk_reads_it(name):
    import SimpleITK

    path = get_testdata_file(name, download=False)
    (raw,) = read(Path(path))[1]
    assert np.array_equal(raw.array, SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path))[0])


@pytest.mark.parametrize("name", WITHOUT_DECODER)
def test_lossless_jpeg_as_simpleitk_reads_it(name):
    import SimpleITK

    path = get_testdata_file(name, download=False)
    (raw,) = read(Path(path))[1]
    assert np.array_equal(raw.array, SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path))[0])
