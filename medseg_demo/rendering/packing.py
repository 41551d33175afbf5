"""Arrays ↔ what the viewer reads: exact, small and quick to decode in a browser.

Label values must arrive as they left. A PNG would not promise that: reading a picture back through a canvas goes
through colour management, and browsers that guard against fingerprinting add noise to what a canvas returns. So the
numbers themselves travel: differences along each row (which makes them small), then zlib, then base64.
"""

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

# Runs of equal bytes are all that differences repeat: looking for nothing else halves the time and saves bytes, too.
STRATEGY = zlib.Z_RLE


@dataclass(frozen=True)
class PackedArray:
    """One plane of numbers, fit for JSON.

    Attributes:
        dtype: That of the numbers.
        shape: [height, width], with the number of samples of a pixel where they lie together.
        data: The numbers, packed.
    """

    dtype: Literal["uint8", "uint16"]
    shape: list[int]
    data: str


def pack(plane: np.ndarray) -> PackedArray:
    """Pack (Y, X) or (Y, X, C) of uint8 or uint16.

    Raises:
        ValueError: Another type, or another number of axes.
    """
    if plane.dtype not in (np.uint8, np.uint16) or plane.ndim not in (2, 3):
        raise ValueError(
            f"Cannot pack {plane.dtype} of shape {plane.shape}: give uint8 or uint16, (Y, X) or (Y, X, C)."
        )
    differences = plane.copy(order="C")
    differences[:, 1:] -= plane[:, :-1]
    compressor = zlib.compressobj(1, strategy=STRATEGY)
    stream = compressor.compress(_split_bytes(differences)) + compressor.flush()
    dtype = cast(Literal["uint8", "uint16"], plane.dtype.name)
    return PackedArray(dtype, list(plane.shape), base64.b64encode(stream).decode("ascii"))


def unpack(packed: Mapping[str, Any]) -> np.ndarray:
    """The array that was packed; ``packed`` is a PackedArray as it stands in JSON."""
    stream = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), np.uint8)
    if packed["dtype"] == "uint16":
        stream = np.ascontiguousarray(stream.reshape(2, -1).T).view("<u2")
    return np.cumsum(stream.reshape(packed["shape"]), axis=1, dtype=packed["dtype"])


def _split_bytes(numbers: np.ndarray) -> bytes:
    if numbers.dtype == np.uint8:
        return numbers.tobytes()
    return (numbers & 255).astype(np.uint8).tobytes() + (numbers >> 8).astype(np.uint8).tobytes()
