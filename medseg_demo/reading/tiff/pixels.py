"""The values of a TIFF's pages, decoded by tifffile and imagecodecs from directories that were checked before."""

import re
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from medseg_demo.image import Geometry
from medseg_demo.reading.intensities import OVER_BLACK
from medseg_demo.reading.picture import jpeg, turn, webp_size
from medseg_demo.reading.raw import Layout, Raw, Samples
from medseg_demo.reading.source import Source
from medseg_demo.reading.tiff.layout import (
    ASSOCIATED,
    CMYK,
    FAX,
    FLOAT,
    JPEG,
    JPEG_2000,
    MIN_IS_WHITE,
    PALETTE,
    SIGNED,
    Content,
    palette,
)
from medseg_demo.reading.tiff.pages import PHOTOMETRIC, damaged, open_tiff, orientation, parse_page, refused, tile_shape

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

PNG, WEBP = 34933, 50001
# The end of a block: two or more ends of line (T.4, T.6), the bits that fill the last byte behind them.
FAX_END = re.compile(r"(0{11,}1[01]?){2,}0*$")
FAX_END_BYTES = 32
FLOATS_TURNED = "White is the least value in the file: the sign of its floating-point numbers was turned."


def read(source: Source, layout: Layout, volumes: Sequence[int]) -> Raw:
    """The values of one volume, or of several as channels, as they are stored.

    Raises:
        DamagedFileError: Data are missing or cannot be unpacked.
        UnsupportedImageError: The data are of another kind than the tags say.
    """
    content: Content = layout.header
    with open_tiff(source) as file:
        page = parse_page(file, content.offset)
        array = _decode(file, page, layout, volumes, source)
        colours = palette(page) if page.photometric == PALETTE else None
    array = turn(array, orientation(page), first=array.ndim - 3)
    samples: Samples = content.samples
    names: tuple[str, ...] = ()
    image_notes: tuple[str, ...] = ()
    if len(volumes) > 1:
        names = tuple(layout.volume_names[volume] for volume in volumes)
        samples = "channels"
    elif content.opacity:
        array, samples, image_notes = _opacity(array, page, content, source)
    is_white_least, is_float = page.tags.valueof(PHOTOMETRIC) == MIN_IS_WHITE, page.sampleformat == FLOAT
    whole = {FLOAT: 0.0, SIGNED: -1}.get(page.sampleformat, 2**page.bitspersample - 1)
    is_volume = len(layout.shape) == 3
    array = array if is_volume else array[0]
    return Raw(
        array=array[..., 0] if samples == "one" else array,
        axes=("ZYX" if samples == "one" else "ZYXC") if is_volume else ("YX" if samples == "one" else "YXC"),
        file_format="TIFF",
        bit_depth=page.bitspersample,
        samples=samples,
        channel_names=names,
        geometry=_geometry(content, is_turned=orientation(page) > 4, is_volume=is_volume),
        polarity=whole if is_white_least else None,
        palette=colours,
        notes=content.planes.notes,
        image_notes=(*image_notes, FLOATS_TURNED) if is_white_least and is_float else image_notes,
    )


