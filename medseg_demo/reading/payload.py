"""The values behind a header of NRRD or MetaImage: which files hold them, and how they are unpacked under limits.

A header is written by whoever uploads it. Therefore a data file is a plain name in the header's own folder, opened by
``open_beside``, which follows no link out of it, and no library ever sees the name.
"""

import bz2
import os
import unicodedata
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Literal

import numpy as np

from medseg_demo import names
from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading.source import MIB, Source, open_beside, read_into

Encoding = Literal["raw", "gzip", "zlib", "bzip2", "text", "hex"]
WINDOW_BITS = {"gzip": 31, "zlib": 47}  # zlib's numbers: gzip alone; zlib or gzip, as MetaImage has both
GZIP_MAGIC = b"\x1f\x8b"
MOST_FILES = 20_000
MOST_SKIPPED = 2**30
DEFLATE_RATIO = 1032  # no deflate stream unpacks to more (zlib's technical notes)
LONGEST_WORD = 512
TOGETHER = "Give the header and its data files together, or save both as one .mha or .nrrd file."


@dataclass(frozen=True, eq=False, kw_only=True)
class Payload:
    """Where the values are, and how they are stored.

    Attributes:
        dtype: With its byte order.
        count: Of the values in all files together.
        encoding: "zlib" also stands for gzip, as in MetaImage; "text" for decimal numbers.
        files: Names beside the header, each with an equal share of the values; empty where they follow the header.
        start: Where they begin in the header's own file, if they follow it.
        line_skip: Lines before the values of each file.
        byte_skip: Bytes before the values of each file, after these lines; −1 where the values are its last bytes.
        skips_unpacked: Whether ``byte_skip`` counts bytes of the unpacked stream.
    """

    dtype: np.dtype
    count: int
    encoding: Encoding
    files: tuple[str, ...] = ()
    start: int = 0
    line_skip: int = 0
    byte_skip: int = 0
    skips_unpacked: bool = False

    @property
    def size(self) -> int:
        """Bytes of all values, unpacked."""
        return self.count * self.dtype.itemsize

    @property
    def share(self) -> int:
        """Bytes of one file's values, unpacked."""
        return self.size // max(1, len(self.files))


def is_plain(name: str) -> bool:
    """Whether a name can only mean a file in the folder itself: no path, drive, address or control character."""
    return name not in ("", ".", "..") and not any(c in '/\\:<>|"' or ord(c) < 32 or c == "\x7f" for c in name)


def plain_names(stated: list[str], source: Source) -> tuple[str, ...]:
    """The names of data files, without a leading ``./``.

    Raises:
        UnsupportedImageError: One is not a plain name, or there are too many.
    """
    if len(stated) > MOST_FILES:
        raise UnsupportedImageError(
            f"{source.label}: its values are in more than {MOST_FILES} files. Save them as one .mha or .nrrd file."
        )
    plain = []
    for name in stated:
        while name.startswith("./"):
            name = name[2:]
        if not is_plain(name):
            raise UnsupportedImageError(
                f"{source.label}: it is only a header, and names a data file that is not in its own folder. Data files "
                f"are read from beside their header alone. {TOGETHER}"
            )
        plain.append(name)
    return tuple(plain)


def check_payload(payload: Payload, source: Source) -> None:
    """Find every data file, and see whether it can hold its share of the values.

    Raises:
        UnsupportedImageError: A file is missing.
        DamagedFileError: A file is too short, or longer than the header claims.
        ReadError: A file cannot be opened or is longer than the limit.
    """
    for number in range(max(1, len(payload.files))):
        with _opened(payload, source, number) as (file, label):
            _, available = _span(payload, file, label)
            most = {"gzip": DEFLATE_RATIO, "zlib": DEFLATE_RATIO, "bzip2": None, "raw": 1, "hex": 0.5}.get(
                payload.encoding, payload.dtype.itemsize
            )
            if most is not None and payload.share > most * (available + 1):
                raise _too_short(label)
            if payload.encoding == "raw":
                _check_raw(payload, available, label)


