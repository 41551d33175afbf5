"""PNG, JPEG, TIFF, BMP and WebP, through Pillow; SimpleITK where Pillow would cut colours to 8 bits."""

import importlib
import struct
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.image import MedicalImage
from medseg_demo.reading.intensities import build_image, check_size, compose_alpha, settle_channels
from medseg_demo.reading.source import Source, decoding
from medseg_demo.settings import Settings

if TYPE_CHECKING:
    from PIL import Image

# The plugin's own class, not Image.open: that one loads every plugin there is, and refuses large images by a limit
# of the whole process.
PLUGINS = {
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "WebP": ("PIL.WebPImagePlugin", "WebPImageFile"),
}
ITK_FORMATS = {"PNG": "PNGImageIO", "TIFF": "TIFFImageIO"}

ORIENTATION, BITS_PER_SAMPLE, SAMPLE_FORMAT = 274, 258, 339
SIGNED = 2
BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)
PLAIN_MODES = ("L", "LA", "RGB", "RGBA", "F", "I", "I;16", "I;16B", "I;16L", "I;16N")
WITH_ALPHA = {"P": "RGBA", "L": "LA", "RGB": "RGBA", "PA": "RGBA", "RGBa": "RGBA", "La": "LA"}


def is_png(source: Source) -> bool:
    """Whether the file starts as a PNG does."""
    return source.head.startswith(b"\x89PNG\r\n\x1a\n")


def is_jpeg(source: Source) -> bool:
    """Whether the file starts as a JPEG does."""
    return source.head.startswith(b"\xff\xd8\xff")


def is_tiff(source: Source) -> bool:
    """Whether the file starts as a TIFF or a BigTIFF does."""
    return source.head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))


def is_bmp(source: Source) -> bool:
    """Whether the file starts as a BMP does; two letters alone would take text for one."""
    head = source.head
    return head.startswith(b"BM") and len(head) >= 18 and struct.unpack_from("<I", head, 14)[0] in BMP_HEADERS


def is_webp(source: Source) -> bool:
    """Whether the file starts as a WebP does."""
    return source.head.startswith(b"RIFF") and source.head[8:12] == b"WEBP"


def read(source: Source, settings: Settings, *, file_format: str) -> MedicalImage:
    """Read a picture; the pages of a TIFF are slices where they have one size and mode.

    Resolution tags (dots per inch) are about print and screen, never about the patient, so the spacing is unknown.

    Raises:
        ReadError: See medseg_demo.errors.
    """
    with decoding(source, file_format):
        try:
            picture = _open(source, file_format)
        except SyntaxError:  # Pillow's word for a layout that it does not know, such as three 32-bit floats
            return _read_rare_layout(source, settings, file_format)
        with picture:
            pages, notes = _pages(picture, file_format)
            check_size((*([pages] if pages > 1 else []), picture.height, picture.width), source, settings)
            if _is_deep_colour(picture):
                return _read_deep_colour(source, settings, file_format, orientation=_orientation(picture), notes=notes)
            bits = _bit_depth(picture, source, file_format)
            slices = [_page(picture, index, file_format) for index in range(pages)]
    pixels = np.stack(slices) if pages > 1 else slices[0]
    return _finish(source, pixels, file_format=file_format, bits=bits, is_volume=pages > 1, notes=notes)


def _open(source: Source, file_format: str) -> "Image.Image":
    module, name = PLUGINS[file_format]
    return getattr(importlib.import_module(module), name)(source.path)


def _pages(picture: "Image.Image", file_format: str) -> tuple[int, tuple[str, ...]]:
    count = getattr(picture, "n_frames", 1)
    if count == 1:
        return 1, ()
    if file_format == "TIFF":
        kinds = set()
        for index in range(count):
            picture.seek(index)
            kinds.add((picture.size, picture.mode))
        picture.seek(0)
        if len(kinds) == 1:
            return count, ()
        return 1, (f"Only the first of {count} pages was read, since they differ in size or kind.",)
    return 1, (f"Only the first of {count} frames of the animation was read.",)


def _is_deep_colour(picture: "Image.Image") -> bool:
    tiles = getattr(picture, "tile", ())
    arguments = tiles[0][3] if tiles else ""
    raw_mode = arguments if isinstance(arguments, str) else next(iter(arguments), "")
    return ";16" in str(raw_mode) and picture.mode in ("RGB", "RGBA", "LA", "RGBX", "CMYK")


