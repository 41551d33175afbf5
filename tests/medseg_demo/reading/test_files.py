import os
import sys
import zipfile
from collections import Counter
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from dicom_series import SeriesWriter, blob
from PIL import Image

from medseg_demo.errors import ReadError, UnsupportedImageError
from medseg_demo.reading import Channels, channel_groups, collect_images, count_volumes, find_studies, read_image
from medseg_demo.segmenting.many import segment_files
from medseg_demo.settings import Settings

SHAPE = (3, 4, 5)
AFFINE = np.diag([-1.0, -1.5, 2.0, 1.0])


def volume(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 1000, SHAPE, dtype=np.int16)


def nifti(path: Path, voxels: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(voxels.T, affine), path)
    return path


@pytest.fixture
def opened():
    """Counts how often each file is opened, by any code of the process; the hook stays, and is silent afterwards."""
    counts: Counter[str] = Counter()
    is_counting = [True]

    def hook(event, arguments):
        if event == "open" and is_counting[0] and isinstance(arguments[0], str | os.PathLike):
            counts[Path(os.fspath(arguments[0])).name] += 1

    sys.addaudithook(hook)
    yield counts
    is_counting[0] = False


def test_each_slice_of_a_zip_is_opened_at_most_twice(tmp_path, opened, brightness):
    (tmp_path / "series").mkdir()
    SeriesWriter(tmp_path / "series").volume(blob(slices=30))
    slices = sorted((tmp_path / "series").iterdir())
    with zipfile.ZipFile(tmp_path / "series.zip", "w") as archive:
        for path in slices:
            archive.write(path, f"study/{path.name}")
    opened.clear()
    (study,) = find_studies([tmp_path / "series.zip"], unpack_to=tmp_path / "unpacked")
    assert count_volumes(study) == 1
    ((_, result),) = segment_files([study], brightness, settings=Settings(device="cpu"))
    assert result.label_map.labels.shape[0] == 30
    assert {name: opened[name] for name in (path.name for path in slices) if opened[name] > 2} == {}


def test_a_picture_is_opened_at_most_twice(tmp_path, opened, brightness):
    Image.fromarray(np.arange(100, dtype=np.uint8).reshape(10, 10)).save(tmp_path / "a.png")
    opened.clear()
    (study,) = find_studies([tmp_path / "a.png"], unpack_to=tmp_path / "unpacked")
    ((_, result),) = segment_files([study], brightness, settings=Settings(device="cpu"))
    assert result.label_map.labels.shape == (10, 10)
    assert 1 <= opened["a.png"] <= 2


def meta_image(folder: Path, name: str) -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    image = SimpleITK.GetImageFromArray(volume(1))
    image.SetSpacing((0.5, 0.7, 2.0))
    SimpleITK.WriteImage(image, str(folder / f"{name}.mhd"))
    return folder / f"{name}.mhd", folder / f"{name}.raw"


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_a_header_and_its_data_that_were_dropped_together_are_beside_each_other(tmp_path, order):
    header, data = meta_image(tmp_path / "a", "scan")
    apart = tmp_path / "b" / "scan.raw"
    apart.parent.mkdir()
    data.rename(apart)
    with pytest.raises(UnsupportedImageError, match=r"scan\.raw"):
        read_image(header)
    (item,) = collect_images([header, apart][order], unpack_to=tmp_path / "unpacked")
    np.testing.assert_array_equal(read_image(item).pixels, volume(1))


def test_a_pair_that_was_dropped_together(tmp_path):
    nibabel.save(nibabel.Nifti1Pair(volume(2).T, AFFINE), tmp_path / "scan.img")
    (tmp_path / "x").mkdir()
    (tmp_path / "scan.img").rename(tmp_path / "x" / "scan.img")
    (item,) = collect_images([tmp_path / "x" / "scan.img", tmp_path / "scan.hdr"], unpack_to=tmp_path / "unpacked")
    np.testing.assert_array_equal(read_image(item).pixels, volume(2))


def test_a_data_file_of_another_name_is_an_input_of_its_own(tmp_path):
    header, data = meta_image(tmp_path / "a", "scan")
    other = data.rename(tmp_path / "other.raw")
    assert collect_images([header, other], unpack_to=tmp_path / "unpacked") == [header, other]


def test_the_channel_files_of_a_case_are_one_image(tmp_path):
    paths = [nifti(tmp_path / f"case_{number:04}.nii.gz", volume(number)) for number in range(4)]
    (study,) = find_studies(paths, unpack_to=tmp_path / "unpacked", channels=True)
    assert study.item == Channels("case", tuple(paths), ("0000", "0001", "0002", "0003"))
    image = read_image(study)
    assert (image.axes, image.channels, image.is_colour) == ("ZYXC", 4, False)
    assert image.channel_names == ("0000", "0001", "0002", "0003")
    np.testing.assert_array_equal(image.pixels, np.stack([volume(number) for number in range(4)], axis=-1))
    np.testing.assert_allclose(image.geometry.affine[:3, :3], np.diag([1, 1.5, 2]))
    assert image.windows[1] == pytest.approx(tuple(np.percentile(volume(1), (0.5, 99.5))))


