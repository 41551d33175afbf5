import threading
from dataclasses import replace
from importlib.metadata import version

import nibabel as nib
import numpy as np
import pytest

from evaluation.errors import CaseError, PassingCaseError
from evaluation.runs.cases import read_case
from evaluation.runs.classes import ClassMatch, match_classes
from evaluation.runs.predictors import CheckpointPredictor, Stopped, _union
from medseg_demo.segmenting.engine import Engine
from medseg_demo.settings import Settings
from medseg_demo.test_sets.labels import Labels
from medseg_demo.test_sets.test_set import read_test_set

SETTINGS = Settings(device="cpu", precision="float32", threads=1)


@pytest.fixture
def case(make_test_set):
    return read_test_set(make_test_set(cases=1)).cases[0]


@pytest.fixture
def data(case):
    return read_case(case, class_names=("square",), settings=SETTINGS)


def make_predictor(checkpoint, match=None, engine=None):
    match = match or match_classes("set", Labels.numbered(("square",)), checkpoint.name, checkpoint.card.class_names)
    return CheckpointPredictor(checkpoint, match, engine=engine or Engine(SETTINGS), owner="me")


def test_a_checkpoint_predicts_in_the_test_sets_labels(brightness, case, data):
    labels, seconds, calibrations, _ = make_predictor(brightness).predict(case, data, threading.Event())
    assert seconds > 0
    assert np.array_equal(labels, data.reference.labels)
    found = calibrations["square"]
    assert (found.pixels.sum(), found.positives.sum()) == (labels.size, np.count_nonzero(labels))
    assert 0 <= found.expected_error < 0.5 < found.confidence <= 1
    second = ClassMatch(Labels.numbered(("other", "square")), (0, 2))
    assert make_predictor(brightness, second).predict(case, data, threading.Event()).labels.max() == 2


def test_a_checkpoint_stops_and_lets_the_next_one_in(brightness, case, data):
    predictor, stop = make_predictor(brightness), threading.Event()
    stop.set()
    for _ in range(2):
        with pytest.raises(Stopped):
            predictor.predict(case, data, stop)
    assert predictor.predict(case, data, threading.Event()).labels.any()


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
    predictor = make_predictor(volumetric, match_classes("set", None, "brightness", ("bright",)))
    data_of_volume = read_case(volume, class_names=("bright",), settings=SETTINGS)
    labels, *_ = predictor.predict(volume, data_of_volume, threading.Event())
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


def test_the_probability_of_a_union_is_the_sum_of_its_classes_or_the_highest_where_they_may_overlap():
    both = np.array([[[0.25, 0.75]], [[0.5, 0.5]]], np.float16)
    assert _union(both, may_overlap=False).tolist() == [[0.75, 1]]
    assert _union(both, may_overlap=True).tolist() == [[0.5, 0.75]]
