"""``/evaluate`` as a plain function."""

import zipfile
from pathlib import Path

import pytest

from evaluation.ui.api import evaluate_test_set
from medseg_demo.errors import MedsegError


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))


def test_a_test_set_by_name_gives_rows_and_a_csv(engine):
    document, csv = evaluate_test_set(engine, "small", test_set="squares", workers=0)
    assert [row["case_id"] for row in document["rows"]] == [f"case_{number:02}" for number in range(4)]
    assert len(Path(csv).read_text().splitlines()) == 5
    assert [path.name for path in Path(csv).parent.iterdir()] == ["scores.csv"]
    assert document["failures"] == []


def test_a_test_set_in_a_zip(engine, settings, tmp_path):
    archive, folder = tmp_path / "set.zip", settings.test_sets_dir / "squares"
    with zipfile.ZipFile(archive, "w") as file:
        for path in folder.rglob("*.png"):
            file.write(path, Path("squares") / path.relative_to(folder))
    document, _ = evaluate_test_set(engine, ["small"], file=str(archive), workers=0)
    assert len(document["rows"]) == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"test_set": "none"}, "Choose one of: squares"),
        ({"test_set": "../sets/squares"}, "no test set"),
        ({}, "either the name of a test set or a zip"),
        ({"test_set": "squares", "split": "odd"}, "no split"),
    ],
)
def test_what_cannot_be_evaluated_is_explained(engine, options, words):
    with pytest.raises(MedsegError, match=words):
        evaluate_test_set(engine, ["small"], **options)


@pytest.mark.parametrize(
    ("names", "words"),
    [([], "at least one"), (None, "at least one"), ([1], "list of names"), (5, "are 5. Give a list of names"),
     (["none"], "does not exist"), ([""], "No checkpoint was chosen")],
)  # fmt: skip
def test_what_names_no_checkpoints_is_refused(engine, names, words):
    with pytest.raises(MedsegError, match=words):
        evaluate_test_set(engine, names, test_set="squares")
