from pathlib import Path

import pytest

from medseg_demo.errors import TestSetError
from medseg_demo.test_sets.patients import case_of_image, case_of_mask
from medseg_demo.test_sets.test_set import read_test_set


def put(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def found(folder: Path) -> list[tuple[str, str, list[str]]]:
    return [
        (case.case_id, case.mask_path.name, [path.name for path in case.image_paths])
        for case in read_test_set(folder).cases
    ]


@pytest.mark.parametrize(
    "name", ["a_1_seg", "a_1-mask", "a_1_GT", "a_1.label", "seg_a_1", "mask-a_1", "a_1_ground_truth", "a_1_manual1"]
)
def test_words_that_make_a_label_map(name):
    assert case_of_mask(name) == "a_1"


@pytest.mark.parametrize("name", ["a_1", "segment", "masked_1", "gt", "a_1_segments"])
def test_words_that_do_not(name):
    assert case_of_mask(name) is None


def test_numbers_may_follow_at_once():
    assert (case_of_mask("label0012"), case_of_image("img0012"), case_of_image("c_0000")) == ("0012", "0012", "c")


def test_a_folder_a_patient(tmp_path):
    for case in ("BraTS-1", "BraTS-2"):
        put(tmp_path, *(f"{case}/{case}-{name}.nii.gz" for name in ("t2w", "t1n", "seg")))
    assert found(tmp_path)[1] == ("BraTS-2", "BraTS-2-seg.nii.gz", ["BraTS-2-t1n.nii.gz", "BraTS-2-t2w.nii.gz"])
    assert read_test_set(tmp_path).cases[0].channel_names == ("t1n", "t2w")


def test_channels_come_in_the_order_of_the_names(tmp_path):
    put(tmp_path, "p/p_t1.nii.gz", "p/p_t2.nii.gz", "p/p_seg.nii.gz")
    (tmp_path / "dataset.json").write_text('{"channel_names": {"0": "T2", "1": "T1"}}')
    assert read_test_set(tmp_path).cases[0].channel_names == ("t2", "t1")


def test_a_patient_that_lacks_an_image_is_named(tmp_path):
    put(tmp_path, "p/p_t1.nii.gz", "p/p_t2.nii.gz", "p/p_seg.nii.gz", "q/q_t1.nii.gz", "q/q_seg.nii.gz")
    with pytest.raises(TestSetError, match="Case 'q' lacks the image t2"):
        read_test_set(tmp_path)


def test_folders_of_splits_and_series(tmp_path):
    put(tmp_path, "train/p/seg.nrrd", "train/p/dicom/1.dcm", "test/q/seg.nrrd", "test/q/dicom/1.dcm")
    assert [(case.case_id, case.split, case.image_path.name) for case in read_test_set(tmp_path).cases] == [
        ("p", "train", "dicom"),
        ("q", "test", "dicom"),
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("case_1.nii.gz", "case_1_seg.nii.gz", "case_10.nii.gz", "case_10_seg.nii.gz"),
        ("case_1_image.png", "case_1_mask.png", "case_10_image.png", "case_10_mask.png"),
        ("images/case_1.png", "masks/case_1_mask.png", "images/case_10.png", "masks/case_10_mask.png"),
        ("images/case_1_image.png", "labels/case_1_label.png", "images/case_10_image.png", "labels/case_10_label.png"),
        ("images/case_1_0000.nii.gz", "masks/case_1.nii.gz", "images/case_10_0000.nii.gz", "masks/case_10.nii.gz"),
        ("images/case_1.zip", "masks/case_1.nii.gz", "images/case_10/1.dcm", "masks/case_10.nii.gz"),
    ],
)
def test_names_that_tell_image_and_mask_apart(tmp_path, names):
    cases = found(put(tmp_path, *names))
    assert [case_id for case_id, _, _ in cases] == ["case_1", "case_10"]
    assert all(len(images) == 1 for _, _, images in cases)


@pytest.mark.parametrize(
    "names", [("masks/a.png", "masks/b.png"), ("labelsTs/a.png", "labelsTs/b.png"), ("a_seg.png", "b_seg.png")]
)
def test_references_alone_are_cases_without_images(tmp_path, names):
    put(tmp_path, *names)
    test_set = read_test_set(tmp_path)
    assert [(case.case_id, case.image_paths) for case in test_set.cases] == [("a", ()), ("b", ())]
    assert not test_set.has_images


def test_decathlon_without_its_images(tmp_path):
    put(tmp_path, "labelsTr/a.nii.gz")
    (tmp_path / "dataset.json").write_text(
        '{"training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}]}'
    )
    assert found(tmp_path) == [("a", "a.nii.gz", [])]
