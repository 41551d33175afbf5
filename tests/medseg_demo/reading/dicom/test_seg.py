import highdicom
import numpy as np
import pydicom
import pytest
from dicom_segs import KINDS, NAMES, edited, groups, image_of, read, without_frames, write, write_seg
from dicom_series import SeriesWriter, affine_of, blob
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, JPEG2000Lossless, RLELossless, generate_uid

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, UnsupportedImageError
from medseg_demo.image import LabelMap
from medseg_demo.reading.dicom.seg import is_segmentation, read_segmentation
from medseg_demo.reading.source import open_source
from medseg_demo.settings import Settings


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("omit", [False, True])
def test_each_type_is_read_back(tmp_path, image, label_map, kind, omit):
    path = write_seg(tmp_path / "s.dcm", image, label_map.labels, NAMES, kind=kind, omit_empty_frames=omit)
    for one in (image, without_frames(image)):
        content = read(path, one)
        assert np.array_equal(content.labels, label_map.labels)
        assert content.class_names == NAMES
        assert content.segments == {1: "liver", 2: "tumour"}
        assert content.geometry is one.geometry
    alone = read(path)
    kept = slice(2, 6) if omit else slice(None)
    assert np.array_equal(alone.labels, label_map.labels[kept])
    origin = image.geometry.affine @ [0, 0, 2 if omit else 0, 1]
    assert alone.geometry.affine[:3, :3] == pytest.approx(image.geometry.affine[:3, :3], abs=1e-4)
    assert alone.geometry.affine[:, 3] == pytest.approx(origin, abs=1e-4)


@pytest.mark.parametrize(("kind", "syntax"), [("LABELMAP", JPEG2000Lossless), ("FRACTIONAL", JPEG2000Lossless)])
def test_compressed(tmp_path, kind, syntax):
    SeriesWriter(tmp_path / "ct").volume(blob(2, 40, 40))
    image = image_of((tmp_path / "ct").iterdir(), affine_of())
    labels = (image.pixels % 3).astype(np.uint8)
    path = write_seg(tmp_path / "s.dcm", image, labels, NAMES, kind=kind, transfer_syntax_uid=syntax)
    assert np.array_equal(read(path, image).labels, labels)


def test_run_lengths(tmp_path, image, label_map):
    path = write_seg(tmp_path / "s.dcm", image, label_map.labels, NAMES, kind="LABELMAP")
    edited(path, lambda dataset: dataset.compress(RLELossless, encoding_plugin="pydicom"))
    assert np.array_equal(read(path, image).labels, label_map.labels)


@pytest.mark.parametrize("size", [(3, 3), (5, 7), (12, 10), (1, 9)])
def test_bits_of_a_frame_begin_inside_a_byte(tmp_path, size):
    SeriesWriter(tmp_path / "ct").volume(blob(4, *size))
    image = image_of((tmp_path / "ct").iterdir(), affine_of())
    labels = (image.pixels % 3).astype(np.uint8)
    assert np.array_equal(read(write(tmp_path, LabelMap(labels, NAMES), image), image).labels, labels)


def test_bits_in_words_of_the_other_byte_order(tmp_path, image, label_map):
    path = write(tmp_path, label_map, image)
    dataset = pydicom.dcmread(path)
    list(dataset.iterall())  # decoded, so that they are written in the other order
    dataset.PixelData, dataset["PixelData"].VR = np.frombuffer(dataset.PixelData, "<u2").byteswap().tobytes(), "OW"
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    pydicom.dcmwrite(path, dataset, implicit_vr=False, little_endian=False)
    assert np.array_equal(read(path, image).labels, label_map.labels)


def test_numbers_with_gaps_in_any_order(tmp_path, image, label_map):
    def renumber(dataset):
        for item, number in zip(dataset.SegmentSequence, (9, 4), strict=True):
            item.SegmentNumber = number
        for item in groups(dataset, "SegmentIdentificationSequence"):
            item.ReferencedSegmentNumber = {1: 9, 2: 4}[item.ReferencedSegmentNumber]

    content = read(edited(write(tmp_path, label_map, image), renumber), image)
    assert content.class_names == ("tumour", "liver")
    assert content.numbers == (4, 9)
    assert np.array_equal(content.labels, np.choose(label_map.labels, [0, 2, 1]))
    assert content.notes == ("The segments are numbered 4, 9; their labels are 1 to 2, in this order.",)


def test_a_label_map_keeps_values_beyond_a_byte_apart(tmp_path, image, label_map):
    labels = np.choose(label_map.labels, [0, 7, 300]).astype(np.uint16)
    content = read(write_seg(tmp_path / "s.dcm", image, labels, NAMES, kind="LABELMAP", numbers=(7, 300)), image)
    assert content.numbers == (7, 300)
    assert np.array_equal(content.labels, label_map.labels)


