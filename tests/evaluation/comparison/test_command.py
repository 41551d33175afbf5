"""``python -m evaluation compare``."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from evaluation.__main__ import main


@pytest.fixture
def files(tmp_path, checkpoints, monkeypatch):
    """An image, a reference and a checkpoint "small" in the settings' folder."""
    monkeypatch.setenv("MEDSEG_CHECKPOINTS_DIR", str(checkpoints))
    monkeypatch.setenv("MEDSEG_DEVICE", "cpu")
    labels = np.zeros((64, 64), np.uint8)
    labels[16:48, 16:48] = 1
    Image.fromarray(labels * 200 + 5).save(tmp_path / "scan.png")
    Image.fromarray(labels).save(tmp_path / "reference.png")
    Image.fromarray(np.roll(labels, 4, 0)).save(tmp_path / "moved.png")
    return tmp_path


def run(folder, *words):
    return main(["compare", str(folder / "scan.png"), *map(str, words), "--output", str(folder / "out")])


def test_every_file_is_written_and_the_figures_are_printed(files, capsys):
    code = run(
        files, "--checkpoint", "small", "--label-map", files / "moved.png", "--reference", files / "reference.png",
        "--consensus", "majority",
    )  # fmt: skip
    assert code == 0
    printed = capsys.readouterr().out
    assert "moved and reference, bright: Dice 0.875" in printed
    assert "moved against the reference, bright: Dice 0.875, HD95 4.000 px" in printed
    document = json.loads((files / "out" / "scan_comparison.json").read_text())
    assert [one["name"] for one in document["members"]] == ["small", "moved", "reference", "majority"]
    assert np.asarray(Image.open(files / "out" / "scan_moved.png")).sum() == 32 * 32


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--checkpoint", "small"], "only one label map"),
        (["--checkpoint", "small", "nothing"], "Choose one of: small"),
        (["--checkpoint", "small", "--reference", "gone.png"], "gone.png: the file cannot be opened"),
        (["--checkpoint", "small", "--label-map", "gone.png"], "gone.png"),
    ],
)
def test_what_cannot_be_compared_is_exit_code_2(files, capsys, words, told):
    assert run(files, *words) == 2
    assert told in capsys.readouterr().err


def test_an_output_that_is_a_file_is_refused(files, capsys):
    (files / "out").write_text("x")
    assert run(files, "--checkpoint", "small", "--reference", files / "reference.png") == 2
    assert "Choose a folder" in capsys.readouterr().err


def test_an_output_that_holds_an_input_is_refused(files, capsys):
    before = (files / "moved.png").read_bytes()
    words = ["--checkpoint", "small", "--label-map", str(files / "moved.png"), "--output", str(files)]
    assert main(["compare", str(files / "scan.png"), *words]) == 2
    assert "the input scan.png lies there" in capsys.readouterr().err
    assert (files / "moved.png").read_bytes() == before


def test_the_channel_files_of_a_case_are_one_image(files, capsys):
    paths = [files / f"case_{channel:04}.png" for channel in range(2)]
    for path in paths:
        shutil.copyfile(files / "scan.png", path)
    words = ["--label-map", files / "moved.png", "--reference", files / "reference.png", "--output", files / "out"]
    assert main(["compare", *map(str, [*paths, "--channels", *words])]) == 0
    assert "moved against the reference" in capsys.readouterr().out
    assert (files / "out" / "case_comparison.json").exists()
    assert main(["compare", *map(str, [*paths, *words])]) == 2
    assert "reference.png belongs to none of the images" in capsys.readouterr().err
    assert main(["compare", *map(str, [*paths, "--channels", "--checkpoint", "small", *words])]) == 2
    assert "has 2 channels (0000, 0001), and the checkpoint takes 1" in capsys.readouterr().err


def test_several_images_have_their_own_references_and_means(files, capsys):
    for number in range(2):
        shutil.copyfile(files / "scan.png", files / f"case_{number}.png")
        shutil.copyfile(files / ("moved.png" if number else "reference.png"), files / f"case_{number}_expert.png")
    shutil.copyfile(files / "reference.png", files / "case_0_rater.png")
    (files / "case_2.png").write_text("x")
    images = [files / f"case_{number}.png" for number in range(3)]
    words = [
        "--reference",
        *(files / f"case_{n}_expert.png" for n in range(2)),
        "--label-map",
        files / "case_0_rater.png",
    ]
    code = main(["compare", *map(str, [*images, "--checkpoint", "small", *words, "--output", files / "out"])])
    printed = capsys.readouterr()
    assert code == 1
    assert "case_2.png" in printed.err
    assert "rater, bright: Dice against the reference 1.000 (n = 1)" in printed.out.split("Means over 2 images")[1]
    document = json.loads((files / "out" / "all_comparisons.json").read_text())
    assert [one["image"] for one in document["images"]] == ["case_0", "case_1"]
    assert (files / "out" / "case_1_small.png").is_file()


def test_classes_are_said_to_be_the_same(files, capsys):
    other = np.asarray(Image.open(files / "reference.png")) * 3
    Image.fromarray(other).save(files / "three.png")
    words = ["--checkpoint", "small", "--label-map", files / "three.png"]
    assert run(files, *words) == 2
    assert "three: class_3 = bright" in capsys.readouterr().err
    assert run(files, *words, "--classes", "three: class_3 = bright") == 0
    assert "three, bright: 1024 px" in capsys.readouterr().out.replace("\u202f", "")
