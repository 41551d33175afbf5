import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from medseg_demo.errors import TestSetError, UnsupportedImageError
from medseg_demo.reading import compare_geometry
from medseg_demo.test_sets.case import read_case_image, read_case_reference
from medseg_demo.test_sets.layouts import find_cases, is_test_set
from medseg_demo.test_sets.test_set import data_hash, read_test_set

MODALITIES = {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def describe(folder: Path, **keys) -> None:
    (folder / "dataset.json").write_text(json.dumps(keys))


def faults_of(folder: Path) -> tuple[str, ...]:
    with pytest.raises(TestSetError) as error:
        read_test_set(folder)
    return error.value.faults


def channel_files(case: str, count: int, folder: str = "imagesTr") -> list[str]:
    return [f"{folder}/{case}_{index:04}.nii.gz" for index in range(count)]


def test_channel_files_of_a_case_are_one_image(tmp_path):
    put(tmp_path, *channel_files("b_2", 4), *channel_files("a", 4), "labelsTr/a.nii.gz", "labelsTr/b_2.nii.gz")
    describe(tmp_path, channel_names=MODALITIES, labels={"background": 0, "tumour": 1})
    first, second = read_test_set(tmp_path).cases
    assert (first.case_id, second.case_id) == ("a", "b_2")
    assert [path.name for path in second.image_paths] == [f"b_2_{index:04}.nii.gz" for index in range(4)]
    assert second.channel_names == ("FLAIR", "T1w", "t1gd", "T2w")
    assert second.image_path == second.image_paths[0]


@pytest.mark.parametrize("key", ["channel_names", "modality"])
def test_both_versions_of_nnunet_name_their_channels(tmp_path, key):
    put(tmp_path, *channel_files("a", 2), "labelsTr/a.nii.gz")
    describe(tmp_path, **{key: {"1": "T2", "0": "T1"}})
    assert read_test_set(tmp_path).cases[0].channel_names == ("T1", "T2")


def test_channels_without_names_are_called_by_their_numbers(tmp_path):
    put(tmp_path, *channel_files("a", 2), "labelsTr/a.nii.gz")
    assert read_test_set(tmp_path).cases[0].channel_names == ("0000", "0001")


def test_one_file_a_case_has_no_channels_whatever_is_named(tmp_path):
    put(tmp_path, "imagesTr/a_0000.png", "labelsTr/a.png")
    describe(tmp_path, channel_names={"0": "R", "1": "G", "2": "B"})  # nnU-Net's name of a picture in colour
    assert read_test_set(tmp_path).cases[0].channel_names == ()


def test_a_missing_channel_is_named_with_its_case(tmp_path):
    files = channel_files("a", 3), channel_files("b", 3)[:1] + channel_files("b", 3)[2:]
    put(tmp_path, *files[0], *files[1], "labelsTr/a.nii.gz", "labelsTr/b.nii.gz")
    assert faults_of(tmp_path) == ("Case 'b' lacks the channel _0001. Add b_0001 and its suffix, or remove the case.",)


def test_a_channel_that_no_case_has_is_missing_in_each(tmp_path):
    put(tmp_path, *channel_files("a", 3), "labelsTr/a.nii.gz")
    describe(tmp_path, channel_names=MODALITIES)
    assert [fault.split(".")[0] for fault in faults_of(tmp_path)] == ["Case 'a' lacks the channel _0003"]


def test_more_files_than_named_channels_are_a_fault(tmp_path):
    put(tmp_path, *channel_files("a", 3), "labelsTr/a.nii.gz")
    describe(tmp_path, channel_names={"0": "T1", "1": "T2"})
    (fault,) = faults_of(tmp_path)
    assert "names 2 channels (T1, T2), but the files go up to _0002" in fault


def test_cases_for_training_and_testing_have_the_same_channels(tmp_path):
    put(tmp_path, *channel_files("a", 2), "labelsTr/a.nii.gz", *channel_files("t", 1, "imagesTs"), "labelsTs/t.nii.gz")
    assert [fault.split(".")[0] for fault in faults_of(tmp_path)] == ["Case 't' lacks the channel _0001"]


def test_two_files_of_one_channel_are_a_fault(tmp_path):
    put(tmp_path, *channel_files("a", 2), "imagesTr/a_0001.nrrd", "labelsTr/a.nii.gz")
    assert any("of one stem" in fault for fault in faults_of(tmp_path))


def test_the_hash_follows_every_channel(tmp_path):
    put(tmp_path, *channel_files("a", 2), "labelsTr/a.nii.gz")
    before = data_hash(read_test_set(tmp_path))
    (tmp_path / "imagesTr/a_0001.nii.gz").write_bytes(b"other")
    assert data_hash(read_test_set(tmp_path)) != before


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), path)


