"""What clicks are worth: the figures of a card, and the command that puts them there."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.__main__ import main
from evaluation.runs.clicks import ObjectScores, figures
from medseg_demo.settings import ROOT

NAME = "any-clicks"


def scores(case: str, *dice: float, seen: bool | None = True, name: str = "one") -> ObjectScores:
    return ObjectScores("set", f"{case}/{name}", case, case, "net", seen, dice)


def test_cases_count_alike_and_an_object_that_never_gets_there_counts_as_ten():
    many = [scores("a", *[0.5] * 10, name=str(number)) for number in range(3)]
    one = scores("b", 0.7, 0.8, 0.95, *[0.97] * 7)
    said = figures([*many, one])
    assert (said["dice_1"], said["dice_3"], said["dice_10"]) == (0.6, 0.725, 0.735)
    assert said["clicks_to_90"] == round((10 * 3 + 3) / 4, 2)
    assert said["never_90"] == 0.75
    assert (said["objects"], said["n"]) == (4, 2)
    assert said["dice_3_low"] is None  # two groups say nothing of an interval


def test_the_interval_is_that_of_the_mean_over_groups():
    found = [scores(str(number), *[0.8 + number / 100] * 10) for number in range(12)]
    said = figures(found)
    assert said["dice_3_low"] < said["dice_3"] < said["dice_3_high"]
    assert said["dice_3_high"] - said["dice_3_low"] < 0.06


def test_an_automatic_one_has_one_figure():
    said = figures([scores("a", 0.8, seen=None), scores("b", 0.6, seen=None)])
    assert said == {"dice": 0.7, "objects": 2, "n": 2}


@pytest.fixture
def discs(tmp_path) -> Path:
    """Three images with two bright discs each, one of them of a crumb's size, which is left out."""
    folder = tmp_path / "discs"
    rows, columns = np.mgrid[:96, :96]
    for number in range(3):
        mask = (rows - 40) ** 2 + (columns - 36 - 8 * number) ** 2 < 20**2
        crumb = (rows - 85) ** 2 + (columns - 85) ** 2 < 4**2
        image = np.random.default_rng(number).normal(60, 6, mask.shape) + 120 * (mask | crumb)
        for name, pixels in (("images", image), ("masks", 255.0 * (mask | crumb))):
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name / f"d{number}.png")
    (folder / "dataset.json").write_text('{"name": "discs", "labels": {"background": 0, "nucleus": 1}}')
    return folder


@pytest.fixture
def checkpoints(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "checkpoints"
    for name in (NAME, "nuclei-unet-tiny"):
        shutil.copytree(ROOT / "checkpoints" / name, folder / name)
    monkeypatch.setenv("MEDSEG_CHECKPOINTS_DIR", str(folder))
    return folder


def test_the_command_clicks_and_writes_the_card(discs, checkpoints, tmp_path, capsys):
    arguments = ["clicks", "--checkpoint", NAME, "--test-set", str(discs), "--beside", "nuclei-unet-tiny", "--write"]
    assert main([*arguments, "--output", str(tmp_path / "clicks.csv")]) == 0

    with (tmp_path / "clicks.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["checkpoint"] for row in rows] == [NAME] * 3 + ["nuclei-unet-tiny"] * 3
    assert {row["learned_from"] for row in rows[:3]} == {"no"}
    clicked = [float(row["dice_3"]) for row in rows[:3]]
    assert min(clicked) > 0.8  # a bright disc is easy
    said = json.loads((checkpoints / NAME / "medseg.json").read_text())["scores"]
    assert said["discs: clicks, not learned from"]["objects"] == 3
    assert said["discs: clicks, not learned from"]["dice_3"] == pytest.approx(np.mean(clicked), abs=1e-4)
    assert said["discs: nuclei-unet-tiny"]["n"] == 3
    assert said["val"]["n"]
    assert "Dice after clicks 1: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["--checkpoint", "nuclei-unet-tiny"], "takes no clicks"),
        (["--checkpoint", "missing"], "does not exist"),
        (["--checkpoint", NAME, "--objects", "0"], "--objects is 0"),
    ],
)
def test_what_cannot_be_measured_is_said(changes, words, discs, checkpoints, capsys):
    assert main(["clicks", "--test-set", str(discs), *changes]) != 0
    assert words in capsys.readouterr().err
