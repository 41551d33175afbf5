import json
import threading

import numpy as np
import pytest
from dicom_series import write_sparse_test_set
from PIL import Image

from evaluation.errors import CaseError
from evaluation.metrics.components import LesionMatching
from evaluation.results.table import read_results
from evaluation.runs.cases import read_case
from evaluation.runs.prediction_folder import FolderPredictor, label_maps_in, own_labels
from evaluation.runs.request import RunOptions, check_request
from evaluation.runs.runner import score
from medseg_demo.errors import OptionError, TestSetError
from medseg_demo.settings import Settings
from medseg_demo.test_sets.labels import Labels
from medseg_demo.test_sets.test_set import read_test_set

SETTINGS = Settings(device="cpu", precision="float32", threads=1)
SQUARE = Labels.numbered(["square"])


@pytest.fixture
def case(make_test_set):
    return read_test_set(make_test_set(cases=1)).cases[0]


@pytest.fixture
def data(case):
    return read_case(case, class_names=("square",), settings=SETTINGS)


def test_a_folder_gives_what_lies_in_it(case, data, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    np.save(theirs / "case_00.npy", np.eye(64))
    predictor = FolderPredictor(label_maps_in(theirs), "theirs", SQUARE)
    assert np.array_equal(predictor.predict(case, data, threading.Event()).labels, np.eye(64))
    first = predictor.run_digest([case])
    np.save(theirs / "case_00.npy", np.eye(64) * 0.4)
    assert FolderPredictor(label_maps_in(theirs), "theirs", SQUARE).run_digest([case]) != first
    with pytest.raises(CaseError, match=r"Case 'case_00', prediction: .*value 0\.4"):
        predictor.predict(case, data, threading.Event())


def test_a_dicom_seg_without_empty_frames_is_placed_on_the_image(tmp_path):
    labels = write_sparse_test_set(tmp_path)
    volume = read_test_set(tmp_path).cases[0]
    predictor = FolderPredictor(label_maps_in(tmp_path / "masks"), "theirs", Labels.numbered(["thing"]))
    data = read_case(volume, class_names=("thing",), settings=SETTINGS)
    assert np.array_equal(predictor.predict(volume, data, threading.Event()).labels, labels)


def test_a_prediction_of_another_size_is_not_resized(case, data, tmp_path):
    Image.fromarray(np.zeros((64, 32), np.uint8)).save(tmp_path / "case_00.png")
    predictor = FolderPredictor(label_maps_in(tmp_path), "theirs", SQUARE)
    with pytest.raises(CaseError, match=r"prediction has shape \(64, 32\) but image has \(64, 64\)"):
        predictor.predict(case, data, threading.Event())


def test_a_case_without_a_prediction_has_no_digest(case, data):
    predictor = FolderPredictor({}, "theirs", SQUARE)
    assert predictor.digest(case) == ""
    with pytest.raises(CaseError, match="'case_00' has no prediction"):
        predictor.predict(case, data, threading.Event())


def write_map(path, values=((0, 1, 2),)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, np.uint8)).save(path)


def write_test_set(folder, labels, values=((0, 2, 1),)):
    """One case, whose reference holds these values, read with these labels."""
    write_map(folder / "images" / "case_01.png", (range(len(values[0])),))
    write_map(folder / "masks" / "case_01.png", values)
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    test_set = read_test_set(folder)
    return test_set.cases[0], test_set.labels


def predicted(tmp_path, ours, theirs, values=((0, 1, 2),), classes=None, reference=((0, 2, 1),)):
    """What predictions with these values and labels of their own are read as, and the notes."""
    case, labels = write_test_set(tmp_path / "set", ours, reference)
    write_map(tmp_path / "theirs" / "case_01.png", values)
    if theirs is not None:
        (tmp_path / "theirs" / "dataset.json").write_text(json.dumps({"labels": theirs}))
    own = own_labels(tmp_path / "theirs", classes)
    predictor = FolderPredictor(label_maps_in(tmp_path / "theirs"), "theirs", labels, own=own)
    data = read_case(case, class_names=None, settings=SETTINGS)
    return predictor.predict(case, data, threading.Event()).labels.tolist(), predictor.notes


