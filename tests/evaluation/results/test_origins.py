"""From a row of results back to the files of the case."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from dicom_series import write_sparse_test_set

from evaluation.results.origins import (
    CHANGED,
    NOT_KEPT,
    NOT_MADE,
    available_test_sets,
    find_test_set,
    is_simulated,
    open_case,
    read_together,
)
from evaluation.results.table import Results, Run, write_results
from evaluation.runs.predictions import keep_prediction
from medseg_demo.errors import OptionError, TestSetError
from medseg_demo.image import LabelMap
from medseg_demo.settings import Settings


@pytest.fixture
def settings(make_test_set, tmp_path: Path) -> Settings:
    make_test_set("sets/squares")
    return Settings(test_sets_dir=tmp_path / "sets")


def test_a_test_set_is_found_by_the_name_of_its_folder_or_of_its_dataset(settings):
    (settings.test_sets_dir / "squares" / "dataset.json").write_text('{"name": "my squares"}')
    assert find_test_set("my squares", settings).folder == settings.test_sets_dir / "squares"
    assert available_test_sets(settings) == ("my squares", "simulated-nuclei")
    with pytest.raises(TestSetError, match="not on this computer"):
        find_test_set("squares", settings)


def test_the_simulated_set_is_known_by_both_of_its_names():
    assert is_simulated("simulated-nuclei")
    assert is_simulated("simulated nuclei")
    assert is_simulated("simulated-brain")
    assert not is_simulated("nuclei")


def test_the_simulated_nuclei_are_listed_beside_a_simulated_brain_that_was_made(settings):
    (settings.test_sets_dir / "squares").rename(settings.test_sets_dir / "simulated-brain")
    assert available_test_sets(settings) == ("simulated-brain", "simulated-nuclei")


def test_a_kept_prediction_is_opened_with_the_image_and_the_reference(settings, tmp_path):
    kept = LabelMap(np.ones((64, 64), np.uint8), ("square",))
    keep_prediction(kept, tmp_path / "run", "squares", "net", "case_01")
    runs = {"net": (Run("net", "squares"), tmp_path / "run")}
    case = open_case("squares", "case_01", ["net"], runs=runs, settings=settings)
    assert case.image.shape == (64, 64)
    assert case.reference.labels.sum() == 32 * 32
    assert case.predictions[0].label_map.labels.all()
    assert case.predictions[0].label_map.class_names == case.reference.class_names


def test_a_prediction_that_was_not_kept_is_made_again_in_the_labels_of_the_test_set(settings):
    run = Run("net", "squares", checkpoint_hash="old", settings={"class_lookup": [0, 0, 1]})
    labels = np.zeros((64, 64), np.uint8)
    labels[0] = 2
    case = open_case(
        "squares", "case_00", ["net"], runs={"net": (run, None)}, settings=settings,
        segment=lambda image, name: (labels, "new"),
    )  # fmt: skip
    assert np.unique(case.predictions[0].label_map.labels).tolist() == [0, 1]
    assert case.predictions[0].note == CHANGED


def test_of_two_test_sets_of_one_name_each_opens_its_own_predictions(settings, table_of, tmp_path):
    for name, value in (("one", 1), ("two", 0)):
        results = Results(
            table_of({name: [0.5, 0.6]}, test_set="squares"), (Run(name, "squares", test_set_hash=name),), (), ("dice",)
        )
        write_results(results, tmp_path / name)
        keep_prediction(
            LabelMap(np.full((64, 64), value, np.uint8), ("a",)), tmp_path / name, "squares", name, "case_00"
        )
    _, origins = read_together([tmp_path / "one", tmp_path / "two"])
    assert list(origins) == [("squares", "one"), ("squares (2)", "two")]
    case = open_case("squares (2)", "case_00", ["two"], runs={"two": origins["squares (2)", "two"]}, settings=settings)
    assert not case.predictions[0].label_map.labels.any()


def test_what_cannot_be_had_is_said_and_the_rest_is_shown(settings):
    def refuse(image, name):
        raise OptionError("no such checkpoint")

    runs = {"net": (Run("net", "squares"), None), "human": (Run("human", "squares", source="score"), None)}
    case = open_case("squares", "case_00", ["net", "human"], runs=runs, settings=settings, segment=refuse)
    assert [(one.label_map, one.note) for one in case.predictions] == [(None, "no such checkpoint"), (None, NOT_KEPT)]
    case = open_case("squares", "case_00", ["net", "human"], runs=runs, settings=settings)
    assert [one.note for one in case.predictions] == [NOT_MADE, NOT_KEPT]


def test_a_prediction_of_another_size_is_not_shown(settings, tmp_path):
    keep_prediction(LabelMap(np.ones((8, 8), np.uint8), ("square",)), tmp_path, "squares", "net", "case_00")
    runs = {"net": (Run("net", "squares"), tmp_path)}
    case = open_case("squares", "case_00", ["net"], runs=runs, settings=settings)
    assert case.predictions[0].label_map is None
    assert "another one than was scored" in case.predictions[0].note


def test_a_case_of_another_version_of_the_test_set_is_refused(settings):
    with pytest.raises(TestSetError, match="has no case 'other'"):
        open_case("squares", "other", [], runs={}, settings=settings)


def test_a_kept_dicom_seg_without_empty_frames_is_placed_on_the_image(tmp_path):
    labels = write_sparse_test_set(tmp_path / "sets" / "volumes")
    kept = tmp_path / "run" / "predictions" / "volumes" / "net"
    kept.mkdir(parents=True)
    shutil.copy(tmp_path / "sets" / "volumes" / "masks" / "v.dcm", kept / "v.nii.gz")
    runs = {"net": (Run("net", "volumes", settings={"classes": ["thing"]}), tmp_path / "run")}
    case = open_case("volumes", "v", ["net"], runs=runs, settings=Settings(test_sets_dir=tmp_path / "sets"))
    assert np.array_equal(case.reference.labels, labels)
    assert np.array_equal(case.predictions[0].label_map.labels, labels)
