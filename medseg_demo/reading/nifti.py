"""NIfTI-1, NIfTI-2 and their .hdr and .img pairs, plain or gzipped, through nibabel."""

import zlib
from collections.abc import Sequence

from medseg_demo.reading.raw import Layout, Raw
from medseg_demo.reading.source import Source

GZIP_MAGIC = b"\x1f\x8b"
HEADER_BYTES = 540  # NIfTI-2's; NIfTI-1's has 348
MAGICS = ((344, b"n+1\0"), (344, b"ni1\0"), (4, b"n+2\0"), (4, b"ni2\0"))


def is_nifti(source: Source) -> bool:
    """Whether the file starts with a NIfTI header, gzipped or not."""
    head = _plain_head(source.head)
    return any(head[place : place + 4] == magic for place, magic in MAGICS)


def _plain_head(head: bytes) -> bytes:
    if not head.startswith(GZIP_MAGIC):
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEADER_BYTES)
    except zlib.error:
        return b""


def inspect(source: Source) -> Layout:
    """See ``Format.inspect``."""
    raise NotImplementedError


def read(source: Source, layout: Layout, volumes: Sequence[int]) -> Raw:
    """See ``Format.read``."""
    raise NotImplementedError
