from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from medseg_demo.reading import formats
from medseg_demo.reading.raw import Layout, Raw
from medseg_demo.reading.source import open_source
from medseg_demo.settings import Settings


@pytest.fixture
def read_raw(tmp_path: Path) -> Callable[..., Raw]:
    """The values of a file of these bytes, as its reader hands them over."""

    def read(content: bytes, *, name: str = "file") -> Raw:
        path = tmp_path / name
        path.write_bytes(content)
        with open_source(path, Settings()) as source:
            return formats.decode(source, formats.inspect(source))

    return read


@pytest.fixture
def layout_of(tmp_path: Path) -> Callable[[bytes], Layout]:
    """What the header of a file of these bytes claims."""

    def inspect(content: bytes) -> Layout:
        path = tmp_path / "file"
        path.write_bytes(content)
        with open_source(path, Settings()) as source:
            return formats.inspect(source).layout

    return inspect


@pytest.fixture
def pack() -> Callable[[Sequence, int], list[bytes]]:
    """The bytes of each row of (rows, values): several values share a byte where they have less than 8 bits."""

    def rows(values: np.ndarray, bits: int) -> list[bytes]:
        if bits >= 8:
            return [row.astype(f">u{bits // 8}").tobytes() for row in values]
        texts = ("".join(f"{value:0{bits}b}" for value in row) for row in values.tolist())
        return [int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8)) for text in texts]

    return rows
