"""Trainings that are interrupted or killed, and go on as if nothing had been."""

import csv
import itertools
import os
import pickle
import pickletools
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from filelock import FileLock

import medseg_demo
from medseg_demo.errors import TrainingError
from medseg_demo.models.checkpoint import load_folder
from medseg_demo.settings import Settings
from medseg_demo.training import loop, train

SETTINGS = Settings(device="cpu", precision="float32")
EPOCHS = 3


class CrashError(Exception):
    """What stands for a power failure."""


@contextmanager
def crash_after(epochs: int) -> Iterator[None]:
    """Let a training crash once an epoch has been kept, and expect it to."""
    keep = loop.Keeper.on_train_epoch_end

    def crashing(self, trainer, module):
        keep(self, trainer, module)
        if trainer.current_epoch + 1 == epochs:
            raise CrashError

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loop.Keeper, "on_train_epoch_end", crashing)
        with pytest.raises(CrashError):
            yield


def log_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def config(write_quick, tmp_path_factory) -> Path:
    return write_quick(tmp_path_factory.mktemp("config"), epochs=EPOCHS)


@pytest.fixture(scope="module")
def whole(kept_discs, config, tmp_path_factory) -> Path:
    """What a training leaves that nobody interrupted; not to be changed."""
    return train(kept_discs, config, tmp_path_factory.mktemp("whole") / "same", settings=SETTINGS)


@pytest.fixture(scope="module")
def crashed(kept_discs, config, tmp_path_factory) -> Path:
    """What the same one leaves that crashed after its first epoch; not to be changed."""
    folder = tmp_path_factory.mktemp("crashed") / "same"
    with crash_after(1):
        train(kept_discs, config, folder, settings=SETTINGS)
    return folder


@pytest.fixture
def broken(crashed, tmp_path) -> Path:
    """The same, to be gone on with."""
    return Path(shutil.copytree(crashed, tmp_path / "same"))


def test_resumed_training_equals_an_uninterrupted_one(kept_discs, config, whole, broken):
    assert [row["epoch"] for row in log_of(broken)] == ["1"]
    assert load_folder(broken).card.training["best_epoch"] == 1, "the best so far is usable at once"
    train(kept_discs, config, broken, settings=SETTINGS)
    assert (broken / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    for ours, theirs in zip(log_of(broken), log_of(whole), strict=True):
        assert {**ours, "minutes": ""} == {**theirs, "minutes": ""}
    assert not (broken / "resume.ckpt").exists()


def test_a_resumed_3d_training_equals_an_uninterrupted_one(balls, write_volume_yaml, tmp_path):
    config, broken = write_volume_yaml(epochs=2), tmp_path / "broken" / "same"
    whole = train(balls, config, tmp_path / "whole" / "same", settings=SETTINGS)
    with crash_after(1):
        train(balls, config, broken, settings=SETTINGS)
    train(balls, config, broken, settings=SETTINGS)
    first, second = (load_folder(output).network.state_dict() for output in (whole, broken))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_training_that_was_over_when_it_was_killed_learns_no_more(discs, write_yaml, tmp_path, monkeypatch):
    falling = itertools.count(1)
    monkeypatch.setattr(loop, "mean_dice", lambda scores: 1 / next(falling))  # best in the first epoch
    config, output = write_yaml(epochs=8, patience=1), tmp_path / "out"
    with crash_after(2):
        train(discs, config, output, settings=SETTINGS)
    train(discs, config, output, settings=SETTINGS)
    assert [row["epoch"] for row in log_of(output)] == list("12")
    assert load_folder(output).card.training["epochs_run"] == 2


def test_no_file_holds_a_path(whole, crashed):
    root = str(whole.parent.parent).encode()
    assert [path.name for folder in (whole, crashed) for path in folder.iterdir() if root in path.read_bytes()] == []


def test_resume_file_holds_tensors_and_plain_types_alone(crashed):
    path = crashed / "resume.ckpt"
    assert torch.load(path, weights_only=True)["epoch"] == 0
    with zipfile.ZipFile(path) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("data.pkl")]
        pickled = archive.read(name)
    modules = {argument.split(" ")[0] for op, argument, _ in pickletools.genops(pickled) if op.name == "GLOBAL"}
    assert modules <= {"torch", "torch._utils", "collections"}


@pytest.mark.parametrize("content", [b"", b"cut", pickle.dumps(print, protocol=2)])
def test_damaged_resume_file(kept_discs, config, broken, content):
    (broken / "resume.ckpt").write_bytes(content)
    with pytest.raises(TrainingError, match=r"resume\.ckpt in same is damaged .* Remove the folder"):
        train(kept_discs, config, broken, settings=SETTINGS)


