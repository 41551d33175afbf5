"""PNG by imagecodecs (libpng), JPEG, BMP and WebP by Pillow; their chunks and frames are looked at before.

Source: PNG specification, third edition (W3C, 2025); RFC 9649 (WebP).
"""

import importlib
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading.picture import jpeg
from medseg_demo.reading.raw import Layout, Raw, Samples
from medseg_demo.reading.source import MIB, Source, check_size

# The plugin's own class, not Image.open: that one loads every plugin there is, and refuses large images by a limit
# of the whole process.
PLUGINS = {"JPEG": "Jpeg", "BMP": "Bmp", "WebP": "WebP"}
SAMPLES: dict[int, Samples] = {1: "one", 2: "grey+opacity", 3: "colour", 4: "colour+opacity"}
PALETTE_SHORT = "Pixels whose number is beyond the palette are shown in black."
ORIENTATION = 274
XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=[\"']|>)([1-8])")
MOST_CHUNK = 16 * MIB

PNG_READ = (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"acTL", b"iTXt")
PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_GREY, PNG_RGB, PNG_PALETTE = 0, 2, 3  # and 4 and 6, the first two with opacity
PNG_SAMPLES = {PNG_GREY: 1, PNG_RGB: 3, PNG_PALETTE: 1, 4: 2, 6: 4}
PNG_DEPTHS = {PNG_GREY: (1, 2, 4, 8, 16), PNG_PALETTE: (1, 2, 4, 8)}
BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


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
        palette: Of a PNG.
        start: Where a PNG's first chunk of pixels lies.
    """

    kind: str
    width: int
    height: int
    bits: int
    samples: int
    exif: bytes = b""
    xmp: bytes = b""
    frames: int = 1
    palette: np.ndarray | None = None
    start: int = 0

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


def is_png(source: Source) -> bool:
    """Whether the file starts as a PNG does."""
    return source.head.startswith(PNG_START)


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
    """What the header claims.

    Raises:
        DamagedFileError: Parts of the file are missing or contradict each other.
        UnsupportedImageError: A kind that is not read here, named.
    """
    header = next(parse for is_kind, parse, _ in KINDS.values() if is_kind(source))(source)
    check_size((header.height, header.width), source)
    is_turned = header.orientation > 4
    return Layout(
        shape=(header.width, header.height) if is_turned else (header.height, header.width),
        dtype=np.dtype(np.uint8 if header.bits <= 8 else np.uint16),
        samples=header.samples,
        header=header,
    )


def read(source: Source, layout: Layout, volumes: Sequence[int]) -> Raw:
    """The pixels of a picture, turned as its EXIF block says.

    Resolution tags (dots per inch) are about print and screen, never about the patient, so the spacing is unknown.

    Raises:
        DamagedFileError: Data are missing or cannot be unpacked.
    """
    header: Picture = layout.header
    source.file.seek(0)
    try:
        array, palette = KINDS[header.kind][2](source, header)
    except OSError as error:
        raise (EOFError() if "truncated" in str(error) else error) from None
    image_notes: tuple[str, ...] = ()
    if palette is not None and int(array.max()) >= len(palette):
        image_notes = (PALETTE_SHORT,)
        stated = len(palette)
        palette = np.pad(palette, ((0, int(array.max()) + 1 - stated), (0, 0)))
        palette[stated:, 3:] = 255
    frames = f"Only the first of {header.frames} frames of the animation was read."
    return Raw(
        array=turn(array, header.orientation),
        axes="YX" if array.ndim == 2 else "YXC",
        file_format=header.kind,
        bit_depth=header.bits,
        samples=SAMPLES[array.shape[2] if array.ndim > 2 else 1],
        palette=palette,
        notes=(frames,) if header.frames > 1 else (),
        image_notes=image_notes,
    )


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


def _parse_png(source: Source) -> Picture:
    chunks: dict[bytes, bytes] = {}
    start = 0
    for kind, place, length in _chunks(source, 8, source.size, is_png=True):
        if kind == b"IDAT":
            start = start or place - 8
            continue
        content = read_at(source, place, min(length, MOST_CHUNK))
        if length <= MOST_CHUNK and read_at(source, place + length, 4) != zlib.crc32(kind + content).to_bytes(4):
            raise _damaged(source, "PNG", "the checksum of a chunk before or behind its pixels is wrong")
        if kind in PNG_READ and (kind != b"iTXt" or content.startswith(b"XML:com.adobe.xmp\0\0")):
            chunks.setdefault(kind, content)
        if kind == b"IEND":
            break
    else:
        raise EOFError
    if len(chunks.get(b"IHDR", b"")) != 13 or source.head[12:16] != b"IHDR" or not start:
        raise _damaged(source, "PNG", "it has no header or no pixels")
    width, height, bits, colour, _, _, interlace = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    if bits not in PNG_DEPTHS.get(colour, (8, 16)) or colour not in PNG_SAMPLES or interlace > 1:
        raise _damaged(source, "PNG", f"there is no colour type {colour} with {bits} bits (interlace {interlace})")
    palette, opacity = None, chunks.get(b"tRNS", b"")
    if colour == PNG_PALETTE:
        colours = chunks.get(b"PLTE", b"")
        palette = np.frombuffer(colours[: len(colours) // 3 * 3], np.uint8).reshape(-1, 3)
        if not len(palette):
            raise _damaged(source, "PNG", "its palette is missing")
        if set(opacity) - {255}:
            alpha = opacity[: len(palette)].ljust(len(palette), b"\xff")
            palette = np.column_stack([palette, np.frombuffer(alpha, np.uint8)])
    samples = PNG_SAMPLES[colour] + (colour in (PNG_GREY, PNG_RGB) and b"tRNS" in chunks)
    return Picture(
        kind="PNG",
        width=width,
        height=height,
        bits=bits,
        samples=4 if colour == PNG_PALETTE else samples,  # as it is looked up
        exif=chunks.get(b"eXIf", b""),
        xmp=chunks.get(b"iTXt", b""),
        frames=int.from_bytes(chunks.get(b"acTL", b"")[:4]) or 1,
        palette=palette,
        start=start,
    )


def _chunks(source: Source, place: int, end: int, *, is_png: bool) -> Iterator[tuple[bytes, int, int]]:
    """(kind, place of its content, length) of each chunk of a PNG or a WebP.

    Raises:
        EOFError: The file is shorter than one.
    """
    while place + 8 <= end:
        head = read_at(source, place, 8)
        kind, length = (head[4:], int.from_bytes(head[:4])) if is_png else (head[:4], _little(head[4:]))
        if place + 8 + length > source.size:
            raise EOFError
        yield kind, place + 8, length
        place += 8 + length + (4 if is_png else length % 2)


def _read_png(source: Source, header: Picture) -> tuple[np.ndarray, np.ndarray | None]:
    """(Y, X) or (Y, X, samples) as stored, and the palette."""
    import imagecodecs

    content = source.file.read()
    if header.palette is not None:
        # libpng looks colours up; the same numbers called grey, and without their palette, come as they are stored.
        fields = content[12:25] + bytes([PNG_GREY]) + content[26:29]
        content = content[:12] + fields + zlib.crc32(fields).to_bytes(4) + content[header.start :]
    array = imagecodecs.png_decode(content)
    if header.bits < 8:
        step = 255 // (2**header.bits - 1)  # libpng spreads them over 0 to 255
        array = array // step if array.ndim == 2 else array // np.array([step, 1], np.uint8)
    return array, header.palette


def _parse_jpeg(source: Source) -> Picture:
    source.file.seek(0)
    content = source.file.read()
    rows, columns, components, bits = jpeg.read_frame(content, source)
    if bits not in (8, 12) or components not in (1, 3, 4) or (bits, components) == (12, 4):
        raise UnsupportedImageError(
            f"{source.label}: this kind of JPEG ({bits} bits, {components} components) is not read "
            "here. Save it as PNG or TIFF."
        )
    blocks = [fields for marker, fields in jpeg.segments(content) if marker == jpeg.APP1]
    exif = next((block for block in blocks if block.startswith(b"Exif\0\0")), b"")
    xmp = next((block for block in blocks if block.startswith(b"http://ns.adobe.com/xap/1.0/")), b"")
    return Picture(kind="JPEG", width=columns, height=rows, bits=bits, samples=components, exif=exif, xmp=xmp)


def _read_jpeg(source: Source, header: Picture) -> tuple[np.ndarray, None]:
    """(Y, X) or (Y, X, 3); inks are mixed to colours."""
    content = source.file.read()
    array = _decode_jpeg(content, header)
    if not np.array_equal(array, _decode_jpeg(jpeg.with_noise(content), header)):
        raise jpeg.incomplete(source)
    return array, None


def _decode_jpeg(content: bytes, header: Picture) -> np.ndarray:
    if header.bits > 8:
        import imagecodecs

        return imagecodecs.jpeg8_decode(content)
    with _open_plugin(BytesIO(content), header) as picture:
        return np.array(picture.convert("RGB") if picture.mode not in ("L", "RGB") else picture)


def _parse_bmp(source: Source) -> Picture:
    head = source.head.ljust(80, b"\0")
    size = struct.unpack_from("<I", head, 14)[0]
    width, height, _, bits = struct.unpack_from("<HHHH" if size == 12 else "<iiHH", head, 18)
    compression = struct.unpack_from("<I", head, 30)[0] if size > 12 else 0
    if bits not in (1, 4, 8, 16, 24, 32) or compression > 3:
        raise UnsupportedImageError(
            f"{source.label}: this kind of BMP ({bits} bits, compression (number {compression})) is not read here. "
            "Save it as PNG."
        )
    samples = 4 if bits == 32 and compression == 3 and size >= 56 and any(head[66:70]) else 3
    return Picture(kind="BMP", width=width, height=abs(height), bits=min(bits, 8), samples=samples)


def _read_bmp(source: Source, header: Picture) -> tuple[np.ndarray, np.ndarray | None]:
    """(Y, X) or (Y, X, samples) as stored, and the palette."""
    with _open_plugin(source.file, header) as picture:
        palette = None
        if picture.mode == "P":
            palette = np.frombuffer(picture.palette.palette, np.uint8)
            step = 4 if picture.palette.rawmode == "BGRX" else 3
            palette = palette[: len(palette) // step * step].reshape(-1, step)[:, 2::-1]
        elif picture.mode == "L" and header.bits < 8:
            # A palette of greys makes Pillow forget that several pixels share a byte.
            tile = picture.tile[0]
            if tile.codec_name == "raw":
                picture.tile = [tile._replace(args=(f"P;{header.bits}", *tile.args[1:]))]
                picture._mode = "P"
                palette = np.repeat(np.arange(2**header.bits, dtype=np.uint8)[:, np.newaxis], 3, axis=1)
        array = np.array(picture)
    array = array.astype(np.uint8) if array.dtype == bool else array
    return (array[..., :3] if array.ndim == 3 and header.samples == 3 else array), palette


def _parse_webp(source: Source) -> Picture:
    """What the chunks of a WebP say; Pillow would make room for all of it to look."""
    head, end = source.head, 8 + _little(source.head[4:8])
    rows, columns = webp_size(head, source)
    if end > source.size:
        raise EOFError
    chunks = list(_chunks(source, 12, end, is_png=False))
    places = {kind: (place, min(length, MOST_CHUNK)) for kind, place, length in chunks}
    has_opacity = (head[12:16] == b"VP8X" and bool(head[20] & 16)) or (head[12:16] == b"VP8L" and bool(head[24] & 16))
    return Picture(
        kind="WebP",
        width=columns,
        height=rows,
        bits=8,
        samples=4 if has_opacity else 3,
        exif=read_at(source, *places.get(b"EXIF", (0, 0))),
        xmp=read_at(source, *places.get(b"XMP ", (0, 0))),
        frames=sum(kind == b"ANMF" for kind, *_ in chunks) or 1,
    )


def webp_size(head: bytes, source: Source) -> tuple[int, int]:
    """Rows and columns of a WebP, by its first chunk.

    Raises:
        DamagedFileError: It is none of those that there are.
    """
    kind, fields = head[12:16], head[20:34]
    if kind == b"VP8X" and len(fields) >= 10:
        return 1 + _little(fields[7:10]), 1 + _little(fields[4:7])
    if kind == b"VP8L" and len(fields) >= 5:
        packed = _little(fields[1:5])
        return 1 + (packed >> 14 & 0x3FFF), 1 + (packed & 0x3FFF)
    if kind == b"VP8 " and fields[3:6] == b"\x9d\x01\x2a":
        return _little(fields[8:10]) & 0x3FFF, _little(fields[6:8]) & 0x3FFF
    raise _damaged(source, "WebP", "it has no frame")


def _read_webp(source: Source, header: Picture) -> tuple[np.ndarray, None]:
    with _open_plugin(source.file, header) as picture:
        return np.array(picture), None


def _open_plugin(file: BinaryIO, header: Picture) -> Any:
    """Pillow's picture, by the plugin of its format.

    Raises:
        EOFError: It has another size than was checked: headers that come twice.
    """
    name = PLUGINS[header.kind]
    picture = getattr(importlib.import_module(f"PIL.{name}ImagePlugin"), f"{name}ImageFile")(file)
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


def _little(content: bytes) -> int:
    return int.from_bytes(content, "little")


def _damaged(source: Source, kind: str, reason: str) -> DamagedFileError:
    return DamagedFileError(f"{source.label}: the {kind} file is damaged: {reason}. Export or copy it again.")


Reader = Callable[[Source, Picture], tuple[np.ndarray, np.ndarray | None]]
KINDS: dict[str, tuple[Callable[[Source], bool], Callable[[Source], Picture], Reader]] = {
    "PNG": (is_png, _parse_png, _read_png),
    "JPEG": (is_jpeg, _parse_jpeg, _read_jpeg),
    "BMP": (is_bmp, _parse_bmp, _read_bmp),
    "WebP": (is_webp, _parse_webp, _read_webp),
}