TWO = {"background": 0, "anterior": 1, "posterior": 2}


def test_predictions_that_name_their_own_values_are_matched_by_name(tmp_path):
    labels, (note,) = predicted(tmp_path, TWO, {"background": 0, "Posterior": 1, "anterior": 2})
    assert labels == [[0, 2, 1]]
    assert "matched by name" in note


def test_a_class_that_only_they_have_is_background(tmp_path):
    labels, notes = predicted(tmp_path, TWO, {"anterior": 1, "body": 2, "posterior": 3})
    assert labels == [[0, 1, 0]]
    assert "'body' is none of the classes" in notes[0]


def test_a_class_under_another_name_is_refused_and_can_be_named(tmp_path):
    theirs = {"background": 0, "body": 1, "anterior": 2}
    with pytest.raises(OptionError, match="'body' is none of them"):
        predicted(tmp_path, TWO, theirs)
    assert predicted(tmp_path, TWO, theirs, classes={"body": "posterior"})[0] == [[0, 2, 1]]
    assert predicted(tmp_path, TWO, None, classes={"1": "posterior", "2": "anterior"})[0] == [[0, 2, 1]]
    with pytest.raises(OptionError, match="have no label tail"):
        predicted(tmp_path, TWO, theirs, classes={"tail": "posterior"})


def test_a_class_that_is_named_nothing_is_background(tmp_path):
    theirs = {"posteriors": 1, "anterior": 2, "posterior": 3}
    assert predicted(tmp_path, TWO, theirs, classes={"posteriors": ""})[0] == [[0, 0, 1]]
    numbered = {"1": "anterior", "2": "posterior", "class_3": ""}
    labels, notes = predicted(tmp_path / "numbered", TWO, None, ((0, 1, 3),), classes=numbered)
    assert labels == [[0, 1, 0]]
    assert "'3 (left out)' is none of the classes and counts as background" in notes[0]


def test_regions_are_matched_by_their_names_whatever_the_values(tmp_path):
    brats, numbered = {"whole": [1, 2, 4], "core": [1, 4], "ring": [4]}, {"whole": [1, 2, 3], "core": [2, 3], "ring": 3}
    values = ((0, 1, 2, 3),)
    labels, _ = predicted(tmp_path, brats, numbered, values, reference=((0, 2, 1, 4),))
    case, _ = write_test_set(tmp_path / "set", brats, ((0, 2, 1, 4),))
    assert labels == read_case(case, class_names=None, settings=SETTINGS).reference.labels.tolist()


def test_a_value_that_nobody_named_is_refused(tmp_path):
    with pytest.raises(CaseError, match="holds the label 3, which is none of the classes"):
        predicted(tmp_path, {"a": 1, "b": 2, "c": 4}, None, ((0, 3, 1),))


@pytest.mark.parametrize("content", ["{", '{"labels": {"a": "b"}}', '{"labels": {"a": 1, "b": 1}}', "[" * 100_000])
def test_an_unusable_list_of_own_values_is_said(tmp_path, content):
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(OptionError, match=rf"Predictions '{tmp_path.name}': their dataset\.json cannot be used"):
        own_labels(tmp_path)


@pytest.mark.parametrize(
    "files",
    [
        ("a.nii.gz", "a.npz", "a.pkl", "plans.json"),
        ("a_seg.nii.gz",),
        ("a_0000.nii.gz",),
        ("a/a_seg.nii.gz",),
        ("a/prediction.nii.gz", "other/x.nii.gz"),
        ("fold_0/validation/a.nii.gz", "fold_1/validation/b.nii.gz", "dataset.json"),
    ],
)
def test_folders_of_other_programs_are_read_as_they_are(tmp_path, files):
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"x")
    found = label_maps_in(tmp_path, {"a", "b"})
    assert found["a"].name.endswith(".nii.gz")


def test_a_case_in_two_folds_is_named(tmp_path):
    for fold in (0, 1):
        write_map(tmp_path / f"fold_{fold}" / "validation" / "a.png")
    with pytest.raises(OptionError, match=r"1 case\(s\) are predicted in several folds \(a\)"):
        label_maps_in(tmp_path, {"a"})


