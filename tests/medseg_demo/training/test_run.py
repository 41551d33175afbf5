import csv
import itertools
import json
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from medseg_demo.errors import TestSetError, TrainingError
from medseg_demo.models.checkpoint import load_folder
from medseg_demo.reading import read_image
from medseg_demo.reading.labels import read_label_map
from medseg_demo.segmenting.pipeline import segment
from medseg_demo.segmenting.windows import Compute
from medseg_demo.settings import Settings
from medseg_demo.test_sets.test_set import data_hash, read_test_set
from medseg_demo.training import loop, records, run, saving, train
from medseg_demo.training.config import read_config

SETTINGS = Settings(device="cpu", precision="float32")
FILES = {"README.md", "appearance.json", "config.json", "log.csv", "medseg.json", "model.safetensors", "training.yaml"}


def _falling():
    """Stands for a mean Dice that is best in the first epoch."""
    values = itertools.count(1)
    return lambda scores: 1 / next(values)


def log_of(folder) -> list[dict[str, str]]:
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_training_leaves_a_checkpoint_that_has_learned(discs, write_yaml, tmp_path):
    output = train(discs, write_yaml(epochs=6), tmp_path / "out" / "discs-unet", settings=SETTINGS)
    assert {path.name for path in output.iterdir()} == FILES
    checkpoint = load_folder(output)
    card = checkpoint.card
    assert (card.class_names, card.task, card.in_channels, card.input_size) == (("disc",), "discs", 1, (64, 64))
    assert card.training["data_hash"] == data_hash(read_test_set(discs))
    assert (card.training["train_cases"], card.training["val_cases"], card.training["seed"]) == (8, 2, 0)
    assert card.training["parameters"] == checkpoint.parameters
    log = log_of(output)
    assert [row["epoch"] for row in log] == list("123456")
    assert list(log[0])[:5] == ["epoch", "loss", "learning_rate", "val_dice", "minutes"], "version 0.1's, first"
    assert list(log[0])[5:] == ["dice_disc", "precision_disc", "recall_disc", "iou_disc"]
    assert [row["dice_disc"] for row in log] == [row["val_dice"] for row in log], "of one class"
    best = max(log, key=lambda row: float(row["val_dice"]))
    assert float(best["val_dice"]) > 0.6
    assert card.training["best_epoch"] == int(best["epoch"])
    assert card.scores["val"]["dice_mean"] == pytest.approx(float(best["val_dice"]), abs=1e-4)
    assert card.scores["val"]["n"] == sum(group["n"] for group in card.scores["val"]["by_half"].values()) == 2
    assert (card.training["epochs_run"], "stopped" in card.training) == (6, False)
    assert card.training["peak_memory_mb"] > 100
    text = (output / "README.md").read_text()
    assert f"| {best['epoch']} | {float(best['loss']):.4f} | {float(best['val_dice']):.4f} |" in text
    assert read_config(output / "training.yaml") == read_config(write_yaml(epochs=6))


