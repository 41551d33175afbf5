from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from medseg_demo.reading.source import Source
from medseg_demo.settings import Settings


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def picture() -> np.ndarray:
    """(40, 50) uint8 with every value of no pattern, so that a turned or shifted copy differs."""
    return np.random.default_rng(7).integers(0, 256, (40, 50), dtype=np.uint8)


@pytest.fixture
def volume() -> np.ndarray:
    """(5, 6, 7) int16."""
    return np.random.default_rng(8).integers(-1000, 1000, (5, 6, 7), dtype=np.int16)


@pytest.fixture
def dicom_file() -> Callable[[str], Path]:
    """The path of a file that pydicom or pydicom-data ships; nothing is downloaded."""

    def find(name: str) -> Path:
        from pydicom.data import get_testdata_file

        path = get_testdata_file(name, download=False)
        if path is None:
            pytest.fail(f"{name} is in neither pydicom nor pydicom-data")
        return Path(path)

    return find


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path / "file.bin", BytesIO(b"x"), b"x", 1, Settings())
