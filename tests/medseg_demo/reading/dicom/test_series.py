import random
import shutil
import zipfile
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from dicom_series import OBLIQUE, SeriesWriter, affine_of, blob
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, ReadError, UnsupportedImageError
from medseg_demo.reading import Series, collect_images, count_volumes, find_series, item_stem, read_image
from medseg_demo.reading.dicom.series import read_series
from medseg_demo.settings import Settings

SECRETS = ("Doe", "Secret", "secret", "SECRET", "1970", "2020")


@pytest.fixture
def writer(tmp_path):
    return SeriesWriter(tmp_path / "ct")


def only(folder):
    (series,) = find_series([folder])
    return series


def test_shuffled_files_become_the_volume_that_was_written(writer):
    volume = blob()
    writer.volume(volume)
    series = only(writer.folder)
    assert (series.name, series.slices, series.notes) == ("ct", 8, ())
    assert series.description == "CT, oblique, 10 × 12 × 8, 0.5 × 0.75 × 3 mm"
    image = read_image(writer.folder)
    assert np.array_equal(image.pixels, volume)
    assert (image.axes, image.name, image.modality, image.bit_depth) == ("ZYX", "ct", "CT", 16)
    assert image.geometry.spacing_mm == pytest.approx((3.0, 0.75, 0.5))
    assert image.geometry.affine == pytest.approx(affine_of(), abs=1e-6)
    assert image.source_files == series.paths
    assert image.notes == ()


def test_as_simpleitk_reads_it(writer):
    writer.volume(blob())
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(writer.folder)))
    expected, image = reader.Execute(), read_image(writer.folder)
    assert np.array_equal(SimpleITK.GetArrayFromImage(expected), image.pixels)
    for index in ((0, 0, 0), (3, 2, 1), (9, 11, 7)):
        place = expected.TransformContinuousIndexToPhysicalPoint(index)
        assert (image.geometry.affine @ [*index, 1])[:3] == pytest.approx(place, abs=1e-4)


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    angles=st.tuples(st.floats(-3, 3), st.floats(-1.5, 1.5), st.floats(-3, 3)),
    spacing=st.tuples(st.floats(0.2, 3), st.floats(0.2, 3)),
    step=st.floats(0.2, 8),
    slices=st.integers(2, 6),
    seed=st.integers(0, 99),
)
def test_any_orientation_spacing_and_order(tmp_path, angles, spacing, step, slices, seed):
    from scipy.spatial.transform import Rotation

    folder = tmp_path / "any"
    shutil.rmtree(folder, ignore_errors=True)
    writer, directions, volume = SeriesWriter(folder), Rotation.from_euler("zyx", angles).as_matrix(), blob(slices)
    order = random.Random(seed).sample(range(slices), slices)
    writer.volume(volume[order], at=order, directions=directions, spacing=spacing, step=step)
    image = read_image(folder)
    assert np.array_equal(image.pixels, volume)
    assert image.geometry.affine == pytest.approx(affine_of(directions, spacing, step), abs=1e-4)
    assert image.notes == ()


def test_a_missing_slice_is_named(writer):
    at = [place for place in range(40) if place != 11]
    writer.volume(blob(39), at=at)
    image = read_image(writer.folder)
    (note,) = image.notes
    assert note.startswith("Slice 12 of 40 seems to be missing: the gap is 6 mm, others 3 mm.")
    assert image.geometry.spacing_mm == pytest.approx((3.0, 0.75, 0.5))
    assert only(writer.folder).notes == image.notes


def test_several_missing_slices_are_counted(writer):
    writer.volume(blob(7), at=[0, 1, 2, 5, 6, 8, 9])
    (note,) = only(writer.folder).notes
    assert note.startswith("3 of 10 slices seem to be missing (the first is slice 4): the gap is 9 mm")


def test_uneven_slices_take_the_median(writer):
    writer.volume(blob(6), at=[0, 1, 2, 3.4, 4.4, 5.4])
    image = read_image(writer.folder)
    assert image.geometry.spacing_mm[0] == pytest.approx(3)
    assert image.notes[0].startswith("The slices are not evenly spaced: 3 to 4.2 mm apart. The median, 3 mm")


