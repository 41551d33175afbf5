"""TIFF, BigTIFF, OME-TIFF and ImageJ's: directories checked here, pixels decoded by tifffile.

``directories`` reads and checks the tags, ``axes`` and ``ome`` find what the pages are, ``layout`` what a file holds,
``pixels`` its values.
"""

from medseg_demo.reading.source import Source
from medseg_demo.reading.tiff.layout import inspect
from medseg_demo.reading.tiff.pixels import read

__all__ = ["inspect", "is_tiff", "read"]


def is_tiff(source: Source) -> bool:
    """Whether the file starts as a TIFF or a BigTIFF does."""
    return source.head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))
