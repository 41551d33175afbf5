"""The values of a TIFF's pages, decoded by tifffile and imagecodecs from directories that were checked before."""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.image import Geometry
from medseg_demo.reading.intensities import OVER_BLACK
from medseg_demo.reading.picture import jpeg, turn, webp_size
from medseg_demo.reading.raw import Layout, Raw, Samples
from medseg_demo.reading.source import Source
from medseg_demo.reading.tiff.directories import Directory
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
)

if TYPE_CHECKING:
    pass

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
    page = content.page
    array = _decode(source, content, layout, volumes)
    array = turn(array, page.orientation, first=array.ndim - 3)
    samples, notes = content.samples, content.planes.notes
    names: tuple[str, ...] = ()
    image_notes: tuple[str, ...] = ()
    if len(volumes) > 1:
        names = tuple(layout.volume_names[volume] for volume in volumes)
        samples = "channels"
    elif content.opacity:
        array, samples, image_notes = _opacity(array, content, source)
    polarity = _polarity(page) if page.photometric == MIN_IS_WHITE else None
    if polarity is not None and page.sample_format == FLOAT:
        image_notes = (*image_notes, FLOATS_TURNED)
    is_volume = len(layout.shape) == 3
    array = array if is_volume else array[0]
    array = array[..., 0] if samples == "one" else array
    return Raw(
        array=array,
        axes=("ZYX" if samples == "one" else "ZYXC") if is_volume else ("YX" if samples == "one" else "YXC"),
        file_format="TIFF",
        bit_depth=page.bits,
        samples=samples,
        channel_names=names,
        geometry=_geometry(content, is_volume=is_volume),
        polarity=polarity,
        palette=_palette(page),
        notes=notes,
        image_notes=image_notes,
    )


