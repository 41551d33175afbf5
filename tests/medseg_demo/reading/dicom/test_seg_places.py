"""Where a DICOM SEG lies: on its series, on another grid of the same place, beside it, or nowhere."""

import shutil
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from dicom_segs import KINDS, NAMES, edited, groups, image_of, read, without_frames, write, write_seg
from dicom_series import OBLIQUE, SeriesWriter, affine_of, blob, write_enhanced

from medseg_demo.errors import UnsupportedImageError
from medseg_demo.image import Geometry, LabelMap, MedicalImage, SourceFrames, spacing_of
from medseg_demo.reading import compare_geometry, read_image, read_label_map


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

    assert np.array_equal(read(edited(path, forget), image).labels, labels)  # by position


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
    edited(path, lambda d: d.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].pop("SpacingBetweenSlices"))
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
    edited(path, lambda d: [group.pop("DerivationImageSequence") for group in d.PerFrameFunctionalGroupsSequence])
    assert np.array_equal(read(path, image).labels, labels)


def test_frames_that_lie_elsewhere_than_what_they_refer_to(written, image):
    def move(dataset):
        for place in groups(dataset, "PlanePositionSequence"):
            place.ImagePositionPatient = [float(value) + 0.2 for value in place.ImagePositionPatient]

    with pytest.raises(UnsupportedImageError, match="does not lie on the image"):
        read(edited(written, move), image)


def test_frames_that_name_another_slice_than_they_lie_on(written, image):
    def swap(dataset):
        groups = dataset.PerFrameFunctionalGroupsSequence
        groups[2].DerivationImageSequence, groups[3].DerivationImageSequence = (
            groups[3].DerivationImageSequence,
            groups[2].DerivationImageSequence,
        )

    with pytest.raises(UnsupportedImageError, match="names another slice"):
        read(edited(written, swap), image)


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
    path = write(tmp_path, LabelMap(labels, ("odd",)), image)
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
    path = write(tmp_path, LabelMap(labels, ("odd",)), image)
    assert np.array_equal(read(path, image).labels, labels)
    alone = read(path)
    assert np.array_equal(alone.labels, labels)
    assert alone.geometry.affine is None


def test_an_image_without_an_affine_leaves_it_as_it_is(written, label_map):
    flat = MedicalImage(np.zeros((8, 12, 10)), "ZYX", Geometry(), "x", "NPY", 8, (0, 1))
    content = read(written, flat)
    assert np.array_equal(content.labels, label_map.labels)
    assert content.geometry.affine == pytest.approx(affine_of(), abs=1e-4)


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
