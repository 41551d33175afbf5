"""A training of several processes: the curve of one with larger batches, and what is killed goes on."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from medseg_demo.errors import TrainingError
from medseg_demo.settings import ROOT, Settings
from medseg_demo.training import processes, train
from medseg_demo.training.config import read_config
from medseg_demo.training.data import EpochSampler

SETTINGS = Settings(device="cpu", precision="float32", threads=1)
# Instance normalisation and a Dice of each image: what each process has of a batch then decides nothing.
SEVERAL = {
    "architecture": "MonaiUNet",
    "network": {"spatial_dims": 2, "channels": [8, 16], "strides": [2], "norm": "INSTANCE"},
    "loss": {"whole_batch": False},
    "epochs": 3,
}
# The second process dies in the second epoch, as if its machine had; not when there is something to take up.
PROGRAM = """
import os, signal, sys
from medseg_demo.__main__ import main
from medseg_demo.training.loop import Keeper
from medseg_demo.training.processes import rank_and_size

keep, again = Keeper.on_train_epoch_end, "AGAIN" in os.environ
def dying(self, trainer, module):
    keep(self, trainer, module)
    if not again and rank_and_size() == (1, 2) and trainer.current_epoch == 1:
        os.kill(os.getpid(), signal.SIGKILL)
Keeper.on_train_epoch_end = dying
sys.exit(main(sys.argv[1:]))
"""


def curve(folder: Path) -> list[tuple[float, float]]:
    with (folder / "log.csv").open() as file:
        return [(float(row["loss"]), float(row["val_dice"])) for row in csv.DictReader(file)]


@pytest.mark.slow
def test_two_processes_learn_what_one_does_and_go_on_after_one_was_killed(kept_discs, write_quick, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one = write_quick(tmp_path / "one", **SEVERAL, batch_size=4)
    two = write_quick(tmp_path / "two", **SEVERAL, batch_size=2, devices=2)
    whole = train(kept_discs, one, tmp_path / "one" / "same", settings=SETTINGS)
    (tmp_path / "program.py").write_text(PROGRAM)
    output = tmp_path / "two" / "same"
    given = ["train", "--test-set", str(kept_discs), "--config", str(two), "--output", str(output)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MEDSEG_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
    ends = []
    for further in ({}, {"AGAIN": "1"}):
        command = [sys.executable, str(tmp_path / "program.py"), *given]
        ends.append(subprocess.run(command, env=environment | further, capture_output=True, text=True, timeout=280))
    assert [end.returncode == 0 for end in ends] == [False, True], ends[1].stderr
    assert len(curve(output)) == 3
    for ours, theirs in zip(curve(output), curve(whole), strict=True):
        assert ours == pytest.approx(theirs, abs=2e-4)
    assert not (output / "resume.ckpt").exists()


def test_each_process_takes_its_part_of_every_batch(monkeypatch):
    whole = list(EpochSampler(10, repeats=1, seed=3))
    parts = []
    for rank in range(2):
        monkeypatch.setattr("medseg_demo.training.data.rank_and_size", lambda rank=rank: (rank, 2))
        sampler = EpochSampler(10, repeats=1, seed=3, batch_size=2, processes=2)
        parts.append(list(sampler))
        assert len(sampler) == len(parts[-1]) == 4
    batches = [{*parts[0][at : at + 2], *parts[1][at : at + 2]} for at in (0, 2)]
    assert batches == [set(whole[:4]), set(whole[4:8])]


def test_each_process_validates_its_share_and_all_where_there_are_too_few(monkeypatch):
    monkeypatch.setattr(processes, "rank_and_size", lambda: (1, 3))
    assert list(processes.OwnShare(7)) == [1, 4]
    assert list(processes.OwnShare(2)) == [0, 1]


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "2", "LOCAL_RANK": "0"}, False),
        ({"SLURM_PROCID": "1"}, False),
        ({"NODE_RANK": "1", "LOCAL_RANK": "0"}, False),
        ({"LOCAL_RANK": "1"}, False),
    ],
)
def test_one_process_writes(environment, first, monkeypatch):
    for name in (*processes.RANKS, *processes.RANKS_WITHIN):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert processes.is_first(4) is first
    assert processes.is_first(1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"seeds": [1, 2]}, "train a network alone"),
        ({"kind": "generator"}, "train a network alone"),
        ({"devices": 0}, "devices"),
        ({"strategy": "fsdp"}, "strategy"),
    ],
)
def test_what_several_processes_cannot_is_refused(given, said, write_quick, tmp_path):
    with pytest.raises(TrainingError, match=said):
        read_config(write_quick(tmp_path, **{"devices": 2, **given}))


def test_more_processes_than_images_are_refused(kept_discs, write_quick, tmp_path):
    config = write_quick(tmp_path, **SEVERAL, batch_size=5, devices=2)
    with pytest.raises(TrainingError, match="take more than the 8 images"):
        train(kept_discs, config, tmp_path / "out", settings=SETTINGS)