def read_values(payload: Payload, source: Source, first: int, count: int) -> np.ndarray:
    """Values ``first`` to ``first + count``, as a flat array.

    A compressed stream is unpacked to its end all the same, so that its checksum is compared.

    Raises:
        ReadError: A file is missing, or does not hold exactly the values that the header claims.
    """
    values = np.empty(count, payload.dtype)
    target = values.view(np.uint8).data
    begin, end = first * payload.dtype.itemsize, (first + count) * payload.dtype.itemsize
    share = payload.share
    for number in range(max(1, len(payload.files))):
        start = number * share
        low, high = max(begin, start), min(end, start + share)
        if low >= high:
            continue
        with _opened(payload, source, number) as (file, label):
            piece = target[low - begin : high - begin]
            if payload.encoding == "raw":
                _read_raw(payload, file, label, low - start, piece)
            else:
                _unpack(payload, file, label, low - start, piece)
    return values


def _read_raw(payload: Payload, file: BinaryIO, label: str, offset: int, target: memoryview) -> None:
    begin, available = _span(payload, file, label)
    _check_raw(payload, available, label)
    file.seek(begin + offset)
    if read_into(file, target) < len(target):
        raise _too_short(label)


def _check_raw(payload: Payload, available: int, label: str) -> None:
    if available < payload.share:
        raise _too_short(label)
    if available > payload.share:
        raise DamagedFileError(
            f"{label}: the header and the data contradict each other: there are {available - payload.share} bytes more "
            "than it claims. State what comes before the values (HeaderSize, byte skip), or export the file again."
        )


def _unpack(payload: Payload, file: BinaryIO, label: str, offset: int, target: memoryview) -> None:
    """Copy a part of the unpacked stream, which must be of exactly the length that the header claims."""
    begin, _ = _span(payload, file, label)
    file.seek(begin)
    skipped = payload.byte_skip if payload.skips_unpacked else 0
    total, low, position = skipped + payload.share, skipped + offset, 0
    try:
        for block in _blocks(payload, file):
            start, end = max(low, position), min(low + len(target), position + len(block))
            if start < end:
                target[start - low : end - low] = block[start - position : end - position]
            position += len(block)
            if position > total:
                raise DamagedFileError(
                    f"{label}: the data unpack to more values than the header claims. Export the file again."
                )
    except EOFError:
        raise _too_short(label) from None
    except (zlib.error, ValueError, OSError, OverflowError):
        raise DamagedFileError(
            f"{label}: the {payload.encoding} data are damaged. Export or copy the file again."
        ) from None
    if position < total:
        raise _too_short(label)


def _blocks(payload: Payload, file: BinaryIO) -> Iterator[bytes]:
    if payload.encoding == "text":
        return _parse_text(file, payload.dtype)
    if payload.encoding == "hex":
        return _parse_hex(file)
    return _inflate(file, payload.encoding)


def _inflate(file: BinaryIO, encoding: Encoding) -> Iterator[bytes]:
    """Unpack streams one after the other, as gzip and bzip2 allow; each must end, with its checksum.

    Raises:
        EOFError: One does not end.
        ValueError: Something else follows.
    """
    pending = file.read(MIB)
    while True:
        magic = b"BZh" if encoding == "bzip2" else pending[:2]
        pending = yield from _bunzip(file, pending) if encoding == "bzip2" else _inflate_one(file, pending, encoding)
        pending = pending or file.read(MIB)
        while magic == GZIP_MAGIC and pending and not pending.strip(b"\0"):  # padding, which gzip allows
            pending = file.read(MIB)
        if not pending:
            return
        if magic not in (GZIP_MAGIC, b"BZh") or not pending.startswith(magic):
            raise ValueError("trailing bytes")


