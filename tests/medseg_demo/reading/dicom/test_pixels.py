import io
import itertools
from dataclasses import replace

import imagecodecs
import numpy as np
import openjpeg
import pytest
from dicom_series import item
from PIL import Image
from pydicom.dataelem import DataElement
from pydicom.encaps import encapsulate
from pydicom.pixels import convert_color_space, get_encoder

from medseg_demo.errors import DamagedFileError
from medseg_demo.reading import read_image
from medseg_demo.reading.dicom.pixel_format import PixelFormat
from medseg_demo.reading.dicom.pixels import decode, parse_codestream

EXPLICIT, BIG_ENDIAN, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5"
JPEG, JPEG_12, JPEG_LOSSLESS = (f"1.2.840.10008.1.2.4.{end}" for end in (50, 51, 70))
JPEG_LS, JPEG_2000 = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"


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


def described(syntax, *, allocated=16, stored=16, **changes):
    usual = {
        "keyword": "PixelData", "syntax": syntax, "frames": 1, "rows": 5, "columns": 7, "samples": 1,
        "photometric": "MONOCHROME2", "allocated": allocated, "stored": stored, "shift": 0, "is_signed": False,
        "planar": 0,
    }  # fmt: skip
    return PixelFormat(**(usual | changes))


def element(value, representation="OW"):
    return DataElement("PixelData", representation, value, already_converted=True)


def rle(codes):
    options = {
        "rows": codes.shape[0], "columns": codes.shape[1], "samples_per_pixel": 1, "number_of_frames": 1,
        "bits_allocated": 8 * codes.itemsize, "bits_stored": 8 * codes.itemsize, "pixel_representation": 0,
        "photometric_interpretation": "MONOCHROME2", "encoding_plugin": "pydicom",
    }  # fmt: skip
    return get_encoder(RLE).encode(codes.tobytes(), **options)


ENCODERS = {
    RLE: rle,
    JPEG_LOSSLESS: lambda codes: bytes(imagecodecs.ljpeg_encode(codes)),
    JPEG_LS: lambda codes: bytes(imagecodecs.jpegls_encode(codes)),
    JPEG_2000: lambda codes: imagecodecs.jpeg2k_encode(codes, level=0, reversible=True, codecformat="j2k"),
}


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG_ENDIAN, *ENCODERS])
@pytest.mark.parametrize(
    ("stored", "high", "is_signed", "overlay"),
    [
        (12, 11, False, False),
        (12, 11, False, True),  # in bit 15
        (12, 15, False, False),
        (12, 11, True, False),  # not extended
        (12, 11, True, True),
        (12, 15, True, False),
        (16, 15, False, False),
        (16, 15, True, False),
        (10, 12, False, True),
    ],
)
def test_the_bits_that_count(source, syntax, stored, high, is_signed, overlay):
    chance = np.random.default_rng(stored + high)
    low = -(2 ** (stored - 1)) if is_signed else 0
    values = chance.integers(low, low + 2**stored, (2, 5, 7))
    codes = ((values & (2**stored - 1)) << (high + 1 - stored)) | (overlay * chance.integers(0, 2, values.shape) << 15)
    codes = codes.astype(np.uint16)
    layout = described(syntax, stored=stored, shift=high + 1 - stored, is_signed=is_signed, frames=2)
    if syntax in ENCODERS:
        data = encapsulate([ENCODERS[syntax](frame) for frame in codes])
    else:
        data = codes.astype(">u2" if syntax == BIG_ENDIAN else "<u2").tobytes()
    decoded = decode(element(data), item(), layout, [0, 1], source)
    assert np.array_equal(decoded, values)
    assert decoded.dtype == (np.int16 if is_signed else np.uint16)
    assert np.array_equal(decode(element(data), item(), layout, [1], source), values[1:])


@pytest.mark.parametrize(("is_signed", "stored"), list(itertools.product((False, True), (8, 12, 16))))
def test_jpeg_2000_of_the_bits_that_are_stored(source, is_signed, stored):
    low = -(2 ** (stored - 1)) if is_signed else 0
    values = np.random.default_rng(stored).integers(low, low + 2**stored, (5, 7))
    masked = (values & (2**stored - 1)).astype(np.uint16)  # the codestream is unsigned, whatever the header says
    code = imagecodecs.jpeg2k_encode(masked, level=0, reversible=True, codecformat="j2k", bitspersample=stored)
    layout = described(JPEG_2000, stored=stored, is_signed=is_signed)
    assert np.array_equal(decode(element(encapsulate([code])), item(), layout, [0], source)[0], values)