@pytest.fixture
def decathlon(tmp_path):
    """A set of one case, whose image is of this shape (X, Y, Z, channels), with these modalities."""

    def make(shape: tuple[int, ...], modality: object = MODALITIES) -> Path:
        write(tmp_path / "imagesTr/a.nii.gz", np.arange(np.prod(shape), dtype=np.int16).reshape(shape))
        write(tmp_path / "labelsTr/a.nii.gz", np.ones(shape[:3], np.uint8))
        training = [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}]
        describe(tmp_path, modality=modality, labels={"0": "background", "1": "tumour"}, training=training)
        return tmp_path

    return make


def test_volumes_of_a_decathlon_file_are_the_modalities_that_are_named(decathlon):
    (case,) = read_test_set(decathlon((5, 4, 3, 4))).cases
    image = read_case_image(case)
    assert (image.channels, image.channel_names, image.shape) == (4, ("FLAIR", "T1w", "t1gd", "T2w"), (3, 4, 5))
    expected = np.arange(5 * 4 * 3 * 4).reshape(5, 4, 3, 4).transpose(2, 1, 0, 3)
    np.testing.assert_array_equal(image.pixels, expected)
    assert not image.is_colour


def test_three_modalities_are_no_colours(decathlon):
    (case,) = read_test_set(decathlon((5, 4, 3, 3), ["ADC", "T2", "DCE"])).cases
    image = read_case_image(case)
    assert (image.channel_names, image.is_colour) == (("ADC", "T2", "DCE"), False)


def test_one_modality_is_an_ordinary_volume(decathlon):
    (case,) = read_test_set(decathlon((5, 4, 3), {"0": "CT"})).cases
    assert (case.channel_names, read_case_image(case).channels) == ((), 1)


@pytest.mark.parametrize(("shape", "held"), [((5, 4, 3, 2), "2 channels"), ((5, 4, 3), "one channel")])
def test_another_number_of_volumes_than_named_is_refused(decathlon, shape, held):
    (case,) = read_test_set(decathlon(shape)).cases
    with pytest.raises(UnsupportedImageError, match=rf"a\.nii\.gz: it holds {held}.*names 4 \(FLAIR, T1w, t1gd, T2w\)"):
        read_case_image(case)


def test_a_list_may_give_an_image_one_file_a_channel(tmp_path):
    pixels = np.arange(60, dtype=np.int16).reshape(5, 4, 3)
    for name in ("p1_t1", "p1_t2", "p1_seg"):
        write(tmp_path / f"{name}.nii.gz", pixels)
    training = [{"image": ["p1_t1.nii.gz", "p1_t2.nii.gz"], "label": "p1_seg.nii.gz"}]
    describe(tmp_path, training=training)
    (case,) = read_test_set(tmp_path).cases
    assert (case.case_id, case.channel_names) == ("p1_seg", ("p1_t1", "p1_t2"))
    assert read_case_image(case).channels == 2


def test_a_plain_folder_of_several_modalities(tmp_path):
    write(tmp_path / "images/a.nii.gz", np.arange(120, dtype=np.int16).reshape(5, 4, 3, 2))
    write(tmp_path / "masks/a.nii.gz", np.ones((5, 4, 3), np.uint8))
    describe(tmp_path, channel_names=["T1", "T2"])
    (case,) = read_test_set(tmp_path).cases
    assert read_case_image(case).channel_names == ("T1", "T2")