def _inflate_one(file: BinaryIO, pending: bytes, encoding: Encoding) -> Generator[bytes, None, bytes]:
    """Unpack one deflate stream; returns what was read beyond its end."""
    unpacker = zlib.decompressobj(WINDOW_BITS[encoding])
    while not unpacker.eof:
        block = unpacker.decompress(pending, 4 * MIB)
        yield block
        pending = unpacker.unconsumed_tail
        if not unpacker.eof and not pending:
            pending = file.read(MIB)
            if not pending and not block:  # without a block nothing more waits inside
                raise EOFError
    return unpacker.unused_data


def _bunzip(file: BinaryIO, pending: bytes) -> Generator[bytes, None, bytes]:
    """Unpack one bzip2 stream; returns what was read beyond its end."""
    unpacker = bz2.BZ2Decompressor()
    while not unpacker.eof:
        yield unpacker.decompress(pending, 4 * MIB)
        pending = b""
        if not unpacker.eof and unpacker.needs_input:
            pending = file.read(MIB)
            if not pending:
                raise EOFError
    return unpacker.unused_data


def _parse_text(file: BinaryIO, dtype: np.dtype) -> Iterator[bytes]:
    """Decimal numbers, separated by white space or commas, as bytes of their type."""
    convert = float if dtype.kind == "f" else int
    rest = b""
    while block := file.read(MIB):
        block = (rest + block).replace(b",", b" ")
        cut = max(block.rfind(white) for white in (b" ", b"\n", b"\t", b"\r")) + 1
        block, rest = block[:cut], block[cut:]
        if b"_" in block or len(rest) > LONGEST_WORD:
            raise ValueError("not a number")
        yield np.array([convert(word) for word in block.split()], dtype).tobytes()
    yield np.array([convert(word) for word in rest.split()], dtype).tobytes()


def _parse_hex(file: BinaryIO) -> Iterator[bytes]:
    rest = b""
    while block := file.read(MIB):
        digits = rest + block.translate(None, b" \t\r\n")
        cut = len(digits) // 2 * 2
        rest = digits[cut:]
        yield bytes.fromhex(digits[:cut].decode("ascii"))
    if rest:
        raise EOFError


def _span(payload: Payload, file: BinaryIO, label: str) -> tuple[int, int]:
    """Where the stored values begin in a file, and how many bytes there are from there to its end."""
    size = file.seek(0, os.SEEK_END)
    begin = file.seek(0 if payload.files else payload.start)
    for _ in range(payload.line_skip):
        while (line := file.readline(MIB)) and not line.endswith(b"\n"):
            pass
        if not line:
            raise _too_short(label)
        begin = file.tell()
    if payload.byte_skip == -1:
        begin = max(begin, size - payload.share) if size - payload.share >= begin else -1
    elif not payload.skips_unpacked:
        begin += payload.byte_skip
    if begin > size or begin < 0:
        raise _too_short(label)
    return begin, size - begin


@contextmanager
def _opened(payload: Payload, source: Source, number: int) -> Iterator[tuple[BinaryIO, str]]:
    """The file that holds a share of the values, and its name for messages."""
    if not payload.files:
        yield source.file, source.label
        return
    name = payload.files[number]
    shown = names.shown(name[:80])
    present = [each for each in _spellings(name) if os.path.lexists(source.path.parent / each)]
    if not present:
        raise UnsupportedImageError(
            f"{source.label}: it is only a header, and its data file {shown} is not beside it. {TOGETHER}"
        )
    with open_beside(source, present[0]) as data:
        yield data.file, f"{source.label}: its data file {shown}"


def _spellings(name: str) -> Iterator[str]:
    """A name as stated, and as the same characters are stored by other systems."""
    spellings = [name]
    if any("\ud800" <= c <= "\udfff" for c in name):
        spellings.append(name.encode("utf-8", "surrogateescape").decode("latin-1"))
    for each in tuple(spellings):
        spellings += [unicodedata.normalize(form, each) for form in ("NFC", "NFD")]
    yield from (each for each in dict.fromkeys(spellings) if is_plain(each))


def _too_short(label: str) -> DamagedFileError:
    return DamagedFileError(f"{label}: the data are damaged: they end too early. Export or copy the file again.")
