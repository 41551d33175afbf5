"""Pictures for the page's handlers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


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
