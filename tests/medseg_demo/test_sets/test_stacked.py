"""Test sets whose images lie one after the other in one array."""

import numpy as np
import pytest

from evaluation.runs.cases import file_digests
from medseg_demo.errors import TestSetError
from medseg_demo.test_sets.case import read_case_image, read_case_reference
from medseg_demo.test_sets.layouts import is_test_set
from medseg_demo.test_sets.test_set import data_hash, read_test_set

IMAGES = np.random.default_rng(0).integers(0, 255, (3, 20, 24), np.uint8)
MASKS = (IMAGES > 128).astype(np.uint8)


def write(folder, images=IMAGES, masks=MASKS, *, names=("images", "masks")):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(names, (images, masks), strict=True):
        np.save(folder / f"{name}.npy", array)
    return folder


def test_each_item_is_a_case(tmp_path):
    write(tmp_path)
    found = read_test_set(tmp_path)
    assert is_test_set(tmp_path)
    assert [(case.case_id, case.split) for case in found.cases] == [(f"case_{at}", None) for at in range(3)]
    for case, image, mask in zip(found.cases, IMAGES, MASKS, strict=True):
        np.testing.assert_array_equal(read_case_image(case).pixels, image)
        np.testing.assert_array_equal(read_case_reference(case, class_names=("bright",)).labels, mask)


@pytest.mark.parametrize("names", [("images", "masks"), ("img", "labels")])
def test_a_folder_is_a_split(tmp_path, names):
    for split, count in (("train", 2), ("valid", 1)):
        write(tmp_path / split, IMAGES[:count], MASKS[:count], names=names)
    assert [case.case_id for case in read_test_set(tmp_path).cases] == ["train_0", "train_1", "val_0"]
    assert [case.split for case in read_test_set(tmp_path, split="val").cases] == ["val"]


def test_a_split_may_be_in_the_names(tmp_path):
    write(tmp_path, names=("train_images", "train_masks"))
    write(tmp_path, names=("images_val", "masks_val"))
    assert read_test_set(tmp_path).splits == ("train", "val")


def test_colours_lie_in_the_last_axis_and_stored_order_does_not_matter(tmp_path):
    colours = np.stack([IMAGES, IMAGES // 2, 255 - IMAGES], axis=-1)
    write(tmp_path, np.asfortranarray(colours), MASKS[..., np.newaxis])
    case = read_test_set(tmp_path).cases[1]
    image = read_case_image(case)
    assert image.is_colour
    np.testing.assert_array_equal(image.pixels, colours[1])
    assert read_case_reference(case, class_names=("bright",)).labels.shape == (20, 24)


def test_items_have_digests_of_their_own(tmp_path):
    found = read_test_set(write(tmp_path))
    assert len({file_digests(case) for case in found.cases}) == 3
    before = data_hash(found)
    changed = IMAGES.copy()
    changed[2, 0, 0] ^= 1
    assert data_hash(read_test_set(write(tmp_path, changed))) != before


@pytest.mark.parametrize(
    ("images", "masks", "said"),
    [
        (IMAGES, MASKS[:2], "images.npy holds 3 images"),
        (IMAGES[0], MASKS, "shape (20, 24) holds no images"),
        (IMAGES[:0], MASKS[:0], "holds no images"),
        (np.array([{}, {}, {}]), MASKS, "holds no plain numbers"),
    ],
)
def test_what_is_no_stack_is_said(tmp_path, images, masks, said):
    with pytest.raises(TestSetError) as error:
        read_test_set(write(tmp_path, images, masks))
    assert said in str(error.value)


def test_an_array_that_is_cut_off_is_named(tmp_path):
    write(tmp_path)
    whole = (tmp_path / "masks.npy").read_bytes()
    (tmp_path / "masks.npy").write_bytes(whole[:-9])
    with pytest.raises(TestSetError, match=r"masks\.npy: the array cannot be read"):
        read_test_set(tmp_path)
