import json
import shutil
from pathlib import Path

import pytest

from medseg_demo.errors import TestSetError
from medseg_demo.test_sets.test_set import data_hash, read_test_set


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def faults_of(folder: Path, **options) -> tuple[str, ...]:
    with pytest.raises(TestSetError) as error:
        read_test_set(folder, **options)
    return error.value.faults


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    folder = tmp_path / "dots"
    put(folder, "images/a.png", "images/b.1.jpg", "images/c.nii.gz", "masks/a.png", "masks/b.1.png", "masks/c.nii.gz")
    return folder


def test_plain_folder_is_matched_by_stem(plain):
    test_set = read_test_set(plain)
    assert [case.case_id for case in test_set.cases] == ["a", "b.1", "c"]
    assert [case.image_path.name for case in test_set.cases] == ["a.png", "b.1.jpg", "c.nii.gz"]
    assert [case.mask_path.name for case in test_set.cases] == ["a.png", "b.1.png", "c.nii.gz"]
    assert {(case.split, case.group == case.case_id) for case in test_set.cases} == {(None, True)}
    assert (test_set.name, test_set.class_names, test_set.splits, test_set.notes) == ("dots", None, (), ())


def test_hidden_files_are_no_cases(plain):
    put(plain, "images/.DS_Store", "masks/._a.png", "images/@eaDir/a.png", "images/__MACOSX/._a.png")
    put(plain, "images/Thumbs.db", "masks/desktop.ini")
    assert len(read_test_set(plain).cases) == 3


def test_npy_pairs_are_read(tmp_path):
    put(tmp_path, "images/x.npy", "masks/x.npy")
    assert read_test_set(tmp_path).cases[0].mask_path == tmp_path / "masks/x.npy"


def test_table_gives_split_group_and_metadata(plain):
    (plain / "cases.csv").write_text("case_id,split,group,stain\nc,test,p2,blue\na,train,,red\nb.1,test,p2,\n")
    test_set = read_test_set(plain)
    assert [(case.case_id, case.split, case.group) for case in test_set.cases] == [
        ("c", "test", "p2"),
        ("a", "train", "a"),
        ("b.1", "test", "p2"),
    ]
    assert [case.metadata for case in test_set.cases] == [{"stain": "blue"}, {"stain": "red"}, {"stain": ""}]
    assert test_set.splits == ("test", "train")
    assert [case.case_id for case in read_test_set(plain, split="test").cases] == ["c", "b.1"]


def test_cases_that_the_table_leaves_out_are_noted(plain):
    (plain / "cases.csv").write_text("case_id\na\n")
    test_set = read_test_set(plain)
    assert [case.case_id for case in test_set.cases] == ["a"]
    assert test_set.notes == ("2 case(s) do not stand in cases.csv and are left out: b.1, c.",)


def test_unknown_split_lists_the_valid_ones(plain):
    (plain / "cases.csv").write_text("case_id,split\na,train\nb.1,val\nc,test\n")
    (fault,) = faults_of(plain, split="tset")
    assert "no split 'tset'. Choose one of: test, train, val." in fault


def test_split_of_a_set_without_splits(plain):
    (fault,) = faults_of(plain, split="test")
    assert "It has no splits" in fault


def test_all_faults_are_reported_together(plain):
    put(plain, "images/lonely.png", "masks/orphan.png", "images/a.tif")
    (plain / "cases.csv").write_text("case_id,split\na,test\na,test\nghost,test\nlonely,test\nb.1\n")
    (plain / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "dot": -2}}))
    text = "\n".join(faults_of(plain))
    for part in (
        "images/ holds a.png and a.tif of one stem",
        "images/lonely.png has no mask",
        "masks/orphan.png has no image",
        "Case 'a' stands twice",
        "Case 'ghost' stands in cases.csv but lacks",
        "Case 'lonely' stands in cases.csv but lacks",
        "cases.csv: line 6 has 1 cells",
        "labels in dataset.json cannot be used",
    ):
        assert part in text
    assert len(text.splitlines()) == 8


def test_a_dataset_json_of_endless_depth_is_a_fault(plain):
    (plain / "dataset.json").write_text('{"labels":' * 100_000 + "1" + "}" * 100_000)
    assert "dataset.json cannot be read" in "\n".join(faults_of(plain))


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"\xff\xfe\x00", "cases.csv cannot be read"),
        (b"label,split\na,test\n", "has no column case_id"),
        (b"case_id,split\n", "cases.csv has no rows"),
        (b"case_id,split\na,test,more\n", "line 2 has 3 cells, but the heading has 2"),
        (b"case_id,split\n,test\n", "Line 2 of cases.csv"),
    ],
)
def test_faulty_table(plain, content, part):
    (plain / "cases.csv").write_bytes(content)
    assert part in "\n".join(faults_of(plain))


def test_folder_without_the_two_folders(tmp_path):
    (fault,) = faults_of(tmp_path)
    assert "no folder images or masks" in fault


def test_missing_folder(tmp_path):
    (fault,) = faults_of(tmp_path / "none")
    assert "there is no such folder" in fault


def test_empty_test_set(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    (fault,) = faults_of(tmp_path)
    assert "holds no case" in fault


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ({"background": 0, "vessel": 1}, ("vessel",)),
        ({"nerve": 1, "vessel": 2, "background": 0}, ("nerve", "vessel")),
        ({"0": "background", "1": "anterior", "2": "posterior"}, ("anterior", "posterior")),
    ],
)
def test_class_names_come_in_the_order_of_their_values(plain, labels, names):
    (plain / "dataset.json").write_text(json.dumps({"name": "Set 1", "labels": labels}))
    test_set = read_test_set(plain)
    assert test_set.class_names == names
    assert test_set.name == "Set 1"


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_faulty_dataset_json(plain, text):
    (plain / "dataset.json").write_text(text)
    (fault,) = faults_of(plain)
    assert "dataset.json" in fault


