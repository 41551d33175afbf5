"""PNG, JPEG, BMP and WebP, through Pillow."""

import struct
from collections.abc import Sequence

from medseg_demo.reading.raw import Layout, Raw
from medseg_demo.reading.source import Source

BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


def is_png(source: Source) -> bool:
    """Whether the file starts as a PNG does."""
    return source.head.startswith(b"\x89PNG\r\n\x1a\n")


def is_jpeg(source: Source) -> bool:
    """Whether the file starts as a JPEG does."""
    return source.head.startswith(b"\xff\xd8\xff")


def is_bmp(source: Source) -> bool:
    """Whether the file starts as a BMP does; two letters alone would take text for one."""
    head = source.head
    return head.startswith(b"BM") and len(head) >= 18 and struct.unpack_from("<I", head, 14)[0] in BMP_HEADERS


def is_webp(source: Source) -> bool:
    """Whether the file starts as a WebP does."""
    return source.head.startswith(b"RIFF") and source.head[8:12] == b"WEBP"


def inspect(source: Source) -> Layout:
    """See ``Format.inspect``."""
    raise NotImplementedError


def read(source: Source, layout: Layout, volumes: Sequence[int]) -> Raw:
    """See ``Format.read``."""
    raise NotImplementedError