def _decode(file: "TiffFile", page: "TiffPage", layout: Layout, volumes: Sequence[int], source: Source) -> np.ndarray:
    """(Z, Y, X, samples or volumes), not yet turned."""
    content: Content = layout.header
    each, depth = len(content.sample_names) or 1, page.imagedepth
    wanted: dict[int, list[tuple[int, int]]] = {}
    for place, volume in enumerate(volumes):
        wanted.setdefault(volume // each, []).append((place, volume % each))
    width = layout.samples if len(volumes) == 1 else len(volumes)
    slices = content.places.shape[1] * depth
    array = np.empty((slices, page.imagelength, page.imagewidth, width), layout.dtype)
    for outer, samples in wanted.items():
        for index, offset in enumerate(content.places[outer].tolist()):
            values = _values(file, page, offset, source, is_plain=content.is_plain)
            part = array[index * depth : (index + 1) * depth]
            if content.sample_names or layout.samples == 1:
                for place, sample in samples:
                    part[..., place] = values[..., sample]
            else:
                part[...] = _from_cmyk(values, page.bitspersample) if page.photometric == CMYK else values
    return array


def _values(file: "TiffFile", page: "TiffPage", offset: int, source: Source, *, is_plain: bool) -> np.ndarray:
    """(depth, Y, X, samples) of the directory at an offset, or of the values there."""
    if is_plain:
        kind = np.dtype(page.dtype).newbyteorder(file.byteorder)
        source.file.seek(offset)
        values = np.frombuffer(source.file.read(page.nbytes), kind).reshape(page.shaped)
    else:
        page = parse_page(file, offset)
        if page.compression in (JPEG, PNG, WEBP, *JPEG_2000, *FAX):
            page.decode = _checked(page.decode, page, source)
        values = page.asarray(squeeze=False)
        if values.shape != page.shaped:
            raise EOFError
    return np.moveaxis(values[..., 0], 0, -1) if page.shaped[0] > 1 else values[0]


def _checked(decode: Callable[..., Any], page: "TiffPage", source: Source) -> Callable[..., Any]:
    """A decoder of strips or tiles that looks at the size in their own headers first, and for missing data."""

    def checked(data: bytes | None, index: int, **options: Any) -> Any:
        if data is None:
            raise EOFError
        if page.compression not in FAX:
            _check_segment(data, page, source)
        found = decode(data, index, **options)
        if page.compression in (JPEG, *FAX):
            noisy = jpeg.with_noise(data) if page.compression == JPEG else _with_fax_noise(data, page)
            if not np.array_equal(found[0], decode(noisy, index, **options)[0]):
                raise jpeg.incomplete(source, "JPEG" if page.compression == JPEG else "fax")
        return found

    return checked


def _check_segment(data: bytes, page: "TiffPage", source: Source) -> None:
    """Refuse a strip or tile whose own header claims more than its page has, before it is decoded."""
    _, rows, columns, samples = tile_shape(page)
    if page.compression == JPEG:
        claimed = jpeg.read_frame(data, source)
    elif page.compression == PNG:
        claimed = int.from_bytes(data[20:24]), int.from_bytes(data[16:20]), samples, int.from_bytes(data[24:25])
    elif page.compression == WEBP:
        claimed = (*webp_size(data[:64], source), samples, 8)
    else:
        head = data[data.find(b"\xff\x4f\xff\x51") :][:43]
        width, height, left, top = struct.unpack_from(">4I", head, 8)
        claimed = height - top, width - left, int.from_bytes(head[40:42]), (head[42] & 127) + 1
        if claimed[3] != page.bitspersample:
            raise refused(source, f"its JPEG 2000 data have {claimed[3]} bits and its page says {page.bitspersample}")
    if claimed[0] > rows or claimed[1] > columns or claimed[2:] != (samples, page.bitspersample):
        raise damaged(
            source,
            f"a strip or tile says of itself that it has {claimed[1]} × {claimed[0]} pixels of {claimed[2]} samples "
            f"and {claimed[3]} bits, and its page says {columns} × {rows} of {samples} and {page.bitspersample}",
        )


def _with_fax_noise(data: bytes, page: "TiffPage") -> bytes:
    """Fax data with noise in place of their end mark: rows that are missing are filled with white otherwise."""
    order: Literal["little", "big"] = "little" if page.fillorder == 2 else "big"
    bits = np.unpackbits(np.frombuffer(data[-FAX_END_BYTES:], np.uint8), bitorder=order)
    text = "".join(map(str, bits.tolist()))
    end = FAX_END.search(text)
    kept = text[: end.start()] if end else text
    tail = [int(bit) for bit in kept] + np.unpackbits(np.frombuffer(jpeg.NOISE, np.uint8)).tolist()
    return data[:-FAX_END_BYTES] + np.packbits(tail, bitorder=order).tobytes()


def _from_cmyk(values: np.ndarray, bits: int) -> np.ndarray:
    """Colours of printing inks, as Pillow mixes them: each ink and black take their share of the light."""
    full = 2.0**bits - 1
    ink = values.astype(np.float64) / full
    light = (1 - ink[..., :3]) * (1 - ink[..., 3:])
    return np.rint(light * full).astype(values.dtype)


def _opacity(
    array: np.ndarray, page: "TiffPage", content: Content, source: Source
) -> tuple[np.ndarray, Samples, tuple[str, ...]]:
    """The samples as ``Raw`` wants them: opacity to the greatest value of the type, none where it is multiplied in."""
    alpha = array[..., -1]
    full = 1.0 if page.sampleformat == FLOAT else int(np.iinfo(array.dtype).max)
    stored = full if page.sampleformat in (FLOAT, SIGNED) else 2**page.bitspersample - 1
    is_opaque = bool((alpha >= stored).all())
    if page.tags.valueof(PHOTOMETRIC) == MIN_IS_WHITE and not is_opaque:
        reason = "it is partly transparent, and white is its least value (MinIsWhite)"
        raise refused(source, reason, "Save it without opacity")
    if content.opacity == ASSOCIATED and (is_opaque or alpha.any()):
        # Its colours are multiplied with it: they lie on black already.
        colour: Samples = "colour" if array.shape[-1] == 4 else "one"
        return array[..., :-1], colour, () if is_opaque else (OVER_BLACK,)
    if stored != full:
        array = array.copy()
        array[..., -1] = np.rint(alpha * (full / stored)).astype(array.dtype)
    return array, content.samples, ()


def _geometry(content: Content, *, is_turned: bool, is_volume: bool) -> Geometry:
    z, y, x = content.planes.spacing_mm
    if is_turned:
        y, x = x, y
    found = (z, y, x) if is_volume else (y, x)
    known = tuple(size for size in found if size is not None)
    return Geometry(known if len(known) == len(found) else None)