def _bit_depth(picture: "Image.Image", source: Source, file_format: str) -> int:
    if picture.mode == "1":
        return 1
    if file_format == "PNG" and picture.mode != "P":
        return source.head[24]
    if file_format == "TIFF" and picture.mode != "P":
        return int(picture.tag_v2.get(BITS_PER_SAMPLE, (8,))[0])  # type: ignore[attr-defined]
    return 8


def _page(picture: "Image.Image", index: int, file_format: str) -> np.ndarray:
    if index:
        picture.seek(index)
    tags = dict(picture.tag_v2) if file_format == "TIFF" else {}  # type: ignore[attr-defined]
    pixels = _decode(picture)
    if tags and picture.mode in ("I", "L"):
        pixels = _true_integers(pixels, tags)
    # Pillow turns TIFFs while it loads them.
    return pixels if file_format == "TIFF" else _turn(pixels, _orientation(picture))


def _decode(picture: "Image.Image") -> np.ndarray:
    if "transparency" in picture.info or picture.mode in ("PA", "RGBa", "La"):
        target = WITH_ALPHA.get(picture.mode)
        if target:
            return np.array(picture.convert(target))
    if picture.mode == "1":
        return np.array(picture).astype(np.uint8)
    if picture.mode in PLAIN_MODES:
        return np.array(picture)
    return np.array(picture.convert("RGB"))


def _true_integers(pixels: np.ndarray, tags: dict) -> np.ndarray:
    """Pillow holds signed bytes as unsigned ones, and 16-bit signed and 32-bit unsigned integers as int32."""
    bits = tags.get(BITS_PER_SAMPLE, (1,))[0]
    signed = tags.get(SAMPLE_FORMAT, (1,))[0] == SIGNED
    if pixels.dtype == np.uint8:
        return pixels.view(np.int8) if signed and bits == 8 else pixels
    if bits == 16:
        return pixels.astype(np.int16 if signed else np.uint16)
    return pixels if signed else pixels.view(np.uint32)


def _orientation(picture: "Image.Image") -> int:
    try:
        return int(picture.getexif().get(ORIENTATION, 1))
    except Exception:  # a broken EXIF block does not make the pixels unusable
        return 1


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation, which says how rows and columns of (Y, X, ...) lie in the scene."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _read_rare_layout(source: Source, settings: Settings, file_format: str) -> MedicalImage:
    try:
        pixels, is_volume = _decode_with_itk(source, settings, file_format)
    except (DamagedFileError, KeyError):
        raise DamagedFileError(
            f"{source.label}: the {file_format} file is damaged, or its samples are of a rare kind. "
            "Save it with 8 or 16 bits, or as 32-bit floats."
        ) from None
    bits = pixels.dtype.itemsize * 8
    return _finish(source, pixels, file_format=file_format, bits=bits, is_volume=is_volume, notes=())


def _read_deep_colour(
    source: Source, settings: Settings, file_format: str, *, orientation: int, notes: tuple[str, ...]
) -> MedicalImage:
    """Colours of 16 bits, of which Pillow would drop the lower 8."""
    pixels, is_volume = _decode_with_itk(source, settings, file_format)
    if pixels.dtype != np.uint16:  # ITK falls back to 8 bits for TIFFs that are turned or tiled
        raise UnsupportedImageError(
            f"{source.label}: this kind of 16-bit colour {file_format} cannot be read without loss. "
            "Save it as PNG, or as TIFF in strips and without an orientation."
        )
    pixels = pixels if is_volume else _turn(pixels, orientation)
    return _finish(source, pixels, file_format=file_format, bits=16, is_volume=is_volume, notes=notes)


def _decode_with_itk(source: Source, settings: Settings, file_format: str) -> tuple[np.ndarray, bool]:
    """The samples, and whether there are several pages."""
    import SimpleITK

    from medseg_demo.reading.itk import read_with_itk

    decoded = read_with_itk(source, ITK_FORMATS[file_format], settings)
    pixels = SimpleITK.GetArrayFromImage(decoded)
    if decoded.GetDimension() < 3:
        return pixels, False
    return (pixels, True) if len(pixels) > 1 else (pixels[0], False)


def _finish(
    source: Source, pixels: np.ndarray, *, file_format: str, bits: int, is_volume: bool, notes: tuple[str, ...]
) -> MedicalImage:
    if pixels.ndim > 2 + is_volume:
        # Two channels of a picture are grey and opacity, which is not true of arrays.
        settle = compose_alpha(pixels) if pixels.shape[-1] == 2 else settle_channels(pixels, source)
        pixels, notes = settle[0], (*notes, *settle[1])
    return build_image(source, pixels, file_format=file_format, bit_depth=bits, is_volume=is_volume, notes=notes)
