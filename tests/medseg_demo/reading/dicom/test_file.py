import contextlib
import logging
import random
import warnings

import numpy as np
import pydicom
import pytest
from dicom_series import item
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, ReadError, UnsupportedImageError
from medseg_demo.reading import count_volumes, read_image

PATIENT = "Doe^Secret"
STORAGE = "1.2.840.10008.5.1.4.1.1."


@pytest.fixture
def make(tmp_path):
    """A DICOM file of the given stored values; keywords become elements."""

    def make(stored, **elements):
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
        dataset.PatientName = PATIENT
        dataset.Modality = "CT"
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.Rows, dataset.Columns = stored.shape[-2:]
        if stored.ndim == 3:
            dataset.NumberOfFrames = len(stored)
        bits = stored.dtype.itemsize * 8
        dataset.BitsAllocated = dataset.BitsStored = bits
        dataset.HighBit = bits - 1
        dataset.PixelRepresentation = int(stored.dtype.kind == "i")
        dataset.PixelData = stored.tobytes()
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        path = tmp_path / "IM0001"
        dataset.save_as(path, enforce_file_format=True)
        return path

    return make


@pytest.fixture
def ramp():
    """(20, 30) uint16, 0 to 599."""
    return np.arange(600, dtype=np.uint16).reshape(20, 30)


def test_plain(make, ramp):
    image = read_image(make(ramp))
    assert np.array_equal(image.pixels, ramp)
    assert image.pixels.dtype == np.uint16
    assert (image.axes, image.bit_depth, image.modality, image.file_format) == ("YX", 16, "CT", "DICOM")
    assert (image.name, image.geometry.spacing_mm, image.notes) == ("IM0001", None, ())
    assert image.display_window == pytest.approx(tuple(np.percentile(ramp, (0.5, 99.5))))


@pytest.mark.parametrize("elements", [{"WindowCenter": "9000", "WindowWidth": "10"}, {"WindowCenter": "5"}])
def test_window_that_shows_nothing_is_replaced(make, ramp, elements):
    window = read_image(make(ramp, **elements)).display_window
    assert window == pytest.approx(tuple(np.percentile(ramp, (0.5, 99.5))))


def test_monochrome1_is_turned(make, ramp):
    image = read_image(
        make(
            ramp,
            PhotometricInterpretation="MONOCHROME1",
            BitsStored=12,
            HighBit=11,
            WindowCenter="100.5",
            WindowWidth="21",
        )
    )
    assert np.array_equal(image.pixels, 4095 - ramp)
    assert image.pixels.dtype == np.uint16
    assert image.display_window == (4095 - 110, 4095 - 90)
    assert "MONOCHROME1" in image.notes[0]


def test_monochrome1_signed_and_rescaled(make, ramp):
    signed = ramp.astype(np.int16) - 300
    image = read_image(make(signed, PhotometricInterpretation="MONOCHROME1"))
    assert np.array_equal(image.pixels, -1 - signed)
    image = read_image(
        make(
            ramp, PhotometricInterpretation="MONOCHROME1", RescaleSlope="2", RescaleIntercept="-100",
            WindowCenter="100.5", WindowWidth="21",
        )
    )  # fmt: skip
    assert np.array_equal(image.pixels, 2.0 * (65535 - ramp) - 100)
    # The stored values that the window (90, 110) shows, 95 to 105, become 65440 to 65430, so 130780 to 130760.
    assert image.display_window == (130760, 130780)


