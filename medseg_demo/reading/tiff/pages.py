"""The pages of a TIFF, found and checked before and after tifffile parses their tags.

tifffile mends what contradicts itself (too few strips, a byte count that does not fit, a chain of directories that
leads back to itself) and loads tags of any length. So the chain is walked here first, which bounds what is loaded; and
what tifffile makes of each directory is compared with the file's length and the limits.

Source: TIFF 6.0 (Adobe, 1992); BigTIFF (libtiff, 2007); TIFF Technical Note 1 (SubIFDs are pyramids, never pages).
"""

import logging
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, UnsupportedImageError
from medseg_demo.reading.picture import read_at
from medseg_demo.reading.source import MIB, Source, check_bytes, check_size

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

MOST_DIRECTORIES, MOST_ENTRIES, MOST_SEGMENTS, MOST_VALUES = 100_000, 4_096, 2**22, 2**18
MOST_TAG_BYTES, MOST_TEXT_BYTES = 1024 * MIB, 16 * MIB
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
TEXTS = (1, 2, 7)  # types that tifffile keeps as bytes
PHOTOMETRIC, DESCRIPTION, ORIENTATION, COLOUR_MAP, INK_SET = 262, 270, 274, 320, 332
OFFSETS, COUNTS, TILE_WIDTH, JPEG_TABLES = (324, 273), (325, 279), 322, 347
# What says how pixels are stored, and may neither lie beyond the file's end nor be of an unknown type.
READ = {254, 255, 256, 257, 258, 259, 262, 266, 270, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324}
READ |= {325, 332, 338, 339, 347, 530, 32997, 32998}
LOADED = READ | {282, 283, 305, 330, 513, 514, 42113, 50838, 50839}  # by tifffile, whether it is asked for them or not
# What some makers call several pages or planes stands in tags of their own, which are not read here.
MAKERS = {
    33628: "MetaMorph (STK)",
    34412: "Zeiss LSM",
    34361: "Olympus FluoView",
    34362: "Olympus FluoView",
    33445: "Molecular Dynamics GEL",
    65420: "Hamamatsu NDPI",
    50706: "a camera's raw data (DNG)",
}
REDUCED, MASK = 1, 4
SAVE_ANEW = "Save it anew with the program that it comes from"


@dataclass(frozen=True, slots=True)
class Page:
    """One page, as far as it is told from others.

    Attributes:
        offset: Where its directory starts in the file.
        kind: What pages have in common that are slices of one volume: (samples or 1, depth, Y, X, samples or 1), bits,
            sample format, photometric interpretation, extra samples, orientation, ink set, colours.
        is_reduced: Whether it is a smaller copy of another page, or a mask.
        descriptions: The texts of its ImageDescription tags.
        start: Where its values lie in one piece, not compressed and in whole bytes; 0 where they do not.
        resolution: Pixels a unit along x and y; None where one is missing or 0.
    """

    offset: int
    kind: tuple[Any, ...]
    is_reduced: bool
    descriptions: tuple[str, ...]
    start: int
    resolution: tuple[float, float] | None

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """(samples or 1, depth, Y, X, samples or 1)."""
        return self.kind[0]

    @property
    def samples(self) -> int:
        """Values a pixel."""
        return self.shape[0] * self.shape[4]

    @property
    def size(self) -> int:
        """Bytes of its values, where they are not compressed."""
        return math.prod(self.shape) * self.kind[1] // 8


@contextmanager
def open_tiff(source: Source) -> Iterator["TiffFile"]:
    """The file for tifffile, of one that was checked by ``read_pages``."""
    import tifffile

    # It would print what it mends, with parts of the file, on the error stream.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    source.file.seek(0)  # where it takes the TIFF to begin
    with tifffile.TiffFile(source.file, name="image.tif", _multifile=False, is_scanimage=False) as file:
        yield file


def parse_page(file: "TiffFile", offset: int) -> "TiffPage":
    """The tags of the directory at an offset."""
    import tifffile

    file.filehandle.seek(offset)
    return tifffile.TiffPage(file, 0)


