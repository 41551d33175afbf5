import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from medseg_demo.__main__ import main
from medseg_demo.errors import TestSetError
from medseg_demo.models.checkpoint import load_folder
from medseg_demo.settings import Settings
from medseg_demo.training import train
from medseg_demo.training.config import TrainingConfig, read_config
from medseg_demo.training.plan import plan


def proposed(folder: Path) -> TrainingConfig:
    return TrainingConfig.model_validate(yaml.safe_load(plan(folder)))


def write_arrays(folder: Path, image: np.ndarray, mask: np.ndarray, *, cases: int = 3) -> Path:
    for name, values in (("images", image), ("masks", mask)):
        (folder / "train" / name).mkdir(parents=True)
        for number in range(cases):
            np.save(folder / "train" / name / f"c{number}.npy", values)
    return folder


def lines(side: int) -> np.ndarray:
    mask = np.zeros((side, side), np.uint8)
    mask[::40] = 1
    return mask


def test_wide_structures_in_small_images_are_seen_whole(discs):
    config = proposed(discs)
    assert (config.task, config.architecture, config.in_channels) == ("discs", "Unet", 1)
    assert (config.input_size, config.inference) == ((64, 64), "resize")
    assert config.normalisation.method == "window"
    assert 0.3 < config.normalisation.mean[0] < 0.6
    assert config.val_share is None


def test_every_value_has_its_reason(discs):
    text = plan(discs)
    keys = re.findall(r"^(\w+):", text, re.MULTILINE)
    assert len(keys) == len(re.findall(r"^# .+\n(?:# .+\n)*(\w+):", text, re.MULTILINE)) > 8
    assert re.search(r"pixels: disc \d+\.\d\d%", text.replace("\n# ", " "))


def test_volumes_of_even_voxels_are_learned_from_as_volumes(tmp_path, balls):
    assert proposed(balls).architecture == "Unet", "twelve slices are few"
    many = write_arrays(tmp_path / "brain", np.random.default_rng(0).normal(size=(40, 50, 60)), np.ones((40, 50, 60)))
    config = proposed(many)
    assert (config.architecture, config.input_size, config.inference) == ("MonaiUNet", (40, 48, 56), "tile")
    assert config.normalisation.method == "zscore"
    assert config.augmentation.preset == "mri"
    assert config.val_share == 0.2


def test_thin_and_rare_structures_are_learned_from_in_windows_around_them(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (640, 640, 3)).astype(np.uint8)
    config = proposed(write_arrays(tmp_path / "retina", image, lines(640)))
    assert (config.inference, config.input_size, config.crops_per_image) == ("tile", (256, 256), 6)
    assert config.oversample_foreground == 0.33
    assert (config.in_channels, config.augmentation.preset) == (3, "fundus")


def test_ct_gets_the_window_of_what_is_marked(tmp_path):
    image = np.full((64, 64), -1000.0)
    image[20:40, 20:40] = np.linspace(0, 100, 400).reshape(20, 20)
    config = proposed(write_arrays(tmp_path / "scans", image, (image >= 0).astype(np.uint8)))
    assert config.window == pytest.approx((0.5, 99.5), abs=0.2)
    assert config.augmentation.preset == "ct"


def test_classes_of_very_different_shares_are_weighed(tmp_path):
    mask = np.zeros((64, 64), np.uint8)
    mask[:30], mask[40, :3] = 1, 2
    folder = write_arrays(tmp_path / "two", np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8), mask)
    (folder / "dataset.json").write_text('{"labels": {"background": 0, "much": 1, "little": 2}}')
    assert proposed(folder).loss.class_weights == "auto"


def test_cases_that_cannot_be_learned_from_are_named(tmp_path):
    folder = write_arrays(tmp_path / "mixed", np.random.default_rng(0).integers(0, 255, (64, 64, 4)), lines(64))
    np.save(folder / "train/images/c1.npy", np.eye(64))
    np.save(folder / "train/images/c2.npy", np.full((64, 64), np.nan))
    with pytest.raises(TestSetError) as error:
        plan(folder)
    assert "Case 'c2'" in error.value.faults[0]
    assert error.value.faults[0].count("NaN") == 1


def test_the_command_writes_a_new_file_alone(discs, tmp_path, capsys):
    path = tmp_path / "plan.yaml"
    assert main(["plan", "--test-set", str(discs), "--output", str(path)]) == 0
    assert read_config(path).task == "discs"
    before = path.read_text()
    assert main(["plan", "--test-set", str(discs), "--output", str(path)]) == 2
    assert "plan.yaml is there already" in capsys.readouterr().err
    assert main(["plan", "--test-set", str(discs)]) == 0
    assert capsys.readouterr().out == before


@pytest.mark.slow
def test_the_proposal_trains_as_it_is(discs, tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(re.sub(r"epochs: \d+", "epochs: 2", plan(discs)))
    output = train(discs, path, tmp_path / "out", settings=Settings(device="cpu", precision="float32"))
    assert load_folder(output).card.scores["val"]["n"] == 2
