import threading
from dataclasses import replace
from importlib.metadata import version

import nibabel as nib
import numpy as np
import pytest
from dicom_series import write_sparse_test_set
from PIL import Image

from evaluation.errors import CaseError, PassingCaseError
from evaluation.runs.cases import read_case
from evaluation.runs.classes import ClassMatch, match_classes
from evaluation.runs.predictors import CheckpointPredictor, FolderPredictor, Stopped, label_maps_in
from medseg_demo.errors import OptionError
from medseg_demo.segmenting.engine import Engine
from medseg_demo.settings import Settings
from medseg_demo.test_sets.test_set import read_test_set

SETTINGS = Settings(device="cpu", precision="float32", threads=1)


@pytest.fixture
def case(make_test_set):
    return read_test_set(make_test_set(cases=1)).cases[0]


@pytest.fixture
def data(case):
    return read_case(case, class_names=("square",), settings=SETTINGS)


def make_predictor(checkpoint, match=None, engine=None):
    match = match or match_classes("set", ("square",), checkpoint.name, checkpoint.card.class_names)
    return CheckpointPredictor(checkpoint, match, engine=engine or Engine(SETTINGS), owner="me")


def test_a_checkpoint_predicts_in_the_test_sets_labels(brightness, case, data):
    labels = make_predictor(brightness).predict(case, data, threading.Event())
    assert np.array_equal(labels, data.reference.labels)
    second = ClassMatch(("other", "square"), (0, 2))
    assert make_predictor(brightness, second).predict(case, data, threading.Event()).max() == 2


def test_a_checkpoint_stops_and_lets_the_next_one_in(brightness, case, data):
    predictor, stop = make_predictor(brightness), threading.Event()
    stop.set()
    for _ in range(2):
        with pytest.raises(Stopped):
            predictor.predict(case, data, stop)
    assert predictor.predict(case, data, threading.Event()).any()


def test_whoever_cancels_the_owner_stops_the_run(brightness, case, data, monkeypatch):
    engine, stop = Engine(SETTINGS), threading.Event()
    segment = engine.segment
    monkeypatch.setattr(engine, "segment", lambda *given, **rest: engine.cancel("me") and segment(*given, **rest))
    with pytest.raises(Stopped):
        make_predictor(brightness, engine=engine).predict(case, data, stop)
    assert stop.is_set()