@pytest.mark.parametrize(
    ("header", "data"), [(".mhd", ".raw"), (".mhd", ".zraw"), (".nhdr", ".raw.gz"), (".hdr", ".img")]
)
def test_the_data_of_a_detached_header_are_no_case_of_their_own(tmp_path, header, data):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        for suffix in (header, data):
            (tmp_path / folder / f"case{suffix}").write_bytes(b"x")
    faults: list[str] = []
    (case,) = find_cases(tmp_path, {}, faults)
    assert (case.image_path.name, case.mask_path.name, faults) == (f"case{header}", f"case{header}", [])


@pytest.mark.parametrize("layout", ["{split}/images/{case}", "images/{split}/{case}"])
def test_folders_are_splits(tmp_path, layout):
    for split, case in (("train", "a"), ("valid", "b"), ("testing", "c")):
        name = layout.format(split=split, case=case)
        put(tmp_path, f"{name}.png", f"{name.replace('images', 'labels')}_mask.png")
    test_set = read_test_set(tmp_path)
    assert {case.case_id: case.split for case in test_set.cases} == {"a": "train", "b": "val", "c": "test"}
    assert is_test_set(tmp_path)
    assert [case.case_id for case in read_test_set(tmp_path, split="val").cases] == ["b"]


def test_a_name_that_several_splits_have_gets_its_split_in_front(tmp_path):
    for split, case in (("train", "a"), ("train", "b"), ("val", "a")):
        put(tmp_path, f"{split}/images/{case}.png", f"{split}/masks/{case}.png")
    cases = read_test_set(tmp_path).cases
    assert [case.case_id for case in cases] == ["train_a", "b", "val_a"]
    assert [case.group for case in cases] == ["train_a", "b", "val_a"]


def test_a_split_without_masks_is_left_out_and_named(tmp_path):
    put(tmp_path, "train/images/a.png", "train/masks/a.png", "test/images/b.png")
    test_set = read_test_set(tmp_path)
    assert [case.case_id for case in test_set.cases] == ["a"]
    assert test_set.notes == ("The split 'test' has images without masks, and is left out.",)


def test_a_fault_in_a_split_says_in_which(tmp_path):
    put(tmp_path, "train/images/a.png", "train/images/b.png", "train/masks/a.png")
    (fault,) = faults_of(tmp_path)
    assert fault.startswith("In split 'train': images/b.png has no mask")


@pytest.mark.parametrize(
    "shape", [(20, 24), (20, 24, 1), (20, 24, 2), (20, 24, 3), (20, 24, 4), (2, 20, 24), (3, 20, 24), (5, 20, 24)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("mask_shape", [(20, 24), (20, 24, 1), (1, 20, 24)])
def test_arrays_are_read_as_they_stand(tmp_path, shape, dtype, mask_shape):
    pixels = np.random.default_rng(0).integers(0, 255, shape).astype(dtype)
    for name, values in (("images", pixels), ("masks", np.ones(mask_shape, dtype))):
        (tmp_path / "train" / name).mkdir(parents=True)
        np.save(tmp_path / "train" / name / "a.npy", values)
    (case,) = read_test_set(tmp_path).cases
    image = read_case_image(case)
    expected = np.moveaxis(pixels, 0, -1) if shape[1:] == (20, 24) else pixels
    np.testing.assert_array_equal(image.slices[0], expected.reshape(20, 24, -1))
    assert image.is_colour == (image.channels == 3)
    labels = read_case_reference(case, class_names=("one",), image=image).labels
    assert not compare_geometry(image, read_case_reference(case, class_names=("one",), image=image))
    assert (labels == 1).all()


def test_as_many_channels_as_are_named_keep_what_a_picture_calls_opacity(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (8, 9, 4), np.uint8)
    for name, values in (("images", pixels), ("masks", pixels[..., 0] // 128)):
        (tmp_path / name).mkdir()
        Image.fromarray(values).save(tmp_path / name / "a.png")
    assert read_case_image(read_test_set(tmp_path).cases[0]).is_colour
    describe(tmp_path, channel_names=["DAPI", "red", "green", "far red"])
    image = read_case_image(read_test_set(tmp_path).cases[0])
    assert image.channel_names == ("DAPI", "red", "green", "far red")
    np.testing.assert_array_equal(image.pixels, pixels)
