"""Checkpoints that tests can rely on: one whose output is known, and small real networks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from PIL import Image
from torch import nn

from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.models.architectures import build_network
from medseg_demo.models.card import ModelCard
from medseg_demo.models.catalog import Catalog
from medseg_demo.models.checkpoint import Checkpoint, save_checkpoint
from medseg_demo.segmenting.engine import Engine
from medseg_demo.settings import Settings


class Brightness(nn.Module):
    """Logit 40 × (intensity − 0.5) for one class; with more classes, a ramp of intensity bands."""

    def __init__(self, classes: int = 1) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        intensity = x.mean(dim=1, keepdim=True)
        if self.classes == 1:
            return 40 * (intensity - 0.5)
        centres = torch.linspace(0, 1, self.classes + 1).view(1, -1, *[1] * (x.ndim - 2))
        return -200 * (intensity - centres) ** 2


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(checkpoints_dir=tmp_path / "checkpoints", device="cpu", precision="float32")


@pytest.fixture
def card() -> ModelCard:
    return ModelCard(task="bright things", class_names=("bright",), in_channels=1, input_size=(64, 64), threshold=0.5)


@pytest.fixture
def brightness(card: ModelCard) -> Checkpoint:
    return Checkpoint("brightness", card, Brightness().eval(), "0" * 64)


@pytest.fixture
def bands(card: ModelCard) -> Checkpoint:
    card = card.model_copy(update={"class_names": ("grey", "white"), "threshold": None})
    return Checkpoint("bands", card, Brightness(2).eval(), "1" * 64)


@pytest.fixture
def volume_card() -> ModelCard:
    return ModelCard(
        task="bright things", class_names=("grey", "white"), in_channels=1, input_size=(16, 16, 16), inference="tile"
    )


@pytest.fixture
def volume_bands(volume_card: ModelCard) -> Checkpoint:
    return Checkpoint("volume-bands", volume_card, Brightness(2).eval(), "2" * 64)


@pytest.fixture(scope="session")
def volume_network() -> nn.Module:
    torch.manual_seed(0)
    parameters = {"channels": [4, 8], "strides": [2], "num_res_units": 1, "in_channels": 1, "classes": 3}
    return build_network("MonaiUNet", parameters).eval()


@pytest.fixture
def make_image():
    def make(pixels: np.ndarray, axes: str = "YX", spacing_mm: tuple[float, ...] | None = None) -> MedicalImage:
        return MedicalImage(pixels, axes, Geometry(spacing_mm), "made", "PNG", 8, (0.0, 255.0))

    return make


@pytest.fixture
def square(make_image) -> MedicalImage:
    """100 × 120, black, with a white square of 40 × 30 pixels."""
    pixels = np.zeros((100, 120), np.uint8)
    pixels[20:60, 50:80] = 255
    return make_image(pixels)


@pytest.fixture(scope="session")
def small_network() -> nn.Module:
    torch.manual_seed(0)
    return smp.Unet("tu-test_resnet", encoder_weights=None, encoder_depth=3, decoder_channels=(16, 8, 8), in_channels=1)


@pytest.fixture(scope="session")
def two_class_network() -> nn.Module:
    sizes = {"encoder_depth": 3, "decoder_channels": (16, 8, 8)}
    return smp.Unet("tu-test_resnet", encoder_weights=None, in_channels=1, classes=3, **sizes)


@pytest.fixture
def checkpoints(tmp_path: Path, small_network: nn.Module, card: ModelCard) -> Path:
    """A checkpoints folder with two usable ones, "small" and "other"."""
    folder = tmp_path / "checkpoints"
    for name in ("small", "other"):
        save_checkpoint(folder / name, small_network, card)
    return folder


@pytest.fixture
def with_spacing():
    def change(image: MedicalImage, spacing_mm: tuple[float, ...]) -> MedicalImage:
        return replace(image, geometry=Geometry(spacing_mm))

    return change


@pytest.fixture
def engine(settings: Settings, brightness, bands, small_network, two_class_network, card, monkeypatch) -> Engine:
    """Checkpoints "bright" (one class), "bands" (two classes), and "broken"; their networks are the known ones."""
    save_checkpoint(settings.checkpoints_dir / "bright", small_network, card)
    (settings.checkpoints_dir / "bright" / "README.md").write_text(
        "---\nlicense: x\n---\n\n## Weaknesses\n\nShadows.\n"
    )
    two = card.model_copy(update={"task": "bands", "class_names": ("grey", "white"), "threshold": None})
    save_checkpoint(settings.checkpoints_dir / "bands", two_class_network, two)
    (settings.checkpoints_dir / "broken").mkdir()
    known = {"bright": replace(brightness, name="bright"), "bands": bands}
    monkeypatch.setattr(Catalog, "load", lambda self, name, own=None: known[name])
    return Engine(settings)


@pytest.fixture
def own_checkpoints(monkeypatch: pytest.MonkeyPatch, checkpoints: Path) -> None:
    """The command line finds those of the test."""
    monkeypatch.setenv("MEDSEG_CHECKPOINTS_DIR", str(checkpoints))
    monkeypatch.setenv("MEDSEG_DEVICE", "cpu")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of two pictures."""
    folder = tmp_path / "images"
    folder.mkdir()
    noise = np.random.default_rng(0)
    for name in ("a", "b"):
        Image.fromarray(noise.integers(0, 256, (70, 90), dtype=np.uint8)).save(folder / f"{name}.png")
    return folder
