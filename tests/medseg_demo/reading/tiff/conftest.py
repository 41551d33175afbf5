import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medseg_demo.reading import formats
from medseg_demo.reading.raw import Layout, Raw
from medseg_demo.reading.source import open_source
from medseg_demo.settings import Settings

FORMATS = {1: "B", 3: "H", 4: "I", 16: "Q"}


@pytest.fixture
def read_raw() -> Callable[..., Raw]:
    """The values of a file, or of some of its volumes (from 0), as its reader hands them over."""

    def read(path: Path, *volumes: int, settings: Settings | None = None) -> Raw:
        with open_source(path, settings or Settings()) as source:
            found = formats.inspect(source)
            assert found.format.name == "TIFF"
            if volumes:
                return found.format.read(source, found.layout, volumes)
            return formats.decode(source, found)

    return read


@pytest.fixture
def layout_of() -> Callable[..., Layout]:
    """What the directories of a file claim."""

    def inspect(path: Path, settings: Settings | None = None) -> Layout:
        with open_source(path, settings or Settings()) as source:
            return formats.inspect(source).layout

    return inspect


@pytest.fixture
def tiff(tmp_path: Path) -> Callable[..., Path]:
    """Write a TIFF tag by tag, as no library would: one page of 8 × 8 bytes, 0 to 63, where nothing else is said."""

    def write(
        changed: dict[int, tuple[int, object] | None] | None = None,
        *,
        data: bytes = bytes(range(64)),
        order: str = "<",
        big: bool = False,
        following: int = 0,
        cut: int | None = None,
    ) -> Path:
        tags: dict[int, tuple[int, object]] = {256: (4, 8), 257: (4, 8), 258: (3, 8), 259: (3, 1), 262: (3, 1)}
        tags |= {273: (4, None), 277: (3, 1), 278: (4, 8), 279: (4, len(data))}
        tags |= changed or {}  # type: ignore[arg-type]
        tags = dict(sorted((tag, value) for tag, value in tags.items() if value is not None))
        wide, head, step, inline = ("Q", 16, 20, 8) if big else ("I", 8, 12, 4)
        count = struct.pack(order + ("Q" if big else "H"), len(tags))
        place = head + len(count) + step * len(tags) + inline
        behind = b""
        entries = b""
        sizes = {tag: len(_content(order, kind, value)) for tag, (kind, value) in tags.items()}
        start = place + sum(size for size in sizes.values() if size > inline)
        for tag, (kind, value) in tags.items():
            content = _content(order, kind, start if value is None else value)
            number = len(content) if kind == 2 else len(content) // struct.calcsize(order + FORMATS[kind])
            entries += struct.pack(order + "HH" + wide, tag, kind, number)
            if len(content) > inline:
                entries += struct.pack(order + wide, place + len(behind))
                behind += content
            else:
                entries += content.ljust(inline, b"\0")
        magic = b"II" if order == "<" else b"MM"
        magic += struct.pack(order + "HHHQ", 43, 8, 0, 16) if big else struct.pack(order + "HI", 42, 8)
        content = magic + count + entries + struct.pack(order + wide, following) + behind + data
        path = tmp_path / "made.tif"
        path.write_bytes(content[:cut])
        return path

    return write


def _content(order: str, kind: int, value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    values = np.atleast_1d(0 if value is None else value).tolist()  # type: ignore[arg-type]
    return b"".join(struct.pack(order + FORMATS[kind], each) for each in values)
