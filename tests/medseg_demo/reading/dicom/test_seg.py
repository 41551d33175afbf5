import shutil
from dataclasses import replace

import highdicom
import numpy as np
import pydicom
import pytest
from dicom_segs import image_of, write_seg
from dicom_series import OBLIQUE, SeriesWriter, affine_of, blob, write_enhanced
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, JPEG2000Lossless, RLELossless, generate_uid

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, UnsupportedImageError
from medseg_demo.image import Geometry, LabelMap, MedicalImage, SourceFrames, spacing_of
from medseg_demo.reading import compare_geometry, read_image, read_label_map
from medseg_demo.reading.dicom.seg import is_segmentation, read_segmentation
from medseg_demo.reading.source import open_source
from medseg_demo.settings import Settings
from medseg_demo.writing.dicom_seg import write_dicom_seg

NAMES = ("liver", "tumour")
KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")


def read(path, image=None, **settings):
    with open_source(path, Settings(**settings)) as source:
        return read_segmentation(source, image)


def without_frames(image):
    """The same image as it comes from NIfTI: its affine alone tells where it lies."""
    return replace(image, source_files=(), source_frames=None)


@pytest.fixture
def image(tmp_path):
    SeriesWriter(tmp_path / "ct").volume(blob())
    return image_of((tmp_path / "ct").iterdir(), affine_of())


@pytest.fixture
def label_map(image):
    labels = np.zeros(image.shape, np.uint8)
    labels[2:5, 3:6, 2:7] = 1
    labels[5, 7:, :3] = 2
    return LabelMap(labels, NAMES, image.geometry)


@pytest.fixture
def written(tmp_path, image, label_map):
    return _written(tmp_path, label_map, image)


def _written(folder, label_map, image):
    write_dicom_seg(label_map, image, folder / "seg.dcm", algorithm="net-a")
    return folder / "seg.dcm"


def _edited(path, edit):
    dataset = pydicom.dcmread(path)
    edit(dataset)
    dataset.save_as(path)
    return path


def _groups(dataset, name):
    return [group[name][0] for group in dataset.PerFrameFunctionalGroupsSequence]


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
    _edited(path, lambda dataset: dataset.compress(RLELossless, encoding_plugin="pydicom"))
    assert np.array_equal(read(path, image).labels, label_map.labels)


@pytest.mark.parametrize("size", [(3, 3), (5, 7), (12, 10), (1, 9)])
def test_bits_of_a_frame_begin_inside_a_byte(tmp_path, size):
    SeriesWriter(tmp_path / "ct").volume(blob(4, *size))
    image = image_of((tmp_path / "ct").iterdir(), affine_of())
    labels = (image.pixels % 3).astype(np.uint8)
    assert np.array_equal(read(_written(tmp_path, LabelMap(labels, NAMES), image), image).labels, labels)


def test_bits_in_words_of_the_other_byte_order(tmp_path, image, label_map):
    path = _written(tmp_path, label_map, image)
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
        for item in _groups(dataset, "SegmentIdentificationSequence"):
            item.ReferencedSegmentNumber = {1: 9, 2: 4}[item.ReferencedSegmentNumber]

    content = read(_edited(_written(tmp_path, label_map, image), renumber), image)
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

    path = _edited(write_seg(tmp_path / "s.dcm", image, label_map.labels, NAMES, kind="LABELMAP"), edit)
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
    _edited(path, lambda dataset: dataset.SegmentSequence.pop())
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
    content = read(_written(tmp_path, empty, image))
    assert content.labels.shape == image.shape
    assert not content.labels.any()


def test_of_another_image(written, tmp_path):
    SeriesWriter(tmp_path / "other").volume(blob(), origin=(0.2, 0, 0))
    with pytest.raises(UnsupportedImageError, match="does not lie on the image"):
        read(written, image_of((tmp_path / "other").iterdir(), affine_of(origin=(0.2, 0, 0))))
    shifted = affine_of(origin=(-19.8, 15, 40))
    far = replace(without_frames(image_of((tmp_path / "other").iterdir(), shifted)))
    with pytest.raises(UnsupportedImageError, match=r"0\.2 mm \(0\.\d+ voxels\) beside .* LPS"):
        read(written, far)


@pytest.mark.parametrize(("off", "notes"), [(0.004, 0), (0.02, 1)])
def test_a_small_offset_is_told(written, image, off, notes):
    affine = image.geometry.affine.copy()
    affine[:3, 3] += off * OBLIQUE[:, 0]
    moved = replace(without_frames(image), geometry=Geometry(image.geometry.spacing_mm, affine))
    assert len(read(written, moved).notes) == notes


IRREGULAR = {
    "missing": {"at": [0, 1, 2, 4]},
    "uneven": {"at": [0, 1, 2.4, 3]},
    "tilted": {"lean": OBLIQUE[:, 2] + 0.27 * OBLIQUE[:, 1]},
}


