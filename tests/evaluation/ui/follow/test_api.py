"""``/follow`` as a plain function."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.ui.follow.api import follow_files
from medseg_demo.errors import OptionError


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))


@pytest.fixture
def visits(tmp_path) -> list[str]:
    """Two pictures of one name, in folders of their own, of a square that grows by half."""
    paths = []
    for number, height in enumerate((20, 30)):
        pixels = np.random.default_rng(number).integers(0, 20, (64, 64)).astype(np.uint8)
        pixels[10 : 10 + height, 20:40] += 200
        paths.append(tmp_path / str(number) / "secret.png")
        paths[-1].parent.mkdir()
        Image.fromarray(pixels).save(paths[-1])
    return [str(path) for path in paths]


def test_it_answers_with_the_files_and_the_figures(known_engine, visits):
    archive, found = follow_files(known_engine, visits, "half", dates=["2024-01-01", "2024-07-01"], repeats=1)
    size = [row for row in found["changes"] if row["measure"] == "size"]
    assert [(row["day"], row["value"]) for row in size] == [(0, 400), (182, 600)]
    assert size[1]["percent"] == pytest.approx(50)
    assert "secret" not in json.dumps(found)
    assert "2024-" not in json.dumps(found)
    with zipfile.ZipFile(archive) as file:
        assert json.loads(file.read("follow.json")) == json.loads(json.dumps(found))
    assert list(Path(archive).parent.iterdir()) == [Path(archive)]  # nothing else stays


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "No date is known"),
        ({"dates": ["0"]}, "1 dates were given for 2 studies"),
        ({"dates": [0, 0]}, "same date"),
        ({"dates": {"a": 1}}, "Give a list"),
        ({"repeats": 1.5}, "Give a whole number"),
        ({"deviation": "x"}, "Give a number of percent"),
        ({"register": "no"}, "true or false"),
    ],
)
def test_what_it_refuses(known_engine, visits, options, words):
    with pytest.raises(OptionError, match=words):
        follow_files(known_engine, visits, "half", **options)


def test_one_file_and_none(known_engine, visits):
    with pytest.raises(OptionError, match="1 study was given"):
        follow_files(known_engine, visits[:1], "half", dates=["0"])
    with pytest.raises(OptionError, match="at least two files"):
        follow_files(known_engine, [], "half")
