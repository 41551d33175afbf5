"""Scores that nnU-Net and MONAI wrote."""

import json
import math

import pytest

from evaluation.errors import DamagedResultsError, UnknownLayoutError
from evaluation.results.imports import import_results
from evaluation.results.table import write_results
from medseg_demo.errors import OptionError
from medseg_demo.test_sets.labels import Labels


def counts(tp, fp, fn, tn, **more):
    return {"TP": tp, "FP": fp, "FN": fn, "TN": tn, "n_pred": tp + fp, "n_ref": tp + fn, **more}


NNUNET_2 = {
    "foreground_mean": {"Dice": 0.8},
    "mean": {"1": {"Dice": 0.8}},
    "metric_per_case": [
        {
            "metrics": {"1": counts(8, 2, 2, 88, Dice=0.8, IoU=8 / 12), "(1, 2)": counts(0, 0, 0, 100, Dice=math.nan)},
            "prediction_file": "/somewhere/fold_0/validation/liver_017.nii.gz",
            "reference_file": "/somewhere/gt/liver_017.nii.gz",
        },
        {
            "metrics": {"1": counts(0, 5, 0, 95, Dice=0.0), "(1, 2)": counts(0, 0, 4, 96, Dice=0.0)},
            "prediction_file": "C:\\somewhere\\liver_018.nii.gz",
            "reference_file": "C:\\somewhere\\gt\\liver_018.nii.gz",
        },
    ],
}


NNUNET_1 = {
    "author": "Fabian",
    "name": "Task",
    "results": {
        "all": [
            {
                "0": {"Dice": 0.99},
                "1": {
                    "Dice": 0.8,
                    "Jaccard": 0.6667,
                    "Hausdorff Distance 95": 3.0,
                    "Total Positives Reference": 10.0,
                    "Total Positives Test": 12.0,
                },
                "reference": "/somewhere/labelsTr/hepatic_1.nii.gz",
                "test": "/somewhere/hepatic_1.nii.gz",
            }
        ],
        "mean": {"1": {"Dice": 0.8}},
    },
}


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_nnunet_2_counts_give_our_metrics(tmp_path):
    path = write_json(tmp_path / "fold_0" / "summary.json", NNUNET_2)
    table = import_results(path, "nnunet", class_names={"1": "liver"}).table
    assert table[["checkpoint", "case_id", "class_name"]].to_numpy().tolist() == [
        ["fold_0", "liver_017", "liver"],
        ["fold_0", "liver_017", "class_(1, 2)"],
        ["fold_0", "liver_018", "liver"],
        ["fold_0", "liver_018", "class_(1, 2)"],
    ]
    plain, both_empty, extra, missed = (table.iloc[row] for row in range(4))
    assert (plain.dice, plain.iou, plain.precision, plain.recall) == pytest.approx((0.8, 8 / 12, 0.8, 0.8))
    assert (plain.specificity, plain.accuracy) == pytest.approx((88 / 90, 0.96))
    assert (plain.reference_volume, plain.predicted_volume, plain.volume_error, plain.size_unit) == (
        10,
        10,
        0,
        "voxels",
    )
    assert all(math.isnan(both_empty[name]) for name in ("dice", "iou", "precision", "recall", "volume_error"))
    assert (extra.dice, extra.precision, extra.volume_error) == (0, 0, math.inf)
    assert math.isnan(extra.recall)
    assert (missed.dice, missed.recall, missed.volume_error) == (0, 0, -1)
    assert math.isnan(missed.precision)


def test_nnunet_1_keeps_other_conventions_apart(tmp_path):
    path = write_json(tmp_path / "summary.json", NNUNET_1)
    (row,) = import_results(path, "nnunet", name="old").table.itertuples()
    assert (row.checkpoint, row.case_id, row.class_name, row.dice, row.iou) == (
        "old",
        "hepatic_1",
        "class_1",
        0.8,
        0.6667,
    )
    assert (row.hd95_pooled, row.reference_volume, row.volume_error) == (3.0, 10.0, 0.2)
    assert not hasattr(row, "hd95")


