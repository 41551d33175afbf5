import shutil
import threading

import numpy as np
import pytest
from dicom_series import write_sparse_test_set
from PIL import Image

from evaluation.runs.cases import PICTURES, read_outline
from evaluation.runs.preflight import examine, read_test_sets
from medseg_demo.errors import TestSetError
from medseg_demo.reading import read_image
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import Case
from medseg_demo.test_sets.test_set import read_test_set


def test_every_fault_of_every_case_is_found_at_once(make_test_set):
    folder = make_test_set(cases=6)
    masks = folder / "masks"
    Image.fromarray(np.zeros((32, 64), np.uint8)).save(masks / "case_01.png")
    (masks / "case_02.png").write_bytes(b"")
    (masks / "case_03.png").unlink()
    np.save(masks / "case_03.npy", np.full((64, 64), 0.25))
    (folder / "images" / "case_04.png").write_bytes(b"no image at all")
    examined = examine(read_test_set(folder))
    assert [case.fault is None for case in examined.cases] == [True, False, False, False, False, True]
    assert len(examined.faults) == 4
    for case_id, fault in zip(range(1, 5), examined.faults, strict=True):
        assert f"'case_0{case_id}'" in fault


def test_labels_beyond_the_classes_are_a_fault_of_the_case(make_test_set):
    examined = examine(read_test_set(make_test_set(cases=1, value=3)))
    assert examined.faults == ()
    assert "holds the label 3, but the classes are only lung" in examined.cases[0].fault_for(["lung"])
    assert examined.cases[0].fault_for(["a", "b", "c"]) is None
    assert examined.class_names == ("class_1", "class_2", "class_3")


def test_class_names_are_the_test_sets_own(make_test_set):
    folder = make_test_set(cases=1)
    assert examine(read_test_set(folder)).class_names == ("class_1",)
    (folder / "dataset.json").write_text('{"labels": {"background": 0, "square": 1}}')
    assert examine(read_test_set(folder)).class_names == ("square",)


def test_a_grey_pixel_without_class_names_is_a_fault_of_its_case_alone(make_test_set):
    folder = make_test_set(cases=3)
    mask = np.array(Image.open(folder / "masks" / "case_01.png"))
    mask[20, 20] = 128
    Image.fromarray(mask).save(folder / "masks" / "case_01.png")
    examined = examine(read_test_set(folder))
    assert examined.class_names == ("class_1",)
    faults = [case.fault_for(examined.class_names) for case in examined.cases]
    assert [fault is None for fault in faults] == [True, False, True]
    assert "'case_01': the reference holds the label 255" in faults[1]
    assert "name the classes in dataset.json" in faults[1]


@pytest.mark.parametrize(("value", "classes"), [(9, 9), (10, 1), (128, 1)])
def test_values_far_from_the_others_are_no_classes(make_test_set, value, classes):
    assert len(examine(read_test_set(make_test_set(cases=2, value=value))).class_names) == classes


def test_labels_without_large_gaps_over_the_whole_set_are_classes(make_test_set):
    folder = make_test_set(cases=3)
    for number, values in enumerate(((1, 2), (8, 9), (17, 32))):
        mask = np.repeat(np.array([0, *values], np.uint8), 22)[:64]
        Image.fromarray(np.tile(mask, (64, 1))).save(folder / "masks" / f"case_{number:02}.png")
    examined = examine(read_test_set(folder))
    assert [case.labels for case in examined.cases] == [(1, 2), (8, 9), (17, 32)]
    assert len(examined.class_names) == 17  # from 17 to 32 is a large gap
    assert examined.cases[2].fault_for(examined.class_names)


def test_a_changed_file_changes_the_digest_of_its_case(make_test_set):
    folder = make_test_set(cases=2)
    before = examine(read_test_set(folder)).cases
    shutil.copy(folder / "images" / "case_01.png", folder / "images" / "case_00.png")
    after = examine(read_test_set(folder)).cases
    assert before[0].digest != after[0].digest
    assert before[1].digest == after[1].digest


def test_a_case_that_cannot_be_opened_has_no_digest(make_test_set):
    folder = make_test_set(cases=1)
    test_set = read_test_set(folder)
    (folder / "images" / "case_00.png").unlink()
    examined = examine(test_set).cases[0]
    assert examined.digest == ""
    assert "cannot be opened" in examined.fault


def outline_of(path):
    return read_outline(Case(path.stem, (path,), path), settings=Settings(), formats=PICTURES)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_header_of_a_picture_tells_what_reading_it_gives(tmp_path, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    for suffix in ("png", "jpg", "tif"):
        path = tmp_path / f"turned.{suffix}"
        Image.fromarray(np.eye(40, 60, dtype=np.uint8) * 200).save(path, exif=exif)
        assert outline_of(path).shape == read_image(path).shape, suffix


def test_pages_and_volumes_are_read(tmp_path):
    pages = [Image.fromarray(np.eye(40, 60, k=k, dtype=np.uint8)) for k in range(3)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    assert outline_of(tmp_path / "pages.tif").shape == (3, 40, 60)


def test_a_dicom_seg_without_empty_frames_has_no_fault(tmp_path):
    write_sparse_test_set(tmp_path)
    assert examine(read_test_set(tmp_path)).faults == ()


def test_pictures_are_not_decoded(make_test_set, monkeypatch):
    def refuse(*args, **named):
        raise AssertionError("a picture was read")

    monkeypatch.setattr("evaluation.runs.cases.read_case_image", refuse)
    assert examine(read_test_set(make_test_set(cases=2))).faults == ()


def test_stop_leaves_the_rest_out(make_test_set):
    stop = threading.Event()
    examined = examine(read_test_set(make_test_set(cases=4)), progress=lambda done, total: stop.set(), stop=stop)
    assert len(examined.cases) == 1


def test_the_faults_of_all_folders_are_listed_together(make_test_set, tmp_path):
    first, second = make_test_set("first", cases=2), make_test_set("second", cases=2)
    (first / "masks" / "case_00.png").unlink()
    (second / "images" / "case_01.png").unlink()
    (tmp_path / "empty" / "images").mkdir(parents=True)
    (tmp_path / "empty" / "masks").mkdir()
    with pytest.raises(TestSetError) as caught:
        read_test_sets([first, second, tmp_path / "empty", tmp_path / "none"])
    faults = caught.value.faults
    assert len(faults) == 4
    assert "case_00.png has no mask" in faults[0]
    assert "case_01.png has no image" in faults[1]
    assert "holds no case" in faults[2]
    assert "no such folder" in faults[3]


def test_two_test_sets_of_one_name_are_refused(make_test_set):
    folders = [make_test_set("a/set", cases=1), make_test_set("b/set", cases=1)]
    with pytest.raises(TestSetError, match="2 test sets are called 'set'"):
        read_test_sets(folders)


def test_references_of_0_and_1_among_those_of_0_and_255_are_noted(make_test_set):
    folder = make_test_set(cases=3)
    mask = next((folder / "masks").iterdir())
    values = np.array(Image.open(mask))
    Image.fromarray(((values > 0) * (1 if values.max() == 255 else 255)).astype(np.uint8)).save(mask)
    (note,) = examine(read_test_set(folder)).notes
    assert "hold 0 and 255" in note
    assert "were both taken for class 1" in note
