"""A data set of bright discs that a small network learns within seconds, and the configuration for it."""

import csv
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from PIL import Image

SIZE = 64
QUICK = {
    "task": "discs",
    "network": {"encoder_name": "tu-test_resnet", "encoder_depth": 3, "decoder_channels": [16, 8, 8]},
    "in_channels": 1,
    "input_size": [SIZE, SIZE],
    "epochs": 2,
    "warmup_epochs": 0.5,
    "batch_size": 4,
    "learning_rate": 0.01,
    "average": 0.5,
    "precision": "float32",
    "augmentation": {"rotate_degrees": 5.0, "blur": 0.0},
    "training_data": [{"name": "discs", "licence": "CC0", "credit": "made by the test"}],
    "card": {"title": "Discs", "group_by": ["half"]},
}


@pytest.fixture(scope="session")
def kept_discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images for training and two for validation, as a test-set folder that stays as it is."""
    folder = tmp_path_factory.mktemp("kept") / "discs"
    rng = np.random.default_rng(0)
    rows = []
    for number in range(10):
        y, x = rng.integers(20, SIZE - 20, 2)
        lines, columns = np.mgrid[:SIZE, :SIZE]
        mask = (lines - y) ** 2 + (columns - x) ** 2 <= rng.integers(8, 16) ** 2
        image = np.clip(80 + 90 * mask + rng.normal(0, 10, mask.shape), 0, 255).astype(np.uint8)
        for name, pixels in (("images", image), ("masks", mask.astype(np.uint8) * 255)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / name / f"d{number}.png")
        rows.append(
            {
                "case_id": f"d{number}",
                "split": "train" if number < 8 else "val",
                "half": "left" if x < 32 else "right",
                "finding": ("normal", "pneumonia")[number % 2],
            }
        )
    with (folder / "cases.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    (folder / "dataset.json").write_text('{"name": "discs", "labels": {"background": 0, "disc": 1}}')
    return folder


@pytest.fixture
def discs(kept_discs: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(kept_discs, tmp_path / "discs"))


VOLUMES = {
    "task": "balls",
    "architecture": "MonaiUNet",
    "network": {"channels": [4, 8], "strides": [2], "num_res_units": 1},
    "input_size": [16, 16, 16],
    "inference": "tile",
    "spacing_mm": [1.0, 1.0, 1.0],
    "batch_size": 2,
    "augmentation": {"rotate_degrees": 5.0, "flip_depth": 0.5, "blur": 0.5},
}


@pytest.fixture
def balls(tmp_path: Path) -> Path:
    """Six volumes of 12 × 14 × 16 mm for training and two for validation: an upper half ball in a lower one.

    Every other one is stored with its axes exchanged and two of them reversed.
    """
    folder = tmp_path / "balls"
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(8):
        z, y, x = np.indices((12, 14, 16))
        ball = (z - 6) ** 2 + (y - rng.integers(6, 9)) ** 2 + (x - rng.integers(6, 11)) ** 2 <= 20
        labels = ball * np.where(z >= 6, 2, 1)
        for name, pixels in (("images", 60.0 * labels + rng.normal(0, 5, ball.shape)), ("masks", labels)):
            _write_volume(folder / name / f"b{number}.nii.gz", pixels, turned=bool(number % 2))
    lines = [f"b{number},{'train' if number < 6 else 'val'}" for number in range(8)]
    (folder / "cases.csv").write_text("\n".join(["case_id,split", *lines]) + "\n")
    (folder / "dataset.json").write_text('{"name": "balls", "labels": {"background": 0, "lower": 1, "upper": 2}}')
    return folder


def _write_volume(path: Path, pixels: np.ndarray, *, turned: bool) -> None:
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    image = nib.Nifti1Image(np.ascontiguousarray(pixels.T).astype(np.float32), affine)
    if turned:
        image = image.as_reoriented(np.array([[2, -1], [0, 1], [1, -1]]))
    nib.save(image, path)


@pytest.fixture
def write_volume_yaml(write_yaml: Callable[..., Path]) -> Callable[..., Path]:
    """Write the quick configuration of a 3-D network, with changes, and give its path."""

    def write(**changes: object) -> Path:
        return write_yaml(**{**VOLUMES, **changes})

    return write


@pytest.fixture(scope="session")
def write_quick() -> Callable[..., Path]:
    """Write the quick configuration, with changes, into a folder and give its path."""

    def write(folder: Path, **changes: object) -> Path:
        path = folder / "config.yaml"
        path.write_text(yaml.safe_dump({**QUICK, **changes}))
        return path

    return write


@pytest.fixture
def write_yaml(write_quick: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """The same, into the folder of the test."""
    return partial(write_quick, tmp_path)
