import numpy as np
import pytest

from evaluation.runs.predictions import copy_prediction, find_prediction, keep_prediction
from medseg_demo.errors import OutputError
from medseg_demo.image import Geometry, LabelMap
from medseg_demo.reading.labels import read_label_map


@pytest.mark.parametrize("shape", [(6, 8), (3, 6, 8)])
def test_what_was_kept_is_found_and_read_back(tmp_path, shape):
    labels = np.random.default_rng(0).integers(0, 3, shape, dtype=np.uint8)
    kept = keep_prediction(LabelMap(labels, ("a", "b"), Geometry()), tmp_path, "a set", "net", "case.1")
    assert find_prediction(tmp_path, "a set", "net", "case.1") == kept
    assert find_prediction(tmp_path, "a set", "net", "case") is None
    assert (read_label_map(kept, class_names=("a", "b")).labels == labels).all()


@pytest.mark.parametrize("case_id", ["x" * 255, 'a"b', "K?nig", "con"])
def test_a_case_of_any_name_is_kept_and_found(tmp_path, case_id):
    kept = keep_prediction(LabelMap(np.ones((4, 4), np.uint8), ("a",)), tmp_path, "set: 1", "net", case_id)
    assert kept.parent == tmp_path / "predictions" / "set_1" / "net"
    assert find_prediction(tmp_path, "set: 1", "net", case_id) == kept


def test_a_prediction_is_taken_over_where_there_is_one(tmp_path):
    label_map = LabelMap(np.ones((4, 4), np.uint8), ("a",), Geometry())
    keep_prediction(label_map, tmp_path / "old", "set", "net", "case")
    for case_id in ("case", "other"):
        copy_prediction(tmp_path / "old", tmp_path / "new", "set", "net", case_id)
    assert [path.name for path in (tmp_path / "new").rglob("*.png")] == ["case.png"]


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "predictions").write_text("")
    with pytest.raises(OutputError, match="the folder cannot be made"):
        keep_prediction(LabelMap(np.ones((4, 4), np.uint8), ("a",), Geometry()), tmp_path, "set", "net", "case")
