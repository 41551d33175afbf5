import csv
import json
import shutil
from pathlib import Path

import pytest

from medseg_demo.__main__ import main
from medseg_demo.errors import TrainingError
from medseg_demo.models.checkpoint import load_folder
from medseg_demo.settings import Settings
from medseg_demo.training import lengthen, loop, train

SETTINGS = Settings(device="cpu", precision="float32")


class KilledError(Exception):
    """What stands for a kill."""


@pytest.fixture
def finished(discs, write_yaml, tmp_path):
    """A checkpoint that was trained for an epoch, which is too few."""
    return train(discs, write_yaml(epochs=1, warmup_epochs=0), tmp_path / "out", settings=SETTINGS)


def log_of(folder) -> list[dict[str, str]]:
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_finished_training_goes_on(discs, finished):
    first, before = log_of(finished)[0], load_folder(finished).card.training
    lengthen(discs, str(finished), 5, settings=SETTINGS)
    log, card = log_of(finished), load_folder(finished).card
    assert [row["epoch"] for row in log] == list("123456")
    assert log[0]["val_dice"] == first["val_dice"]
    best = max(log, key=lambda row: float(row["val_dice"]))
    assert card.scores["val"]["dice_mean"] == pytest.approx(float(best["val_dice"]), abs=1e-4)
    assert (card.training["epochs"], card.training["best_epoch"]) == (6, int(best["epoch"]))
    assert [one["epochs"] for one in card.training["before"]] == [1]
    assert card.training["before"][0]["data_hash"] == before["data_hash"]
    assert not (finished / "resume.ckpt").exists()


def test_one_that_was_killed_goes_on_by_the_same_call(discs, finished, tmp_path, monkeypatch):
    whole = Path(shutil.copytree(finished, tmp_path / "whole" / "out"))
    lengthen(discs, str(whole), 2, settings=SETTINGS)
    keep = loop.Keeper.on_train_epoch_end

    def killed(self, trainer, module):
        keep(self, trainer, module)
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(loop.Keeper, "on_train_epoch_end", killed)
        with pytest.raises(KilledError):
            lengthen(discs, str(finished), 2, settings=SETTINGS)
    assert [row["epoch"] for row in log_of(finished)] == ["1", "2"]
    lengthen(discs, str(finished), 2, settings=SETTINGS)
    for ours, theirs in zip(log_of(finished), log_of(whole), strict=True):
        assert {**ours, "minutes": ""} == {**theirs, "minutes": ""}
    assert (finished / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    card = load_folder(finished).card
    assert (card.training["epochs"], len(card.training["before"])) == (3, 1)


def test_what_was_better_before_stays(discs, finished, monkeypatch):
    weights = (finished / "model.safetensors").read_bytes()
    monkeypatch.setattr(loop, "mean_dice", lambda scores: 0.0)
    lengthen(discs, str(finished), 1, settings=SETTINGS)
    assert (finished / "model.safetensors").read_bytes() == weights
    card = load_folder(finished).card
    assert (card.training["epochs"], card.training["best_epoch"]) == (2, 1)


def test_other_cases_are_refused(discs, finished):
    (discs / "masks" / "d0.png").write_bytes((discs / "masks" / "d1.png").read_bytes())
    with pytest.raises(TrainingError, match=r"out was trained on other cases or classes .*pretrained: out"):
        lengthen(discs, str(finished), 1, settings=SETTINGS)


@pytest.mark.parametrize(
    ("name", "said"), [("training.yaml", "it has no training.yaml"), ("log.csv", "no medseg.json, or no log.csv")]
)
def test_what_was_not_trained_here_is_refused(discs, finished, name, said):
    (finished / name).unlink()
    with pytest.raises(TrainingError, match=f"out cannot be continued: .*{said}"):
        lengthen(discs, str(finished), 1, settings=SETTINGS)


@pytest.mark.parametrize(
    "given",
    ["--continue x", "--continue x --epochs 1 --output y", "--config c.yaml", "--config c --output y --epochs 1"],
)
def test_arguments_that_do_not_go_together(discs, given, capsys):
    assert main(["train", "--test-set", str(discs), *given.split()]) == 2
    assert "--continue" in capsys.readouterr().err


def test_a_checkpoint_of_other_classes_is_a_start(discs, finished, write_yaml, tmp_path, capsys):
    (discs / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "disc": 1, "ring": 255}}))
    config = write_yaml(epochs=1, warmup_epochs=0, in_channels=3, pretrained=str(finished))
    output = train(discs, config, tmp_path / "other", settings=SETTINGS)
    said = capsys.readouterr().err
    assert "Exchanged for random ones, as their shapes differ: segmentation_head.0.weight" in said
    assert "Adapted to the number of channels: encoder.model.conv1.0.weight" in said
    facts = load_folder(output).card.training["pretrained"]
    assert facts["checkpoint"] == "out"
    assert facts["exchanged"] == ["segmentation_head.0.weight", "segmentation_head.0.bias"]
    assert [path.name for path in output.iterdir() if str(tmp_path).encode() in path.read_bytes()] == []


def test_seeds_give_a_folder_each_and_what_is_finished_stays(discs, write_yaml, tmp_path, capsys):
    config = write_yaml(epochs=1, warmup_epochs=0, fold="1/2")
    first = train(discs, config, tmp_path / "net", settings=SETTINGS, seeds=(1,))
    weights = (first / "model.safetensors").stat().st_mtime_ns
    train(discs, config, tmp_path / "net", settings=SETTINGS, seeds=(1, 2))
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("net")) == ["net-seed1", "net-seed2"]
    assert (first / "model.safetensors").stat().st_mtime_ns == weights
    assert "net-seed1 is finished" in capsys.readouterr().err
    cards = [load_folder(tmp_path / f"net-seed{seed}").card.training for seed in (1, 2)]
    assert [(card["seed"], card["fold"], card["train_cases"]) for card in cards] == [(1, "1/2", 5), (2, "1/2", 5)]
