"""Configurations of docs/training.md, each trained for two steps on what the tests make."""

import re
from pathlib import Path

import yaml

from medseg_demo.models.checkpoint import load_folder
from medseg_demo.training import train

ROOT = Path(__file__).resolve().parents[3]


def configuration(heading: str) -> dict[str, object]:
    text = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return yaml.safe_load(re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)[0])


# Fewer epochs, and batches of which there are two.
SHORT = {"epochs": 1, "warmup_epochs": 0.5, "batch_size": 3}


def test_the_recurrent_one(balls, write_yaml, tmp_path):
    given = configuration("Recurrent over slices")
    path = write_yaml(**{**given, **SHORT, "input_size": [8, 16, 16]})
    checkpoint = load_folder(train(balls, path, tmp_path / "made"))
    assert (checkpoint.card.is_3d, checkpoint.module.recurrence.forwards.hidden) == (True, 64)


def test_the_pruned_one(discs, write_yaml, tmp_path):
    given = configuration("Compression")
    original = ROOT / "checkpoints" / given["pretrained"]
    own = yaml.safe_load((original / "training.yaml").read_text(encoding="utf-8"))
    path = write_yaml(**{**own, **given, **SHORT, "pretrained": str(original), "input_size": [64, 64]})
    checkpoint = load_folder(train(discs, path, tmp_path / "made"))
    assert checkpoint.parameters < 0.6 * load_folder(original).parameters
