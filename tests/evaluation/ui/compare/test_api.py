"""``/compare`` as a plain function."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from evaluation.ui.compare.api import compare_on_file
from medseg_demo.errors import MedsegError


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    (tmp_path / "gradio").mkdir()


def test_files_and_figures(known_engine, picture, tmp_path):
    Image.fromarray(np.tile(np.uint8([1] * 32 + [0] * 32), (64, 1))).save(tmp_path / "reference.png")
    archive, document = compare_on_file(
        known_engine, str(picture()), ["half", "strict"], reference=str(tmp_path / "reference.png"), consensus="staple"
    )
    assert [one["name"] for one in document["members"]] == ["half", "strict", "reference", "STAPLE"]
    assert {"scan_half.png", "scan_strict.png", "scan_reference.png", "scan_STAPLE.png", "scan_pairs.csv"} <= set(
        zipfile.ZipFile(archive).namelist()
    )
    strict = next(row for row in document["sizes_and_scores"] if row["name"] == "strict")
    assert strict["dice"] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("checkpoints", "options", "words"),
    [
        (["half"], {}, "only one label map"),
        ("half", {}, "only one label map"),
        (["half", "../known/strict"], {}, "Choose one of"),
        (["half", 3], {}, "list of names"),
        ({"a": 1}, {}, "list of names"),
        (["half", "strict"], {"consensus": "mean"}, "Choose majority or staple"),
        (["half", "strict"], {"volume": 3}, "scan"),
        (["half", "strict"], {"volume": "3"}, "whole number"),
    ],
)
def test_what_cannot_be_compared_is_explained(known_engine, picture, checkpoints, options, words):
    with pytest.raises(MedsegError, match=words):
        compare_on_file(known_engine, str(picture()), checkpoints, **options)


@pytest.mark.parametrize("file", [None, "", ["a", "b"]])
def test_exactly_one_file(known_engine, file):
    with pytest.raises(MedsegError, match="exactly one file"):
        compare_on_file(known_engine, file, ["half", "strict"])
