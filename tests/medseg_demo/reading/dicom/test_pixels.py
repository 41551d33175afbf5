import numpy as np
import pytest

from medseg_demo.errors import DamagedFileError
from medseg_demo.reading import read_image

# Each compressed file with the uncompressed one that pydicom ships beside it, and how far apart they may lie.
PAIRS = [
    ("MR_small_RLE.dcm", "MR_small.dcm", 0),
    ("MR_small_jp2klossless.dcm", "MR_small.dcm", 0),
    ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm", 0),
    ("MR_small_implicit.dcm", "MR_small.dcm", 0),
    ("MR_small_bigendian.dcm", "MR_small.dcm", 0),
    ("emri_small_jpeg_ls_lossless.dcm", "emri_small.dcm", 0),
    ("emri_small_jpeg_2k_lossless.dcm", "emri_small.dcm", 0),
    ("emri_small_RLE.dcm", "emri_small.dcm", 0),
    ("SC_rgb_jpeg_gdcm.dcm", "SC_rgb.dcm", 0),  # JPEG Lossless, process 14
    ("SC_rgb_rle.dcm", "SC_rgb.dcm", 0),
    ("SC_rgb_rle_2frame.dcm", "SC_rgb_2frame.dcm", 0),
    ("SC_rgb_rle_16bit.dcm", "SC_rgb_16bit.dcm", 0),
    ("SC_rgb_expb_16bit.dcm", "SC_rgb_16bit.dcm", 0),
    ("SC_rgb_jpeg_lossy_gdcm.dcm", "SC_rgb.dcm", 3),
    ("SC_rgb_jpeg_dcmtk.dcm", "SC_rgb.dcm", 3),
    ("SC_rgb_dcmtk_+eb+cr.dcm", "SC_rgb.dcm", 3),
    ("SC_rgb_gdcm_KY.dcm", "SC_rgb.dcm", 0),
    ("SC_rgb_jls_lossy_line.dcm", "SC_rgb.dcm", 3),
    ("SC_rgb_jls_lossy_sample.dcm", "SC_rgb.dcm", 3),
    ("SC_ybr_full_uncompressed.dcm", "SC_rgb.dcm", 2),
    ("SC_ybr_full_422_uncompressed.dcm", "SC_rgb.dcm", 2),
    ("JPEG-LL.dcm", "JPEG2000_UNC.dcm", 60),  # lossless, but of another rendering of the same bone scan
    ("JPEG2000.dcm", "JPEG2000_UNC.dcm", 0),
    ("OBXXXX1A_rle.dcm", "OBXXXX1A.dcm", 0),
]


@pytest.mark.parametrize(("compressed", "plain", "tolerance"), PAIRS)
def test_transfer_syntaxes(dicom_file, compressed, plain, tolerance):
    one, other = read_image(dicom_file(compressed)), read_image(dicom_file(plain))
    assert one.axes == other.axes
    assert one.pixels.dtype.kind == other.pixels.dtype.kind
    assert np.abs(one.pixels.astype(float) - other.pixels).mean() <= tolerance


def test_jpeg_of_12_bits(dicom_file):
    image = read_image(dicom_file("JPGExtended.dcm"))
    bone_scan = read_image(dicom_file("JPEG2000.dcm"))
    assert (image.bit_depth, image.axes, image.pixels.shape) == (12, "YX", (1024, 256))
    assert np.corrcoef(image.pixels.ravel(), bone_scan.pixels.ravel())[0, 1] > 0.95


def test_a_frame_that_claims_another_size(dicom_file, tmp_path):
    content = bytearray(dicom_file("MR_small_jp2klossless.dcm").read_bytes())
    start = content.index(b"\xff\x4f\xff\x51")
    content[start + 8 : start + 16] = (60_000).to_bytes(4, "big") * 2
    (tmp_path / "bomb.dcm").write_bytes(content)
    with pytest.raises(DamagedFileError, match="another size"):
        read_image(tmp_path / "bomb.dcm")


def test_an_aborting_decoder_is_not_used(dicom_file, monkeypatch):
    from pydicom.pixels.decoders import gdcm

    monkeypatch.setattr(gdcm, "_decode_frame", lambda *_: pytest.fail("python-gdcm was asked"))
    for name in ("SC_rgb_jpeg_gdcm.dcm", "SC_rgb_jpeg_dcmtk.dcm", "MR_small_jp2klossless.dcm", "JPGExtended.dcm"):
        read_image(dicom_file(name))