def test_modalities_are_named_by_what_their_files_do_not_share(tmp_path):
    cases = ("BraTS-001", "BraTS-002")
    paths = [nifti(tmp_path / f"{case}_{name}.nii.gz", volume(3)) for case in cases for name in ("flair", "t1")]
    studies = find_studies(paths, unpack_to=tmp_path / "unpacked", channels=True)
    assert [study.item.name for study in studies] == list(cases)
    assert studies[0].item.channel_names == ("flair", "t1")


def test_channels_are_offered_and_never_taken_unasked(tmp_path):
    paths = [nifti(tmp_path / f"case_{number:04}.nii.gz", volume(number)) for number in range(2)]
    paths.append(nifti(tmp_path / "four.nii.gz", np.stack([volume(7), volume(8)])))
    studies = find_studies(paths, unpack_to=tmp_path / "unpacked")
    assert [study.name for study in studies] == [
        *("case_0000.nii.gz", "case_0001.nii.gz", "four.nii.gz, volume 1", "four.nii.gz, volume 2")
    ]
    assert [study.name for study in channel_groups(studies)] == ["four.nii.gz, 2 channels", "case"]
    np.testing.assert_array_equal(read_image(channel_groups(studies)[0]).pixels[..., 1], volume(8))


def test_volumes_are_channels_where_the_user_says_so(tmp_path):
    path = nifti(tmp_path / "a.nii.gz", np.stack([volume(1), volume(2), volume(3)]))
    assert count_volumes(path) == 3
    with pytest.raises(UnsupportedImageError, match=r"3 volumes.*--volume.*--channels"):
        read_image(path)
    image = read_image(path, channels=True)
    assert (image.channels, image.is_colour) == (3, False)
    np.testing.assert_array_equal(image.channel(2).pixels, read_image(path, volume=3).pixels)
    with pytest.raises(UnsupportedImageError, match="no volume 4"):
        read_image(path, volume=4)


def test_channels_on_other_grids_are_refused_or_resampled(tmp_path):
    moved = AFFINE.copy()
    moved[:3, 3] = 0.5, 0, 0
    parts = (nifti(tmp_path / "t1.nii.gz", volume(1)), nifti(tmp_path / "t2.nii.gz", volume(2), moved))
    with pytest.raises(UnsupportedImageError, match=r"channel 't2' lies up to 0\.5 mm .* off the channel 't1'"):
        read_image(Channels("case", parts, ("t1", "t2")))
    image = read_image(Channels("case", parts, ("t1", "t2"), resample=True))
    # The second lies half a voxel to the side of the first, whose x runs the other way.
    expected = (volume(2)[..., 1:-1].astype(float) + volume(2)[..., 2:]) / 2
    np.testing.assert_allclose(image.pixels[..., 1:-1, 1], expected, atol=1e-3)
    assert "resampled" in image.notes[-1]
    small = nifti(tmp_path / "small.nii.gz", volume(3)[:2])
    with pytest.raises(UnsupportedImageError, match="channel 'small' has shape"):
        read_image(Channels("case", (parts[0], small), ("t1", "small")))


def test_an_empty_channel_is_read_and_colours_are_no_channel(tmp_path):
    parts = (nifti(tmp_path / "t1.nii.gz", volume(1)), nifti(tmp_path / "t2.nii.gz", volume(1) * 0))
    assert read_image(Channels("case", parts, ("t1", "t2"))).pixels[..., 1].max() == 0
    Image.fromarray(np.arange(60, dtype=np.uint8).reshape(4, 5, 3)).save(tmp_path / "c.png")
    with pytest.raises(UnsupportedImageError, match="3 channels of its own"):
        read_image(Channels("case", (tmp_path / "c.png", tmp_path / "c.png"), ("a", "b")))


def test_a_file_that_was_replaced_after_it_was_listed_is_read_anew(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(20.0).reshape(4, 5))
    (study,) = find_studies([tmp_path / "a.npy"], unpack_to=tmp_path / "unpacked")
    np.save(tmp_path / "a.npy", np.arange(30.0).reshape(6, 5))
    assert read_image(study).shape == (6, 5)
    (tmp_path / "a.npy").unlink()
    with pytest.raises(ReadError, match="cannot be opened"):
        read_image(study)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_a_name_that_no_file_can_have_is_refused_in_words(name):
    with pytest.raises(ReadError, match="cannot be opened"):
        read_image(name)