@pytest.mark.parametrize("content", [{"version": 3, "cases": []}, {"results": {"some": 1}}, [1, 2], {}])
def test_an_unknown_summary_says_what_is_known(tmp_path, content):
    path = write_json(tmp_path / "summary.json", content)
    with pytest.raises(UnknownLayoutError, match=r"nnU-Net 1.*nnU-Net 2"):
        import_results(path, "nnunet")


def test_a_case_without_metrics_is_not_passed_over(tmp_path):
    content = {"metric_per_case": [*NNUNET_2["metric_per_case"], {"prediction_file": "liver_019.nii.gz"}]}
    with pytest.raises(DamagedResultsError, match="metrics"):
        import_results(write_json(tmp_path / "summary.json", content), "nnunet")


def test_a_truncated_summary_is_named(tmp_path):
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(NNUNET_2)[:200])
    with pytest.raises(DamagedResultsError, match=r"summary\.json"):
        import_results(path, "nnunet")


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_monai_reports(tmp_path, delimiter):
    lines = ["filename,liver,tumour,mean", "/data/a.nii.gz,0.9000,nan,0.9", "/data/b.nii.gz,0.8000,0.5000,0.65"]
    (tmp_path / "val_mean_dice_raw.csv").write_text("\n".join(lines).replace(",", delimiter))
    lines = ["filename,liver,tumour,mean", "/data/a.nii.gz,3.0,nan,3.0", "/data/b.nii.gz,4.0,inf,inf"]
    (tmp_path / "hausdorff_raw.csv").write_text("\n".join(lines).replace(",", delimiter))
    results = import_results(tmp_path, "monai", name="unet")
    assert set(results.metrics) == {"dice", "hausdorff"}
    assert results.table["case_id"].tolist() == ["a", "a", "b", "b"]
    assert results.table["class_name"].tolist() == ["liver", "tumour"] * 2
    assert results.table["dice"].tolist() == pytest.approx([0.9, math.nan, 0.8, 0.5], nan_ok=True)
    assert results.table["hausdorff"].tolist() == pytest.approx([3, math.nan, 4, math.inf], nan_ok=True)


@pytest.mark.slow
def test_monai_reports_as_monai_writes_them(tmp_path):
    handlers = pytest.importorskip("monai.handlers.utils")
    import numpy as np

    details = {"mean_dice": np.array([[0.25, 0.5], [0.75, np.nan]], dtype=np.float32)}
    files = ["/data/case_1/image.nii.gz", "/data/case_2/image.nii.gz"]
    handlers.write_metrics_reports(tmp_path, files, {"mean_dice": 0.5}, details, None, deli="\t")
    table = import_results(tmp_path, "monai").table
    assert table["case_id"].tolist() == ["case_1_image"] * 2 + ["case_2_image"] * 2
    assert table["class_name"].tolist() == ["class0", "class1"] * 2
    assert table["dice"].tolist() == pytest.approx([0.25, 0.5, 0.75, math.nan], nan_ok=True)


def test_a_monai_folder_without_reports_is_named(tmp_path):
    (tmp_path / "metrics.csv").write_text("mean_dice\t0.5\n")
    with pytest.raises(UnknownLayoutError, match=r"_raw\.csv"):
        import_results(tmp_path, "monai")
    with pytest.raises(UnknownLayoutError, match="filename"):
        import_results(tmp_path / "metrics.csv", "monai")


def test_monai_1_5_repeats_the_mean_in_the_heading(tmp_path):
    (tmp_path / "hausdorff_raw.csv").write_text("filename\tliver\tmean\n/data/a.nii.gz\t3\t3\n")
    (tmp_path / "mean_dice_raw.csv").write_text("filename\tliver\tmean\tmean\n/data/a.nii.gz\t0.9\t0.9\n")
    table = import_results(tmp_path, "monai").table
    assert table[["class_name", "hausdorff", "dice"]].to_numpy().tolist() == [["liver", 3.0, 0.9]]


def summary_of(path, *cases):
    per_case = [
        {"metrics": {"1": counts(8, 2, 2, 88), "(1, 2)": counts(1, 0, 0, 9)}, "prediction_file": f"/x/{case}.nii.gz"}
        for case in cases
    ]
    return write_json(path, {"metric_per_case": per_case})


