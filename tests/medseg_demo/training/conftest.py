"""A data set of bright discs that a small network learns within seconds, and the configuration for it."""

import csv
from collections.abc import Callable
from pathlib import Path

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


@pytest.fixture
def discs(tmp_path: Path) -> Path:
    """Eight images for training and two for validation, as a test-set folder."""
    folder = tmp_path / "discs"
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
            {"case_id": f"d{number}", "split": "train" if number < 8 else "val", "half": "left" if x < 32 else "right"}
        )
    with (folder / "cases.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    (folder / "dataset.json").write_text('{"name": "discs", "labels": {"background": 0, "disc": 1}}')
    return folder


@pytest.fixture
def write_yaml(tmp_path: Path) -> Callable[..., Path]:
    """Write the quick configuration, with changes, and give its path."""

    def write(**changes: object) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump({**QUICK, **changes}))
        return path

    return write
