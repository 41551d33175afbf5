"""Runs over label maps that another program predicted."""

import shutil
from dataclasses import replace

import numpy as np
from PIL import Image
from whole_runs import events, run

from evaluation.runs import runner
from evaluation.runs.predictions import find_prediction
from evaluation.runs.request import Predictions, RunOptions
from medseg_demo.test_sets.test_set import read_test_set


def test_a_folder_of_label_maps_is_scored_like_a_checkpoint(make_test_set, tmp_path):
    folder = make_test_set(cases=4)
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for case_id in ("case_00", "case_02", "of_another_split"):
        Image.open(folder / "masks" / "case_00.png").save(theirs / f"{case_id}.png")
    Image.fromarray(np.zeros((64, 60), np.uint8)).save(theirs / "case_03.png")
    outcome = runner.score(
        read_test_set(folder), theirs, tmp_path / "out", name="observer", options=RunOptions(workers=0)
    )
    table = outcome.results.table
    assert table["case_id"].tolist() == ["case_00", "case_01", "case_02", "case_03"]
    assert table["status"].tolist() == ["ok", "failed", "ok", "failed"]
    assert table["dice"].tolist()[::2] == [1, 1]
    assert "'case_01' has no prediction" in table["error"][1]
    assert "prediction has shape (64, 60) but image has (64, 64)" in table["error"][3]
    assert set(table["checkpoint"]) == {"observer"}
    assert find_prediction(tmp_path / "out", "squares", "observer", "case_02")


def test_one_grey_pixel_fails_its_case_and_gives_the_others_no_classes(make_test_set, tmp_path):
    folder = make_test_set(cases=3)
    path = folder / "masks" / "case_01.png"
    mask = np.array(Image.open(path))
    mask[20, 20] = 128
    Image.fromarray(mask).save(path)
    outcome = runner.score(
        read_test_set(folder), folder / "masks", tmp_path / "out", options=RunOptions(workers=0, metrics=("dice",))
    )
    table = outcome.results.table
    assert table["class_name"].tolist() == ["class_1"] * 3
    assert table["status"].tolist() == ["ok", "failed", "ok"]
    assert table["dice"].tolist()[::2] == [1, 1]
    assert "'case_01': the reference holds the label 255" in outcome.failures[0]


def test_predictions_of_nnunets_folds_are_called_by_their_trainer(make_test_set, tmp_path):
    folder = make_test_set(cases=1)
    validation = tmp_path / "nnUNetTrainer__nnUNetPlans__2d" / "fold_3" / "validation"
    shutil.copytree(folder / "masks", validation)
    outcome = runner.score(read_test_set(folder), validation, tmp_path / "out", options=RunOptions(workers=0))
    assert outcome.results.runs[0].checkpoint == "nnUNetTrainer__nnUNetPlans__2d fold_3"


def test_a_white_mask_is_not_taken_for_the_first_of_several_classes(make_test_set, tmp_path):
    folder = make_test_set(cases=2)
    mask = np.zeros((64, 64), np.uint8)
    mask[:8], mask[8:16] = 1, 2
    Image.fromarray(mask).save(folder / "masks" / "case_01.png")
    outcome = runner.score(read_test_set(folder), folder / "masks", tmp_path / "out", options=RunOptions(workers=0))
    table = outcome.results.table
    assert table.groupby("case_id")["status"].unique().map(list).to_dict() == {"case_00": ["failed"], "case_01": ["ok"]}
    assert "holds the label 255, which is none of the classes" in outcome.failures[0]


def test_a_prediction_that_was_missing_is_scored_when_it_is_there(make_test_set, tmp_path):
    folder, theirs = make_test_set(cases=2), tmp_path / "theirs"
    theirs.mkdir()
    Image.open(folder / "masks" / "case_00.png").save(theirs / "case_00.png")
    test_set, options = read_test_set(folder), RunOptions(workers=0)
    assert len(runner.score(test_set, theirs, tmp_path / "out", options=options).failures) == 1
    Image.open(folder / "masks" / "case_00.png").save(theirs / "case_01.png")
    outcome = runner.score(test_set, theirs, tmp_path / "out", options=replace(options, resume=True))
    assert outcome.failures == ()
    assert outcome.results.table["dice"].tolist() == [1, 1]
    assert len(events(tmp_path / "out", "scored")) == 2


def test_checkpoints_and_predictions_stand_side_by_side(make_test_set, brightness, tmp_path):
    folder = make_test_set(cases=2)
    given = [Predictions(folder / "masks", "observer")]
    (folder / "dataset.json").write_text('{"labels": {"background": 0, "square": 1}}')
    outcome = run(folder, [brightness], tmp_path / "out", predictions=given)
    table = outcome.results.table
    assert table["checkpoint"].tolist() == ["brightness"] * 2 + ["observer"] * 2
    assert set(table["class_name"]) == {"square"}
    assert "'bright', was taken for the only class, 'square'" in outcome.notes[0]
