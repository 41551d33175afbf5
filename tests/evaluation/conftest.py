"""Test sets and checkpoints of a few small cases, whose scores are known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from score_tables import simulated as make_simulated
from score_tables import table_of as make_table


def write_case(folder: Path, case_id: str, image: np.ndarray, mask: np.ndarray) -> None:
    for name, pixels in (("images", image), ("masks", mask)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name / f"{case_id}.png")


@pytest.fixture
def make_test_set(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of 64 × 64 images that are bright where the mask is, but for a stripe that grows by case."""

    def make(name: str = "squares", cases: int = 4, value: int = 255) -> Path:
        folder = tmp_path / name
        for number in range(cases):
            mask = np.zeros((64, 64), np.uint8)
            mask[16:48, 16:48] = value
            image = np.where(mask > 0, 220, 20).astype(np.uint8)
            image[:, : number % 12] = 220
            write_case(folder, f"case_{number:02}", image, mask)
        return folder

    return make


@pytest.fixture
def card():
    from medseg_demo.models.card import ModelCard

    return ModelCard(task="bright things", class_names=("bright",), in_channels=1, input_size=(64, 64), threshold=0.5)


@pytest.fixture
def brightness(card):
    """A checkpoint that finds what is bright."""
    from torch import nn

    from medseg_demo.models.checkpoint import Checkpoint

    class Brightness(nn.Module):
        def forward(self, x):
            return 40 * (x.mean(dim=1, keepdim=True) - 0.5)

    return Checkpoint("brightness", card, Brightness().eval(), "0" * 64)


@pytest.fixture
def checkpoints(tmp_path: Path, card) -> Path:
    """A checkpoints folder with a small real network, "small"."""
    import segmentation_models_pytorch as smp
    import torch

    from medseg_demo.models.checkpoint import save_checkpoint

    torch.manual_seed(0)
    network = smp.Unet(
        "tu-test_resnet", encoder_weights=None, encoder_depth=3, decoder_channels=(16, 8, 8), in_channels=1
    )
    save_checkpoint(tmp_path / "checkpoints" / "small", network, card)
    return tmp_path / "checkpoints"


@pytest.fixture(scope="session")
def table_of():
    """Makes tidy tables from literal scores."""
    return make_table


@pytest.fixture(scope="session")
def simulated():
    """Makes tidy tables like those of large runs."""
    return make_simulated