def _decode(source: Source, content: Content, layout: Layout, volumes: Sequence[int]) -> np.ndarray:
    """(Z, Y, X, samples or volumes), not yet turned."""
    page, each = content.page, len(content.sample_names) or 1
    wanted: dict[int, list[tuple[int, int]]] = {}
    for place, volume in enumerate(volumes):
        wanted.setdefault(volume // each, []).append((place, volume % each))
    width = layout.samples if len(volumes) == 1 else len(volumes)
    slices = content.planes.order.shape[1] * page.depth
    array = np.empty((slices, page.height, page.width, width), layout.dtype)
    with _pages(source, content) as decoded:
        for outer, places in wanted.items():
            for index, plane in enumerate(content.planes.order[outer].tolist()):
                values = decoded(plane)
                part = array[index * page.depth : (index + 1) * page.depth]
                if content.sample_names or layout.samples == 1:
                    for place, sample in places:
                        part[..., place] = values[..., sample]
                else:
                    part[...] = _from_cmyk(values, page.bits) if page.photometric == CMYK else values
    return array


@contextmanager
def _pages(source: Source, content: Content) -> Iterator[Callable[[int], np.ndarray]]:
    """A function that gives the values of a plane, (depth, Y, X, samples)."""
    import tifffile

    # It would print what it mends, with parts of the file, on the error stream; what is read was checked before.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    source.file.seek(0)  # where it takes the TIFF to begin
    with tifffile.TiffFile(source.file, name="image.tif", _multifile=False, is_scanimage=False) as file:

        def page(number: int) -> np.ndarray:
            directory = content.pages[number]
            if directory.is_plain:
                return _plain(source, directory, directory.data_offset)
            file.filehandle.seek(directory.offset)
            found = tifffile.TiffPage(file, number)
            if directory.compression in (JPEG, PNG, WEBP, *JPEG_2000, *FAX):
                found.decode = _checked(found.decode, directory, source)
            return _channels_last(found.asarray(squeeze=False), directory)

        def plane(number: int) -> np.ndarray:
            directory = content.pages[0]
            return _plain(source, directory, directory.data_offset + number * directory.values * directory.bits // 8)

        yield plane if content.planes.is_contiguous else page


def _plain(source: Source, page: Directory, place: int) -> np.ndarray:
    """The values of a page that lie in one piece, not compressed: tifffile takes its time over a page's other tags."""
    separate, together = (page.samples, 1) if page.planar else (1, page.samples)
    letter = {FLOAT: "f", SIGNED: "i"}.get(page.sample_format, "u")
    kind = np.dtype(f"{'<' if page.is_little else '>'}{letter}{page.bits // 8}")
    source.file.seek(place)
    values = np.frombuffer(source.file.read(page.values * kind.itemsize), kind)
    return _channels_last(values.reshape(separate, page.depth, page.height, page.width, together), page)


def _channels_last(values: np.ndarray, page: Directory) -> np.ndarray:
    """(depth, Y, X, samples) from tifffile's (planes, depth, Y, X, samples)."""
    expected = (page.depth, page.height, page.width)
    if values.ndim != 5 or values.shape[1:4] != expected:
        raise EOFError
    return np.moveaxis(values[..., 0], 0, -1) if page.planar else values[0]


def _checked(decode: Callable[..., Any], page: Directory, source: Source) -> Callable[..., Any]:
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


def _check_segment(data: bytes, page: Directory, source: Source) -> None:
    """Refuse a strip or tile whose own header claims more than its page has, before it is decoded."""
    rows, columns, samples = page.tile
    if page.compression == JPEG:
        *claimed, bits = jpeg.read_frame(data, source)
    elif page.compression == PNG:
        claimed = (int.from_bytes(data[20:24]), int.from_bytes(data[16:20]), samples)
        bits = data[24] if len(data) > 24 else 0
    elif page.compression == WEBP:
        claimed, bits = (*webp_size(data[:64], source), samples), 8
    else:
        start = data.find(b"\xff\x4f\xff\x51")
        fields = np.frombuffer(data[start + 8 : start + 40], ">u4")
        if start < 0 or len(fields) < 8:
            raise EOFError
        width, height, left, top = (int(value) for value in fields[:4])
        claimed = (height - top, width - left, int.from_bytes(data[start + 40 : start + 42]))
        bits = (data[start + 42] & 127) + 1
    if page.compression in JPEG_2000 and bits != page.bits:
        raise UnsupportedImageError(
            f"{source.label}: its JPEG 2000 data have {bits} bits and its page says {page.bits}, which is not read "
            "here. Save it with another compression."
        )
    if claimed[0] > rows or claimed[1] > columns or claimed[2] != samples or bits != page.bits:
        raise DamagedFileError(
            f"{source.label}: the TIFF file is damaged: a strip or tile says of itself that it has {claimed[1]} × "
            f"{claimed[0]} pixels of {claimed[2]} samples and {bits} bits, and its page says {columns} × {rows} of "
            f"{samples} and {page.bits}. Export it again."
        )


def _with_fax_noise(data: bytes, page: Directory) -> bytes:
    """Fax data with noise in place of their end mark: rows that are missing are filled with white otherwise."""
    order: Literal["little", "big"] = "little" if page.is_bit_reversed else "big"
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


def _opacity(array: np.ndarray, content: Content, source: Source) -> tuple[np.ndarray, Samples, tuple[str, ...]]:
    """The samples as ``Raw`` wants them: opacity to the greatest value of the type, none where it is multiplied in."""
    page, alpha = content.page, array[..., -1]
    full = 1.0 if page.sample_format == FLOAT else int(np.iinfo(array.dtype).max)
    stored = full if page.sample_format in (FLOAT, SIGNED) else 2**page.bits - 1
    is_opaque = bool((alpha >= stored).all())
    if page.photometric == MIN_IS_WHITE and not is_opaque:
        raise UnsupportedImageError(
            f"{source.label}: it is partly transparent, and white is its least value (MinIsWhite). "
            "Save it without opacity."
        )
    if content.opacity == ASSOCIATED and (is_opaque or alpha.any()):
        # Its colours are multiplied with it: they lie on black already.
        colour: Samples = "colour" if array.shape[-1] == 4 else "one"
        return array[..., :-1], colour, () if is_opaque else (OVER_BLACK,)
    if stored != full:
        array = array.copy()
        array[..., -1] = np.rint(alpha * (full / stored)).astype(array.dtype)
    return array, content.samples, ()


def _polarity(page: Directory) -> float:
    if page.sample_format == FLOAT:
        return 0.0
    return -1 if page.sample_format == SIGNED else 2**page.bits - 1


def _palette(page: Directory) -> np.ndarray | None:
    """(N, 3) uint8 colours. Some programs write 8 bits where the standard has 16."""
    if page.photometric != PALETTE or page.colour_map is None:
        return None
    colours = page.colour_map.T
    return (colours if colours.max() < 256 else colours >> 8).astype(np.uint8)


def _geometry(content: Content, *, is_volume: bool) -> Geometry:
    z, y, x = content.planes.spacing_mm
    if content.page.orientation > 4:
        y, x = x, y
    found = (z, y, x) if is_volume else (y, x)
    known = tuple(size for size in found if size is not None)
    return Geometry(known if len(known) == len(found) else None)