@pytest.mark.parametrize("irregular", IRREGULAR.values(), ids=IRREGULAR)
@pytest.mark.parametrize("kind", KINDS)
def test_a_series_without_a_regular_grid_is_found_by_its_slices(tmp_path, irregular, kind):
    SeriesWriter(tmp_path / "ct").volume(blob(4), **irregular)
    image = image_of((tmp_path / "ct").iterdir(), affine_of())
    labels = (blob(4) % 3).astype(np.uint8)
    path = write_seg(tmp_path / "s.dcm", image, labels, NAMES, kind=kind)
    for file in image.source_files:  # as those of a zip are
        file.unlink()
    assert np.array_equal(read(path, replace(image, source_files=())).labels, labels)

    def forget(dataset):
        for group in dataset.PerFrameFunctionalGroupsSequence:
            del group.DerivationImageSequence

    assert np.array_equal(read(_edited(path, forget), image).labels, labels)  # by position


def test_a_tilted_series_is_a_regular_volume_by_itself(tmp_path):
    lean = OBLIQUE[:, 2] + 0.27 * OBLIQUE[:, 1]
    SeriesWriter(tmp_path / "ct").volume(blob(4), lean=lean)
    affine = affine_of()
    affine[:3, 2] = 3 * lean
    image = image_of((tmp_path / "ct").iterdir(), affine)
    labels = (blob(4) % 3).astype(np.uint8)
    path = write_seg(tmp_path / "s.dcm", image, labels, NAMES)
    assert np.array_equal(read(path, without_frames(image)).labels, labels)
    content = read(path)
    assert np.array_equal(content.labels, labels)
    assert content.geometry.affine == pytest.approx(affine, abs=1e-4)
    assert content.geometry.spacing_mm == pytest.approx(spacing_of(affine), abs=1e-4)


def test_an_uneven_series_needs_its_image(tmp_path):
    SeriesWriter(tmp_path / "ct").volume(blob(4), at=[0, 1, 2.4, 3])
    image = image_of((tmp_path / "ct").iterdir(), affine_of())
    path = write_seg(tmp_path / "s.dcm", image, (blob(4) % 3).astype(np.uint8), NAMES)
    with pytest.raises(UnsupportedImageError, match=r"no regular grid\. Give the image"):
        read(path)
    with pytest.raises(UnsupportedImageError, match="does not lie on"):
        read(path, without_frames(image))


def test_every_second_slice_has_labels(tmp_path, image):
    labels = np.zeros(image.shape, np.uint8)
    labels[1:6:2, 3:6, 2:7] = 1
    path = write_seg(tmp_path / "s.dcm", image, labels, ("liver",))
    shared = pydicom.dcmread(path).SharedFunctionalGroupsSequence[0]
    assert "SpacingBetweenSlices" in shared.PixelMeasuresSequence[0]  # which may be left out
    _edited(path, lambda d: d.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].pop("SpacingBetweenSlices"))
    for one in (image, without_frames(image)):
        assert np.array_equal(read(path, one).labels, labels)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1), (2, 0, 1)])
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1)])
def test_an_image_in_another_order_or_direction(written, image, label_map, order, flips):
    """The same grid, as NIfTI may hold it: axis i (Z, Y, X) of it is axis ``order[i]`` of the series."""
    pixels, labels = (
        array.transpose(order)[:: flips[0], :: flips[1], :: flips[2]] for array in (image.pixels, label_map.labels)
    )
    affine = np.eye(4)
    for axis, (source, flip) in enumerate(zip(order[::-1], flips[::-1], strict=True)):
        column = image.geometry.affine[:3, 2 - source]
        affine[:3, axis] = flip * column
        affine[:3, 3] += column * (image.shape[source] - 1 if flip < 0 else 0)
    affine[:3, 3] += image.geometry.affine[:3, 3]
    turned = replace(without_frames(image), pixels=pixels, geometry=Geometry(spacing_of(affine), affine))
    assert np.array_equal(read(written, turned).labels, labels)


STEP = 3 * OBLIQUE[:, 2]


@pytest.mark.parametrize("step", [STEP, -STEP, STEP + 0.8 * OBLIQUE[:, 1]], ids=["up", "down", "tilted"])
@pytest.mark.parametrize("even", [True, False])
def test_frames_of_one_file(tmp_path, step, even):
    places = np.array([2, 0, 1, 3 if even else 3.7])
    write_enhanced(tmp_path / "ct.dcm", blob(4), [place * step for place in places])
    order = np.argsort(places * np.sign(step @ OBLIQUE[:, 2]))
    image = image_of([tmp_path / "ct.dcm"], None, list(order))
    labels = (image.pixels % 3).astype(np.uint8)
    path = write_seg(tmp_path / "s.dcm", image, labels[np.argsort(order)], NAMES)
    assert np.array_equal(read(path, image).labels, labels)
    _edited(path, lambda d: [group.pop("DerivationImageSequence") for group in d.PerFrameFunctionalGroupsSequence])
    assert np.array_equal(read(path, image).labels, labels)


def test_frames_that_lie_elsewhere_than_what_they_refer_to(written, image):
    def move(dataset):
        for place in _groups(dataset, "PlanePositionSequence"):
            place.ImagePositionPatient = [float(value) + 0.2 for value in place.ImagePositionPatient]

    with pytest.raises(UnsupportedImageError, match="does not lie on the image"):
        read(_edited(written, move), image)


