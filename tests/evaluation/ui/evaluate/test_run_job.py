"""Uploads, and what is checked before a run."""

import json
import zipfile

import pytest

from evaluation.results.table import Results, Run
from evaluation.runs.prediction_folder import label_maps_in
from evaluation.ui.evaluate import run_job
from evaluation.ui.evaluate.board import Choices
from medseg_demo.errors import OptionError


def test_results_and_label_maps_are_told_apart():
    assert run_job.is_results_file(Choices(upload=("a/summary.JSON",)))
    assert not run_job.is_results_file(Choices(upload=("a.png", "b.png")))
    with pytest.raises(OptionError, match="one results file"):
        run_job.is_results_file(Choices(upload=("a.csv", "b.png")))


@pytest.mark.parametrize(("name", "kept"), [("a/b", "a_b"), ("..", "predictions"), (" x ", "x"), ("é 2", "é 2")])
def test_names_are_fit_for_folders(name, kept):
    assert run_job.plain_name(name) == kept


@pytest.mark.parametrize("way", ["apart", "zip"])
def test_a_header_keeps_its_data_file(settings, tmp_path, way):
    members = {
        "a/case.mhd": b"ObjectType = Image\nNDims = 2\nDimSize = 2 2\nElementType = MET_UCHAR\n"
        b"ElementDataFile = d.raw\n",
        "b/d.raw": bytes(4),
    }
    if way == "zip":
        with zipfile.ZipFile(tmp_path / "maps.zip", "w") as archive:
            for name, content in members.items():
                archive.writestr(name.split("/")[1], content)
        uploads = [tmp_path / "maps.zip"]
    else:  # as the page uploads them
        uploads = [tmp_path / name for name in members]
        for path in uploads:
            path.parent.mkdir()
            path.write_bytes(members[f"{path.parent.name}/{path.name}"])
    with run_job._unpacked(Choices(upload=tuple(map(str, uploads))), tmp_path / "visitor", settings) as (given,):
        assert sorted(path.name for path in given.folder.iterdir()) == ["case.mhd", "d.raw"]
        assert list(label_maps_in(given.folder)) == ["case"]


def test_a_monai_file_is_taken_for_one(settings, tmp_path):
    path = tmp_path / "mean_dice_raw.csv"
    path.write_text("filename,lung,mean\nc1.nii.gz,0.5,0.5\nc2.nii.gz,0.7,0.7\n")
    folder, results, _ = run_job.import_upload(Choices(upload=(str(path),), name="theirs"), settings, "a" * 32)
    assert folder.key == "mine/theirs"
    assert results.table["dice"].tolist() == [0.5, 0.7]
    assert results.runs[0].checkpoint == "theirs"


@pytest.fixture
def summary(tmp_path):
    """What nnU-Net writes of two cases of one class: only a label value."""
    counts = {"TP": 8, "FP": 2, "FN": 2, "TN": 88, "n_pred": 10, "n_ref": 10}
    cases = [{"metrics": {"1": counts}, "prediction_file": f"case_{number:02}.png"} for number in range(2)]
    (tmp_path / "summary.json").write_text(json.dumps({"metric_per_case": cases}))
    return str(tmp_path / "summary.json")


def test_labels_of_an_upload_are_named_by_the_chosen_test_set(settings, summary):
    choices = Choices(test_sets=("squares",), upload=(summary,), name="nnU-Net")
    _, results, notes = run_job.import_upload(choices, settings, "a" * 32)
    assert set(results.table["class_name"]) == {"class_1"}  # it names none
    assert "case_02, case_03" in " ".join(notes)
    folder = settings.test_sets_dir / "squares"
    (folder / "dataset.json").write_text('{"labels": {"background": 0, "square": 1}}')
    _, results, notes = run_job.import_upload(choices, settings, "a" * 32)
    assert set(results.table["class_name"]) == {"square"}
    assert "Class '1' of the file was taken for 'square'." in notes


def test_where_a_test_set_names_no_class_the_scores_beside_do(settings, summary, table_of):
    table = table_of({"net": [0.5, 0.6]}, test_set="squares").assign(class_name="bright")
    beside = Results(table, (Run("net", "squares", settings={"classes": ["bright"]}),), (), ("dice",))
    choices = Choices(test_sets=("squares",), upload=(summary,))
    _, results, _ = run_job.import_upload(choices, settings, "a" * 32, beside=beside)
    assert set(results.table["class_name"]) == {"bright"}


def test_what_is_said_of_classes_is_for_the_label_maps_or_for_the_checkpoints():
    both = Choices(checkpoints=("net",), name="human", classes="class_1 = lung; human: 2 = heart")
    assert [one.own for one in run_job._stated(both, of_predictions=True)] == ["2"]
    assert [one.own for one in run_job._stated(both, of_predictions=False)] == ["class_1"]
    alone = Choices(name="human", classes="class_1 = lung")
    assert [one.own for one in run_job._stated(alone, of_predictions=True)] == ["class_1"]
