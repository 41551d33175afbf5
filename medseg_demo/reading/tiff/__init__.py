"""TIFF, BigTIFF, OME-TIFF and ImageJ's: checked here, parsed and decoded by tifffile.

``pages`` finds and checks them, ``planes`` and ``ome`` say what they are, ``layout`` what a file holds,
``pixels`` its values.
"""

from medseg_demo.reading.source import Source
from medseg_demo.reading.tiff.layout import inspect
from medseg_demo.reading.tiff.pixels import read

__all__ = ["inspect", "is_tiff", "read"]


def is_tiff(source: Source) -> bool:
    """Whether the file starts as a TIFF or a BigTIFF does."""
    return source.head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))
