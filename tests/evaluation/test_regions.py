"""A test set as BraTS lays it out, through the command line: the job of docs/evaluation.md in small."""

import csv

import nibabel as nib
import numpy as np
from brats_like import regions, write_brats_like

from evaluation.__main__ import main


def dice(reference, prediction):
    both = reference.sum() + prediction.sum()
    return 2 * (reference & prediction).sum() / both if both else np.nan


def test_regions_that_lie_in_each_other_are_scored_each_as_a_mask(tmp_path, capsys):
    write_brats_like(tmp_path, patients=6)
    for method, enhancing in (("A", 3), ("B", 4)):
        score = ["score", "--test-set", str(tmp_path / "cases"), "--predictions", str(tmp_path / method)]
        assert main([*score, "--metrics", "dice", "--workers", "0", "--output", str(tmp_path / f"out{method}")]) == 0
        with (tmp_path / f"out{method}" / "scores.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 6 * 3
        for row in rows:
            name, region = row["case_id"], row["class_name"]
            theirs, ours = (
                np.isin(nib.load(path).get_fdata(), regions(value)[region])
                for path, value in (
                    (tmp_path / "cases" / name / f"{name}-seg.nii.gz", 3),
                    (tmp_path / method / f"{name}.nii.gz", enhancing),
                )
            )
            np.testing.assert_allclose(float(row["dice"] or "nan"), dice(theirs, ours))
    assert "Predictions 'B': their labels are numbered otherwise than the classes" in capsys.readouterr().err