def test_rounded_positions_are_even(writer):
    writer.volume(blob(9), at=[round(0.208 * place, 2) / 0.208 for place in range(9)], step=0.208)
    image = read_image(writer.folder)
    assert image.notes == ()
    assert image.geometry.spacing_mm[0] == pytest.approx(0.208, rel=0.02)


def test_a_gantry_tilt_shears_the_affine_and_is_told(writer):
    axial = np.eye(3)
    tilt = np.radians(15)
    lean = np.array([0, np.tan(tilt), 1])  # the planes stay 3 mm apart
    writer.volume(blob(), directions=axial, lean=lean)
    image = read_image(writer.folder)
    assert "tilted by 15.0°" in image.notes[0]
    assert image.geometry.spacing_mm == pytest.approx((3.0, 0.75, 0.5))
    assert image.geometry.affine[:3, 2] == pytest.approx(3 * lean)
    assert np.linalg.det(image.geometry.affine[:3, :3]) == pytest.approx(np.prod(image.geometry.spacing_mm))


def test_slices_that_slide_sideways_are_told(writer):
    series, normal, aside = "1.2.3", OBLIQUE[:, 2], OBLIQUE[:, 0]
    for index, part in enumerate(blob(5)):
        writer.slice(part, 3 * index * normal + (2 * aside if index == 2 else 0), series=series)
    assert only(writer.folder).notes == ("Slices are shifted sideways by up to 2 mm, which the volume does not show.",)


def test_mixed_orientations_are_separate_choices(writer):
    axial = np.eye(3)
    sagittal = np.column_stack([[0, 1.0, 0], [0, 0, -1.0], [-1.0, 0, 0]])
    series = writer.volume(blob(4), directions=axial)
    writer.volume(blob(5), directions=sagittal, series=series)
    found = find_series([writer.folder])
    assert [(item.name, item.description.split(", ")[1], item.slices) for item in found] == [
        ("ct-1", "axial", 4),
        ("ct-2", "sagittal", 5),
    ]
    assert all("mixes 2 sizes or orientations" in item.notes[0] for item in found)
    with pytest.raises(UnsupportedImageError, match=r"ct: it holds 2 images.*ct-1 \(CT, axial.*ct-2 \(CT, sagittal"):
        read_image(writer.folder)
    assert [read_image(item).shape[0] for item in found] == [4, 5]


def test_two_series_in_one_folder(writer):
    writer.volume(blob(5), SeriesNumber=9)
    writer.volume(blob(4) + 7, SeriesNumber=2)
    found = find_series([writer.folder])
    assert [(item.name, item.slices) for item in found] == [("ct-1", 4), ("ct-2", 5)]  # by the series number
    assert all(item.notes == () for item in found)


def test_two_series_in_two_folders_are_called_by_them(tmp_path, writer):
    for name, slices in (("before", 3), ("after", 4)):
        writer.folder = tmp_path / "study" / name
        writer.volume(blob(slices))
    assert [(item.name, item.slices) for item in find_series([tmp_path / "study"])] == [("before", 3), ("after", 4)]


def test_files_named_one_by_one(writer):
    writer.volume(blob(3))
    (series,) = find_series(sorted(writer.folder.iterdir()))
    assert series.name == min(path.name for path in writer.folder.iterdir())
    assert np.array_equal(read_image(series).pixels, blob(3))


def test_one_file_stays_an_image(writer):
    writer.volume(blob(1))
    assert find_series([writer.folder]) == ()
    image = read_image(writer.folder)
    assert (image.axes, image.source_files) == ("YX", (next(writer.folder.iterdir()),))


def test_radiographs_of_one_series_stay_images(writer, tmp_path):
    for index in range(3):
        writer.volume(
            blob(1) + index, series="1.2.3", Modality="DX", ImagePositionPatient=None, ImageOrientationPatient=None
        )
    items = collect_images([writer.folder], unpack_to=tmp_path)
    assert len(items) == 3
    assert find_series([writer.folder]) == ()


