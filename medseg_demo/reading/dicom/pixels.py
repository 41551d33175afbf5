"""Stored values of a DICOM image, by decoders that survive damaged data.

GDCM's Python package ends the whole process on some damaged JPEG data (an assertion fails in C++), so JPEG of
every kind, JPEG-LS and JPEG 2000 are decoded by imagecodecs (libjpeg-turbo, CharLS, OpenJPEG), RLE and what is not
compressed by pydicom.

Source: DICOM PS3.5, 8 (bits that count; encapsulation); what a frame says of itself: ITU-T T.81 (JPEG) B.2, T.87
(JPEG-LS) C.2, T.800 (JPEG 2000) A.5 and A.6, T.871 (JFIF) 10.1; Adobe TN 5116, 18.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading.dicom.dataset import BIG_ENDIAN, value_of
from medseg_demo.reading.dicom.pixel_format import (
    FLOATS,
    JPEG,
    JPEG_2000,
    JPEG_LS,
    RLE,
    PixelFormat,
    too_few,
)
from medseg_demo.reading.picture.jpeg import segments, with_noise
from medseg_demo.reading.source import Source

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.dataelem import DataElement

J2K_START, JPEG_START, JPEG_END = b"\xff\x4f\xff\x51", b"\xff\xd8", b"\xff\xd9"
HIERARCHICAL = (0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF)
FRAMES = (0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA, 0xCB, *HIERARCHICAL, 0xF7)  # the last one is of JPEG-LS
JFIF, ADOBE = 0xE0, 0xEE
CODING_STYLE, TILE_PART = 0xFF52, 0xFF90


@dataclass(frozen=True)
class Codestream:
    """The claims of one compressed frame.

    Attributes:
        shape: Rows, columns and samples of a pixel.
        bits: Of a sample.
        is_rgb: Whether decoding gives RGB (True) or YCbCr as it is stored (False); None where the codestream does not
            say, so that the header counts.
        is_whole: Whether every tile of JPEG 2000 is there.
        is_hierarchical: Whether it is a kind of JPEG for which there is no decoder.
    """

    shape: tuple[int, int, int]
    bits: int
    is_rgb: bool | None = None
    is_whole: bool = True
    is_hierarchical: bool = False


def decode(
    element: "DataElement", dataset: "Dataset", found: PixelFormat, frames: Sequence[int], source: Source
) -> np.ndarray:
    """Stored values of some frames, (N, Y, X), or (N, Y, X, 3) in RGB.

    Args:
        element: The pixels.
        dataset: The header, for the offsets of its frames.
        found: The header's claims, from ``describe``.
        frames: From 0, in the order they are wanted.
        source: The file, for messages.

    Raises:
        ReadError: See medseg_demo.errors.
    """
    shape = (len(frames), found.rows, found.columns, *([found.samples] if found.samples > 1 else []))
    values = np.empty(shape, found.dtype)
    if found.is_compressed:
        parts = _compressed(element, dataset, found, frames, source)
    elif found.allocated == 1:  # pydicom's decoder takes each frame to begin at a byte
        parts = _bits(element, found, frames)
    else:
        parts = _native(element, found, frames)
    for place, part in enumerate(parts):
        values[place] = part.reshape(shape[1:])
    return values


def _native(element: "DataElement", found: PixelFormat, frames: Sequence[int]) -> Iterator[np.ndarray]:
    for part in _decoded(element.value, found, frames, pixel_vr=element.VR):
        is_float = found.keyword in FLOATS
        yield part if is_float else _as_colours(_meaningful(part, found, found.allocated), found, None)


def _bits(element: "DataElement", found: PixelFormat, frames: Sequence[int]) -> Iterator[np.ndarray]:
    """Frames of one bit a pixel, which follow each other without padding: most begin inside a byte.

    Source: DICOM PS3.5, 8.1.1 and 8.2 (packed bits, the first one lowest), 7.3 (16-bit words in big endian).
    """
    is_swapped = found.syntax == BIG_ENDIAN and element.VR == "OW"
    for frame in frames:
        start, end = frame * found.frame_bits, (frame + 1) * found.frame_bits
        first = start // 16 * 2  # words begin at even bytes
        packed = np.frombuffer(element.value[first : (end + 15) // 16 * 2], np.uint8)
        if is_swapped:
            packed = packed[: len(packed) // 2 * 2].reshape(-1, 2)[:, ::-1].reshape(-1)
        yield np.unpackbits(packed, bitorder="little")[start - 8 * first :][: found.frame_bits]


def _decoded(value: bytes, found: PixelFormat, frames: Sequence[int], **options: Any) -> Iterator[np.ndarray]:
    """Stored codes as pydicom's decoders give them: signs and unused bits are settled here for all."""
    from pydicom.pixels import get_decoder

    every: dict[str, Any] = {
        "number_of_frames": found.frames,
        "rows": found.rows,
        "columns": found.columns,
        "samples_per_pixel": found.samples,
        "photometric_interpretation": found.photometric,
        "planar_configuration": found.planar,
        "bits_allocated": found.allocated,
        "bits_stored": found.allocated,
        "pixel_representation": 0,
        "pixel_keyword": found.keyword,
    }
    decoder = get_decoder(found.syntax)  # type: ignore[arg-type]
    for part, _ in decoder.iter_array(value, indices=frames, raw=True, validate=False, **every | options):
        yield part