def read_pages(source: Source) -> tuple[Page, ...]:
    """All pages of the file's chain of directories, in their order.

    Raises:
        DamagedFileError: They end too early, contradict themselves, or lead back to one another.
        UnsupportedImageError: A layout that is not read here.
        ImageTooLargeError: There are too many, or one claims too much.
    """
    offsets = _walk(source)
    kinds: dict[Any, Any] = {}  # each once, however many pages there are
    pages, texts = [], 0
    with open_tiff(source) as file:
        for offset in offsets:
            page = parse_page(file, offset)
            check_page(page, source)
            found = describe(page) if texts < MOST_TEXT_BYTES else ()  # what the first pages say is enough
            texts += sum(map(len, found))
            kind = _kind(page)
            pages.append(
                Page(
                    offset=offset,
                    kind=kinds.setdefault(kind, kind),
                    is_reduced=bool(page.subfiletype & (REDUCED | MASK)),
                    descriptions=kinds.setdefault(found, found),
                    start=page.dataoffsets[0] if page.is_final and TILE_WIDTH not in page.tags else 0,
                    resolution=_resolution(page),
                )
            )
    return tuple(pages)


def _walk(source: Source) -> dict[int, None]:
    """Where the directories lie, in their order, once it is sure how much of each would be loaded."""
    head = source.head
    order, is_big = "<" if head.startswith(b"II") else ">", b"+" in head[2:4]
    header, inline, step, letter = (8, 8, 20, "Q") if is_big else (2, 4, 12, "I")

    def number(place: int, size: int) -> int:
        return int.from_bytes(read_at(source, place, size), "little" if order == "<" else "big")

    found: dict[int, None] = {}
    loaded, offset = 0, number(inline, inline)
    while offset:
        if offset in found:
            raise damaged(source, "its chain of TIFF directories leads back to itself")
        if len(found) == MOST_DIRECTORIES:
            raise ImageTooLargeError(
                f"{source.label}: it has more than {MOST_DIRECTORIES:,} TIFF directories. Save fewer pages a file."
            )
        found[offset] = None
        count = number(offset, header)
        if count > MOST_ENTRIES:
            raise damaged(source, f"one of its TIFF directories claims {count} entries")
        entries = read_at(source, offset + header, count * step)
        for entry in struct.iter_unpack(f"{order}HH{letter}{inline}s", entries):
            loaded += _check_entry(entry, order + letter, source)
        if loaded > MOST_TAG_BYTES:
            raise ImageTooLargeError(
                f"{source.label}: its TIFF tags claim more than {MOST_TAG_BYTES // MIB} MiB. Save the pixels anew."
            )
        offset = number(offset + header + count * step, inline)
    if not found:
        raise damaged(source, "it has no TIFF directory")
    return found


def _check_entry(entry: tuple[int, int, int, bytes], form: str, source: Source) -> int:
    """Refuse a tag that is not read here or claims too much; how many bytes lie outside of its directory."""
    tag, kind, count, value = entry
    if tag in MAKERS:
        raise refused(
            source, f"it is written by {MAKERS[tag]}, whose own tags are not read here", "Export it as OME-TIFF"
        )
    size = count * SIZES.get(kind, 0)
    if tag == DESCRIPTION and count > MOST_TEXT_BYTES:
        raise ImageTooLargeError(
            f"{source.label}: its description has {count / MIB:.0f} MiB, and at most {MOST_TEXT_BYTES // MIB} MiB are "
            "read. Save the pixels anew."
        )
    most = MOST_SEGMENTS if tag in (*OFFSETS, *COUNTS) else MOST_VALUES
    is_wrong = not size or (kind in TEXTS and tag not in (DESCRIPTION, JPEG_TABLES))
    if (tag in READ and is_wrong) or (tag in LOADED and kind not in TEXTS and most < count <= source.size):
        raise damaged(source, f"its TIFF tag {tag} holds {count} values of type {kind}")
    if size <= len(value) or tag not in LOADED:
        return 0
    place = struct.unpack(form, value)[0]
    if tag in READ and not 8 <= place <= source.size - size:  # tifffile would do without
        raise EOFError
    return size