def test_affine(make, ramp):
    image = read_image(
        make(
            ramp, PixelSpacing=["0.5", "0.25"], ImagePositionPatient=["10", "20", "30"],
            ImageOrientationPatient=["0", "1", "0", "0", "0", "-1"],
        )
    )  # fmt: skip
    # x runs along posterior in steps of 0.25 mm, y downwards in steps of 0.5 mm.
    assert (image.geometry.affine @ [4, 0, 0, 1]).tolist() == [10, 21, 30, 1]
    assert (image.geometry.affine @ [0, 4, 0, 1]).tolist() == [10, 20, 28, 1]
    broken = make(
        ramp, PixelSpacing=["1", "1"], ImagePositionPatient=["0", "0", "0"],
        ImageOrientationPatient=["1", "0", "0", "1", "0", "0"],
    )  # fmt: skip
    assert read_image(broken).geometry.affine is None


def test_frames_are_slices(make, ramp):
    frames = np.stack([ramp, ramp + 1, ramp + 2])
    image = read_image(make(frames, PixelSpacing=["0.5", "0.25"], SpacingBetweenSlices="2"))
    assert image.axes == "ZYX"
    assert np.array_equal(image.pixels, frames)
    assert image.geometry.spacing_mm == (2, 0.5, 0.25)
    unknown = read_image(make(frames, PixelSpacing=["0.5", "0.25"]))
    assert unknown.geometry.spacing_mm is None
    assert "distance between the frames" in unknown.notes[0]


def enhanced(positions, slopes=None):
    """Frames at (x, y, z), or at (5, 6, z)."""
    positions = [(5, 6, place) if np.isscalar(place) else place for place in positions]
    slopes = slopes or [1] * len(positions)
    shared = item(
        PixelMeasuresSequence=Sequence([item(PixelSpacing=["0.5", "0.25"], SpacingBetweenSlices="9")]),
        PlaneOrientationSequence=Sequence([item(ImageOrientationPatient=["1", "0", "0", "0", "1", "0"])]),
        FrameVOILUTSequence=Sequence([item(WindowCenter="50.5", WindowWidth="41")]),
    )
    frames = [
        item(
            PlanePositionSequence=Sequence([item(ImagePositionPatient=[*map(str, place)])]),
            PixelValueTransformationSequence=Sequence([item(RescaleSlope=str(slope), RescaleIntercept="1")]),
        )
        for place, slope in zip(positions, slopes, strict=True)
    ]
    return {
        "SharedFunctionalGroupsSequence": Sequence([shared]),
        "PerFrameFunctionalGroupsSequence": Sequence(frames),
    }


def test_enhanced_frames(make, ramp):
    frames = np.stack([ramp, ramp, ramp])
    image = read_image(make(frames, **enhanced([30, 27.5, 25], [1, 2, 3])))
    assert image.geometry.spacing_mm == (2.5, 0.5, 0.25)
    assert (image.geometry.affine @ [0, 0, 2, 1]).tolist() == [5, 6, 30, 1]
    assert np.array_equal(image.pixels[0], ramp * 3.0 + 1)  # the last frame is the lowest
    assert image.display_window == (30, 70)
    uneven = read_image(make(frames, **enhanced([0, 1, 5])))
    assert uneven.geometry.spacing_mm == (2.5, 0.5, 0.25)  # the median, as of a series
    assert "not evenly spaced" in uneven.notes[0]


def test_enhanced_frames_that_are_tilted(make, ramp):
    places = [(5, 6 + index, 2 * index) for index in range(4)]
    image = read_image(make(np.stack([ramp] * 4), **enhanced(places)))
    assert image.geometry.spacing_mm == pytest.approx((2, 0.5, 0.25))
    assert (image.geometry.affine @ [0, 0, 3, 1]).tolist() == pytest.approx([5, 9, 6, 1])
    (note,) = image.notes
    assert "tilted by 26.6° against the way they are stacked (gantry tilt)" in note  # arctan(1 / 2)