def test_a_model_of_all_folds_is_none_of_the_folds(tmp_path):
    for fold in ("fold_0", "fold_all"):
        write_map(tmp_path / fold / "validation" / "a.png")
    assert label_maps_in(tmp_path, {"a"})["a"].parents[1].name == "fold_0"
    assert label_maps_in(tmp_path / "fold_all" / "validation", {"a"})


def test_the_numbers_of_objects_are_kept(tmp_path):
    write_map(tmp_path / "images" / "a.png", ((0, 100, 200),))
    write_map(tmp_path / "instances" / "a.png", ((5, 0, 9),))
    (tmp_path / "dataset.json").write_text('{"labels": {"background": 0, "nucleus": 1}}')
    test_set = read_test_set(tmp_path)
    data = read_case(test_set.cases[0], class_names=None, settings=SETTINGS)
    assert (data.reference.labels.tolist(), data.reference.instances.tolist()) == ([[1, 0, 1]], [[5, 0, 9]])
    predictor = FolderPredictor(label_maps_in(tmp_path / "instances"), "theirs", test_set.labels)
    assert predictor.predict(test_set.cases[0], data, threading.Event()).labels.tolist() == [[5, 0, 9]]


def scores_of(tmp_path, labels, references, predictions, **options):
    """The table of predictions on references, one case each, whose images are not there."""
    for folder, maps in (("set/masks", references), ("theirs", predictions)):
        for name, values in maps.items():
            write_map(tmp_path / folder / f"{name}.png", values)
    (tmp_path / "set" / "dataset.json").write_text(json.dumps(labels))
    output, chosen = tmp_path / "out", RunOptions(workers=0, **options)
    outcome = score(read_test_set(tmp_path / "set"), tmp_path / "theirs", output, options=chosen, settings=SETTINGS)
    assert read_results(output).table.equals(outcome.results.table)
    return outcome.results.table.set_index("class_name")


def test_what_nobody_annotated_is_left_out_of_the_scores(tmp_path):
    labels = {"labels": {"background": 0, "tumour": 1, "ignore": 2}}
    table = scores_of(tmp_path, labels, {"a": ((1, 1, 0, 2, 2),)}, {"a": ((1, 0, 0, 1, 1),)})
    assert list(table.index) == ["tumour"]
    assert table[["dice", "precision", "recall"]].to_numpy().tolist() == [[2 / 3, 1, 0.5]]


def test_regions_are_scored_as_masks(tmp_path):
    labels = {"labels": {"background": 0, "whole": [1, 2, 4], "core": [1, 4], "ring": [4]}}
    table = scores_of(tmp_path, labels, {"a": ((0, 1, 2, 4, 2),)}, {"a": ((0, 2, 1, 4, 0),)})
    assert table["dice"].to_dict() == {"whole": 6 / 7, "core": 0.5, "ring": 1}


def test_objects_of_instance_maps_are_lesions_even_where_they_touch(tmp_path):
    labels = {"labels": {"background": 0, "nucleus": 1}, "instances": True}
    numbers = {"a": ((7, 7, 9, 9, 0),)}
    table = scores_of(tmp_path, labels, numbers, numbers, metrics=("lesion_tp", "lesion_fp"))
    assert table[["lesion_tp", "lesion_fp"]].to_numpy().tolist() == [[2, 0]]


def test_how_lesions_match_is_among_the_settings(tmp_path):
    labels = {"labels": {"background": 0, "lesion": 1}}
    pair = {"a": ((1, 1, 1, 0, 1),)}, {"a": ((1, 0, 0, 0, 1),)}
    matching = LesionMatching(overlap=0.5)
    table = scores_of(tmp_path, labels, *pair, metrics=("lesion_tp",), matching=matching)
    assert table["lesion_tp"].tolist() == [1]
    (run,) = read_results(tmp_path / "out").runs
    assert run.settings["lesions"] == {"overlap": 0.5, "smallest": 0.0, "sizes": None}


def test_checkpoints_need_images(tmp_path, brightness):
    write_map(tmp_path / "masks" / "a.png", ((0, 1),))
    with pytest.raises(TestSetError, match="has no image of case 'a', which checkpoint 'brightness' needs"):
        check_request([read_test_set(tmp_path)], [brightness], [], RunOptions())