def test_a_training_without_progress_ends_and_its_card_says_when_and_why(discs, write_yaml, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(loop, "mean_dice", _falling())
        output = train(discs, write_yaml(epochs=8, patience=2), tmp_path / "out", settings=SETTINGS)
    assert [row["epoch"] for row in log_of(output)] == list("123")
    training = load_folder(output).card.training
    assert (training["epochs"], training["epochs_run"], training["best_epoch"]) == (8, 3, 1)
    assert training["stopped"] == "2 validations without a better mean Dice"
    assert "ended after epoch 3: 2 validations without a better" in (output / "README.md").read_text()
    whole = train(discs, write_yaml(epochs=8), tmp_path / "whole", settings=SETTINGS)
    rates = [[row["learning_rate"] for row in log_of(folder)][:3] for folder in (output, whole)]
    assert rates[0] == rates[1], "the schedule stays that of all epochs"


MISSING = {"tensorboard", "tensorboardX"}


def test_a_logger_that_is_not_installed_is_told_before_anything_runs(discs, write_yaml, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "read_test_set", lambda *_, **__: pytest.fail("the test set was read"))
    find = records.importlib.util.find_spec
    monkeypatch.setattr(records.importlib.util, "find_spec", lambda name: None if name in MISSING else find(name))
    with pytest.raises(TrainingError, match="pip install tensorboard"):
        train(discs, write_yaml(logger="tensorboard"), tmp_path / "out", settings=SETTINGS)
    assert not (tmp_path / "out").exists()


def test_weights_of_classes_come_from_the_training_labels_and_stand_in_the_card(discs, write_yaml, tmp_path):
    config = write_yaml(epochs=1, warmup_epochs=0, loss={"class_weights": "auto"})
    weights = load_folder(train(discs, config, tmp_path / "out", settings=SETTINGS)).card.training["class_weights"]
    assert list(weights) == ["background", "disc"]
    assert weights["disc"] > 2 * weights["background"], "most of an image is background"


def test_same_seed_gives_the_same_weights_and_another_does_not(discs, write_yaml, tmp_path):
    outputs = [
        train(discs, write_yaml(epochs=1, warmup_epochs=0, seed=seed), tmp_path / name / "x", settings=SETTINGS)
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    ]
    first, same, other = (load_folder(output).network.state_dict() for output in outputs)
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_several_classes(discs, write_yaml, tmp_path):
    (discs / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "disc": 1, "ring": 2}}))
    for path in (discs / "masks").iterdir():
        _half_a_disc_is_a_ring(path)
    output = train(discs, write_yaml(epochs=1, warmup_epochs=0), tmp_path / "out", settings=SETTINGS)
    card = load_folder(output).card
    assert (card.class_names, card.threshold, card.output_channels) == (("disc", "ring"), None, 3)


def _half_a_disc_is_a_ring(path) -> None:
    import numpy as np
    from PIL import Image

    mask = (np.array(Image.open(path)) > 0).astype(np.uint8)
    mask[:, 32:] *= 2
    Image.fromarray(mask).save(path)


@pytest.mark.parametrize("inside", ["", "deeper/still"])
def test_an_output_that_is_a_file_is_told_before_the_cases_are_loaded(discs, write_yaml, tmp_path, monkeypatch, inside):
    monkeypatch.setattr(run, "load_cases", lambda *_, **__: pytest.fail("the cases were loaded"))
    (tmp_path / "out").write_text("mine")
    output = tmp_path / "out" / inside
    with pytest.raises(TrainingError, match=rf"^{output.name} cannot be written \(.+\)\. .* choose another output"):
        train(discs, write_yaml(), output, settings=SETTINGS)
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("method", ["exists", "mkdir"])
def test_an_output_that_may_not_be_reached_or_made_is_told(discs, write_yaml, tmp_path, monkeypatch, method):
    original = getattr(Path, method)

    def refuse(path, *arguments, **options):
        if path.is_relative_to(tmp_path / "out"):
            raise PermissionError(13, "Permission denied")
        return original(path, *arguments, **options)

    monkeypatch.setattr(Path, method, refuse)
    with pytest.raises(TrainingError, match=r"^out cannot be written \(Permission denied\)"):
        train(discs, write_yaml(), tmp_path / "out", settings=SETTINGS)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (SafetensorError("Error while serializing: I/O error: No space left"), "Error while serializing"),
    ],
)
def test_a_disk_that_fills_up_is_told(discs, write_yaml, tmp_path, monkeypatch, error, reason):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(saving, "save_checkpoint", fail)
    with pytest.raises(TrainingError, match=rf"^out cannot be written \({reason}"):
        train(discs, write_yaml(epochs=1, warmup_epochs=0), tmp_path / "out", settings=SETTINGS)


@pytest.mark.parametrize(
    ("device", "accelerator", "devices"),
    [("cuda:1", "cuda", [1]), ("cuda:0", "cuda", [0]), ("cuda", "cuda", 1), ("cpu", "cpu", 1), ("cpu:0", "cpu", 1)],
)
def test_the_chosen_device_trains(write_yaml, monkeypatch, device, accelerator, devices):
    given = {}
    monkeypatch.setattr(run, "Trainer", lambda **options: given.update(options))
    run.make_trainer(read_config(write_yaml()), Compute(torch.device(device), torch.float32), [])
    assert (given["accelerator"], given["devices"]) == (accelerator, devices)


