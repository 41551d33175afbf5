"""An engine whose network is known: what is brighter than half is "bright", surely."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import segmentation_models_pytorch as smp
from PIL import Image

from medseg_demo.models.catalog import CheckpointCache
from medseg_demo.models.checkpoint import save_checkpoint
from medseg_demo.settings import Settings
from medseg_demo.ui.engine import Engine


@pytest.fixture
def engine(settings: Settings, brightness, bands, small_network, card, monkeypatch) -> Engine:
    """Checkpoints "bright" (one class), "bands" (two classes), and "broken"; their networks are the known ones."""
    save_checkpoint(settings.checkpoints_dir / "bright", small_network, card)
    (settings.checkpoints_dir / "bright" / "README.md").write_text(
        "---\nlicense: x\n---\n\n## Weaknesses\n\nShadows.\n"
    )
    two = card.model_copy(update={"task": "bands", "class_names": ("grey", "white"), "threshold": None})
    save_checkpoint(settings.checkpoints_dir / "bands", _network(outputs=3), two)
    (settings.checkpoints_dir / "broken").mkdir()
    known = {"bright": replace(brightness, name="bright"), "bands": bands}
    monkeypatch.setattr(CheckpointCache, "load", lambda self, name: known[name])
    return Engine(settings)


def _network(*, outputs: int):
    sizes = {"encoder_depth": 3, "decoder_channels": (16, 8, 8)}
    return smp.Unet("tu-test_resnet", encoder_weights=None, in_channels=1, classes=outputs, **sizes)


@pytest.fixture
def picture(tmp_path: Path):
    """Writes a grey PNG of 64 × 64 whose left half has the given brightness, and returns its path."""

    def write(name: str = "scan", brightness: int = 255) -> Path:
        pixels = np.zeros((64, 64), np.uint8)
        pixels[:, :32] = brightness
        pixels[0, 63] = 1  # so that no picture is all of one value
        path = tmp_path / f"{name}.png"
        Image.fromarray(pixels).save(path)
        return path

    return write
