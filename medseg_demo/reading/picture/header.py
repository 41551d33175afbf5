"""What the header of a picture says, and how it is opened and turned."""

import importlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from medseg_demo.errors import DamagedFileError
from medseg_demo.reading.source import MIB, Source

if TYPE_CHECKING:
    from PIL import Image

# The plugin's own class, not Image.open: that one loads every plugin there is, and refuses large images by a limit
# of the whole process.
PLUGINS = {
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "WebP": ("PIL.WebPImagePlugin", "WebPImageFile"),
}
ORIENTATION = 274
XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=[\"']|>)([1-8])")
MOST_CHUNK = 16 * MIB


@dataclass(frozen=True, eq=False, kw_only=True)
class Picture:
    """What a file's header says.

    Attributes:
        kind: "PNG", "JPEG", "BMP" or "WebP".
        width: In pixels as stored, before it is turned.
        height: See ``width``.
        bits: Of a stored sample.
        samples: Values a pixel, as they are handed over; opacity counts, also where one colour is called transparent.
        exif: The EXIF block.
        xmp: The XMP packet, which may hold the orientation where EXIF does not.
        frames: Of an animation.
        colour: PNG's colour type.
        chunks: A PNG's palette and transparency.
        data: A PNG's compressed data, as places and lengths.
        is_interlaced: Of a PNG.
    """

    kind: str
    width: int
    height: int
    bits: int
    samples: int
    exif: bytes = b""
    xmp: bytes = b""
    frames: int = 1
    colour: int = 0
    chunks: dict[bytes, bytes] = field(default_factory=dict)
    data: tuple[tuple[int, int], ...] = ()
    is_interlaced: bool = False

    @property
    def orientation(self) -> int:
        """EXIF's, 1 to 8."""
        from PIL import Image

        found: object = None
        try:
            exif = Image.Exif()
            exif.load(self.exif)
            found = exif.get(ORIENTATION)
        except Exception:
            pass
        if found is None and (match := XMP_ORIENTATION.search(self.xmp)):
            found = int(match[1])
        return found if isinstance(found, int) and 1 <= found <= 8 else 1


def turn(pixels: np.ndarray, orientation: int, *, first: int = 0) -> np.ndarray:
    """Undo an EXIF or TIFF orientation, which says how stored rows and columns lie in the scene.

    Args:
        pixels: Rows at axis ``first``, columns behind it.
        orientation: 1 to 8.
        first: The axis of the rows.
    """
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(first, first + 1)
    if orientation in (2, 3, 6, 7):
        pixels = np.flip(pixels, first + 1)
    if orientation in (3, 4, 7, 8):
        pixels = np.flip(pixels, first)
    return pixels


def open_plugin(file: BinaryIO, header: Picture) -> "Image.Image":
    """Pillow's picture, by the plugin of its format.

    Raises:
        EOFError: It has another size than was checked: headers that come twice.
    """
    module, name = PLUGINS[header.kind]
    file.seek(0)
    picture: Image.Image = getattr(importlib.import_module(module), name)(file)
    if picture.size != (header.width, header.height):
        raise EOFError
    return picture


def read_at(source: Source, place: int, length: int) -> bytes:
    """So many bytes of the file.

    Raises:
        EOFError: It is shorter.
    """
    source.file.seek(place)
    content = source.file.read(length)
    if len(content) < length:
        raise EOFError
    return content


def damaged(source: Source, kind: str, reason: str) -> DamagedFileError:
    """The error of a file whose parts are missing or contradict each other."""
    return DamagedFileError(f"{source.label}: the {kind} file is damaged: {reason}. Export or copy it again.")