def _compressed(
    element: "DataElement", dataset: "Dataset", found: PixelFormat, frames: Sequence[int], source: Source
) -> Iterator[np.ndarray]:
    codes = _codes(element, dataset, found, source)
    for frame in frames:
        claims = None if found.syntax == RLE else _check_code(codes[frame], found, source)
        try:
            part = _decode_code(codes[frame], claims, found)
        except MemoryError:
            raise
        except Exception:  # decoders raise many kinds
            raise _damaged(source) from None
        yield _as_colours(_meaningful(part, found, claims.bits if claims else found.allocated), found, claims)


def _codes(element: "DataElement", dataset: "Dataset", found: PixelFormat, source: Source) -> list[bytes]:
    """The frames, compressed, if there are as many as stated."""
    from pydicom.encaps import generate_fragments, generate_frames

    offsets, lengths = (value_of(dataset, f"ExtendedOffsetTable{end}") for end in ("", "Lengths"))
    extended = (offsets, lengths) if offsets and lengths else None
    codes = list(generate_frames(element.value, number_of_frames=found.frames, extended_offsets=extended))
    starts = sum(part.startswith((JPEG_START, J2K_START)) for part in list(generate_fragments(element.value))[1:])
    if len(codes) < found.frames:
        raise DamagedFileError(too_few(found, source))
    if max(len(codes), starts) > found.frames:
        raise DamagedFileError(
            f"{source.label}: the DICOM file holds {max(len(codes), starts)} frames, and its header states "
            f"{found.frames}. Export it again."
        )
    return codes


def _check_code(code: bytes, found: PixelFormat, source: Source) -> Codestream:
    claims = parse_codestream(code)
    if claims is None:
        raise _damaged(source)
    if claims.shape != (found.rows, found.columns, found.samples) or claims.bits > found.allocated:
        raise DamagedFileError(
            f"{source.label}: the compressed pixels have another size or more bits than the header states. Export it "
            "again."
        )
    if not claims.is_whole:
        raise _damaged(source)
    if claims.is_hierarchical:
        raise UnsupportedImageError(f"{source.label}: hierarchical JPEG is not read here. Export it uncompressed.")
    return claims


def _damaged(source: Source) -> DamagedFileError:
    return DamagedFileError(
        f"{source.label}: the DICOM file is damaged: its compressed pixels are incomplete or cannot be decoded. Export "
        "or copy it again."
    )


def _decode_code(code: bytes, claims: Codestream | None, found: PixelFormat) -> np.ndarray:
    """One frame's codes, (Y, X) or (Y, X, 3), as unsigned integers; YCbCr stays but for JPEG.

    Raises:
        Exception: Of many kinds.
    """
    import imagecodecs
    from pydicom.encaps import encapsulate

    if found.syntax in JPEG:
        return _decode_jpeg(code, claims, found)
    if found.syntax in JPEG_LS:
        whole = code.rstrip(b"\0")
        # CharLS can take seconds to find that the end is missing.
        return np.asarray(imagecodecs.jpegls_decode(whole if whole.endswith(JPEG_END) else whole + JPEG_END))
    if found.syntax in JPEG_2000:
        part = imagecodecs.jpeg2k_decode(code)
        return part.view(f"u{part.dtype.itemsize}")
    return next(_decoded(encapsulate([code]), found, [0], number_of_frames=1, decoding_plugin="pydicom"))


