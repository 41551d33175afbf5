"""TIFF, BigTIFF, OME-TIFF and ImageJ's, through tifffile."""

from collections.abc import Sequence

from medseg_demo.reading.raw import Layout, Raw
from medseg_demo.reading.source import Source


def is_tiff(source: Source) -> bool:
    """Whether the file starts as a TIFF or a BigTIFF does."""
    return source.head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))


def inspect(source: Source) -> Layout:
    """See ``Format.inspect``."""
    raise NotImplementedError


def read(source: Source, layout: Layout, volumes: Sequence[int]) -> Raw:
    """See ``Format.read``."""
    raise NotImplementedError
