"""Every configuration that docs/training.md shows trains for two steps, in the size of the tests' own images."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from medseg_demo.models.architectures import spatial_dims
from medseg_demo.models.checkpoint import load_folder
from medseg_demo.settings import ROOT, Settings
from medseg_demo.training import train
from medseg_demo.training.config import read_config

OWN = ("kind:", "synthetic:", "channels:")  # need other images or a generator: tests in test_synthetic.py
SHORT = {"epochs": 1, "validate_every": 1, "warmup_epochs": 0, "crops_per_image": 1, "batch_size": 4, "patience": None}
SMALL = {"encoder_name": "tu-test_resnet", "encoder_depth": 3, "decoder_channels": [16, 8, 8]}  # where none is shown
SIZES = {2: [64, 64], 3: [16, 16, 16]}


def _documented() -> list:
    text = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    sections = re.split(r"^#+ ", text, flags=re.MULTILINE)[1:]
    return [
        pytest.param(block, id=section.partition("\n")[0])
        for section in sections
        for block in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
        if not any(line.startswith(OWN) for line in block.splitlines())
    ]


@pytest.mark.parametrize("block", _documented())
def test_a_documented_configuration_trains(block: str, discs: Path, balls: Path, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(block, encoding="utf-8")
    config = read_config(path)  # as it stands
    dims = spatial_dims(config.architecture, config.network)
    # Others would be started by this very test, and train again what test_processes has.
    changes = {**SHORT, "devices": 1, "input_size": SIZES[dims], "batch_size": 4 if dims == 2 else 3}
    if importlib.util.find_spec(config.logger) is None:
        changes["logger"] = "csv"
    given = yaml.safe_load(block)
    if not {"architecture", "network", "pretrained"} & given.keys():
        changes["network"] = SMALL
    path.write_text(yaml.safe_dump({**given, **changes}), encoding="utf-8")
    output = train(
        discs if dims == 2 and not config.neighbours else balls, path, tmp_path / "out", settings=Settings(device="cpu")
    )
    assert load_folder(output).card.training["epochs_run"] == 1
