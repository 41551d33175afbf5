"""Files as the page reads them, beside what medseg_demo.reading makes of the same bytes."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from medseg_demo.reading import read_image
from medseg_demo.samples import sample_path

RANDOM = np.random.default_rng(3)
GREY = RANDOM.integers(0, 256, (23, 31)).astype(np.uint8)
COLOUR = RANDOM.integers(0, 256, (23, 31, 3)).astype(np.uint8)


def png(pixels: np.ndarray, mode: str | None = None, **options) -> bytes:
    stream = io.BytesIO()
    picture = Image.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(stream, "PNG", **options)
    return stream.getvalue()


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


WITH_OPACITY = np.dstack([COLOUR, np.where(GREY > 128, 255, GREY)]).astype(np.uint8)
FILES = {
    "grey.png": png(GREY),
    "wide.png": png(GREY.astype(np.uint16) * 200),
    "colour.png": png(COLOUR),
    "opacity.png": png(WITH_OPACITY),
    "grey opacity.png": png(WITH_OPACITY, "LA"),
    "opaque.png": png(np.dstack([COLOUR, np.full_like(GREY, 255)])),
    "palette.png": png(COLOUR, "P"),
    "two values.png": png(GREY, "1"),
    "transparent.png": png(GREY, transparency=7),
    "float.npy": npy(GREY.astype(np.float64) / 7 - 3),
    "half.npy": npy((GREY.astype(np.float16) - 100) / 8),
    "swapped.npy": npy(GREY.astype(">i2") - 300),
    "fortran.npy": npy(np.asfortranarray(COLOUR)),
    "flags.npy": npy(GREY > 99),
    "long.npy": npy(GREY[np.newaxis, ..., np.newaxis].astype(np.int64)[0]),
}
DICOM = (
    "CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm",
    "ExplVR_BigEnd.dcm", "SC_rgb_small_odd_big_endian.dcm", "SC_rgb_rle.dcm", "OBXXXX1A.dcm",
    "SC_ybr_full_uncompressed.dcm", "examples_palette.dcm",
)  # fmt: skip


def compare(call, content: bytes, name: str, folder: Path) -> None:
    (folder / name).write_bytes(content)
    expected = read_image(folder / name)
    answer = call("readImage(input.bytes, input.file)", bytes=content, file=name)
    assert "refused" not in answer, answer
    found = answer["result"]
    assert (found["height"], found["width"], found["channels"]) == (*expected.shape, expected.channels)
    np.testing.assert_array_equal(found["pixels"].reshape(expected.pixels.shape), expected.pixels)
    np.testing.assert_allclose(found["window"], expected.display_window, rtol=1e-6)
    assert found["spacing"] == (None if (known := expected.geometry.spacing_mm) is None else pytest.approx(known))
    assert (found["unit"], found["modality"]) == (expected.unit, expected.modality)
    assert found["notes"] == list(expected.notes)


@pytest.mark.parametrize("name", FILES)
def test_pictures_and_arrays_are_read_as_in_python(call, tmp_path, name):
    compare(call, FILES[name], name, tmp_path)


@pytest.mark.parametrize("name", DICOM)
def test_dicom_is_read_as_in_python(call, tmp_path, name):
    path = get_testdata_file(name, download=False)
    if path is None or getattr(pydicom.dcmread(path, stop_before_pixels=True), "NumberOfFrames", 1) != 1:
        pytest.skip(f"{name} is not in pydicom's wheel")
    compare(call, Path(path).read_bytes(), name, tmp_path)


def test_what_is_stored_bright_as_dark_is_turned_round(call, tmp_path):
    compare(call, sample_path("chest-xray").read_bytes(), "chest.dcm", tmp_path)


def test_interlaced_pngs_have_the_same_pixels(call):
    """Written here by hand, since Pillow writes none."""
    import struct
    import zlib

    rows = b""
    for left, top, right, down in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        rows += b"".join(b"\0" + row.tobytes() for row in GREY[top::down, left::right] if len(row))
    chunks = (b"IHDR", struct.pack(">IIBBBBB", 31, 23, 8, 0, 0, 0, 1)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    found = call("readImage(input.bytes, 'x.png')", bytes=content)["result"]
    np.testing.assert_array_equal(found["pixels"].reshape(GREY.shape), GREY)


def dicom(**changes) -> bytes:
    dataset = pydicom.dcmread(get_testdata_file("MR_small.dcm", download=False))
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    stream = io.BytesIO()
    dataset.save_as(stream)
    return stream.getvalue()


def enhanced() -> bytes:
    """One frame, of which groups say what older objects say at the top."""
    measures, values, shared = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    measures.PixelSpacing = [0.7, 0.6]
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = "2", "-1024", "HU"
    shared.PixelMeasuresSequence, shared.PixelValueTransformationSequence = [measures], [values]
    return dicom(
        SOPClassUID=pydicom.uid.EnhancedCTImageStorage,
        NumberOfFrames=1,
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=[pydicom.Dataset()],
        PixelSpacing=None,
    )


def bare() -> bytes:
    """As older programs save it: without a preamble."""
    dataset = pydicom.dcmread(get_testdata_file("MR_small_implicit.dcm", download=False))
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, pydicom.Dataset(dataset), implicit_vr=True, little_endian=True)
    return stream.getvalue()


MADE = {
    "enhanced.dcm": enhanced,
    "bare.dcm": bare,
    "not square.dcm": lambda: dicom(PixelSpacing=None, PixelAspectRatio=["2", "1"]),
    "aspect of squares.dcm": lambda: dicom(PixelSpacing=None, PixelAspectRatio=["1", "1"]),
    "detector.dcm": lambda: dicom(PixelSpacing=None, ImagerPixelSpacing=[0.2, 0.2]),
    "signed.dcm": lambda: dicom(BitsStored=12, HighBit=11, PixelRepresentation=1),
}


@pytest.mark.parametrize("name", MADE)
def test_dicom_of_rarer_kinds_is_read_as_in_python(call, tmp_path, name):
    compare(call, MADE[name](), name, tmp_path)


REFUSED = {
    "volume.npy": (npy(np.zeros((20, 20, 20))), "this is a volume"),
    "volume.nii": (bytes(344) + b"n+1\0" + bytes(20), "this is a volume"),
    "volume.nii.gz": (b"\x1f\x8b" + bytes(200), "this is a volume"),
    "channels.npy": (npy(np.zeros((20, 20, 5))), "channels that are no colours"),
    "objects.npy": (npy(np.zeros(3, dtype="S3")), "no image of real numbers"),
    "nan.npy": (npy(np.array([[1.0, np.nan], [2.0, 3.0]])), "not a number"),
    "flat.png": (png(np.full((9, 9), 4, np.uint8)), "same value (4)"),
    "cut.png": (FILES["grey.png"][:-30], "damaged"),
    "cut.npy": (FILES["float.npy"][:-30], "damaged"),
    "text.png": (b"hello" * 60, "no format that is read"),
    "scan.tif": (b"II*\0" + bytes(200), "TIFF"),
    "many.zip": (b"PK\3\4" + bytes(200), "a zip or NPZ"),
    "cine.dcm": (dicom(NumberOfFrames=4), "holds 4 frames"),
    "seg.dcm": (dicom(Modality="SEG"), "holds no image"),
    "cut.dcm": (dicom()[:-500], "damaged"),
    "cut header.npy": (FILES["float.npy"][:9], "damaged"),
    "more.dcm": (dicom(Rows=20), "damaged"),
    "huge.png": (FILES["grey.png"][:16] + b"\0\1\0\0\0\1\0\0" + FILES["grey.png"][24:], "at most 40 million"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_told_apart(call, name):
    content, words = REFUSED[name]
    assert words in call("readImage(input.bytes, input.file)", bytes=content, file=name)["refused"]


@pytest.mark.parametrize(
    ("file", "syntax"),
    [("JPEG2000.dcm", "JPEG 2000"), ("MR_small_jpeg_ls_lossless.dcm", "JPEG-LS"), ("image_dfl.dcm", "Deflated")],
)
def test_a_syntax_that_browsers_cannot_decode_is_named(call, file, syntax):
    content = Path(get_testdata_file(file, download=False)).read_bytes()
    assert f"DICOM as {syntax}" in call("readImage(input.bytes, 'x.dcm')", bytes=content)["refused"]