def test_enhanced_frames_of_several_volumes(make, ramp):
    frames = np.stack([ramp, ramp + 1, ramp + 2, ramp + 3, ramp + 4, ramp + 5])
    path = make(frames, **enhanced([9, 6, 3, 9, 6, 3]))
    assert count_volumes(path) == 2
    with pytest.raises(UnsupportedImageError, match="it holds 2 volumes"):
        read_image(path)
    assert (read_image(path, volume=1).pixels[:, 0, 0] - 1).tolist() == [2, 1, 0]  # the rescaling adds 1
    image = read_image(path, volume=2)
    assert (image.pixels[:, 0, 0] - 1).tolist() == [5, 4, 3]
    assert image.geometry.spacing_mm == (3, 0.5, 0.25)
    both = read_image(path, channels=True)
    assert (both.axes, both.channels) == ("ZYXC", 2)
    assert np.array_equal(both.pixels[..., 1], image.pixels)
    (note,) = read_image(make(frames, **enhanced([1, 2, 3, 4, 5, 5]))).notes
    assert note == "1 image was left out: lying where another one lies already."
    assert count_volumes(make(frames, **enhanced([7] * 6))) == 6


def test_float_and_8_bit(make, ramp):
    assert read_image(make(ramp.astype(np.uint8))).display_window == (0, 255)
    path = make(ramp)
    dataset = pydicom.dcmread(path)
    del dataset.PixelData
    dataset.BitsAllocated = 32
    dataset.FloatPixelData = (ramp / 7).astype(np.float32).tobytes()
    dataset.save_as(path)
    assert read_image(path).pixels == pytest.approx(ramp / 7)


@pytest.mark.parametrize("first", [0, 100, 300])
def test_palettes_that_start_elsewhere_or_are_longer_than_indices(make, first):
    table = np.arange(600, dtype=np.uint16) * 100
    elements = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour in ("Red", "Green", "Blue"):
        elements[f"{colour}PaletteColorLookupTableDescriptor"] = [600, first, 16]
        elements[f"{colour}PaletteColorLookupTableData"] = table.tobytes()
    indices = np.arange(256, dtype=np.uint8).reshape(16, 16)
    if first < 256:
        pixels = read_image(make(indices, **elements)).pixels
        assert np.array_equal(pixels[..., 0], table[np.maximum(indices.astype(int) - first, 0)])
    wide = read_image(make(indices.astype(np.uint16) * 4, **elements)).pixels
    assert np.array_equal(wide[..., 2], table[np.clip(indices.astype(int) * 4 - first, 0, 599)])


def test_a_file_that_is_a_tiff_as_well_is_read_as_dicom(dicom_file):
    path = dicom_file("RG1_UNCR.dcm")
    assert path.read_bytes()[:4] == b"II*\0"
    image = read_image(path)
    assert (image.file_format, image.modality, image.pixels.shape) == ("DICOM", "CR", (1955, 1841))
    assert image.geometry.spacing_mm is None  # the file says 0
    # A chest from the front: the lungs, left and right of the middle, are darker than the spine between them.
    row = image.pixels[800:900].mean(axis=0)
    assert row[900:1000].mean() > 1.2 * max(row[450:550].mean(), row[1300:1400].mean())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("rtstruct.dcm", "RT Structure Set"),
        ("test-SR.dcm", "SR"),
        ("rtplan.dcm", "RT Plan"),
        ("waveform_ecg.dcm", "Waveform"),
        ("liver.dcm", "Segmentation"),
        ("DICOMDIR", "DICOMDIR"),
    ],
)
def test_dicom_without_an_image(dicom_file, name, kind):
    with pytest.raises(UnsupportedImageError, match=f"{kind}.*Choose the images"):
        read_image(dicom_file(name))