def test_another_value_is_the_background_of_a_label_map(tmp_path, image, label_map):
    """Its value 0 is a segment then."""

    def edit(dataset):
        dataset.PixelPaddingValue = 2
        dataset.SegmentSequence = dataset.SegmentSequence[:2]
        dataset.SegmentSequence[0].SegmentLabel = "air"

    path = edited(write_seg(tmp_path / "s.dcm", image, label_map.labels, NAMES, kind="LABELMAP"), edit)
    content = read(path, image)
    assert content.class_names == ("air", "liver")
    stored = pydicom.dcmread(path).pixel_array
    assert len(stored) < len(image.pixels)  # what is left out is background, and no air
    assert np.count_nonzero(content.labels == 1) == np.count_nonzero(stored == 0)


@pytest.mark.parametrize(("name", "expected"), [("Background", NAMES), ("air", ("air", *NAMES))])
def test_value_0_is_a_segment_where_it_has_a_name_and_nothing_is_background(tmp_path, image, label_map, name, expected):
    def edit(dataset):
        del dataset.PixelPaddingValue
        dataset.SegmentSequence[0].SegmentLabel = name

    path = write_seg(
        tmp_path / "s.dcm", image, label_map.labels, NAMES, kind="LABELMAP", edit=edit, omit_empty_frames=False
    )
    content = read(path, image)
    assert content.class_names == expected
    assert np.array_equal(content.labels, label_map.labels + len(expected) - 2)


def test_the_colours_of_a_label_map_do_not_count(tmp_path, image, label_map):
    palette = highdicom.PaletteColorLUTTransformation.from_colors(["black", "red", "lime"])
    path = write_seg(
        tmp_path / "s.dcm", image, label_map.labels, NAMES, kind="LABELMAP", palette_color_lut_transformation=palette
    )
    assert pydicom.dcmread(path).PhotometricInterpretation == "PALETTE COLOR"
    assert np.array_equal(read(path, image).labels, label_map.labels)


def test_a_deflated_file(tmp_path, written, image, label_map):
    dataset = pydicom.dcmread(written)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(written)
    with open_source(written, Settings()) as source:
        assert is_segmentation(source)
    assert np.array_equal(read(written, image).labels, label_map.labels)


def test_a_value_that_no_segment_has(tmp_path, image, label_map):
    path = write_seg(tmp_path / "s.dcm", image, label_map.labels, NAMES, kind="LABELMAP")
    edited(path, lambda dataset: dataset.SegmentSequence.pop())
    with pytest.raises(DamagedFileError, match="holds the value 2"):
        read(path, image)


@pytest.mark.parametrize("most", [255, 100])
def test_fractions_of_at_least_one_half_are_inside(tmp_path, image, most):
    shares = np.zeros((*image.shape, 1), np.float32)
    shares[3, 2, :5, 0] = np.array([most // 2 - 1, most // 2, (most + 1) // 2, most - 1, most]) / most
    path = write_seg(
        tmp_path / "s.dcm", image, shares, ("liver",), kind="FRACTIONAL",
        fractional_type="PROBABILITY", max_fractional_value=most,
    )  # fmt: skip
    content = read(path, image)
    assert content.labels[3, 2, :5].tolist() == [0, int(most == 100), 1, 1, 1]
    assert any("one half" in note for note in content.notes)


def test_the_larger_of_two_fractions_counts(tmp_path, image):
    shares = np.zeros((*image.shape, 2), np.float32)
    shares[3, 2, :3] = [[0.6, 0.9], [0.9, 0.6], [0.7, 0.7]]
    path = write_seg(
        tmp_path / "s.dcm",
        image,
        shares,
        NAMES,
        kind="FRACTIONAL",
        fractional_type="OCCUPANCY",
        max_fractional_value=255,
    )
    content = read(path, image)
    assert content.labels[3, 2, :3].tolist() == [2, 1, 1]
    assert any("'liver' and 'tumour' reach one half in 3 common voxels" in note for note in content.notes)


def test_segments_that_overlap_are_refused_by_name(tmp_path, image):
    masks = np.zeros((*image.shape, 2), np.uint8)
    masks[3, 2:6, 2:6, 0] = 1
    masks[3, 4:8, 4:8, 1] = 1
    path = write_seg(tmp_path / "s.dcm", image, masks, NAMES)
    with pytest.raises(UnsupportedImageError, match="'liver' and 'tumour' of the DICOM SEG overlap in 4 voxels"):
        read(path, image)
    same = write_seg(tmp_path / "t.dcm", image, masks, ("lesion", "lesion"))
    assert np.array_equal(read(same, image).labels > 0, masks.any(axis=-1))  # two of one name are one class


def test_no_label_at_all(tmp_path, image):
    empty = LabelMap(np.zeros(image.shape, np.uint8), ("liver",), image.geometry)
    content = read(write(tmp_path, empty, image))
    assert content.labels.shape == image.shape
    assert not content.labels.any()


DROPPED = {
    "dimensions": lambda d: d.pop("DimensionIndexSequence"),
    "category": lambda d: [item.pop("SegmentedPropertyCategoryCodeSequence") for item in d.SegmentSequence],
    "algorithm": lambda d: [item.pop("SegmentAlgorithmType") for item in d.SegmentSequence],
    "thickness": lambda d: d.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].pop("SliceThickness"),
    "sources": lambda d: d.pop("ReferencedSeriesSequence"),
    "type": lambda d: d.pop("SegmentationType"),
}


@pytest.mark.parametrize("drop", DROPPED.values(), ids=DROPPED)
def test_what_other_programs_leave_out(written, image, label_map, drop):
    assert np.array_equal(read(edited(written, drop), image).labels, label_map.labels)


def test_a_segment_without_a_name(written, image):
    def edit(dataset):
        dataset.SegmentSequence[0].SegmentLabel = ""
        dataset.SegmentSequence[1].SegmentLabel = "a\x07b"

    assert read(edited(written, edit), image).class_names == ("class_1", "a?b")


def _claim(**elements):
    def edit(dataset):
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)

    return edit