def test_the_folds_of_a_trainer_are_one_checkpoint(tmp_path):
    trainer = tmp_path / "nnUNetTrainer__nnUNetPlans__2d"
    for fold in range(2):
        summary_of(trainer / f"fold_{fold}" / "validation" / "summary.json", f"c{fold}")
    results = import_results(trainer, "nnunet")
    assert results.table[["checkpoint", "case_id", "fold"]].drop_duplicates().to_numpy().tolist() == [
        ["nnUNetTrainer__nnUNetPlans__2d", "c0", "fold_0"],
        ["nnUNetTrainer__nnUNetPlans__2d", "c1", "fold_1"],
    ]
    assert {run.checkpoint for run in import_results(tmp_path, "nnunet").runs} == {trainer.name}
    one = import_results(trainer / "fold_1" / "validation" / "summary.json", "nnunet")
    assert one.runs[0].checkpoint == "nnUNetTrainer__nnUNetPlans__2d fold_1"
    summary_of(trainer / "fold_1" / "validation" / "summary.json", "c0", "c1")
    with pytest.raises(DamagedResultsError, match=r"fold_0 and fold_1 .* share 1 case\(s\): c0"):
        import_results(trainer, "nnunet")


def test_regions_of_the_test_set_name_those_of_the_file(tmp_path):
    path = summary_of(tmp_path / "summary.json", "a")
    labels = Labels(("whole", "core"), ((1, 2), (1,)))
    table = import_results(path, "nnunet", classes=labels).table
    assert table["class_name"].tolist() == ["core", "whole"]


def test_a_model_of_all_folds_stands_beside_the_folds_and_background_is_no_class(tmp_path):
    trainer = tmp_path / "nnUNetTrainer__nnUNetPlans__2d"
    for fold, cases in (("fold_0", ["a"]), ("fold_1", ["b"]), ("fold_all", ["a", "b"])):
        summary_of(trainer / fold / "validation" / "summary.json", *cases)
    path = trainer / "crossval_results_folds_0_1" / "summary.json"
    write_json(path, {"metric_per_case": [{"metrics": {"0": counts(1, 2, 3, 4), "1": counts(1, 2, 3, 4)},
                                           "prediction_file": "a.nii.gz"}]})  # fmt: skip
    runs = import_results(trainer, "nnunet").runs
    assert [run.checkpoint for run in runs] == [trainer.name, f"{trainer.name} fold_all"]
    (row,) = import_results(path, "nnunet").table.itertuples()
    assert (row.checkpoint, row.class_name) == (trainer.name, "class_1")


def test_no_path_of_the_machine_is_kept(tmp_path):
    results = import_results(write_json(tmp_path / "fold_0" / "summary.json", NNUNET_2), "nnunet")
    write_results(results, tmp_path / "out")
    assert "somewhere" not in "".join(path.read_text() for path in (tmp_path / "out").iterdir())


def test_labels_and_names_are_called_as_the_test_set_has_them(tmp_path):
    path = write_json(tmp_path / "summary.json", NNUNET_2)
    results = import_results(path, "nnunet", test_set="livers", classes=("liver", "tumour"))
    assert list(dict.fromkeys(results.table["class_name"])) == ["liver", "class_(1, 2)"]
    assert results.runs[0].settings["file_classes"] == {"1": "liver", "(1, 2)": "class_(1, 2)"}
    (tmp_path / "mean_dice_raw.csv").write_text("filename,class0,mean\na.nii.gz,0.5,0.5\n")
    table = import_results(tmp_path / "mean_dice_raw.csv", "monai", classes=("liver",)).table
    assert table["class_name"].tolist() == ["liver"]


def test_a_chosen_name_goes_before_the_test_set_and_must_be_of_the_file(tmp_path):
    path = write_json(tmp_path / "summary.json", NNUNET_2)
    table = import_results(path, "nnunet", classes=("liver",), class_names={"(1, 2)": "whole"}).table
    assert list(dict.fromkeys(table["class_name"])) == ["liver", "whole"]
    with pytest.raises(OptionError, match=r"no class 3\. It has: 1, \(1, 2\)"):
        import_results(path, "nnunet", class_names={"3": "liver"})