@pytest.mark.parametrize(("syntax", "words"), [(EXPLICIT, "OW"), (BIG_ENDIAN, "OB"), (BIG_ENDIAN, "OW")])
def test_bits_that_do_not_start_at_a_byte(source, syntax, words):
    values = np.random.default_rng(1).integers(0, 2, (3, 5, 7), dtype=np.uint8)
    data = np.packbits(values.ravel(), bitorder="little")
    if syntax == BIG_ENDIAN and words == "OW":
        data = data.reshape(-1, 2)[:, ::-1]
    layout = described(syntax, allocated=1, stored=1, frames=3)
    assert np.array_equal(decode(element(data.tobytes(), words), item(), layout, [2, 0, 1], source), values[[2, 0, 1]])


@pytest.mark.parametrize("is_whole_words", [False, True])
def test_bytes_of_big_endian_words(source, is_whole_words):
    values = np.arange(35, dtype=np.uint8).reshape(5, 7)
    data = values.tobytes() + b"\0"
    if is_whole_words:
        data = np.frombuffer(data, "<u2").astype(">u2").tobytes()
    layout = described(BIG_ENDIAN, allocated=8, stored=8)
    representation = "OW" if is_whole_words else "OB"
    assert np.array_equal(decode(element(data, representation), item(), layout, [0], source)[0], values)


def smooth_colours():
    y, x = np.mgrid[:32, :48]
    return np.stack([40 + 4 * x, 220 - 5 * y, 60 + 2 * (x + y)], axis=-1).clip(0, 255).astype(np.uint8)


def colours_of(code, syntax, photometric, source):
    layout = described(syntax, allocated=8, stored=8, samples=3, photometric=photometric, rows=32, columns=48, planar=0)
    return decode(element(encapsulate([code])), item(), layout, [0], source)[0].astype(int)


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL_422", "YBR_FULL"])
@pytest.mark.parametrize("coded", ["JFIF", "Adobe RGB", "Adobe YCbCr"])
def test_the_codestream_says_how_jpeg_is_coded(source, photometric, coded):
    stream, rgb = io.BytesIO(), smooth_colours()
    Image.fromarray(rgb).save(stream, "JPEG", quality=98, subsampling=0, keep_rgb=coded == "Adobe RGB")
    code = stream.getvalue()
    if coded == "Adobe YCbCr":  # in place of JFIF's marker
        length = 4 + int.from_bytes(code[4:6], "big") - 2
        code = code[:2] + b"\xff\xee\x00\x0eAdobe\x00\x64" + bytes(4) + b"\x01" + code[2 + length :]
    assert np.abs(colours_of(code, JPEG, photometric, source) - rgb).max() <= 8


@pytest.mark.parametrize(("photometric", "is_rgb"), [("RGB", True), ("YBR_FULL_422", False)])
def test_the_header_counts_where_jpeg_says_nothing(source, photometric, is_rgb):
    rgb = smooth_colours()
    values = rgb if is_rgb else convert_color_space(rgb, "RGB", "YBR_FULL")
    space = "RGB" if is_rgb else "YCBCR"
    code = bytes(imagecodecs.jpeg8_encode(rgb, 98, colorspace="RGB", outcolorspace=space, subsampling="444"))
    start = code.index(b"\xff\xdb")  # without any marker before the tables
    sof = code.index(b"\xff\xc0", start)
    plain = bytearray(b"\xff\xd8" + code[start:])
    place = 2 + sof - start
    plain[place + 10], plain[place + 13], plain[place + 16] = 1, 2, 3
    scan = plain.index(b"\xff\xda")
    plain[scan + 5], plain[scan + 7], plain[scan + 9] = 1, 2, 3
    assert values.shape == rgb.shape
    assert np.abs(colours_of(bytes(plain), JPEG, photometric, source) - rgb).max() <= 8


@pytest.mark.parametrize(
    ("photometric", "transform", "is_ybr"),
    [
        ("RGB", False, False),
        ("YBR_FULL", False, True),
        ("YBR_RCT", True, False),
        ("YBR_FULL", True, False),  # the codestream has turned its samples itself
        ("RGB", True, False),
    ],
)
def test_colours_of_jpeg_2000(source, photometric, transform, is_ybr):
    rgb = smooth_colours()
    stored = convert_color_space(rgb, "RGB", "YBR_FULL") if is_ybr else rgb
    code = imagecodecs.jpeg2k_encode(stored, level=0, reversible=True, mct=transform, codecformat="j2k")
    assert np.abs(colours_of(code, JPEG_2000, photometric, source) - rgb).max() <= (3 if is_ybr else 0)


def compressed(syntax):
    values = np.random.default_rng(2).integers(0, 4096 if syntax != JPEG else 256, (64, 64)).astype(np.uint16)
    if syntax == JPEG:
        stream = io.BytesIO()
        Image.fromarray(values.astype(np.uint8)).save(stream, "JPEG", quality=95)
        return stream.getvalue(), described(syntax, allocated=8, stored=8, rows=64, columns=64)
    if syntax == JPEG_12:
        code = bytes(imagecodecs.jpeg8_encode(values, 95, bitspersample=12))
        return code, described(syntax, stored=12, rows=64, columns=64)
    return ENCODERS[syntax](values), described(syntax, rows=64, columns=64)


