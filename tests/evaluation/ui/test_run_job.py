"""Uploads, and what is checked before a run."""

import pytest

from evaluation.ui import run_job
from evaluation.ui.board import Choices
from medseg_demo.errors import OptionError


def test_results_and_label_maps_are_told_apart():
    assert run_job.is_results_file(Choices(upload=("a/summary.JSON",)))
    assert not run_job.is_results_file(Choices(upload=("a.png", "b.png")))
    with pytest.raises(OptionError, match="one results file"):
        run_job.is_results_file(Choices(upload=("a.csv", "b.png")))


@pytest.mark.parametrize(("name", "kept"), [("a/b", "a_b"), ("..", "predictions"), (" x ", "x"), ("é 2", "é 2")])
def test_names_are_fit_for_folders(name, kept):
    assert run_job.plain_name(name) == kept


def test_a_monai_file_is_taken_for_one(settings, tmp_path):
    path = tmp_path / "mean_dice_raw.csv"
    path.write_text("filename,lung,mean\nc1.nii.gz,0.5,0.5\nc2.nii.gz,0.7,0.7\n")
    folder, results = run_job.import_upload(Choices(upload=(str(path),), name="theirs"), settings, "a" * 32)
    assert folder.key == "mine/theirs"
    assert results.table["dice"].tolist() == [0.5, 0.7]
    assert results.runs[0].checkpoint == "theirs"