def test_resume_with_another_configuration_is_refused(kept_discs, write_yaml, broken):
    with pytest.raises(TrainingError, match="another configuration"):
        train(kept_discs, write_yaml(epochs=EPOCHS, seed=1), broken, settings=SETTINGS)


def test_finished_checkpoint_is_not_overwritten(kept_discs, config, whole):
    weights = (whole / "model.safetensors").read_bytes()
    with pytest.raises(TrainingError, match="already holds a checkpoint"):
        train(kept_discs, config, whole, settings=SETTINGS)
    assert (whole / "model.safetensors").read_bytes() == weights


# Trains once for every moment named, each time in a fork that ends then: importing the packages takes longer than that.
ENDING = """
import os, signal, sys
from pathlib import Path
from medseg_demo.__main__ import main
from medseg_demo.training import loop, run

def end_at(moment):
    if moment == "ctrl-c":
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
        loop.Keeper.on_train_epoch_end = lambda *_: signal.raise_signal(signal.SIGINT)
        return
    name, number = moment.split("-")
    owner, method = {"save": (run, "save_best"), "rename": (Path, "replace")}[name]
    real, calls = getattr(owner, method), []
    def counted(*arguments, **named):
        calls.append(arguments)
        if len(calls) == int(number):
            os.kill(os.getpid(), signal.SIGKILL)  # so that nothing is cleaned up
        return real(*arguments, **named)
    setattr(owner, method, counted)

folder, test_set, config, *moments = sys.argv[1:]
for moment in moments:
    if os.fork():
        print(moment, os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
        continue
    said = os.open(f"{folder}/{moment}.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(said, 1), os.dup2(said, 2)
    end_at(moment)
    sys.exit(main(["train", "--test-set", test_set, "--config", config, "--output", f"{folder}/{moment}/same"]))
"""
KILLED = ("save-1", "rename-1", "rename-4", "rename-8")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.fixture(scope="module")
def ended(kept_discs, config, tmp_path_factory) -> tuple[Path, dict[str, int]]:
    """A folder for each moment at which a training ended, a text of what it said, and with which codes they did."""
    folder = tmp_path_factory.mktemp("ended")
    environment = {**os.environ, "MEDSEG_DEVICE": "cpu", "PYTHONPATH": str(Path(medseg_demo.__file__).parent.parent)}
    command = [sys.executable, "-c", ENDING, *map(str, (folder, kept_discs, config)), *KILLED, "ctrl-c"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return folder, {moment: int(code) for moment, code in map(str.split, done.stdout.splitlines())}


@forks
@pytest.mark.slow
@pytest.mark.parametrize("moment", KILLED)
def test_a_training_killed_at_its_first_checkpoint_goes_on(kept_discs, config, whole, ended, moment):
    folder, codes = ended
    assert codes[moment] == -signal.SIGKILL
    broken = train(kept_discs, config, folder / moment / "same", settings=SETTINGS)
    assert {path.name for path in broken.iterdir()} == {path.name for path in whole.iterdir()}
    assert (broken / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert load_folder(broken).card.training["best_epoch"] == load_folder(whole).card.training["best_epoch"]


@forks
@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(ended):
    folder, codes = ended
    said = (folder / "ctrl-c.txt").read_text()
    assert codes["ctrl-c"] == 2
    assert "was interrupted. Start it again with the same output same" in said
    assert "Traceback" not in said


def test_two_trainings_never_write_into_one_folder(config, kept_discs, tmp_path):
    with FileLock(tmp_path / ".out.training"), pytest.raises(TrainingError, match="Another training writes into out"):
        train(kept_discs, config, tmp_path / "out", settings=SETTINGS)
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_that_starts_from_another_owes_what_that_one_owes(
    whole, config, kept_discs, tmp_path, write_quick
):
    (tmp_path / "own").mkdir()
    source = [{"name": "mine", "licence": "CC BY-SA 4.0", "credit": "me"}]
    changed = write_quick(tmp_path / "own", epochs=1, warmup_epochs=0, pretrained=str(whole), training_data=source)
    folder = train(kept_discs, changed, tmp_path / "next", settings=SETTINGS)
    assert [source.name for source in load_folder(folder).card.training_data] == ["mine", "discs"]
    assert "**discs** (CC0): made by the test" in (folder / "README.md").read_text(encoding="utf-8")
