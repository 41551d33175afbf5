import json
import shutil
from datetime import date

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from medseg_demo.correcting.between import runs_between
from medseg_demo.correcting.correction import Correction
from medseg_demo.correcting.edits import Step
from medseg_demo.correcting.reference import replace_reference
from medseg_demo.errors import EditConflict, EditError, OptionError, OutputError
from medseg_demo.image import LabelMap
from medseg_demo.test_sets.case import read_case_image, read_case_reference
from medseg_demo.test_sets.test_set import data_hash, read_test_set

TODAY = date(2026, 3, 4)
PLANE = np.zeros((4, 5), np.uint8)
PLANE[1:3, 1:3] = 1
VOLUME = np.stack([PLANE, PLANE * 2, PLANE])
WANTED = np.full(PLANE.shape, 1, np.uint8)


def store(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith((".nii.gz", ".nii")):
        nibabel.save(nibabel.Nifti1Image(np.asarray(values).T, np.diag([-0.5, -0.75, 3, 1])), path)
    elif path.suffix in (".nrrd", ".mha"):
        image = sitk.GetImageFromArray(values)
        image.SetSpacing((0.5, 0.75, 3.0)[: values.ndim])
        sitk.WriteImage(image, str(path))
    elif path.suffix == ".npy":
        np.save(path, values)
    else:
        Image.fromarray(values).save(path)


def load(path):
    if path.name.endswith((".nii.gz", ".nii")):
        return np.asarray(nibabel.load(path).dataobj).T
    if path.suffix in (".nrrd", ".mha"):
        return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    if path.suffix == ".npy":
        return np.load(path)
    with Image.open(path) as picture:
        return np.asarray(picture)


class Opened:
    """The first case of a test set as a person sees it."""

    def __init__(self, folder, case_id=None):
        self.folder = folder
        self.test_set = read_test_set(folder)
        self.case = next(case for case in self.test_set.cases if case_id in (None, case.case_id))
        self.image = read_case_image(self.case) if self.case.image_paths else None
        names = self.test_set.labels.piece_names if self.test_set.labels else None
        self.reference = read_case_reference(self.case, class_names=names, image=self.image)

    def correction(self, wanted, of=None):
        one = Correction(of or self.reference, name="reference")
        runs = runs_between(one.label_map.labels, np.asarray(wanted, np.uint8))
        one.apply([Step(1, "brush", runs)] if runs else [])
        return one

    def replaced(self, correction, **more):
        arguments = {"opened": self.reference, "image": self.image, "folder": self.folder, "today": TODAY} | more
        return replace_reference(self.case, correction, **arguments)


def plain(folder, mask, values, **dataset):
    store(folder / "images" / mask, np.arange(np.size(values), dtype=np.uint8).reshape(np.shape(values)))
    store(folder / "masks" / mask, values)
    if dataset:
        (folder / "dataset.json").write_text(json.dumps(dataset))
    return Opened(folder)


PICTURES = ("a.png", "a.bmp", "a.tif")
VOLUMES = ("a.nii.gz", "a.nii", "a.nrrd", "a.mha", "a.npy")


@pytest.mark.parametrize("mask", [*PICTURES, *VOLUMES])
def test_the_reference_is_replaced_in_its_own_format_and_the_old_one_kept(tmp_path, mask):
    values = PLANE if mask in PICTURES else VOLUME
    labels = {"background": 0, "a": 1, "b": 2}
    one = plain(tmp_path, mask, values, labels=labels)
    wanted = (values + 1) % 3
    old, before = (tmp_path / "masks" / mask).read_bytes(), data_hash(one.test_set)
    kept = one.replaced(one.correction(wanted))
    stem, suffix = mask.split(".", 1)
    assert kept == tmp_path / "masks/replaced_references" / f"{stem}.2026-03-04.{suffix}"
    assert kept.read_bytes() == old
    np.testing.assert_array_equal(load(tmp_path / "masks" / mask), wanted)
    again = Opened(tmp_path)
    assert [case.case_id for case in again.test_set.cases] == ["a"]
    np.testing.assert_array_equal(again.reference.labels, wanted)
    assert data_hash(again.test_set) != before
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == [mask, "replaced_references"]


@pytest.mark.parametrize("mask", ["a.nii.gz", "a.nii", "a.nrrd", "a.mha"])
def test_the_place_of_a_volume_stays(tmp_path, mask):
    one = plain(tmp_path, mask, VOLUME)
    before = sitk.ReadImage(str(tmp_path / "masks" / mask))
    one.replaced(one.correction(VOLUME * 0 + 1))
    after = sitk.ReadImage(str(tmp_path / "masks" / mask))
    assert after.GetSize() == before.GetSize()
    np.testing.assert_allclose(after.GetSpacing(), before.GetSpacing(), atol=1e-6)
    np.testing.assert_allclose(after.GetOrigin(), before.GetOrigin(), atol=1e-6)
    np.testing.assert_allclose(after.GetDirection(), before.GetDirection(), atol=1e-6)


def test_two_of_one_day_are_numbered(tmp_path):
    first = plain(tmp_path, "a.png", PLANE)
    kept = [first.replaced(first.correction(WANTED))]
    second = Opened(tmp_path)
    kept.append(second.replaced(second.correction(PLANE)))
    third = Opened(tmp_path)
    kept.append(third.replaced(third.correction(WANTED)))
    assert [path.name for path in kept] == ["a.2026-03-04.png", "a.2026-03-04.2.png", "a.2026-03-04.3.png"]
    np.testing.assert_array_equal(load(kept[1]), WANTED)


def test_a_binary_mask_of_0_and_255_stays_one(tmp_path):
    one = plain(tmp_path, "a.png", PLANE * 255, labels={"background": 0, "vessel": 1})
    one.replaced(one.correction(WANTED))
    assert set(np.unique(load(tmp_path / "masks/a.png"))) == {255}


def test_values_regions_and_what_nobody_annotated_are_kept(tmp_path):
    values = np.array([[0, 10, 20], [30, 30, 99], [99, 99, 0]], np.uint8)
    labels = {"background": 0, "whole": [10, 20], "core": 30, "ignore": 99}
    one = plain(tmp_path, "a.png", values, labels=labels)
    assert one.reference.labels.tolist() == [[0, 1, 1], [2, 2, 0], [0, 0, 0]]
    one.replaced(one.correction([[1, 1, 1], [1, 2, 0], [2, 0, 0]]))
    assert load(tmp_path / "masks/a.png").tolist() == [[10, 10, 20], [10, 30, 99], [30, 99, 0]]


def test_a_prediction_leaves_what_nobody_annotated_but_where_it_was_painted(tmp_path):
    values = np.array([[0, 1, 9, 9]], np.uint8)
    one = plain(tmp_path, "a.png", values, labels={"background": 0, "a": 1, "ignore": 9})
    predicted = LabelMap(np.array([[1, 1, 1, 0]], np.uint8), ("a",), one.reference.geometry)
    one.replaced(one.correction([[1, 1, 1, 1]], of=predicted))
    assert load(tmp_path / "masks/a.png").tolist() == [[1, 1, 9, 1]]


def test_values_beyond_a_byte_are_kept(tmp_path):
    values = VOLUME.astype(np.uint16) * 1000
    one = plain(tmp_path, "a.nii.gz", values, labels={"background": 0, "left": 1000, "right": 2000})
    one.replaced(one.correction((VOLUME + 1) % 3))
    np.testing.assert_array_equal(load(tmp_path / "masks/a.nii.gz"), (VOLUME + 1) % 3 * np.uint16(1000))


def test_a_picture_in_colour_stays_one(tmp_path):
    store(tmp_path / "images/a.png", PLANE)
    store(tmp_path / "masks/a.png", np.stack([PLANE * 255, PLANE * 0, PLANE * 0], -1))
    (tmp_path / "dataset.json").write_text(json.dumps({"colours": {"a": "#ff0000", "b": "#00ff00"}}))
    one = Opened(tmp_path)
    one.replaced(one.correction(PLANE * 2))
    np.testing.assert_array_equal(load(tmp_path / "masks/a.png")[1, 1], [0, 255, 0])
    np.testing.assert_array_equal(Opened(tmp_path).reference.labels, PLANE * 2)


def nnunet(folder):
    for case in "ab":
        store(folder / f"imagesTr/{case}_0000.nii.gz", VOLUME)
        store(folder / f"labelsTr/{case}.nii.gz", VOLUME)
    return "labelsTr"


def decathlon(folder):
    nnunet(folder)
    listed = [{"image": f"./imagesTr/{case}_0000.nii.gz", "label": f"./labelsTr/{case}.nii.gz"} for case in "ab"]
    (folder / "imagesTr").rename(folder / "pictures")
    for entry in listed:
        entry["image"] = entry["image"].replace("imagesTr", "pictures").replace("_0000", "")
        shutil.move(folder / entry["image"].replace(".nii.gz", "_0000.nii.gz"), folder / entry["image"])
    (folder / "dataset.json").write_text(
        json.dumps({"training": listed, "labels": {"0": "background", "1": "x", "2": "y"}})
    )
    return "labelsTr"


def patients(folder):
    for case in "ab":
        store(folder / f"{case}/{case}_t1.nii.gz", VOLUME)
        store(folder / f"{case}/{case}_seg.nii.gz", VOLUME)
    return "a"


def patients_called_seg(folder):
    for case in "ab":
        store(folder / f"{case}/t1.nii.gz", VOLUME)
        store(folder / f"{case}/seg.nii.gz", VOLUME)
    return "a"


def one_folder(folder):
    for case in "ab":
        store(folder / f"{case}_image.png", PLANE)
        store(folder / f"{case}_mask.png", PLANE)
    return "."


def splits(folder):
    for case in "ab":
        store(folder / f"images/train/{case}.png", PLANE)
        store(folder / f"masks/train/{case}.png", PLANE)
    return "masks/train"


def references_alone(folder):
    for case in "ab":
        store(folder / f"masks/{case}.nii.gz", VOLUME)
    return "masks"


LAYOUTS = (nnunet, decathlon, patients, patients_called_seg, one_folder, splits, references_alone)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_old_reference_is_no_further_case_and_no_channel(tmp_path, layout):
    folder = layout(tmp_path)
    one = Opened(tmp_path)
    ids = [case.case_id for case in one.test_set.cases]
    assert ids == ["a", "b"]
    wanted = one.reference.labels * 0 + 1
    kept = one.replaced(one.correction(wanted))
    assert kept.parent.resolve() == (tmp_path / folder / "replaced_references").resolve()
    again = Opened(tmp_path)
    assert again.test_set.cases == one.test_set.cases
    assert again.test_set.notes == one.test_set.notes
    np.testing.assert_array_equal(again.reference.labels, wanted)
    np.testing.assert_array_equal(Opened(tmp_path, "b").reference.labels, one.reference.labels)


def test_a_reference_that_was_replaced_meanwhile_is_left_alone(tmp_path):
    first, second = plain(tmp_path, "a.png", PLANE), Opened(tmp_path)
    first.replaced(first.correction(WANTED))
    with pytest.raises(EditConflict, match="case 'a' was replaced since the case was opened"):
        second.replaced(second.correction(PLANE * 0))
    np.testing.assert_array_equal(load(tmp_path / "masks/a.png"), WANTED)
    assert len(list((tmp_path / "masks/replaced_references").iterdir())) == 1


def no_room(*_, **__):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("what", ["writing", "keeping"])
def test_without_room_the_old_reference_stays_as_it_was(tmp_path, monkeypatch, what):
    one = plain(tmp_path, "a.png", PLANE)
    before = (tmp_path / "masks/a.png").read_bytes()
    if what == "writing":
        monkeypatch.setattr(Image.Image, "save", no_room)
    else:
        monkeypatch.setattr("os.link", no_room)
        monkeypatch.setattr("shutil.copyfile", no_room)
    with pytest.raises(OutputError, match="No space left on device"):
        one.replaced(one.correction(WANTED))
    assert (tmp_path / "masks/a.png").read_bytes() == before
    assert [path.name for path in (tmp_path / "masks").rglob("*") if path.is_file()] == ["a.png"]


def test_a_disk_without_links_keeps_a_copy(tmp_path, monkeypatch):
    monkeypatch.setattr("os.link", no_room)
    one = plain(tmp_path, "a.png", PLANE)
    before = (tmp_path / "masks/a.png").read_bytes()
    assert one.replaced(one.correction(WANTED)).read_bytes() == before


def test_what_would_be_read_otherwise_is_not_written(tmp_path, monkeypatch):
    one = plain(tmp_path, "a.png", PLANE)
    monkeypatch.setattr(
        "medseg_demo.correcting.reference.write_stored_labels", lambda labels, _, path: store(path, labels * 0)
    )
    with pytest.raises(OutputError, match="read as other labels"):
        one.replaced(one.correction(WANTED))
    np.testing.assert_array_equal(load(tmp_path / "masks/a.png"), PLANE)


def test_a_link_to_a_file_elsewhere_is_left_alone(tmp_path):
    store(tmp_path / "shared/a.png", PLANE)
    store(tmp_path / "set/images/a.png", PLANE)
    (tmp_path / "set/masks").mkdir()
    (tmp_path / "set/masks/a.png").symlink_to(tmp_path / "shared/a.png")
    one = Opened(tmp_path / "set")
    with pytest.raises(EditError, match="is a link to a file outside"):
        one.replaced(one.correction(WANTED))
    np.testing.assert_array_equal(load(tmp_path / "shared/a.png"), PLANE)


def test_a_link_within_the_test_set_keeps_what_it_pointed_to(tmp_path):
    store(tmp_path / "store/x.png", PLANE)
    store(tmp_path / "images/a.png", PLANE)
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks/a.png").symlink_to("../store/x.png")
    one = Opened(tmp_path)
    kept = one.replaced(one.correction(WANTED))
    assert not kept.is_symlink()
    np.testing.assert_array_equal(load(kept), PLANE)
    np.testing.assert_array_equal(load(tmp_path / "store/x.png"), WANTED)


def test_stacked_arrays_and_numbered_objects_are_not_replaced(tmp_path):
    np.save(tmp_path / "images.npy", np.arange(40, dtype=np.uint8).reshape(2, 4, 5))
    np.save(tmp_path / "masks.npy", np.stack([PLANE, PLANE]))
    one = Opened(tmp_path)
    with pytest.raises(EditError, match="part of an array of many"):
        one.replaced(one.correction(WANTED))
    objects = plain(tmp_path / "objects", "a.png", PLANE * 3, instances=True)
    with pytest.raises(EditError, match="numbers objects"):
        objects.replaced(objects.correction(WANTED))


def test_a_format_that_is_not_written_is_named_with_those_that_are(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(VOLUME), str(tmp_path / "x.mhd"))
    store(tmp_path / "images/a.nii.gz", VOLUME)
    (tmp_path / "masks").mkdir()
    sitk.WriteImage(sitk.GetImageFromArray(VOLUME), str(tmp_path / "masks/a.nhdr"))
    (tmp_path / "images/a.nii.gz").unlink()
    sitk.WriteImage(sitk.GetImageFromArray(VOLUME), str(tmp_path / "images/a.nrrd"))
    one = Opened(tmp_path)
    with pytest.raises(OptionError, match=r"\(\.nhdr\). Convert it to one of: \.nii\.gz, \.nii, \.nrrd, \.mha, \.npy"):
        one.replaced(one.correction(VOLUME * 0))
