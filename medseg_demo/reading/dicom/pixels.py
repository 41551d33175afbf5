"""Stored values of a DICOM image, by decoders that survive damaged data.

GDCM's Python package ends the whole process on some damaged JPEG data (an assertion fails in C++), so each transfer
syntax is given to another decoder: JPEG of every kind and JPEG-LS to imagecodecs (libjpeg-turbo, CharLS), JPEG 2000 to
pylibjpeg (OpenJPEG), RLE and what is not compressed to pydicom.

Source: DICOM PS3.5, 8 (bits that count; encapsulation).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg_demo.errors import DamagedFileError, ReadError, UnsupportedImageError
from medseg_demo.reading.dicom.codestream import JPEG_END, Codestream, parse, starts_image
from medseg_demo.reading.dicom.dataset import BIG_ENDIAN
from medseg_demo.reading.dicom.elements import value_of
from medseg_demo.reading.dicom.pixel_format import (
    FLOATS,
    JPEG,
    JPEG_2000,
    JPEG_LS,
    RLE,
    PixelFormat,
    check_length,
    describe,
    too_few,
)
from medseg_demo.reading.source import Source

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.dataelem import DataElement

__all__ = ["PixelFormat", "check_length", "decode", "describe"]

TAIL = b"\xa5\x5a\x3c\xc3\x96\x69" * 40  # of no meaning: see _decode_jpeg


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
    parts = (
        _compressed(element, dataset, found, frames, source) if found.is_compressed else _native(element, found, frames)
    )
    for place, part in parts:
        values[place] = part.reshape(shape[1:])
    return values


def _native(element: "DataElement", found: PixelFormat, frames: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    from pydicom.pixels import get_decoder

    if found.allocated == 1:  # pydicom's decoder takes each frame to begin at a byte
        yield from enumerate(_bits(element, found, frames))
        return
    decoder, options = get_decoder(found.syntax), _options(found, found.frames)  # type: ignore[arg-type]
    if found.keyword == "PixelData":
        options |= {"pixel_vr": element.VR}
    for place, frame in enumerate(frames):
        part, _ = decoder.as_array(element.value, index=frame, validate=False, **options)
        if found.keyword in FLOATS:
            yield place, part
        else:
            yield place, _as_colours(_meaningful(part, found, found.allocated), found, None)


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


def _options(found: PixelFormat, frames: int) -> dict[str, Any]:
    """For pydicom's decoders: stored codes as they are, since signs and unused bits are settled here for all."""
    return {
        "raw": True,
        "number_of_frames": frames,
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


def _compressed(
    element: "DataElement", dataset: "Dataset", found: PixelFormat, frames: Sequence[int], source: Source
) -> Iterator[tuple[int, np.ndarray]]:
    places: dict[int, list[int]] = {}
    for place, frame in enumerate(frames):
        places.setdefault(frame, []).append(place)
    for index, code in enumerate(_codes(element, dataset, found, source)):
        claims = _check_code(code, found, source) if index in places else None
        for place in places.get(index, ()):
            part = _decode_code(code, claims, found, source)
            if part.size != found.rows * found.columns * found.samples:
                raise DamagedFileError(_not_the_header(source))
            bits = claims.bits if claims else found.allocated
            yield place, _as_colours(_meaningful(part, found, bits), found, claims)


def _codes(element: "DataElement", dataset: "Dataset", found: PixelFormat, source: Source) -> list[bytes]:
    """The frames, compressed, if there are as many as stated."""
    from pydicom.encaps import generate_fragments, generate_frames

    offsets, lengths = (value_of(dataset, f"ExtendedOffsetTable{end}") for end in ("", "Lengths"))
    extended = (offsets, lengths) if offsets and lengths else None
    codes = list(generate_frames(element.value, number_of_frames=found.frames, extended_offsets=extended))
    starts = sum(1 for fragment in list(generate_fragments(element.value))[1:] if starts_image(fragment))
    if len(codes) < found.frames:
        raise DamagedFileError(too_few(found, source))
    if max(len(codes), starts) > found.frames:
        raise DamagedFileError(
            f"{source.label}: the DICOM file holds {max(len(codes), starts)} frames, and its header states "
            f"{found.frames}. Export it again."
        )
    return codes


def _check_code(code: bytes, found: PixelFormat, source: Source) -> Codestream | None:
    if found.syntax == RLE:
        return None
    claims = parse(code)
    if claims is None:
        raise DamagedFileError(_incomplete(source))
    if (claims.rows, claims.columns, claims.samples) != (found.rows, found.columns, found.samples):
        raise DamagedFileError(_not_the_header(source))
    if not claims.is_whole:
        raise DamagedFileError(_incomplete(source))
    if claims.is_rare:
        raise UnsupportedImageError(
            f"{source.label}: hierarchical JPEG, a rare kind, is not read here. Export it uncompressed."
        )
    if claims.bits > found.allocated:
        raise DamagedFileError(
            f"{source.label}: the compressed pixels have {claims.bits} bits, and the header states {found.allocated}. "
            "Export it again."
        )
    return claims


def _incomplete(source: Source) -> str:
    return f"{source.label}: the DICOM file is damaged: its compressed pixels are incomplete. Export or copy it again."


def _not_the_header(source: Source) -> str:
    return f"{source.label}: the compressed pixels have another size than the header states. Export it again."


def _decode_code(code: bytes, claims: Codestream | None, found: PixelFormat, source: Source) -> np.ndarray:
    """One frame's codes, (Y, X) or (Y, X, 3), as unsigned integers; YCbCr stays but for JPEG.

    Raises:
        DamagedFileError: They cannot be decoded, or end too early.
    """
    try:
        return _decoder_of(found)(code, claims, found)
    except (ReadError, MemoryError):
        raise
    except EOFError:
        raise DamagedFileError(
            f"{source.label}: the DICOM file is damaged: its compressed pixels end too early. Export or copy it again."
        ) from None
    except Exception:  # decoders raise many kinds
        raise DamagedFileError(
            f"{source.label}: the DICOM file is damaged: its compressed pixels cannot be decoded. Export or copy it "
            "again."
        ) from None


def _decoder_of(found: PixelFormat) -> Callable[[bytes, Codestream | None, PixelFormat], np.ndarray]:
    if found.syntax in JPEG:
        return _decode_jpeg
    if found.syntax in JPEG_LS:
        return _decode_jpeg_ls
    return _decode_jpeg_2000 if found.syntax in JPEG_2000 else _decode_rle


def _decode_jpeg(code: bytes, claims: Codestream | None, found: PixelFormat) -> np.ndarray:
    """JPEG of any process: libjpeg goes on in grey where data end too early, and says nothing.

    So the frame is decoded again with more data before its end: whole data, which end there, do not change by it.

    Raises:
        EOFError: They do.
    """
    import imagecodecs

    spaces: dict[str, Any] = {}
    if found.samples == 3:
        is_rgb = claims.is_rgb if claims and claims.is_rgb is not None else found.photometric == "RGB"
        spaces = {"colorspace": "RGB" if is_rgb else "YCBCR", "outcolorspace": "RGB"}
    part = imagecodecs.jpeg8_decode(code, **spaces)
    end = code.rfind(JPEG_END)
    longer = code[: end if end > 0 else len(code)] + TAIL + JPEG_END
    if not np.array_equal(part, imagecodecs.jpeg8_decode(longer, **spaces)):
        raise EOFError
    return part


def _decode_jpeg_ls(code: bytes, claims: Codestream | None, found: PixelFormat) -> np.ndarray:
    import imagecodecs

    whole = code.rstrip(b"\0")
    # CharLS can take seconds to find that the end is missing.
    return np.asarray(imagecodecs.jpegls_decode(whole if whole.endswith(JPEG_END) else whole + JPEG_END))


def _decode_jpeg_2000(code: bytes, claims: Codestream | None, found: PixelFormat) -> np.ndarray:
    import openjpeg

    part = np.asarray(openjpeg.decode(code))
    return part.view(f"u{part.dtype.itemsize}")


def _decode_rle(code: bytes, claims: Codestream | None, found: PixelFormat) -> np.ndarray:
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder

    part, _ = get_decoder(found.syntax).as_array(  # type: ignore[arg-type]
        encapsulate([code]), index=0, validate=False, decoding_plugin="pydicom", **_options(found, 1)
    )
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
