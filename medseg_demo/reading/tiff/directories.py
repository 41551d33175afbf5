"""The directories of a TIFF, read and checked before any library sees the file.

tifffile mends what contradicts itself (too few strips, a byte count that does not fit, a chain of directories that
leads back to itself) and reads every tag of any length at once. Here each claim is compared with the file's length and
the limits first, and what does not fit is refused.

Source: TIFF 6.0 (Adobe, 1992); BigTIFF (libtiff, 2007); TIFF Technical Note 1 (SubIFDs are pyramids, never pages).
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, UnsupportedImageError
from medseg_demo.reading.source import MIB, Source, check_bytes, check_size

MOST_DIRECTORIES, MOST_ENTRIES, MOST_SEGMENTS, MOST_VALUES = 100_000, 4_096, 2**22, 2**18
MOST_TAG_BYTES, MOST_TEXT_BYTES = 1024 * MIB, 16 * MIB
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
INTEGERS = {1: "u1", 3: "u2", 4: "u4", 6: "i1", 8: "i2", 9: "i4", 13: "u4", 16: "u8", 17: "i8", 18: "u8"}
ASCII, RATIONAL = 2, 5

SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
DESCRIPTION, STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP, STRIP_COUNTS = 270, 273, 274, 277, 278, 279
X_RESOLUTION, Y_RESOLUTION, PLANAR, COLOUR_MAP = 282, 283, 284, 320
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS, INK_SET, EXTRA_SAMPLES, SAMPLE_FORMAT = (
    322,
    323,
    324,
    325,
    332,
    338,
    339,
)
DEPTH, TILE_DEPTH, PREDICTOR, FILL_ORDER = 32997, 32998, 317, 266
REDUCED, MASK = 1, 4

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


@dataclass(frozen=True, eq=False)
class Directory:
    """One page, as its tags say.

    Attributes:
        offset: Where the directory starts in the file.
        width: In pixels, as ``height`` and, for volumes inside one directory (SGI), ``depth``.
        bits: Of one sample; all have the same.
        sample_format: 1 unsigned, 2 signed, 3 floating point, 4 not said.
        samples: Values a pixel.
        planar: Whether each sample has a plane of its own.
        photometric: PhotometricInterpretation; None where the tag is missing.
        extra_samples: 0 not said, 1 associated and 2 unassociated opacity.
        orientation: 1 to 8.
        compression: Its code.
        is_little: Whether the file's byte order is little-endian.
        is_bit_reversed: Whether the first pixel of a byte is its lowest bit (FillOrder 2).
        is_reduced: Whether it is a smaller copy of another page, or a mask.
        is_plain: Whether its values lie in one piece, not compressed and in whole bytes, from ``data_offset`` on.
        data_offset: Where the first strip or tile starts.
        tile: Rows and columns of one strip or tile, and its samples.
        ink_set: Of CMYK, 1.
        colour_map: (3, 2 ** bits) uint16; None where there is none.
        descriptions: The texts of its ImageDescription tags.
        resolution: Pixels a unit along x and y; None where one is missing or 0.
        maker: Whose tags say what pages and planes are, if any.
    """

    offset: int
    width: int
    height: int
    depth: int
    bits: int
    sample_format: int
    samples: int
    planar: bool
    photometric: int | None
    extra_samples: tuple[int, ...]
    orientation: int
    compression: int
    is_little: bool
    is_bit_reversed: bool
    is_reduced: bool
    is_plain: bool
    data_offset: int
    tile: tuple[int, int, int]
    ink_set: int
    colour_map: np.ndarray | None
    descriptions: tuple[str, ...]
    resolution: tuple[float, float] | None
    maker: str | None

    @property
    def values(self) -> int:
        """How many values it holds."""
        return self.width * self.height * self.depth * self.samples

    @property
    def kind(self) -> tuple[object, ...]:
        """What pages have in common that are slices of one volume."""
        colours = None if self.colour_map is None else self.colour_map.tobytes()
        own = (self.width, self.height, self.depth, self.bits, self.sample_format, self.samples, self.planar)
        return (*own, self.photometric, self.extra_samples, self.orientation, self.ink_set, colours)


def read_directories(source: Source) -> tuple[Directory, ...]:
    """All directories of the file's chain, in their order.

    Raises:
        DamagedFileError: They end too early, contradict themselves, or lead back to one another.
        UnsupportedImageError: A layout that is not read here.
        ImageTooLargeError: There are too many, or one claims too much.
    """
    chain = _Chain(source)
    found: list[Directory] = []
    for offset, entries in chain:
        if len(found) == MOST_DIRECTORIES:
            raise ImageTooLargeError(
                f"{source.label}: it has more than {MOST_DIRECTORIES:,} TIFF directories. Save fewer pages a file."
            )
        found.append(_Tags(chain, offset, entries).directory())
    if not found:
        raise _damaged(source, "it has no TIFF directory")
    return tuple(found)


class _Chain:
    """The chain of directories: each once, as the entries that its bytes hold."""

    def __init__(self, source: Source) -> None:
        self.source, self.tag_bytes, self.text_bytes = source, 0, 0
        head = source.head
        self.order = "<" if head.startswith(b"II") else ">"
        self.is_big = head[2:4] in (b"\0+", b"+\0")
        if self.is_big and struct.unpack_from(f"{self.order}HH", head.ljust(8, b"\0"), 4) != (8, 0):
            raise _damaged(source, "its BigTIFF header does not have offsets of 8 bytes")
        self.inline = 8 if self.is_big else 4
        self.first = self._number(self.read(self.inline, self.inline))

    def __iter__(self) -> Iterator[tuple[int, list[tuple[int, int, int, int]]]]:
        offset, seen = self.first, set()
        while offset:
            if offset in seen:
                raise _damaged(self.source, "its chain of TIFF directories leads back to itself")
            seen.add(offset)
            entries, following = self._entries(offset)
            yield offset, entries
            offset = following

    def read(self, offset: int, size: int) -> bytes:
        """So many bytes of the file.

        Raises:
            EOFError: It is shorter.
        """
        if offset + size > self.source.size:
            raise EOFError
        self.source.file.seek(offset)
        content = self.source.file.read(size)
        if len(content) < size:
            raise EOFError
        return content

    def _number(self, content: bytes) -> int:
        return int.from_bytes(content, "little" if self.order == "<" else "big")

    def _entries(self, offset: int) -> tuple[list[tuple[int, int, int, int]], int]:
        """(tag, type, count, place of its values) of each entry, and where the next directory starts."""
        head, step = (8, 20) if self.is_big else (2, 12)
        count = self._number(self.read(offset, head))
        if count > MOST_ENTRIES:
            raise _damaged(self.source, f"one of its TIFF directories claims {count} entries")
        content = self.read(offset + head, count * step + self.inline)
        entries = []
        for index in range(count):
            tag, kind, values = struct.unpack_from(
                f"{self.order}HH{'Q' if self.is_big else 'I'}", content, index * step
            )
            size = values * SIZES.get(kind, 0)
            place = offset + head + (index + 1) * step - self.inline
            if size > self.inline:
                at = (index + 1) * step - self.inline
                place = self._number(content[at : at + self.inline])
                self.tag_bytes += size
            entries.append((tag, kind, values, place))
        if self.tag_bytes > MOST_TAG_BYTES:
            raise ImageTooLargeError(
                f"{self.source.label}: its TIFF tags claim more than {MOST_TAG_BYTES // MIB} MiB. Save the pixels anew."
            )
        return entries, self._number(content[count * step :])


class _Tags:
    """The tags of one directory that say how its pixels are stored."""

    def __init__(self, chain: _Chain, offset: int, entries: list[tuple[int, int, int, int]]) -> None:
        self.chain, self.source, self.offset = chain, chain.source, offset
        self.entries: dict[int, tuple[int, int, int]] = {}
        for tag, kind, count, place in entries:
            self.entries.setdefault(tag, (kind, count, place))
        self.texts = [entry[1:] for entry in entries if entry[0] == DESCRIPTION]

    def numbers(self, tag: int, *, most: int = MOST_VALUES) -> np.ndarray | None:
        """The whole numbers of a tag; None where it is missing."""
        if tag not in self.entries:
            return None
        kind, count, place = self.entries[tag]
        if kind not in INTEGERS or not 0 < count <= most:
            raise _damaged(self.source, f"its TIFF tag {tag} holds {count} values of type {kind}")
        content = self.chain.read(place, count * SIZES[kind])
        return np.frombuffer(content, np.dtype(self.chain.order + INTEGERS[kind]))

    def one(self, tag: int, default: int) -> int:
        """The first number of a tag."""
        found = self.numbers(tag)
        return default if found is None else int(found[0])

    def same(self, tag: int, default: int, samples: int) -> int:
        """A number that a tag states for each sample, and which has to be the same for all."""
        found = self.numbers(tag)
        if found is None:
            return default
        stated = found[:samples]
        if (stated != stated[0]).any():
            raise _unsupported(
                self.source,
                f"its samples are of different kinds (TIFF tag {tag}: {', '.join(map(str, stated[:6].tolist()))})",
                "Save all with the same number of bits and the same format",
            )
        return int(stated[0])

    def directory(self) -> Directory:
        """The record of this directory, its strips and tiles checked."""
        width, height = self.one(WIDTH, 0), self.one(HEIGHT, 0)
        depth, samples = self.one(DEPTH, 1), self.one(SAMPLES, 1)
        if min(width, height, depth, samples) < 1:
            raise _damaged(self.source, f"a TIFF page claims {width} × {height} × {depth} pixels of {samples} samples")
        check_size((depth, height, width) if depth > 1 else (height, width), self.source)
        bits = self.same(BITS, 1, samples)
        planar, compression = self.one(PLANAR, 1) == 2, self.one(COMPRESSION, 1)
        tile = self._tile(width, height, 1 if planar else samples)
        check_bytes(max(width * height * depth * samples, math.prod(tile)) * max(1, bits // 8), self.source)
        tiles = math.ceil(width / tile[1]) * math.ceil(height / tile[0]) * (samples if planar else 1)
        deep = math.ceil(depth / self.one(TILE_DEPTH, 1)) if TILE_WIDTH in self.entries else depth
        page_bytes = width * height * depth * samples * bits // 8
        whole = compression == 1 and bits % 8 == 0 and self.one(PREDICTOR, 1) == 1 and self.one(FILL_ORDER, 1) == 1
        data_offset, is_one_piece = self._segments(tiles * deep, page_bytes if whole else None)
        subfile, old = self.one(SUBFILE, 0), self.one(OLD_SUBFILE, 1)
        photometric = self.one(PHOTOMETRIC, -1)
        orientation = self.one(ORIENTATION, 1)
        return Directory(
            offset=self.offset,
            width=width,
            height=height,
            depth=depth,
            bits=bits,
            sample_format=self.same(SAMPLE_FORMAT, 1, samples),
            samples=samples,
            planar=planar and samples > 1,
            photometric=None if photometric < 0 else photometric,
            extra_samples=tuple(self._extra_samples()),
            orientation=orientation if 1 <= orientation <= 8 else 1,
            compression=compression,
            is_little=self.chain.order == "<",
            is_bit_reversed=self.one(FILL_ORDER, 1) == 2,
            is_reduced=bool(subfile & (REDUCED | MASK)) or (SUBFILE not in self.entries and old == 2),
            is_plain=whole and is_one_piece and TILE_WIDTH not in self.entries,
            data_offset=data_offset,
            tile=tile,
            ink_set=self.one(INK_SET, 1),
            colour_map=self._colour_map(bits),
            descriptions=tuple(self._texts()),
            resolution=self._resolution(),
            maker=next((name for tag, name in MAKERS.items() if tag in self.entries), None),
        )

    def _tile(self, width: int, height: int, samples: int) -> tuple[int, int, int]:
        if TILE_WIDTH in self.entries:
            tile = self.one(TILE_HEIGHT, 0), self.one(TILE_WIDTH, 0), samples
            if min(tile) < 1:
                raise _damaged(self.source, f"it claims tiles of {tile[1]} × {tile[0]} pixels")
            if self.one(TILE_DEPTH, 1) < 1:
                raise _damaged(self.source, "it claims tiles without depth")
            return tile
        rows = self.one(ROWS_PER_STRIP, height)
        return min(rows if rows > 0 else height, height), width, samples

    def _segments(self, expected: int, page_bytes: int | None) -> tuple[int, bool]:
        """Compare the places of strips or tiles with the file's length; where the first is, and whether all follow it.

        Args:
            expected: How many the page's size asks for.
            page_bytes: What all have together where nothing is compressed; None where that is not known.
        """
        if expected > MOST_SEGMENTS:
            raise ImageTooLargeError(
                f"{self.source.label}: a page has {expected:,} strips or tiles, at most {MOST_SEGMENTS:,} are read. "
                "Save it with larger ones."
            )
        tags = (TILE_OFFSETS, TILE_COUNTS) if TILE_OFFSETS in self.entries else (STRIP_OFFSETS, STRIP_COUNTS)
        offsets, counts = (self.numbers(tag, most=MOST_SEGMENTS) for tag in tags)
        if offsets is None:
            raise _damaged(self.source, "a TIFF page does not say where its pixels are")
        if counts is None and page_bytes is not None and expected == 1:
            counts = np.array([page_bytes])
        if counts is None or len(offsets) < expected or len(counts) < expected:
            held = min(len(offsets), 0 if counts is None else len(counts))
            raise _damaged(self.source, f"a TIFF page needs {expected} strips or tiles and lists {held}")
        starts, lengths = (each[:expected].astype(np.uint64) for each in (offsets, counts))
        missing = int(((starts == 0) | (lengths == 0)).sum())
        if missing:
            raise _unsupported(
                self.source,
                f"{missing} of {expected} strips or tiles are missing (a sparse TIFF)",
                "Save it whole",
            )
        size = np.uint64(self.source.size)
        if (lengths > size).any() or (starts > size - np.minimum(lengths, size)).any():
            raise _damaged(self.source, "its pixels are said to be beyond the end of the file")
        if page_bytes is not None and int(lengths.sum()) < page_bytes:
            raise _damaged(
                self.source, f"a page needs {page_bytes} bytes, and its strips or tiles have {int(lengths.sum())}"
            )
        return int(starts[0]), bool((starts[:-1] + lengths[:-1] == starts[1:]).all())

    def _extra_samples(self) -> list[int]:
        found = self.numbers(EXTRA_SAMPLES)
        return [] if found is None else found.tolist()

    def _colour_map(self, bits: int) -> np.ndarray | None:
        found = self.numbers(COLOUR_MAP)
        if found is None or len(found) != 3 * 2**bits:
            return None
        return found.astype(np.uint16).reshape(3, -1)

    def _texts(self) -> Iterator[str]:
        for kind, count, place in self.texts:
            if kind not in (1, ASCII, 7) or not count:
                continue
            if count > MOST_TEXT_BYTES:
                raise ImageTooLargeError(
                    f"{self.source.label}: its description has {count / MIB:.0f} MiB, and at most "
                    f"{MOST_TEXT_BYTES // MIB} MiB are read. Save the pixels anew."
                )
            self.chain.text_bytes += count
            if self.chain.text_bytes > MOST_TEXT_BYTES:
                return  # what the first pages say is enough
            text = self.chain.read(place, count).split(b"\0", 1)[0]
            try:
                yield text.decode("utf-8").strip()
            except UnicodeDecodeError:
                yield text.decode("cp1252", "replace").strip()

    def _resolution(self) -> tuple[float, float] | None:
        found = []
        for tag in (X_RESOLUTION, Y_RESOLUTION):
            kind, count, place = self.entries.get(tag, (0, 0, 0))
            if kind != RATIONAL or count != 1:
                return None
            above, below = struct.unpack(f"{self.chain.order}II", self.chain.read(place, 8))
            if not above or not below:
                return None
            found.append(above / below)
        return found[0], found[1]


def _damaged(source: Source, reason: str) -> DamagedFileError:
    return DamagedFileError(f"{source.label}: the TIFF file is damaged: {reason}. Export or copy it again.")


def _unsupported(source: Source, reason: str, advice: str) -> UnsupportedImageError:
    return UnsupportedImageError(f"{source.label}: {reason}, which is not read here. {advice}.")