@pytest.mark.parametrize(
    ("edit", "error", "says"),
    [
        (_claim(Rows=20000, Columns=20000, NumberOfFrames=1000), ImageTooLargeError, "20000 × 20000 pixels"),
        (_claim(Rows=9000, Columns=9000, NumberOfFrames=100000), ImageTooLargeError, "MiB"),
        (_claim(NumberOfFrames=17), DamagedFileError, "ends before the last of its 17 frames|states 17 frames"),
        (_claim(NumberOfFrames=3), DamagedFileError, "more pixels|states 3 frames"),
        (_claim(Rows=13), DamagedFileError, "ends before the last"),
        (_claim(Rows=0), UnsupportedImageError, "no Rows"),
        (_claim(SegmentSequence=[]), UnsupportedImageError, "describes 0 segments"),
        (_claim(SegmentationType="OTHER"), UnsupportedImageError, "is binary"),
        (_claim(DimensionOrganizationType="TILED_FULL"), UnsupportedImageError, "whole slide"),
        (_claim(SharedFunctionalGroupsSequence=[]), UnsupportedImageError, "does not tell where|no regular grid"),
        (lambda d: d.pop("PixelData"), DamagedFileError, "ends before its pixels"),
        (
            lambda d: _claim(SegmentNumber=1)(d.SegmentSequence[1]),
            DamagedFileError,
            "two have one number",
        ),
        (
            lambda d: _claim(ReferencedSegmentNumber=5)(groups(d, "SegmentIdentificationSequence")[0]),
            DamagedFileError,
            "of no segment",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(written, edit, error, says):
    with pytest.raises(error, match=says) as refusal:
        read(edited(written, edit))
    assert "Secret" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_a_cut_file_is_damaged_wherever_it_ends(written, image):
    whole = written.read_bytes()
    for length in range(600, len(whole) - 1, 997):
        written.write_bytes(whole[:length])
        with open_source(written, Settings()) as source:
            if not is_segmentation(source):
                continue
            with pytest.raises(DamagedFileError):
                read_segmentation(source, image)


def test_volumes_larger_than_the_limit(tmp_path, written):
    with pytest.raises(ImageTooLargeError, match="MEGAPIXELS"):
        read(written, max_megapixels=0)
    with pytest.raises(ImageTooLargeError, match="MEGAVOXELS"):
        read(written, max_megavoxels=0)


def test_it_is_told_by_its_class_wherever_that_stands(written, image):
    def recognised(path):
        with open_source(path, Settings()) as source:
            return is_segmentation(source)

    assert recognised(written)
    assert not recognised(image.source_files[0])
    whole = written.read_bytes()
    written.write_bytes(whole[128 + 4 :])
    assert recognised(written)  # without a preamble
    dataset = pydicom.dcmread(written, force=True)
    dataset.file_meta.PrivateInformationCreatorUID, dataset.file_meta.PrivateInformation = "1.2.3", bytes(100_000)
    dataset.save_as(written, enforce_file_format=True)
    assert recognised(written)  # its class stands behind the first 100,000 bytes
    referring = pydicom.dcmread(image.source_files[0])
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = dataset.SOPClassUID, generate_uid()
    referring.ReferencedImageSequence = [item]
    referring.save_as(image.source_files[0])
    assert not recognised(image.source_files[0])  # an image that names a segmentation