def test_nnunet_folder(tmp_path):
    put(
        tmp_path,
        "imagesTr/k_001_0000.nii.gz",
        "labelsTr/k_001.nii.gz",
        "imagesTs/k_002_0000.nii.gz",
        "labelsTs/k_002.nii.gz",
    )
    (tmp_path / "dataset.json").write_text(
        json.dumps({"labels": {"background": 0, "liver": 1}, "file_ending": ".nii.gz"})
    )
    test_set = read_test_set(tmp_path)
    assert [(case.case_id, case.split) for case in test_set.cases] == [("k_001", "train"), ("k_002", "test")]
    assert test_set.cases[1].image_path.name == "k_002_0000.nii.gz"
    assert test_set.class_names == ("liver",)
    assert [case.case_id for case in read_test_set(tmp_path, split="test").cases] == ["k_002"]


def test_nnunet_test_images_without_labels_are_no_cases(tmp_path):
    put(tmp_path, "imagesTr/a_0000.png", "labelsTr/a.png", "imagesTs/b_0000.png")
    assert [case.case_id for case in read_test_set(tmp_path).cases] == ["a"]


def test_nnunet_faults(tmp_path):
    put(tmp_path, "imagesTr/a_0000.png", "imagesTr/a_0001.png", "imagesTr/b.png", "imagesTr/c_0000.png")
    put(tmp_path, "labelsTr/a.png", "labelsTr/d.png", "imagesTs/a_0000.png", "labelsTs/a.png")
    text = "\n".join(faults_of(tmp_path))
    for part in (
        "Case 'c' lacks the channel _0001. Add c_0001",
        "imagesTr/b.png has no channel number",
        "imagesTr/c_0000.png has no mask",
        "labelsTr/d.png has no image",
        "Case 'a' lies in imagesTr/ and in imagesTs/",
    ):
        assert part in text


def decathlon(folder: Path, training: list) -> None:
    labels = {"0": "background", "1": "edge"}
    (folder / "dataset.json").write_text(json.dumps({"name": "Edges", "labels": labels, "training": training}))


def test_decathlon_folder(tmp_path):
    put(tmp_path, "imagesTr/h_1.nii.gz", "labelsTr/h_1.nii.gz", "imagesTs/h_2.nii.gz")
    decathlon(tmp_path, [{"image": "./imagesTr/h_1.nii.gz", "label": "./labelsTr/h_1.nii.gz"}])
    test_set = read_test_set(tmp_path)
    assert [(case.case_id, case.split) for case in test_set.cases] == [("h_1", "train")]
    assert (test_set.name, test_set.class_names) == ("Edges", ("edge",))


def test_nnunet_1_folder_lists_its_cases_as_decathlon_does(tmp_path):
    put(tmp_path, "imagesTr/la_003_0000.nii.gz", "labelsTr/la_003.nii.gz", "imagesTs/la_001_0000.nii.gz")
    put(tmp_path, "labelsTs/la_001.nii.gz")
    decathlon(tmp_path, [{"image": "./imagesTr/la_003.nii.gz", "label": "./labelsTr/la_003.nii.gz"}])
    test_set = read_test_set(tmp_path)
    assert [(case.case_id, case.split) for case in test_set.cases] == [("la_003", "train"), ("la_001", "test")]
    assert test_set.cases[0].image_path.name == "la_003_0000.nii.gz"
    assert (test_set.name, test_set.class_names) == ("Edges", ("edge",))


def test_a_decathlon_image_may_be_numbered_like_a_channel(tmp_path):
    put(tmp_path, "imagesTr/h_0000.nii.gz", "labelsTr/h_0000.nii.gz")
    decathlon(tmp_path, [{"image": "imagesTr/h_0000.nii.gz", "label": "labelsTr/h_0000.nii.gz"}])
    assert [case.case_id for case in read_test_set(tmp_path).cases] == ["h_0000"]


def test_decathlon_faults(tmp_path):
    put(tmp_path / "set", "imagesTr/a.nii", "labelsTr/a.nii")
    put(tmp_path, "outside.nii")
    pair = {"image": "imagesTr/a.nii", "label": "labelsTr/a.nii"}
    decathlon(tmp_path / "set", [pair, pair, {"image": "imagesTr/z.nii", "label": "../outside.nii"}, "imagesTr/a.nii"])
    text = "\n".join(faults_of(tmp_path / "set"))
    for part in (
        "imagesTr/z.nii of training",
        "../outside.nii of training",
        "Entry 3 of training",
        "Case 'a' is listed twice",
    ):
        assert part in text


def test_hash_follows_ids_splits_and_bytes_and_nothing_else(plain, tmp_path):
    first = data_hash(read_test_set(plain))
    copy = Path(shutil.copytree(plain, tmp_path / "elsewhere"))
    assert data_hash(read_test_set(copy)) == first
    (copy / "cases.csv").write_text("case_id\nc\nb.1\na\n")
    assert data_hash(read_test_set(copy)) == first
    (copy / "cases.csv").write_text("case_id,split\na,test\nb.1,\nc,\n")
    assert data_hash(read_test_set(copy)) != first
    (plain / "masks/a.png").write_bytes(b"other")
    assert data_hash(read_test_set(plain)) != first