def check_page(page: "TiffPage", source: Source) -> None:
    """Compare what a page claims with the limits, and with what its strips or tiles hold.

    Raises:
        DamagedFileError: It contradicts itself or the file's length.
        UnsupportedImageError: Its samples are of different kinds, or parts of it are not stored.
        ImageTooLargeError: It claims too much.
    """
    tags = (page.tags.valueof(tag, 1) for tag in (PHOTOMETRIC, ORIENTATION, INK_SET))
    own = (page.compression, page.planarconfig, page.sampleformat, page.fillorder, page.predictor)
    if not all(isinstance(value, int) for value in (*tags, *own, *page.shaped)):
        raise damaged(source, "a tag of one whole number holds something else")
    planes, depth, height, width, _ = page.shaped
    if min(*page.shaped, page.samplesperpixel) < 1:
        raise damaged(
            source, f"a TIFF page claims {width} × {height} × {depth} pixels of {page.samplesperpixel} samples"
        )
    check_size((depth, height, width) if depth > 1 else (height, width), source)
    bits = page.bitspersample
    if isinstance(bits, tuple):
        stated = ", ".join(map(str, bits[:6]))
        raise refused(source, f"its samples are of different kinds ({stated} bits)", "Save all with the same bits")
    tile = tile_shape(page)
    if min(tile) < 1:
        raise damaged(source, f"it claims strips or tiles of {tile[2]} × {tile[1]} pixels")
    check_bytes(max(math.prod(page.shaped), math.prod(tile)) * max(1, bits // 8), source)
    expected = planes * math.prod(-(-size // part) for size, part in zip((depth, height, width), tile[:3], strict=True))
    if expected > MOST_SEGMENTS:
        raise ImageTooLargeError(
            f"{source.label}: a page has {expected:,} strips or tiles, at most {MOST_SEGMENTS:,} are read. "
            "Save it with larger ones."
        )
    starts, counts = page.dataoffsets, page.databytecounts
    if not any(tag in page.tags for tag in COUNTS) and (page.compression != 1 or expected > 1):
        counts = ()  # those that tifffile makes up
    if len(starts) < expected or len(counts) < expected:
        held = min(len(starts), len(counts))
        raise damaged(source, f"a TIFF page needs {expected} strips or tiles and lists {held}")
    segments = list(zip(starts[:expected], counts[:expected], strict=True))
    missing = sum(not start or not count for start, count in segments)
    if missing:
        raise refused(source, f"{missing} of {expected} strips or tiles are missing (a sparse TIFF)", "Save it whole")
    if any(start + count > source.size for start, count in segments):
        raise damaged(source, "its pixels are said to be beyond the end of the file")
    needed, held = math.prod(page.shaped) * bits // 8, sum(counts[:expected])
    if page.compression == 1 and bits % 8 == 0 and held < needed:
        raise damaged(source, f"a page needs {needed} bytes, and its strips or tiles have {held}")


def tile_shape(page: "TiffPage") -> tuple[int, int, int, int]:
    """(depth, rows, columns, samples) of one strip or tile."""
    samples = page.shaped[4]
    if TILE_WIDTH in page.tags:
        return page.tiledepth, page.tilelength, page.tilewidth, samples
    return 1, page.rowsperstrip, page.imagewidth, samples


def describe(page: "TiffPage") -> tuple[str, ...]:
    """The texts of a page's ImageDescription tags."""
    values = (tag.value for tag in page.tags.getall(DESCRIPTION) or ())
    texts = (value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values)
    return tuple(text.split("\0", 1)[0].strip() for text in texts if isinstance(text, str))


def orientation(page: "TiffPage") -> int:
    """1 to 8."""
    found: int = page.tags.valueof(ORIENTATION, 1)
    return found if 1 <= found <= 8 else 1


def _kind(page: "TiffPage") -> tuple[Any, ...]:
    colours = page.tags.valueof(COLOUR_MAP)
    own = (page.shaped, page.bitspersample, page.sampleformat, page.tags.valueof(PHOTOMETRIC), page.extrasamples)
    return (*own, orientation(page), page.tags.valueof(INK_SET), None if colours is None else colours.tobytes())


def _resolution(page: "TiffPage") -> tuple[float, float] | None:
    found = [page.tags.valueof(tag) for tag in (282, 283)]
    if not all(isinstance(each, tuple) and len(each) == 2 and min(each) > 0 for each in found):
        return None
    return found[0][0] / found[0][1], found[1][0] / found[1][1]


def refused(source: Source, reason: str, advice: str = SAVE_ANEW) -> UnsupportedImageError:
    """The error of a layout that is not read here: what, where, what to do."""
    return UnsupportedImageError(f"{source.label}: {reason}. {advice}.")


def damaged(source: Source, reason: str) -> DamagedFileError:
    """The error of a file whose parts are missing or contradict each other."""
    return DamagedFileError(f"{source.label}: the TIFF file is damaged: {reason}. Export or copy it again.")