def test_frames_that_name_another_slice_than_they_lie_on(written, image):
    def swap(dataset):
        groups = dataset.PerFrameFunctionalGroupsSequence
        groups[2].DerivationImageSequence, groups[3].DerivationImageSequence = (
            groups[3].DerivationImageSequence,
            groups[2].DerivationImageSequence,
        )

    with pytest.raises(UnsupportedImageError, match="names another slice"):
        read(_edited(written, swap), image)


def test_of_another_frame_of_reference(written, image):
    frames = replace(image.source_frames, instances=("",) * 8, frame_of_reference="1.2.3")
    with pytest.raises(UnsupportedImageError, match="another frame of reference"):
        read(written, replace(image, source_frames=frames))


def test_it_reaches_beyond_the_image(written, image):
    cropped = replace(image, pixels=image.pixels[:, :, :6])
    with pytest.raises(UnsupportedImageError, match="reaches beyond the image"):
        read(written, cropped)
    short = replace(without_frames(image), pixels=image.pixels[:5])
    with pytest.raises(UnsupportedImageError, match="does not lie on the image"):
        read(written, short)
    longer = replace(without_frames(image), pixels=image.pixels[:7])  # the last frame is empty
    assert read(written, longer).labels.shape == longer.shape


def test_one_slice(tmp_path):
    SeriesWriter(tmp_path / "ct").volume(blob(1))
    volume = image_of((tmp_path / "ct").iterdir(), affine_of(step=1))
    image = replace(volume, pixels=volume.pixels[0], axes="YX", geometry=Geometry((0.75, 0.5), affine_of(step=1)))
    labels = (image.pixels % 2).astype(np.uint8)
    path = _written(tmp_path, LabelMap(labels, ("odd",)), image)
    for one in (image, without_frames(image)):
        assert np.array_equal(read(path, one).labels, labels)
    assert read(path).labels.shape == (1, 12, 10)


def test_images_without_a_place_in_the_patient(tmp_path):
    """Such as ultrasound: frames are those that they name."""
    folder = tmp_path / "us"
    SeriesWriter(folder).volume(blob(1), **dict.fromkeys(("ImagePositionPatient", "ImageOrientationPatient")))
    (file,) = folder.iterdir()
    dataset = pydicom.dcmread(file)
    del dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.UltrasoundImageStorage
    dataset.save_as(file)
    frames = SourceFrames((dataset.SOPInstanceUID,), (1,))
    image = MedicalImage(
        blob(1)[0], "YX", Geometry(), "us", "DICOM", 16, (0, 1), source_files=(file,), source_frames=frames
    )
    labels = (blob(1)[0] % 2).astype(np.uint8)
    path = _written(tmp_path, LabelMap(labels, ("odd",)), image)
    assert np.array_equal(read(path, image).labels, labels)
    alone = read(path)
    assert np.array_equal(alone.labels, labels)
    assert alone.geometry.affine is None


def test_an_image_without_an_affine_leaves_it_as_it_is(written, label_map):
    flat = MedicalImage(np.zeros((8, 12, 10)), "ZYX", Geometry(), "x", "NPY", 8, (0, 1))
    content = read(written, flat)
    assert np.array_equal(content.labels, label_map.labels)
    assert content.geometry.affine == pytest.approx(affine_of(), abs=1e-4)


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
    assert np.array_equal(read(_edited(written, drop), image).labels, label_map.labels)


def test_a_segment_without_a_name(written, image):
    def edit(dataset):
        dataset.SegmentSequence[0].SegmentLabel = ""
        dataset.SegmentSequence[1].SegmentLabel = "a\x07b"

    assert read(_edited(written, edit), image).class_names == ("class_1", "a?b")


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
            lambda d: _claim(ReferencedSegmentNumber=5)(_groups(d, "SegmentIdentificationSequence")[0]),
            DamagedFileError,
            "of no segment",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(written, edit, error, says):
    with pytest.raises(error, match=says) as refusal:
        read(_edited(written, edit))
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


@pytest.mark.parametrize("irregular", IRREGULAR.values(), ids=IRREGULAR)
def test_the_series_came_in_a_zip(tmp_path, irregular):
    """Its files are gone once it is read; what the SEG refers to is kept with the image."""
    SeriesWriter(tmp_path / "ct").volume(blob(4), **irregular)
    labels = (blob(4) % 3).astype(np.uint8)
    path = write_seg(tmp_path / "s.dcm", read_image(tmp_path / "ct"), labels, NAMES)
    shutil.make_archive(str(tmp_path / "zipped"), "zip", tmp_path / "ct")
    image = read_image(tmp_path / "zipped.zip")
    assert image.source_files == ()
    label_map = read_label_map(path, image=image, class_names=("tumour", "liver"))
    assert np.array_equal(label_map.labels, np.choose(labels, [0, 2, 1]))
    assert compare_geometry(image, label_map) == []