def test_missing_split_is_named(discs, write_yaml, tmp_path):
    with pytest.raises(TestSetError, match="no case in split 'holdout'; its splits are train, val"):
        train(discs, write_yaml(val_split="holdout"), tmp_path / "out", settings=SETTINGS)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"network": {"encoder_name": "tu-test_resnet", "decoder_channels": [8]}}, "network cannot be built .*depth"),
        ({"network": {"encoder_name": "tu-test_vit", "encoder_depth": 3}}, "network cannot be built"),
        ({"normalisation": {"mean": [0.4, 0.5, 0.6]}}, "normalisation.mean has 3 values for 1 channel"),
        ({"pretrained": "nothing-of-this-name"}, "pretrained: Checkpoint 'nothing-of-this-name' does not exist"),
        ({"pretrained": "nothing.pth"}, r"the file nothing\.pth, which does not exist"),
    ],
)
def test_what_cannot_be_built_is_told_before_a_case_is_read(discs, write_yaml, tmp_path, monkeypatch, changes, said):
    monkeypatch.setattr(run, "load_cases", lambda *_, **__: pytest.fail("the cases were loaded"))
    with pytest.raises(TrainingError, match=said):
        train(discs, write_yaml(**changes), tmp_path / "out", settings=SETTINGS)
    assert not (tmp_path / "out").exists()


def test_without_the_packages_it_says_what_to_install(discs, write_yaml, tmp_path, monkeypatch):
    import medseg_demo.training as training

    monkeypatch.setattr(training.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TrainingError, match=r"lightning and monai, .* pip install -r requirements-train\.txt"):
        train(discs, write_yaml(), tmp_path / "out", settings=SETTINGS)


def test_a_3d_network_learns_and_is_saved_as_any_other(balls, write_volume_yaml, tmp_path):
    config = write_volume_yaml(epochs=6, crops_per_image=2, learning_rate=0.05, augmentation={"affine": 0.0})
    output = train(balls, config, tmp_path / "balls-unet", settings=SETTINGS)
    assert {path.name for path in output.iterdir()} == FILES
    checkpoint = load_folder(output)
    card = checkpoint.card
    assert (card.class_names, card.input_size, card.spacing_mm) == (("lower", "upper"), (16, 16, 16), (1.0, 1.0, 1.0))
    assert card.largest_mm == (16.0, 14.0, 12.0)
    assert card.scores["val"]["dice_mean"] > 0.7
    assert card.scores["val"]["by_class"].keys() == {"lower", "upper"}
    assert "MonaiUNet, " in (output / "README.md").read_text()
    # Volumes that are stored another way round are segmented as well: both ways are in the validation.
    for name in ("b6", "b7"):
        result = segment(read_image(balls / "images" / f"{name}.nii.gz"), checkpoint, settings=SETTINGS)
        reference = read_label_map(balls / "masks" / f"{name}.nii.gz").labels
        assert result.label_map.labels.shape == reference.shape
        assert (result.label_map.labels == reference).mean() > 0.95


def test_images_are_no_data_for_a_3d_network(discs, write_volume_yaml, tmp_path):
    with pytest.raises(TestSetError, match="Case 'd0': image is no volume"):
        train(discs, write_volume_yaml(), tmp_path / "out", settings=SETTINGS)


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        ({"disc": 1, "ignore": 2}, r"voxels that nobody annotated \(label 2\)"),
        ({"all": [1, 2], "disc": 1}, "regions that overlap"),
    ],
)
def test_labels_that_a_network_would_learn_wrongly_are_refused(discs, write_yaml, tmp_path, labels, what):
    (discs / "dataset.json").write_text(json.dumps({"labels": labels}))
    with pytest.raises(TestSetError, match=what):
        train(discs, write_yaml(), tmp_path / "out", settings=SETTINGS)
