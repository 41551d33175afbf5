"""Images to measure with: 512² pieces of the chest radiograph that pydicom-data ships."""

from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 512


def write_chest_images(folder: Path, count: int) -> list[Path]:
    """Write 8-bit grey PNG of 512 × 512 pixels, each a slightly different cut of the same radiograph."""
    random = np.random.default_rng(0)
    chest = _chest()
    paths = []
    for number in range(count):
        top, left = (random.integers(0, length - SIDE + 1) for length in chest.shape)
        path = folder / f"chest_{number:03}.png"
        Image.fromarray(chest[top : top + SIDE, left : left + SIDE]).save(path)
        paths.append(path)
    return paths


def _chest() -> np.ndarray:
    from pydicom.data import get_testdata_file

    from medseg_demo import read_image

    image = read_image(get_testdata_file("RG1_UNCR.dcm", download=False))
    low, high = image.display_window
    grey = np.clip((image.pixels.astype(np.float32) - low) / (high - low), 0, 1) * 255
    return np.asarray(Image.fromarray(grey.astype(np.uint8)).resize((SIDE + 40, SIDE + 60), Image.Resampling.LANCZOS))