@pytest.mark.parametrize("syntax", [JPEG, JPEG_12, *ENCODERS])
def test_frames_that_end_too_early(source, syntax):
    code, layout = compressed(syntax)
    assert decode(element(encapsulate([code])), item(), layout, [0], source).shape == (1, 64, 64)
    for share, end in itertools.product((0.3, 0.7, 0.95), (b"", b"\xff\xd9")):
        with pytest.raises(DamagedFileError, match="damaged"):
            decode(element(encapsulate([code[: int(len(code) * share)] + end])), item(), layout, [0], source)


@pytest.mark.parametrize("syntax", [JPEG, JPEG_12, JPEG_LS, JPEG_2000])
def test_more_rows_than_there_are(source, syntax):
    code, layout = compressed(syntax)
    if syntax == JPEG_2000:  # the right and the lower end
        ends = (64).to_bytes(4, "big") + (64).to_bytes(4, "big"), (64).to_bytes(4, "big") + (96).to_bytes(4, "big")
    else:  # rows and columns
        ends = b"\x00\x40\x00\x40", b"\x00\x60\x00\x40"
    data = element(encapsulate([code.replace(*ends, 1)]))
    with pytest.raises(DamagedFileError, match="damaged"):
        decode(data, item(), replace(layout, rows=96), [0], source)


def test_more_frames_than_stated(source):
    code = ENCODERS[JPEG_2000](np.arange(35, dtype=np.uint16).reshape(5, 7))
    for data in (encapsulate([code, code]), encapsulate([code, code], has_bot=False)):
        with pytest.raises(DamagedFileError, match="2 frames"):
            decode(element(data), item(), described(JPEG_2000), [0], source)


def test_fewer_frames_than_stated(source):
    code = ENCODERS[RLE](np.arange(35, dtype=np.uint16).reshape(5, 7))
    with pytest.raises(DamagedFileError, match="ends before the last of its 3 frames"):
        decode(element(encapsulate([code, code])), item(), described(RLE, frames=3), [0], source)


@pytest.mark.parametrize("has_offsets", [False, True])
def test_a_frame_in_several_fragments(source, has_offsets):
    values = np.arange(35, dtype=np.uint16).reshape(5, 7)
    data = encapsulate([ENCODERS[JPEG_2000](values)], fragments_per_frame=3, has_bot=has_offsets)
    assert np.array_equal(decode(element(data), item(), described(JPEG_2000), [0], source)[0], values)


def test_another_number_of_samples(source):
    code = imagecodecs.jpeg2k_encode(smooth_colours(), level=0, codecformat="j2k")
    layout = described(JPEG_2000, allocated=8, stored=8, rows=32, columns=48)
    with pytest.raises(DamagedFileError, match="another size"):
        decode(element(encapsulate([code])), item(), layout, [0], source)


def test_a_signed_codestream(source):
    values = np.random.default_rng(3).integers(-2000, 2000, (5, 7)).astype(np.int16)
    code = imagecodecs.jpeg2k_encode(values, level=0, reversible=True, codecformat="j2k")
    assert np.array_equal(openjpeg.decode(code), values)
    layout = described(JPEG_2000, is_signed=True)
    assert np.array_equal(decode(element(encapsulate([code])), item(), layout, [0], source)[0], values)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"comment": b"x" * 500}])
def test_the_size_that_jpeg_claims(options):
    stream = io.BytesIO()
    Image.fromarray(np.zeros((30, 47, 3), np.uint8)).save(stream, "JPEG", **options)
    assert parse_codestream(stream.getvalue()).shape[:2] == (30, 47)


@pytest.mark.parametrize("boxed", [False, True])
def test_the_size_that_jpeg_2000_claims(boxed):
    stream = io.BytesIO()
    Image.fromarray(np.zeros((30, 47), np.uint8)).save(stream, "JPEG2000", no_jp2=not boxed)
    assert parse_codestream(stream.getvalue()).shape[:2] == (30, 47)


def test_the_size_that_jpeg_ls_claims():
    jpeg_ls = pytest.importorskip("jpeg_ls")
    frame = bytes(jpeg_ls.encode_array(np.arange(300, dtype=np.uint8).reshape(15, 20)))
    assert parse_codestream(frame).shape == (15, 20, 1)


@pytest.mark.parametrize("frame", [b"", b"\xff\xd8", b"\xff\xd8\xff\xc0\x00", b"\xff\x4f\xff\x51\x00", bytes(100)])
def test_frames_without_a_claim(frame):
    assert parse_codestream(frame) is None