def _decode_jpeg(code: bytes, claims: Codestream | None, found: PixelFormat) -> np.ndarray:
    """JPEG of any process; libjpeg says nothing of missing data, so what noise behind the scans changes is incomplete.

    Raises:
        EOFError: It is.
    """
    import imagecodecs

    spaces: dict[str, Any] = {}
    if found.samples == 3:
        is_rgb = claims.is_rgb if claims and claims.is_rgb is not None else found.photometric == "RGB"
        spaces = {"colorspace": "RGB" if is_rgb else "YCBCR", "outcolorspace": "RGB"}
    part = imagecodecs.jpeg8_decode(code, **spaces)
    if not np.array_equal(part, imagecodecs.jpeg8_decode(with_noise(code), **spaces)):
        raise EOFError
    return part


def _meaningful(codes: np.ndarray, found: PixelFormat, bits: int) -> np.ndarray:
    """The bits that count, with their sign: others may hold overlays, or the sign where it does not belong.

    Args:
        codes: Unsigned.
        found: The header's claims.
        bits: Of a code, by the codestream.
    """
    # A codestream of no more bits than count holds them alone.
    shift = found.shift if bits > found.stored else 0
    count = min(found.stored, bits - shift)
    width = found.dtype.itemsize * 8
    wide = codes.astype(f"u{found.dtype.itemsize}", copy=False)
    if count == width:
        return wide.view(found.dtype)
    return np.right_shift(np.left_shift(wide, width - count - shift).view(found.dtype), width - count)


def _as_colours(values: np.ndarray, found: PixelFormat, claims: Codestream | None) -> np.ndarray:
    """RGB where three samples are YCbCr; JPEG has become RGB already."""
    if not found.photometric.startswith("YBR_FULL") or found.syntax in JPEG or (claims and claims.is_rgb):
        return values
    from pydicom.pixels import convert_color_space

    return convert_color_space(values, "YBR_FULL", "RGB")


def parse_codestream(frame: bytes) -> Codestream | None:
    """The claims of a JPEG, JPEG-LS or JPEG 2000 codestream; None where none is found."""
    try:
        if frame.startswith(JPEG_START):
            return _parse_jpeg(frame)
        # A JP2 file wrapped around the codestream is not allowed in DICOM, but found.
        start = frame[:4096].find(J2K_START)
        return None if start < 0 else _parse_j2k(frame, start)
    except (struct.error, IndexError):
        return None


def _parse_j2k(frame: bytes, start: int) -> Codestream:
    right, bottom, left, top, *tiles = struct.unpack_from(">8I", frame, start + 8)
    samples, depth = struct.unpack_from(">HB", frame, start + 40)
    place, has_transform = start + 2, False  # a transform of colours, which decoders turn back to RGB
    while (marker := struct.unpack_from(">H", frame, place)[0]) != TILE_PART and marker >> 8 == 0xFF:
        has_transform |= marker == CODING_STYLE and frame[place + 8] == 1
        place += 2 + struct.unpack_from(">H", frame, place + 2)[0]
    across, down = (-(-(end - tiles[axis + 2]) // max(1, tiles[axis])) for axis, end in enumerate((right, bottom)))
    return Codestream(
        shape=(bottom - top, right - left, samples),
        bits=(depth & 0x7F) + 1,
        is_rgb=True if samples == 3 and has_transform else None,
        is_whole=_count_tiles(frame, place) >= across * down,
    )


def _count_tiles(frame: bytes, place: int) -> int:
    """How many different tiles there are: OpenJPEG leaves missing ones black, and says nothing."""
    found = set()
    while place + 12 <= len(frame):
        marker, _, tile, length = struct.unpack_from(">HHHI", frame, place)
        if marker != TILE_PART:
            break
        found.add(tile)
        place += length or len(frame)  # 0: up to the end
    return len(found)


def _parse_jpeg(frame: bytes) -> Codestream | None:
    """The frame header (SOF), and the markers up to the first scan that tell the colours, as libjpeg decides."""
    kind, header, is_jfif, transform = 0, b"", False, None
    for marker, content in segments(frame):
        if marker in FRAMES:
            kind, header = marker, content
        elif marker == JFIF and content.startswith(b"JFIF"):
            is_jfif = True
        elif marker == ADOBE and content.startswith(b"Adobe") and len(content) >= 12:
            transform = content[11]
    if not header:
        return None
    bits, rows, columns, samples = struct.unpack_from(">B2HB", header)
    is_rgb = True if header[6::3][:samples] in (b"RGB", b"rgb") else None
    if is_jfif or transform is not None:
        is_rgb = not is_jfif and transform == 0
    return Codestream((rows, columns, samples), bits, is_rgb if samples == 3 else None, True, kind in HIERARCHICAL)