def test_a_3d_checkpoint_predicts_volumes_and_refuses_images(brightness, card, case, data, tmp_path):
    pixels = np.zeros((12, 20, 44), np.uint8)
    pixels[2:9, 5:15, 10:30] = 255
    affine = np.array([[0, 0, 0.5, 9], [0, -2.0, 0, 4], [1.0, 0, 0, -7], [0, 0, 0, 1]])
    for name, values in (("images", pixels), ("masks", pixels // 255)):
        (tmp_path / "volumes" / name).mkdir(parents=True)
        nib.save(nib.Nifti1Image(values.T, affine), tmp_path / "volumes" / name / "v.nii.gz")
    volume = read_test_set(tmp_path / "volumes").cases[0]
    volumetric = replace(brightness, card=card.model_copy(update={"input_size": (16, 16, 16), "inference": "tile"}))
    predictor = make_predictor(volumetric, match_classes("set", ("bright",), "brightness", ("bright",)))
    labels = predictor.predict(volume, read_case(volume, class_names=("bright",), settings=SETTINGS), threading.Event())
    np.testing.assert_array_equal(labels, pixels // 255)
    with pytest.raises(CaseError, match="Case 'case_00': Image 'case_00' is a single 2-D image") as caught:
        predictor.predict(case, data, threading.Event())
    assert not isinstance(caught.value, PassingCaseError)  # a resumed run need not try it again


def test_what_moves_a_score_is_among_the_settings(brightness):
    assert make_predictor(brightness).settings == {
        "classes": ["square"],
        "class_lookup": [0, 1],
        "device": "cpu",
        "precision": "float32",
        "backend": "openvino",
        "backend_version": version("openvino"),
        "batch_size": 0,
        "threshold": 0.5,
    }


def test_a_folder_gives_what_lies_in_it(case, data, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    np.save(theirs / "case_00.npy", np.eye(64))
    predictor = FolderPredictor(label_maps_in(theirs), "theirs", ("square",))
    assert np.array_equal(predictor.predict(case, data, threading.Event()), np.eye(64))
    first = predictor.run_digest([case])
    np.save(theirs / "case_00.npy", np.eye(64) * 0.4)
    assert predictor.run_digest([case]) != first
    with pytest.raises(CaseError, match=r"Case 'case_00', prediction: .*value 0\.4"):
        predictor.predict(case, data, threading.Event())


def test_a_dicom_seg_without_empty_frames_is_placed_on_the_image(tmp_path):
    labels = write_sparse_test_set(tmp_path)
    volume = read_test_set(tmp_path).cases[0]
    predictor = FolderPredictor(label_maps_in(tmp_path / "masks"), "theirs", ("thing",))
    data = read_case(volume, class_names=("thing",), settings=SETTINGS)
    assert np.array_equal(predictor.predict(volume, data, threading.Event()), labels)


def test_a_prediction_of_another_size_is_not_resized(case, data, tmp_path):
    Image.fromarray(np.zeros((64, 32), np.uint8)).save(tmp_path / "case_00.png")
    predictor = FolderPredictor(label_maps_in(tmp_path), "theirs", ("square",))
    with pytest.raises(CaseError, match=r"prediction has shape \(64, 32\) but image has \(64, 64\)"):
        predictor.predict(case, data, threading.Event())


def test_a_case_without_a_prediction_has_no_digest(case, data):
    predictor = FolderPredictor({}, "theirs", ("square",))
    assert predictor.digest(case) == ""
    with pytest.raises(CaseError, match="'case_00' has no prediction"):
        predictor.predict(case, data, threading.Event())


def swapped_predictions(folder, labels):
    """Predictions of case_01 that number two classes the other way round, with their own dataset.json."""
    folder.mkdir()
    Image.fromarray(np.array([[0, 1, 2]], np.uint8)).save(folder / "case_01.png")
    (folder / "dataset.json").write_text(labels)
    return FolderPredictor(label_maps_in(folder), "theirs", ("anterior", "posterior"))


def two_class_case(folder):
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    Image.fromarray(np.array([[0, 100, 200]], np.uint8)).save(folder / "images" / "case_01.png")
    Image.fromarray(np.array([[0, 2, 1]], np.uint8)).save(folder / "masks" / "case_01.png")
    (case,) = read_test_set(folder).cases
    return case, read_case(case, class_names=("anterior", "posterior"), settings=SETTINGS)


def test_predictions_that_name_their_own_values_are_matched_by_name(tmp_path):
    case, data = two_class_case(tmp_path / "set")
    predictor = swapped_predictions(tmp_path / "a", '{"labels": {"background": 0, "posterior": 1, "anterior": 2}}')
    assert predictor.predict(case, data, threading.Event()).tolist() == data.reference.labels.tolist() == [[0, 2, 1]]
    strangers = swapped_predictions(tmp_path / "b", '{"labels": {"background": 0, "body": 1, "anterior": 2}}')
    with pytest.raises(CaseError, match="'body' is none of them"):
        strangers.predict(case, data, threading.Event())


@pytest.mark.parametrize("content", ["{", '{"labels": {"a": "b"}}', '{"labels": {"a": 1, "b": 1}}', "[" * 100_000])
def test_an_unusable_list_of_own_values_is_said(tmp_path, content):
    with pytest.raises(OptionError, match=r"Predictions 'a': their dataset\.json cannot be used"):
        swapped_predictions(tmp_path / "a", content)


def test_regions_are_no_own_values(tmp_path):
    case, data = two_class_case(tmp_path / "set")
    regions = swapped_predictions(tmp_path / "a", '{"labels": {"background": 0, "whole": [1, 2], "core": [2]}}')
    assert regions.predict(case, data, threading.Event()).tolist() == [[0, 1, 2]]