@pytest.mark.parametrize(
    ("elements", "kind"),
    [
        ({"SOPClassUID": STORAGE + "66.7"}, "Segmentation"),
        ({"SOPClassUID": STORAGE + "66.4", "Modality": "SEG"}, "Segmentation"),
        ({"Modality": "SEG"}, "Segmentation"),
        ({"SOPClassUID": STORAGE + "11.1"}, "Presentation State"),
        ({"SOPClassUID": STORAGE + "88.59"}, "Key Object"),
        ({"SOPClassUID": STORAGE + "104.1"}, "Encapsulated PDF"),
        ({"SOPClassUID": STORAGE + "9.1.1"}, "Waveform"),
        ({"SOPClassUID": STORAGE + "66.1"}, "Registration"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, "mosaic"),
        ({"DimensionOrganizationType": "TILED_FULL", "NumberOfFrames": 3}, "tiles"),
        ({"TotalPixelMatrixRows": 90, "TotalPixelMatrixColumns": 90}, "tiles"),
    ],
)
def test_what_is_no_image_is_named(make, ramp, elements, kind):
    with pytest.raises(UnsupportedImageError, match=kind):
        read_image(make(np.stack([ramp] * 3) if "NumberOfFrames" in elements else ramp, **elements))


def test_dose_and_its_plan_have_similar_names(make, ramp):
    image = read_image(make(ramp.astype(np.uint32), SOPClassUID=STORAGE + "481.2", DoseGridScaling="0.001"))
    assert image.pixels == pytest.approx(ramp * 0.001)


@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "image_dfl.dcm"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_truncated(dicom_file, write, name, share):
    content = dicom_file(name).read_bytes()
    with pytest.raises(DamagedFileError, match=r"cut\.dcm: .*Export"):
        read_image(write("cut.dcm", content[: int(len(content) * share)]))


def test_frames_that_are_all_there_are_read(dicom_file):
    # It ends behind its last frame, before the mark that says so.
    short, whole = (read_image(dicom_file(f"emri_small_jpeg_2k_lossless{end}.dcm")) for end in ("_too_short", ""))
    assert np.array_equal(short.pixels, whole.pixels)


def test_limits_come_before_decoding(make, ramp):
    with pytest.raises(ImageTooLargeError, match="60000 × 60000"):
        read_image(make(ramp, Rows=60_000, Columns=60_000))
    with pytest.raises(ImageTooLargeError, match="voxels"):
        read_image(make(ramp, NumberOfFrames=10_000_000))


def test_one_value_and_not_a_number(make, ramp):
    with pytest.raises(UnsupportedImageError, match="same value"):
        read_image(make(np.full_like(ramp, 7)))


def test_nothing_of_the_patient_gets_out(make, ramp, caplog, recwarn):
    path = make(ramp, WindowCenter="1")
    content = path.read_bytes().replace(b"\x28\x00\x50\x10DS\x02\x001 ", b"\x28\x00\x50\x10DS\x02\x00Q ")
    content = content.replace(PATIENT.encode(), b"Doe^\xff\xfe\x80ecr")
    path.write_bytes(content)
    warnings.simplefilter("always")
    with caplog.at_level(logging.DEBUG):
        image = read_image(path)
    assert "Doe" not in repr(image) + caplog.text + "".join(str(w.message) for w in recwarn)
    for cut in range(200, len(content) - 700, 37):
        path.write_bytes(content[:cut])
        with pytest.raises(ReadError) as caught:
            read_image(path)
        assert "Doe" not in str(caught.value) + caplog.text + "".join(str(w.message) for w in recwarn)


@pytest.mark.parametrize(
    "name",
    ["MR_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm",
     "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_jpeg_dcmtk.dcm", "examples_palette.dcm"],
)  # fmt: skip
def test_damage_is_never_a_surprise(dicom_file, tmp_path, name):
    whole = dicom_file(name).read_bytes()
    chance = random.Random(name)
    for attempt in range(40):
        content = bytearray(whole)
        if attempt % 2:
            content = content[: chance.randrange(1, len(content))]
        else:
            for _ in range(chance.choice((1, 3, 20))):
                content[chance.randrange(len(content) if chance.random() < 0.5 else 1500)] = chance.randrange(256)
        (tmp_path / "damaged").write_bytes(content)
        with contextlib.suppress(ReadError):
            read_image(tmp_path / "damaged")