def test_slices_without_positions_follow_their_numbers(writer):
    volume = blob(5)
    writer.volume(volume, Modality="MR", ImagePositionPatient=None, ImageOrientationPatient=None)
    image = read_image(writer.folder)
    assert np.array_equal(image.pixels, volume)
    assert (image.geometry.spacing_mm, image.geometry.affine) == (None, None)
    assert "do not say where the slices lie" in image.notes[0]


def test_localizers_are_left_out(writer):
    writer.volume(blob(5))
    writer.volume(blob(2), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    series = only(writer.folder)
    assert series.slices == 5
    assert series.notes == ("2 localizer images were left out.",)
    assert read_image(writer.folder).shape[0] == 5


def test_localizers_alone_are_a_series(writer):
    writer.volume(blob(3), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    assert only(writer.folder).slices == 3


def test_a_stray_image_of_another_size_is_left_out(writer):
    series = writer.volume(blob(5))
    writer.volume(blob(1, 20, 20), series=series)
    assert only(writer.folder).notes == ("1 image was left out: of another size or orientation.",)


def test_slices_of_one_identifier_are_no_copies(writer):
    volume = blob(5)
    writer.volume(volume)
    for path in writer.folder.iterdir():
        dataset = dcmread(path)
        dataset.SOPInstanceUID = "1.2.3"
        dataset.save_as(path)
    np.testing.assert_array_equal(read_image(writer.folder).pixels, volume)


def test_copies_and_doubled_places(writer, tmp_path):
    writer.volume(blob(5))
    shutil.copy(next(writer.folder.iterdir()), writer.folder / "again")
    assert only(writer.folder).notes == ("1 file was left out: copies of others.",)
    other = SeriesWriter(tmp_path / "doubled")
    other.volume(blob(6), at=[0, 1, 2, 2, 3, 4])
    series = only(other.folder)
    assert series.slices == 5
    assert series.notes == ("1 image was left out: lying where another one lies already.",)
    assert np.array_equal(read_image(series).pixels, blob(6)[[0, 1, 2, 4, 5]])


def test_times_at_the_same_places_are_separate_volumes(writer):
    series = writer.volume(blob(4), AcquisitionNumber=1)
    writer.volume(blob(4) + 9, series=series, AcquisitionNumber=2)
    first, second = find_series([writer.folder])
    assert "volume 1 of 2 at the same places, such as times or echoes: acquisition number 1" in first.notes[0]
    assert first.description.endswith("acquisition number 1")
    assert np.array_equal(read_image(first).pixels, blob(4))
    assert np.array_equal(read_image(second).pixels, blob(4) + 9)


def test_ten_times_stay_in_their_order(writer):
    series = "1.2.3"
    for time in range(11):
        writer.volume(blob(2) + time, series=series, TriggerTime=str(90 * time), InstanceNumber=lambda index: 9 - index)
    found = find_series([writer.folder])
    assert [item.name for item in found] == [f"ct-{number}" for number in range(1, 12)]
    assert [int(read_image(item).pixels[0, 0, 0]) for item in found] == [-500 + time for time in range(11)]


def test_deflated_slices_are_grouped_like_any(writer):
    writer.volume(blob(4))
    for path in writer.folder.iterdir():
        dataset = dcmread(path)
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        dataset.save_as(path)
    assert np.array_equal(read_image(writer.folder).pixels, blob(4))


def test_slices_of_several_transfer_syntaxes_are_one_series(writer):
    writer.volume(blob(4))
    dataset = dcmread(first := next(iter(writer.folder.iterdir())))
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.save_as(first)
    assert np.array_equal(read_image(writer.folder).pixels, blob(4))


def test_each_file_is_opened_once_to_be_read(writer, monkeypatch):
    writer.volume(blob(4))
    series = only(writer.folder)
    opened, really = [], Path.open
    monkeypatch.setattr(Path, "open", lambda path, *mode: opened.append(path) or really(path, *mode))
    read_series(series, Settings())
    assert sorted(opened) == sorted(series.paths)


def test_monochrome1_is_turned_alike_in_every_slice(writer):
    volume = (blob(4) + 500).astype(np.uint16)
    writer.volume(volume, BitsStored=12, HighBit=11, PhotometricInterpretation="MONOCHROME1")
    image = read_image(writer.folder)
    assert np.array_equal(image.pixels, 4095 - volume)
    assert [note for note in image.notes if "MONOCHROME1" in note] == list(image.notes)


def test_slices_of_both_polarities_are_refused(writer):
    photometric = ("MONOCHROME1", "MONOCHROME2", "MONOCHROME1")
    writer.volume(blob(3), PhotometricInterpretation=lambda index: photometric[index])
    with pytest.raises(UnsupportedImageError, match="MONOCHROME1"):
        read_image(writer.folder)


def test_mosaics_are_no_slices(writer, tmp_path):
    writer.volume(blob(3), ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"], Modality="MR")
    assert find_series([writer.folder]) == ()
    with pytest.raises(UnsupportedImageError, match="mosaic"):
        read_image(next(iter(writer.folder.iterdir())))


def test_every_slice_has_its_own_slope(writer):
    writer.volume(blob(4), RescaleSlope=lambda index: index + 1, RescaleIntercept="-5")
    image = read_image(writer.folder)
    assert image.pixels.dtype == np.float32
    assert np.array_equal(image.pixels, blob(4) * np.arange(1, 5).reshape(4, 1, 1) - 5)


def test_a_flat_slice_is_no_fault_in_a_volume(writer):
    volume = blob(4)
    volume[0] = 0
    writer.volume(volume)
    assert np.array_equal(read_image(writer.folder).pixels, volume)


def test_a_zip_of_a_series(writer, tmp_path):
    writer.volume(blob(4))
    with zipfile.ZipFile(tmp_path / "study 7.zip", "w") as archive:
        for path in writer.folder.iterdir():
            archive.write(path, path.name)
    image = read_image(tmp_path / "study 7.zip")
    assert np.array_equal(image.pixels, blob(4))
    assert (image.name, image.source_files) == ("study 7", ())
    kept = read_image(tmp_path / "study 7.zip", unpack_to=tmp_path / "kept")
    assert len(kept.source_files) == 4
    assert all(path.is_file() for path in kept.source_files)


def test_a_series_among_other_files(writer, tmp_path):
    writer.volume(blob(4))
    Image.fromarray(np.eye(9, dtype=np.uint8)).save(writer.folder / "A.png")
    (writer.folder / "notes.txt").write_text("x")
    items = collect_images([writer.folder], unpack_to=tmp_path)
    assert [item_stem(item) for item in items] == ["A", "ct"]
    with pytest.raises(UnsupportedImageError, match=r"2 images or series.*A\.png; ct \(CT"):
        read_image(writer.folder)


def test_limits_hold_for_the_whole_volume(writer):
    writer.volume(blob(3, 600, 600))
    with pytest.raises(ImageTooLargeError, match=r"ct: 600 × 600 × 3 voxels.*MEDSEG_MAX_MEGAVOXELS"):
        read_image(writer.folder, settings=Settings(max_megavoxels=1))


def test_a_series_is_one_volume(writer):
    writer.volume(blob(3))
    series = only(writer.folder)
    assert count_volumes(series) == 1
    with pytest.raises(UnsupportedImageError, match="no volume 2"):
        read_image(series, volume=2)


def test_damaged_slices_are_named(writer):
    writer.volume(blob(4))
    series = only(writer.folder)
    path = series.paths[2]
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(ReadError, match=path.name):
        read_image(series)
    path.unlink()
    with pytest.raises(DamagedFileError, match=f"ct: {path.name}"):
        read_image(series)


def test_nothing_of_a_patient_is_told(writer, caplog, capfd):
    writer.volume(blob(4), at=[0, 1, 2, 4])
    writer.volume(blob(3), SeriesNumber="2")
    shown = str([(item.name, item.description, item.notes) for item in find_series([writer.folder])])
    with pytest.raises(UnsupportedImageError) as error:
        read_image(writer.folder)
    image = read_image(find_series([writer.folder])[0])
    told = shown + str(error.value) + str(image.notes) + image.name + caplog.text + "".join(capfd.readouterr())
    assert [secret for secret in SECRETS if secret in told] == []


def test_series_are_plain_records():
    series = Series("a", (), 0, "CT")
    assert astuple(series) == ("a", (), 0, "CT", (), ())
    assert series == Series("a", (), 0, "CT")
